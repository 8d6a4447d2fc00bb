//! `change`: how much each tile of a place changed between two dates, as 1 minus the cosine of its two embeddings.

mod overlap;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use preco_core::geo::{Crs, RasterOut, Samples, write_geotiff};
use preco_core::imagery::raster::Window;
use preco_core::predict::{Grid, Output, Scene, SceneTile};
use preco_core::vectors::cosine;
use preco_zoo::{Encoder, shown};
use serde::Serialize;

use super::embed::{Values, open};
use super::places::check_ending;
use super::tiles::{self, Tiles};
use crate::cli::Processor;
use crate::hub::Hub;
use crate::output::{Report, note};
use crate::outputs::Outputs;
use overlap::Overlap;

/// Tiles whose vectors of both dates are in memory at once.
const AT_ONCE: usize = 1024;
/// Tiles that are named.
const NAMED: usize = 5;

/// Map the change between two dates of one place
#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
pub(crate) struct Args {
    /// The earlier scene
    #[arg(value_name = "BEFORE")]
    before: String,
    /// The later scene, of pixels of the same size
    #[arg(value_name = "AFTER")]
    after: String,
    /// GeoTIFF of 1 - cosine: a pixel for each tile, nan where one of the dates lacks data
    #[arg(long, value_name = "FILE.tif")]
    out: PathBuf,
    /// Name or folder of the model
    #[arg(long, value_name = "MODEL", default_value = "preco-swin-pico")]
    model: String,
    /// Side of a tile in pixels [default: the model's input]
    #[arg(long, value_name = "PX")]
    tile: Option<usize>,
    /// From one tile to the next, in pixels [default: a quarter of a tile]
    #[arg(long, value_name = "PX")]
    stride: Option<usize>,
    /// Skip tiles with a smaller share of pixels that lie in both scenes and hold data in both
    #[arg(long, value_name = "SHARE", default_value_t = 0.5)]
    min_valid: f64,
    /// Replace OUT where it exists
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    values: Values,
    #[command(flatten)]
    hub: Hub,
}

/// A tile that changed.
#[derive(Debug, Serialize)]
struct Changed {
    change: f32,
    /// Column, row, width and height in the earlier scene.
    window: [usize; 4],
    #[serde(skip_serializing_if = "Option::is_none")]
    lonlat: Option<[f64; 2]>,
}

/// What changed.
#[derive(Debug, Serialize)]
pub(crate) struct Change {
    tiles: usize,
    without_data: usize,
    /// The median, the 90th percentile and the largest.
    quantiles: [f32; 3],
    most: Vec<Changed>,
    out: PathBuf,
    seconds: f64,
}

/// Runs the command.
pub(crate) fn execute(args: &Args, processor: &Processor) -> Result<Change> {
    check_ending("--out", Some(&args.out), &["tif", "tiff"])?;
    ensure!((0.0..=1.0).contains(&args.min_valid), "--min-valid {} must be 0 to 1", args.min_valid);
    Outputs::new(args.force).reads([&args.before, &args.after]).writes("--out", Some(&args.out)).check()?;
    let encoder = args.hub.encoder(&args.model, processor.level)?;
    let scene = |name: &String| -> Result<Scene> {
        let raster = open(name, args.values.overview, &args.hub.settings())?;
        Ok(Scene::new(Arc::clone(&raster), encoder.preprocess(), args.values.bands.as_deref(), args.values.stretch)?)
    };
    let scenes = [scene(&args.before)?, scene(&args.after)?];
    let overlap = Overlap::of(scenes[0].raster().info(), scenes[1].raster().info())?;
    let tile = args.tile.unwrap_or(encoder.preprocess().size[0]);
    let stride = args.stride.unwrap_or((tile / 4).max(1));
    let grid = tiles::grid(&shown(&args.before), overlap.size, tile, stride)?;

    let started = Instant::now();
    let mut changes = Vec::with_capacity(grid.len());
    for first in (0..grid.len()).step_by(AT_ONCE) {
        let tiles = first..(first + AT_ONCE).min(grid.len());
        let vectors = |date: usize| vectors(&encoder, &scenes, date, &overlap, &grid, tiles.clone(), args);
        let [before, after] = [vectors(0)?, vectors(1)?];
        changes.extend(before.iter().zip(&after).map(|pair| match pair {
            (Some(before), Some(after)) => (1.0 - cosine(before, after)) as f32,
            _ => f32::NAN,
        }));
    }
    let info = scenes[0].raster().info();
    let moved = info.affine.map(|affine| affine.moved(overlap.origin[0][0] as f64, overlap.origin[0][1] as f64));
    let affine = moved.map(|affine| grid.affine(&affine));
    let (width, height) = (grid.columns(), grid.rows());
    let (affine, crs, nodata) = (affine.as_ref(), info.crs.as_ref(), Some(f64::NAN));
    let out = RasterOut { width, height, bands: 1, affine, crs, nodata, palette: None };
    write_geotiff(&args.out, &out, Samples::F32(&changes))
        .with_context(|| format!("cannot write {}", args.out.display()))?;
    summary(&changes, &grid, &overlap, &scenes[0], &args.out, started)
}

/// A vector of one date for each tile, or nothing where too little of it holds data at both.
fn vectors(
    encoder: &Encoder,
    scenes: &[Scene; 2],
    date: usize,
    overlap: &Overlap,
    grid: &Grid,
    tiles: std::ops::Range<usize>,
    args: &Args,
) -> Result<Vec<Option<Vec<f32>>>> {
    let told = AtomicBool::new(false);
    let tile = |at: usize| {
        let window = grid.window(at);
        let there = |[x, y]: [usize; 2]| Window { x: window.x + x, y: window.y + y, ..window };
        let [own, other] = [date, 1 - date].map(|date| there(overlap.origin[date]));
        match scenes[date].tile_with(own, &scenes[1 - date], other) {
            // A part of a scene without data.
            Err(error) if args.values.skip_unreadable => {
                if !told.swap(true, Ordering::Relaxed) {
                    note(&format!("left out: {error}"));
                }
                Ok(SceneTile::without_data())
            }
            read => read,
        }
    };
    let mut vectors = Vec::with_capacity(tiles.len());
    let take = |output: Output<'_>| -> Result<()> {
        vectors.push(output.values.map(<[f32]>::to_vec));
        Ok(())
    };
    let tiles = Tiles { tile: &tile, numbers: tiles, least_valid: args.min_valid };
    tiles.through(encoder, |inputs| encoder.pooled(inputs), take)?;
    Ok(vectors)
}

fn summary(
    changes: &[f32],
    grid: &Grid,
    overlap: &Overlap,
    scene: &Scene,
    out: &Path,
    started: Instant,
) -> Result<Change> {
    let mut order: Vec<usize> = (0..changes.len()).filter(|&at| !changes[at].is_nan()).collect();
    if order.is_empty() {
        bail!("no tile holds enough data at both dates; see --min-valid");
    }
    order.sort_by(|&a, &b| changes[b].total_cmp(&changes[a]).then(a.cmp(&b)));
    let at = |share: f64| changes[order[((1.0 - share) * (order.len() - 1) as f64).round() as usize]];
    let info = scene.raster().info();
    let changed = |&at: &usize| {
        let window = grid.window(at);
        let [x, y] = [window.x + overlap.origin[0][0], window.y + overlap.origin[0][1]];
        let middle = |crs: &Crs| {
            let [col, row] = [x as f64 + window.width as f64 / 2.0, y as f64 + window.height as f64 / 2.0];
            crs.to_lonlat(info.affine?.apply(col, row))
        };
        let lonlat = info.crs.as_ref().and_then(middle);
        Changed { change: changes[at], window: [x, y, window.width, window.height], lonlat }
    };
    Ok(Change {
        tiles: changes.len(),
        without_data: changes.len() - order.len(),
        quantiles: [at(0.5), at(0.9), at(1.0)],
        most: order.iter().take(NAMED).map(changed).collect(),
        out: out.to_path_buf(),
        seconds: started.elapsed().as_secs_f64(),
    })
}

impl Report for Change {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let [median, high, most] = self.quantiles;
        writeln!(
            out,
            "{} tiles, {} without data at one of the dates, in {:.1} s",
            self.tiles, self.without_data, self.seconds
        )?;
        writeln!(out, "1 - cosine: median {median:.4}, 90th percentile {high:.4}, largest {most:.4}")?;
        writeln!(out, "most changed:")?;
        for changed in &self.most {
            let [x, y, ..] = changed.window;
            let place = changed.lonlat.map(|[lon, lat]| format!("  at {lon:.5},{lat:.5}")).unwrap_or_default();
            writeln!(out, "{:.4}  pixel {x},{y}{place}", changed.change)?;
        }
        writeln!(out, "map: {}", self.out.display())
    }
}
