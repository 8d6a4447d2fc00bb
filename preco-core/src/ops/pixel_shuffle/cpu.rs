//! Pixel shuffle on the CPU: one row of pixels of one plane at a time.

use rayon::prelude::*;

/// Channels to squares of pixels, for `planes` planes of the output.
pub(super) fn shuffle(planes: usize, [height, width]: [usize; 2], factor: usize, from: &[f32], to: &mut [f32]) {
    assert!(from.len() == to.len() && to.len() == planes * height * width * factor * factor, "sizes differ");
    if to.is_empty() {
        return;
    }
    to.par_chunks_mut(height * width * factor * factor).enumerate().for_each(|(plane, to)| {
        for (y, row) in to.chunks_exact_mut(width * factor).enumerate() {
            for (x, pixel) in row.iter_mut().enumerate() {
                *pixel = from[channel_index(plane, [height, width], factor, y, x)];
            }
        }
    });
}

/// Squares of pixels to channels.
pub(super) fn unshuffle(planes: usize, [height, width]: [usize; 2], factor: usize, from: &[f32], to: &mut [f32]) {
    assert!(from.len() == to.len() && to.len() == planes * height * width * factor * factor, "sizes differ");
    if to.is_empty() {
        return;
    }
    let size = height * width * factor * factor;
    to.par_chunks_mut(size).zip(from.par_chunks(size)).for_each(|(to, from)| {
        for (y, row) in from.chunks_exact(width * factor).enumerate() {
            for (x, pixel) in row.iter().enumerate() {
                to[channel_index(0, [height, width], factor, y, x)] = *pixel;
            }
        }
    });
}

/// Where the pixel at row `y` and column `x` of a plane lies among the channels.
fn channel_index(plane: usize, [height, width]: [usize; 2], factor: usize, y: usize, x: usize) -> usize {
    let channel = (plane * factor + y % factor) * factor + x % factor;
    (channel * height + y / factor) * width + x / factor
}
