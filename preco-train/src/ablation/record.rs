//! Finished runs, a line each.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What came out of a run.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Record {
    /// By what it is known, see [`super::Plan::key`].
    pub key: String,
    /// The arm's name.
    pub arm: String,
    /// The seed.
    pub seed: u64,
    /// `pretrain`, or the measure's name.
    pub step: String,
    /// What was measured.
    pub figures: BTreeMap<String, f64>,
    /// How long it took.
    pub seconds: f64,
    /// The program that did it.
    pub program: String,
    /// What it ran on.
    pub machine: String,
}

/// The records of a file, in their order; none where there is no file. A last line that was cut off is passed over.
///
/// # Errors
/// [`Error::Io`]; [`Error::Data`] with the line that is no record.
pub fn read(path: &Path) -> Result<Vec<Record>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::read(path, error)),
    };
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let lines = whole.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let wrong = |at: usize, error: serde_json::Error| Error::data(path, format!("line {} is no run: {error}", at + 1));
    lines.map(|(at, line)| serde_json::from_str(line).map_err(|error| wrong(at, error))).collect()
}

/// Adds a line, on the disk when this returns. What a crash left of an earlier one is removed.
///
/// # Errors
/// [`Error::Io`].
pub fn append(path: &Path, record: &Record) -> Result<()> {
    let failed = |source| Error::Io { action: "write", path: path.to_owned(), source };
    let write = || -> io::Result<()> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        let mut file = File::options().create(true).append(true).open(path)?;
        let bytes = std::fs::read(path)?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        if whole < bytes.len() {
            file.set_len(whole as u64)?;
        }
        file.write_all(&line)?;
        file.sync_all()
    };
    write().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(seed: u64) -> Record {
        Record {
            key: format!("{seed:x}"),
            arm: "a".into(),
            seed,
            step: "knn".into(),
            figures: [("top1".to_owned(), 0.1 + 0.2)].into(),
            seconds: 1.5,
            program: "p".into(),
            machine: "m".into(),
        }
    }

    #[test]
    fn lines_come_back_and_half_a_line_is_written_over() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("runs.jsonl");
        assert_eq!(read(&path).expect("none"), []);
        append(&path, &record(1)).expect("append");
        let mut torn = std::fs::read(&path).expect("read");
        torn.extend(b"{\"key\": \"2\", \"ar");
        std::fs::write(&path, torn).expect("write");
        assert_eq!(read(&path).expect("one"), [record(1)]);
        append(&path, &record(3)).expect("append");
        assert_eq!(read(&path).expect("two"), [record(1), record(3)]);
        std::fs::write(&path, "{}\n").expect("write");
        assert!(read(&path).expect_err("no run").to_string().contains("line 1 is no run"));
    }
}
