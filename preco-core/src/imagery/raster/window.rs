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

    /// The part that both share; empty where they do not meet.
    pub fn meet(&self, other: Self) -> Self {
        let (x, y) = (self.x.max(other.x), self.y.max(other.y));
        let width = (self.x + self.width).min(other.x + other.width).saturating_sub(x);
        let height = (self.y + self.height).min(other.y + other.height).saturating_sub(y);
        Self { x, y, width, height }
    }

    /// Pieces of at most `most` pixels, or a row of one block, that together are the window, row by row: whole blocks, as they
    /// are stored, wherever one block is not larger than that, so that none is decoded twice.
    pub fn pieces(self, block: [usize; 2], most: usize) -> impl Iterator<Item = Self> {
        let [block_width, block_height] = block.map(|side| side.max(1));
        let row = self.width.saturating_mul(block_height);
        // Whole rows of blocks, as many as there is room for; or some blocks of one row, or some rows of one block.
        let (rows, columns) = if row <= most {
            (block_height * (most / row.max(1)).max(1), usize::MAX)
        } else {
            let columns = block_width.saturating_mul((most / block_width.saturating_mul(block_height)).max(1));
            (block_height.min((most / columns.min(self.width)).max(1)), columns)
        };
        self.cut(rows, columns)
    }

    /// Cut along multiples of `rows` and `columns` of the raster.
    fn cut(self, rows: usize, columns: usize) -> impl Iterator<Item = Self> {
        let (rows, columns) = (rows.max(1), columns.max(1));
        let end = (self.x + self.width, self.y + self.height);
        let starts = |from: usize, to: usize, side: usize| {
            std::iter::successors((from < to).then_some(from), move |&at| {
                Some((at / side + 1) * side).filter(|&at| at < to)
            })
        };
        starts(self.y, end.1, rows).flat_map(move |y| {
            let height = ((y / rows + 1) * rows).min(end.1) - y;
            starts(self.x, end.0, columns).map(move |x| {
                let width = ((x / columns + 1) * columns).min(end.0) - x;
                Self { x, y, width, height }
            })
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
    fn two_windows_share_what_lies_in_both() {
        assert_eq!(Window::new(2, 3, 10, 4).meet(Window::new(5, 0, 3, 5)), Window::new(5, 3, 3, 2));
        assert_eq!(Window::new(0, 0, 4, 4).meet(Window::new(6, 6, 2, 2)).area(), 0);
    }

    #[test]
    fn pieces_cover_each_pixel_once_and_end_at_blocks() {
        for (window, block, most) in [
            (Window::new(0, 0, 3000, 20), [256, 8], 4096),
            (Window::new(5, 3, 90, 70), [16, 16], 300),
            (Window::new(5, 3, 90, 70), [16, 16], 1),
            (Window::new(0, 0, 64, 700), [64, 700], 1000),
            (Window::new(1, 1, 7, 7), [64, 64], 100_000),
            (Window::new(0, 0, 30, 40), [30, 1], 100),
        ] {
            let mut seen = vec![0; window.area()];
            for piece in window.pieces(block, most) {
                assert_eq!(piece.meet(window), piece);
                let is_small = block[0] * block[1] <= most;
                assert!(piece.area() <= most.max(block[0]), "{piece:?} of {window:?} by {block:?}");
                let whole = |from: usize, length: usize, side: usize, start: usize, end: usize| {
                    (from.is_multiple_of(side) || from == start)
                        && ((from + length).is_multiple_of(side) || from + length == end)
                };
                let [x, y] = [(piece.x, piece.width), (piece.y, piece.height)];
                assert!(!is_small || whole(x.0, x.1, block[0], window.x, window.x + window.width), "{piece:?}");
                assert!(!is_small || whole(y.0, y.1, block[1], window.y, window.y + window.height), "{piece:?}");
                for row in piece.y..piece.y + piece.height {
                    let start = (row - window.y) * window.width + piece.x - window.x;
                    seen[start..start + piece.width].iter_mut().for_each(|seen| *seen += 1);
                }
            }
            assert!(seen.iter().all(|&seen| seen == 1), "{window:?} by {block:?} of {most}");
        }
    }
}
