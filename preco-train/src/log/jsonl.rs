//! One JSON object a line, each flushed: a run that is killed leaves whole lines.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
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

    /// The log at `path` as it was after `step` updates, to be continued: of what stands there, only whole lines whose
    /// `step` is at most that stay, in their order. Until the new file is whole, the old one stays as it was; where there
    /// is none, an empty one comes to be.
    ///
    /// # Errors
    /// [`Error::Io`] with the path.
    pub fn resume(path: &Path, step: u64) -> Result<Self> {
        let failed = |source| Error::Io { action: "write", path: path.into(), source };
        let old = match File::open(path) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(Error::read(path, error)),
        };
        preco_core::files::write_atomic(path, |out| old.map_or(Ok(()), |old| copy_until(old, step, out)))
            .map_err(failed)?;
        let file = File::options().append(true).open(path).map_err(failed)?;
        Ok(Self { path: path.into(), stale: Vec::new(), file: Some(file) })
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

/// Copies the whole lines whose `step` is at most `step`, one at a time.
fn copy_until(old: File, step: u64, out: &mut dyn Write) -> io::Result<()> {
    #[derive(serde::Deserialize)]
    struct Line {
        step: u64,
    }
    let mut old = BufReader::with_capacity(1 << 16, old);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn resumed(old: Option<&str>, step: u64) -> String {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("log.jsonl");
        if let Some(old) = old {
            std::fs::write(&path, old).expect("write");
        }
        let mut log = JsonLines::resume(&path, step).expect("resume");
        log.write(&serde_json::json!({"step": 99})).expect("write");
        std::fs::read_to_string(&path).expect("read")
    }

    #[test]
    fn a_resumed_log_forgets_later_steps_and_half_a_line() {
        let old = "{\"step\":1}\n{\"step\":2,\"loss\":0.5}\n{\"step\":2,\"accuracy\":1}\n{\"step\":3}\n{\"step\":1";
        let kept = "{\"step\":1}\n{\"step\":2,\"loss\":0.5}\n{\"step\":2,\"accuracy\":1}\n{\"step\":99}\n";
        assert_eq!(resumed(Some(old), 2), kept);
        assert_eq!(resumed(Some("{\"step\":1}\n{\"step\":2}"), 2), "{\"step\":1}\n{\"step\":99}\n");
        assert_eq!(resumed(Some("\0\0\0\n{\"step\":0}\n{}\n"), 0), "{\"step\":0}\n{\"step\":99}\n");
    }

    #[test]
    fn a_resumed_log_may_be_new() {
        assert_eq!(resumed(None, 7), "{\"step\":99}\n");
    }

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
