//! Drawn scenes with coordinates, as files.

use std::path::Path;

use preco_core::geo::{Affine, Crs, RasterOut, Samples, write_geotiff};
use preco_core::imagery::{Image8, crop};
use preco_train::datasets::scenes::SceneGenerator;
use serde_json::Value;

use crate::binary::preco;

/// Columns and rows of drawn scenes.
pub const SIZE: [usize; 2] = [700, 450];
/// A place in UTM zone 33, rotated: rows do not run east.
pub const AFFINE: [f64; 6] = [2.0, 0.5, 400_000.0, 0.5, -2.0, 5_800_000.0];

/// Runs the command in `folder` and reads its JSON.
pub fn result(folder: &Path, arguments: &str) -> Value {
    let done = preco(folder, &format!("{arguments} --json")).succeeded();
    serde_json::from_str(&done.stdout).expect("JSON")
}

/// The colours of a drawn scene, [`SIZE`] of them.
pub fn colours(seed: u64) -> Image8 {
    let image = SceneGenerator::new(seed, SIZE[0].max(SIZE[1]), 1).scene(0).image;
    crop(&image, 0, 0, SIZE[0], SIZE[1]).expect("crop")
}

/// A scene in `folder`, its first 200 columns without data.
pub fn scene(folder: &Path, name: &str, seed: u64) {
    let mut image = colours(seed);
    for (x, y) in (0..200).flat_map(|x| (0..SIZE[1]).map(move |y| (x, y))) {
        image.set(x, y, [0; 3]);
    }
    write_scene(&folder.join(name), &image, AFFINE, Some(0.0));
}

/// Writes a scene of these colours in UTM zone 33.
pub fn write_scene(path: &Path, image: &Image8, affine: [f64; 6], nodata: Option<f64>) {
    let (affine, crs) = (Affine::new(affine), Crs::epsg(32633));
    let (width, height, bands) = (image.width(), image.height(), image.bands());
    let out = RasterOut { width, height, bands, affine: Some(&affine), crs: Some(&crs), nodata, palette: None };
    write_geotiff(path, &out, Samples::U8(image.data())).expect("scene");
}
