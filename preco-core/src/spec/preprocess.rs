//! From stored pixels to the network's input: `preprocessor_config.json`.

use std::path::Path;

use serde_json::json;

use super::json::{self, Document};
use crate::backbones::swin::{MOST_BANDS, MOST_SIDE_PX};
use crate::error::Result;
use crate::imagery::{Filter, Levels, Normalise};

/// How an image becomes a model's input.
#[derive(Clone, Debug, PartialEq)]
pub struct Preprocess {
    /// Height and width in pixels.
    pub size: [usize; 2],
    /// The bands in channel order.
    pub bands: Vec<String>,
    /// Where the model was trained on bands by their numbers in its files, those, from 1: names say nothing of such.
    pub band_numbers: Option<Vec<usize>>,
    /// Stored values that become 0 and 1 before normalisation.
    pub range: [f64; 2],
    /// Stored values of more than eight bits that become black and white, where the model was trained on such; others
    /// need a stretch.
    pub levels: Option<Levels>,
    /// Mean and standard deviation per channel, of values in `[0, 1]`.
    pub normalise: Normalise,
    /// How images of other sizes are resized.
    pub interpolation: Filter,
}

impl Preprocess {
    /// Eight-bit colour with ImageNet's statistics, resized by a bicubic filter to `size` (height, width).
    pub fn imagenet(size: [usize; 2]) -> Self {
        Self {
            size,
            bands: ["red", "green", "blue"].map(str::to_owned).to_vec(),
            band_numbers: None,
            range: [0.0, 255.0],
            levels: None,
            normalise: Normalise::default(),
            interpolation: Filter::Bicubic,
        }
    }

    /// The same for other bands: those that are known keep mean and deviation, others get the mean of all.
    #[must_use]
    pub fn with_bands(&self, bands: &[String]) -> Self {
        let statistics = |values: &[f32]| {
            let mean = values.iter().sum::<f32>() / values.len() as f32;
            let own = |band: &String| self.bands.iter().position(|known| known == band).map(|at| values[at]);
            bands.iter().map(|band| own(band).unwrap_or(mean)).collect::<Vec<f32>>()
        };
        let Normalise { mean, std } = &self.normalise;
        let normalise = Normalise { mean: statistics(mean), std: statistics(std) };
        Self { normalise, bands: bands.to_vec(), band_numbers: None, ..self.clone() }
    }

    /// Reads `preprocessor_config.json`.
    ///
    /// # Errors
    /// [`crate::error::Error::Io`], and [`crate::error::Error::Spec`] with the field.
    pub fn read(path: &Path) -> Result<Self> {
        Self::of(&Document::read(path)?)
    }

    /// [`Preprocess::read`] of a text, which errors call `path`.
    ///
    /// # Errors
    /// As [`Preprocess::read`].
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        Self::of(&Document::parse(text, path)?)
    }

    fn of(file: &Document<'_>) -> Result<Self> {
        for step in ["do_resize", "do_rescale", "do_normalize"] {
            file.agree(step, &json!(true), "this program")?;
        }
        let read = Self {
            size: [file.get("size.height")?, file.get("size.width")?],
            bands: file.get("bands")?,
            band_numbers: if file.find("band_numbers").is_some() { Some(file.get("band_numbers")?) } else { None },
            range: file.get("value_range")?,
            levels: if file.find("levels").is_some() { Some(file.get("levels")?) } else { None },
            normalise: Normalise { mean: file.get("image_mean")?, std: file.get("image_std")? },
            interpolation: match file.get("resample")? {
                BILINEAR => Filter::Bilinear,
                BICUBIC => Filter::Bicubic,
                other => {
                    let reason = format!("is {other}; {BILINEAR} (bilinear) and {BICUBIC} (bicubic) are known");
                    return Err(file.wrong("resample", reason));
                }
            },
        };
        if read.size.contains(&0) {
            return Err(file.wrong("size", format!("{:?} has a side of 0", read.size)));
        }
        if read.size.iter().any(|&side| side > MOST_SIDE_PX) {
            return Err(file.wrong("size", format!("{:?} has a side of more than {MOST_SIDE_PX} pixels", read.size)));
        }
        let (bands, means, deviations) = (read.bands.len(), read.normalise.mean.len(), read.normalise.std.len());
        if !(1..=MOST_BANDS).contains(&bands) {
            return Err(file.wrong("bands", format!("are {bands}; from 1 to {MOST_BANDS} are read")));
        }
        if let Some(numbers) = read.band_numbers.as_ref().filter(|list| list.len() != bands || list.contains(&0)) {
            return Err(file.wrong("band_numbers", format!("{numbers:?} must be {bands} numbers from 1")));
        }
        for (field, count) in [("image_mean", means), ("image_std", deviations)] {
            if count != bands {
                return Err(file.wrong(field, format!("has {count} numbers for {bands} bands")));
            }
        }
        if let Some(Levels { low, high, to }) = &read.levels {
            let rise = low.len() == bands && high.len() == bands && low.iter().zip(high).all(|(low, high)| low < high);
            let finite = low.iter().chain(high).chain(to).all(|value| value.is_finite());
            if !(rise && finite && to[0] < to[1] && to[0] >= 0.0 && to[1] <= 255.0) {
                let reason = format!("must be two finite values for each of {bands} bands that rise, and two bytes");
                return Err(file.wrong("levels", reason));
            }
        }
        if !(read.range[0] < read.range[1] && read.rescale_factor().is_normal()) {
            return Err(file.wrong("value_range", format!("{:?} is empty or too wide", read.range)));
        }
        if read.normalise.std.iter().any(|&std| !(std > 0.0 && std.is_finite())) {
            return Err(file.wrong("image_std", format!("{:?} must be above 0", read.normalise.std)));
        }
        let Normalise { mean, std } = &read.normalise;
        // What black and white become: a mean beyond f32 is infinite here, and so is a division by almost nothing.
        if mean.iter().zip(std).any(|(mean, std)| ![-mean / std, (1.0 - mean) / std].iter().all(|x| x.is_finite())) {
            return Err(file.wrong("image_mean", format!("{mean:?} over {std:?} gives no numbers")));
        }
        file.agree("rescale_factor", &json!(read.rescale_factor()), "value_range")?;
        Ok(read)
    }

    /// Writes `preprocessor_config.json`; the file is whole or absent.
    ///
    /// # Errors
    /// [`crate::error::Error::Io`] with the path.
    pub fn write(&self, path: &Path) -> Result<()> {
        json::write(&self.to_json(), path)
    }

    /// What [`Preprocess::write`] writes.
    pub fn to_text(&self) -> String {
        json::text(&self.to_json())
    }

    fn to_json(&self) -> serde_json::Value {
        let mut root = json!({
            "do_resize": true,
            "size": { "height": self.size[0], "width": self.size[1] },
            "resample": match self.interpolation {
                Filter::Bilinear => BILINEAR,
                Filter::Bicubic => BICUBIC,
            },
            "do_rescale": true,
            "rescale_factor": self.rescale_factor(),
            "do_normalize": true,
            "image_mean": json::decimals(&self.normalise.mean),
            "image_std": json::decimals(&self.normalise.std),
            "bands": self.bands,
            "value_range": self.range,
        });
        if let Some(numbers) = &self.band_numbers {
            root["band_numbers"] = json!(numbers);
        }
        if let Some(levels) = &self.levels {
            root["levels"] = json!(levels);
        }
        root
    }

    fn rescale_factor(&self) -> f64 {
        1.0 / (self.range[1] - self.range[0])
    }
}

/// Pillow's number for it, as in other libraries' files of this name.
const BILINEAR: u8 = 2;
/// Likewise.
const BICUBIC: u8 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("preprocessor_config.json");
        let plain = Preprocess { interpolation: Filter::Bilinear, ..Preprocess::imagenet([64, 96]) };
        let levels = Levels { low: vec![0.0, 1.5, -3.0], high: vec![2750.0, 9.0, 4.0], to: [1.0, 255.0] };
        let numbered = Preprocess { band_numbers: Some(vec![8, 4, 3]), ..plain.clone() };
        for preprocess in [plain.clone(), numbered, Preprocess { levels: Some(levels), ..plain }] {
            preprocess.write(&path).expect("write");
            assert_eq!(Preprocess::read(&path).expect("read"), preprocess);
        }
    }

    #[test]
    fn a_wrong_field_is_named_with_its_value() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("preprocessor_config.json");
        Preprocess::imagenet([64, 64]).write(&path).expect("write");
        let good: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&path).expect("read")).expect("the file is JSON");
        let cases = [
            ("resample", json!(0), "resample: is 0"),
            ("image_std", json!([0.2, 0.0, 0.2]), "image_std"),
            ("image_mean", json!([0.5]), "image_mean: has 1 numbers for 3 bands"),
            ("image_mean", json!("grey"), "image_mean: \"grey\" cannot be used"),
            ("image_mean", json!([1e300, 0.0, 0.0]), "image_mean: [inf, 0.0, 0.0]"),
            ("image_std", json!([1e-45, 1.0, 1.0]), "gives no numbers"),
            ("value_range", json!([-1e308, 1e308]), "value_range: [-1e308, 1e308] is empty or too wide"),
            ("size", json!({"height": 16_385, "width": 4}), "a side of more than 16384"),
            ("bands", json!([]), "bands: are 0"),
            ("bands", json!(["red"]), "image_mean: has 3 numbers for 1 bands"),
            ("levels", json!({"low": [0.0, 0.0], "high": [1.0, 1.0], "to": [0.0, 255.0]}), "levels: must be two"),
            ("levels", json!({"low": [0.0, 5.0, 0.0], "high": [1.0, 1.0, 1.0], "to": [0.0, 255.0]}), "that rise"),
            ("rescale_factor", json!(1.0), "rescale_factor: is 1.0, but value_range says"),
            ("do_rescale", json!(false), "do_rescale: is false"),
            ("size", json!({"height": 0, "width": 4}), "size"),
        ];
        for (key, value, needle) in cases {
            let mut bad = good.clone();
            bad[key] = value;
            std::fs::write(&path, bad.to_string()).expect("write");
            let error = Preprocess::read(&path).expect_err(needle).to_string();
            assert!(error.contains(needle), "{error}");
        }
    }
}
