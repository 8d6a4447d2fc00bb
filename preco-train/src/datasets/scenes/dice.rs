//! The scene's random stream in the units that drawing needs.

use super::shapes::Point;
use preco_core::rng::Stream;

/// Draws of one scene.
///
/// # Randomness
/// Stream `scene` at step = the scene's number, index 0.
pub(super) struct Dice(Stream);

impl Dice {
    pub(super) fn new(seed: u64, scene: usize) -> Self {
        Self(Stream::new(seed, "scene", scene as u64, 0))
    }

    /// Uniform in `[low, high)`.
    pub(super) fn between(&mut self, low: f32, high: f32) -> f32 {
        self.0.between(f64::from(low), f64::from(high)) as f32
    }

    pub(super) fn chance(&mut self, p: f32) -> bool {
        self.0.chance(f64::from(p))
    }

    /// Uniform in `0..n`.
    pub(super) fn below(&mut self, n: usize) -> usize {
        self.0.below(n)
    }

    pub(super) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    /// A number that names a noise field.
    pub(super) fn seed(&mut self) -> u32 {
        self.0.next_u64() as u32
    }

    /// A uniform direction, by rejection: no sine, whose last bit differs between platforms.
    pub(super) fn direction(&mut self) -> Point {
        loop {
            let (x, y) = (self.between(-1.0, 1.0), self.between(-1.0, 1.0));
            let square = x * x + y * y;
            if (0.01..=1.0).contains(&square) {
                let length = square.sqrt();
                return [x / length, y / length];
            }
        }
    }

    /// A colour near `colour`: brightness by up to `spread`, each band by a third of that.
    pub(super) fn near(&mut self, colour: [f32; 3], spread: f32) -> [f32; 3] {
        let gain = 1.0 + self.between(-spread, spread);
        colour.map(|band| band * gain * (1.0 + self.between(-spread, spread) / 3.0))
    }
}
