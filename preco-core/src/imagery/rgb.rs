//! Eight-bit colour images in memory.

/// An image of interleaved red, green and blue bytes, row by row from the top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rgb8 {
    width: usize,
    height: usize,
    data: Vec<u8>,
}

impl Rgb8 {
    /// An image from `3 * width * height` bytes.
    ///
    /// # Panics
    /// Where the length does not fit the size.
    pub fn new(width: usize, height: usize, data: Vec<u8>) -> Self {
        assert_eq!(data.len(), 3 * width * height, "{width}x{height} pixels need three bytes each");
        Self { width, height, data }
    }

    /// An image of one colour.
    pub fn filled(width: usize, height: usize, colour: [u8; 3]) -> Self {
        Self::new(width, height, colour.repeat(width * height))
    }

    /// Width in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The bytes.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The colour at column `x`, row `y`.
    pub fn get(&self, x: usize, y: usize) -> [u8; 3] {
        let at = 3 * (y * self.width + x);
        [self.data[at], self.data[at + 1], self.data[at + 2]]
    }

    /// Sets the colour at column `x`, row `y`.
    pub fn set(&mut self, x: usize, y: usize, colour: [u8; 3]) {
        let at = 3 * (y * self.width + x);
        self.data[at..at + 3].copy_from_slice(&colour);
    }
}
