//! An encoder's patch embedding for other bands than it was trained on.
//!
//! A band that both know by name keeps its weights; a new one gets the mean of all old ones; everything is then scaled
//! by old over new number of bands. So an image whose bands are all alike is embedded as before where the old bands
//! are among the new, and activations keep their size.

use serde::{Deserialize, Serialize};

use super::config::SwinConfig;
use super::model::Swin;
use crate::error::{Error, Result};
use crate::nn::params::Layout;

/// The segment that sees bands.
const PROJECTION: &str = "patch_embed.proj.weight";

/// What became of the bands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adapted {
    /// Bands of the encoder before.
    pub from: Vec<String>,
    /// Those that kept their weights.
    pub copied: Vec<String>,
    /// Those that got the mean of all old ones.
    pub averaged: Vec<String>,
    /// What all weights were multiplied with.
    pub scale: f64,
}

/// The parameters of encoder `config`, which sees the bands `from`, for the bands `to`, and what was done.
///
/// # Shapes
/// The weights of `patch_embed.proj`: `(embed, bands, patch, patch)`.
///
/// # Errors
/// [`Error::Config`] where there is no band, one is named twice, or `parameters` are not `config`'s.
pub fn adapt_bands(
    parameters: &[f32],
    config: &SwinConfig,
    from: &[String],
    to: &[String],
) -> Result<(Vec<f32>, SwinConfig, Adapted)> {
    let wanted = SwinConfig { bands: to.len(), ..config.clone() };
    let (mut source, mut target) = (Layout::default(), Layout::default());
    Swin::new(config, &mut source)?;
    Swin::new(&wanted, &mut target)?;
    if parameters.len() != source.len() || from.len() != config.bands {
        let (have, bands) = (parameters.len(), from.len());
        return Err(Error::config(format!(
            "{have} values for {bands} bands are not the encoder's {} for {}",
            source.len(),
            config.bands
        )));
    }
    let adapted = Adapted::of(from, to)?;
    let place = |band: &String| from.iter().position(|old| old == band);
    let scale = adapted.scale;
    let mut values = vec![0.0; target.len()];
    for segment in target.segments() {
        let Some(own) = source.get(&segment.name) else {
            return Err(Error::config(format!("the encoder has no {}", segment.name)));
        };
        let (part, out) = (&parameters[own.range.clone()], &mut values[segment.range.clone()]);
        if segment.name != PROJECTION {
            out.copy_from_slice(part);
            continue;
        }
        let area = config.patch * config.patch;
        let kernels = part.chunks_exact(from.len() * area).zip(out.chunks_exact_mut(to.len() * area));
        for (old, new) in kernels {
            for (band, new) in to.iter().zip(new.chunks_exact_mut(area)) {
                for (at, new) in new.iter_mut().enumerate() {
                    let old = |band: usize| f64::from(old[band * area + at]);
                    let mean = || (0..from.len()).map(old).sum::<f64>() / from.len() as f64;
                    *new = (scale * place(band).map_or_else(mean, old)) as f32;
                }
            }
        }
    }
    Ok((values, wanted, adapted))
}

impl Adapted {
    /// What becomes of the bands `from` where `to` are wanted, whatever the weights.
    ///
    /// # Errors
    /// [`Error::Config`] where there is no band, or one is named twice.
    pub fn of(from: &[String], to: &[String]) -> Result<Self> {
        if from.is_empty() || to.is_empty() {
            return Err(Error::config("a patch embedding needs a band at least"));
        }
        if let Some(twice) = to.iter().enumerate().find_map(|(at, band)| to[..at].contains(band).then_some(band)) {
            return Err(Error::config(format!("band {twice} is named twice")));
        }
        let (copied, averaged) = to.iter().cloned().partition(|band| from.contains(band));
        Ok(Self { from: from.to_vec(), copied, averaged, scale: from.len() as f64 / to.len() as f64 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbones::swin::{Keep, Tape};
    use crate::backend::cpu::Cpu;
    use crate::rng::Stream;
    use crate::simd::Level;

    fn names(text: &str) -> Vec<String> {
        text.split(',').map(str::to_owned).collect()
    }

    fn pooled(config: &SwinConfig, parameters: &[f32], image: &[f32]) -> Vec<f32> {
        let cpu = Cpu::new(Level::detect());
        let encoder = Swin::new(config, &mut Layout::default()).expect("encoder");
        encoder.pooled(&cpu, parameters, image, 1, &mut Tape::new(&cpu, Keep::Inputs))
    }

    #[test]
    fn an_image_of_like_bands_is_embedded_as_before() {
        let preset = SwinConfig::preset("pico").expect("preset");
        let config = SwinConfig { input: [16, 16], depths: vec![1, 1], heads: vec![2, 4], ..preset };
        let mut layout = Layout::default();
        Swin::new(&config, &mut layout).expect("encoder");
        let parameters = layout.init(5);
        let rgb = names("red,green,blue");
        let mut stream = Stream::new(1, "plane", 0, 0);
        let plane: Vec<f32> = (0..256).map(|_| stream.normal() as f32).collect();
        let before = pooled(&config, &parameters, &plane.repeat(3));
        for to in ["coastal,blue,green,red,nir", "red,green,blue", "blue,green,red,a,b,c,d,e,f,g,h,i,j"] {
            let (values, wanted, adapted) = adapt_bands(&parameters, &config, &rgb, &names(to)).expect(to);
            let after = pooled(&wanted, &values, &plane.repeat(wanted.bands));
            let far = before.iter().zip(&after).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(far < 1e-5, "{to}: {far}");
            assert_eq!(adapted.copied.len(), 3);
        }
        // Bands that are there keep their own weights: a picture in blue alone is seen by blue's, scaled.
        let (values, wanted, adapted) = adapt_bands(&parameters, &config, &rgb, &names("blue,nir")).expect("two");
        assert_eq!((adapted.copied, adapted.averaged, adapted.scale), (names("blue"), names("nir"), 1.5));
        let scaled: Vec<f32> = plane.iter().map(|value| 1.5 * value).collect();
        let old = [vec![0.0; 512], scaled].concat();
        let new = [plane, vec![0.0; 256]].concat();
        let (old, new) = (pooled(&config, &parameters, &old), pooled(&wanted, &values, &new));
        assert!(old.iter().zip(&new).all(|(a, b)| (a - b).abs() < 1e-5));
    }

    #[test]
    fn bands_that_cannot_be_are_refused() {
        let config = SwinConfig::preset("pico").expect("preset");
        let mut layout = Layout::default();
        Swin::new(&config, &mut layout).expect("encoder");
        let parameters = layout.init(5);
        let rgb = names("red,green,blue");
        let error = adapt_bands(&parameters, &config, &rgb, &names("red,red")).expect_err("twice").to_string();
        assert!(error.contains("band red is named twice"), "{error}");
        adapt_bands(&parameters, &config, &rgb, &[]).expect_err("no band");
        adapt_bands(&parameters, &config, &rgb[..2], &rgb).expect_err("two names for three bands");
    }
}
