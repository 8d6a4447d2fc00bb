//! `bench products`: forward, input gradient and weight gradient of every linear layer of an encoder.

use std::io::{self, Write};
use std::time::Instant;

use anyhow::Result;
use preco_core::backbones::swin::Swin;
use preco_core::backend::{Backend, Epilogue, Operand};
use preco_core::nn::params::Layout;
use serde::Serialize;

use super::{median, processor_limit};
use crate::cli::Processor;
use crate::names;
use crate::output::Report;

/// Measure matrix products
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Preset
    #[arg(long, default_value = "base")]
    model: String,
    /// Images per batch; both branches count
    #[arg(long, value_name = "B", default_value_t = 16)]
    batch_size: usize,
    /// Repetitions, of which the median counts
    #[arg(long, default_value_t = 5)]
    repeats: usize,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    model: String,
    threads: usize,
    simd: String,
    layers: Vec<Layer>,
}

/// One layer's rates in GFLOP/s.
#[derive(Debug, Serialize)]
struct Layer {
    name: String,
    /// Rows, outputs, inputs.
    shape: [usize; 3],
    /// The machine's limit beside these measurements: a shared machine's speed changes by the second.
    limit: f64,
    forward: f64,
    input_gradient: f64,
    weight_gradient: f64,
}

/// Measures the products.
pub(crate) fn products(args: &Args, processor: &Processor) -> Result<Measured> {
    let config = names::encoder(&args.model)?;
    let swin = Swin::new(&config, &mut Layout::default())?;
    let mut layers = Vec::new();
    for stage in 0..swin.stages() {
        let (rows, c) = (args.batch_size * swin.tokens(stage), config.channels(stage));
        let hidden = (c as f64 * config.mlp_ratio) as usize;
        for (name, inputs, outputs) in [("qkv", c, 3 * c), ("proj", c, c), ("fc1", c, hidden), ("fc2", hidden, c)] {
            let shape = [rows, outputs, inputs];
            let before = processor_limit(processor);
            let [forward, input_gradient, weight_gradient] = rates(shape, args.repeats.max(1), processor);
            let limit = before.max(processor_limit(processor));
            let name = format!("stage {stage} {name}");
            layers.push(Layer { name, shape, limit, forward, input_gradient, weight_gradient });
        }
    }
    let (threads, simd) = (processor.threads, processor.level.to_string());
    Ok(Measured { model: args.model.clone(), threads, simd, layers })
}

fn rates([rows, outputs, inputs]: [usize; 3], repeats: usize, processor: &Processor) -> [f64; 3] {
    let cpu = &processor.cpu;
    let values = |len: usize| (0..len).map(|i| (i % 251) as f32 / 251.0 - 0.5).collect::<Vec<f32>>();
    let (x, w) = (values(rows * inputs), values(outputs * inputs));
    let (mut y, mut dx, mut dw) = (values(rows * outputs), cpu.zeros(rows * inputs), cpu.zeros(outputs * inputs));
    let operations = 2.0 * (rows * inputs * outputs) as f64;
    let rate = |work: &mut dyn FnMut()| {
        let seconds: Vec<f64> = (0..=repeats)
            .map(|_| {
                let started = Instant::now();
                work();
                started.elapsed().as_secs_f64()
            })
            .skip(1)
            .collect();
        operations / median(&seconds) / 1e9
    };
    let forward = rate(&mut || {
        let (x, w) = (Operand::plain(&x[..], x.len()), Operand::transposed(&w[..], w.len()));
        cpu.gemm([rows, outputs, inputs], x, w, &mut y, Epilogue::default());
    });
    let input_gradient = rate(&mut || {
        let (dy, w) = (Operand::plain(&y[..], y.len()), Operand::plain(&w[..], w.len()));
        cpu.gemm([rows, inputs, outputs], dy, w, &mut dx, Epilogue::default());
    });
    let weight_gradient = rate(&mut || {
        let (dy, x) = (Operand::transposed(&y[..], y.len()), Operand::plain(&x[..], x.len()));
        cpu.gemm_accumulate([outputs, inputs, rows], dy, x, &mut dw, 0..outputs * inputs);
    });
    [forward, input_gradient, weight_gradient]
}

impl Report for Measured {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { model, threads, simd, layers } = self;
        writeln!(out, "{model}, {threads} threads, {simd}; limit in GFLOP/s, products in per cent of it")?;
        writeln!(
            out,
            "{:14} {:>18} {:>8} {:>8} {:>8} {:>8}",
            "layer", "rows x out x in", "limit", "forward", "dX", "dW"
        )?;
        for Layer { name, shape: [rows, outputs, inputs], limit, forward, input_gradient, weight_gradient } in layers {
            let shape = format!("{rows}x{outputs}x{inputs}");
            let [f, x, w] = [forward, input_gradient, weight_gradient].map(|rate| 100.0 * rate / limit);
            writeln!(out, "{name:14} {shape:>18} {limit:>8.0} {f:>8.0} {x:>8.0} {w:>8.0}")?;
        }
        Ok(())
    }
}
