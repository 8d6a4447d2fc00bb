//! Patch merging's gather on the CPU.

use super::MergeGeometry;
use crate::backend::cpu::parallel::{self, Shared};

/// Tokens to merged tokens.
pub(crate) fn merge(geometry: &MergeGeometry, images: usize, from: &[f32], to: &mut [f32]) {
    check(geometry, images, from.len(), to.len());
    let channels = geometry.channels;
    let to = Shared::new(to);
    each_neighbour(geometry, images, |token, slot| {
        // SAFETY: both lie in their buffers (checked above) and no two tasks share a merged token.
        unsafe {
            let to = to.pointer().add(slot * channels);
            match token {
                Some(token) => std::ptr::copy_nonoverlapping(from.as_ptr().add(token * channels), to, channels),
                None => to.write_bytes(0, channels),
            }
        }
    });
}

/// The adjoint: merged tokens back to tokens; what fell on padding is dropped.
pub(crate) fn split(geometry: &MergeGeometry, images: usize, from: &[f32], to: &mut [f32]) {
    check(geometry, images, to.len(), from.len());
    let channels = geometry.channels;
    let to = Shared::new(to);
    each_neighbour(geometry, images, |token, slot| {
        if let Some(token) = token {
            // SAFETY: as above; every token belongs to one slot.
            unsafe {
                let from = from.as_ptr().add(slot * channels);
                std::ptr::copy_nonoverlapping(from, to.pointer().add(token * channels), channels);
            }
        }
    });
}

fn check(geometry: &MergeGeometry, images: usize, tokens: usize, merged: usize) {
    let ([rows, columns], [r, c]) = (geometry.grid, geometry.merged());
    assert!(tokens >= images * rows * columns * geometry.channels, "the tokens are fewer than {rows}x{columns}");
    assert!(merged >= images * r * c * 4 * geometry.channels, "the merged tokens are fewer than {r}x{c}");
}

/// Calls `visit(token, slot)` for the four neighbours of every merged token; `None` is padding.
fn each_neighbour(geometry: &MergeGeometry, images: usize, visit: impl Fn(Option<usize>, usize) + Sync + Send) {
    let ([rows, columns], [merged_rows, merged_columns]) = (geometry.grid, geometry.merged());
    parallel::for_each(images * merged_rows, |band| {
        let (image, row) = (band / merged_rows, band % merged_rows);
        for column in 0..merged_columns {
            for part in 0..4 {
                let (y, x) = (2 * row + part % 2, 2 * column + part / 2);
                let token = (y < rows && x < columns).then(|| (image * rows + y) * columns + x);
                visit(token, (band * merged_columns + column) * 4 + part);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_in_swins_order_and_odd_grids_are_padded() {
        let geometry = MergeGeometry { grid: [3, 3], channels: 1 };
        let tokens: Vec<f32> = (1..=9u8).map(f32::from).collect();
        let mut merged = vec![-1.0; 16];
        merge(&geometry, 1, &tokens, &mut merged);
        assert_eq!(merged, [1.0, 4.0, 2.0, 5.0, 3.0, 6.0, 0.0, 0.0, 7.0, 0.0, 8.0, 0.0, 9.0, 0.0, 0.0, 0.0]);
        let mut back = vec![-1.0; 9];
        split(&geometry, 1, &merged, &mut back);
        assert_eq!(back, tokens);
    }
}
