//! Results for people or for programs, and errors in one line.

use std::io::{self, Write};

use anyhow::Result;
use serde::Serialize;

/// A result that a person can read.
pub(crate) trait Report: Serialize {
    /// Writes it as text.
    fn text(&self, out: &mut dyn Write) -> io::Result<()>;

    /// What the program ends with: 0 done, 1 a check said no.
    fn exit_code(&self) -> u8 {
        0
    }
}

/// Prints `report` on standard output, as text or as JSON; returns its exit code.
pub(crate) fn print(report: &impl Report, json: bool) -> Result<u8> {
    let mut out = io::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut out, report).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        let mut text = Vec::new();
        report.text(&mut text)?;
        out.write_all(printable(&String::from_utf8_lossy(&text)).as_bytes())?;
    }
    out.flush()?;
    Ok(report.exit_code())
}

/// A line on standard error. A closed one is nobody listening, which is no failure.
pub(crate) fn note(line: &str) {
    let _ = writeln!(io::stderr(), "{}", printable(line));
}

/// The text without what a terminal would obey: other people's names and cards are shown as well.
fn printable(text: &str) -> String {
    let shown = |c: char| if c.is_control() && c != '\n' && c != '\t' { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().map(shown).collect()
}

/// True where the reader of our output has gone away.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kinds = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    kinds.into_iter().any(|kind| kind == io::ErrorKind::BrokenPipe)
}

/// The chain of causes, joined by colons; a cause that its parent's text repeats is left out.
pub(crate) fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain().map(|cause| cause.to_string().lines().map(str::trim).collect::<Vec<_>>().join(" ")) {
        if line.is_empty() {
            line = cause;
        } else if !line.contains(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn causes_stand_in_one_line_and_once() {
        let error = anyhow!("c").context("b: c").context("a:\n  of two lines");
        assert_eq!(one_line(&error), "a: of two lines: b: c");
        // As an error whose text goes on after its cause.
        let error = anyhow!("disk full")
            .context("cannot write a: disk full")
            .context("not saved: cannot write a: disk full. Make room");
        assert_eq!(one_line(&error), "not saved: cannot write a: disk full. Make room");
    }

    #[test]
    fn a_terminal_is_told_nothing_but_text() {
        assert_eq!(printable("a\tb\n\u{1b}[2Jc\u{9b}d\r"), "a\tb\n\u{fffd}[2Jc\u{fffd}d\u{fffd}");
    }

    #[test]
    fn a_closed_pipe_is_found_below_its_context() {
        let closed = anyhow::Error::from(io::Error::from(io::ErrorKind::BrokenPipe)).context("cannot print");
        assert!(is_broken_pipe(&closed));
        assert!(!is_broken_pipe(&anyhow!("Broken pipe")));
    }
}
