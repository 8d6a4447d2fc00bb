//! What a run tells: `log.jsonl` and TensorBoard's file on the disk, and whoever watches.

use std::path::{Path, PathBuf};

use super::{EventFile, JsonLines};
use crate::checkpoint::RunFolder;
use crate::datasets::split::Split;
use crate::error::{Error, Result};
use crate::progress::{EvaluationReport, Progress, StepReport};

/// The records of one run.
///
/// Before the first step is done nothing of an earlier run is touched, and where there is none only the settings are
/// written: by them a killed run can be resumed. They go again on drop where no step was done.
pub struct Records<'a> {
    folder: &'a RunFolder,
    settings: &'a str,
    split: Option<&'a Split>,
    progress: &'a mut dyn Progress,
    resumed_at: Option<u64>,
    /// The settings were written and nothing has happened yet.
    provisional: bool,
    files: Option<Files>,
    waited: f64,
    took: f64,
}

struct Files {
    lines: JsonLines,
    events: EventFile,
}

impl<'a> Records<'a> {
    /// Records in `folder`, of a run with `settings` (TOML) over the images of `split`.
    pub fn new(
        folder: &'a RunFolder,
        settings: &'a str,
        split: Option<&'a Split>,
        progress: &'a mut dyn Progress,
    ) -> Self {
        Self {
            folder,
            settings,
            split,
            progress,
            resumed_at: None,
            provisional: false,
            files: None,
            waited: 0.0,
            took: 0.0,
        }
    }

    /// The run goes on after `step` updates: what was logged of later ones is forgotten.
    pub fn resume(&mut self, step: u64) {
        self.resumed_at = Some(step);
    }

    /// Something worth a line.
    pub fn message(&mut self, text: &str) {
        self.progress.message(text);
    }

    /// The run begins, `done` of `steps` updates being done.
    ///
    /// # Errors
    /// [`Error::Io`] with the path that cannot be written.
    pub fn begin(&mut self, done: u64, steps: u64) -> Result<()> {
        if done < steps && !self.folder.holds_run() {
            self.write_settings()?;
            self.provisional = true;
        }
        self.progress.begin(done, steps);
        Ok(())
    }

    /// An update is done.
    ///
    /// # Errors
    /// [`Error::Io`] with the path that cannot be written.
    pub fn step(&mut self, report: &StepReport) -> Result<()> {
        let seconds = 1.0 / report.images_per_s;
        self.waited += seconds * report.wait;
        self.took += seconds;
        let mut scalars = vec![
            ("loss/total", report.loss),
            ("train/lr", report.lr),
            ("train/grad_norm", report.grad_norm),
            ("speed/images_per_s", report.images_per_s),
            ("speed/wait", report.wait),
            ("speed/memory_mb", report.memory_mb),
        ];
        let terms: Vec<_> = report.terms.iter().map(|(name, value)| (tag("loss", name), *value)).collect();
        scalars.extend(terms.iter().map(|(name, value)| (name.as_str(), *value)));
        let files = self.files()?;
        files.lines.write(report)?;
        files.events.scalars(report.step, &scalars)?;
        self.progress.step(report);
        tracing::debug!(step = report.step, loss = report.loss, lr = report.lr, grad_norm = report.grad_norm, "step");
        Ok(())
    }

    /// Held-out images were measured.
    ///
    /// # Errors
    /// [`Error::Io`] with the path that cannot be written.
    pub fn evaluation(&mut self, report: &EvaluationReport) -> Result<()> {
        let metrics: Vec<_> = report.metrics.iter().map(|(name, value)| (tag("val", name), *value)).collect();
        let scalars: Vec<_> = metrics.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let files = self.files()?;
        files.lines.write(report)?;
        files.events.scalars(report.step, &scalars)?;
        self.progress.evaluation(report);
        Ok(())
    }

    /// Loss or gradient are no numbers: writes what `error` knows, and names the file in it.
    pub fn diverged(&mut self, mut error: Error) -> Error {
        if let Error::Diverged(known) = &mut error {
            match known.write(self.folder.file(RunFolder::DIVERGED)) {
                Ok(()) => self.provisional = false,
                // The error at hand is the one to tell.
                Err(failed) => tracing::warn!(error = %failed, "the step's images are not listed"),
            }
        }
        error
    }

    /// A checkpoint is whole on the disk.
    pub fn saved(&mut self, path: &Path) {
        tracing::info!(path = %path.display(), "checkpoint");
    }

    /// The share of the run's time spent waiting for images.
    pub fn wait_share(&self) -> f64 {
        if self.took > 0.0 { self.waited / self.took } else { 0.0 }
    }

    fn files(&mut self) -> Result<&mut Files> {
        if self.files.is_none() {
            let log = self.folder.file(RunFolder::LOG);
            // First: whatever of an earlier run a kill leaves beside them is known as foreign by them.
            self.write_settings()?;
            self.provisional = false;
            match self.resumed_at {
                Some(_) => self.folder.forget_divergence()?,
                None => self.folder.clear()?,
            }
            if let Some(split) = self.split {
                split.write_manifest(&self.folder.file(RunFolder::SPLIT))?;
            }
            let lines = match self.resumed_at {
                Some(step) => JsonLines::resume(&log, step)?,
                None => JsonLines::new(&log),
            };
            let events = EventFile::create(self.folder.path(), self.resumed_at)?;
            self.files = Some(Files { lines, events });
        }
        self.files.as_mut().ok_or_else(|| Error::config("the log is not open"))
    }

    fn write_settings(&self) -> Result<()> {
        let path: PathBuf = self.folder.file(RunFolder::SETTINGS);
        preco_core::files::write_atomic(&path, |out| out.write_all(self.settings.as_bytes()))
            .map_err(|source| Error::Io { action: "write", path, source })
    }
}

impl Drop for Records<'_> {
    fn drop(&mut self) {
        if self.provisional {
            // A run that never did a step leaves nothing; where this fails it can be resumed at its first.
            let _ = std::fs::remove_file(self.folder.file(RunFolder::SETTINGS));
        }
    }
}

/// `loss/re` for `loss_re`, `val/loss_re` for `val_loss_re`: TensorBoard shows what begins alike together.
fn tag(group: &str, name: &str) -> String {
    let name = name.strip_prefix(group).and_then(|rest| rest.strip_prefix('_')).unwrap_or(name);
    format!("{group}/{name}")
}
