//! `cluster`: tiles in groups of like ones, as a map.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use preco_core::geo::{Samples, write_geotiff};
use preco_core::vectors::KMeans;
use preco_zoo::embeddings::Embeddings;
use serde::Serialize;
use serde_json::json;

use super::places::{COLOURS, TileRaster, check_ending, colour_text, sources, write_geojson};
use crate::hub::Hub;
use crate::output::Report;
use crate::outputs::Outputs;

/// Groups that a map of bytes can show: 0 is no data.
const MOST: usize = 255;

/// Group tiles by likeness and map the groups
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// File of embeddings: .parquet, .npy or .safetensors
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// How many groups
    #[arg(long, value_name = "K", default_value_t = 8)]
    clusters: usize,
    /// Map of one scene's groups: a coloured pixel for each tile, 0 for none
    #[arg(long, value_name = "FILE.tif")]
    out: Option<PathBuf>,
    /// Outlines of the tiles with their groups
    #[arg(long, value_name = "FILE.geojson")]
    geojson: Option<PathBuf>,
    /// Iterations at most
    #[arg(long, value_name = "N", default_value_t = 200)]
    iterations: usize,
    /// Seed of the first centres
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Replace files that exist
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    hub: Hub,
}

/// The groups.
#[derive(Debug, Serialize)]
pub(crate) struct Groups {
    tiles: usize,
    /// Tiles of each group, the largest first; group 1 of a map is the first.
    sizes: Vec<usize>,
    /// The mean of squared distances of directions from their group's centre: 0 for tiles all alike, 2 for directions at right angles.
    mean_distance: f64,
    iterations: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    out: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    geojson: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn execute(args: &Args) -> Result<Groups> {
    ensure!(args.out.is_some() || args.geojson.is_some(), "--out FILE.tif or --geojson FILE says where groups go");
    check_ending("--out", args.out.as_deref(), &["tif", "tiff"])?;
    check_ending("--geojson", args.geojson.as_deref(), &["geojson", "json"])?;
    ensure!(args.clusters <= MOST, "--clusters {} must be 1 to {MOST}", args.clusters);
    let file = Embeddings::open(&args.file)?;
    let outputs = Outputs::new(args.force).reads(sources(&file)).writes("--out", args.out.as_deref());
    outputs.writes("--geojson", args.geojson.as_deref()).check()?;
    ensure!(!file.is_empty(), "{} holds no embedding", args.file.display());
    let asked = KMeans { clusters: args.clusters, iterations: args.iterations, seed: args.seed };
    let groups = asked.fit(&file.vectors, file.header.length)?;
    if let Some(path) = &args.out {
        let raster = TileRaster::of(&file, &args.hub.settings())?;
        let mut classes = vec![0; raster.width * raster.height];
        for (tile, label) in file.tiles.iter().zip(&groups.labels) {
            classes[raster.pixel(tile)] = *label as u8 + 1;
        }
        let colours = COLOURS.iter().copied().cycle().take(args.clusters);
        let palette: Vec<[u8; 3]> = std::iter::once([0; 3]).chain(colours).collect();
        write_geotiff(path, &raster.out(Some(0.0), Some(&palette)), Samples::U8(&classes))?;
    }
    if let Some(path) = &args.geojson {
        let told = file
            .tiles
            .iter()
            .zip(&groups.labels)
            .map(|(tile, &label)| (tile, json!({ "group": label + 1, "fill": colour_text(label as usize) })));
        write_geojson(path, told).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(Groups {
        tiles: file.len(),
        sizes: groups.sizes,
        mean_distance: groups.inertia / file.len() as f64,
        iterations: groups.iterations,
        out: args.out.clone(),
        geojson: args.geojson.clone(),
    })
}

impl Report for Groups {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let sizes: Vec<String> = self.sizes.iter().map(usize::to_string).collect();
        writeln!(out, "{} tiles in {} groups of {}", self.tiles, self.sizes.len(), sizes.join(", "))?;
        writeln!(
            out,
            "mean squared distance from a group's centre {:.3}, after {} iterations",
            self.mean_distance, self.iterations
        )?;
        for (what, path) in [("map", &self.out), ("outlines", &self.geojson)] {
            if let Some(path) = path {
                writeln!(out, "{what}: {}", path.display())?;
            }
        }
        Ok(())
    }
}
