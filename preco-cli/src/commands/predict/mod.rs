//! `predict`: images and tiles of scenes to labels, as lines, as a map and as outlines.

mod patches;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use preco_core::files::write_atomic;
use preco_core::geo::{RasterOut, Samples, write_geotiff};
use preco_core::predict::{Labeller, Output, Tile};
use preco_core::spec::Labelling;
use preco_zoo::ModelFolder;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::embed::{Cut, Display, Plan, Values, expand};
use super::places::{COLOURS, check_ending, colour_text, write_geojson};
use super::tiles::Tiles;
use crate::cli::Processor;
use crate::hub::Hub;
use crate::output::{Report, note};
use crate::outputs::Outputs;

/// A class is said to be there above this probability, where there may be several.
const THRESHOLD: f32 = 0.5;
/// The value of a map's pixels without a label.
const NONE: u8 = 255;
/// Lines that are printed where nothing is written.
const PRINTED: usize = 20;

/// Label images, or the tiles of scenes
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Images, GeoTIFFs, folders, patterns ("*.tif"), lists (.jsonl), addresses of COGs; or folders of BigEarthNet's patches
    #[arg(value_name = "INPUT", required = true)]
    inputs: Vec<String>,
    /// Folder or name of a fine-tuned model
    #[arg(long, value_name = "MODEL")]
    model: String,
    /// Write a line of JSON for each image or tile
    #[arg(long, value_name = "FILE.jsonl")]
    out: Option<PathBuf>,
    /// Map of one scene: its classes with a colour table, or the probability of each where there may be several
    #[arg(long, value_name = "FILE.tif")]
    map: Option<PathBuf>,
    /// Outlines of the tiles with their labels
    #[arg(long, value_name = "FILE.geojson")]
    geojson: Option<PathBuf>,
    /// Replace files that exist
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    cut: Cut,
    #[command(flatten)]
    values: Values,
    #[command(flatten)]
    hub: Hub,
}

/// What was labelled.
#[derive(Debug, Serialize)]
pub(crate) struct Predicted {
    model: String,
    inputs: usize,
    labelled: usize,
    /// Images and tiles without enough data.
    skipped: usize,
    /// How many of each class.
    counts: BTreeMap<String, usize>,
    seconds: f64,
    /// The first, where no file was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    first: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    written: Vec<PathBuf>,
}

/// An image or a tile, and what is seen in it.
struct Labelled {
    tile: Tile,
    probabilities: Vec<f32>,
    /// The class of the highest probability, or those above one half.
    classes: Vec<usize>,
}

/// Runs the command.
pub(crate) fn execute(args: &Args, processor: &Processor) -> Result<Predicted> {
    let patches = args.inputs.iter().filter(|input| patches::are_at(input)).count();
    let are_patches = patches == args.inputs.len();
    ensure!(
        are_patches || patches == 0,
        "{patches} of {} inputs hold BigEarthNet's patches and others do not: label them apart",
        args.inputs.len()
    );
    if are_patches {
        patches::check(args)?;
    }
    let names = if are_patches { args.inputs.clone() } else { expand(&args.inputs)? };
    let outputs = Outputs::new(args.force).reads(&args.inputs).reads(&names);
    let outputs = outputs.writes("--out", args.out.as_deref()).writes("--map", args.map.as_deref());
    outputs.writes("--geojson", args.geojson.as_deref()).check()?;
    check_ending("--out", args.out.as_deref(), &["jsonl"])?;
    check_ending("--map", args.map.as_deref(), &["tif", "tiff"])?;
    check_ending("--geojson", args.geojson.as_deref(), &["geojson", "json"])?;
    let least_valid = args.cut.least_valid();
    ensure!((0.0..=1.0).contains(&least_valid), "--min-valid {least_valid} must be 0 to 1");
    let folder = args.hub.fetch(args.model.as_ref())?;
    let labeller = folder.labeller(processor.cpu)?;
    let started = Instant::now();
    if are_patches {
        let labelled = patches::label(args, &labeller)?;
        ensure!(!labelled.is_empty(), "no patch of {} can be read", args.inputs[0]);
        let count = labelled.len();
        return finished(args, &folder, &labeller, labelled, None, started)
            .map(|done| Predicted { inputs: count, ..done });
    }
    let plan = Plan::new(names, labeller.preprocess(), &args.cut, &args.values, &args.hub.settings())?;
    plan.skipped.iter().for_each(|why| note(&format!("left out: {why}")));
    ensure!(!plan.inputs.is_empty(), "no input is left");
    ensure!(
        args.map.is_none() || plan.inputs.len() == 1,
        "--map shows one scene, there are {} inputs: write --geojson or --out",
        plan.inputs.len()
    );
    let mut display = Display::new(plan.tiles, 0);
    let tiles = Tiles { tile: &|at| plan.tile(at as u64), numbers: 0..plan.tiles as usize, least_valid };
    let (mut labelled, mut skipped) = (Vec::new(), 0);
    let take = |Output { at, valid, values }: Output<'_>| -> Result<()> {
        match values {
            Some(probabilities) => labelled.push(Labelled {
                tile: plan.describe(at as u64, valid),
                classes: said(&labeller, probabilities),
                probabilities: probabilities.to_vec(),
            }),
            None => skipped += 1,
        }
        display.tile();
        Ok(())
    };
    tiles.through(&labeller, |inputs| labeller.probabilities(inputs), take)?;
    drop(display);
    ensure!(
        !labelled.is_empty(),
        "nothing is labelled: of each of {skipped} images and tiles less than {} % hold data (--min-valid)",
        100.0 * least_valid
    );
    let done = finished(args, &folder, &labeller, labelled, Some(&plan), started)?;
    Ok(Predicted { inputs: plan.inputs.len(), skipped, ..done })
}

/// Writes what was asked for.
fn finished(
    args: &Args,
    folder: &ModelFolder,
    labeller: &Labeller,
    labelled: Vec<Labelled>,
    plan: Option<&Plan>,
    started: Instant,
) -> Result<Predicted> {
    let lines = || labelled.iter().map(|found| line(labeller, found));
    let mut written = Vec::new();
    if let Some(path) = &args.out {
        write_atomic(path, |out| {
            for line in lines() {
                serde_json::to_writer(&mut *out, &line)?;
                writeln!(out)?;
            }
            Ok(())
        })
        .with_context(|| format!("cannot write {}", path.display()))?;
        written.push(path.clone());
    }
    if let (Some(path), Some(plan)) = (&args.map, plan) {
        write_map(path, labeller, plan, &labelled)?;
        written.push(path.clone());
    }
    if let Some(path) = &args.geojson {
        let told = labelled.iter().map(|found| (&found.tile, properties(labeller, found)));
        write_geojson(path, told).with_context(|| format!("cannot write {}", path.display()))?;
        written.push(path.clone());
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for class in labelled.iter().flat_map(|found| &found.classes) {
        *counts.entry(labeller.labels()[*class].clone()).or_default() += 1;
    }
    Ok(Predicted {
        model: folder.spec().name.clone(),
        inputs: 0,
        labelled: labelled.len(),
        skipped: 0,
        counts,
        seconds: started.elapsed().as_secs_f64(),
        first: if written.is_empty() { lines().take(PRINTED).collect() } else { Vec::new() },
        written,
    })
}

/// The classes that probabilities say.
fn said(labeller: &Labeller, probabilities: &[f32]) -> Vec<usize> {
    match labeller.labelling() {
        Labelling::Single => preco_train::metrics::highest(probabilities).into_iter().collect(),
        Labelling::Multi => (0..probabilities.len()).filter(|&class| probabilities[class] > THRESHOLD).collect(),
    }
}

/// What a line says of an image or a tile: `label` and `probability`, or `labels`; and the probability of each class.
fn line(labeller: &Labeller, found: &Labelled) -> Value {
    let mut line = Map::new();
    line.insert("source".to_owned(), json!(found.tile.source));
    line.insert("tile".to_owned(), json!(found.tile.id));
    line.insert("window".to_owned(), json!(found.tile.window));
    line.extend(properties(labeller, found).as_object().cloned().unwrap_or_default());
    line.remove("fill");
    let all = labeller.labels().iter().zip(&found.probabilities).map(|(label, &value)| (label.clone(), json!(value)));
    line.insert("probabilities".to_owned(), Value::Object(all.collect()));
    Value::Object(line)
}

fn properties(labeller: &Labeller, found: &Labelled) -> Value {
    match (labeller.labelling(), &found.classes[..]) {
        (Labelling::Single, [class]) => json!({
            "label": labeller.labels()[*class],
            "probability": found.probabilities[*class],
            "fill": colour_text(*class),
        }),
        (_, classes) => {
            let labels: Vec<&str> = classes.iter().map(|&class| labeller.labels()[class].as_str()).collect();
            json!({ "labels": labels })
        }
    }
}

/// A pixel for each tile.
fn write_map(path: &std::path::Path, labeller: &Labeller, plan: &Plan, labelled: &[Labelled]) -> Result<()> {
    let (grid, scene) = (&plan.inputs[0].grid, plan.scene(0)?);
    let info = scene.raster().info();
    let affine = info.affine.map(|affine| grid.affine(&affine));
    let (width, height, classes) = (grid.columns(), grid.rows(), labeller.labels().len());
    let (affine, crs) = (affine.as_ref(), info.crs.as_ref());
    let pixel = |tile: &Tile| tile.grid[0] as usize * width + tile.grid[1] as usize;
    match labeller.labelling() {
        Labelling::Single => {
            ensure!(classes <= usize::from(NONE), "a map of bytes shows {NONE} classes at most, there are {classes}");
            let mut map = vec![NONE; width * height];
            for found in labelled {
                map[pixel(&found.tile)] = found.classes.first().map_or(NONE, |&class| class as u8);
            }
            let palette: Vec<[u8; 3]> = COLOURS.iter().copied().cycle().take(classes).collect();
            let (nodata, palette) = (Some(f64::from(NONE)), Some(&palette[..]));
            let out = RasterOut { width, height, bands: 1, affine, crs, nodata, palette };
            write_geotiff(path, &out, Samples::U8(&map))?;
        }
        Labelling::Multi => {
            let mut map = vec![f32::NAN; width * height * classes];
            for found in labelled {
                map[classes * pixel(&found.tile)..][..classes].copy_from_slice(&found.probabilities);
            }
            let nodata = Some(f64::NAN);
            let out = RasterOut { width, height, bands: classes, affine, crs, nodata, palette: None };
            write_geotiff(path, &out, Samples::F32(&map))?;
        }
    }
    Ok(())
}

impl Report for Predicted {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let s = |count: usize| if count == 1 { "" } else { "s" };
        let (inputs, labelled) = (self.inputs, self.labelled);
        let what = if labelled > inputs { "tiles" } else { "images" };
        let (model, seconds) = (&self.model, self.seconds);
        writeln!(out, "{labelled} {what} of {inputs} input{} labelled by {model} in {seconds:.1} s", s(inputs))?;
        if self.skipped > 0 {
            writeln!(
                out,
                "{} skipped: too little of them lies in the scene and holds data (--min-valid)",
                self.skipped
            )?;
        }
        let mut counts: Vec<(&String, &usize)> = self.counts.iter().collect();
        counts.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        for (class, count) in counts {
            writeln!(out, "{count:>8}  {class}")?;
        }
        for line in &self.first {
            let text = |key: &str| line.get(key).and_then(Value::as_str).unwrap_or_default();
            let labels = match line.get("labels") {
                Some(labels) => {
                    labels.as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
                }
                None => {
                    let share = line.get("probability").and_then(Value::as_f64).unwrap_or_default();
                    format!("{} {:.1} %", text("label"), 100.0 * share)
                }
            };
            writeln!(out, "{}: {labels}", text("source"))?;
        }
        if !self.first.is_empty() && self.labelled > self.first.len() {
            writeln!(out, "and {} more: --out labels.jsonl writes all", self.labelled - self.first.len())?;
        }
        for path in &self.written {
            writeln!(out, "written: {}", path.display())?;
        }
        Ok(())
    }
}
