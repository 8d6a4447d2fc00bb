//! The program itself, built once and run as a person would.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

/// What a run left behind.
#[derive(Debug)]
pub struct Done {
    /// The exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Done {
    /// Itself, where the program succeeded.
    ///
    /// # Panics
    /// With all it printed, where it did not.
    pub fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Checks that the program failed with code 2, printed no result and one last line with `needle`.
    ///
    /// # Panics
    /// With all it printed, where it did not.
    pub fn refused(self, needle: &str) {
        let all = format!("code {:?}\nstdout:\n{}\nstderr:\n{}", self.code, self.stdout, self.stderr);
        assert_eq!(self.code, Some(2), "{all}");
        assert_eq!(self.stdout, "", "{all}");
        let error: Vec<&str> = self.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
        assert!(error.len() == 1 && self.stderr.contains(needle), "no {needle:?} in\n{all}");
    }
}

/// Runs `preco-cli` with `arguments`, separated by blanks, in `folder`.
///
/// # Panics
/// Where it cannot be built or started.
pub fn preco(folder: &Path, arguments: &str) -> Done {
    done(command(folder, arguments).output().expect("start preco-cli"))
}

/// Starts `preco-cli` in `folder` and lets it run; it prints where nobody reads.
///
/// # Panics
/// Where it cannot be built or started.
pub fn start(folder: &Path, arguments: &str) -> Child {
    let mut command = command(folder, arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("start preco-cli")
}

/// Runs `preco-cli` as [`preco`] does, in a shell where no file may grow beyond `blocks` of 512 bytes: a full disk.
///
/// # Panics
/// Where it cannot be built or started.
pub fn preco_on_a_full_disk(folder: &Path, arguments: &str, blocks: u64) -> Done {
    let program = program().display();
    // Without the trap the system would end the program instead of failing the write.
    let line = format!("trap '' XFSZ; ulimit -f {blocks}; exec {program} {arguments}");
    done(Command::new("sh").args(["-c", &line]).current_dir(folder).output().expect("start sh"))
}

/// `preco-cli` with `arguments`, separated by blanks, in `folder`, not started yet.
///
/// # Panics
/// Where it cannot be built.
pub fn command(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(program());
    command.args(arguments.split_whitespace()).current_dir(folder).env_remove("PRECO_SIMD").env_remove("PRECO_LOG");
    command
}

/// What a process that has ended left behind.
pub fn done(output: Output) -> Done {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Done { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// The program beside this test, in the same profile.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        // …/target/PROFILE/deps/this-test
        let test = std::env::current_exe().expect("the test's own path");
        let profile = test.ancestors().nth(2).expect("the profile's folder");
        let name = profile.file_name().and_then(|name| name.to_str()).expect("the profile's name");
        let mut build = Command::new(env!("CARGO"));
        build
            .args(["build", "--quiet", "--package", "preco-cli", "--target-dir"])
            .arg(profile.parent().expect("target"));
        // The folder of the profile `dev` is called `debug`.
        build.args(["--profile", if name == "debug" { "dev" } else { name }]);
        let built = build.current_dir(crate::folder::workspace()).status().expect("start cargo");
        assert!(built.success(), "preco-cli does not build");
        profile.join(format!("preco-cli{}", std::env::consts::EXE_SUFFIX))
    })
}
