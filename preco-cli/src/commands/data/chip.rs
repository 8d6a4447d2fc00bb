//! `data chip`: scenes cut into small images to learn from, with a line for each that says where it was.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use preco_core::files::write_atomic;
use preco_core::geo::Footprint;
use preco_core::imagery::{Image8, write_png};
use preco_core::predict::Tile;
use preco_core::spec::Preprocess;
use rayon::prelude::*;
use serde::Serialize;

use super::super::embed::{Cut, Display, Plan, Values, expand};
use super::super::places::footprint;
use crate::hub::Hub;
use crate::output::Report;
use crate::outputs::remove_folder;

/// What was cut out of where, in the folder of chips.
const MANIFEST: &str = "chips.jsonl";
/// Chips that are in memory at once.
const AT_ONCE: u64 = 256;

/// Cut scenes into small images
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Images, GeoTIFFs, folders, patterns ("*.tif"), lists (.jsonl), addresses of COGs
    #[arg(value_name = "INPUT", required = true)]
    inputs: Vec<String>,
    /// Folder to create: a folder for each scene with rows and columns as names, and chips.jsonl
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Side of a chip in pixels of the scene
    #[arg(long, value_name = "PX", default_value_t = 192)]
    size: usize,
    /// From one chip to the next, in pixels [default: the side of a chip]
    #[arg(long, value_name = "PX")]
    stride: Option<usize>,
    /// Leave out chips with a smaller share of pixels that lie in the scene and hold data
    #[arg(long, value_name = "SHARE", default_value_t = 1.0)]
    min_valid: f64,
    /// Pixels of this value in every band hold no data, where files do not say so: black borders are --empty 0
    #[arg(long, value_name = "BYTE")]
    empty: Option<u8>,
    /// Replace a folder that an earlier run wrote
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    values: Values,
    #[command(flatten)]
    hub: Hub,
}

/// What was cut.
#[derive(Debug, Serialize)]
pub(crate) struct Chipped {
    out: PathBuf,
    size: usize,
    #[serde(flatten)]
    total: Counts,
    scenes: Vec<SceneCounts>,
    left_out: Vec<String>,
}

#[derive(Debug, Serialize)]
struct SceneCounts {
    source: String,
    #[serde(flatten)]
    counts: Counts,
}

/// What became of chips.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Counts {
    chips: usize,
    /// With too few pixels that hold data.
    without_data: usize,
    /// Every pixel alike: borders that no nodata value names, open water without a wave.
    of_one_colour: usize,
    /// The same pixels as an earlier one's.
    repeated: usize,
}

/// A line of the manifest.
#[derive(Serialize)]
struct Line<'a> {
    path: &'a str,
    source: &'a str,
    /// Column, row, width, height in the scene's pixels.
    window: [u32; 4],
    valid: f32,
    /// Of the pixels, row by row.
    sha256: &'a str,
    /// As the scene names it.
    crs: Option<&'a str>,
    /// From the chip's pixels to the scene's coordinates: `x = a col + b row + c`, `y = d col + e row + f`.
    affine: Option<[f64; 6]>,
    /// The outline in longitude and latitude.
    footprint: Option<serde_json::Value>,
}

/// A chip before it is known whether it stays.
struct Chip {
    tile: Tile,
    image: Image8,
    digest: String,
}

/// Runs the command.
pub(crate) fn execute(args: &Args) -> Result<Chipped> {
    ensure!((8..=4096).contains(&args.size), "--size {} must be 8 to 4096 pixels", args.size);
    ensure!(args.min_valid > 0.0 && args.min_valid <= 1.0, "--min-valid {} must be above 0, at most 1", args.min_valid);
    refuse_others(&args.out, args.force)?;
    let cut = Cut::tiles(args.size, args.stride, args.min_valid);
    let preprocess = Preprocess::imagenet([args.size; 2]);
    let names = expand(&args.inputs)?;
    let plan = Plan::new(names, &preprocess, &cut, &args.values, &args.hub.settings())?;
    ensure!(!plan.inputs.is_empty(), "no input is left; {}", plan.skipped.join("; "));
    // Beside its place until it is whole.
    let partial = PathBuf::from(format!("{}.partial", args.out.display()));
    remove_folder(&partial)?;
    super::create(&partial)?;
    let folders = folders(plan.inputs.iter().map(|input| input.name.as_str()));
    let mut scenes: Vec<SceneCounts> = plan.inputs.iter().map(|input| SceneCounts::of(&input.name)).collect();
    let (mut seen, mut manifest) = (HashSet::new(), String::new());
    let mut display = Display::new(plan.tiles, 0);
    for first in (0..plan.tiles).step_by(AT_ONCE as usize) {
        let numbers = first..(first + AT_ONCE).min(plan.tiles);
        let chips = numbers.into_par_iter().map(|id| Ok((plan.input_of(id), read(&plan, id, args)?)));
        let mut kept = Vec::new();
        for (at, chip) in chips.collect::<Result<Vec<_>>>()? {
            display.tile();
            let counts = &mut scenes[at].counts;
            let Some(Chip { tile, image, digest }) = chip else {
                counts.without_data += 1;
                continue;
            };
            if is_one_colour(&image) {
                counts.of_one_colour += 1;
            } else if !seen.insert(digest.clone()) {
                counts.repeated += 1;
            } else {
                counts.chips += 1;
                let path = format!("{}/{:05}_{:05}.png", folders[at], tile.grid[0], tile.grid[1]);
                let Tile { source, window, valid, .. } = &tile;
                let place = tile.place.as_ref();
                let line = Line {
                    path: &path,
                    source,
                    window: *window,
                    valid: *valid,
                    sha256: &digest,
                    crs: place.map(|place| place.crs.as_str()),
                    affine: place.map(|place| place.affine),
                    footprint: footprint(&tile).map(Footprint::to_geojson),
                };
                writeln!(manifest, "{}", serde_json::to_string(&line)?)?;
                kept.push((partial.join(path), image));
            }
        }
        let mut parents: Vec<&Path> = kept.iter().filter_map(|(path, _)| path.parent()).collect();
        parents.dedup();
        parents.into_iter().try_for_each(super::create)?;
        kept.par_iter().try_for_each(|(path, image)| write_png(image, path))?;
    }
    drop(display);
    let total = scenes.iter().fold(Counts::default(), |sum, scene| sum.with(scene.counts));
    if total.chips == 0 {
        remove_folder(&partial)?;
        anyhow::bail!("no chip is left of {}: {}", plan.tiles, total.why());
    }
    write_atomic(&partial.join(MANIFEST), |out| out.write_all(manifest.as_bytes()))
        .with_context(|| format!("cannot write {MANIFEST}"))?;
    remove_folder(&args.out)?;
    std::fs::rename(&partial, &args.out).with_context(|| format!("cannot rename {}", partial.display()))?;
    Ok(Chipped { out: args.out.clone(), size: args.size, total, scenes, left_out: plan.skipped.clone() })
}

/// The chip of a number; nothing where too little of it holds data.
fn read(plan: &Plan, id: u64, args: &Args) -> Result<Option<Chip>> {
    let read = plan.tile(id)?;
    let pixels = || read.image.data().chunks_exact(read.image.bands());
    let is_empty = |pixel: &&[u8]| args.empty.is_some_and(|empty| pixel.iter().all(|&value| value == empty));
    let empty = pixels().filter(is_empty).count() as f64 / pixels().count().max(1) as f64;
    // What files say and what is said of them may be the same pixels.
    let valid = read.valid.min(1.0 - empty);
    if valid < args.min_valid {
        return Ok(None);
    }
    let digest = preco_zoo::sha256(read.image.data());
    Ok(Some(Chip { tile: plan.describe(id, valid), image: read.image, digest }))
}

fn is_one_colour(image: &Image8) -> bool {
    let mut pixels = image.data().chunks_exact(image.bands());
    pixels.next().is_none_or(|first| pixels.all(|pixel| pixel == first))
}

/// A folder's name for each scene: its file's, with a number where another has that already.
fn folders<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut taken = HashSet::new();
    let free = |name: &str| {
        let path = name.split(['?', '#']).next().unwrap_or(name);
        let stem = Path::new(path).file_stem().map_or("scene".into(), |stem| stem.to_string_lossy().into_owned());
        let mut candidates = std::iter::once(stem.clone()).chain((2..).map(|n| format!("{stem}-{n}")));
        let folder = candidates.find(|folder| !taken.contains(folder)).unwrap_or(stem);
        taken.insert(folder.clone());
        folder
    };
    names.map(free).collect()
}

/// Refuses a folder that holds anything, unless an earlier run wrote it and `force` says to replace it.
fn refuse_others(out: &Path, force: bool) -> Result<()> {
    let is_ours = out.join(MANIFEST).is_file();
    if is_ours && force {
        return Ok(());
    }
    let advice = if is_ours { "replace it with --force, or choose another" } else { "choose another" };
    ensure!(super::is_free(out), "--out {}: exists and is not an empty folder; {advice}", out.display());
    Ok(())
}

impl SceneCounts {
    fn of(name: &str) -> Self {
        Self { source: preco_zoo::shown(name), counts: Counts::default() }
    }
}

impl Counts {
    fn with(self, other: Self) -> Self {
        Self {
            chips: self.chips + other.chips,
            without_data: self.without_data + other.without_data,
            of_one_colour: self.of_one_colour + other.of_one_colour,
            repeated: self.repeated + other.repeated,
        }
    }

    fn why(&self) -> String {
        let Self { without_data, of_one_colour, repeated, .. } = self;
        format!(
            "{without_data} lack data or reach beyond the edge, {of_one_colour} have one colour, {repeated} repeat others"
        )
    }
}

impl Report for Chipped {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { out: folder, size, total, scenes, left_out } = self;
        for why in left_out {
            writeln!(out, "left out: {why}")?;
        }
        writeln!(out, "{:>8} {:>8} {:>10} {:>8}  scene", "chips", "no data", "one colour", "repeats")?;
        for SceneCounts { source, counts: Counts { chips, without_data, of_one_colour, repeated } } in scenes {
            writeln!(out, "{chips:>8} {without_data:>8} {of_one_colour:>10} {repeated:>8}  {source}")?;
        }
        let folder = folder.display();
        writeln!(out, "{} chips of {size}x{size} pixels and {MANIFEST} are in {folder}", total.chips)?;
        writeln!(out, "left out: {}", total.why())?;
        writeln!(out, "next: preco-cli pretrain --data {folder} --input-size {size}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenes_of_one_name_get_folders_of_their_own() {
        let names = ["a/x.tif", "b/x.tif", "https://h/x.tif?sig=1", "y.png"];
        assert_eq!(folders(names.into_iter()), ["x", "x-2", "x-3", "y"]);
    }
}
