//! One JSON object a line, each flushed: a run that is killed leaves whole lines.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::progress::{EvaluationReport, StepReport};

/// A file of JSON lines that comes to be with its first line.
pub struct JsonLines {
    path: PathBuf,
    file: Option<File>,
}

impl JsonLines {
    /// A log at `path`; the first line replaces what stood there.
    pub fn new(path: &Path) -> Self {
        Self { path: path.into(), file: None }
    }

    /// The log at `path` as it was after `step` updates: later lines and a half-written last one go.
    ///
    /// # Errors
    /// [`Error::Io`] with the path.
    pub fn resume(path: &Path, step: u64) -> Result<Self> {
        let io = |action| move |source| Error::Io { action, path: path.to_owned(), source };
        let text = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            text => text.map_err(io("read"))?,
        };
        let kept = text
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n') && step_of(line).is_some_and(|at| at <= step));
        let kept: String = kept.collect();
        preco_core::files::write_atomic(path, |out| out.write_all(kept.as_bytes())).map_err(io("write"))?;
        let file = File::options().append(true).open(path).map_err(io("write"))?;
        Ok(Self { path: path.into(), file: Some(file) })
    }

    /// Appends one line.
    ///
    /// # Errors
    /// [`Error::Io`] with the path.
    pub fn write(&mut self, record: &impl Serialize) -> Result<()> {
        let failed = |source| Error::Io { action: "write", path: self.path.clone(), source };
        let mut line = serde_json::to_vec(record).map_err(std::io::Error::other).map_err(failed)?;
        line.push(b'\n');
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(File::create(&self.path).map_err(failed)?),
        };
        // One write call a line: no buffer to lose, and no reader sees half of one.
        file.write_all(&line).map_err(failed)
    }
}

/// The update that a line is about.
fn step_of(line: &str) -> Option<u64> {
    serde_json::from_str::<serde_json::Value>(line).ok()?.get("step")?.as_u64()
}

/// The steps in a log; evaluations and a half-written last line are passed over.
///
/// # Errors
/// [`Error::Io`] with the path.
pub fn read_steps(path: &Path) -> Result<Vec<StepReport>> {
    read_lines(path)
}

/// The evaluations in a log.
///
/// # Errors
/// [`Error::Io`] with the path.
pub fn read_evaluations(path: &Path) -> Result<Vec<EvaluationReport>> {
    read_lines(path)
}

/// The lines of one kind: of the other some field is missing.
fn read_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let file = File::open(path).map_err(|source| Error::read(path, source))?;
    let mut found = Vec::new();
    for line in BufReader::new(file).lines() {
        let line = line.map_err(|source| Error::read(path, source))?;
        found.extend(serde_json::from_str::<T>(&line).ok());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resumed_log_forgets_what_came_later_and_half_a_line() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("log.jsonl");
        let mut log = JsonLines::new(&path);
        for step in 1..=4 {
            log.write(&serde_json::json!({"step": step})).expect("write");
        }
        drop(log);
        std::fs::OpenOptions::new().append(true).open(&path).expect("open").write_all(b"{\"step\":2").expect("write");
        let mut log = JsonLines::resume(&path, 2).expect("resume");
        log.write(&serde_json::json!({"step": 3, "again": true})).expect("write");
        let text = std::fs::read_to_string(&path).expect("read");
        assert_eq!(text, "{\"step\":1}\n{\"step\":2}\n{\"again\":true,\"step\":3}\n");
    }

    #[test]
    fn the_first_line_replaces_the_earlier_run() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("log.jsonl");
        std::fs::write(&path, "earlier\n").expect("write");
        let mut log = JsonLines::new(&path);
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "earlier\n");
        log.write(&1).expect("write");
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "1\n");
    }
}
