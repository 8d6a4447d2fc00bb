//! The folder of a run: usable before the first step, whole after the last, untouched by a run that never started.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::log::JsonLines;

/// Every file a run writes.
const FILES: [&str; 7] = [
    OutputFolder::LOG,
    "model.safetensors",
    "decoder.safetensors",
    "config.json",
    "preprocessor_config.json",
    OutputFolder::LOSS,
    OutputFolder::RECONSTRUCTION,
];

/// A folder that can be written and holds no other run.
///
/// Folders it created are removed again on drop while they are empty.
#[derive(Debug)]
pub struct OutputFolder {
    path: PathBuf,
    created: Vec<PathBuf>,
}

impl OutputFolder {
    /// The steps' records.
    pub const LOG: &str = "log.jsonl";
    /// The picture of the losses.
    pub const LOSS: &str = "loss.png";
    /// The picture of reconstructions.
    pub const RECONSTRUCTION: &str = "reconstruction.png";

    /// Creates `path` where it is missing and tries to write in it.
    ///
    /// # Errors
    /// [`Error::Output`] where it cannot be written, or holds a run already and `replace` is false.
    pub fn prepare(path: &Path, replace: bool) -> Result<Self> {
        let wrong = |reason: String| Error::Output { path: path.into(), reason };
        let earlier = FILES.iter().find(|name| path.join(name).exists());
        if let Some(name) = earlier.filter(|_| !replace) {
            return Err(wrong(format!(
                "holds a run already ({name}); choose another folder, or replace it with --force"
            )));
        }
        let mut missing: Vec<PathBuf> = path
            .ancestors()
            .take_while(|part| !part.as_os_str().is_empty() && !part.exists())
            .map(Into::into)
            .collect();
        missing.reverse();
        let mut folder = Self { path: path.into(), created: Vec::new() };
        for part in missing {
            std::fs::create_dir(&part)
                .map_err(|error| wrong(format!("cannot create the output folder {}: {error}", part.display())))?;
            folder.created.push(part);
        }
        let probe = path.join(format!(".preco-probe-{}", std::process::id()));
        std::fs::write(&probe, b"")
            .and_then(|()| std::fs::remove_file(&probe))
            .map_err(|error| wrong(format!("cannot write in the output folder: {error}")))?;
        Ok(folder)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The steps' log; its first line replaces an earlier run.
    pub fn log(&self) -> JsonLines {
        JsonLines::new(&self.file(Self::LOG), FILES.iter().map(|name| self.file(name)).collect())
    }
}

impl Drop for OutputFolder {
    fn drop(&mut self) {
        // Innermost first; a folder that holds anything refuses, and so do those around it.
        while self.created.pop().is_some_and(|path| std::fs::remove_dir(path).is_ok()) {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_never_started_leaves_no_folder() {
        let root = tempfile::tempdir().expect("temporary folder");
        let inner = root.path().join("a/b");
        drop(OutputFolder::prepare(&inner, false).expect("prepare"));
        assert_eq!(std::fs::read_dir(root.path()).expect("list").count(), 0);
        let folder = OutputFolder::prepare(&inner, false).expect("prepare");
        folder.log().write(&1).expect("write");
        drop(folder);
        assert!(inner.join("log.jsonl").exists());
    }

    #[test]
    fn an_earlier_run_is_replaced_only_on_request() {
        let root = tempfile::tempdir().expect("temporary folder");
        std::fs::write(root.path().join("config.json"), "{}").expect("write");
        let error = OutputFolder::prepare(root.path(), false).expect_err("occupied").to_string();
        assert!(error.contains("config.json") && error.contains("--force"), "{error}");
        let folder = OutputFolder::prepare(root.path(), true).expect("prepare");
        assert!(root.path().join("config.json").exists(), "lost before the first step");
        folder.log().write(&1).expect("write");
        assert!(!root.path().join("config.json").exists());
    }

    #[test]
    fn a_folder_below_a_file_is_refused() {
        let root = tempfile::tempdir().expect("temporary folder");
        let file = root.path().join("file");
        std::fs::write(&file, "").expect("write");
        for path in [file.clone(), file.join("inside"), file.join("deep/inside")] {
            let error = OutputFolder::prepare(&path, false).expect_err("refused").to_string();
            assert!(error.contains("output folder"), "{error}");
        }
        assert_eq!(std::fs::read_dir(root.path()).expect("list").count(), 1);
    }
}
