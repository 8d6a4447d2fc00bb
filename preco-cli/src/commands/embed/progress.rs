//! How far an embedding run is: a bar on a terminal, a line every few seconds elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::output::note;
use crate::progress::duration;

/// Between two lines where there is no terminal, and between two changes of a bar.
const EVERY: [Duration; 2] = [Duration::from_secs(5), Duration::from_millis(100)];

/// Tiles that are done, of how many, and how fast.
pub(crate) struct Display {
    bar: Option<ProgressBar>,
    total: u64,
    done: u64,
    before: u64,
    started: Instant,
    shown: Instant,
}

impl Display {
    /// `before` of `total` tiles were done by an earlier run.
    pub(crate) fn new(total: u64, before: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{bar:24} {pos}/{len} {msg}");
            ProgressBar::new(total).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        if before > 0 {
            note(&format!("going on behind {before} of {total} tiles that an earlier run left"));
        }
        let now = Instant::now();
        Self { bar, total, done: before, before, started: now, shown: now }
    }

    /// A tile more.
    pub(crate) fn tile(&mut self) {
        self.done += 1;
        if self.shown.elapsed() < EVERY[usize::from(self.bar.is_some())] {
            return;
        }
        self.shown = Instant::now();
        let speed = (self.done - self.before) as f64 / self.started.elapsed().as_secs_f64().max(1e-9);
        let left = duration((self.total - self.done) as f64 / speed);
        match &self.bar {
            Some(bar) => {
                bar.set_position(self.done);
                bar.set_message(format!("{speed:.1} tiles/s, {left} left"));
            }
            None => note(&format!("tile {}/{}: {speed:.1} tiles/s, {left} left", self.done, self.total)),
        }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
