//! From reflectance to bytes: sun and shadow, haze, blur, noise.

use super::dice::Dice;
use super::ground::{Ground, mixed, scaled};
use super::noise::{bell, hash};
use super::palette::Style;

/// The longest shadow, pixels.
const MAX_SHADOW_PX: usize = 40;

/// Renders the ground as the sensor sees it: interleaved red, green, blue.
pub(super) fn render(ground: &mut Ground, style: &Style, dice: &mut Dice) -> Vec<u8> {
    let size = ground.size;
    cast_shadows(ground, style, dice.between(0.35, 0.6));
    let (gain, haze) = (dice.between(0.75, 1.3), dice.between(0.0, 0.3));
    // Low sun is warm, high sun and shade are cool; white balance errs along the same line.
    let (warmth, green) = (dice.between(-0.07, 0.07), dice.between(-0.02, 0.02));
    let tint = [1.0 + warmth, 1.0 + green, 1.0 - warmth];
    let veil = [0.58, 0.62, 0.68].map(|band| band * dice.between(0.85, 1.1));
    let (slope, across) = (dice.between(0.0, 0.16), dice.direction());
    for (at, colour) in ground.colour.iter_mut().enumerate() {
        let (x, y) = ((at % size) as f32 / size as f32 - 0.5, (at / size) as f32 / size as f32 - 0.5);
        let light = gain * (1.0 + slope * (x * across[0] + y * across[1]));
        // Thin haze drifts: it is denser where the coarse noise is high.
        let share = (haze * (1.0 + 0.35 * ground.coarse[at])).clamp(0.0, 0.5);
        let lit = scaled(*colour, light);
        *colour = mixed([lit[0] * tint[0], lit[1] * tint[1], lit[2] * tint[2]], veil, share);
    }
    blur(&mut ground.colour, size, dice.between(0.08, 0.22));
    let (sigma, chroma, seed) = (dice.between(0.005, 0.017), dice.between(0.2, 0.7), dice.seed());
    let mut bytes = Vec::with_capacity(3 * size * size);
    for (at, colour) in ground.colour.iter().enumerate() {
        let common = bell(hash(at as i32, 0, seed));
        for (band, &value) in colour.iter().enumerate() {
            let own = bell(hash(at as i32, band as i32 + 1, seed));
            let noisy = value + sigma * (common + chroma * own);
            // A cast saturates, so values beyond white or black stop there.
            bytes.push((noisy * 255.0 + 0.5) as u8);
        }
    }
    bytes
}

/// Darkens what something higher hides from the sun, by marching towards the sun over the heights.
fn cast_shadows(ground: &mut Ground, style: &Style, depth: f32) {
    let (size, rise) = (ground.size as i32, ground.gsd / style.shadow);
    let highest = ground.height.iter().fold(0.0f32, |a, &b| a.max(b));
    let steps = ((highest / rise) as usize).min(MAX_SHADOW_PX);
    let ahead: Vec<(i32, i32, f32)> = (1..=steps)
        .map(|i| {
            let i = i as f32;
            ((style.sun[0] * i + 0.5).floor() as i32, (style.sun[1] * i + 0.5).floor() as i32, i * rise)
        })
        .collect();
    for y in 0..size {
        for x in 0..size {
            let at = (y * size + x) as usize;
            let own = ground.height[at];
            let mut excess = 0.0f32;
            for &(dx, dy, level) in &ahead {
                if own + level >= highest {
                    break;
                }
                let (x, y) = (x + dx, y + dy);
                if x < 0 || y < 0 || x >= size || y >= size {
                    break;
                }
                excess = excess.max(ground.height[(y * size + x) as usize] - own - level);
            }
            // Half a metre of penumbra, and skylight is bluer than sunlight.
            let shade = depth * (2.0 * excess).min(1.0);
            let [red, green, blue] = ground.colour[at];
            ground.colour[at] = [red * (1.0 - shade), green * (1.0 - 0.97 * shade), blue * (1.0 - 0.9 * shade)];
        }
    }
}

/// The optics: `[w, 1 - 2w, w]` in both directions, edges repeated.
fn blur(colour: &mut [[f32; 3]], size: usize, weight: f32) {
    let middle = 1.0 - 2.0 * weight;
    let mix =
        |a: [f32; 3], b: [f32; 3], c: [f32; 3]| [0, 1, 2].map(|band| weight * (a[band] + c[band]) + middle * b[band]);
    for row in colour.chunks_exact_mut(size) {
        let mut before = row[0];
        for x in 0..size {
            let (here, after) = (row[x], row[(x + 1).min(size - 1)]);
            row[x] = mix(before, here, after);
            before = here;
        }
    }
    let mut before = colour[..size].to_vec();
    for y in 0..size {
        let next = (y + 1).min(size - 1) * size;
        for (x, above) in before.iter_mut().enumerate() {
            let (here, after) = (colour[y * size + x], colour[next + x]);
            colour[y * size + x] = mix(*above, here, after);
            *above = here;
        }
    }
}
