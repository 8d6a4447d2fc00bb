//! A sheet of reconstructions: a row for each image, a column for each view of it.

use super::canvas::{Anchor, Canvas};
use super::text;
use preco_core::imagery::Image8;

const INK: [u8; 3] = [38, 42, 48];
const QUIET: [u8; 3] = [110, 116, 124];

/// Tiles are enlarged by a whole factor to at least this side.
const LEAST_TILE_PX: usize = 96;
const MARGIN: usize = 16;
const GAP: usize = 8;
const HEADER: usize = 28;
const FOOTER: usize = 30;

/// Rows of images under column titles, with a caption.
///
/// # Example
/// ```
/// use preco_core::imagery::Image8;
/// use preco_train::report::ReconstructionSheet;
/// let tile = Image8::filled(64, 64, [90, 120, 60]);
/// let sheet = ReconstructionSheet::new().row(vec![tile.clone(), tile]).caption("step 200");
/// // 64 pixels are doubled: 2 margins, 4 columns of 128, 3 gaps.
/// assert_eq!(sheet.render().width(), 2 * 16 + 4 * 128 + 3 * 8);
/// ```
#[derive(Clone, Debug)]
pub struct ReconstructionSheet {
    columns: Vec<String>,
    rows: Vec<Vec<Image8>>,
    caption: String,
}

impl Default for ReconstructionSheet {
    fn default() -> Self {
        Self::new()
    }
}

impl ReconstructionSheet {
    /// A sheet with the columns of pre-training: original, masked, masked branch, prompt branch.
    pub fn new() -> Self {
        Self::with_columns(&["original", "masked", "masked branch", "prompt branch"])
    }

    /// A sheet with other columns.
    pub fn with_columns(columns: &[&str]) -> Self {
        let columns = columns.iter().map(|&name| name.to_owned()).collect();
        Self { columns, rows: Vec::new(), caption: String::new() }
    }

    /// Adds a row, one image for each column; missing ones stay blank, further ones have no title.
    pub fn row(mut self, tiles: Vec<Image8>) -> Self {
        self.rows.push(tiles);
        self
    }

    /// The line below the tiles.
    pub fn caption(mut self, caption: impl Into<String>) -> Self {
        self.caption = caption.into();
        self
    }

    /// Draws the sheet; it is as wide as its tiles, or as its caption where that is wider.
    pub fn render(&self) -> Image8 {
        let columns = self.rows.iter().map(Vec::len).chain([self.columns.len()]).max().unwrap_or(0);
        let tile_width = |tile: &Image8| tile.width() * factor(tile);
        let tile_height = |tile: &Image8| tile.height() * factor(tile);
        let tiles = self.rows.iter().flatten();
        let titles = self.columns.iter().map(|title| text::width(title, 13));
        let pitch = tiles.map(tile_width).chain(titles).max().unwrap_or(0).max(LEAST_TILE_PX) + GAP;
        let heights: Vec<usize> =
            self.rows.iter().map(|row| row.iter().map(tile_height).max().unwrap_or(0) + GAP).collect();
        let body = (columns * pitch).saturating_sub(GAP).max(text::width(&self.caption, 12));
        let (width, height) = (2 * MARGIN + body, HEADER + MARGIN + heights.iter().sum::<usize>() + FOOTER);
        let mut canvas = Canvas::new(width, height, [255; 3]);
        for (i, title) in self.columns.iter().enumerate() {
            let middle = MARGIN + i * pitch + (pitch - GAP) / 2;
            canvas.text(title, [middle as i32, (MARGIN + HEADER / 2 - 4) as i32], Anchor::Middle, 13, INK);
        }
        let mut top = MARGIN + HEADER - 4;
        for (row, height) in self.rows.iter().zip(&heights) {
            for (i, tile) in row.iter().enumerate() {
                let left = MARGIN + i * pitch + (pitch - GAP - tile_width(tile)) / 2;
                canvas.paste(tile, left, top, factor(tile));
            }
            top += height;
        }
        let at = [MARGIN as i32, (height - FOOTER / 2 - 2) as i32];
        canvas.text(&self.caption, at, Anchor::Left, 12, QUIET);
        canvas.finish()
    }
}

/// The smallest whole enlargement that reaches the least side.
fn factor(tile: &Image8) -> usize {
    LEAST_TILE_PX.div_ceil(tile.width().min(tile.height()).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_tiles_grow_by_whole_factors_and_large_ones_stay() {
        let side = |px| factor(&Image8::filled(px, px, [0; 3])) * px;
        assert_eq!([side(32), side(64), side(95), side(96), side(192)], [96, 128, 190, 96, 192]);
    }

    #[test]
    fn tiles_lie_in_their_columns() {
        let tile = |colour| Image8::filled(96, 96, colour);
        let row = vec![tile([1, 0, 0]), tile([2, 0, 0]), tile([3, 0, 0]), tile([4, 0, 0])];
        let image = ReconstructionSheet::new().row(row.clone()).row(row).caption("two rows").render();
        let pitch = (image.width() - 2 * MARGIN + GAP) / 4;
        for column in 0..4 {
            for y in [MARGIN + HEADER + 40, MARGIN + HEADER + 150] {
                assert_eq!(image.get(MARGIN + column * pitch + 50, y)[0], column as u8 + 1);
            }
        }
    }

    #[test]
    fn empty_sheets_and_uneven_rows_are_drawn() {
        assert!(ReconstructionSheet::with_columns(&[]).render().width() > 0);
        let uneven = ReconstructionSheet::with_columns(&["one"])
            .row(Vec::new())
            .row(vec![Image8::filled(0, 0, [0; 3]), Image8::filled(10, 30, [0; 3])]);
        assert!(uneven.render().height() > 0);
    }
}
