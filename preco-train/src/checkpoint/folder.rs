//! The folder of a run: usable before the first step, whole after the last, untouched by a run that never started, and
//! one run's at a time.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use super::store::{CHECKPOINTS, Store};
use crate::error::{Error, Result};

/// Held for as long as the run lives; the system lets go of it when the process dies, however it dies.
const LOCK: &str = ".lock";
/// The folder of the best parameters.
const BEST: &str = "best";

/// There once a run has come to its end.
const MODEL: &str = "model.safetensors";

/// Everything a run writes, files and folders.
const PARTS: [&str; 14] = [
    RunFolder::LOG,
    RunFolder::SETTINGS,
    RunFolder::DIVERGED,
    RunFolder::SPLIT,
    RunFolder::REPORT,
    RunFolder::FIGURES,
    MODEL,
    "decoder.safetensors",
    "config.json",
    "preprocessor_config.json",
    RunFolder::LOSS,
    RunFolder::RECONSTRUCTION,
    CHECKPOINTS,
    BEST,
];

/// What to do with what a folder holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// A run of its own: the folder holds none yet.
    Fresh,
    /// A run of its own, in place of whatever was there; that goes when the first step is done.
    Replace,
    /// The run that is there goes on, from its first step where it has no checkpoint yet.
    Resume,
}

/// A folder that can be written and that no other process is training in.
///
/// Folders it created are removed again on drop while they are empty.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    created: Vec<PathBuf>,
    /// Released by the system when dropped.
    lock: Option<File>,
}

impl RunFolder {
    /// The steps' records.
    pub const LOG: &str = "log.jsonl";
    /// The settings, merged from file and flags: a run can be started from them again.
    pub const SETTINGS: &str = "run.toml";
    /// The step at which loss or gradient stopped being numbers.
    pub const DIVERGED: &str = "diverged.json";
    /// Which image was trained on and which held out.
    pub const SPLIT: &str = "split.tsv";
    /// The page about the run.
    pub const REPORT: &str = "report.html";
    /// What a fine-tuned model is worth on held-out images.
    pub const FIGURES: &str = "metrics.json";
    /// The picture of the losses.
    pub const LOSS: &str = "loss.png";
    /// The picture of reconstructions.
    pub const RECONSTRUCTION: &str = "reconstruction.png";

    /// Creates `path` where it is missing, tries to write in it, takes its lock and removes what killed writes left there.
    ///
    /// # Errors
    /// [`Error::Output`] where it cannot be written, another run is in it, or what it holds does not suit `start`.
    pub fn open(path: &Path, start: Start) -> Result<Self> {
        let wrong = |reason: String| Error::Output { path: path.into(), reason };
        let has_checkpoint = !Store::new(path, 1).is_empty();
        let has_model = path.join(MODEL).exists();
        let can_go_on = has_checkpoint || path.join(RunFolder::SETTINGS).exists() && !has_model;
        if start == Start::Fresh
            && let Some(name) = PARTS.iter().find(|name| path.join(name).exists())
        {
            let go_on = if can_go_on { ", continue it with --resume" } else { "" };
            return Err(wrong(format!(
                "holds a run already ({name}); choose another folder{go_on}, or replace it with --force"
            )));
        }
        if start == Start::Resume && !can_go_on {
            // From its first step it would be another run, in place of a model that is done.
            let what = if has_model { "a finished model and no checkpoint" } else { "no run" };
            return Err(wrong(format!("holds {what}, so there is nothing to continue")));
        }
        let mut missing: Vec<PathBuf> = path
            .ancestors()
            .take_while(|part| !part.as_os_str().is_empty() && !part.exists())
            .map(Into::into)
            .collect();
        missing.reverse();
        let mut folder = Self { path: path.into(), created: Vec::new(), lock: None };
        for part in missing {
            std::fs::create_dir(&part)
                .map_err(|error| wrong(format!("cannot create the output folder {}: {error}", part.display())))?;
            folder.created.push(part);
        }
        folder.lock = Some(folder.locked()?);
        folder.remove_leftovers();
        Ok(folder)
    }

    /// The folder's lock, held.
    fn locked(&self) -> Result<File> {
        let wrong = |reason: String| Error::Output { path: self.path.clone(), reason };
        let path = self.path.join(LOCK);
        loop {
            let lock = File::options().create(true).truncate(false).write(true).open(&path);
            let lock = lock.map_err(|error| wrong(format!("cannot write in the output folder: {error}")))?;
            match lock.try_lock() {
                Ok(()) if is_at(&lock, &path) => return Ok(lock),
                // The run that held it has left and taken its file along; the next one has a file of its own.
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let advice = "another run is training in it; choose another folder or wait for its end";
                    return Err(wrong(advice.to_owned()));
                }
                // A file system without locks: nothing to hold, nothing to refuse.
                Err(TryLockError::Error(error)) => {
                    tracing::warn!(path = %path.display(), %error, "the folder cannot be locked");
                    return Ok(lock);
                }
            }
        }
    }

    /// Removes half-written files. With the lock held no living process can own them.
    fn remove_leftovers(&self) {
        for folder in [self.path.clone(), self.path.join(CHECKPOINTS), self.path.join(BEST)] {
            match preco_core::files::remove_leftovers(&folder) {
                Ok(0) => {}
                Ok(count) => tracing::info!(folder = %folder.display(), count, "half-written files removed"),
                // They cost space, not the run.
                Err(error) => tracing::warn!(folder = %folder.display(), %error, "half-written files stay"),
            }
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The folder of the best parameters, made where it is missing.
    ///
    /// # Errors
    /// [`Error::Io`] with the path.
    pub fn best(&self) -> Result<PathBuf> {
        let path = self.path.join(BEST);
        std::fs::create_dir_all(&path).map_err(|source| Error::Io { action: "write", path: path.clone(), source })?;
        Ok(path)
    }

    /// True where it holds anything that a run writes.
    pub fn holds_run(&self) -> bool {
        PARTS.iter().any(|name| self.path.join(name).exists())
    }

    /// Removes the report of a step that is past.
    ///
    /// # Errors
    /// [`Error::Io`] with the path.
    pub fn forget_divergence(&self) -> Result<()> {
        let path = self.file(Self::DIVERGED);
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::Io { action: "remove", path, source })
            }
            _ => Ok(()),
        }
    }

    /// Removes what an earlier run left, which must not be taken for this one's, but for the settings: those are replaced
    /// in one go, so that a run that is killed meanwhile has some.
    ///
    /// # Errors
    /// [`Error::Io`] with the path of what stays.
    pub fn clear(&self) -> Result<()> {
        let events = std::fs::read_dir(&self.path).into_iter().flatten().flatten().map(|entry| entry.path());
        let events = events.filter(|path| {
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("events.out.tfevents."))
        });
        let parts = PARTS.iter().filter(|name| **name != Self::SETTINGS).map(|name| self.path.join(name));
        for path in parts.chain(events).filter(|path| path.exists()) {
            let removed = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
            removed.map_err(|source| Error::Io { action: "remove", path, source })?;
        }
        Ok(())
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        if let Some(lock) = self.lock.take() {
            // While it is held: whoever opened the file in the meantime sees that it is no longer the folder's.
            let _ = std::fs::remove_file(self.path.join(LOCK));
            drop(lock);
        }
        // Innermost first; a folder that holds anything refuses, and so do those around it.
        while self.created.pop().is_some_and(|path| std::fs::remove_dir(path).is_ok()) {}
    }
}

/// True where `path` still names the open `file`.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let place = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    let (ours, theirs) = (file.metadata().map(place), std::fs::metadata(path).map(place));
    ours.is_ok_and(|ours| theirs.is_ok_and(|theirs| ours == theirs))
}

/// An open file cannot be removed here.
#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_never_started_leaves_no_folder() {
        let root = tempfile::tempdir().expect("temporary folder");
        let inner = root.path().join("a/b");
        drop(RunFolder::open(&inner, Start::Fresh).expect("open"));
        assert_eq!(std::fs::read_dir(root.path()).expect("list").count(), 0);
        let folder = RunFolder::open(&inner, Start::Fresh).expect("open");
        std::fs::write(folder.file(RunFolder::LOG), "{}").expect("write");
        drop(folder);
        assert_eq!(std::fs::read_dir(&inner).expect("list").count(), 1);
    }

    #[test]
    fn an_earlier_run_is_replaced_only_on_request() {
        let root = tempfile::tempdir().expect("temporary folder");
        std::fs::write(root.path().join("config.json"), "{}").expect("write");
        let error = RunFolder::open(root.path(), Start::Fresh).expect_err("occupied").to_string();
        assert!(error.contains("config.json") && error.contains("--force") && !error.contains("--resume"), "{error}");
        std::fs::create_dir(root.path().join(CHECKPOINTS)).expect("create");
        std::fs::write(root.path().join("checkpoints/step-0000000001.safetensors"), "").expect("write");
        let error = RunFolder::open(root.path(), Start::Fresh).expect_err("occupied").to_string();
        assert!(error.contains("--resume"), "{error}");
        let folder = RunFolder::open(root.path(), Start::Replace).expect("open");
        std::fs::write(root.path().join("mine.txt"), "").expect("write");
        std::fs::write(root.path().join("events.out.tfevents.1.preco"), "").expect("write");
        assert!(root.path().join("config.json").exists(), "lost before the first step");
        folder.clear().expect("clear");
        drop(folder);
        let left: Vec<_> = std::fs::read_dir(root.path()).expect("list").flatten().map(|e| e.file_name()).collect();
        assert_eq!(left, ["mine.txt"]);
    }

    #[test]
    fn a_folder_is_one_runs_at_a_time() {
        let root = tempfile::tempdir().expect("temporary folder");
        let first = RunFolder::open(root.path(), Start::Fresh).expect("open");
        let error = RunFolder::open(root.path(), Start::Fresh).expect_err("in use").to_string();
        assert!(error.contains("another run is training in it"), "{error}");
        drop(first);
        RunFolder::open(root.path(), Start::Fresh).expect("free again");
    }

    #[test]
    fn half_written_files_go_when_the_next_run_begins_and_not_while_one_lives() {
        let root = tempfile::tempdir().expect("temporary folder");
        let first = RunFolder::open(root.path(), Start::Fresh).expect("open");
        let left = ["", CHECKPOINTS, BEST].map(|part| root.path().join(part).join(".preco-aB3xY9"));
        for path in &left {
            std::fs::create_dir_all(path.parent().expect("parent")).expect("create");
            std::fs::write(path, "half").expect("write");
        }
        RunFolder::open(root.path(), Start::Replace).expect_err("in use");
        assert!(left.iter().all(|path| path.exists()), "a living run lost what it writes");
        drop(first);
        let _second = RunFolder::open(root.path(), Start::Replace).expect("open");
        assert!(!left.iter().any(|path| path.exists()), "half-written files stay");
    }

    #[test]
    fn a_lock_file_that_its_run_took_along_is_no_lock() {
        let root = tempfile::tempdir().expect("temporary folder");
        let first = RunFolder::open(root.path(), Start::Fresh).expect("open");
        // Opened by a run that waits to lock it, while the first leaves.
        let stale = File::options().write(true).open(root.path().join(LOCK)).expect("open");
        drop(first);
        stale.try_lock().expect("nobody holds it");
        let second = RunFolder::open(root.path(), Start::Fresh).expect("a free folder");
        assert!(!is_at(&stale, &root.path().join(LOCK)));
        RunFolder::open(root.path(), Start::Fresh).expect_err("the second is in it");
        drop(second);
    }

    #[test]
    fn nothing_can_be_continued_where_nothing_was_saved() {
        let root = tempfile::tempdir().expect("temporary folder");
        let refused =
            |folder: &str| RunFolder::open(&root.path().join(folder), Start::Resume).expect_err("refused").to_string();
        assert!(refused("none").ends_with("holds no run, so there is nothing to continue"), "{}", refused("none"));
        assert_eq!(std::fs::read_dir(root.path()).expect("list").count(), 0);
        let done = root.path().join("done");
        std::fs::create_dir_all(done.join(CHECKPOINTS)).expect("create");
        for name in [RunFolder::SETTINGS, MODEL] {
            std::fs::write(done.join(name), "").expect("write");
        }
        assert!(refused("done").contains("a finished model and no checkpoint"), "{}", refused("done"));
        std::fs::remove_file(done.join(MODEL)).expect("remove");
        RunFolder::open(&done, Start::Resume).expect("a run before its first checkpoint");
    }

    #[test]
    fn a_folder_below_a_file_is_refused() {
        let root = tempfile::tempdir().expect("temporary folder");
        let file = root.path().join("file");
        std::fs::write(&file, "").expect("write");
        for path in [file.clone(), file.join("inside"), file.join("deep/inside")] {
            let error = RunFolder::open(&path, Start::Fresh).expect_err("refused").to_string();
            assert!(error.contains("output folder"), "{error}");
        }
        assert_eq!(std::fs::read_dir(root.path()).expect("list").count(), 1);
    }
}
