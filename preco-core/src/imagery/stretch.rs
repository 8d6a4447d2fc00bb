//! From stored values to colours of eight bits: `low` becomes 0 and `high` 255, the same over the whole scene.

use serde::{Deserialize, Serialize};

use super::raster::{Pixels, Raster, RasterInfo, SampleType};
use crate::error::{Error, Result};

mod percentile;

pub use percentile::percentiles;

/// How stored values become colours, as asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stretch {
    /// Eight-bit values are colours already; others are refused.
    None,
    /// From 0 to 1: these values, for all bands.
    Range(f64, f64),
    /// From 0 to 1: these percentiles of each band, over all pixels of the scene that hold data.
    Percentile(f64, f64),
    /// The rule that made EuroSAT's colours of Sentinel-2's reflectances: 0 to 2750 become 1 to 255.
    Sentinel2,
}

/// A stretch of a scene: its two values for each band.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Levels {
    /// What becomes `to[0]`.
    pub low: Vec<f64>,
    /// What becomes `to[1]`.
    pub high: Vec<f64>,
    /// The colours of `low` and `high`.
    pub to: [f64; 2],
}

impl Stretch {
    /// Of a text: `none`, `sentinel2`, `LOW,HIGH` (values), `pLOW,HIGH` (percentiles).
    ///
    /// # Errors
    /// [`Error::Config`] with what may be written.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |why: &str| {
            let forms = "none, sentinel2, LOW,HIGH in stored values, or pLOW,HIGH in percent, as in p2,98";
            Error::config(format!("stretch \"{text}\" {why}; write {forms}"))
        };
        let pair = |text: &str| {
            let (low, high) = text.split_once(',')?;
            Some((low.trim().parse::<f64>().ok()?, high.trim().parse::<f64>().ok()?))
        };
        match text.trim() {
            "none" => Ok(Self::None),
            "sentinel2" => Ok(Self::Sentinel2),
            percent if percent.starts_with('p') => match pair(&percent[1..]) {
                Some((low, high)) if 0.0 <= low && low < high && high <= 100.0 => Ok(Self::Percentile(low, high)),
                Some(_) => Err(wrong("must rise from 0 at least to 100 at most")),
                None => Err(wrong("is not understood")),
            },
            range => match pair(range) {
                Some((low, high)) if low < high && (high - low).is_finite() => Ok(Self::Range(low, high)),
                Some(_) => Err(wrong("must rise")),
                None => Err(wrong("is not understood")),
            },
        }
    }

    /// What [`Stretch::parse`] reads.
    pub fn text(&self) -> String {
        match self {
            Self::None => "none".to_owned(),
            Self::Range(low, high) => format!("{low},{high}"),
            Self::Percentile(low, high) => format!("p{low},{high}"),
            Self::Sentinel2 => "sentinel2".to_owned(),
        }
    }

    /// Refuses scenes whose values need another stretch, before a pixel is read. `known` are a model's own levels.
    ///
    /// # Errors
    /// [`Error::Image`] where values of more than eight bits have no stretch.
    pub fn check(&self, info: &RasterInfo, known: Option<&Levels>) -> Result<()> {
        let is_bytes = info.sample == SampleType::U8 || info.palette.is_some();
        if *self != Self::None || known.is_some() || is_bytes {
            return Ok(());
        }
        let reason = format!(
            "has {} samples, and nothing says which of them are black and white: --stretch LOW,HIGH (stored values), \
             p2,98 (percentiles of the scene) or sentinel2 (reflectances times 10000)",
            info.sample.name()
        );
        Err(Error::Image { path: info.name.clone().into(), reason })
    }

    /// The levels of a scene's bands, which are counted from 0: what is asked for, or a model's own (`known`) where values
    /// are of more than eight bits. Percentiles read the whole scene, others nothing.
    ///
    /// # Errors
    /// Those of [`Stretch::check`] and of reading, and [`Error::Image`] where no pixel holds data.
    pub fn levels(&self, raster: &dyn Raster, bands: &[usize], known: Option<&Levels>) -> Result<Levels> {
        let info = raster.info();
        self.check(info, known)?;
        let is_bytes = info.sample == SampleType::U8 || info.palette.is_some();
        if let Some(known) = known.filter(|_| *self == Self::None && !is_bytes) {
            return Ok(known.clone());
        }
        let refused = |reason: String| Error::Image { path: info.name.clone().into(), reason };
        match *self {
            Self::None => Ok(Levels::all(bands.len(), [0.0, 255.0], [0.0, 255.0])),
            Self::Range(low, high) => Ok(Levels::all(bands.len(), [low, high], [0.0, 255.0])),
            Self::Sentinel2 => Ok(Levels::all(bands.len(), [0.0, 2750.0], [1.0, 255.0])),
            Self::Percentile(low, high) => {
                let found = percentiles(raster, bands, [low, high])?;
                let found = found.ok_or_else(|| refused("has no pixel with data".to_owned()))?;
                // A band of one value: black there and below, white above.
                let above = |[low, high]: [f64; 2]| high.max(low + low.abs().max(1.0) * f64::from(f32::EPSILON));
                let high = found.iter().copied().map(above).collect();
                Ok(Levels { low: found.iter().map(|[low, _]| *low).collect(), high, to: [0.0, 255.0] })
            }
        }
    }
}

impl Levels {
    /// True where values are bytes already and stay as they are.
    pub fn is_identity(&self) -> bool {
        *self == Self::all(self.low.len(), [0.0, 255.0], [0.0, 255.0])
    }

    /// The same two values for all of so many bands.
    pub fn all(bands: usize, [low, high]: [f64; 2], to: [f64; 2]) -> Self {
        Self { low: vec![low; bands], high: vec![high; bands], to }
    }

    /// The bytes of all bands, by pixels; those without data get `fill`.
    ///
    /// # Shapes
    /// `pixels` has as many bands as there are levels, `fill` a byte for each; `out` is `(height, width, bands)`.
    pub fn colours(&self, pixels: &Pixels, fill: &[u8], out: &mut [u8]) {
        let (area, bands) = (pixels.valid.len(), self.low.len());
        for band in 0..bands {
            let scale = (self.to[1] - self.to[0]) / (self.high[band] - self.low[band]);
            let colour = |value: f32| self.to[0] + scale * (f64::from(value) - self.low[band]);
            let plane = &pixels.values[band * area..(band + 1) * area];
            for ((out, &value), &valid) in out.chunks_exact_mut(bands).zip(plane).zip(&pixels.valid) {
                // A float's conversion saturates at both ends.
                out[band] = if valid { colour(value).clamp(self.to[0], self.to[1]).round() as u8 } else { fill[band] };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_understood_or_refused_with_what_may_be_written() {
        for stretch in [Stretch::None, Stretch::Sentinel2, Stretch::Range(-5.0, 3000.5), Stretch::Percentile(2.0, 98.0)]
        {
            assert_eq!(Stretch::parse(&stretch.text()).expect("text"), stretch);
        }
        for wrong in ["", "p", "p98,2", "p-1,50", "p2,101", "5", "5,5", "a,b", "nan,1", "0,inf"] {
            let error = Stretch::parse(wrong).expect_err(wrong).to_string();
            assert!(error.contains("p2,98"), "{error}");
        }
    }

    #[test]
    fn values_become_colours_by_the_line_through_both_levels() {
        let pixels = Pixels {
            width: 4,
            height: 1,
            values: vec![0.0, 1375.0, 2750.0, 9999.0, 1.0, 2.0, 3.0, 4.0, -7.0, 0.0, 5.4, 5.5],
            valid: vec![true, true, true, false],
        };
        let mut out = vec![0; 12];
        Stretch::Sentinel2.levels(&no_raster(), &[0, 1, 2], None).expect("levels").colours(
            &pixels,
            &[7, 8, 9],
            &mut out,
        );
        // 1 + 254 v / 2750: 1375 is the middle, 128; 1 to 3 are 1.09 to 1.28; 5.4 is 1.499.
        assert_eq!(out, [1, 1, 1, 128, 1, 1, 255, 1, 1, 7, 8, 9]);
        Levels::all(3, [0.0, 255.0], [0.0, 255.0]).colours(&pixels, &[0; 3], &mut out);
        assert_eq!(out[..9], [0, 1, 0, 255, 2, 0, 255, 3, 5]);
    }

    fn no_raster() -> impl Raster {
        crate::imagery::raster::ImageRaster::new(crate::imagery::Image8::filled(1, 1, [0; 3]), "none")
    }
}
