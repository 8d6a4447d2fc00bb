//! The tiles that were found, as pictures.

use anyhow::Result;
use preco_core::imagery::raster::Window;
use preco_core::imagery::{Filter, Image8, MAX_PIXELS, Stretch, resize};
use preco_core::predict::{Scene, Tile};
use preco_core::spec::Preprocess;
use preco_train::report::{Anchor, Canvas};
use preco_zoo::Settings;
use preco_zoo::embeddings::Embeddings;

use super::super::embed::open as open_raster;
use super::super::places::overview;
use crate::output::note;

const COLUMNS: usize = 5;
/// Side of the square that a tile is fitted into.
const TILE_PX: usize = 160;
const GAP_PX: usize = 12;
const LINE_PX: usize = 18;
const INK: [u8; 3] = [38, 42, 48];
const QUIET: [u8; 3] = [110, 116, 124];
const GONE: [u8; 3] = [228, 230, 233];

/// Draws the query, where it is a tile, and the tiles that were found.
///
/// A scene that has gone leaves an empty square.
///
/// # Errors
/// Where a tile cannot be resized.
pub(super) fn draw(
    file: &Embeddings,
    query: &str,
    own: Option<&Tile>,
    hits: &[(&Tile, f64)],
    settings: &Settings,
) -> Result<Image8> {
    let mut shown: Vec<(&Tile, String)> = own.map(|tile| (tile, format!("{query} (asked)"))).into_iter().collect();
    shown.extend(hits.iter().map(|(tile, cosine)| (*tile, format!("{cosine:.3}  tile {}", tile.id))));
    let rows = shown.len().div_ceil(COLUMNS);
    let pitch = TILE_PX + GAP_PX;
    let title = LINE_PX + GAP_PX;
    let (width, height) = (GAP_PX + COLUMNS * pitch, title + GAP_PX + rows * (TILE_PX + LINE_PX + GAP_PX));
    let mut canvas = Canvas::new(width, height, [255; 3]);
    let words = format!("most like {query}, by {}", file.header.model);
    canvas.text(&words, [GAP_PX as i32, (GAP_PX + LINE_PX / 2) as i32], Anchor::Left, 13, INK);
    let mut scenes: Vec<(&str, Option<Scene>)> = Vec::new();
    for (at, (tile, words)) in shown.iter().enumerate() {
        if !scenes.iter().any(|(name, _)| *name == tile.source) {
            let scene = open(file, &tile.source, overview(file), &Preprocess::imagenet([1, 1]), settings);
            let scene = scene.map_err(|error| note(&format!("{error:#}: its tiles are not drawn"))).ok();
            scenes.push((&tile.source, scene));
        }
        let scene = scenes.iter().find(|(name, _)| *name == tile.source).and_then(|(_, scene)| scene.as_ref());
        let [x, y, width, height] = tile.window.map(|value| value as usize);
        let window = Window::new(x, y, width, height);
        // A file may claim anything.
        let is_in = |scene: &&Scene| {
            let info = scene.raster().info();
            window.within(info.width, info.height) == window && width.saturating_mul(height) <= MAX_PIXELS
        };
        let [width, height] = if scene.is_some_and(|scene| is_in(&scene)) { [width, height] } else { [1, 1] };
        let drawn = scene.filter(is_in).map(|scene| scene.colours(window));
        let drawn = drawn.and_then(|drawn| drawn.map_err(|error| note(&format!("{error}: it is not drawn"))).ok());
        let image = drawn.map_or_else(|| Image8::filled(width.max(1), height.max(1), GONE), |(image, _)| image);
        let (left, top) = (GAP_PX + at % COLUMNS * pitch, title + GAP_PX + at / COLUMNS * (TILE_PX + LINE_PX + GAP_PX));
        let longest = width.max(height).max(1);
        let side = |px: usize| (px * TILE_PX / longest).max(1);
        canvas.paste(&resize(&image, [side(height), side(width)], Filter::Bilinear)?, left, top, 1);
        let line = [left as i32, (top + TILE_PX + LINE_PX / 2) as i32];
        canvas.text(words, line, Anchor::Left, 11, QUIET);
    }
    Ok(canvas.finish())
}

/// The scene or image with the bands and the stretch that the file was made with.
pub(super) fn open(
    file: &Embeddings,
    source: &str,
    overview: usize,
    preprocess: &Preprocess,
    settings: &Settings,
) -> Result<Scene> {
    let raster = open_raster(source, overview, settings)?;
    let made = &file.header.settings;
    let bands: Option<Vec<usize>> = made.get("bands").and_then(|value| serde_json::from_value(value.clone()).ok());
    let stretch = made.get("stretch").and_then(|value| value.as_str());
    let stretch = stretch.map_or(Ok(Stretch::None), Stretch::parse)?;
    Ok(Scene::new(raster, preprocess, bands.as_deref(), stretch)?)
}
