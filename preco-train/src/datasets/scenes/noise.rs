//! Value noise: smooth random texture from hashed lattice points.
//!
//! Uses only operations whose results IEEE 754 fixes to the last bit (`+ - * /`, `sqrt`, `floor`), so the bytes of a
//! scene are the same on every platform; no `sin`, `exp` or `powf` anywhere in this folder.

/// 32 well-mixed bits of a lattice point (the finaliser of MurmurHash3).
pub(super) fn hash(x: i32, y: i32, seed: u32) -> u32 {
    let mut bits = (x as u32).wrapping_mul(0x9e37_79b1) ^ (y as u32).wrapping_mul(0x85eb_ca77) ^ seed;
    bits = (bits ^ (bits >> 16)).wrapping_mul(0x85eb_ca6b);
    bits = (bits ^ (bits >> 13)).wrapping_mul(0xc2b2_ae35);
    bits ^ (bits >> 16)
}

/// Bits as a number in `[-1, 1)`.
pub(super) fn signed(bits: u32) -> f32 {
    (bits >> 8) as f32 * (2.0 / 16_777_216.0) - 1.0
}

/// Bits as a number of mean 0 and variance 1, bell-shaped: the sum of four bytes.
pub(super) fn bell(bits: u32) -> f32 {
    let sum: u32 = bits.to_le_bytes().into_iter().map(u32::from).sum();
    // Each byte has variance (256² - 1) / 12.
    (sum as f32 - 510.0) * (1.0 / 147.8)
}

/// Smooth noise along a line, in `[-1, 1)`, one lattice point per unit of `t`.
pub(super) fn along(t: f32, seed: u32) -> f32 {
    let cell = t.floor();
    let (from, to) = (signed(hash(cell as i32, 0, seed)), signed(hash(cell as i32 + 1, 0, seed)));
    from + (to - from) * smooth(t - cell)
}

/// A square of fractal noise, about `[-1, 1]`: `octaves` layers, each half as large and half as strong as the one before.
pub(super) fn fractal(size: usize, cell_px: f32, octaves: u32, seed: u32) -> Vec<f32> {
    let mut plane = vec![0.0; size * size];
    let (mut cell, mut gain) = (cell_px, 0.66);
    for octave in 0..octaves {
        add_octave(&mut plane, size, cell.max(1.0), gain, seed.wrapping_add(octave.wrapping_mul(0x9e37_79b9)));
        (cell, gain) = (cell * 0.5, gain * 0.5);
    }
    plane
}

fn add_octave(plane: &mut [f32], size: usize, cell_px: f32, gain: f32, seed: u32) {
    let inverse = 1.0 / cell_px;
    let columns = (size as f32 * inverse) as usize + 2;
    // Where each pixel column lies is the same in every row.
    let places: Vec<(usize, f32)> = (0..size)
        .map(|x| {
            let at = x as f32 * inverse;
            (at as usize, smooth(at - at.floor()))
        })
        .collect();
    let lattice = |row: i32| -> Vec<f32> { (0..columns).map(|x| gain * signed(hash(x as i32, row, seed))).collect() };
    let (mut row, mut above, mut below) = (0, lattice(0), lattice(1));
    let mut line = vec![0.0; columns];
    for (y, pixels) in plane.chunks_exact_mut(size).enumerate() {
        let at = y as f32 * inverse;
        while row < at as i32 {
            row += 1;
            above = std::mem::replace(&mut below, lattice(row + 1));
        }
        let weight = smooth(at - at.floor());
        for ((value, &top), &bottom) in line.iter_mut().zip(&above).zip(&below) {
            *value = top + (bottom - top) * weight;
        }
        for (pixel, &(cell, weight)) in pixels.iter_mut().zip(&places) {
            *pixel += line[cell] + (line[cell + 1] - line[cell]) * weight;
        }
    }
}

fn smooth(t: f32) -> f32 {
    t * t * (3.0 - 2.0 * t)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_bounded_centred_and_smooth() {
        let plane = fractal(96, 16.0, 3, 5);
        let mean = plane.iter().sum::<f32>() / plane.len() as f32;
        assert!(mean.abs() < 0.2, "{mean}");
        assert!(plane.iter().all(|v| v.abs() < 1.16), "0.66 (1 + 1/2 + 1/4) bounds three octaves");
        let step = plane.windows(2).enumerate().filter(|(i, _)| i % 96 != 95).map(|(_, w)| (w[1] - w[0]).abs());
        // The steepest slope of an octave is 2 · 1.5 · gain / cell; all three have the same.
        assert!(step.fold(0.0, f32::max) < 3.0 * 3.0 * 0.66 / 16.0);
    }

    #[test]
    fn bell_has_unit_variance() {
        let (n, mut sum, mut square) = (100_000, 0.0f64, 0.0f64);
        for i in 0..n {
            let value = f64::from(bell(hash(i, 3, 9)));
            (sum, square) = (sum + value, square + value * value);
        }
        let n = f64::from(n);
        assert!((sum / n).abs() < 0.02 && (square / n - 1.0).abs() < 0.03, "{} {}", sum / n, square / n);
    }
}
