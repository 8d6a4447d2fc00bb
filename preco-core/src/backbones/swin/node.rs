//! The encoder as one node of candle's graph.
//!
//! All maps leave in one flat tensor and are cut out of it, so that one backward call reaches the module with the
//! gradients of all of them. Parameters are no tensors: their gradients are added to [`SharedParameters`]. Each live
//! forward pass owns a tape, which one backward pass uses up; tapes are kept for the next pass. A second backward pass
//! and one after an update of the parameters are errors.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::{CpuStorage, CustomOp2, Device, Layout, Result as CandleResult, Shape, Tensor, Var};

use super::model::{OutputGradients, Swin};
use super::tape::{Keep, Tape};
use crate::backbones::{Backbone, Ctx};
use crate::backend::cpu::Cpu;
use crate::error::{Error, Result};
use crate::nn::{Pass, SharedParameters};
use crate::ops::host;
use crate::simd::Level;

/// A Swin encoder that candle can differentiate through.
pub struct SwinNode {
    encoder: Arc<Encoder>,
    /// Makes the graph reach the node although no tensor argument needs a gradient.
    anchor: Var,
}

/// What the encoder gives for a batch of N images.
#[derive(Clone, Debug)]
pub struct SwinMaps {
    /// The output of each stage, `(N, channels, rows, columns)`.
    pub stages: Vec<Tensor>,
    /// The last stage after the final norm, `(N, channels, rows, columns)`.
    pub features: Tensor,
}

struct Encoder {
    swin: Swin,
    cpu: Cpu,
    keep: Keep,
    parameters: SharedParameters,
    /// Tapes of passes that are over.
    idle: Mutex<Vec<Tape<Cpu>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SwinNode {
    /// The encoder `swin` over `parameters`, whose layout may hold more segments than the encoder's.
    ///
    /// # Errors
    /// [`Error::Config`] where there are fewer parameters than the encoder has.
    pub fn new(swin: Swin, level: Level, keep: Keep, parameters: SharedParameters) -> Result<Self> {
        if parameters.len() < swin.parameters_end() {
            return Err(Error::config(format!(
                "the encoder's parameters end at {}, the buffer has {}",
                swin.parameters_end(),
                parameters.len()
            )));
        }
        let encoder = Encoder { swin, cpu: Cpu::new(level), keep, parameters, idle: Mutex::default() };
        Ok(Self { encoder: Arc::new(encoder), anchor: Var::from_slice(&[0f32], 1, &Device::Cpu)? })
    }

    /// The encoder.
    pub fn swin(&self) -> &Swin {
        &self.encoder.swin
    }

    /// Its parameters and their gradients.
    pub fn parameters(&self) -> &SharedParameters {
        &self.encoder.parameters
    }

    /// All maps of a batch. The gradient of `images` is computed where it is tracked.
    ///
    /// # Shapes
    /// images `(N, bands, H, W)`, normalised, of the size the encoder is built for. The maps are views whose channels lie
    /// together.
    ///
    /// # Errors
    /// [`Error::Config`] where the images are not f32 on the CPU or of another size.
    ///
    /// # Randomness
    /// Drop-path's, as [`Pass::training`] says.
    pub fn maps(&self, images: &Tensor, ctx: &Ctx) -> Result<SwinMaps> {
        let images = host::argument("swin", "images", images)?;
        let swin = &self.encoder.swin;
        let [count, ..] = host::images("swin", "images", &images)?;
        let ([height, width], bands) = (swin.config().input, swin.config().bands);
        let because = format!("an encoder built for {height}x{width} (see Swin::at_size)");
        host::expect("swin", "images", &images, &[count, bands, height, width], &because)?;
        let live = Mutex::new(Live::Unused);
        let node = EncoderNode { encoder: self.encoder.clone(), pass: ctx.pass, record: ctx.record, live };
        let flat = if ctx.record {
            images.apply_op2(&self.anchor, node)?
        } else {
            images.apply_op2_no_bwd(&self.anchor, &node)?
        };
        let mut from = 0;
        let mut maps = Vec::new();
        for stage in self.encoder.outputs() {
            let ([rows, columns], channels) = (swin.grid(stage), swin.config().channels(stage));
            let len = count * rows * columns * channels;
            let map = flat.narrow(0, from, len)?.reshape((count, rows, columns, channels))?;
            maps.push(map.permute((0, 3, 1, 2))?);
            from += len;
        }
        let features = maps.pop().ok_or_else(|| Error::config("a Swin without stages has no features"))?;
        Ok(SwinMaps { stages: maps, features })
    }
}

impl Backbone for SwinNode {
    fn strides(&self) -> Vec<usize> {
        (0..self.swin().stages()).map(|stage| self.swin().config().stride(stage)).collect()
    }

    fn channels(&self) -> Vec<usize> {
        (0..self.swin().stages()).map(|stage| self.swin().config().channels(stage)).collect()
    }

    fn features(&self, images: &Tensor, ctx: &Ctx) -> Result<Vec<Tensor>> {
        Ok(self.maps(images, ctx)?.stages)
    }
}

impl Encoder {
    /// The stage of every map in the flat tensor: each stage's own, then the normalised last one.
    fn outputs(&self) -> impl Iterator<Item = usize> {
        (0..self.swin.stages()).chain([self.swin.stages() - 1])
    }

    fn output_len(&self, stage: usize, count: usize) -> usize {
        count * self.swin.tokens(stage) * self.swin.config().channels(stage)
    }
}

/// What a node knows of its tape.
enum Live {
    Unused,
    Recorded { tape: Box<Tape<Cpu>>, version: u64 },
    Spent,
}

struct EncoderNode {
    encoder: Arc<Encoder>,
    pass: Pass,
    record: bool,
    live: Mutex<Live>,
}

impl Drop for EncoderNode {
    fn drop(&mut self) {
        if let Live::Recorded { tape, .. } = std::mem::replace(&mut *lock(&self.live), Live::Spent) {
            lock(&self.encoder.idle).push(*tape);
        }
    }
}

impl CustomOp2 for EncoderNode {
    fn name(&self) -> &'static str {
        "swin"
    }

    fn cpu_fwd(
        &self,
        images: &CpuStorage,
        layout: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> CandleResult<(CpuStorage, Shape)> {
        let Encoder { swin, cpu, keep, parameters, idle } = &*self.encoder;
        let (count, images) = (layout.dims()[0], host::slice(images, layout)?);
        let idle_tape = lock(idle).pop();
        let mut tape = idle_tape.unwrap_or_else(|| Tape::new(cpu, *keep));
        let version = parameters.version();
        parameters.read(|values, _| swin.forward(cpu, values, images, count, &self.pass, &mut tape));
        let last = swin.stages();
        let mut flat = Vec::new();
        for (output, stage) in self.encoder.outputs().enumerate() {
            let map = if output < last { tape.stage(stage) } else { tape.features() };
            flat.extend_from_slice(&map[..self.encoder.output_len(stage, count)]);
        }
        if self.record {
            *lock(&self.live) = Live::Recorded { tape: Box::new(tape), version };
        } else {
            lock(idle).push(tape);
        }
        let len = flat.len();
        host::result(flat, len)
    }

    fn bwd(
        &self,
        images: &Tensor,
        _anchor: &Tensor,
        _maps: &Tensor,
        d_maps: &Tensor,
    ) -> CandleResult<(Option<Tensor>, Option<Tensor>)> {
        let Encoder { swin, cpu, parameters, idle, .. } = &*self.encoder;
        let Live::Recorded { mut tape, version } = std::mem::replace(&mut *lock(&self.live), Live::Spent) else {
            candle_core::bail!("swin: these maps have had their backward pass; run the forward pass again for another")
        };
        if version != parameters.version() {
            candle_core::bail!("swin: the parameters were updated between the forward and the backward pass")
        }
        let (count, last) = (images.dims()[0], swin.stages());
        let mut d_images = host::buffer(images);
        host::read([&d_maps.contiguous()?], |[flat]| {
            let mut rest = flat;
            let mut parts = Vec::new();
            for stage in self.encoder.outputs() {
                let (part, tail) = rest.split_at(self.encoder.output_len(stage, count));
                parts.push(part);
                rest = tail;
            }
            let stages = parts[..last].iter().map(|part| Some(*part)).collect();
            let outputs = OutputGradients { features: Some(parts[last]), stages };
            parameters.change_gradients(|values, gradients| {
                swin.backward(cpu, values, gradients, outputs, &mut tape);
                if images.track_op() {
                    swin.image_gradient(cpu, values, &mut tape, &mut d_images);
                }
            });
        })?;
        lock(idle).push(*tape);
        Ok((host::finished(d_images, images)?, None))
    }
}
