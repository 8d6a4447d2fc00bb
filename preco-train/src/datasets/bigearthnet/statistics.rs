//! Means and deviations of BigEarthNet's bands over the data set, as its authors give them with their models.

use preco_core::imagery::Levels;

use super::super::bands::levels_around;
use crate::error::{Error, Result};

/// Band as models call it, its file's ending, mean and deviation.
pub(super) const BANDS: [(&str, &str, f64, f64); 12] = [
    ("B01", "B01", 340.767_690_64, 554.812_589_67),
    ("blue", "B02", 429.943_020_3, 572.416_392_87),
    ("green", "B03", 614.216_824_46, 582.879_456_94),
    ("red", "B04", 590.235_697_06, 675.887_469_67),
    ("B05", "B05", 950.683_684_68, 729.898_276_33),
    ("B06", "B06", 1792.462_904_69, 1096.014_805_86),
    ("B07", "B07", 2075.467_951_89, 1273.453_930_88),
    ("B08", "B08", 2218.945_533_75, 1365.455_899_04),
    ("B8A", "B8A", 2266.460_369_11, 1356.137_893_55),
    ("B09", "B09", 2246.060_546_4, 1302.329_288_1),
    ("B11", "B11", 1594.426_948_82, 1079.190_663_63),
    ("B12", "B12", 1009.327_291_31, 818.867_472_35),
];

/// Names of all bands.
pub fn band_names() -> Vec<String> {
    BANDS.iter().map(|(name, ..)| (*name).to_owned()).collect()
}

/// The row of a band, by the name that models or files give it.
pub(super) fn row(band: &str) -> Result<&'static (&'static str, &'static str, f64, f64)> {
    let wanted = band.to_ascii_lowercase();
    let found = BANDS
        .iter()
        .find(|(name, ending, ..)| name.to_ascii_lowercase() == wanted || ending.to_ascii_lowercase() == wanted);
    found.ok_or_else(|| {
        Error::config(format!(
            "BigEarthNet has no band {band}; it has {} (red is B04, green B03, blue B02)",
            band_names().join(", ")
        ))
    })
}

/// What becomes black and white: two deviations on either side of the mean, as SeCo cuts values.
///
/// # Errors
/// [`Error::Config`] for a band that there is none of.
pub fn levels(bands: &[String]) -> Result<Levels> {
    let rows = bands.iter().map(|band| row(band)).collect::<Result<Vec<_>>>()?;
    let (means, deviations): (Vec<f64>, Vec<f64>) =
        rows.iter().map(|(_, _, mean, deviation)| (*mean, *deviation)).unzip();
    Ok(levels_around(&means, &deviations))
}
