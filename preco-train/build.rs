//! Tells the code its commit, as `PRECO_COMMIT`: what a checkpoint says it was written by.
//!
//! From the file that `cargo package` adds, else from git where the workspace is a clone, else `unknown`. Changes that are
//! not committed are not seen. Runs again when HEAD moves, not at every build.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Digits of the commit's hash.
const DIGITS: usize = 7;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let package = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let commit = packaged(&package).or_else(|| cloned(&package)).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo:rustc-env=PRECO_COMMIT={commit}");
}

/// The commit a published package was made from.
fn packaged(package: &Path) -> Option<String> {
    let text = std::fs::read_to_string(package.join(".cargo_vcs_info.json")).ok()?;
    let hash = text.split_once("\"sha1\"")?.1.split('"').nth(1)?;
    shortened(hash)
}

/// The commit that is checked out. Only where the workspace itself is a clone: a copy of the package within another
/// project's repository must not tell that project's commit.
fn cloned(package: &Path) -> Option<String> {
    let workspace = package.parent()?;
    if !workspace.join(".git").exists() {
        return None;
    }
    let commit = shortened(&git(workspace, &["rev-parse", "HEAD"])?)?;
    // HEAD changes with the branch, the branch's file with the commit; the log of HEAD with both, and also where the branch
    // is packed and has no file. Cargo would run this at every build for a file that is missing.
    let branch = git(workspace, &["symbolic-ref", "--quiet", "HEAD"]);
    for name in ["HEAD", "logs/HEAD"].into_iter().chain(branch.as_deref()) {
        let path = git(workspace, &["rev-parse", "--git-path", name]).map(|path| workspace.join(path));
        if let Some(path) = path.filter(|path| path.exists()) {
            println!("cargo:rerun-if-changed={}", path.display());
        }
    }
    Some(commit)
}

fn shortened(hash: &str) -> Option<String> {
    hash.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| hash.get(..DIGITS).map(str::to_owned))?
}

/// What git prints, in one line.
fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    // A hook's variables name the hook's repository.
    let output = Command::new("git")
        .args(arguments)
        .current_dir(folder)
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .output()
        .ok()?;
    let line = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !line.is_empty()).then_some(line)
}
