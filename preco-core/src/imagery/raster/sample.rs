//! Stored samples: their type, and a block of them.

use super::Window;

/// The type of a stored sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleType {
    /// Eight-bit unsigned; samples of fewer bits are widened to it.
    U8,
    /// Eight-bit signed.
    I8,
    /// 16-bit unsigned.
    U16,
    /// 16-bit signed.
    I16,
    /// 32-bit unsigned.
    U32,
    /// 32-bit signed.
    I32,
    /// 64-bit unsigned.
    U64,
    /// 64-bit signed.
    I64,
    /// Single precision.
    F32,
    /// Double precision.
    F64,
}

impl SampleType {
    /// NumPy's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::U8 => "uint8",
            Self::I8 => "int8",
            Self::U16 => "uint16",
            Self::I16 => "int16",
            Self::U32 => "uint32",
            Self::I32 => "int32",
            Self::U64 => "uint64",
            Self::I64 => "int64",
            Self::F32 => "float32",
            Self::F64 => "float64",
        }
    }

    /// Bytes of a sample.
    pub fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    /// The bytes of a value in the machine's byte order, as GDAL stores a double: rounded, and brought within the range.
    pub(super) fn stored(self, value: f64) -> Vec<u8> {
        // Conversions of floats saturate.
        let whole = value.round();
        match self {
            Self::U8 => vec![whole as u8],
            Self::I8 => (whole as i8).to_ne_bytes().to_vec(),
            Self::U16 => (whole as u16).to_ne_bytes().to_vec(),
            Self::I16 => (whole as i16).to_ne_bytes().to_vec(),
            Self::U32 => (whole as u32).to_ne_bytes().to_vec(),
            Self::I32 => (whole as i32).to_ne_bytes().to_vec(),
            Self::U64 => (whole as u64).to_ne_bytes().to_vec(),
            Self::I64 => (whole as i64).to_ne_bytes().to_vec(),
            Self::F32 => (value as f32).to_ne_bytes().to_vec(),
            Self::F64 => value.to_ne_bytes().to_vec(),
        }
    }

    /// The smallest and the largest value, where the type is of eight or 16 bits.
    pub fn short_range(self) -> Option<[i32; 2]> {
        match self {
            Self::U8 => Some([0, 255]),
            Self::I8 => Some([-128, 127]),
            Self::U16 => Some([0, 65_535]),
            Self::I16 => Some([-32_768, 32_767]),
            _ => None,
        }
    }
}

/// The samples of a window as they are stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// Where they lie.
    pub window: Window,
    /// Bands of a pixel.
    pub bands: usize,
    /// Their type.
    pub sample: SampleType,
    /// Rows of pixels of bands, in the machine's byte order.
    pub bytes: Vec<u8>,
}

impl Block {
    /// These bands, in this order.
    ///
    /// # Panics
    /// Where there is no such band.
    pub fn select(self, bands: &[usize]) -> Self {
        if bands.iter().copied().eq(0..self.bands) {
            return self;
        }
        let size = self.sample.bytes();
        let mut bytes = Vec::with_capacity(self.window.area() * bands.len() * size);
        for pixel in self.bytes.chunks_exact((size * self.bands).max(1)) {
            bands.iter().for_each(|band| bytes.extend_from_slice(&pixel[size * band..size * (band + 1)]));
        }
        Self { window: self.window, bands: bands.len(), sample: self.sample, bytes }
    }

    /// Writes one band into `out` as numbers. Integers of more than 24 bits are rounded.
    ///
    /// # Shapes
    /// `out` is `(height, width)`.
    ///
    /// # Panics
    /// Where there is no such band, or `out` has another length.
    pub fn band(&self, band: usize, out: &mut [f32]) {
        assert!(band < self.bands, "band {band} of {}", self.bands);
        assert_eq!(out.len(), self.window.area(), "a number for each pixel");
        match self.sample {
            SampleType::U8 => self.convert(band, out, |[byte]| f32::from(byte)),
            SampleType::I8 => self.convert(band, out, |[byte]| f32::from(byte as i8)),
            SampleType::U16 => self.convert(band, out, |bytes| f32::from(u16::from_ne_bytes(bytes))),
            SampleType::I16 => self.convert(band, out, |bytes| f32::from(i16::from_ne_bytes(bytes))),
            SampleType::U32 => self.convert(band, out, |bytes| u32::from_ne_bytes(bytes) as f32),
            SampleType::I32 => self.convert(band, out, |bytes| i32::from_ne_bytes(bytes) as f32),
            SampleType::U64 => self.convert(band, out, |bytes| u64::from_ne_bytes(bytes) as f32),
            SampleType::I64 => self.convert(band, out, |bytes| i64::from_ne_bytes(bytes) as f32),
            SampleType::F32 => self.convert(band, out, f32::from_ne_bytes),
            SampleType::F64 => self.convert(band, out, |bytes| f64::from_ne_bytes(bytes) as f32),
        }
    }

    fn convert<const N: usize>(&self, band: usize, out: &mut [f32], number: impl Fn([u8; N]) -> f32) {
        let pixels = self.bytes.chunks_exact(N * self.bands);
        for (pixel, out) in pixels.zip(out) {
            let mut sample = [0; N];
            sample.copy_from_slice(&pixel[N * band..N * (band + 1)]);
            *out = number(sample);
        }
    }
}
