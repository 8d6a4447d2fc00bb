//! `data generate`: look-alikes of published data sets, from generated scenes.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Result, ensure};
use preco_train::datasets::layouts::{Layout, LookAlikes};
use serde::Serialize;

use crate::output::Report;

/// Write generated images in the layout of a data set
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// folders (PNG, a folder per class) or eurosat (2750/Class/Class_n.jpg)
    #[arg(long, value_parser = ["folders", "eurosat"])]
    layout: String,
    /// Folder to create
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// How many images, over all classes
    #[arg(long, value_name = "N", default_value_t = 100)]
    count: usize,
    /// Seed of everything random
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Side in pixels
    #[arg(long, value_name = "P", default_value_t = 64)]
    size: usize,
    /// Write into an existing folder, replacing files of the same names; others stay
    #[arg(long)]
    force: bool,
}

/// What was written.
#[derive(Debug, Serialize)]
pub(crate) struct Generated {
    /// The folder of images, with a folder per class.
    folder: PathBuf,
    layout: Layout,
    images: usize,
    classes: Vec<&'static str>,
    size: usize,
    seed: u64,
}

/// Runs the command.
pub(crate) fn execute(args: &Args) -> Result<Generated> {
    let Args { out, count, size, seed, .. } = args;
    ensure!((1..=1_000_000).contains(count), "--count {count} must be 1 to 1000000");
    ensure!((16..=4096).contains(size), "--size {size} must be 16 to 4096 pixels");
    super::refuse_existing(out, args.force)?;
    let layout = if args.layout == "eurosat" { Layout::EuroSat } else { Layout::Folders };
    super::create(out)?;
    LookAlikes { layout, count: *count, seed: *seed, size_px: *size }.write(out)?;
    let folder = match layout.images() {
        "" => out.clone(),
        below => out.join(below),
    };
    Ok(Generated { folder, layout, images: *count, classes: layout.classes(), size: *size, seed: *seed })
}

impl Report for Generated {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { folder, images, classes, size, .. } = self;
        let (count, folder) = (classes.len(), folder.display());
        writeln!(out, "{images} images of {size}x{size} pixels in {count} classes are in {folder}")?;
        writeln!(out, "next: preco-cli data info {folder}")
    }
}
