//! STUB
use super::SwinConfig;
use crate::backend::cpu::Cpu;
use crate::error::Result;
use crate::nn::params::{Init, Layout};
/// STUB
#[derive(Default)]
pub struct Tape;
/// STUB
pub struct Swin {
    layout: Layout,
    features: usize,
}
impl Swin {
    /// STUB
    ///
    /// # Errors
    /// sizes
    pub fn new(config: &SwinConfig) -> Result<Self> {
        config.validate()?;
        let mut layout = Layout::default();
        layout.add("patch_embed.proj.weight", &[config.embed, 3, 4, 4], Init::Uniform(0.1), true, 0);
        layout.add("norm.bias", &[config.features()], Init::Constant(0.0), false, 12);
        Ok(Self { layout, features: config.features() })
    }
    /// STUB
    pub fn layout(&self) -> &Layout {
        &self.layout
    }
    /// STUB
    ///
    /// # Errors
    /// none
    pub fn pooled(
        &self,
        _cpu: &Cpu,
        params: &[f32],
        images: &[f32],
        count: usize,
        _tape: &mut Tape,
    ) -> Result<Vec<f32>> {
        let size = images.len() / count;
        let mut out = Vec::new();
        for image in images.chunks(size) {
            for f in 0..self.features {
                out.push(image.iter().skip(f).step_by(97).zip(params).map(|(a, b)| a * b).sum());
            }
        }
        Ok(out)
    }
}
