//! STUB: a model whose masked branch predicts one learnt colour per channel.
use super::{Method, PrecoConfig};
use crate::backbones::swin::Swin;
use crate::backend::cpu::Cpu;
use crate::error::Result;
use crate::nn::Pass;
use crate::nn::params::{Init, Layout};
use crate::rng::Stream;

/// STUB
#[derive(Clone)]
pub struct Mask {
    cells: Vec<bool>,
    grid: [usize; 2],
    side: usize,
}
impl Mask {
    /// STUB
    pub fn random(config: &PrecoConfig, stream: &mut Stream) -> Self {
        let grid = config.mask_grid();
        let mut cells: Vec<bool> = (0..grid[0] * grid[1]).map(|i| i < config.masked_cells()).collect();
        stream.shuffle(&mut cells);
        Self { cells, grid, side: config.mask_patch }
    }
    /// STUB
    pub fn pixels(&self) -> Vec<f32> {
        let (h, w) = (self.grid[0] * self.side, self.grid[1] * self.side);
        (0..h * w)
            .map(|i| f32::from(u8::from(self.cells[(i / w / self.side) * self.grid[1] + (i % w) / self.side])))
            .collect()
    }
}
/// STUB
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// total
    pub total: f64,
    /// re
    pub re: f64,
    /// pr
    pub pr: Option<f64>,
    /// sc
    pub sc: Option<f64>,
}
/// STUB
pub struct Predictions {
    /// masked
    pub masked: Vec<f32>,
    /// prompt
    pub prompt: Option<Vec<f32>>,
}
/// STUB
#[derive(Default)]
pub struct Tape {
    grad: [f32; 3],
    colour: [f32; 3],
    count: usize,
}
/// STUB
pub struct Preco {
    config: PrecoConfig,
    layout: Layout,
    swin: Swin,
}
impl Preco {
    /// STUB
    ///
    /// # Errors
    /// none
    pub fn new(config: PrecoConfig) -> Result<Self> {
        config.validate()?;
        let swin = Swin::new(&config.encoder)?;
        let mut layout = swin.layout().clone();
        let side = config.encoder.total_stride();
        layout.add("mask_token", &[1, 1, config.encoder.embed], Init::Normal(0.02), false, 0);
        let features = config.encoder.features();
        layout.add("decoder.0.weight", &[3 * side * side, features, 1, 1], Init::Uniform(0.1), true, 12);
        layout.add("decoder.0.bias", &[3 * side * side], Init::Uniform(0.1), false, 12);
        Ok(Self { config, layout, swin })
    }
    /// STUB
    pub fn config(&self) -> &PrecoConfig {
        &self.config
    }
    /// STUB
    pub fn layout(&self) -> &Layout {
        &self.layout
    }
    /// STUB
    pub fn encoder(&self) -> &Swin {
        &self.swin
    }
    /// STUB
    ///
    /// # Errors
    /// none
    pub fn forward(
        &self,
        _cpu: &Cpu,
        params: &[f32],
        images: &[f32],
        masks: &[Mask],
        _pass: &Pass,
        tape: &mut Tape,
    ) -> Result<Terms> {
        let at = self.layout.get("decoder.0.bias").map_or(0, |segment| segment.range.start);
        tape.colour = [params[at], params[at + 1], params[at + 2]];
        tape.grad = [0.0; 3];
        tape.count = masks.len();
        let plane = images.len() / masks.len() / 3;
        let (mut sum, mut n) = (0.0f64, 0.0f64);
        for (i, mask) in masks.iter().enumerate() {
            let pixels = mask.pixels();
            for c in 0..3 {
                for (value, m) in images[(i * 3 + c) * plane..][..plane].iter().zip(&pixels) {
                    let d = tape.colour[c] - value;
                    sum += f64::from(d.abs() * m);
                    n += f64::from(*m);
                    tape.grad[c] += d.signum() * m;
                }
            }
        }
        tape.grad.iter_mut().for_each(|g| *g /= n as f32);
        let re = sum / n;
        let both = self.config.method == Method::Preco;
        Ok(Terms { total: re, re, pr: both.then_some(re), sc: both.then_some(0.0) })
    }
    /// STUB
    pub fn backward(&self, _cpu: &Cpu, _params: &[f32], grads: &mut [f32], tape: &mut Tape) {
        let at = self.layout.get("decoder.0.bias").map_or(0, |segment| segment.range.start);
        for (slot, g) in grads[at..at + 3].iter_mut().zip(tape.grad) {
            *slot += g;
        }
    }
    /// STUB
    pub fn predictions(&self, tape: &Tape) -> Predictions {
        let plane = self.config.encoder.input[0] * self.config.encoder.input[1];
        let one: Vec<f32> =
            (0..tape.count).flat_map(|_| tape.colour).flat_map(|c| std::iter::repeat_n(c, plane)).collect();
        Predictions { prompt: (self.config.method == Method::Preco).then(|| one.clone()), masked: one }
    }
}
