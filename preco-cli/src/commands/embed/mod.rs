//! `embed`: images and scenes in, vectors that know their place out.
//!
//! The work of a run is a list of tiles, numbered over all inputs. It is cut into parts; each finished part is a file in
//! `OUT.parts`, so that an interrupted run goes on behind the last one. At the end the parts become OUT.

mod demo;
mod inputs;
mod maps;
mod merge;
mod parts;
mod picture;
mod plan;
mod progress;
mod report;
mod run;
mod shard;

use std::path::PathBuf;

use anyhow::{Result, bail, ensure};
use preco_core::imagery::Stretch;

use crate::cli::Processor;
use crate::hub::Hub;
use report::Embedded;
use shard::Shard;

pub(crate) use inputs::{expand, open};
pub(crate) use plan::Plan;
pub(crate) use progress::Display;

/// Turn images and scenes into embeddings
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Images, GeoTIFFs, folders, patterns ("*.tif"), lists (.jsonl), addresses of COGs [default: a generated scene]
    #[arg(value_name = "INPUT")]
    inputs: Vec<String>,
    /// Name or folder of the model
    #[arg(long, value_name = "MODEL", default_value = "preco-swin-pico")]
    model: String,
    /// File to write: .parquet (GeoParquet), .npy or .safetensors
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write the scene's embeddings as a picture too, likeness as colour: .png or .tif
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    /// Write the map of an encoder stage (1 to 4) of one scene as a GeoTIFF instead of a vector per tile
    #[arg(long, value_name = "STAGE", conflicts_with_all = ["picture", "shard", "merge", "whole"])]
    maps: Option<usize>,
    /// Embed the I-th of N equal parts, counted from 0, to be merged later
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    /// Merge: INPUTs are the files of all shards
    #[arg(long, conflicts_with_all = ["picture", "shard"])]
    merge: bool,
    /// Replace files that exist
    #[arg(long)]
    force: bool,
    // Further arguments stand below their own headings, and so would any that came after them.
    #[command(flatten)]
    cut: Cut,
    #[command(flatten)]
    values: Values,
    #[command(flatten)]
    hub: Hub,
}

/// How scenes are cut.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Tiles")]
pub(crate) struct Cut {
    /// Side of a tile in pixels of the scene [default: the model's input]
    #[arg(long, value_name = "PX")]
    tile: Option<usize>,
    /// From one tile to the next, in pixels [default: the side of a tile]
    #[arg(long, value_name = "PX", conflicts_with = "overlap")]
    stride: Option<usize>,
    /// Pixels that neighbours share
    #[arg(long, value_name = "PX")]
    overlap: Option<usize>,
    /// One vector for each input, whatever its size [default for images and for scenes not larger than a tile]
    #[arg(long, conflicts_with_all = ["tile", "stride", "overlap"])]
    whole: bool,
    /// Skip tiles with a smaller share of pixels that lie in the scene and hold data [default: 0.5; 0 for --maps]
    #[arg(long, value_name = "SHARE")]
    min_valid: Option<f64>,
}

impl Cut {
    /// Tiles of `tile` pixels, `stride` apart or side by side, of which a share of `least_valid` holds data.
    pub(crate) fn tiles(tile: usize, stride: Option<usize>, least_valid: f64) -> Self {
        Self { tile: Some(tile), stride, overlap: None, whole: false, min_valid: Some(least_valid) }
    }

    /// True where anything is said of tiles.
    pub(crate) fn is_asked(&self) -> bool {
        let Self { tile, stride, overlap, whole, min_valid } = self;
        tile.or(*stride).or(*overlap).is_some() || *whole || min_valid.is_some()
    }

    /// The share of a tile's pixels that must hold data; of vectors if nothing is said, half of them.
    pub(crate) fn least_valid(&self) -> f64 {
        self.min_valid.unwrap_or(0.5)
    }
}

/// How stored values become colours.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Bands and values", allow_negative_numbers = true)]
pub(crate) struct Values {
    /// The scene's bands that are the model's, counted from 1, as in 4,3,2
    #[arg(long, value_name = "B,B,B", value_delimiter = ',')]
    pub(crate) bands: Option<Vec<usize>>,
    /// none, sentinel2, LOW,HIGH (stored values) or pLOW,HIGH (percentiles of the scene, as in p2,98)
    #[arg(long, value_name = "HOW", default_value = "none", allow_hyphen_values = true, value_parser = parse_stretch)]
    pub(crate) stretch: Stretch,
    /// Read the N-th smaller copy that is stored with the scene
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) overview: usize,
    /// Leave out inputs, and parts of scenes, that cannot be read, and inputs whose bands and values do not fit
    #[arg(long)]
    pub(crate) skip_unreadable: bool,
}

fn parse_stretch(text: &str) -> Result<Stretch, String> {
    Stretch::parse(text).map_err(|error| error.to_string())
}

/// Runs the command.
pub(crate) fn execute(args: &Args, processor: &Processor) -> Result<Embedded> {
    let least_valid = args.cut.least_valid();
    ensure!((0.0..=1.0).contains(&least_valid), "--min-valid {least_valid} must be 0 to 1");
    if args.merge {
        return merge::execute(args);
    }
    if args.inputs.is_empty() {
        ensure!(args.shard.is_none() && args.maps.is_none(), "--shard and --maps need an INPUT");
        return demo::execute(args, processor);
    }
    let Some(out) = &args.out else { bail!("--out FILE is missing: .parquet, .npy or .safetensors") };
    match args.maps {
        Some(stage) => maps::execute(args, processor, out, stage),
        None => run::execute(args, processor, out, &args.inputs),
    }
}
