//! `data rasters`: what each image and scene is, whether it can be read, and how long that takes.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use preco_core::imagery::raster::{Raster, RasterInfo};
use preco_zoo::shown;
use serde::Serialize;

use super::super::embed::{expand, open};
use crate::hub::Hub;
use crate::output::Report;

/// What images and scenes are, and whether every pixel of them can be read
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Images, GeoTIFFs, folders, patterns, lists (.jsonl), addresses of COGs
    #[arg(value_name = "INPUT", required = true)]
    inputs: Vec<String>,
    /// Look at descriptions only, read no pixels
    #[arg(long)]
    no_pixels: bool,
    /// Print a table in Markdown, a row for all files of a folder that are alike
    #[arg(long)]
    markdown: bool,
    #[command(flatten)]
    hub: Hub,
}

/// A file that was looked at.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Looked {
    input: String,
    #[serde(flatten)]
    what: What,
    seconds: f64,
}

/// What it is, or why it cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
enum What {
    Raster {
        width: usize,
        height: usize,
        bands: Vec<Option<String>>,
        sample: &'static str,
        storage: String,
        nodata: Option<String>,
        mask: Option<&'static str>,
        overviews: usize,
        crs: Option<String>,
        /// Why its coordinates have no longitude and latitude.
        unplaced: Option<String>,
    },
    Refused {
        error: String,
    },
}

/// All files.
#[derive(Debug, Serialize)]
pub(crate) struct Rasters {
    files: Vec<Looked>,
    #[serde(skip)]
    markdown: bool,
}

/// Runs the command.
pub(crate) fn execute(args: &Args) -> Result<Rasters> {
    let settings = args.hub.settings();
    let look = |input: String| {
        let started = Instant::now();
        let opened = open(&input, 0, &settings).and_then(|opened| {
            if !args.no_pixels {
                read_all(&*opened)?;
            }
            Ok(described(opened.info()))
        });
        let what = opened.unwrap_or_else(|error| What::Refused { error: error.to_string() });
        Looked { input: shown(&input), what, seconds: started.elapsed().as_secs_f64() }
    };
    let files = expand(&args.inputs)?.into_iter().map(look).collect();
    Ok(Rasters { files, markdown: args.markdown })
}

fn read_all(raster: &dyn Raster) -> Result<()> {
    let info = raster.info();
    for window in info.pieces(info.window()) {
        raster.read(window)?;
        raster.mask(window)?;
    }
    Ok(())
}

fn described(info: &RasterInfo) -> What {
    let mask = match (info.masked, info.alpha, &info.palette) {
        (true, ..) => Some("mask"),
        (_, Some(_), _) => Some("alpha"),
        (.., Some(_)) => Some("palette"),
        _ => None,
    };
    let crs = info.crs.as_ref();
    What::Raster {
        width: info.width,
        height: info.height,
        bands: info.bands.clone(),
        sample: info.sample.name(),
        storage: info.storage.clone(),
        nodata: info.nodata.map(|value| value.to_string()),
        mask,
        overviews: info.overviews.len(),
        crs: crs.map(|crs| crs.name().to_owned()).or_else(|| info.affine.map(|_| "a transform alone".to_owned())),
        unplaced: crs.and_then(|crs| crs.unusable()).map(str::to_owned),
    }
}

impl What {
    fn is_refused(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }

    /// Size and samples, storage, place.
    fn words(&self) -> [String; 3] {
        match self {
            Self::Refused { error } => [String::new(), error.clone(), String::new()],
            Self::Raster { width, height, bands, sample, storage, nodata, mask, overviews, crs, unplaced } => {
                let count = bands.len();
                let s = if *overviews == 1 { "" } else { "s" };
                let extras = [
                    nodata.as_ref().map(|value| format!("nodata {value}")),
                    mask.map(str::to_owned),
                    (*overviews > 0).then(|| format!("{overviews} overview{s}")),
                ];
                let extras: String = extras.into_iter().flatten().map(|extra| format!(", {extra}")).collect();
                let place = crs.clone().unwrap_or_else(|| "no coordinates".to_owned());
                let why = unplaced.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
                [format!("{width}x{height}x{count} {sample}"), format!("{storage}{extras}"), place + &why]
            }
        }
    }
}

impl Report for Rasters {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let refused = self.files.iter().filter(|file| file.what.is_refused()).count();
        if self.markdown {
            return self.table(out);
        }
        for Looked { input, what, seconds } in &self.files {
            let [size, storage, place] = what.words();
            if what.is_refused() {
                writeln!(out, "REFUSED  {storage}")?;
            } else {
                writeln!(out, "{input}: {size}, {storage}; {place}; {:.0} ms", 1e3 * seconds)?;
            }
        }
        writeln!(out, "{} files, {refused} refused", self.files.len())
    }

    fn exit_code(&self) -> u8 {
        self.files.iter().any(|file| file.what.is_refused()).into()
    }
}

impl Rasters {
    /// A row for the files of a folder that are alike but in their size.
    fn table(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut rows: BTreeMap<(PathBuf, [String; 3]), Vec<&Looked>> = BTreeMap::new();
        for file in &self.files {
            let folder = Path::new(&file.input).parent().unwrap_or(Path::new("")).to_path_buf();
            rows.entry((folder, file.what.words())).or_default().push(file);
        }
        writeln!(out, "| files | size and samples | stored as | place | ms |\n|---|---|---|---|---|")?;
        for ((folder, [size, storage, place]), files) in rows {
            let name = Path::new(&files[0].input).file_name().unwrap_or_default().to_string_lossy();
            let more = if files.len() > 1 { format!(" and {} more", files.len() - 1) } else { String::new() };
            let mean = files.iter().map(|file| file.seconds).sum::<f64>() / files.len() as f64;
            let path = folder.join(&*name);
            let cell = |text: &str| text.replace('|', "\\|");
            writeln!(
                out,
                "| {}{more} | {size} | {} | {} | {:.1} |",
                cell(&path.display().to_string()),
                cell(&storage),
                cell(&place),
                1e3 * mean
            )?;
        }
        let refused = self.files.iter().filter(|file| file.what.is_refused()).count();
        writeln!(out, "\n{} files, {refused} refused.", self.files.len())
    }
}
