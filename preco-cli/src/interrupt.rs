//! Ctrl-C asks a run to save and leave; a second one ends it at once.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

use crate::output::note;

static ASKED: AtomicBool = AtomicBool::new(false);

/// What a shell reports of a program that Ctrl-C ended.
pub(crate) const EXIT_CODE: u8 = 130;

/// Becomes true at the first Ctrl-C, or when the system asks the program to end.
///
/// # Errors
/// Where the system takes no handler.
pub(crate) fn watch() -> Result<&'static AtomicBool> {
    let handler = || {
        if ASKED.swap(true, Ordering::Relaxed) {
            std::process::exit(EXIT_CODE.into());
        }
        note("finishing the step and saving; once more to leave at once");
    };
    ctrlc::set_handler(handler).context("cannot watch for Ctrl-C")?;
    Ok(&ASKED)
}
