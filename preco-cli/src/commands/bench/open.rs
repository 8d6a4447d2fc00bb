//! `bench open`: from a name to weights in memory, beside the reading of the same files.

use std::io::{self, Write};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use preco_zoo::from_pretrained;
use serde::Serialize;

use super::median;
use crate::cli::Processor;
use crate::hub::{Display, Hub, megabytes};
use crate::output::Report;

/// Measure how long a model takes to open
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A published name, org/name, an address or a folder; fetched and compared with its digests before the clock starts
    #[arg(value_name = "MODEL")]
    model: String,
    /// Repetitions, of which the median counts
    #[arg(long, default_value_t = 7)]
    repeats: usize,
    #[command(flatten)]
    hub: Hub,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    model: String,
    threads: usize,
    weights_bytes: u64,
    /// Reading the weights' files into memory, and nothing else.
    read_ms: f64,
    /// From the name to a model that can embed.
    open_ms: f64,
    ratio: f64,
}

/// Measures both, in turns.
pub(crate) fn open(args: &Args, processor: &Processor) -> Result<Measured> {
    let settings = args.hub.settings();
    let (folder, _) = preco_zoo::download(&args.model, &settings, &Display::default())?;
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry.with_context(|| format!("cannot read {}", folder.display()))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with("model") && name.ends_with(".safetensors") {
            files.push(path);
        }
    }
    ensure!(!files.is_empty(), "{} has no weights", folder.display());
    let mut times = [Vec::new(), Vec::new()];
    let mut weights_bytes = 0;
    for _ in 0..args.repeats.max(1) {
        let started = Instant::now();
        let read =
            files.iter().map(std::fs::read).collect::<io::Result<Vec<_>>>().context("cannot read the weights")?;
        times[0].push(started.elapsed().as_secs_f64() * 1e3);
        weights_bytes = read.iter().map(|bytes| bytes.len() as u64).sum();
        drop(read);
        let started = Instant::now();
        let encoder = from_pretrained(&args.model).settings(settings.clone()).level(processor.level).encoder()?;
        times[1].push(started.elapsed().as_secs_f64() * 1e3);
        drop(encoder);
    }
    let [read_ms, open_ms] = times.map(|times| median(&times));
    let (model, threads) = (preco_zoo::shown(&args.model), processor.threads);
    Ok(Measured { model, threads, weights_bytes, read_ms, open_ms, ratio: open_ms / read_ms })
}

impl Report for Measured {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { model, threads, weights_bytes, read_ms, open_ms, ratio } = self;
        writeln!(out, "{model}: {} of weights, {threads} threads", megabytes(*weights_bytes))?;
        writeln!(out, "reading the files    {read_ms:>8.1} ms")?;
        writeln!(out, "opening the model    {open_ms:>8.1} ms, {ratio:.2} times as long")
    }
}
