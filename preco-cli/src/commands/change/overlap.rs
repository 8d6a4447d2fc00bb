//! The part of the Earth that two scenes share, in pixels of both.

use anyhow::{Result, bail, ensure};
use preco_core::geo::Affine;
use preco_core::imagery::raster::RasterInfo;

/// Sizes of pixels may differ by this part: two pixels over ten thousand.
const SIZE: f64 = 2e-4;

/// What both scenes show.
#[derive(Debug, PartialEq)]
pub(super) struct Overlap {
    /// Where it begins in each scene: column and row.
    pub(super) origin: [[usize; 2]; 2],
    /// Columns and rows.
    pub(super) size: [usize; 2],
}

impl Overlap {
    /// By coordinates where both scenes have some, to the nearest pixel; by pixels where neither has.
    ///
    /// # Errors
    /// Where coordinate systems, sizes of pixels or rotations differ, or nothing is shared.
    pub(super) fn of(before: &RasterInfo, after: &RasterInfo) -> Result<Self> {
        let sizes = [before, after].map(|info| [info.width, info.height]);
        let offset = match (&before.affine, &after.affine) {
            (Some(before_affine), Some(after_affine)) => {
                ensure!(
                    before.crs == after.crs,
                    "{} is in {}, {} in {}: bring them into one system first (gdalwarp)",
                    before.name,
                    system(before),
                    after.name,
                    system(after)
                );
                offset(before_affine, after_affine)?
            }
            (None, None) => {
                ensure!(
                    sizes[0] == sizes[1],
                    "without coordinates both scenes must have one size, not {:?} and {:?}",
                    sizes[0],
                    sizes[1]
                );
                [0, 0]
            }
            _ => bail!("one of {} and {} has coordinates, the other none", before.name, after.name),
        };
        let mut overlap = Self { origin: [[0; 2]; 2], size: [0; 2] };
        for axis in 0..2 {
            // Pixel p of the earlier scene is pixel p + offset of the later one.
            let start = (-offset[axis]).max(0);
            let end = (sizes[0][axis] as i64).min(sizes[1][axis] as i64 - offset[axis]);
            ensure!(end > start, "{} and {} show no common place", before.name, after.name);
            overlap.origin[0][axis] = start as usize;
            overlap.origin[1][axis] = (start + offset[axis]) as usize;
            overlap.size[axis] = (end - start) as usize;
        }
        Ok(overlap)
    }
}

fn system(info: &RasterInfo) -> &str {
    info.crs.as_ref().map_or("no coordinate system", |crs| crs.name())
}

/// Columns and rows from the earlier scene's pixels to the later one's.
fn offset(before: &Affine, after: &Affine) -> Result<[i64; 2]> {
    let pixel = before.a.hypot(before.d).max(before.b.hypot(before.e));
    let differs = |one: f64, other: f64| (one - other).abs() > SIZE * pixel;
    let shapes = [(before.a, after.a), (before.b, after.b), (before.d, after.d), (before.e, after.e)];
    if shapes.iter().any(|&(one, other)| differs(one, other)) {
        let [b, a] = [before, after].map(|affine| [affine.a, affine.b, affine.d, affine.e]);
        bail!("pixels differ in size or direction, {b:?} and {a:?}: bring them onto one grid first (gdalwarp -tr)");
    }
    let Some(inverse) = after.inverse() else { bail!("the later scene's pixels all lie on a line") };
    let offset = inverse.apply(before.c, before.f).map(f64::round);
    ensure!(offset.iter().all(|value| value.abs() < 1e15), "the scenes lie too far apart");
    Ok(offset.map(|value| value as i64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use preco_core::geo::Crs;
    use preco_core::imagery::Image8;
    use preco_core::imagery::raster::{ImageRaster, Raster};

    fn info(size: [usize; 2], affine: Option<[f64; 6]>, crs: u16) -> RasterInfo {
        let mut info = ImageRaster::new(Image8::filled(size[0], size[1], [0; 3]), "scene").info().clone();
        info.affine = affine.map(Affine::new);
        info.crs = affine.map(|_| Crs::epsg(crs));
        info
    }

    #[test]
    fn shifted_scenes_share_what_both_show() {
        let before = info([100, 80], Some([2.0, 0.0, 1000.0, 0.0, -2.0, 5000.0]), 32614);
        let after = info([90, 100], Some([2.0, 0.0, 1020.3, 0.0, -2.0, 5012.0]), 32614);
        let overlap = Overlap::of(&before, &after).expect("overlap");
        assert_eq!(overlap, Overlap { origin: [[10, 0], [0, 6]], size: [90, 80] });
        let same = Overlap::of(&info([5, 4], None, 0), &info([5, 4], None, 0)).expect("overlap");
        assert_eq!(same, Overlap { origin: [[0; 2]; 2], size: [5, 4] });
    }

    #[test]
    fn scenes_that_cannot_be_compared_are_refused_with_the_reason() {
        let place = |x: f64, size: f64| Some([size, 0.0, x, 0.0, -size, 5000.0]);
        let before = info([100, 80], place(1000.0, 2.0), 32614);
        let cases = [
            (info([100, 80], place(1000.0, 2.1), 32614), "size or direction"),
            (info([100, 80], place(1000.0, 2.0), 32615), "one system first"),
            (info([100, 80], place(1300.0, 2.0), 32614), "no common place"),
            (info([100, 80], None, 0), "the other none"),
        ];
        for (after, needle) in cases {
            let error = Overlap::of(&before, &after).expect_err(needle).to_string();
            assert!(error.contains(needle), "{error}");
        }
    }
}
