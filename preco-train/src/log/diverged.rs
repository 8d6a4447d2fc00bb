//! `diverged.json`: all that is known of a step whose loss or gradient is no number, the images in full.

use std::path::Path;

use serde::Serialize;

use crate::error::{Error, Result};

#[derive(Serialize)]
struct Diverged<'a> {
    /// Counted from 1.
    step: u64,
    /// The term of the loss, or `gradient`.
    what: &'a str,
    /// As text: JSON has no NaN.
    value: String,
    /// The first segment whose gradient is bad.
    segment: Option<&'a str>,
    last_good_checkpoint: Option<&'a Path>,
    files: &'a [String],
}

/// Writes what `error` knows to `path`, where it is [`Error::Diverged`]; false where it is another.
///
/// # Errors
/// [`Error::Io`] with the path.
pub(super) fn write(path: &Path, error: &Error) -> Result<bool> {
    let Error::Diverged { step, what, value, segment, files, last_good, .. } = error else {
        return Ok(false);
    };
    let diverged = Diverged {
        step: *step,
        what,
        value: value.to_string(),
        segment: segment.as_deref(),
        last_good_checkpoint: last_good.as_deref(),
        files,
    };
    preco_core::files::write_atomic(path, |out| {
        serde_json::to_writer_pretty(&mut *out, &diverged)?;
        out.write_all(b"\n")
    })
    .map_err(|source| Error::Io { action: "write", path: path.into(), source })?;
    Ok(true)
}
