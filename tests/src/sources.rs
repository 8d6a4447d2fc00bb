//! What source files may not contain: the checks behind the rules of ARCHITECTURE.md, as functions of text.

use std::path::{Path, PathBuf};

/// The system that `preco-core` must not see: environment, clock, network, terminal.
const SYSTEM: [&str; 8] =
    ["std::env", "std::time", "std::net", "env::var", "Instant::now", "SystemTime", "println!", "print!"];

/// What marks an item as a test's.
const TEST_ONLY: &str = "#[cfg(test)]";

/// The longest a source file may be.
pub const MOST_LINES: usize = 500;

/// The Rust files below `folder`, by path.
///
/// # Panics
/// Where the folder cannot be read.
pub fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for path in entries.map(|entry| entry.expect("entry of a source folder").path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort_unstable();
    files
}

/// The files of modules that `text`, the content of `file`, declares for tests only.
pub fn test_modules(file: &Path, text: &str) -> Vec<PathBuf> {
    let folder = file.parent().unwrap_or(file);
    let is_root = file.file_stem().is_some_and(|stem| ["mod", "lib", "main"].iter().any(|root| stem == *root));
    let folder = if is_root { folder.to_path_buf() } else { file.with_extension("") };
    let mut lines = text.lines().map(str::trim);
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        if line != TEST_ONLY {
            continue;
        }
        let declared = lines.next().and_then(|item| item.strip_suffix(';'));
        let name = declared.and_then(|item| item.trim_start_matches("pub(crate) ").strip_prefix("mod "));
        if let Some(name) = name {
            found.extend([folder.join(format!("{name}.rs")), folder.join(name).join("mod.rs")]);
        }
    }
    found
}

/// Lines of `text` outside comments and tests that touch the system, with their numbers.
pub fn system_uses(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate().peekable();
    while let Some((index, line)) = lines.next() {
        if line.trim() == TEST_ONLY {
            match lines.next() {
                // Tests close a file by the house's order.
                Some((_, item)) if item.contains('{') && item.starts_with("mod ") => break,
                _ => continue,
            }
        }
        let code = line.split("//").next().unwrap_or(line);
        let in_braces = code.trim_start().starts_with("use std::{")
            && code.split(['{', '}', ',', ' ', ':', ';']).any(|word| ["env", "time", "net"].contains(&word));
        if in_braces || SYSTEM.iter().any(|word| code.contains(word)) {
            found.push(format!("{}: {}", index + 1, line.trim()));
        }
    }
    found
}

/// The tests that a text names as `` `file::claim` `` and that `declared` (source text) does not have.
pub fn unknown_tests(text: &str, declared: &str) -> Vec<String> {
    let quoted = text.split('`').skip(1).step_by(2);
    // Paths of the project's items are quoted too; a claim has several words.
    let claims = quoted.filter_map(|quote| quote.rsplit_once("::")).filter(|(_, claim)| claim.matches('_').count() > 2);
    let unknown = claims.filter(|(_, claim)| !declared.contains(&format!("fn {claim}()")));
    unknown.map(|(file, claim)| format!("{file}::{claim}")).collect()
}

/// How many lines over the limit `text` is.
pub fn lines_over(text: &str) -> usize {
    text.lines().count().saturating_sub(MOST_LINES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_use_of_the_system_is_found() {
        for line in [
            "let level = std::env::var(\"LEVEL\");",
            "use std::time::Instant;",
            "    let now = std::time::SystemTime::now();",
            "use std::net::TcpStream;",
            "use std::{env, fs};",
            "use std::{fs, time::Instant};",
            "println!(\"{step}\");",
            "    eprintln!(\"{step}\");",
        ] {
            assert_eq!(system_uses(&format!("fn a() {{}}\n{line}\n")), [format!("2: {}", line.trim())]);
        }
    }

    #[test]
    fn comments_and_tests_may_name_the_system() {
        let text = "// std::env is for the CLI\nfn a() {} // println!\n#[cfg(test)]\nmod tests {\n use std::env;\n}\n";
        assert_eq!(system_uses(text), [""; 0]);
        assert_eq!(system_uses("use std::{fs, io};\nlet environment = 1;\n"), [""; 0]);
    }

    #[test]
    fn an_item_for_tests_hides_nothing_after_it() {
        let text = "#[cfg(test)]\nmod golden;\n#[cfg(test)]\nuse std::env;\nuse std::net::TcpStream;\n";
        assert_eq!(system_uses(text), ["5: use std::net::TcpStream;"]);
        let expected = ["src/a/golden.rs", "src/a/golden/mod.rs"].map(PathBuf::from);
        assert_eq!(test_modules(Path::new("src/a/mod.rs"), text), expected);
        assert_eq!(test_modules(Path::new("src/a.rs"), text), expected);
        assert!(test_modules(Path::new("src/a.rs"), "mod golden;\n").is_empty());
    }

    #[test]
    fn a_test_that_was_renamed_is_found() {
        let text = "| holds | `clip::a_norm_is_a_norm`, `nn::params::Layout` |";
        assert_eq!(unknown_tests(text, "fn a_norm_is_a_norm() {"), [""; 0]);
        assert_eq!(unknown_tests(text, "fn the_norm_is_a_norm() {"), ["clip::a_norm_is_a_norm"]);
    }

    #[test]
    fn a_file_one_line_too_long_is_found() {
        assert_eq!(lines_over(&"\n".repeat(MOST_LINES)), 0);
        assert_eq!(lines_over(&"\n".repeat(MOST_LINES + 1)), 1);
    }
}
