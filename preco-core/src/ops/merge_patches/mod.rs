//! Patch merging's gather: two by two neighbours side by side, in Swin's order (0,0), (1,0), (0,1), (1,1) as (row, column).
//!
//! Shapes: `(N · H · W, C)` to `(N · ⌈H/2⌉ · ⌈W/2⌉, 4C)`. An odd grid is padded with zeros at the bottom and right.

pub(crate) mod cpu;

/// The grid before merging.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MergeGeometry {
    /// Rows and columns of tokens.
    pub grid: [usize; 2],
    /// Channels of a token.
    pub channels: usize,
}

impl MergeGeometry {
    /// Rows and columns of tokens after merging.
    pub fn merged(&self) -> [usize; 2] {
        self.grid.map(|side| side.div_ceil(2))
    }
}
