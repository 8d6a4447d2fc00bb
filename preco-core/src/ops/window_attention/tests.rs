//! Against Swin's own steps in f64: clip, pad and roll in the policy's order, partition, attend under the mask of slices,
//! and put back. Nothing of [`WindowGeometry`] is used.

use candle_core::{DType, Device};

use super::*;
use crate::backbones::swin::EdgePolicy::{self, *};
use crate::ops::proof::Proof;

#[derive(Clone, Copy, Debug)]
struct Case {
    grid: [usize; 2],
    window: [usize; 2],
    shifted: bool,
    policy: EdgePolicy,
    heads: usize,
    head_width: usize,
    images: usize,
}

/// (window, padded grid, shift) of a case, by the table of [`EdgePolicy`].
fn sizes(case: &Case) -> ([usize; 2], [usize; 2], [usize; 2]) {
    let mut window = case.window;
    let mut shift = case.window.map(|side| if case.shifted { side / 2 } else { 0 });
    let mut padded = [0; 2];
    for axis in 0..2 {
        if case.policy == Timm && case.grid[axis] <= case.window[axis] {
            (window[axis], shift[axis]) = (case.grid[axis], 0);
        }
        padded[axis] = case.grid[axis].div_ceil(window[axis]) * window[axis];
        if case.policy == Torchvision && window[axis] >= padded[axis] {
            shift[axis] = 0;
        }
    }
    (window, padded, shift)
}

/// Swin's mask: regions numbered by three slices an axis, of which a shift of 0 makes the last one everything.
fn regions(size: [usize; 2], window: [usize; 2], shift: [usize; 2]) -> Vec<usize> {
    let mut regions = vec![0; size[0] * size[1]];
    let slices = |axis: usize| {
        let (n, w, s) = (size[axis], window[axis], shift[axis]);
        [0..n - w, n - w..if s == 0 { 0 } else { n - s }, if s == 0 { 0 } else { n - s }..n]
    };
    let mut number = 0;
    for rows in slices(0) {
        for columns in slices(1) {
            for y in rows.clone() {
                columns.clone().for_each(|x| regions[y * size[1] + x] = number);
            }
            number += 1;
        }
    }
    regions
}

/// The padded and rolled canvas: a token or nothing.
fn canvas(case: &Case, padded: [usize; 2], shift: [usize; 2]) -> Vec<Option<usize>> {
    let rolls_first = matches!(case.policy, Timm | TimmAlwaysPartition);
    let around = if rolls_first { case.grid } else { padded };
    let mut canvas = vec![None; padded[0] * padded[1]];
    for y in 0..around[0] {
        for x in 0..around[1] {
            let (from_y, from_x) = ((y + shift[0]) % around[0], (x + shift[1]) % around[1]);
            if from_y < case.grid[0] && from_x < case.grid[1] {
                canvas[y * padded[1] + x] = Some(from_y * case.grid[1] + from_x);
            }
        }
    }
    canvas
}

fn reference(case: &Case, inputs: &[Vec<f64>]) -> Vec<f64> {
    let (window, padded, shift) = sizes(case);
    let (canvas, regions) = (canvas(case, padded, shift), regions(padded, window, shift));
    let (channels, tokens) = (case.heads * case.head_width, case.grid[0] * case.grid[1]);
    let (qkv, pad, table) = (&inputs[0], &inputs[1], &inputs[2]);
    let mut out = vec![0.0; case.images * tokens * channels];
    for image in 0..case.images {
        let row = |place: usize| match canvas[place] {
            Some(token) => &qkv[(image * tokens + token) * 3 * channels..][..3 * channels],
            None => &pad[..],
        };
        for corner in
            (0..padded[0] * padded[1]).filter(|at| at / padded[1] % window[0] == 0 && at % padded[1] % window[1] == 0)
        {
            let places: Vec<usize> =
                (0..window[0] * window[1]).map(|i| corner + i / window[1] * padded[1] + i % window[1]).collect();
            for head in 0..case.heads {
                let part = |place: usize, part: usize| {
                    &row(place)[part * channels + head * case.head_width..][..case.head_width]
                };
                for (i, &query) in places.iter().enumerate() {
                    let Some(token) = canvas[query] else { continue };
                    let score = |(j, &key): (usize, &usize)| {
                        let dot: f64 = part(query, 0).iter().zip(part(key, 1)).map(|(q, k)| q * k).sum();
                        let dy = i / window[1] + window[0] - 1 - j / window[1];
                        let dx = i % window[1] + window[1] - 1 - j % window[1];
                        let bias = table[(dy * (2 * window[1] - 1) + dx) * case.heads + head];
                        let hidden = if regions[query] == regions[key] { 0.0 } else { -100.0 };
                        dot / (case.head_width as f64).sqrt() + bias + hidden
                    };
                    let scores: Vec<f64> = places.iter().enumerate().map(score).collect();
                    let highest = scores.iter().copied().fold(f64::MIN, f64::max);
                    let sum: f64 = scores.iter().map(|score| (score - highest).exp()).sum();
                    for (score, &key) in scores.iter().zip(&places) {
                        let share = (score - highest).exp() / sum;
                        let to = (image * tokens + token) * channels + head * case.head_width;
                        out[to..].iter_mut().zip(part(key, 2)).for_each(|(out, v)| *out += share * v);
                    }
                }
            }
        }
    }
    out
}

fn holds(case: Case, tolerance: f64) {
    let Case { grid, window, shifted, policy, heads, head_width, images } = case;
    let channels = heads * head_width;
    let geometry = WindowGeometry::new(grid, window, shifted, policy, heads, channels);
    let [h, w] = geometry.window();
    assert_eq!([h, w], sizes(&case).0, "{case:?}");
    let shapes: [&[usize]; 3] =
        [&[images, grid[0], grid[1], 3 * channels], &[3 * channels], &[(2 * h - 1) * (2 * w - 1), heads]];
    let proof = Proof::new(1, &shapes, |x| reference(&case, x));
    let mut first = None;
    for level in Level::available() {
        let node = |x: &[Tensor]| window_attention(level, &x[0], &x[1], &x[2], &geometry);
        proof.holds(&format!("{level} {case:?}"), tolerance, node);
        first = first.or(Some(level));
    }
    assert_eq!(first.map(Level::name), Some("portable"));
}

#[test]
fn every_policy_with_padding_clipping_and_shift_equals_swins_steps() {
    for policy in [Timm, TimmAlwaysPartition, Torchvision, PadThenRoll] {
        for shifted in [false, true] {
            for (grid, window) in [([5, 4], [3, 3]), ([2, 7], [4, 4]), ([3, 3], [4, 5])] {
                holds(Case { grid, window, shifted, policy, heads: 2, head_width: 3, images: 2 }, 3e-6);
            }
        }
    }
}

#[test]
fn every_head_width_equals_swins_steps() {
    for (heads, head_width) in [(3, 1), (1, 4), (2, 5), (1, 7), (2, 12), (1, 16), (1, 17), (1, 24), (2, 32), (1, 33)] {
        let case = Case { grid: [3, 4], window: [2, 2], shifted: true, policy: Timm, heads, head_width, images: 1 };
        holds(case, 3e-6);
    }
}

#[test]
fn wide_and_single_place_windows_equal_swins_steps() {
    for (grid, window) in [([6, 6], [6, 6]), ([4, 9], [2, 9]), ([3, 2], [1, 1]), ([7, 7], [7, 7])] {
        for policy in [Timm, PadThenRoll] {
            holds(Case { grid, window, shifted: true, policy, heads: 1, head_width: 4, images: 2 }, 3e-6);
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_with_the_sizes() {
    let level = Level::detect();
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).expect("zeros");
    let geometry =
        |grid, window, heads, channels| WindowGeometry::new(grid, window, false, PadThenRoll, heads, channels);
    let fails = |geometry: &WindowGeometry, qkv: &[usize], pad: usize, table: &[usize]| {
        let result = window_attention(level, &zeros(qkv), &zeros(&[pad]), &zeros(table), geometry);
        result.expect_err("does not fit").to_string()
    };
    let small = geometry([4, 4], [2, 2], 2, 8);
    for (qkv, pad, table, needle) in [
        (&[15, 24][..], 24, &[9, 2][..], "16 tokens"),
        (&[16, 12], 24, &[9, 2], "3 x 8"),
        (&[16, 24], 8, &[9, 2], "pad_row"),
        (&[16, 24], 24, &[4, 2], "[9, 2]"),
    ] {
        let error = fails(&small, qkv, pad, table);
        assert!(error.contains(needle), "{error}");
    }
    assert!(fails(&geometry([4, 4], [2, 2], 3, 8), &[16, 24], 24, &[9, 3]).contains("3 heads"));
    assert!(fails(&geometry([40, 40], [40, 40], 1, 1), &[1600, 3], 3, &[6241, 1]).contains("40x40"));
}
