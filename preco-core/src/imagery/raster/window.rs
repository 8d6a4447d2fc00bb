//! A rectangle of pixels.

/// Columns `x..x + width` and rows `y..y + height` of a raster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First column.
    pub x: usize,
    /// First row.
    pub y: usize,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl Window {
    /// A window.
    pub fn new(x: usize, y: usize, width: usize, height: usize) -> Self {
        Self { x, y, width, height }
    }

    /// Pixels.
    pub fn area(&self) -> usize {
        self.width * self.height
    }

    /// The part inside a raster of `width` by `height`; empty where they do not meet.
    pub fn within(&self, width: usize, height: usize) -> Self {
        let (x, y) = (self.x.min(width), self.y.min(height));
        Self { x, y, width: self.width.min(width - x), height: self.height.min(height - y) }
    }

    /// The rows of blocks of at most `height` rows each, from the top.
    pub fn bands(self, height: usize) -> impl Iterator<Item = Self> {
        (0..self.height).step_by(height.max(1)).map(move |row| Self {
            y: self.y + row,
            height: height.max(1).min(self.height - row),
            ..self
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_inside_is_what_both_share() {
        assert_eq!(Window::new(6, 2, 8, 8).within(10, 4), Window::new(6, 2, 4, 2));
        assert_eq!(Window::new(12, 0, 8, 8).within(10, 4).area(), 0);
    }

    #[test]
    fn bands_cover_each_row_once() {
        let rows: Vec<_> = Window::new(3, 5, 2, 7).bands(3).collect();
        assert_eq!(rows, [Window::new(3, 5, 2, 3), Window::new(3, 8, 2, 3), Window::new(3, 11, 2, 1)]);
    }
}
