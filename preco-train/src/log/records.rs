//! What a run tells: `log.jsonl` and TensorBoard's file on the disk, and whoever watches.

use std::path::{Path, PathBuf};

use super::{EventFile, JsonLines};
use crate::checkpoint::RunFolder;
use crate::datasets::split::Split;
use crate::error::{Error, Result};
use crate::progress::{EvaluationReport, Progress, StepReport};

/// The records of one run. Nothing is written, and nothing of an earlier run removed, before the first step is done.
pub struct Records<'a> {
    folder: &'a RunFolder,
    settings: &'a str,
    split: Option<&'a Split>,
    progress: &'a mut dyn Progress,
    resumed_at: Option<u64>,
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
        Self { folder, settings, split, progress, resumed_at: None, files: None, waited: 0.0, took: 0.0 }
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
    pub fn begin(&mut self, done: u64, steps: u64) {
        self.progress.begin(done, steps);
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
            if self.resumed_at.is_none() {
                self.folder.clear()?;
            }
            let settings: PathBuf = self.folder.file(RunFolder::SETTINGS);
            preco_core::files::write_atomic(&settings, |out| out.write_all(self.settings.as_bytes()))
                .map_err(|source| Error::Io { action: "write", path: settings, source })?;
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
}

/// `loss/re` for `loss_re`, `val/loss_re` for `val_loss_re`: TensorBoard shows what begins alike together.
fn tag(group: &str, name: &str) -> String {
    let name = name.strip_prefix(group).and_then(|rest| rest.strip_prefix('_')).unwrap_or(name);
    format!("{group}/{name}")
}
