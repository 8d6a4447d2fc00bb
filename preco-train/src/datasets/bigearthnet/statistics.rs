//! Means and deviations of BigEarthNet's bands over the data set, as its authors give them with their models.

use preco_core::imagery::Levels;

use super::super::bands::levels_around;
use crate::error::{Error, Result};

/// Band as models call it, its file's ending, mean and deviation.
pub(super) const BANDS: [(&str, &str, f64, f64); 12] = [
    ("B01", "B01", 340.77, 554.81),
    ("blue", "B02", 429.94, 572.42),
    ("green", "B03", 614.22, 582.88),
    ("red", "B04", 590.24, 675.89),
    ("B05", "B05", 950.68, 729.90),
    ("B06", "B06", 1792.46, 1096.01),
    ("B07", "B07", 2075.47, 1273.45),
    ("B08", "B08", 2218.95, 1365.46),
    ("B8A", "B8A", 2266.46, 1356.14),
    ("B09", "B09", 2246.06, 1302.33),
    ("B11", "B11", 1594.43, 1079.19),
    ("B12", "B12", 1009.33, 818.87),
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
