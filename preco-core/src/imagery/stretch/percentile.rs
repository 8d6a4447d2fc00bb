//! Exact percentiles of a scene's bands, in two passes and fixed memory.
//!
//! A float's bits, turned so that they rise with its value, are counted by their upper half; a second pass counts the lower
//! half of those whose upper half holds a percentile. Eight- and 16-bit integers need one pass, but take the same road.

use crate::error::Result;
use crate::imagery::raster::{Pixels, Raster};

/// The values at two percentages of each band's sorted values, over pixels with data; nothing where there are none.
///
/// The value at `p` percent of `n` is the one at rank `ceil(p n / 100)`, counted from 1: one that is in the scene.
///
/// # Errors
/// Those of reading.
pub fn percentiles(raster: &dyn Raster, bands: &[usize], percent: [f64; 2]) -> Result<Option<Vec<[f64; 2]>>> {
    let mut upper = vec![vec![0u64; 1 << 16]; bands.len()];
    each_value(raster, bands, |band, key| upper[band][(key >> 16) as usize] += 1)?;
    let count: u64 = upper.first().map_or(0, |counts| counts.iter().sum());
    if count == 0 {
        return Ok(None);
    }
    let rank = |percent: f64| ((percent / 100.0 * count as f64).ceil() as u64).clamp(1, count);
    // For each band and percentage the upper half of the value's key, and the rank within it.
    let found: Vec<[(usize, u64); 2]> =
        upper.iter().map(|counts| percent.map(|percent| at_rank(counts, rank(percent)))).collect();
    let mut lower = vec![[vec![0u64; 1 << 16], vec![0u64; 1 << 16]]; bands.len()];
    each_value(raster, bands, |band, key| {
        for end in 0..2 {
            if (key >> 16) as usize == found[band][end].0 {
                lower[band][end][(key & 0xffff) as usize] += 1;
            }
        }
    })?;
    let value = |band: usize, end: usize| {
        let (high, rank) = found[band][end];
        let (low, _) = at_rank(&lower[band][end], rank);
        f64::from(value_of((high as u32) << 16 | low as u32))
    };
    Ok(Some((0..bands.len()).map(|band| [value(band, 0), value(band, 1)]).collect()))
}

/// The bin that holds rank `rank`, and the rank within it.
fn at_rank(counts: &[u64], rank: u64) -> (usize, u64) {
    let mut before = 0;
    for (bin, &count) in counts.iter().enumerate() {
        if before + count >= rank {
            return (bin, rank - before);
        }
        before += count;
    }
    (counts.len() - 1, 1)
}

fn each_value(raster: &dyn Raster, bands: &[usize], mut see: impl FnMut(usize, u32)) -> Result<()> {
    let info = raster.info();
    for window in info.pieces(info.window()) {
        let pixels = Pixels::read(raster, window, bands)?;
        for (band, plane) in pixels.values.chunks_exact(pixels.valid.len()).enumerate() {
            let with_data = plane.iter().zip(&pixels.valid).filter(|(_, valid)| **valid);
            with_data.for_each(|(value, _)| see(band, key_of(*value)));
        }
    }
    Ok(())
}

/// A number that rises with the value: negative floats are turned over, positive ones put above them.
fn key_of(value: f32) -> u32 {
    let bits = value.to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

fn value_of(key: u32) -> f32 {
    f32::from_bits(if key >> 31 == 1 { key & !(1 << 31) } else { !key })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_rise_with_values_and_lead_back() {
        let values = [f32::MIN, -7.5, -1e-20, 0.0, 1e-20, 0.1, 7.5, f32::MAX];
        let keys = values.map(key_of);
        assert!(keys.is_sorted());
        assert_eq!(keys.map(value_of), values);
    }

    #[test]
    fn percentiles_are_those_of_sorted_values() {
        use crate::geo::{Affine, RasterOut, Samples, write_geotiff};
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("scene.tif");
        let [width, height] = [37, 600];
        let mut stream = crate::rng::Stream::new(3, "values", 0, 0);
        let mut values: Vec<f32> = (0..width * height).map(|_| (1000.0 * stream.normal()) as f32).collect();
        values[5..900].fill(-9999.0);
        values[3] = f32::NAN;
        let affine = Affine::new([1.0, 0.0, 0.0, 0.0, -1.0, 0.0]);
        let nodata = Some(-9999.0);
        let out = RasterOut { width, height, bands: 1, affine: Some(&affine), crs: None, nodata, palette: None };
        write_geotiff(&path, &out, Samples::F32(&values)).expect("write");
        let raster = crate::imagery::raster::open_file(&path, 0).expect("open");
        let mut sorted: Vec<f32> = values.into_iter().filter(|value| value.is_finite() && *value != -9999.0).collect();
        sorted.sort_by(f32::total_cmp);
        for percent in [[0.0, 100.0], [2.0, 98.0], [49.9, 50.1]] {
            let rank = percent.map(|percent| ((percent / 100.0 * sorted.len() as f64).ceil() as usize).max(1) - 1);
            let expected = rank.map(|rank| f64::from(sorted[rank]));
            assert_eq!(percentiles(&*raster, &[0], percent).expect("read"), Some(vec![expected]), "{percent:?}");
        }
    }
}
