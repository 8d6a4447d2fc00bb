//! `data info`: what is in a folder of images.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Result, ensure};
use preco_core::imagery::write_png;
use preco_train::datasets::{Allow, ClassCount, Depth, ImageFolder, Range, Scan, Survey, survey};
use serde::Serialize;

use super::sheet;
use crate::output::Report;

/// How many unreadable files the text lists; JSON lists all.
const LISTED: usize = 10;

/// Count images, classes, sizes, formats and unreadable files
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder of JPEG, PNG or WebP images, a folder per class
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Decode every image, which finds files that are cut off; else headers are read
    #[arg(long)]
    decode: bool,
    /// Draw a few images of each class to this PNG file
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,
    /// Replace an earlier sheet
    #[arg(long, requires = "sheet")]
    force: bool,
}

/// What was found.
#[derive(Debug, Serialize)]
pub(crate) struct Info {
    folder: PathBuf,
    #[serde(flatten)]
    survey: Survey,
    /// True where every image was decoded.
    decoded: bool,
    /// Where the sheet is.
    sheet: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn execute(args: &Args) -> Result<Info> {
    let Args { folder, decode, sheet, force } = args;
    if let Some(sheet) = sheet {
        let is_free = !sheet.exists() || (*force && sheet.is_file());
        ensure!(is_free, "--sheet {}: exists; choose another, or replace a file with --force", sheet.display());
    }
    let images = ImageFolder::scan_with(folder, &Scan { list: None, allow: Allow::Any, ..Scan::default() })?;
    let survey = survey(&images, if *decode { Depth::Pixels } else { Depth::Headers });
    if let Some(sheet) = sheet {
        write_png(&sheet::draw(&images), sheet)?;
    }
    Ok(Info { folder: folder.clone(), survey, decoded: *decode, sheet: sheet.clone() })
}

impl Report for Info {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { folder, survey, decoded, sheet } = self;
        writeln!(out, "{} images in {}", survey.images, folder.display())?;
        let formats: Vec<String> = survey.formats.iter().map(|(name, count)| format!("{name} {count}")).collect();
        writeln!(out, "formats: {}", formats.join(", "))?;
        for (name, range) in [("width", survey.width), ("height", survey.height)] {
            if let Some(Range { min, median, max }) = range {
                writeln!(out, "{name}: {min} to {max} pixels, median {median}")?;
            }
        }
        writeln!(out, "{} classes", survey.classes.len())?;
        let widest = survey.classes.iter().map(|class| class.name.chars().count()).max().unwrap_or(0);
        for ClassCount { name, images } in &survey.classes {
            writeln!(out, "  {name:widest$} {images:>8}")?;
        }
        if survey.unlabelled > 0 {
            writeln!(out, "{} images without a class", survey.unlabelled)?;
        }
        let seen = if *decoded { "all decoded" } else { "by their headers; --decode reads all of each" };
        writeln!(out, "{} unreadable files ({seen})", survey.unreadable.len())?;
        for file in survey.unreadable.iter().take(LISTED) {
            writeln!(out, "  {}", file.reason)?;
        }
        if survey.unreadable.len() > LISTED {
            writeln!(out, "  and {} more; --json lists all", survey.unreadable.len() - LISTED)?;
        }
        if let Some(sheet) = sheet {
            writeln!(out, "a few images of each class are in {}", sheet.display())?;
        }
        writeln!(out, "next: preco-cli data split {} --out splits", folder.display())
    }
}
