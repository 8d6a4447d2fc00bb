//! One JSON object a line, each flushed: a run that is killed leaves whole lines.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
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
        let old = match File::open(path) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(Error::read(path, error)),
        };
        preco_core::files::write_atomic(path, |out| old.map_or(Ok(()), |old| copy_until(old, step, out)))
            .map_err(io("write"))?;
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

/// Copies the whole lines whose `step` is at most `step`, one at a time: a log may be larger than the memory.
fn copy_until(old: File, step: u64, out: &mut dyn Write) -> io::Result<()> {
    #[derive(serde::Deserialize)]
    struct Line {
        step: u64,
    }
    let mut old = BufReader::new(old);
    let mut line = Vec::new();
    while old.read_until(b'\n', &mut line)? > 0 {
        let record = serde_json::from_slice::<Line>(&line);
        if line.ends_with(b"\n") && record.is_ok_and(|record| record.step <= step) {
            out.write_all(&line)?;
        }
        line.clear();
    }
    Ok(())
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
    fn bytes_that_are_no_text_do_not_keep_a_run_from_going_on() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("log.jsonl");
        std::fs::write(&path, b"{\"step\":1}\n\0\0\n{}\n{\"step\":2}\n{\"name\":\"\xc3").expect("write");
        JsonLines::resume(&path, 2).expect("resume");
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "{\"step\":1}\n{\"step\":2}\n");
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
