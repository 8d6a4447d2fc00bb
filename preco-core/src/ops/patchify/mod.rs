//! Images to rows of patches and back: a convolution whose kernel is its stride is a product over such rows, and pixel
//! shuffle is the way back.
//!
//! Shapes: `(N, channels, H, W)` to `(N · rows · columns, channels · patch²)`, features in the order channel, row, column:
//! the order of a flattened convolution kernel and of PixelShuffle's channels. A patch that reaches over the right or the
//! bottom edge reads zeros there.

pub(crate) mod cpu;

/// How an image is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatchGeometry {
    /// Channels of the image.
    pub channels: usize,
    /// Height and width of the image in pixels.
    pub size: [usize; 2],
    /// Side of a patch in pixels.
    pub patch: usize,
}

impl PatchGeometry {
    /// Rows and columns of patches.
    pub fn grid(&self) -> [usize; 2] {
        self.size.map(|side| side.div_ceil(self.patch))
    }

    /// Patches of one image.
    pub fn tokens(&self) -> usize {
        self.grid()[0] * self.grid()[1]
    }

    /// Values of one patch.
    pub fn features(&self) -> usize {
        self.channels * self.patch * self.patch
    }

    /// Values of one image.
    pub fn pixels(&self) -> usize {
        self.channels * self.size[0] * self.size[1]
    }
}
