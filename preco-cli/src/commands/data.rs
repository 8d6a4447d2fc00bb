//! `data`: what is in a folder of images, its colours, its split, and look-alikes of published data sets.

mod generate;
mod info;
mod sheet;
mod split;
mod stats;

use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::output;

/// What to do with a data set.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Data {
    /// Count images, classes, sizes, formats and unreadable files
    Info(info::Args),
    /// Measure the mean and deviation of each band
    Stats(stats::Args),
    /// Divide the images into train, val and test
    Split(split::Args),
    /// Write generated images in the layout of a data set
    Generate(generate::Args),
}

/// Does it, prints the result and returns the exit code.
pub(crate) fn run(data: &Data, json: bool) -> Result<u8> {
    match data {
        Data::Info(args) => output::print(&info::execute(args)?, json),
        Data::Stats(args) => output::print(&stats::execute(args)?, json),
        Data::Split(args) => output::print(&split::execute(args)?, json),
        Data::Generate(args) => output::print(&generate::execute(args)?, json),
    }
}

/// Refuses what is there already, an empty folder excepted; with `force` files in a folder may be replaced.
fn refuse_existing(path: &Path, force: bool) -> Result<()> {
    let is_file = path.is_file();
    let is_free = !path.exists() || std::fs::read_dir(path).is_ok_and(|mut files| files.next().is_none());
    ensure!(
        is_free || (force && !is_file),
        "--out {}: {}; choose another{}",
        path.display(),
        if is_file { "is a file" } else { "exists and is not an empty folder" },
        if is_file { "" } else { ", or replace files of the same names with --force" }
    );
    Ok(())
}

/// Creates the folder with those above it.
fn create(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).with_context(|| format!("cannot create {}", path.display()))
}
