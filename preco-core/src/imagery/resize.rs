//! Crops and antialiased resizing, equal to Pillow's `Image.resize` in every bit.
//!
//! Two passes of fixed-point sums, along rows and along columns, with weights of 22 fractional bits and eight-bit values
//! in between (Pillow 13, `src/libImaging/Resample.c`). The sums are of integers, so every machine gives the same bytes.

use super::{Image8, MAX_PIXELS};
use crate::error::{Error, Result};

/// Fractional bits of a weight: eight bits of value and two of head room leave 22 of 32.
const BITS: u32 = 22;

/// How a resized pixel weighs its neighbours. Both widen when shrinking, so nothing aliases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Filter {
    /// A triangle of radius 1.
    Bilinear,
    /// Keys' cubic of radius 2 with `a = −0.5` (Catmull and Rom). PyTorch's own without antialiasing has −0.75.
    Bicubic,
}

impl Filter {
    fn radius(self) -> f64 {
        match self {
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
        }
    }

    fn weight(self, x: f64) -> f64 {
        const A: f64 = -0.5;
        let x = x.abs();
        match self {
            Self::Bilinear if x < 1.0 => 1.0 - x,
            Self::Bicubic if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
            Self::Bicubic if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
            _ => 0.0,
        }
    }
}

/// `image` resized to `size`, which is `[height, width]`.
///
/// # Errors
/// Those of [`resize_box`].
pub fn resize(image: &Image8, size: [usize; 2], filter: Filter) -> Result<Image8> {
    resize_box(image, [0.0, 0.0, image.width() as f32, image.height() as f32], size, filter)
}

/// The box `xyxy` of `image` resized to `size`, which is `[height, width]`.
///
/// As in Pillow, the filter sees the pixels around the box; torchvision's `resized_crop` does not, it is [`crop`] and
/// then [`resize`].
///
/// # Errors
/// [`Error::Config`] where the box is empty or leaves the image, or the size is zero or above [`MAX_PIXELS`].
pub fn resize_box(image: &Image8, xyxy: [f32; 4], size: [usize; 2], filter: Filter) -> Result<Image8> {
    let [x0, y0, x1, y1] = xyxy;
    let (width, height, bands) = (image.width(), image.height(), image.bands());
    // Written so that NaN fails.
    let inside = x0 >= 0.0 && y0 >= 0.0 && x1 <= width as f32 && y1 <= height as f32 && x0 < x1 && y0 < y1;
    if !inside {
        return Err(Error::config(format!(
            "box {x0},{y0} to {x1},{y1} is empty or leaves the {width}x{height} image it is cut from"
        )));
    }
    let [out_height, out_width] = size;
    if out_width == 0 || out_height == 0 || out_width.saturating_mul(out_height) > MAX_PIXELS {
        return Err(Error::config(format!(
            "cannot resize to {out_width}x{out_height}: a size from 1x1 to {} megapixels is needed",
            MAX_PIXELS / 1_000_000
        )));
    }
    let rows = Weights::new(height, y0, y1, out_height, filter);
    let columns = Weights::new(width, x0, x1, out_width, filter);
    let keeps_columns = out_width == width && x0 == 0.0 && x1 == width as f32;
    let keeps_rows = out_height == height && y0 == 0.0 && y1 == height as f32;
    // Values are rounded between the passes, so their order shows. Pillow 13 begins with the columns where that saves
    // much, and so must we.
    let (fewer_rows, fewer_columns) = (height as isize - out_height as isize, width as isize - out_width as isize);
    let columns_first = fewer_rows > 0 && fewer_rows > 2 * fewer_columns;
    let data = match (keeps_columns, keeps_rows) {
        (true, true) => image.data().to_vec(),
        (true, false) => rows.along_columns(image.data(), bands * width, 0),
        (false, true) => columns.along_rows(image.data(), width, bands),
        (false, false) if columns_first => {
            columns.along_rows(&rows.along_columns(image.data(), bands * width, 0), width, bands)
        }
        (false, false) => {
            let used = rows.inputs();
            let narrow = &image.data()[bands * width * used.start..bands * width * used.end];
            rows.along_columns(&columns.along_rows(narrow, width, bands), bands * out_width, used.start)
        }
    };
    Ok(Image8::new(out_width, out_height, bands, data))
}

/// The `width` by `height` pixels of `image` from column `left` and row `top`.
///
/// # Errors
/// [`Error::Config`] where they leave the image or are none.
pub fn crop(image: &Image8, left: usize, top: usize, width: usize, height: usize) -> Result<Image8> {
    let fits = |start: usize, len: usize, size: usize| len > 0 && start.checked_add(len).is_some_and(|end| end <= size);
    if !fits(left, width, image.width()) || !fits(top, height, image.height()) {
        let (w, h) = (image.width(), image.height());
        return Err(Error::config(format!("cannot cut {width}x{height} at {left},{top} from a {w}x{h} image")));
    }
    let bands = image.bands();
    let mut data = Vec::with_capacity(bands * width * height);
    for row in image.data().chunks_exact(bands * image.width()).skip(top).take(height) {
        data.extend_from_slice(&row[bands * left..bands * (left + width)]);
    }
    Ok(Image8::new(width, height, bands, data))
}

/// For each output position, the input positions it sums and their weights.
struct Weights {
    spans: Vec<Span>,
    values: Vec<i32>,
}

/// `weights` inputs from `start`, weighted by `values[at..]`.
#[derive(Clone, Copy)]
struct Span {
    start: usize,
    weights: usize,
    at: usize,
}

impl Weights {
    /// Weights that map `low..high` of `size` inputs to `out` outputs. The edges are f32 as in Pillow.
    fn new(size: usize, low: f32, high: f32, out: usize, filter: Filter) -> Self {
        let scale = f64::from(high - low) / out as f64;
        let stretch = scale.max(1.0);
        let support = filter.radius() * stretch;
        let mut made = Self { spans: Vec::with_capacity(out), values: Vec::new() };
        let mut weights = Vec::new();
        for position in 0..out {
            let centre = f64::from(low) + (position as f64 + 0.5) * scale;
            // Casts of negative floats give 0. A box edge may round onto the border, so one input always remains.
            let start = ((centre - support + 0.5) as usize).min(size - 1);
            let end = ((centre + support + 0.5) as usize).clamp(start + 1, size);
            weights.clear();
            weights.extend((start..end).map(|x| filter.weight((x as f64 - centre + 0.5) * (1.0 / stretch))));
            let sum: f64 = weights.iter().sum();
            made.spans.push(Span { start, weights: end - start, at: made.values.len() });
            let unit = f64::from(1 << BITS);
            made.values.extend(weights.iter().map(|&weight| {
                let weight = if sum == 0.0 { weight } else { weight / sum };
                (weight * unit + if weight < 0.0 { -0.5 } else { 0.5 }) as i32
            }));
        }
        made
    }

    /// All inputs that any output reads.
    fn inputs(&self) -> std::ops::Range<usize> {
        let start = self.spans.first().map_or(0, |span| span.start);
        start..self.spans.last().map_or(start, |span| span.start + span.weights)
    }

    fn of(&self, span: Span) -> &[i32] {
        &self.values[span.at..span.at + span.weights]
    }

    /// Resizes each row of `width` pixels of so many bands.
    fn along_rows(&self, source: &[u8], width: usize, bands: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(source.len() / width * self.spans.len());
        for row in source.chunks_exact(bands * width) {
            for &span in &self.spans {
                let pixels = &row[bands * span.start..bands * (span.start + span.weights)];
                match bands {
                    // Sums stay in registers.
                    3 => self.sum(span, pixels, &mut [1 << (BITS - 1); 3], &mut out),
                    _ => self.sum(span, pixels, &mut vec![1 << (BITS - 1); bands], &mut out),
                }
            }
        }
        out
    }

    /// Adds one output pixel: the weighted sum of `pixels`, onto `sums` of one value for each band.
    #[inline(always)]
    fn sum(&self, span: Span, pixels: &[u8], sums: &mut [i32], out: &mut Vec<u8>) {
        for (pixel, &weight) in pixels.chunks_exact(sums.len()).zip(self.of(span)) {
            for (sum, &value) in sums.iter_mut().zip(pixel) {
                *sum += i32::from(value) * weight;
            }
        }
        out.extend(sums.iter().map(|&sum| clip(sum)));
    }

    /// Resizes the columns of rows of `stride` bytes, of which the first is row `first` of the image.
    fn along_columns(&self, source: &[u8], stride: usize, first: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(stride * self.spans.len());
        let mut sums = vec![0i32; stride];
        for &span in &self.spans {
            sums.fill(1 << (BITS - 1));
            for (row, &weight) in source[stride * (span.start - first)..].chunks_exact(stride).zip(self.of(span)) {
                for (sum, &value) in sums.iter_mut().zip(row) {
                    *sum += i32::from(value) * weight;
                }
            }
            out.extend(sums.iter().map(|&sum| clip(sum)));
        }
        out
    }
}

fn clip(sum: i32) -> u8 {
    (sum >> BITS).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests;
