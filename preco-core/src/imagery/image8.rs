//! Eight-bit images in memory: colours, or the bands of a sensor.

/// An image of interleaved bytes, one for each band, row by row from the top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image8 {
    width: usize,
    height: usize,
    bands: usize,
    data: Vec<u8>,
}

impl Image8 {
    /// An image from `bands * width * height` bytes.
    ///
    /// # Panics
    /// Where the length does not fit the size, or there is no band.
    pub fn new(width: usize, height: usize, bands: usize, data: Vec<u8>) -> Self {
        assert!(bands > 0, "an image has a band at least");
        assert_eq!(data.len(), bands * width * height, "{width}x{height} pixels need {bands} bytes each");
        Self { width, height, bands, data }
    }

    /// An image of red, green and blue bytes.
    ///
    /// # Panics
    /// Where the length does not fit the size.
    pub fn rgb(width: usize, height: usize, data: Vec<u8>) -> Self {
        Self::new(width, height, 3, data)
    }

    /// An image of one colour.
    pub fn filled(width: usize, height: usize, colour: [u8; 3]) -> Self {
        Self::rgb(width, height, colour.repeat(width * height))
    }

    /// Width in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Bytes of a pixel.
    pub fn bands(&self) -> usize {
        self.bands
    }

    /// The bytes.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The bytes of the pixel at column `x`, row `y`.
    pub fn pixel(&self, x: usize, y: usize) -> &[u8] {
        let at = self.bands * (y * self.width + x);
        &self.data[at..at + self.bands]
    }

    /// The same, to be changed.
    pub fn pixel_mut(&mut self, x: usize, y: usize) -> &mut [u8] {
        let at = self.bands * (y * self.width + x);
        &mut self.data[at..at + self.bands]
    }

    /// The colour at column `x`, row `y` of an image of three bands.
    ///
    /// # Panics
    /// Where it has others.
    pub fn get(&self, x: usize, y: usize) -> [u8; 3] {
        let pixel = self.pixel(x, y);
        assert_eq!(pixel.len(), 3, "a colour has three bands");
        [pixel[0], pixel[1], pixel[2]]
    }

    /// Sets the colour at column `x`, row `y` of an image of three bands.
    ///
    /// # Panics
    /// Where it has others.
    pub fn set(&mut self, x: usize, y: usize, colour: [u8; 3]) {
        self.pixel_mut(x, y).copy_from_slice(&colour);
    }

    /// The image of these bands, in this order, counted from 0.
    ///
    /// # Panics
    /// Where a band is not there.
    pub fn select(&self, bands: &[usize]) -> Self {
        let pixels = self.data.chunks_exact(self.bands);
        let data = pixels.flat_map(|pixel| bands.iter().map(|&band| pixel[band])).collect();
        Self::new(self.width, self.height, bands.len(), data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chosen_bands_keep_their_places() {
        let image = Image8::new(2, 1, 4, vec![1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(image.select(&[3, 0, 1]), Image8::rgb(2, 1, vec![4, 1, 2, 8, 5, 6]));
        assert_eq!(image.pixel(1, 0), [5, 6, 7, 8]);
    }
}
