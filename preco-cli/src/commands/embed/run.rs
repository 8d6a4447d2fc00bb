//! The run: tiles into parts, parts into the file.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use preco_core::predict::{Output, Tile};
use preco_zoo::embeddings::{Format, Header, Row};
use preco_zoo::{Encoder, shown, sources};
use serde_json::{Value, json};

use super::super::places::check_ending;
use super::super::tiles::Tiles;
use super::parts::{Parts, part_tiles};
use super::plan::Plan;
use super::progress::Display;
use super::report::{Embedded, search_next};
use super::shard::SHARD;
use super::{Args, inputs, picture};
use crate::cli::Processor;
use crate::interrupt;
use crate::output::note;
use crate::outputs::Outputs;

/// Inputs that were left out and are named.
const TOLD: usize = 5;

pub(super) fn execute(args: &Args, processor: &Processor, out: &Path, names: &[String]) -> Result<Embedded> {
    let encoder = args.hub.encoder(&args.model, processor.level)?;
    let names = inputs::expand(names)?;
    let target = args.shard.map_or_else(|| out.to_path_buf(), |shard| shard.file(out));
    check_ending("--picture", args.picture.as_deref(), &["png", "tif", "tiff"])?;
    let outputs = Outputs::new(args.force).reads(&args.inputs).reads(&names);
    let files = Format::of(&target)?.files(&target);
    let outputs = files.iter().fold(outputs, |outputs, file| outputs.writes("--out", Some(file)));
    outputs.writes("--picture", args.picture.as_deref()).check()?;
    let plan = Plan::new(names, encoder.preprocess(), &args.cut, &args.values, &args.hub.settings())?;
    ensure!(
        args.picture.is_none() || plan.inputs.len() == 1,
        "--picture shows one scene, there are {} inputs",
        plan.inputs.len()
    );
    let tiles = args.shard.map_or(0..plan.tiles, |shard| shard.range(plan.tiles));
    let (header, identity) = describe(args, &encoder, &plan);
    // The first scene, before anything is written: its bands and values may be refused.
    let mut warnings = warnings(&plan)?;
    let parts = Parts::open(&target, &header, &identity)?;

    let size = part_tiles(
        plan.inputs.iter().map(|input| input.grid.tile[0].max(input.grid.tile[1])).max().unwrap_or(0) as u64,
    );
    let firsts = || (tiles.start..tiles.end).step_by(size as usize);
    let part = |first: u64| first..(first + size).min(tiles.end);
    let before: u64 = firsts().filter(|&first| parts.has(first)).map(|first| part(first).count() as u64).sum();
    let mut display = Display::new(tiles.end - tiles.start, before);
    let started = Instant::now();
    let (mut waited, mut done, mut placeless) = (0.0, before, 0);
    let stop = interrupt::watch()?;
    for first in firsts().filter(|&first| !parts.has(first)) {
        let (rows, idle) = compute(&encoder, &plan, args, part(first), &mut display)?;
        waited += idle;
        placeless += rows.iter().filter(|(tile, _)| is_placeless(tile)).count();
        parts.keep(first, rows)?;
        done += part(first).count() as u64;
        if stop.load(Ordering::Relaxed) && done < tiles.end - tiles.start {
            return Ok(Embedded { interrupted: Some(done), tiles: tiles.end - tiles.start, ..Embedded::default() });
        }
    }
    drop(display);
    let seconds = started.elapsed().as_secs_f64();
    let joined = parts.finish(&target, firsts())?;
    if placeless > 0 {
        warnings.push(format!("{placeless} tiles have no footprint: they reach beyond the globe"));
    }
    let count = joined.count as u64;
    let mut report = Embedded {
        model: encoder.name().to_owned(),
        inputs: plan.inputs.len(),
        tiles: tiles.end - tiles.start,
        skipped: tiles.end - tiles.start - count,
        least_valid: args.cut.least_valid(),
        unreadable: plan.unreadable(),
        is_partly_told: before > 0 && args.values.skip_unreadable,
        length: encoder.length(),
        computed: tiles.end - tiles.start - before,
        seconds,
        idle_share: if seconds > 0.0 { waited / seconds } else { 0.0 },
        warnings,
        next: next(args, &target, joined.first),
        out: target,
        ..Embedded::default()
    };
    if count == 0 {
        report.warnings.push(format!("no tile was embedded: {}", report.why_skipped()));
        report.next = String::new();
    } else if let Some(path) = &args.picture {
        picture::write(path, &report.out, &plan)?;
        report.picture = Some(path.clone());
    }
    Ok(report)
}

/// True for a tile whose coordinates mean something, and yet no place on the Earth.
fn is_placeless(tile: &Tile) -> bool {
    tile.place.as_ref().is_some_and(|place| place.crs.starts_with("EPSG:") && place.footprint.is_none())
}

/// The rows of some tiles, and the seconds that the encoder waited for them.
fn compute(
    encoder: &Encoder,
    plan: &Plan,
    args: &Args,
    tiles: Range<u64>,
    display: &mut Display,
) -> Result<(Vec<Row>, f64)> {
    let numbers = tiles.start as usize..tiles.end as usize;
    let tiles = Tiles { tile: &|at| plan.tile(at as u64), numbers, least_valid: args.cut.least_valid() };
    let mut rows = Vec::new();
    let take = |Output { at, valid, values }: Output<'_>| -> Result<()> {
        if let Some(values) = values {
            rows.push((plan.describe(at as u64, valid), values.to_vec()));
        }
        display.tile();
        Ok(())
    };
    let waited = tiles.through(encoder, |inputs| encoder.pooled(inputs), take)?;
    Ok((rows, waited))
}

/// What files say of a run, and what makes two runs the same.
fn describe(args: &Args, encoder: &Encoder, plan: &Plan) -> (Header, Value) {
    let settings = json!({
        "program": concat!("preco ", env!("CARGO_PKG_VERSION")),
        "tile": args.cut.tile,
        "stride": args.cut.stride,
        "overlap": args.cut.overlap,
        "whole": args.cut.whole,
        "min_valid": args.cut.least_valid(),
        "bands": args.values.bands,
        "stretch": args.values.stretch.text(),
        "overview": args.values.overview,
        // What may be missing.
        "skip_unreadable": args.values.skip_unreadable,
        "tiles": plan.tiles,
        // Shards are of one list of inputs.
        "inputs": plan.digest(),
    });
    let mut told = settings.clone();
    if let (Some(shard), Some(told)) = (args.shard, told.as_object_mut()) {
        // Merging asks whether all are there, and takes it away.
        told.insert(SHARD.to_owned(), json!(shard.to_string()));
    }
    let header = Header {
        model: encoder.name().to_owned(),
        digest: encoder.digest().to_owned(),
        length: encoder.length(),
        settings: told,
    };
    let inputs: Vec<Value> = plan.inputs.iter().map(|input| json!([shown(&input.name), input.version])).collect();
    let identity = json!({
        "model": header.model,
        "digest": header.digest,
        "settings": settings,
        "shard": args.shard.map(|shard| shard.to_string()),
        "inputs": inputs,
    });
    (header, identity)
}

/// Opens the first scene, and tells what a person should know of it.
fn warnings(plan: &Plan) -> Result<Vec<String>> {
    let told = plan.skipped.iter().take(TOLD).map(|why| format!("left out: {why}"));
    let mut warnings: Vec<String> = told.collect();
    if plan.skipped.len() > TOLD {
        warnings.push(format!("left out: {} inputs in all", plan.skipped.len()));
    }
    let Some(first) = plan.inputs.first() else {
        bail!("no input is left{}", warnings.first().map(|why| format!("; {why}")).unwrap_or_default())
    };
    let scene = match plan.scene(0) {
        // It is told when its tiles are come to.
        Err(_) if plan.skips_unreadable() => return Ok(warnings),
        scene => scene?,
    };
    let info = scene.raster().info();
    let mask = |path: PathBuf| PathBuf::from(format!("{}.msk", path.display()));
    if sources::local(&first.name).is_some_and(|path| mask(path).exists()) {
        warnings.push(format!("{0}.msk is not read: put the mask into {0} (gdal_translate)", shown(&first.name)));
    }
    if let Some(why) = info.crs.as_ref().and_then(|crs| crs.unusable()) {
        warnings.push(format!("{}: its coordinate system {why}: there are no footprints", shown(&first.name)));
    }
    let levels = scene.levels();
    if !levels.is_identity() {
        let ends =
            levels.low.iter().zip(&levels.high).map(|(low, high)| format!("{} to {}", *low as f32, *high as f32));
        let ends: Vec<String> = ends.collect();
        let [black, white] = levels.to;
        let (name, bands) = (shown(&first.name), plan.bands().join(", "));
        note(&format!("{name}: {} ({bands}) become {black} to {white}", ends.join(", ")));
    }
    Ok(warnings)
}

fn next(args: &Args, out: &Path, first: Option<u64>) -> String {
    match args.shard {
        Some(_) => "preco-cli embed --merge SHARD... --out ALL.parquet".to_owned(),
        None => search_next(out, first),
    }
}
