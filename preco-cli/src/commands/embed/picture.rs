//! Embeddings as colours: a pixel for each tile, like colours for like tiles.

use std::path::Path;

use anyhow::{Result, ensure};
use preco_core::geo::{RasterOut, Samples, write_geotiff};
use preco_core::imagery::{Image8, write_png};
use preco_core::vectors::Pca;
use preco_zoo::embeddings::Embeddings;

use super::plan::Plan;

/// A picture is enlarged to about this side: a pixel for each tile would be hard to see.
const SIDE_PX: usize = 768;

/// Writes the picture of the one scene of `plan`: its embeddings' three strongest components as red, green and blue.
pub(super) fn write(path: &Path, embeddings: &Path, plan: &Plan) -> Result<()> {
    let file = Embeddings::open(embeddings)?;
    let (grid, scene) = (&plan.inputs[0].grid, plan.scene(0)?);
    let (columns, rows) = (grid.columns(), grid.rows());
    let colours = Pca::fit(&file.vectors, file.header.length, 3)?.colours(&file.vectors);
    let mut pixels = vec![[0u8; 4]; columns * rows];
    for (tile, [red, green, blue]) in file.tiles.iter().zip(colours) {
        pixels[tile.grid[0] as usize * columns + tile.grid[1] as usize] = [red, green, blue, 255];
    }
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("tif" | "tiff") => {
            let info = scene.raster().info();
            let affine = info.affine.map(|affine| grid.affine(&affine));
            let (affine, crs) = (affine.as_ref(), info.crs.as_ref());
            let out = RasterOut { width: columns, height: rows, bands: 4, affine, crs, nodata: None, palette: None };
            write_geotiff(path, &out, Samples::U8(pixels.as_flattened()))?;
        }
        ending => {
            ensure!(ending == Some("png"), "--picture {} must end in .png or .tif", path.display());
            let times = (SIDE_PX / columns.max(rows)).max(1);
            let mut image = Image8::filled(columns * times, rows * times, [255; 3]);
            for (x, y) in (0..columns * times).flat_map(|x| (0..rows * times).map(move |y| (x, y))) {
                let [red, green, blue, alpha] = pixels[y / times * columns + x / times];
                if alpha > 0 {
                    image.set(x, y, [red, green, blue]);
                }
            }
            write_png(&image, path)?;
        }
    }
    Ok(())
}
