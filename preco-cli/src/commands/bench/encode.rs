//! `bench encode`: images to embeddings, one batch of noise again and again.

use std::io::{self, Write};
use std::time::Instant;

use anyhow::{Result, ensure};
use preco_core::backbones::swin::{Keep, Swin, Tape};
use preco_core::backend::Backend;
use preco_core::nn::params::Layout;
use preco_core::rng::Stream;
use serde::Serialize;

use super::{limit, median};
use crate::cli::Processor;
use crate::device::on_device;
use crate::names;
use crate::output::{Report, note};

/// Measure an encoder's forward pass
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Preset
    #[arg(long, default_value = "base")]
    model: String,
    /// Side of the input in pixels [default: the preset's]
    #[arg(long, value_name = "PX")]
    input_size: Option<usize>,
    /// Images per batch, one figure for each
    #[arg(long, value_name = "B", value_delimiter = ',', default_value = "1,8")]
    batch_size: Vec<usize>,
    /// Batches that are timed, after two that are not
    #[arg(long, default_value_t = 5)]
    batches: usize,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    model: String,
    device: String,
    precision: &'static str,
    /// Register-only multiply-adds of all threads, or a GPU's large products.
    limit_gflops: f64,
    sizes: Vec<Size>,
}

/// Figures of one batch size: the median batch.
#[derive(Debug, Serialize)]
struct Size {
    batch: usize,
    images_per_s: f64,
    gflops: f64,
    held_gb: f64,
}

/// Measures the encoder.
pub(crate) fn encode(args: &Args, processor: &Processor) -> Result<Measured> {
    ensure!(args.batches > 0 && args.batch_size.iter().all(|n| *n > 0), "batches and batch sizes must be at least 1");
    let mut config = names::encoder(&args.model)?;
    if let Some(side) = args.input_size {
        config.input = [side, side];
    }
    let mut layout = Layout::default();
    let encoder = Swin::new(&config, &mut layout)?;
    note(&format!("{}, {}", args.model, processor.words()));
    on_device!(&processor.device, |backend| measure(args, processor, &encoder, &layout, backend))
}

fn measure<B: Backend>(
    args: &Args,
    processor: &Processor,
    encoder: &Swin,
    layout: &Layout,
    backend: &B,
) -> Result<Measured> {
    let params = backend.parameters(&layout.init(0));
    let [height, width] = encoder.config().input;
    let mut sizes = Vec::new();
    for &batch in &args.batch_size {
        let mut noise = Stream::new(0, "bench", 0, 0);
        let images: Vec<f32> = (0..batch * 3 * height * width).map(|_| noise.normal() as f32).collect();
        let mut tape = Tape::new(backend, Keep::Inputs);
        let mut seconds = Vec::new();
        for round in 0..args.batches + 2 {
            let started = Instant::now();
            let embedded = encoder.pooled(backend, &params, &images, batch, &mut tape);
            backend.check()?;
            ensure!(embedded.iter().all(|value| value.is_finite()), "an embedding is no number");
            if round >= 2 {
                seconds.push(started.elapsed().as_secs_f64());
            }
        }
        let images_per_s = batch as f64 / median(&seconds);
        let gflops = encoder.forward_operations() * images_per_s / 1e9;
        sizes.push(Size { batch, images_per_s, gflops, held_gb: processor.device.held_bytes() as f64 / 1e9 });
    }
    let limit_gflops = limit(processor, backend);
    let (device, precision) = (processor.words(), processor.device.precision());
    Ok(Measured { model: args.model.clone(), device, precision, limit_gflops, sizes })
}

impl Report for Measured {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { model, device, precision, limit_gflops, sizes } = self;
        writeln!(out, "{model}, {device}, {precision}; limit {limit_gflops:.0} GFLOP/s")?;
        writeln!(out, "{:>6} {:>12} {:>10} {:>9} {:>9}", "batch", "images/s", "GFLOP/s", "of limit", "held GB")?;
        for Size { batch, images_per_s, gflops, held_gb } in sizes {
            let share = 100.0 * gflops / limit_gflops;
            writeln!(out, "{batch:>6} {images_per_s:>12.2} {gflops:>10.0} {share:>7.1} % {held_gb:>9.2}")?;
        }
        Ok(())
    }
}
