//! Tiles and strips that a TIFF does not store (GDAL's `SPARSE_OK`): their pixels are the nodata value, or 0 where the
//! file names none.
//!
//! The reader gives zeros for them; what is put in their place is what GDAL reads there.

use tiff_reader::ifd::Ifd;

use super::{Block, SampleType, Window};

/// The pieces that are not stored, and the value of their samples.
pub(super) struct Sparse {
    /// For each plane and, in it, each piece from the left and the top: true where it is not stored.
    missing: Vec<bool>,
    /// Width and height of a piece.
    block: [usize; 2],
    /// Pieces side by side, and in a plane.
    across: usize,
    plane: usize,
    /// The bytes of a sample of theirs.
    fill: Vec<u8>,
}

impl Sparse {
    /// The missing pieces of `ifd`, where there are some and they do not read as zeros anyway.
    pub(super) fn of(ifd: &Ifd, block: [usize; 2], sample: SampleType, nodata: Option<f64>) -> Option<Self> {
        let fill = sample.stored(nodata?);
        if fill.iter().all(|&byte| byte == 0) {
            return None;
        }
        let (offsets, counts) = if ifd.is_tiled() {
            (ifd.tile_offsets()?, ifd.tile_byte_counts()?)
        } else {
            (ifd.strip_offsets()?, ifd.strip_byte_counts()?)
        };
        let missing: Vec<bool> =
            offsets.iter().zip(&counts).map(|(offset, count)| *offset == 0 || *count == 0).collect();
        if !missing.contains(&true) {
            return None;
        }
        let [across, down] = [(ifd.width() as usize).div_ceil(block[0]), (ifd.height() as usize).div_ceil(block[1])];
        Some(Self { missing, block, across, plane: across * down, fill })
    }

    /// Puts the value in the place of samples that are not stored. `bands` are those of `block`; with `planar` storage
    /// each band has pieces of its own.
    pub(super) fn fill(&self, block: &mut Block, bands: &[usize], planar: bool) {
        let (window, size) = (block.window, self.fill.len());
        let pixel = size * bands.len();
        for piece in self.within(window) {
            let inside = self.window(piece).meet(window);
            for (at, band) in bands.iter().enumerate() {
                let number = if planar { band * self.plane + piece } else { piece };
                if !self.missing.get(number).copied().unwrap_or(false) {
                    continue;
                }
                for y in inside.y..inside.y + inside.height {
                    let start = ((y - window.y) * window.width + inside.x - window.x) * pixel;
                    let row = &mut block.bytes[start..start + inside.width * pixel];
                    for pixel in row.chunks_exact_mut(pixel) {
                        pixel[at * size..(at + 1) * size].copy_from_slice(&self.fill);
                    }
                }
            }
        }
    }

    /// The pieces of a plane that `window` meets.
    fn within(&self, window: Window) -> impl Iterator<Item = usize> {
        let range = |from: usize, length: usize, side: usize| from / side..(from + length).div_ceil(side);
        let [columns, rows] =
            [range(window.x, window.width, self.block[0]), range(window.y, window.height, self.block[1])];
        let across = self.across;
        rows.flat_map(move |row| columns.clone().map(move |column| row * across + column))
    }

    fn window(&self, piece: usize) -> Window {
        let [width, height] = self.block;
        Window::new(piece % self.across * width, piece / self.across * height, width, height)
    }
}
