//! From pixels to coordinates.

/// `x = a col + b row + c`, `y = d col + e row + f`, in rasterio's order of letters.
///
/// Columns and rows are those of pixels' corners: the middle of the first pixel is at 0.5, 0.5.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    /// x per column.
    pub a: f64,
    /// x per row.
    pub b: f64,
    /// x of the first pixel's corner.
    pub c: f64,
    /// y per column.
    pub d: f64,
    /// y per row.
    pub e: f64,
    /// y of the first pixel's corner.
    pub f: f64,
}

impl Affine {
    /// From `[a, b, c, d, e, f]`.
    pub fn new([a, b, c, d, e, f]: [f64; 6]) -> Self {
        Self { a, b, c, d, e, f }
    }

    /// `[a, b, c, d, e, f]`.
    pub fn coefficients(&self) -> [f64; 6] {
        [self.a, self.b, self.c, self.d, self.e, self.f]
    }

    /// The coordinates of a column and a row.
    pub fn apply(&self, col: f64, row: f64) -> [f64; 2] {
        [self.a * col + self.b * row + self.c, self.d * col + self.e * row + self.f]
    }

    /// From coordinates to pixels; nothing where all pixels lie on a line.
    pub fn inverse(&self) -> Option<Self> {
        let determinant = self.a * self.e - self.b * self.d;
        let scale = (self.a * self.e).abs() + (self.b * self.d).abs();
        if !determinant.is_finite() || determinant.abs() <= f64::EPSILON * scale {
            return None;
        }
        let [a, b, d, e] = [self.e, -self.b, -self.d, self.a].map(|value| value / determinant);
        Some(Self { a, b, c: -(a * self.c + b * self.f), d, e, f: -(d * self.c + e * self.f) })
    }

    /// The same with its first pixel at column `col` and row `row`.
    pub fn moved(&self, col: f64, row: f64) -> Self {
        let [c, f] = self.apply(col, row);
        Self { c, f, ..*self }
    }

    /// The same with pixels `sx` times as wide and `sy` times as high.
    pub fn scaled(&self, sx: f64, sy: f64) -> Self {
        Self { a: self.a * sx, b: self.b * sy, d: self.d * sx, e: self.e * sy, ..*self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROTATED: [f64; 6] = [17.32, 5.0, 100.0, 10.0, -8.66, 200.0];

    #[test]
    fn the_inverse_leads_back() {
        let affine = Affine::new(ROTATED);
        let [x, y] = affine.apply(7.25, -3.5);
        let [col, row] = affine.inverse().expect("inverse").apply(x, y);
        assert!((col - 7.25).abs() < 1e-12 && (row + 3.5).abs() < 1e-12, "{col}, {row}");
        assert_eq!(Affine::new([1.0, 2.0, 0.0, 2.0, 4.0, 0.0]).inverse(), None);
    }

    #[test]
    fn moving_and_scaling_keep_the_place_of_a_corner() {
        let affine = Affine::new(ROTATED);
        assert_eq!(affine.moved(4.0, 6.0).scaled(2.0, 3.0).apply(1.0, 1.0), affine.apply(6.0, 9.0));
    }
}
