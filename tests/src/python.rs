//! Other people's programs in Python, which read what we write.
//!
//! `PRECO_PYTHON` names the Python, `python3` without it. Where it lacks a package, a test says so on stderr and passes.

use std::ffi::OsString;
use std::process::Command;

use serde_json::Value;

use crate::binary::done;
use crate::folder::{say, workspace};

/// A Python that has what a test needs.
pub struct Python(OsString);

impl Python {
    /// `None`, after a loud line, where it lacks one of `packages`: names, or `name>=1.2.3`.
    ///
    /// # Panics
    /// Where `PRECO_PYTHON` names a program that does not run.
    pub fn with(packages: &[&str]) -> Option<Self> {
        let asked = std::env::var_os("PRECO_PYTHON").filter(|python| !python.is_empty());
        let python = asked.clone().unwrap_or_else(|| "python3".into());
        let script = workspace().join("tests/python/lacks.py");
        let lacks = match Command::new(&python).arg(script).args(packages).output() {
            Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
            other => {
                assert!(
                    asked.is_none(),
                    "PRECO_PYTHON is {python:?}, which does not run: {other:?}. Unset or correct it"
                );
                "itself".to_owned()
            }
        };
        if lacks.is_empty() {
            return Some(Self(python));
        }
        let test = std::thread::current().name().unwrap_or_default().to_owned();
        say(&format!("SKIPPED: {test}: {python:?} lacks {lacks}; set PRECO_PYTHON to a Python that has it"));
        None
    }

    /// The program that runs `script` of `tests/python`, not started yet.
    pub fn command(&self, script: &str, arguments: &[&str]) -> Command {
        let mut python = Command::new(&self.0);
        python.arg(workspace().join("tests/python").join(script)).args(arguments).current_dir(workspace());
        python.env("PYTHONDONTWRITEBYTECODE", "1");
        python
    }

    /// The line of JSON that a program prints at last.
    ///
    /// # Panics
    /// With all it printed, where it failed or printed something else.
    pub fn told(command: &mut Command) -> Value {
        let told = done(command.output().expect("start Python")).succeeded();
        let line = told.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}"))
    }
}
