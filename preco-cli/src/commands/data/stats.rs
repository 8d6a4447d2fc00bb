//! `data stats`: the colours of a data set, as a model's preprocessing wants them.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Result;
use preco_train::datasets::{ImageSource, mean_std};
use serde::Serialize;

use crate::output::Report;

/// Measure the mean and deviation of each band
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder of JPEG, PNG or WebP images
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Text file with a path within DIR on each line: measure these only
    #[arg(long, value_name = "FILE")]
    list: Option<PathBuf>,
    /// Leave out files that are no readable images or are cut off: every image is decoded
    #[arg(long)]
    skip_unreadable: bool,
}

/// Of values in `[0, 1]`, with the keys of `preprocessor_config.json`.
#[derive(Debug, Serialize)]
pub(crate) struct Stats {
    folder: PathBuf,
    list: Option<PathBuf>,
    images: usize,
    /// Red, green, blue.
    image_mean: Vec<f32>,
    image_std: Vec<f32>,
}

/// Runs the command.
pub(crate) fn execute(args: &Args) -> Result<Stats> {
    let images = super::open(&args.folder, args.list.as_deref(), args.skip_unreadable)?;
    let found = mean_std(&images, images.len())?;
    Ok(Stats {
        folder: args.folder.clone(),
        list: args.list.clone(),
        images: images.len(),
        image_mean: found.mean,
        image_std: found.std,
    })
}

impl Report for Stats {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { folder, list, images, image_mean, image_std } = self;
        writeln!(out, "{images} images of {}, values from 0 to 1", folder.display())?;
        writeln!(out, "{:10} {:>8} {:>8} {:>8}", "", "red", "green", "blue")?;
        for (name, values) in [("image_mean", image_mean), ("image_std", image_std)] {
            let values: Vec<String> = values.iter().map(|value| format!("{value:>8.5}")).collect();
            writeln!(out, "{name:10} {}", values.join(" "))?;
        }
        let list = list.as_ref().map(|list| format!(" --list {}", list.display())).unwrap_or_default();
        writeln!(out, "next: preco-cli pretrain --data {}{list}", folder.display())
    }
}
