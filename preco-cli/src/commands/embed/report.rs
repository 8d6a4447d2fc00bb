//! What an embedding run did.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::interrupt::EXIT_CODE;
use crate::output::Report;

/// The command that looks for what is like a file's first tile, as one types it; nothing where it has none.
pub(super) fn search_next(file: &Path, tile: Option<u64>) -> String {
    let Some(tile) = tile else { return String::new() };
    let file = file.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    let file = if file.chars().all(plain) { file } else { format!("'{}'", file.replace('\'', "'\\''")) };
    format!("preco-cli search {file} --tile {tile}")
}

/// What was embedded.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Embedded {
    pub(super) model: String,
    pub(super) inputs: usize,
    /// The inputs are shards.
    #[serde(skip)]
    pub(super) is_merge: bool,
    /// Why earlier starts, or shards, left tiles out is not known.
    #[serde(skip)]
    pub(super) is_partly_told: bool,
    /// Tiles of the run, and those among them that were skipped for want of data.
    pub(super) tiles: u64,
    pub(super) skipped: u64,
    /// The share of a tile's pixels that had to lie in the scene and hold data.
    pub(super) least_valid: f64,
    /// Tiles among the skipped that could not be read.
    pub(super) unreadable: u64,
    /// Values of a vector.
    pub(super) length: usize,
    /// Tiles that this run computed, and how long that took.
    pub(super) computed: u64,
    pub(super) seconds: f64,
    /// The share of that time in which the encoder waited for tiles.
    pub(super) idle_share: f64,
    pub(super) out: PathBuf,
    /// The tiles that are done and kept, where the run was interrupted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) interrupted: Option<u64>,
    /// True where OUT is a raster of features.
    pub(super) is_map: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) picture: Option<PathBuf>,
    /// What the person may want to know before believing the result.
    pub(super) warnings: Vec<String>,
    /// What to try next.
    #[serde(skip)]
    pub(super) next: String,
}

impl Embedded {
    /// Why tiles were skipped, in words.
    pub(super) fn why_skipped(&self) -> String {
        let share = 100.0 * self.least_valid;
        let mut why = if share > 0.0 {
            format!("less than {share} % of their pixels lie in the scene and hold data (--min-valid)")
        } else {
            "none of their pixels holds data".to_owned()
        };
        if self.unreadable > 0 {
            why = format!("{} could not be read; of others {why}", self.unreadable);
        }
        // Shards and parts do not say why their tiles are not there.
        if self.is_partly_told { format!("{why}, or they could not be read") } else { why }
    }
}

impl Report for Embedded {
    fn exit_code(&self) -> u8 {
        if self.interrupted.is_some() { EXIT_CODE } else { 0 }
    }

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        if let Some(done) = self.interrupted {
            return writeln!(
                out,
                "interrupted: {done} of {} tiles are done; the same command goes on behind them",
                self.tiles
            );
        }
        let s = |count: u64| if count == 1 { "" } else { "s" };
        let embedded = self.tiles - self.skipped;
        let what = if self.is_map { "tile" } else { "embedding" };
        writeln!(
            out,
            "{embedded} {what}{} of {} values by {}, from {} {}{}",
            s(embedded),
            self.length,
            self.model,
            self.inputs,
            if self.is_merge { "shard" } else { "input" },
            s(self.inputs as u64)
        )?;
        if self.skipped > 0 {
            writeln!(out, "{} tile{} skipped: {}", self.skipped, s(self.skipped), self.why_skipped())?;
        }
        if self.computed > 0 {
            writeln!(
                out,
                "{:.1} tiles/s; the encoder waited {:.1} % of {:.1} s",
                self.computed as f64 / self.seconds.max(1e-9),
                100.0 * self.idle_share,
                self.seconds
            )?;
        }
        for warning in &self.warnings {
            writeln!(out, "warning: {warning}")?;
        }
        let what = if self.is_map { "map" } else { "vectors" };
        writeln!(out, "{what}: {}", self.out.display())?;
        if let Some(picture) = &self.picture {
            writeln!(out, "picture: {}", picture.display())?;
        }
        if self.next.is_empty() { Ok(()) } else { writeln!(out, "next: {}", self.next) }
    }
}
