//! Patches that look like BigEarthNet's version 1 to whoever reads them, drawn: for trying things out without 66 GB.
//!
//! Files, sizes, sample types and keys are the real ones. A patch shows a drawn scene, and its labels are what is seen in
//! it: textures and shapes decide, not colours (see `scenes`). Bands beyond colours are mixtures of those.

use std::path::Path;

use preco_core::files::write_atomic;
use preco_core::geo::{Affine, Crs, RasterOut, Samples, write_geotiff};
use preco_core::imagery::{Filter, Image8, resize};
use serde_json::json;

use super::super::scenes::SceneGenerator;
use super::LABELS;
use crate::error::{Error, Result};

/// Pixels of a side at 10 metres.
const SIDE_PX: usize = 120;
/// What is seen, in the words of the 43 classes; roads are dropped from the 19.
const WORDS: [&str; 8] = [
    "Non-irrigated arable land",
    "Broad-leaved forest",
    "Pastures",
    "Discontinuous urban fabric",
    "Industrial or commercial units",
    "Road and rail networks and associated land",
    "Water courses",
    "Water bodies",
];
/// Ending of a band's file, side in pixels, and the shares of red, green and blue in it.
const FILES: [(&str, usize, [f32; 3]); 12] = [
    ("B01", 20, [0.0, 0.2, 0.8]),
    ("B02", 120, [0.0, 0.0, 1.0]),
    ("B03", 120, [0.0, 1.0, 0.0]),
    ("B04", 120, [1.0, 0.0, 0.0]),
    ("B05", 60, [0.7, 0.3, 0.0]),
    ("B06", 60, [0.4, 0.6, 0.0]),
    ("B07", 60, [0.3, 0.7, 0.0]),
    ("B08", 120, [0.2, 0.9, -0.1]),
    ("B8A", 60, [0.2, 0.8, 0.0]),
    ("B09", 20, [0.3, 0.5, 0.2]),
    ("B11", 60, [0.8, 0.2, 0.0]),
    ("B12", 60, [0.9, 0.1, 0.0]),
];

/// Writes `count` patches below `root`, and returns their names.
///
/// # Errors
/// [`Error::Io`], and the core's where a file cannot be written.
pub fn write_look_alike(root: &Path, count: usize, seed: u64) -> Result<Vec<String>> {
    let scenes = SceneGenerator::new(seed, SIDE_PX, count);
    let mut names = Vec::with_capacity(count);
    for index in 0..count {
        let name = format!("S2A_MSIL2A_20170613T101031_{}_{}", index / 90, index % 90);
        let folder = root.join(&name);
        std::fs::create_dir_all(&folder).map_err(|source| Error::Io {
            action: "write",
            path: folder.clone(),
            source,
        })?;
        let scene = scenes.scene(index);
        for (ending, side, shares) in FILES {
            write_band(&folder.join(format!("{name}_{ending}.tif")), &scene.image, side, shares)?;
        }
        let labels: Vec<&str> =
            WORDS.iter().zip(&scene.labels).filter(|(_, seen)| **seen).map(|(word, _)| *word).collect();
        let told = json!({
            "labels": labels,
            "coordinates": { "ulx": 600_000, "uly": 5_700_000, "lrx": 601_200, "lry": 5_698_800 },
            "projection": "WGS 84 / UTM zone 33N",
            "acquisition_date": "2017-06-13 10:10:31",
        });
        let path = folder.join(format!("{name}{LABELS}"));
        write_atomic(&path, |out| Ok(serde_json::to_writer(out, &told)?)).map_err(|source| Error::Io {
            action: "write",
            path: path.clone(),
            source,
        })?;
        names.push(name);
    }
    Ok(names)
}

/// A band of 16-bit reflectances.
fn write_band(path: &Path, image: &Image8, side: usize, shares: [f32; 3]) -> Result<()> {
    let image = resize(image, [side, side], Filter::Bilinear)?;
    let value = |pixel: &[u8]| {
        let mixed: f32 = pixel.iter().zip(shares).map(|(&byte, share)| share * f32::from(byte)).sum();
        // About what Sentinel-2 sees of dark and of bright land.
        (100.0 + 8.0 * mixed.max(0.0)).round() as u16
    };
    let values: Vec<u16> = image.data().chunks_exact(3).map(value).collect();
    let metres = 1200.0 / side as f64;
    let (affine, crs) = (Affine::new([metres, 0.0, 600_000.0, 0.0, -metres, 5_700_000.0]), Crs::epsg(32633));
    let (affine, crs) = (Some(&affine), Some(&crs));
    let out = RasterOut { width: side, height: side, bands: 1, affine, crs, nodata: None, palette: None };
    Ok(write_geotiff(path, &out, Samples::U16(&values))?)
}
