//! `scenes`: generated images with their truth, for trying things out without a download.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use preco_core::files::write_atomic;
use preco_core::imagery::write_png;
use preco_train::datasets::scenes::{CLASSES, Scene, SceneGenerator};
use serde::Serialize;

use crate::output::Report;

/// Write generated scenes with their truth
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder to create: a folder of images per class, and labels.json
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// How many scenes
    #[arg(long, value_name = "N", default_value_t = 64)]
    count: usize,
    /// Side in pixels
    #[arg(long, value_name = "S", default_value_t = 128)]
    size: usize,
    /// Seed of everything random
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// What was written.
#[derive(Debug, Serialize)]
pub(crate) struct Written {
    folder: PathBuf,
    scenes: usize,
    size: usize,
    seed: u64,
}

/// The truth about one scene, as in `labels.json`.
#[derive(Serialize)]
struct Truth {
    file: String,
    class: &'static str,
    /// Classes that cover at least a fiftieth.
    present: Vec<&'static str>,
    buildings: Vec<Building>,
}

#[derive(Serialize)]
struct Building {
    /// Pixels, right and bottom exclusive.
    xyxy: [u32; 4],
    class: &'static str,
}

/// Runs the command.
pub(crate) fn execute(args: &Args) -> Result<Written> {
    let Args { out, count, size, seed } = args;
    ensure!((1..=1_000_000).contains(count), "--count {count} must be 1 to 1000000");
    ensure!((16..=4096).contains(size), "--size {size} must be 16 to 4096 pixels");
    let is_free = !out.exists() || std::fs::read_dir(out).is_ok_and(|mut files| files.next().is_none());
    ensure!(is_free, "--out {}: exists and is not an empty folder; choose another", out.display());
    let generator = SceneGenerator::new(*seed, *size, *count);
    for class in CLASSES {
        let folder = out.join(class);
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    let mut truths = Vec::with_capacity(*count);
    for index in 0..*count {
        let scene = generator.scene(index);
        let file = format!("{}/{}_{index:06}.png", CLASSES[scene.class], CLASSES[scene.class]);
        write_png(&scene.image, &out.join(&file))?;
        truths.push(truth(file, &scene));
    }
    let labels = out.join("labels.json");
    write_atomic(&labels, |to| Ok(serde_json::to_writer_pretty(to, &truths)?))
        .with_context(|| format!("cannot write {}", labels.display()))?;
    Ok(Written { folder: out.clone(), scenes: *count, size: *size, seed: *seed })
}

fn truth(file: String, scene: &Scene) -> Truth {
    let names = CLASSES.iter().zip(&scene.labels);
    Truth {
        file,
        class: CLASSES[scene.class],
        present: names.filter(|(_, present)| **present).map(|(name, _)| *name).collect(),
        buildings: scene.boxes.iter().map(|b| Building { xyxy: b.xyxy, class: CLASSES[b.class] }).collect(),
    }
}

impl Report for Written {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { folder, scenes, size, .. } = self;
        writeln!(out, "{scenes} scenes of {size}x{size} pixels and labels.json are in {}", folder.display())?;
        writeln!(out, "next: preco-cli pretrain --data {}", folder.display())
    }
}
