//! Tiles through an encoder, with this machine's clock and threads.

use std::ops::Range;
use std::time::Instant;

use anyhow::{Result, ensure};
use preco_core::predict::{Encoder, Grid, Output, SceneTile, Work, run};

/// Threads that read while the encoder works, at least.
const READERS: usize = 2;

/// The largest side of a tile: one is in memory for each thread that reads.
const MOST_SIDE_PX: usize = 16_384;
/// Tiles of a run at most: so many vectors fill a hundred gigabytes.
pub(crate) const MOST_TILES: usize = 100_000_000;

/// A scene's tiles, as flags ask for them.
pub(crate) fn grid(name: &str, [width, height]: [usize; 2], tile: usize, stride: usize) -> Result<Grid> {
    ensure!((1..=MOST_SIDE_PX).contains(&tile), "--tile {tile} must be 1 to {MOST_SIDE_PX} pixels");
    ensure!(stride > 0, "--stride 0 leads nowhere");
    let grid = Grid::new(width, height, tile, stride);
    ensure!(
        grid.len() <= MOST_TILES,
        "{name} is {width}x{height} pixels, {}x{} tiles of {tile} pixels {stride} apart; {MOST_TILES} are too many to end: \
         raise --tile or --stride",
        grid.columns(),
        grid.rows()
    );
    Ok(grid)
}

/// Tiles to be encoded.
pub(crate) struct Tiles<'a> {
    /// Reads the tile of a number.
    pub(crate) tile: &'a (dyn Fn(usize) -> preco_core::error::Result<SceneTile> + Sync),
    /// Which.
    pub(crate) numbers: Range<usize>,
    /// The share of a tile's pixels that must hold data, 0 to 1.
    pub(crate) least_valid: f64,
}

impl Tiles<'_> {
    /// Hands `take` what `encode` makes of each tile, in order. Returns the seconds that the encoder waited for tiles.
    pub(crate) fn through(
        self,
        encoder: &Encoder,
        encode: impl Fn(&[f32]) -> Vec<f32>,
        take: impl FnMut(Output<'_>) -> Result<()>,
    ) -> Result<f64> {
        let started = Instant::now();
        let clock = || started.elapsed().as_secs_f64();
        let readers = READERS.max(std::thread::available_parallelism().map_or(1, usize::from) / 2);
        let work = Work { tile: self.tile, least_valid: self.least_valid, readers, clock: &clock };
        let [waited, _] = run(encoder, &work, self.numbers, encode, take)?;
        Ok(waited)
    }
}
