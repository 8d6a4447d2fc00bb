//! A picture to draw on: smooth lines, filled rectangles, text, pasted images.
//!
//! Coordinates are pixels from the upper left corner; whatever falls outside is cut off.

use super::text;
use preco_core::imagery::Image8;

/// Which point of a text its position names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// The middle of its left edge.
    Left,
    /// Its centre.
    Middle,
    /// The middle of its right edge.
    Right,
}

/// A picture being drawn.
#[derive(Clone, Debug)]
pub struct Canvas {
    image: Image8,
}

impl Canvas {
    /// A canvas of one colour.
    pub fn new(width: usize, height: usize, colour: [u8; 3]) -> Self {
        Self { image: Image8::filled(width, height, colour) }
    }

    /// The picture.
    pub fn finish(self) -> Image8 {
        self.image
    }

    /// Fills the pixels in `[left, right)` by `[top, bottom)`.
    pub fn rectangle(&mut self, [left, top, right, bottom]: [i32; 4], colour: [u8; 3]) {
        let (width, height) = (self.image.width() as i32, self.image.height() as i32);
        for y in top.max(0)..bottom.min(height) {
            for x in left.max(0)..right.min(width) {
                self.image.set(x as usize, y as usize, colour);
            }
        }
    }

    /// Draws a smooth line through points; one point is a dot. Where it crosses itself it is no darker.
    pub fn line(&mut self, points: &[[f32; 2]], thickness: f32, colour: [u8; 3], opacity: f32) {
        let (width, height) = (self.image.width(), self.image.height());
        let mut cover = vec![0.0f32; width * height];
        let radius = 0.5 * thickness + 0.5;
        let last = points.len().saturating_sub(1);
        for (i, &from) in points.iter().enumerate() {
            let to = points[(i + 1).min(last)];
            if !from.iter().chain(&to).all(|v| v.is_finite()) {
                continue;
            }
            // A cast saturates, so far points end at the picture's edge.
            let span = |axis: usize, limit: usize| {
                let low = (from[axis].min(to[axis]) - radius).max(0.0) as usize;
                low..((from[axis].max(to[axis]) + radius + 1.0).max(0.0) as usize).min(limit)
            };
            let edge = [to[0] - from[0], to[1] - from[1]];
            let inverse = 1.0 / (edge[0] * edge[0] + edge[1] * edge[1]).max(1e-9);
            for y in span(1, height) {
                for x in span(0, width) {
                    let offset = [x as f32 + 0.5 - from[0], y as f32 + 0.5 - from[1]];
                    let share = ((offset[0] * edge[0] + offset[1] * edge[1]) * inverse).clamp(0.0, 1.0);
                    let aside = [offset[0] - share * edge[0], offset[1] - share * edge[1]];
                    let distance = (aside[0] * aside[0] + aside[1] * aside[1]).sqrt();
                    let value = &mut cover[y * width + x];
                    *value = value.max((radius - distance).clamp(0.0, 1.0));
                }
            }
        }
        for (at, share) in cover.into_iter().enumerate().filter(|(_, share)| *share > 0.0) {
            self.blend(at % width, at / width, colour, share * opacity);
        }
    }

    /// Writes one line of text, `height` pixels high, and returns its width.
    pub fn text(&mut self, text: &str, [x, y]: [i32; 2], anchor: Anchor, height: usize, colour: [u8; 3]) -> usize {
        let width = text::width(text, height);
        let mut left = match anchor {
            Anchor::Left => x,
            Anchor::Middle => x - width as i32 / 2,
            Anchor::Right => x - width as i32,
        };
        let top = y - height as i32 / 2;
        for letter in text.chars() {
            let glyph = text::glyph(letter, height);
            for (at, &share) in glyph.coverage.iter().enumerate() {
                let (x, y) = (left + (at % glyph.width) as i32, top + (at / glyph.width) as i32);
                if x >= 0 && y >= 0 && (x as usize) < self.image.width() && (y as usize) < self.image.height() {
                    self.blend(x as usize, y as usize, colour, share);
                }
            }
            left += glyph.width as i32;
        }
        width
    }

    /// Copies an image with its upper left corner at (`left`, `top`), each pixel as a square of `scale` pixels.
    pub fn paste(&mut self, image: &Image8, left: usize, top: usize, scale: usize) {
        let right = (left + scale * image.width()).min(self.image.width());
        let bottom = (top + scale * image.height()).min(self.image.height());
        for y in top..bottom {
            for x in left..right {
                self.image.set(x, y, image.get((x - left) / scale, (y - top) / scale));
            }
        }
    }

    fn blend(&mut self, x: usize, y: usize, colour: [u8; 3], share: f32) {
        let mut pixel = self.image.get(x, y);
        for (band, &target) in pixel.iter_mut().zip(&colour) {
            let from = f32::from(*band);
            *band = (from + (f32::from(target) - from) * share + 0.5) as u8;
        }
        self.image.set(x, y, pixel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    const WHITE: [u8; 3] = [255; 3];
    const BLACK: [u8; 3] = [0; 3];

    #[test]
    fn a_line_on_pixel_centres_is_black_there_and_white_beside() {
        let mut canvas = Canvas::new(9, 5, WHITE);
        canvas.line(&[[1.5, 2.5], [7.5, 2.5]], 1.0, BLACK, 1.0);
        let image = canvas.finish();
        assert_eq!((image.get(4, 2), image.get(4, 1), image.get(4, 3)), (BLACK, WHITE, WHITE));
    }

    #[test]
    fn nothing_outside_or_infinite_is_drawn_or_panics() {
        let mut canvas = Canvas::new(8, 8, WHITE);
        canvas.line(&[[-1e30, 3.0], [f32::NAN, 4.0], [f32::INFINITY, 4.0], [-50.0, -50.0]], 2.0, BLACK, 1.0);
        canvas.line(&[], 1.0, BLACK, 1.0);
        canvas.rectangle([-5, -5, -1, 90], BLACK);
        canvas.paste(&Image8::filled(4, 4, BLACK), 100, 100, 3);
        canvas.text("far away", [-500, 900], Anchor::Middle, 12, BLACK);
        assert_eq!(canvas.finish(), Image8::filled(8, 8, WHITE));
    }

    #[test]
    fn a_pasted_pixel_becomes_a_square() {
        let mut canvas = Canvas::new(6, 6, WHITE);
        canvas.paste(&Image8::filled(1, 1, BLACK), 2, 1, 3);
        let image = canvas.finish();
        let black = (0..36).filter(|i| image.get(i % 6, i / 6) == BLACK).count();
        assert_eq!((black, image.get(2, 1), image.get(4, 3)), (9, BLACK, BLACK));
    }
}
