//! Which token stands where in which window.

use crate::backbones::swin::EdgePolicy;
use crate::rng::fnv1a64_words;

/// Token index of a padded place.
pub(crate) const PAD: u32 = u32::MAX;

/// The windows of one block over one image: for every place of every window its token and its region.
///
/// Padded places attend and are attended to (no policy masks them); their qkv row is the projection's bias, since the
/// padding is zero after the norm.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowGeometry {
    pub(crate) heads: usize,
    pub(crate) channels: usize,
    pub(crate) window: [usize; 2],
    /// Tokens of one image.
    pub(crate) tokens: usize,
    /// Windows of one image.
    pub(crate) windows: usize,
    /// Per window and place: the token within the image, or [`PAD`].
    pub(crate) places: Vec<u32>,
    /// Per window and place: which region it came from; f32, as the kernels compare it.
    pub(crate) regions: Vec<f32>,
    /// Per window: true where it holds more than one region.
    pub(crate) masked: Vec<bool>,
    /// Names places and regions: devices keep a copy of each.
    #[cfg_attr(not(any(feature = "cuda", feature = "cuda-emulator")), allow(dead_code))]
    pub(crate) fingerprint: u64,
}

impl WindowGeometry {
    /// Windows of `window` tokens over a grid (rows, columns), shifted by half a window where `shifted`, under `policy`.
    pub fn new(
        grid: [usize; 2],
        window: [usize; 2],
        shifted: bool,
        policy: EdgePolicy,
        heads: usize,
        channels: usize,
    ) -> Self {
        let window = effective_window(grid, window, policy);
        let padded: [usize; 2] = std::array::from_fn(|axis| grid[axis].next_multiple_of(window[axis]));
        let shift: [usize; 2] = std::array::from_fn(|axis| {
            let keep = match policy {
                EdgePolicy::Timm => grid[axis] > window[axis],
                EdgePolicy::Torchvision => window[axis] < padded[axis],
                EdgePolicy::TimmAlwaysPartition | EdgePolicy::PadThenRoll => true,
            };
            if shifted && keep { window[axis] / 2 } else { 0 }
        });
        let rolls_first = matches!(policy, EdgePolicy::Timm | EdgePolicy::TimmAlwaysPartition);
        // The source of a padded position along one axis: rolling before padding wraps at the grid's edge, rolling after
        // it wraps at the padded edge.
        let source = |axis: usize, at: usize| {
            let from = if rolls_first {
                if at < grid[axis] { (at + shift[axis]) % grid[axis] } else { usize::MAX }
            } else {
                (at + shift[axis]) % padded[axis]
            };
            (from < grid[axis]).then_some(from)
        };
        let region = |axis: usize, at: usize| {
            if shift[axis] == 0 || at < padded[axis] - window[axis] {
                0
            } else if at < padded[axis] - shift[axis] {
                1
            } else {
                2
            }
        };
        let [rows, columns]: [usize; 2] = std::array::from_fn(|axis| padded[axis] / window[axis]);
        let (mut places, mut regions, mut masked) = (Vec::new(), Vec::new(), Vec::new());
        for w in 0..rows * columns {
            let first = regions.len();
            for place in 0..window[0] * window[1] {
                let y = w / columns * window[0] + place / window[1];
                let x = w % columns * window[1] + place % window[1];
                let token = source(0, y).zip(source(1, x)).map_or(PAD, |(y, x)| (y * grid[1] + x) as u32);
                places.push(token);
                regions.push((3 * region(0, y) + region(1, x)) as f32);
            }
            masked.push(regions[first..].iter().any(|region| *region != regions[first]));
        }
        let fingerprint = fingerprint(&places, &regions);
        let (tokens, windows) = (grid[0] * grid[1], rows * columns);
        Self { heads, channels, window, tokens, windows, places, regions, masked, fingerprint }
    }

    /// The window in use: the one asked for, or the grid where the policy clips.
    pub fn window(&self) -> [usize; 2] {
        self.window
    }

    /// Places of a window.
    pub(crate) fn len(&self) -> usize {
        self.window[0] * self.window[1]
    }

    /// Row of the relative-position table for query place `i` and key place `j`.
    pub(crate) fn table_row(&self, i: usize, j: usize) -> usize {
        let [h, w] = self.window;
        (i / w + h - 1 - j / w) * (2 * w - 1) + (i % w + w - 1 - j % w)
    }
}

fn fingerprint(places: &[u32], regions: &[f32]) -> u64 {
    let words = places.iter().copied().chain(regions.iter().map(|region| region.to_bits()));
    fnv1a64_words(words.map(u64::from))
}

/// The window after the policy's clipping: what the relative-position table is sized for.
pub(crate) fn effective_window(grid: [usize; 2], window: [usize; 2], policy: EdgePolicy) -> [usize; 2] {
    match policy {
        EdgePolicy::Timm => std::array::from_fn(|axis| window[axis].min(grid[axis])),
        _ => window,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_shift_or_padding_windows_tile_the_grid() {
        let geometry = WindowGeometry::new([4, 4], [2, 2], false, EdgePolicy::Timm, 1, 8);
        assert_eq!(geometry.places, [0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15]);
        assert!(geometry.masked.iter().all(|masked| !masked));
    }

    #[test]
    fn every_token_has_one_place_under_every_policy() {
        use EdgePolicy::*;
        for policy in [Timm, TimmAlwaysPartition, Torchvision, PadThenRoll] {
            for (grid, window) in [([7, 5], [3, 3]), ([6, 6], [6, 6]), ([2, 9], [4, 4]), ([8, 8], [4, 2])] {
                for shifted in [false, true] {
                    let geometry = WindowGeometry::new(grid, window, shifted, policy, 1, 8);
                    let mut tokens: Vec<u32> = geometry.places.iter().copied().filter(|&place| place != PAD).collect();
                    tokens.sort_unstable();
                    assert_eq!(tokens, (0..(grid[0] * grid[1]) as u32).collect::<Vec<_>>(), "{policy:?} {grid:?}");
                }
            }
        }
    }

    #[test]
    fn timm_pads_after_the_wrapped_tokens_and_the_others_before() {
        // A row of 3 tokens, window 2, shift 1: timm rolls to 1 2 0 and pads; the others pad to 0 1 2 _ and roll.
        let timm = WindowGeometry::new([1, 3], [1, 2], true, EdgePolicy::TimmAlwaysPartition, 1, 8);
        assert_eq!(timm.places, [1, 2, 0, PAD]);
        let other = WindowGeometry::new([1, 3], [1, 2], true, EdgePolicy::PadThenRoll, 1, 8);
        assert_eq!(other.places, [1, 2, PAD, 0]);
        assert_eq!(other.masked, [false, true]);
    }
}
