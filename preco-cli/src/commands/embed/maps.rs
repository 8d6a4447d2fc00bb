//! Dense maps: the features of an encoder's stage over a whole scene, as a GeoTIFF.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::{Result, ensure};
use preco_core::geo::{GeoTiffRows, RasterOut};
use preco_core::predict::Output;

use super::super::tiles::Tiles;
use super::plan::Plan;
use super::progress::Display;
use super::report::Embedded;
use super::{Args, inputs};
use crate::cli::Processor;
use crate::interrupt;
use crate::outputs::Outputs;

/// The value of cells without data.
const NODATA: f32 = f32::NAN;

pub(super) fn execute(args: &Args, processor: &Processor, out: &Path, stage: usize) -> Result<Embedded> {
    let encoder = args.hub.encoder(&args.model, processor.level)?;
    let is_tiff = out.extension().is_some_and(|ending| ending == "tif" || ending == "tiff");
    ensure!(is_tiff, "--maps writes a GeoTIFF: --out {} must end in .tif", out.display());
    let names = inputs::expand(&args.inputs)?;
    Outputs::new(args.force).reads(&args.inputs).reads(&names).writes("--out", Some(out)).check()?;
    ensure!(
        args.cut.stride.or(args.cut.overlap).is_none(),
        "--maps puts tiles side by side: leave out --stride and --overlap"
    );
    let shape = stage.checked_sub(1).and_then(|stage| encoder.stage_shape(stage));
    let stages = (0..).take_while(|&stage| encoder.stage_shape(stage).is_some()).count();
    let Some([rows, columns, channels]) = shape else {
        anyhow::bail!("--maps {stage}: the encoder has stages 1 to {stages}")
    };
    ensure!(rows == columns, "--maps needs an encoder of square images");
    let mut cut = args.cut.clone();
    cut.tile = Some(cut.tile.unwrap_or(encoder.preprocess().size[0]));
    let plan = Plan::new(names, encoder.preprocess(), &cut, &args.values, &args.hub.settings())?;
    ensure!(plan.inputs.len() == 1, "--maps is of one scene, there are {} inputs", plan.inputs.len());
    let (grid, scene) = (plan.inputs[0].grid, plan.scene(0)?);
    ensure!(
        grid.stride.is_multiple_of(columns),
        "a tile of {} pixels has {columns}x{columns} cells: its side must be a multiple of {columns}",
        grid.stride
    );
    let cell = grid.stride / columns;
    let info = scene.raster().info();
    let (width, height) = (info.width.div_ceil(cell), info.height.div_ceil(cell));
    let affine = info.affine.map(|affine| affine.scaled(cell as f64, cell as f64));
    let (affine, crs, nodata) = (affine.as_ref(), info.crs.as_ref(), Some(f64::from(NODATA)));
    let description = RasterOut { width, height, bands: channels, affine, crs, nodata, palette: None };
    let mut file = GeoTiffRows::<f32>::create(out, &description)?;

    let mut display = Display::new(plan.tiles, 0);
    let started = Instant::now();
    // A map has no holes at the scene's edge: a tile with any data is computed.
    let least_valid = args.cut.min_valid.unwrap_or(0.0);
    let tiles = Tiles { tile: &|at| plan.tile(at as u64), numbers: 0..grid.len(), least_valid };
    // One row of tiles is in memory.
    let mut band = vec![NODATA; rows * width * channels];
    let mut skipped = 0;
    let stop = interrupt::watch()?;
    let take = |Output { at, values, .. }: Output<'_>| -> Result<()> {
        if stop.load(Ordering::Relaxed) {
            anyhow::bail!("interrupted; a map is written whole or not at all: nothing is left");
        }
        let [tile_row, tile_column] = grid.place(at);
        let used = columns.min(width - tile_column * columns);
        match values {
            None => skipped += 1,
            Some(values) => {
                for (row, cells) in values.chunks_exact(columns * channels).enumerate() {
                    let start = (row * width + tile_column * columns) * channels;
                    band[start..start + used * channels].copy_from_slice(&cells[..used * channels]);
                }
            }
        }
        if tile_column + 1 == grid.columns() {
            let used = rows.min(height - tile_row * rows);
            file.push(&band[..used * width * channels])?;
            band.fill(NODATA);
        }
        display.tile();
        Ok(())
    };
    let waited = tiles.through(&encoder, |inputs| encoder.maps(inputs, stage - 1), take)?;
    file.finish()?;
    drop(display);
    let seconds = started.elapsed().as_secs_f64();
    Ok(Embedded {
        model: encoder.name().to_owned(),
        inputs: 1,
        tiles: plan.tiles,
        skipped,
        least_valid,
        unreadable: plan.unreadable(),
        length: channels,
        computed: plan.tiles,
        seconds,
        idle_share: waited / seconds.max(1e-9),
        out: out.to_path_buf(),
        is_map: true,
        ..Embedded::default()
    })
}
