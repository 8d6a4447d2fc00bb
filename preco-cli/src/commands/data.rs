//! `data`: what is in a folder of images, its colours, its split, chips of scenes, and look-alikes of published data sets.

mod chip;
mod generate;
mod info;
mod rasters;
mod sheet;
mod split;
mod stats;

use std::path::Path;

use anyhow::{Context, Result, ensure};
use preco_train::datasets::{Allow, ImageFolder, Scan};

use crate::output;

/// What to do with a data set.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Data {
    /// Count images, classes, sizes, formats and unreadable files
    Info(info::Args),
    /// Look at images and scenes: size, samples, storage, place, and whether all can be read
    Rasters(rasters::Args),
    /// Measure the mean and deviation of each band
    Stats(stats::Args),
    /// Divide the images into train, val and test
    Split(split::Args),
    /// Cut scenes into small images to learn from
    #[command(allow_negative_numbers = true)]
    Chip(chip::Args),
    /// Write generated images in the layout of a data set
    Generate(generate::Args),
}

/// Does it, prints the result and returns the exit code.
pub(crate) fn run(data: &Data, json: bool) -> Result<u8> {
    match data {
        Data::Info(args) => output::print(&info::execute(args)?, json),
        Data::Rasters(args) => output::print(&rasters::execute(args)?, json),
        Data::Stats(args) => output::print(&stats::execute(args)?, json),
        Data::Split(args) => output::print(&split::execute(args)?, json),
        Data::Chip(args) => output::print(&chip::execute(args)?, json),
        Data::Generate(args) => output::print(&generate::execute(args)?, json),
    }
}

/// Refuses what is there already, an empty folder excepted; with `force` files in a folder may be replaced.
fn refuse_existing(path: &Path, force: bool) -> Result<()> {
    let is_file = path.is_file();
    ensure!(
        is_free(path) || (force && !is_file),
        "--out {}: {}; choose another{}",
        path.display(),
        if is_file { "is a file" } else { "exists and is not an empty folder" },
        if is_file { "" } else { ", or replace files of the same names with --force" }
    );
    Ok(())
}

/// True where nothing is, an empty folder excepted.
fn is_free(path: &Path) -> bool {
    !path.exists() || std::fs::read_dir(path).is_ok_and(|mut files| files.next().is_none())
}

/// The images of `folder`, or of those a list names. With `skip_unreadable` every image is decoded, and what cannot be is
/// left out with a warning; else headers are read, and what is no image is refused.
fn open(folder: &Path, list: Option<&Path>, skip_unreadable: bool) -> Result<ImageFolder> {
    let allow = if skip_unreadable { Allow::Any } else { Allow::None };
    let images = ImageFolder::scan_with(folder, &Scan { list: list.map(Path::to_path_buf), allow, ..Scan::default() })?;
    Ok(if skip_unreadable { images.decodable()? } else { images })
}

/// Creates the folder with those above it.
fn create(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).with_context(|| format!("cannot create {}", path.display()))
}
