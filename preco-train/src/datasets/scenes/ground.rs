//! The scene while it is drawn: reflectance, height and truth per pixel.

use super::noise;
use super::shapes::{Point, scan};

/// A reflectance: red, green, blue, about 0 to 1.
pub(super) type Colour = [f32; 3];

/// Planes of one scene, row by row.
pub(super) struct Ground {
    pub(super) size: usize,
    pub(super) gsd: f32,
    pub(super) colour: Vec<Colour>,
    /// Metres above the ground: decides what hides what and who throws shadows.
    pub(super) height: Vec<f32>,
    pub(super) mask: Vec<u8>,
    /// The building a pixel shows; 0 for none.
    pub(super) instance: Vec<u16>,
    /// Noise of tens of metres: growth, moisture, wear.
    pub(super) coarse: Vec<f32>,
    /// Noise of a few metres and less: grain.
    pub(super) fine: Vec<f32>,
}

impl Ground {
    pub(super) fn new(size: usize, gsd: f32, seed: u32) -> Self {
        let pixels = size * size;
        Self {
            size,
            gsd,
            colour: vec![[0.4; 3]; pixels],
            height: vec![0.0; pixels],
            mask: vec![0; pixels],
            instance: vec![0; pixels],
            coarse: noise::fractal(size, 40.0 / gsd, 3, seed),
            fine: noise::fractal(size, 6.0 / gsd, 3, !seed),
        }
    }

    /// The scene's side in metres.
    pub(super) fn extent(&self) -> f32 {
        self.size as f32 * self.gsd
    }

    /// The centre of a pixel.
    pub(super) fn place(&self, column: usize, row: usize) -> Point {
        [(column as f32 + 0.5) * self.gsd, (row as f32 + 0.5) * self.gsd]
    }

    /// The pixel under a place, the nearest one for a place outside.
    pub(super) fn nearest(&self, place: Point) -> usize {
        let clamp = |v: f32| ((v / self.gsd).max(0.0) as usize).min(self.size - 1);
        clamp(place[1]) * self.size + clamp(place[0])
    }

    /// Reflectance with texture: `grain` is the weight of the coarse and of the fine noise.
    pub(super) fn textured(&self, at: usize, colour: Colour, grain: [f32; 2]) -> Colour {
        scaled(colour, 1.0 + grain[0] * self.coarse[at] + grain[1] * self.fine[at])
    }

    /// Covers a polygon with flat ground of one class; `shade(self, pixel, place)` gives the reflectance.
    pub(super) fn cover(&mut self, polygon: &[Point], class: u8, shade: impl Fn(&Self, usize, Point) -> Colour) {
        let (size, gsd) = (self.size, self.gsd);
        scan(size, gsd, polygon, |column, row| {
            let at = row * size + column;
            self.colour[at] = shade(self, at, self.place(column, row));
            self.mask[at] = class;
        });
    }
}

pub(super) fn scaled(colour: Colour, gain: f32) -> Colour {
    colour.map(|band| band * gain)
}

pub(super) fn mixed(a: Colour, b: Colour, share: f32) -> Colour {
    [a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share]
}

/// A triangle wave of period 1 in `[-1, 1]`.
pub(super) fn wave(t: f32) -> f32 {
    4.0 * (t - t.floor() - 0.5).abs() - 1.0
}
