//! The checkpoints of a run: the newest few, by step.
//!
//! Nothing is removed before its successor is whole on the disk. Steps, not times, say which is newest: clocks go
//! backwards. A checkpoint of another run, which someone must have put there, is never removed: it is set aside under a
//! name that no run looks at.

use std::io;
use std::path::{Path, PathBuf};

use preco_core::backend::Backend;

use crate::error::{Error, Result};
use crate::trainer::{Changes, Identity, State, Unusable, foreign, saved_identity};

/// The folder's name within a run.
pub const CHECKPOINTS: &str = "checkpoints";

/// A folder of `step-NNNNNNNNNN.safetensors`.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
    keep: usize,
    /// Found broken on the way to a good one: these go with the next that is saved.
    broken: Vec<PathBuf>,
    changes: Changes,
}

impl Store {
    /// The checkpoints of the run in `run`; `keep` of them stay, at least one.
    pub fn new(run: &Path, keep: usize) -> Self {
        Self { folder: run.join(CHECKPOINTS), keep: keep.max(1), broken: Vec::new(), changes: Changes::Refused }
    }

    /// The same, for a run that may have changed since its checkpoints.
    pub fn accepting(self, changes: Changes) -> Self {
        Self { changes, ..self }
    }

    /// Whose the newest checkpoint is whose header can be read.
    pub fn identity(&self) -> Option<Identity> {
        self.list().iter().rev().find_map(|(_, path)| saved_identity(path))
    }

    /// Saves `state`, then removes what lies beyond it and all but the newest.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] where the file cannot be written; earlier ones are then untouched.
    pub fn save<B: Backend>(
        &mut self,
        backend: &B,
        state: &State<B>,
        identity: &Identity,
        epoch: f64,
        lr: f64,
    ) -> Result<PathBuf> {
        let failed = |source: Error| Error::Checkpoint {
            step: state.step,
            last_good: self.last_good(state.step),
            source: Box::new(source),
        };
        std::fs::create_dir_all(&self.folder)
            .map_err(|source| failed(Error::Io { action: "write", path: self.folder.clone(), source }))?;
        // First, for one of them may have the name that is written to.
        let foreign = self.set_foreign_aside(identity);
        let path = self.folder.join(format!("step-{:010}.safetensors", state.step));
        state.save(backend, &path, identity, epoch, lr).map_err(failed)?;
        // Later ones could not be used, or the run would have gone on from them: they must not take the place of good ones.
        let (good, useless): (Vec<_>, Vec<_>) = self
            .list()
            .into_iter()
            .filter(|(_, path)| !foreign.contains(path))
            .partition(|(step, at)| *step <= state.step && (*at == path || !self.broken.contains(at)));
        for (_, old) in useless.into_iter().chain(good.into_iter().rev().skip(self.keep)) {
            // One that stays costs space, not the run.
            if let Err(error) = std::fs::remove_file(&old) {
                tracing::warn!(path = %old.display(), %error, "an old checkpoint stays");
            }
        }
        self.broken.clear();
        Ok(path)
    }

    /// Continues `state` from the newest checkpoint that is whole and of this run; `None` where there is no checkpoint.
    /// Tells `say` of each that cannot be used; those of other runs are set aside once there is a good one.
    ///
    /// # Errors
    /// [`Error::Resume`] where there are checkpoints and none can be used.
    pub fn resume<B: Backend>(
        &mut self,
        backend: &B,
        state: &mut State<B>,
        identity: &Identity,
        mut say: impl FnMut(&str),
    ) -> Result<Option<PathBuf>> {
        let (mut foreign, mut broken) = (Vec::<(PathBuf, String)>::new(), Vec::<(PathBuf, String)>::new());
        let mut advice = "start another run";
        for (_, path) in self.list().into_iter().rev() {
            match state.load(backend, &path, identity, self.changes) {
                Ok(doubts) => {
                    for (path, difference) in &foreign {
                        say(&format!("{} is of another run: {difference}; {}", path.display(), aside(path)));
                    }
                    if foreign.len() + broken.len() > 0 {
                        say(&format!("continuing from {} instead", path.display()));
                    }
                    doubts.iter().for_each(|doubt| say(doubt));
                    self.broken = broken.into_iter().map(|(path, _)| path).collect();
                    return Ok(Some(path));
                }
                Err(Unusable::Foreign(difference)) => {
                    advice = "give the run's own settings, go on with these by --accept-changes, or start another run";
                    foreign.push((path, difference));
                }
                Err(Unusable::Other(difference)) => foreign.push((path, difference)),
                Err(Unusable::Broken(reason)) => {
                    say(&format!("{} cannot be used: {reason}", path.display()));
                    broken.push((path, reason));
                }
            }
        }
        let reason = match (foreign.first(), broken.as_slice()) {
            (Some((_, difference)), _) => format!("{difference}; {advice}"),
            (None, []) => return Ok(None),
            (None, [(_, reason)]) => format!("its one checkpoint cannot be used: {reason}"),
            (None, [(_, newest), ..]) => {
                format!("none of its {} checkpoints can be used. The newest: {newest}", broken.len())
            }
        };
        Err(Error::Resume { path: self.folder.clone(), reason })
    }

    /// True where there is no checkpoint, whole or not.
    pub fn is_empty(&self) -> bool {
        self.list().is_empty()
    }

    /// The newest checkpoint of at most `done` updates: later ones were passed over.
    pub fn last_good(&self, done: u64) -> Option<PathBuf> {
        let known = self.list().into_iter().rev();
        known.filter(|(step, path)| *step <= done && !self.broken.contains(path)).map(|(_, path)| path).next()
    }

    /// Sets checkpoints of other runs aside; returns those that had to stay.
    fn set_foreign_aside(&self, identity: &Identity) -> Vec<PathBuf> {
        let mut stay = Vec::new();
        for (_, path) in self.list() {
            if let Some(difference) = foreign(&path, identity, self.changes) {
                // Not within the macro, which evaluates nothing where nobody listens.
                let where_now = aside(&path);
                tracing::warn!("{} is of another run: {difference}; {where_now}", path.display());
                stay.extend(path.exists().then_some(path));
            }
        }
        stay
    }

    /// All checkpoints by step.
    fn list(&self) -> Vec<(u64, PathBuf)> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let step =
            |path: &Path| path.file_name()?.to_str()?.strip_prefix("step-")?.strip_suffix(".safetensors")?.parse().ok();
        // Only files: opening a pipe would wait for ever.
        let files = entries.map(|entry| entry.path()).filter(|path| path.is_file());
        let mut found: Vec<_> = files.filter_map(|path| Some((step(&path)?, path))).collect();
        found.sort();
        found
    }
}

/// Sets a checkpoint of another run aside and says where it is.
fn aside(path: &Path) -> String {
    match rename_aside(path) {
        Ok(to) => format!("it is {} now", to.display()),
        Err(error) => format!("it stays, for it cannot be renamed: {error}"),
    }
}

/// Adds `.foreign` to the name, and a number where that is taken: nothing is lost.
fn rename_aside(path: &Path) -> io::Result<PathBuf> {
    let mut number = 1;
    loop {
        let ending = if number == 1 { ".foreign".to_owned() } else { format!(".foreign-{number}") };
        let mut to = path.as_os_str().to_owned();
        to.push(ending);
        let to = PathBuf::from(to);
        if !to.exists() {
            return std::fs::rename(path, &to).map(|()| to);
        }
        number += 1;
    }
}
