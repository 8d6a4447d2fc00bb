//! What a run is to do: tiles of all inputs, numbered.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Result, ensure};
use preco_core::imagery::raster::{self, ImageRaster, RasterInfo};
use preco_core::imagery::{choose_bands, probe};
use preco_core::predict::{Grid, Scene, SceneTile, Tile, seen};
use preco_core::rng::fnv1a64;
use preco_core::spec::Preprocess;
use preco_zoo::{Settings, shown, sources};

use super::super::tiles;
use super::{Cut, Values, inputs};
use crate::output::note;

/// Scenes that are kept open: readers are never further apart.
const OPEN: usize = 4;

/// An input and its tiles.
pub(crate) struct Input {
    /// As the user named it.
    pub(crate) name: String,
    /// How it is cut.
    pub(crate) grid: Grid,
    /// True where it is one tile of whatever size.
    pub(crate) is_whole: bool,
    /// What changes when the file does, as far as its source can tell.
    pub(crate) version: String,
    /// Its length in bytes.
    len: u64,
    /// What it is; nothing for an image, of which all is known.
    known: Option<Box<RasterInfo>>,
    /// The number of its first tile.
    first: u64,
}

/// All inputs.
pub(crate) struct Plan {
    pub(crate) inputs: Vec<Input>,
    /// Why inputs were left out.
    pub(crate) skipped: Vec<String>,
    pub(crate) tiles: u64,
    preprocess: Preprocess,
    values: Values,
    settings: Settings,
    open: Mutex<Vec<(usize, Arc<Scene>)>>,
    /// Inputs with tiles that could not be read, and how many.
    failed: Mutex<BTreeMap<usize, u64>>,
}

impl Plan {
    /// Looks at each input's size.
    pub(crate) fn new(
        names: Vec<String>,
        preprocess: &Preprocess,
        cut: &Cut,
        values: &Values,
        settings: &Settings,
    ) -> Result<Self> {
        let tile = cut.tile.unwrap_or_else(|| preprocess.size[0].max(preprocess.size[1]));
        let stride = match (cut.stride, cut.overlap) {
            (Some(stride), _) => stride,
            (None, Some(overlap)) => {
                ensure!(overlap < tile, "--overlap {overlap} must be less than the tile's {tile} pixels");
                tile - overlap
            }
            (None, None) => tile,
        };
        let (mut inputs, mut count) = (Vec::with_capacity(names.len()), 0);
        let asked = cut.tile.or(cut.stride).or(cut.overlap).is_some();
        let mut skipped = Vec::new();
        for name in names {
            let Fitting { info, version, len } = match fitting(&name, preprocess, values, settings) {
                Err(error) if values.skip_unreadable => {
                    skipped.push(error.to_string());
                    continue;
                }
                fitting => fitting?,
            };
            let is_small = info.width.max(info.height) <= tile;
            let whole = cut.whole || (!asked && (info.is_image || is_small));
            let grid = if whole {
                Grid::whole(info.width, info.height)
            } else {
                tiles::grid(&shown(&name), [info.width, info.height], tile, stride)?
            };
            // A whole image is decoded at once.
            let most = preco_core::imagery::MAX_PIXELS;
            ensure!(
                !whole || info.width.saturating_mul(info.height) <= most,
                "{} has {}x{} pixels, too many for one vector; leave out --whole",
                shown(&name),
                info.width,
                info.height
            );
            let known = (!info.is_image).then(|| Box::new(info));
            inputs.push(Input { name, grid, is_whole: whole, version, len, known, first: count });
            count += grid.len() as u64;
            ensure!(
                count <= tiles::MOST_TILES as u64,
                "{count} tiles and more are too many for one run; cut INPUTs in parts"
            );
        }
        let (preprocess, values, settings) = (preprocess.clone(), values.clone(), settings.clone());
        let (open, failed) = (Mutex::default(), Mutex::default());
        Ok(Self { inputs, skipped, tiles: count, preprocess, values, settings, open, failed })
    }

    /// The input of tile `id`, and its number there.
    fn of(&self, id: u64) -> (usize, usize) {
        let at = self.inputs.partition_point(|input| input.first <= id) - 1;
        (at, (id - self.inputs[at].first) as usize)
    }

    /// Which input tile `id` is of.
    pub(crate) fn input_of(&self, id: u64) -> usize {
        self.of(id).0
    }

    /// An input's scene; those used last stay open.
    pub(crate) fn scene(&self, at: usize) -> preco_core::error::Result<Arc<Scene>> {
        let open = || self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // Held while opening: of several readers one computes the scene's percentiles.
        let mut scenes = open();
        if let Some((_, scene)) = scenes.iter().find(|(input, _)| *input == at) {
            return Ok(scene.clone());
        }
        let name = &self.inputs[at].name;
        let opened = inputs::open(name, self.values.overview, &self.settings)
            .map_err(|error| preco_core::error::Error::Image { path: shown(name).into(), reason: error.to_string() })?;
        let scene = Scene::new(opened, &self.preprocess, self.values.bands.as_deref(), self.values.stretch)?;
        let scene = Arc::new(scene);
        scenes.push((at, scene.clone()));
        if scenes.len() > OPEN {
            scenes.remove(0);
        }
        Ok(scene)
    }

    /// The bands that the model sees.
    pub(crate) fn bands(&self) -> &[String] {
        &self.preprocess.bands
    }

    /// By what runs of the same inputs are known, wherever their files lie in time.
    pub(crate) fn digest(&self) -> String {
        let told =
            self.inputs.iter().map(|i| format!("{}\n{}x{}\n{}\n", shown(&i.name), i.grid.width, i.grid.height, i.len));
        format!("{:016x}", fnv1a64(&told.collect::<String>()))
    }

    /// The colours of tile `id`. One that cannot be read holds no data, where such are to be left out.
    pub(crate) fn tile(&self, id: u64) -> preco_core::error::Result<SceneTile> {
        let (input, at) = self.of(id);
        let read = || {
            let scene = self.scene(input)?;
            if self.inputs[input].is_whole { scene.whole() } else { scene.tile(&self.inputs[input].grid, at) }
        };
        match read() {
            Err(error) if self.values.skip_unreadable => {
                let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
                let count = failed.entry(input).or_insert(0);
                if *count == 0 {
                    note(&format!("left out: {error}"));
                }
                *count += 1;
                Ok(SceneTile::without_data())
            }
            read => read,
        }
    }

    /// True where what cannot be read is left out.
    pub(crate) fn skips_unreadable(&self) -> bool {
        self.values.skip_unreadable
    }

    /// Tiles that could not be read.
    pub(crate) fn unreadable(&self) -> u64 {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }

    /// What the file says of tile `id`.
    pub(crate) fn describe(&self, id: u64, valid: f64) -> Tile {
        let (at, tile) = self.of(id);
        let Input { name, grid, known, is_whole, .. } = &self.inputs[at];
        let image = || Box::new(ImageRaster::describe(name, grid.width, grid.height));
        let info = known.clone().unwrap_or_else(image);
        let window = if *is_whole { seen(grid.width, grid.height, self.preprocess.size) } else { grid.window(tile) };
        Tile::of(&info, window, grid.place(tile), id, &shown(name), valid)
    }
}

/// What is known of an input before it is embedded.
struct Fitting {
    info: RasterInfo,
    version: String,
    len: u64,
}

/// An input that the model can see. All are looked at before the first is embedded: a run must not end at the last one.
fn fitting(name: &str, preprocess: &Preprocess, values: &Values, settings: &Settings) -> Result<Fitting> {
    let bytes = sources::open(name, settings)?;
    let (version, len) = (bytes.version(), bytes.len());
    // An image's head is enough.
    let local = sources::local(name).filter(|_| values.overview == 0);
    let image = local.and_then(|path| probe(&path).ok()).filter(|image| image.bits == 8);
    let info = match image {
        Some(image) => ImageRaster::describe(&shown(name), image.width, image.height),
        None => raster::open(bytes, &shown(name), values.overview)?.info().clone(),
    };
    choose_bands(&info, &preprocess.bands, values.bands.as_deref().or(preprocess.band_numbers.as_deref()))?;
    values.stretch.check(&info, preprocess.levels.as_ref())?;
    Ok(Fitting { info, version, len })
}
