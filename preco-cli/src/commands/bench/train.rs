//! `bench train`: a pre-training step on one batch of noise.

use std::io::{self, Write};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use preco_core::backbones::swin::Keep;
use preco_core::backend::Backend;
use preco_core::nn::Pass;
use preco_core::preco::{Mask, Method, Preco, PrecoConfig, Tape};
use preco_core::rng::Stream;
use preco_train::optim::{AdamW, AdamWConfig, GroupOptions, Groups, clip};
use serde::Serialize;

use super::{limit, median};
use crate::cli::Processor;
use crate::device::on_device;
use crate::names;
use crate::output::{Report, note};

/// Measure a pre-training step
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Preset
    #[arg(long, default_value = "base")]
    model: String,
    /// Side of the input in pixels [default: the preset's]
    #[arg(long, value_name = "PX")]
    input_size: Option<usize>,
    /// Images per step
    #[arg(long, value_name = "B", default_value_t = 8)]
    batch_size: usize,
    /// Steps in each round, after one that is not counted
    #[arg(long, default_value_t = 3)]
    steps: usize,
    /// Rounds; a peer is measured after each of ours
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Only the masked branch
    #[arg(long)]
    simmim: bool,
    /// Keep only the blocks' inputs and compute the rest again
    #[arg(long)]
    checkpoint: bool,
    /// A command to measure in turn; it prints figures such as "1.09 img/s" and "peak 5.8 GB" (benches/peers/preco_step.py)
    #[arg(long, value_name = "COMMAND")]
    peer: Vec<String>,
}

/// What was measured: medians over the rounds.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    model: String,
    batch: usize,
    device: String,
    precision: &'static str,
    /// Images per second of each round.
    rounds: Vec<f64>,
    images_per_s: f64,
    step_s: f64,
    gflops: f64,
    /// Register-only multiply-adds of all threads, or a GPU's large products.
    limit_gflops: f64,
    limit_images_per_s: f64,
    peak_gb: f64,
    peers: Vec<Peer>,
}

/// A peer's figures, medians over the rounds.
#[derive(Debug, Serialize)]
struct Peer {
    command: String,
    rounds: Vec<f64>,
    images_per_s: f64,
    peak_gb: f64,
    /// Ours over the peer's, round by round, then the median.
    speed_ratio: f64,
    memory_ratio: f64,
}

/// Measures the training step.
pub(crate) fn train(args: &Args, processor: &Processor) -> Result<Measured> {
    ensure!(
        args.batch_size > 0 && args.steps > 0 && args.rounds > 0,
        "batch size, steps and rounds must be at least 1"
    );
    let mut encoder = names::encoder(&args.model)?;
    if let Some(side) = args.input_size {
        encoder.input = [side, side];
    }
    let mut config = PrecoConfig::new(encoder);
    config.method = if args.simmim { Method::Simmim } else { Method::Preco };
    let model = Preco::new(&config)?;
    note(&format!("{}, batch {}, {}", args.model, args.batch_size, processor.words()));
    on_device!(&processor.device, |backend| measure(args, processor, &model, backend))
}

/// Rounds of steps of the model on a device, with the peers after each.
fn measure<B: Backend>(args: &Args, processor: &Processor, model: &Preco, backend: &B) -> Result<Measured> {
    let mut step = Step::new(model, args, backend)?;
    step.run(1)?;
    let (mut ours, mut limits) = (Vec::new(), Vec::new());
    let mut peers: Vec<Vec<(f64, f64)>> = vec![Vec::new(); args.peer.len()];
    let mut held_bytes = 0;
    for round in 0..args.rounds {
        ours.push(args.batch_size as f64 / step.run(args.steps)?);
        if round == 0 {
            // Before the limit takes memory of its own.
            held_bytes = processor.device.held_bytes();
        }
        limits.push(limit(processor, backend));
        note(&format!("round {}: {:.3} images/s, limit {:.0} GFLOP/s", round + 1, ours[round], limits[round]));
        for (command, figures) in args.peer.iter().zip(&mut peers) {
            let figure = run_peer(command)?;
            note(&format!("  peer: {:.3} images/s, {:.2} GB", figure.0, figure.1));
            figures.push(figure);
        }
    }
    let images_per_s = median(&ours);
    let operations = model.step_operations();
    let limit_gflops = median(&limits);
    let peak_gb = held_bytes as f64 / 1e9;
    let peers = args
        .peer
        .iter()
        .zip(peers)
        .map(|(command, figures)| {
            let rounds: Vec<f64> = figures.iter().map(|figure| figure.0).collect();
            let ratios: Vec<f64> = ours.iter().zip(&rounds).map(|(ours, peer)| ours / peer).collect();
            let peer_gb = median(&figures.iter().map(|figure| figure.1).collect::<Vec<_>>());
            Peer {
                command: command.clone(),
                images_per_s: median(&rounds),
                rounds,
                peak_gb: peer_gb,
                speed_ratio: median(&ratios),
                memory_ratio: peak_gb / peer_gb,
            }
        })
        .collect();
    Ok(Measured {
        model: args.model.clone(),
        batch: args.batch_size,
        device: processor.words(),
        precision: processor.device.precision(),
        images_per_s,
        step_s: args.batch_size as f64 / images_per_s,
        rounds: ours,
        gflops: operations * images_per_s / 1e9,
        limit_images_per_s: limit_gflops * 1e9 / operations,
        limit_gflops,
        peak_gb,
        peers,
    })
}

/// A training step on one batch of noise.
struct Step<'a, B: Backend> {
    model: &'a Preco,
    backend: &'a B,
    images: Vec<f32>,
    masks: Vec<Mask>,
    params: B::Buffer,
    grads: B::Buffer,
    optimiser: AdamW<B>,
    groups: Groups,
    tape: Tape<B>,
}

impl<'a, B: Backend> Step<'a, B> {
    fn new(model: &'a Preco, args: &Args, backend: &'a B) -> Result<Self> {
        let [height, width] = model.config().encoder.input;
        let mut noise = Stream::new(0, "bench", 0, 0);
        let images = (0..args.batch_size * 3 * height * width).map(|_| noise.normal() as f32).collect();
        let mask = |image| Mask::random(model.config(), &mut Stream::new(0, "mask", 0, image));
        let keep = if args.checkpoint { Keep::Inputs } else { Keep::All };
        Ok(Self {
            model,
            backend,
            images,
            masks: (0..args.batch_size as u64).map(mask).collect(),
            params: backend.parameters(&model.layout().init(0)),
            grads: backend.zeros(model.layout().len()),
            optimiser: AdamW::new(backend, model.layout().len(), AdamWConfig::default())?,
            groups: Groups::new(model.layout(), &GroupOptions::default())?,
            tape: Tape::new(backend, keep),
        })
    }

    /// Seconds of one step: the median of `count`.
    fn run(&mut self, count: usize) -> Result<f64> {
        let backend = self.backend;
        let mut seconds = Vec::new();
        for _ in 0..count {
            let started = Instant::now();
            backend.fill(&mut self.grads, 0.0, self.model.layout().len());
            let pass = Pass::training(0, 0);
            let terms = self.model.forward(backend, &self.params, &self.images, &self.masks, &pass, &mut self.tape)?;
            self.model.backward(backend, &self.params, &mut self.grads, &mut self.tape)?;
            let norm = self.groups.norm(backend, &self.grads)?;
            let clipped = clip::coefficient(norm, 5.0);
            self.optimiser.update(backend, &mut self.params, &self.grads, &self.groups, 1e-5, clipped);
            // The last update belongs to the step: a device may still be at it.
            backend.synchronise()?;
            ensure!(terms.total.is_finite(), "the loss became {}", terms.total);
            seconds.push(started.elapsed().as_secs_f64());
        }
        Ok(median(&seconds))
    }
}

/// Runs a peer and reads its figures.
fn run_peer(command: &str) -> Result<(f64, f64)> {
    let output =
        Command::new("sh").args(["-c", command]).output().with_context(|| format!("cannot run {command:?}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let before = |unit: &str| {
        let at = words.iter().position(|word| word.trim_end_matches(',') == unit)?;
        words.get(at.checked_sub(1)?)?.parse::<f64>().ok()
    };
    before("img/s").zip(before("GB")).with_context(|| {
        format!("{command:?} printed {text:?}; \"<number> img/s\" and \"peak <number> GB\" are needed")
    })
}

impl Report for Measured {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { model, batch, device, precision, .. } = self;
        writeln!(out, "{model}, batch {batch}, {device}, {precision}")?;
        writeln!(out, "step           {:>9.3} s", self.step_s)?;
        writeln!(out, "speed          {:>9.3} images/s, {:.0} GFLOP/s", self.images_per_s, self.gflops)?;
        let share = 100.0 * self.gflops / self.limit_gflops;
        writeln!(out, "machine limit  {:>9.3} images/s, {:.0} GFLOP/s", self.limit_images_per_s, self.limit_gflops)?;
        writeln!(out, "of the limit   {share:>9.1} %")?;
        writeln!(out, "peak memory    {:>9.2} GB", self.peak_gb)?;
        for peer in &self.peers {
            writeln!(
                out,
                "peer           {:>9.3} images/s, {:.2} GB: {}",
                peer.images_per_s, peer.peak_gb, peer.command
            )?;
            let (speed, memory) = (peer.speed_ratio, 100.0 * peer.memory_ratio);
            writeln!(out, "  we are {speed:.2} times as fast with {memory:.0} % of its memory")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peers_line_is_read() {
        let line = "echo 'step base b8 2T f32: 1.094 img/s wall, 0.541 per cpu-s, peak 5.80 GB'";
        assert_eq!(run_peer(line).expect("figures"), (1.094, 5.80));
        let error = run_peer("echo nothing").expect_err("no figures").to_string();
        assert!(error.contains("img/s"), "{error}");
        assert!(run_peer("exit 3").is_err());
    }
}
