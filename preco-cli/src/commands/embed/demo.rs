//! Without an input: a generated scene, so that everything can be tried on a fresh machine.

use std::path::Path;

use anyhow::{Context, Result};
use preco_core::geo::{Affine, Crs, RasterOut, Samples, write_geotiff};
use preco_train::datasets::scenes::SceneGenerator;

use super::report::Embedded;
use super::{Args, run};
use crate::cli::Processor;
use crate::output::note;
use crate::outputs::Outputs;

/// Where results go without `--out`.
const FOLDER: &str = "preco-demo";
/// Generated pictures side by side, and the side of one in pixels.
const PIECES: [usize; 2] = [4, 2];
const PIECE_PX: usize = 512;

pub(super) fn execute(args: &Args, processor: &Processor) -> Result<Embedded> {
    let out = args.out.clone().unwrap_or_else(|| Path::new(FOLDER).join("embeddings.parquet"));
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    // What an earlier trial left is replaced, what somebody named is not.
    let own = args.out.is_none() && args.picture.is_none();
    let picture = args.picture.clone().unwrap_or_else(|| folder.join("picture.png"));
    Outputs::new(args.force || own).writes("--out", Some(&out)).writes("--picture", Some(&picture)).check()?;
    let scene = folder.join("scene.tif");
    // Left alone where it is there: an interrupted trial goes on.
    let drawn = folder.join("scene.tif.new");
    draw(&drawn)?;
    if std::fs::read(&drawn).ok() == std::fs::read(&scene).ok() {
        std::fs::remove_file(&drawn).with_context(|| format!("cannot remove {}", drawn.display()))?;
    } else {
        std::fs::rename(&drawn, &scene).with_context(|| format!("cannot write {}", scene.display()))?;
    }
    note(&format!("no INPUT: drew {}", scene.display()));
    let mut args = Args { picture: Some(picture), force: true, ..args.clone() };
    if args.cut.stride.or(args.cut.overlap).or(args.cut.tile).is_none() {
        // A picture of more pixels than a hundred.
        args.cut.tile = Some(128);
        args.cut.stride = Some(32);
    }
    run::execute(&args, processor, &out, &[scene.to_string_lossy().into_owned()])
}

/// A scene of eight generated pictures, one metre a pixel, somewhere in UTM zone 32.
fn draw(path: &Path) -> Result<()> {
    let [columns, rows] = PIECES;
    let generator = SceneGenerator::new(0, PIECE_PX, columns * rows);
    let (width, height) = (columns * PIECE_PX, rows * PIECE_PX);
    let mut pixels = vec![0; 3 * width * height];
    for piece in 0..columns * rows {
        let image = generator.scene(piece).image;
        let (left, top) = (piece % columns * PIECE_PX, piece / columns * PIECE_PX);
        for (y, row) in image.data().chunks_exact(3 * PIECE_PX).enumerate() {
            pixels[3 * ((top + y) * width + left)..][..row.len()].copy_from_slice(row);
        }
    }
    let (affine, crs) = (Affine::new([1.0, 0.0, 691_000.0, 0.0, -1.0, 5_336_000.0]), Crs::epsg(32632));
    let (affine, crs) = (Some(&affine), Some(&crs));
    let out = RasterOut { width, height, bands: 3, affine, crs, nodata: None, palette: None };
    Ok(write_geotiff(path, &out, Samples::U8(&pixels))?)
}
