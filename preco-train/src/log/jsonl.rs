//! One JSON object a line, each flushed: a run that is killed leaves whole lines.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{Error, Result};

/// A file of JSON lines that comes to be with its first line.
pub struct JsonLines {
    path: PathBuf,
    stale: Vec<PathBuf>,
    file: Option<File>,
}

impl JsonLines {
    /// A log at `path`. The first line replaces what stood there and removes `stale`, the files of an earlier run: they
    /// must not be taken for this one's, but a run that fails before its first step must not cost them either.
    pub fn new(path: &Path, stale: Vec<PathBuf>) -> Self {
        Self { path: path.into(), stale, file: None }
    }

    /// Appends one line.
    ///
    /// # Errors
    /// [`Error::Io`] with the path.
    pub fn write(&mut self, record: &impl Serialize) -> Result<()> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::Io { action: "write", path, source }
        };
        if self.file.is_none() {
            for path in self.stale.drain(..).filter(|path| path.exists()) {
                std::fs::remove_file(&path).map_err(failed(&path))?;
            }
            self.file = Some(File::create(&self.path).map_err(failed(&self.path))?);
        }
        let mut line = serde_json::to_vec(record).map_err(std::io::Error::other).map_err(failed(&self.path))?;
        line.push(b'\n');
        // One write call a line: no buffer to lose, and no reader sees half of one.
        self.file.as_mut().map_or(Ok(()), |file| file.write_all(&line)).map_err(failed(&self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_replaces_the_earlier_run() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (path, old) = (folder.path().join("log.jsonl"), folder.path().join("old"));
        std::fs::write(&path, "earlier\n").expect("write");
        std::fs::write(&old, "earlier").expect("write");
        let mut log = JsonLines::new(&path, vec![old.clone()]);
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "earlier\n");
        log.write(&1).expect("write");
        assert!(!old.exists());
        log.write(&serde_json::json!({"a": null})).expect("write");
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "1\n{\"a\":null}\n");
    }
}
