//! A scene of any size, tile by tile, in bounded memory:
//! `cargo run --release -p preco-zoo --example scene -- scene.tif`

use preco_core::imagery::Stretch;
use preco_core::imagery::raster::open_file;
use preco_core::predict::{Grid, Output, Scene, Tile, Work, run};

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let path = std::env::args().nth(1).ok_or("give a GeoTIFF")?;
    let encoder = preco_zoo::Encoder::from_pretrained("preco-swin-pico")?;
    let scene = Scene::new(open_file(path.as_ref(), 0)?.into(), encoder.preprocess(), None, Stretch::None)?;
    let info = scene.raster().info();
    let grid = Grid::new(info.width, info.height, 128, 128);
    let started = std::time::Instant::now();
    let clock = || started.elapsed().as_secs_f64();
    let work = Work { tile: &|at| scene.tile(&grid, at), least_valid: 0.5, readers: 2, clock: &clock };
    let take = |Output { at, valid, values }: Output<'_>| -> preco_core::error::Result<()> {
        let tile = Tile::of(info, grid.window(at), grid.place(at), at as u64, &path, valid);
        println!("{:?} {:?}", tile.window, values.map(|vector| &vector[..4]));
        Ok(())
    };
    run(&encoder, &work, 0..grid.len(), |inputs| encoder.pooled(inputs), take)?;
    Ok(())
}
