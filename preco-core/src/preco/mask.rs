//! The mask: a random share of square cells, the same number in every image.

use super::config::PrecoConfig;
use crate::rng::Stream;

/// The mask of one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    cells: Vec<bool>,
    columns: usize,
    /// Side of a cell in pixels.
    side: usize,
}

impl Mask {
    /// SimMIM's generator: a uniform permutation of the cells, of which the first ⌈ratio · cells⌉ are masked.
    ///
    /// # Randomness
    /// The caller names the stream, one per image: `(seed, "mask", step, image)`.
    pub fn random(config: &PrecoConfig, stream: &mut Stream) -> Self {
        let [rows, columns] = config.mask_grid();
        let mut order: Vec<usize> = (0..rows * columns).collect();
        stream.shuffle(&mut order);
        let mut cells = vec![false; rows * columns];
        for &cell in &order[..config.masked_cells().min(order.len())] {
            cells[cell] = true;
        }
        Self { cells, columns, side: config.mask_patch }
    }

    /// A mask from its cells, row by row; `side` is a cell's side in pixels.
    ///
    /// # Panics
    /// Where `columns` does not divide the number of cells.
    pub fn from_cells(cells: Vec<bool>, columns: usize, side: usize) -> Self {
        assert!(columns > 0 && cells.len().is_multiple_of(columns), "{} cells are no rows of {columns}", cells.len());
        Self { cells, columns, side }
    }

    /// The cells, row by row; true is masked.
    pub fn cells(&self) -> &[bool] {
        &self.cells
    }

    /// One value per square of `unit` pixels, row by row: 1 where masked. `unit` divides the cell's side, or the other way
    /// round with every cell of a square alike.
    fn squares(&self, unit: usize) -> Vec<f32> {
        let (rows, columns) = (self.cells.len() / self.columns * self.side / unit, self.columns * self.side / unit);
        let cell = |y: usize, x: usize| self.cells[y * unit / self.side * self.columns + x * unit / self.side];
        (0..rows * columns).map(|i| f32::from(u8::from(cell(i / columns, i % columns)))).collect()
    }

    /// One value per token of `patch` pixels: what the mask token replaces.
    pub fn tokens(&self, patch: usize) -> Vec<f32> {
        self.squares(patch)
    }

    /// One value per pixel, `(H, W)`.
    pub fn pixels(&self) -> Vec<f32> {
        self.squares(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbones::swin::SwinConfig;

    #[test]
    fn every_mask_has_the_share_rounded_up_and_masks_differ() {
        let config = PrecoConfig::new(SwinConfig::preset("base").expect("preset"));
        assert_eq!((config.mask_patch, config.mask_grid(), config.masked_cells()), (32, [6, 6], 22));
        let mask = |image| Mask::random(&config, &mut Stream::new(1, "mask", 0, image));
        for image in 0..50 {
            assert_eq!(mask(image).cells().iter().filter(|&&masked| masked).count(), 22);
        }
        assert_ne!(mask(0), mask(1));
        assert_eq!(mask(3), mask(3));
    }

    #[test]
    fn every_cell_is_masked_equally_often() {
        let config = PrecoConfig::new(SwinConfig::preset("base").expect("preset"));
        let mut counts = [0u32; 36];
        for image in 0..3600 {
            let mask = Mask::random(&config, &mut Stream::new(2, "mask", 0, image));
            for (count, masked) in counts.iter_mut().zip(mask.cells()) {
                *count += u32::from(*masked);
            }
        }
        // Binomial with p = 22/36: mean 2200, deviation 29.
        assert!(counts.iter().all(|&count| (2080..2320).contains(&count)), "{counts:?}");
    }

    #[test]
    fn tokens_and_pixels_repeat_the_cells() {
        let mask = Mask::from_cells(vec![true, false, false, true], 2, 4);
        assert_eq!(mask.tokens(4), [1.0, 0.0, 0.0, 1.0]);
        let two = [[1.0, 1.0, 0.0, 0.0]; 2].concat();
        assert_eq!(mask.tokens(2), [two, [[0.0, 0.0, 1.0, 1.0]; 2].concat()].concat());
        let pixels = mask.pixels();
        assert_eq!((pixels[0], pixels[4], pixels[4 * 8], pixels[63]), (1.0, 0.0, 0.0, 1.0));
    }
}
