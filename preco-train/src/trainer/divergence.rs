//! A step whose loss or gradient is no number: what is known of it, in a message and in full in a file.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use crate::error::{Error, Result};

/// How many names a message lists.
const LISTED: usize = 4;

/// Where loss, gradient, a parameter or a metric stopped being numbers. Nothing of it was saved; checkpoints stay.
#[derive(Debug, Serialize)]
pub struct Divergence {
    /// Counted from 1.
    pub step: u64,
    /// The term of the loss, or `gradient`.
    pub what: String,
    /// NaN or infinity; text in the file, for JSON has neither.
    #[serde(serialize_with = "as_text")]
    pub value: f64,
    /// The first segment whose gradient is bad, in the order of the network.
    pub segment: Option<String>,
    /// What the run can continue from.
    pub last_good_checkpoint: Option<PathBuf>,
    /// The images of the step.
    pub files: Vec<String>,
    /// The file that lists them all.
    #[serde(skip)]
    pub report: Option<PathBuf>,
}

impl Divergence {
    /// Writes all of it to `path`, as JSON, and remembers the path.
    ///
    /// # Errors
    /// [`Error::Io`] with the path.
    pub(crate) fn write(&mut self, path: PathBuf) -> Result<()> {
        let written = preco_core::files::write_atomic(&path, |out| {
            serde_json::to_writer_pretty(&mut *out, self)?;
            out.write_all(b"\n")
        });
        written.map_err(|source| Error::Io { action: "write", path: path.clone(), source })?;
        self.report = Some(path);
        Ok(())
    }
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} became {} at step {}", self.what, self.value, self.step)?;
        if let Some(segment) = &self.segment {
            write!(f, ", first in {segment}")?;
        }
        let listed = self.files.iter().take(LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
        write!(f, ". Images of the step: {listed}")?;
        if self.files.len() > LISTED {
            write!(f, " and {} more", self.files.len() - LISTED)?;
        }
        if let Some(report) = &self.report {
            write!(f, ", all in {}", report.display())?;
        }
        let last_good = last_good_checkpoint(self.last_good_checkpoint.as_deref());
        write!(
            f,
            ". {last_good}. Lower the learning rate or lengthen the warm-up (from a checkpoint: --resume RUN --lr LR \
             --accept-changes)"
        )
    }
}

/// What a run can continue from, in words.
pub(crate) fn last_good_checkpoint(path: Option<&Path>) -> String {
    match path {
        Some(path) => format!("The last good checkpoint is {}", path.display()),
        None => "There is no checkpoint yet".to_owned(),
    }
}

fn as_text<S: Serializer>(value: &f64, to: S) -> std::result::Result<S::Ok, S::Error> {
    to.collect_str(value)
}
