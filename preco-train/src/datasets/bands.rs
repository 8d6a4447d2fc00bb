//! Files of any number of bands as images: the bands that are wanted, and their values as bytes.
//!
//! Values of more than eight bits become bytes by the two levels of each band, the same for all images of a set. Files of
//! 13 bands without names are EuroSAT's: Sentinel-2 in the order B01 to B09, B10, B11, B12, B8A.

use std::path::Path;

use preco_core::imagery::raster::{Pixels, Raster, RasterInfo, SampleType, open_file};
use preco_core::imagery::{EUROSAT, Image8, ImageInfo, Levels, MAX_PIXELS, choose_bands, may_be_eurosats, probe};

use preco_core::spec::Preprocess;

use crate::error::{Error, Result};

/// Deviations on either side of the mean that become black and white.
const DEVIATIONS: f64 = 2.0;

/// Which bands of files become images, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct BandReader {
    /// The bands, as models call them.
    pub bands: Vec<String>,
    /// Numbers of the files' bands, from 1, where names do not say which they are.
    pub numbers: Option<Vec<usize>>,
    /// What becomes black and white of values of more than eight bits.
    pub levels: Option<Levels>,
    /// What pixels without data become, a byte for each band: what a model sees of them elsewhere.
    pub fill: Vec<u8>,
}

impl BandReader {
    /// The images that a model sees by `preprocess`.
    pub fn of(preprocess: &Preprocess) -> Self {
        let Preprocess { bands, band_numbers, levels, normalise, .. } = preprocess.clone();
        Self { bands, numbers: band_numbers, levels, fill: normalise.fill() }
    }

    /// The size of the image in `path`, whose bands are there.
    ///
    /// # Errors
    /// Where it cannot be read, is too large, or lacks a band.
    pub fn probe(&self, path: &Path) -> Result<ImageInfo> {
        let (raster, bands) = self.open(path)?;
        let (width, height) = (raster.info().width, raster.info().height);
        // As many bytes as the largest image of colours.
        if width.saturating_mul(height).saturating_mul(bands.len()) > 3 * MAX_PIXELS {
            return Err(Error::data(
                path,
                format!("has {width}x{height} pixels, more than an image may; cut it first"),
            ));
        }
        Ok(ImageInfo { width, height, bits: 8 })
    }

    /// True where the samples of `path` are of more than eight bits.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn needs_levels(&self, path: &Path) -> Result<bool> {
        // Of an image its head is enough.
        if let Ok(image) = probe(path) {
            return Ok(image.bits > 8);
        }
        Ok(is_deep(self.open(path)?.0.info()))
    }

    /// The image in `path`.
    ///
    /// # Errors
    /// Where it cannot be read, lacks a band, or has deep samples and no levels say what they are.
    pub fn read(&self, path: &Path) -> Result<Image8> {
        let (raster, bands) = self.open(path)?;
        let info = raster.info();
        let bytes = Levels::all(bands.len(), [0.0, 255.0], [0.0, 255.0]);
        let levels = match (&self.levels, is_deep(info)) {
            (_, false) => &bytes,
            (Some(levels), true) => levels,
            (None, true) => {
                let reason =
                    format!("has {} samples, and no stretch says which are black and white", info.sample.name());
                return Err(Error::data(path, reason));
            }
        };
        let pixels = Pixels::read(&*raster, info.window(), &bands)?;
        let mut data = vec![0; bands.len() * pixels.valid.len()];
        levels.colours(&pixels, &self.fill, &mut data);
        Ok(Image8::new(info.width, info.height, bands.len(), data))
    }

    fn open(&self, path: &Path) -> Result<(Box<dyn Raster>, Vec<usize>)> {
        let raster = open_file(path, 0)?;
        let mut info = raster.info().clone();
        if may_be_eurosats(&info) {
            info.bands = EUROSAT.iter().map(|name| Some((*name).to_owned())).collect();
        }
        let bands = choose_bands(&info, &self.bands, self.numbers.as_deref())?;
        Ok((raster, bands))
    }
}

fn is_deep(info: &RasterInfo) -> bool {
    info.sample != SampleType::U8 && info.palette.is_none()
}

/// Sums over pixels, from which a band's mean and deviation follow.
#[derive(Clone, Debug, Default)]
pub(super) struct Moments {
    count: f64,
    sum: f64,
    squares: f64,
}

impl Moments {
    pub(super) fn add(&mut self, values: impl Iterator<Item = f64>) {
        for value in values {
            self.count += 1.0;
            self.sum += value;
            self.squares += value * value;
        }
    }

    fn mean_and_deviation(&self) -> (f64, f64) {
        let mean = self.sum / self.count.max(1.0);
        (mean, (self.squares / self.count.max(1.0) - mean * mean).max(0.0).sqrt())
    }
}

/// Two deviations on either side of each band's mean: SeCo's rule, by which black may be a value that no pixel has.
pub(super) fn levels_around(means: &[f64], deviations: &[f64]) -> Levels {
    let ends = |sign: f64| means.iter().zip(deviations).map(move |(mean, sd)| mean + sign * DEVIATIONS * sd);
    let low: Vec<f64> = ends(-1.0).collect();
    // A band of one value: black.
    let high = ends(1.0).zip(&low).map(|(high, &low)| if high > low { high } else { low + 1.0 }).collect();
    Levels { low, high, to: [0.0, 255.0] }
}

/// Levels around the means of `paths`, for the bands of `reader`; with `lenient`, of those that can be read.
///
/// # Errors
/// Where a file cannot be read.
pub fn levels_of<'a>(reader: &BandReader, paths: impl Iterator<Item = &'a Path>, lenient: bool) -> Result<Levels> {
    let mut moments = vec![Moments::default(); reader.bands.len()];
    for path in paths {
        let read = || -> Result<Pixels> {
            let (raster, bands) = reader.open(path)?;
            Ok(Pixels::read(&*raster, raster.info().window(), &bands)?)
        };
        let pixels = match read() {
            Err(_) if lenient => continue,
            read => read?,
        };
        for (moments, plane) in moments.iter_mut().zip(pixels.values.chunks_exact(pixels.valid.len().max(1))) {
            let valid = plane.iter().zip(&pixels.valid).filter(|(_, valid)| **valid);
            moments.add(valid.map(|(value, _)| f64::from(*value)));
        }
    }
    Ok(levels(&moments))
}

/// The levels around what was summed.
pub(super) fn levels(moments: &[Moments]) -> Levels {
    let (means, deviations): (Vec<f64>, Vec<f64>) = moments.iter().map(Moments::mean_and_deviation).unzip();
    levels_around(&means, &deviations)
}

#[cfg(test)]
mod tests {
    use preco_core::geo::{RasterOut, Samples, write_geotiff};

    use super::*;

    #[test]
    fn thirteen_bands_without_names_are_eurosats_and_values_become_bytes_by_levels() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("tile.tif");
        // Band b of pixel p is 100 b + p.
        let values: Vec<u16> = (0..4u16).flat_map(|pixel| (0..13).map(move |band| 100 * band + pixel)).collect();
        let out = RasterOut { width: 2, height: 2, bands: 13, affine: None, crs: None, nodata: None, palette: None };
        write_geotiff(&path, &out, Samples::U16(&values)).expect("write");
        let two = ["red", "B8A"].map(str::to_owned);
        let mut reader = BandReader::of(&Preprocess::imagenet([64; 2]).with_bands(&two));
        assert!(reader.needs_levels(&path).expect("probe"));
        let error = reader.read(&path).expect_err("no levels").to_string();
        assert!(error.contains("uint16") && error.contains("stretch"), "{error}");
        reader.levels = Some(Levels { low: vec![300.0, 1200.0], high: vec![303.0, 1206.0], to: [0.0, 255.0] });
        assert_eq!(reader.read(&path).expect("read").data(), [0, 0, 85, 43, 170, 85, 255, 128]);
        let levels = levels_of(&reader, [path.as_path()].into_iter(), false).expect("levels");
        // 300 to 303: mean 301.5, deviation sqrt(1.25).
        assert!((levels.low[0] - (301.5 - 2.0 * 1.25f64.sqrt())).abs() < 1e-9, "{levels:?}");
        reader.bands = vec!["nir".to_owned()];
        assert!(reader.probe(&path).expect_err("no such band").to_string().contains("1 B01, 2 blue"));
        reader.numbers = Some(vec![8]);
        assert_eq!(reader.probe(&path).expect("by number"), ImageInfo { width: 2, height: 2, bits: 8 });
    }
}
