//! Ctrl-C asks a run to save and leave; a second one ends it at once.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, anyhow};

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
    // A command may run others, each of which watches; there is one handler.
    static WATCHED: OnceLock<Result<(), String>> = OnceLock::new();
    let watched = WATCHED.get_or_init(|| ctrlc::set_handler(handler).map_err(|error| error.to_string()));
    watched.as_ref().map_err(|error| anyhow!("cannot watch for Ctrl-C: {error}"))?;
    Ok(&ASKED)
}
