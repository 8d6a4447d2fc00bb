//! `scatter`: embeddings in two dimensions, likeness as nearness, classes as colours.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use preco_core::imagery::{Image8, write_png};
use preco_core::vectors::{Pca, unit_rows};
use preco_train::report::{Anchor, Canvas};
use preco_zoo::embeddings::Embeddings;
use serde::Serialize;

use super::places::{COLOURS, check_ending, sources};
use crate::output::Report;
use crate::outputs::Outputs;

/// Side of the square of points, in pixels.
const SIDE_PX: usize = 720;
const EDGE_PX: usize = 28;
/// Width of the column of names.
const NAMES_PX: usize = 240;
const LINE_PX: usize = 22;
const POINT_PX: i32 = 2;
/// Classes that are told apart: no more colours can be.
const MOST: usize = COLOURS.len();
const INK: [u8; 3] = [38, 42, 48];
const QUIET: [u8; 3] = [150, 155, 162];

/// Draw embeddings in two dimensions, a colour for each class
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// File of embeddings: .parquet, .npy or .safetensors
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Picture to write: the two strongest components of the embeddings' directions; a class is a source's folder
    #[arg(long, value_name = "FILE.png")]
    out: PathBuf,
    /// Replace OUT where it exists
    #[arg(long)]
    force: bool,
}

/// What was drawn.
#[derive(Debug, Serialize)]
pub(crate) struct Scattered {
    points: usize,
    /// Points of each class.
    classes: BTreeMap<String, usize>,
    /// Share of the variance that the two components have.
    explained: f64,
    out: PathBuf,
}

/// Runs the command.
pub(crate) fn execute(args: &Args) -> Result<Scattered> {
    check_ending("--out", Some(&args.out), &["png"])?;
    let file = Embeddings::open(&args.file)?;
    Outputs::new(args.force).reads(sources(&file)).writes("--out", Some(&args.out)).check()?;
    ensure!(file.len() > 2, "{} holds {} embeddings, three at least are wanted", args.file.display(), file.len());
    let length = file.header.length;
    let rows = unit_rows(&file.vectors, length);
    let places = Pca::fit(&rows, length, 2)?.project(&rows);
    let mut classes: BTreeMap<String, usize> = BTreeMap::new();
    let class = |source: &str| {
        let folder = Path::new(source).parent().and_then(Path::file_name);
        folder.map_or("(no folder)".to_owned(), |name| name.to_string_lossy().into_owned())
    };
    let of: Vec<String> = file.tiles.iter().map(|tile| class(&tile.source)).collect();
    of.iter().for_each(|name| *classes.entry(name.clone()).or_default() += 1);
    ensure!(classes.len() <= MOST, "the sources lie in {} folders, at most {MOST} can be told apart", classes.len());
    let names: Vec<&String> = classes.keys().collect();
    let colours: Vec<usize> = of.iter().filter_map(|name| names.binary_search(&name).ok()).collect();
    write_png(&picture(&places, &colours, &classes, &file.header.model), &args.out)?;
    let explained = variance(&places, 2) / variance(&rows, length);
    Ok(Scattered { points: file.len(), classes, explained, out: args.out.clone() })
}

/// The sum over columns of the variance.
fn variance(rows: &[f32], length: usize) -> f64 {
    let count = (rows.len() / length) as f64;
    let column = |at: usize| {
        let values = || rows.iter().skip(at).step_by(length).map(|value| f64::from(*value));
        let mean = values().sum::<f64>() / count;
        values().map(|value| (value - mean).powi(2)).sum::<f64>() / count
    };
    (0..length).map(column).sum()
}

fn picture(places: &[f32], colours: &[usize], classes: &BTreeMap<String, usize>, model: &str) -> Image8 {
    let height = (SIDE_PX + 2 * EDGE_PX).max(3 * EDGE_PX + classes.len() * LINE_PX);
    let mut canvas = Canvas::new(SIDE_PX + 2 * EDGE_PX + NAMES_PX, height, [255; 3]);
    let ends = |axis: usize| {
        let values = places.iter().skip(axis).step_by(2);
        values.fold([f32::INFINITY, f32::NEG_INFINITY], |[low, high], &value| [low.min(value), high.max(value)])
    };
    let ends = [ends(0), ends(1)];
    // One scale for both axes: distances are what is shown.
    let span = ends.iter().map(|[low, high]| high - low).fold(f32::MIN_POSITIVE, f32::max);
    let at = |value: f32, [low, high]: [f32; 2]| {
        EDGE_PX as i32 + ((value - 0.5 * (low + high)) / span * SIDE_PX as f32 + 0.5 * SIDE_PX as f32) as i32
    };
    for (point, &class) in places.chunks_exact(2).zip(colours) {
        let (x, y) = (at(point[0], ends[0]), at(point[1], ends[1]));
        canvas.rectangle([x - POINT_PX, y - POINT_PX, x + POINT_PX, y + POINT_PX], COLOURS[class]);
    }
    let left = (SIDE_PX + 2 * EDGE_PX) as i32;
    canvas.text(model, [left, EDGE_PX as i32], Anchor::Left, 14, INK);
    for (class, (name, count)) in classes.iter().enumerate() {
        let top = (2 * EDGE_PX + class * LINE_PX) as i32;
        canvas.rectangle([left, top - 6, left + 12, top + 6], COLOURS[class]);
        let end = canvas.text(name, [left + 20, top], Anchor::Left, 13, INK) as i32;
        canvas.text(&count.to_string(), [left + 28 + end, top], Anchor::Left, 12, QUIET);
    }
    canvas.finish()
}

impl Report for Scattered {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { points, classes, explained, out: path } = self;
        writeln!(
            out,
            "{points} embeddings of {} classes; two components have {:.0} % of their variance",
            classes.len(),
            100.0 * explained
        )?;
        writeln!(out, "picture: {}", path.display())
    }
}
