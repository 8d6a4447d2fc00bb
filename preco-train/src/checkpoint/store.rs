//! The checkpoints of a run: the newest few, by step.
//!
//! Nothing is removed before its successor is whole on the disk. Steps, not times, say which is newest: clocks go
//! backwards.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::trainer::{Identity, State, Unusable};

/// The folder's name within a run.
pub const CHECKPOINTS: &str = "checkpoints";

/// A folder of `step-NNNNNNNNNN.safetensors`.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
    keep: usize,
}

impl Store {
    /// The checkpoints of the run in `run`; `keep` of them stay, at least one.
    pub fn new(run: &Path, keep: usize) -> Self {
        Self { folder: run.join(CHECKPOINTS), keep: keep.max(1) }
    }

    /// Saves `state`, then removes what lies beyond it and all but the newest.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] where the file cannot be written; earlier ones are then untouched.
    pub fn save(&self, state: &State, identity: &Identity, epoch: f64, lr: f64) -> Result<PathBuf> {
        let failed = |source: Error| Error::Checkpoint {
            step: state.step,
            last_good: self.newest().map(|(_, path)| path),
            source: Box::new(source),
        };
        std::fs::create_dir_all(&self.folder)
            .map_err(|source| failed(Error::Io { action: "write", path: self.folder.clone(), source }))?;
        let path = self.folder.join(format!("step-{:010}.safetensors", state.step));
        state.save(&path, identity, epoch, lr).map_err(failed)?;
        // Later ones could not be used, or the run would have gone on from them: they must not take the place of good ones.
        let (later, known): (Vec<_>, Vec<_>) = self.list().into_iter().partition(|(step, _)| *step > state.step);
        for (_, old) in later.into_iter().chain(known.into_iter().rev().skip(self.keep)) {
            // One that stays costs space, not the run.
            if let Err(error) = std::fs::remove_file(&old) {
                tracing::warn!(path = %old.display(), %error, "an old checkpoint stays");
            }
        }
        Ok(path)
    }

    /// Continues `state` from the newest checkpoint that is whole and of this run; tells `say` of each that is not.
    ///
    /// # Errors
    /// [`Error::Resume`] where there is none, or where a whole one is of another run.
    pub fn resume(&self, state: &mut State, identity: &Identity, mut say: impl FnMut(&str)) -> Result<PathBuf> {
        let none = |reason: String| Error::Resume { path: self.folder.clone(), reason };
        let mut passed = 0;
        for (_, path) in self.list().into_iter().rev() {
            match state.load(&path, identity) {
                Ok(()) => {
                    if passed > 0 {
                        say(&format!("continuing from {} instead", path.display()));
                    }
                    return Ok(path);
                }
                Err(Unusable::Foreign(difference)) => {
                    return Err(none(format!("{difference}. Give the run's own settings, or start another run")));
                }
                Err(Unusable::Broken(reason)) => {
                    passed += 1;
                    say(&format!("{} cannot be used: {reason}", path.display()));
                }
            }
        }
        Err(none(match passed {
            0 => "there is no checkpoint to continue from".to_owned(),
            1 => "its one checkpoint cannot be used".to_owned(),
            passed => format!("none of its {passed} checkpoints can be used"),
        }))
    }

    /// The newest checkpoint, whole or not.
    pub fn newest(&self) -> Option<(u64, PathBuf)> {
        self.list().pop()
    }

    /// All checkpoints by step.
    fn list(&self) -> Vec<(u64, PathBuf)> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let step =
            |path: &Path| path.file_name()?.to_str()?.strip_prefix("step-")?.strip_suffix(".safetensors")?.parse().ok();
        let mut found: Vec<_> = entries.filter_map(|entry| Some((step(&entry.path())?, entry.path()))).collect();
        found.sort();
        found
    }
}
