//! `search`: the tiles most like an image, a place or another tile.

mod sheet;

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use preco_core::imagery::write_png;
use preco_core::predict::Tile;
use preco_core::vectors::Nearest;
use preco_zoo::embeddings::Embeddings;
use serde::Serialize;
use serde_json::json;

use super::places::{check_ending, footprint, sources, write_geojson};
use crate::cli::Processor;
use crate::hub::Hub;
use crate::output::Report;
use crate::outputs::Outputs;

/// Find the tiles most like an image, a place or another tile
#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
#[group(skip)]
pub(crate) struct Args {
    /// File of embeddings: .parquet, .npy or .safetensors
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    query: Query,
    /// How many to find
    #[arg(long, value_name = "N", default_value_t = 10)]
    count: usize,
    /// Leave out tiles that share pixels with the one asked about or with a better one
    #[arg(long)]
    apart: bool,
    /// Draw the tiles that were found
    #[arg(long, value_name = "FILE.png")]
    sheet: Option<PathBuf>,
    /// Write their outlines
    #[arg(long, value_name = "FILE.geojson")]
    geojson: Option<PathBuf>,
    /// Replace files that exist
    #[arg(long)]
    force: bool,
    /// Name or folder of the model, for --image [default: the file's]
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    #[command(flatten)]
    hub: Hub,
}

/// What to look for.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Query {
    /// A tile, by its number
    #[arg(long, value_name = "ID")]
    tile: Option<u64>,
    /// An image or a small GeoTIFF, whole
    #[arg(long, value_name = "FILE")]
    image: Option<String>,
    /// The tile at a longitude and a latitude in degrees
    #[arg(long, value_name = "LON,LAT", value_delimiter = ',', num_args = 1, allow_hyphen_values = true)]
    at: Option<Vec<f64>>,
}

/// A tile that was found.
#[derive(Debug, Serialize)]
struct Found {
    tile: u64,
    cosine: f64,
    source: String,
    window: [u32; 4],
    #[serde(skip_serializing_if = "Option::is_none")]
    lonlat: Option<[f64; 2]>,
}

/// What was found.
#[derive(Debug, Serialize)]
pub(crate) struct Hits {
    query: String,
    searched: usize,
    hits: Vec<Found>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sheet: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    geojson: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn execute(args: &Args, processor: &Processor) -> Result<Hits> {
    ensure!(args.count > 0, "--count 0 finds nothing");
    check_ending("--sheet", args.sheet.as_deref(), &["png"])?;
    check_ending("--geojson", args.geojson.as_deref(), &["geojson", "json"])?;
    let file = Embeddings::open(&args.file)?;
    let outputs = Outputs::new(args.force).reads(&args.query.image).reads(sources(&file));
    outputs.writes("--sheet", args.sheet.as_deref()).writes("--geojson", args.geojson.as_deref()).check()?;
    ensure!(!file.is_empty(), "{} holds no embedding", args.file.display());
    let (query, vector, itself) = query(args, processor, &file)?;
    let nearest = Nearest::new(&file.vectors, file.header.length);
    // A tile is most like itself: that is no answer.
    let most = if args.apart { file.len() } else { args.count + usize::from(itself.is_some()) };
    let mut taken: Vec<&Tile> = itself.filter(|_| args.apart).map(|row| &file.tiles[row]).into_iter().collect();
    let mut hits = Vec::with_capacity(args.count.min(file.len()));
    for hit in nearest.find(&vector, most).into_iter().filter(|hit| Some(hit.row) != itself) {
        let tile = &file.tiles[hit.row];
        if hits.len() == args.count {
            break;
        }
        if !args.apart || !taken.iter().any(|other| share_pixels(tile, other)) {
            hits.push(hit);
            taken.push(tile);
        }
    }
    let found = |hit: &preco_core::vectors::Hit| {
        let tile = &file.tiles[hit.row];
        let lonlat = footprint(tile).map(middle);
        Found { tile: tile.id, cosine: hit.cosine, source: tile.source.clone(), window: tile.window, lonlat }
    };
    if let Some(path) = &args.geojson {
        let told = hits
            .iter()
            .enumerate()
            .map(|(at, hit)| (&file.tiles[hit.row], json!({ "rank": at + 1, "cosine": hit.cosine })));
        write_geojson(path, told).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if let Some(path) = &args.sheet {
        let tiles: Vec<(&Tile, f64)> = hits.iter().map(|hit| (&file.tiles[hit.row], hit.cosine)).collect();
        write_png(
            &sheet::draw(&file, &query, itself.map(|row| &file.tiles[row]), &tiles, &args.hub.settings())?,
            path,
        )?;
    }
    let hits = hits.iter().map(found).collect();
    Ok(Hits { query, searched: file.len(), hits, sheet: args.sheet.clone(), geojson: args.geojson.clone() })
}

/// In words, as a vector, and as a row of the file where it is one.
fn query(args: &Args, processor: &Processor, file: &Embeddings) -> Result<(String, Vec<f32>, Option<usize>)> {
    let row = |at: usize, words: String| Ok((words, file.vector(at).to_vec(), Some(at)));
    if let Some(id) = args.query.tile {
        let Some(at) = file.tiles.iter().position(|tile| tile.id == id) else {
            let (first, last) = (file.tiles[0].id, file.tiles[file.len() - 1].id);
            bail!("{} has no tile {id}; it has {} from {first} to {last}", args.file.display(), file.len());
        };
        return row(at, format!("tile {id}"));
    }
    if let Some(at) = &args.query.at {
        let [lon, lat] = at[..] else { bail!("--at wants a longitude and a latitude, as in --at 11.57,48.14") };
        return row(tile_at(file, [lon, lat])?, format!("the tile at {lon},{lat}"));
    }
    let Some(path) = &args.query.image else { bail!("--tile, --image or --at says what to look for") };
    let model = args.model.clone().unwrap_or_else(|| file.header.model.clone());
    let encoder = args.hub.encoder(&model, processor.level)?;
    ensure!(
        encoder.digest() == file.header.digest,
        "{} was made by {} with weights {}, {model} has {}: name that model with --model",
        args.file.display(),
        file.header.model,
        file.header.digest,
        encoder.digest()
    );
    let stretch = file.header.settings.get("stretch").and_then(serde_json::Value::as_str).unwrap_or_default();
    ensure!(
        !stretch.starts_with('p'),
        "{} was made with --stretch {stretch}, percentiles of each scene: those of an image of its own are others. Ask by \
         --tile or --at, or embed with stated levels (--stretch LOW,HIGH)",
        args.file.display()
    );
    // Bands and values as those of the file's scenes.
    let scene = sheet::open(file, path, 0, encoder.preprocess(), &args.hub.settings())?;
    let info = scene.raster().info();
    let (px, most) = (info.width.saturating_mul(info.height), preco_core::imagery::MAX_PIXELS);
    ensure!(px <= most, "{path} has {px} pixels, too many for one vector: cut a piece of it (gdal_translate -srcwin)");
    Ok((path.clone(), encoder.embed(&scene.whole()?.image)?, None))
}

fn share_pixels(one: &Tile, other: &Tile) -> bool {
    let overlap = |axis: usize| {
        let ends = [one, other].map(|tile| (tile.window[axis], tile.window[axis] + tile.window[axis + 2]));
        ends[0].0 < ends[1].1 && ends[1].0 < ends[0].1
    };
    one.source == other.source && overlap(0) && overlap(1)
}

/// The tile around a place; of several the one whose middle is nearest.
fn tile_at(file: &Embeddings, [lon, lat]: [f64; 2]) -> Result<usize> {
    let around = file.tiles.iter().enumerate().filter_map(|(at, tile)| {
        let footprint = footprint(tile)?;
        let [x, y] = middle(footprint);
        let east = (x - lon) * lat.to_radians().cos();
        // A meridian has two numbers where the world's maps are cut.
        let lies = [lon, lon - 360.0, lon + 360.0].iter().any(|&lon| footprint.contains([lon, lat]));
        lies.then_some((at, east.hypot(y - lat)))
    });
    match around.min_by(|a, b| a.1.total_cmp(&b.1)) {
        Some((at, _)) => Ok(at),
        None => {
            let boxes = file.tiles.iter().filter_map(footprint).map(preco_core::geo::Footprint::bbox);
            let all = boxes.reduce(|a, b| [a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])]);
            match all {
                Some([west, south, east, north]) => bail!(
                    "no tile lies at {lon},{lat}; the file's lie within {west:.5},{south:.5} and {east:.5},{north:.5}"
                ),
                None => bail!("no tile of the file knows where it lies; use --tile or --image"),
            }
        }
    }
}

/// The mean of an outline's points.
fn middle(footprint: &preco_core::geo::Footprint) -> [f64; 2] {
    let ring = footprint.polygons.first().map_or(&[][..], |ring| &ring[..ring.len().saturating_sub(1)]);
    let mean = |axis: usize| ring.iter().map(|point| point[axis]).sum::<f64>() / ring.len().max(1) as f64;
    [mean(0), mean(1)]
}

impl Report for Hits {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "most like {}, of {} tiles:", self.query, self.searched)?;
        for hit in &self.hits {
            let [x, y, ..] = hit.window;
            let place = hit.lonlat.map(|[lon, lat]| format!("  at {lon:.5},{lat:.5}")).unwrap_or_default();
            writeln!(out, "{:.4}  tile {}  {} pixel {x},{y}{place}", hit.cosine, hit.tile, hit.source)?;
        }
        for (what, path) in [("sheet", &self.sheet), ("outlines", &self.geojson)] {
            if let Some(path) = path {
                writeln!(out, "{what}: {}", path.display())?;
            }
        }
        match (&self.sheet, self.hits.first()) {
            (_, None) => writeln!(out, "there is no other"),
            (None, Some(_)) => writeln!(out, "next: the same with --sheet hits.png --geojson hits.geojson"),
            _ => Ok(()),
        }
    }
}
