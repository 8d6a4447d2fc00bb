//! Launches of window attention: tensor cores where they fit, the general kernel elsewhere.

use std::sync::Arc;

use super::device::Device;
use super::driver::{Argument, Pointer};
use super::memory::{Buffer, Kind};
use super::{Cuda, Region, columns};
use crate::ops::window_attention::{PAD, WindowGeometry};

/// Warps of the general kernel.
const WARPS: usize = 4;
/// Blocks of the backward kernels, over all heads: each takes window after window. The emulator has few, so that its
/// blocks have as much to do as a GPU's.
const BACKWARD_BLOCKS: usize = if cfg!(feature = "cuda-emulator") { 3 } else { 512 };
/// Window sizes in tiles of 16 places, and head widths, that the tensor cores' kernel is compiled for.
const TILES: [usize; 4] = [1, 3, 4, 9];
const WIDTHS: [usize; 2] = [16, 32];

/// Places and regions of a geometry on the device.
pub(super) struct Placement {
    places: Buffer,
    regions: Buffer,
    has_padding: bool,
}

impl Placement {
    pub(super) fn new(device: &Arc<Device>, geometry: &WindowGeometry) -> Self {
        let upload = |words: &[u32]| {
            let buffer = Buffer::new(device, Kind::F32, words.len());
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            device.upload(&bytes, buffer.at(0));
            buffer
        };
        let regions: Vec<u32> = geometry.regions.iter().map(|region| region.to_bits()).collect();
        Self {
            places: upload(&geometry.places),
            regions: upload(&regions),
            has_padding: geometry.places.contains(&PAD),
        }
    }
}

/// What both directions read.
pub(super) struct Inputs<'a> {
    pub(super) geometry: &'a WindowGeometry,
    pub(super) images: usize,
    pub(super) qkv: &'a Region,
    pub(super) pad: Pointer,
    pub(super) table: Pointer,
}

impl Inputs<'_> {
    fn windows(&self, placement: &Placement) -> Vec<Argument> {
        let [height, width] = self.geometry.window;
        let WindowGeometry { tokens, windows, channels, heads, .. } = *self.geometry;
        let mut arguments: Vec<Argument> = vec![placement.places.at(0).into(), placement.regions.at(0).into()];
        arguments.extend([tokens, windows, height, width, channels, heads].map(|n| Argument::from(n as i32)));
        arguments
    }

    fn head_width(&self) -> usize {
        self.geometry.channels / self.geometry.heads
    }

    fn count(&self) -> usize {
        self.images * self.geometry.windows
    }

    /// Tiles of the tensor cores' kernel where it can be used.
    fn tiles(&self, placement: &Placement) -> Option<usize> {
        let fits = self.qkv.kind == Kind::Bf16 && !placement.has_padding && WIDTHS.contains(&self.head_width());
        TILES.into_iter().find(|tiles| fits && self.geometry.len() <= 16 * tiles)
    }
}

/// Shared memory of the tensor cores' kernels: row-major and transposed matrices, squares of scores, regions and table.
fn tile_bytes(tiles: usize, inputs: &Inputs, [rows, turned, squares]: [usize; 3]) -> usize {
    let (places, width, [height, across]) = (16 * tiles, inputs.head_width(), inputs.geometry.window);
    let halves = rows * places * (width + 8) + (turned * width + squares * places) * (places + 8);
    2 * halves + 4 * (places + (2 * height - 1) * (2 * across - 1))
}

/// `out = attention(qkv)`.
pub(super) fn forward(cuda: &Cuda, inputs: &Inputs, out: &mut Region) {
    let placement = cuda.placement(inputs.geometry);
    let (len, width, heads) = (inputs.geometry.len(), inputs.head_width(), inputs.geometry.heads);
    let grid = [inputs.count(), heads];
    let (qkv, out) = (inputs.qkv.at(0), out.at(0));
    if let Some(tiles) = inputs.tiles(&placement) {
        let mut arguments: Vec<Argument> = vec![qkv.into(), inputs.table.into(), out.into()];
        arguments.extend(inputs.windows(&placement));
        let shared = tile_bytes(tiles, inputs, [2, 1, 0]);
        let kernel = format!("window_attention_tiles{tiles}_width{width}");
        return cuda.device.launch(kernel, grid, [32 * tiles as u32, 1], shared, arguments);
    }
    let mut arguments: Vec<Argument> = vec![qkv.into(), inputs.pad.into(), inputs.table.into(), out.into()];
    arguments.extend(inputs.windows(&placement));
    let shared = 4 * (3 * len * (width + 1) + WARPS * len);
    let kernel = format!("window_attention_{}", inputs.qkv.kind.tail());
    cuda.device.launch(kernel, grid, [32 * WARPS as u32, 1], shared, arguments);
}

/// Writes `dqkv` and adds the gradients of pad row and table to `dpad` and `dtable`.
pub(super) fn backward(cuda: &Cuda, inputs: &Inputs, dout: &Region, dqkv: &mut Region, [dpad, dtable]: [Pointer; 2]) {
    let (placement, device) = (cuda.placement(inputs.geometry), &cuda.device);
    let (len, width, heads) = (inputs.geometry.len(), inputs.head_width(), inputs.geometry.heads);
    let groups = (BACKWARD_BLOCKS / heads).clamp(1, inputs.count());
    // f32: dB of every group, dB of all, the pad row of every group, the pad row of all.
    let (square, row) = (heads * len * len, heads * 3 * width);
    let workspace = device.workspace(4 * (groups + 1) * (square + row));
    device.zero(workspace, 4 * (groups + 1) * (square + row));
    let at = |element: usize| workspace + 4 * element as Pointer;
    let (partial, bias, pad_partial, pad) =
        (at(0), at(groups * square), at((groups + 1) * square), at((groups + 1) * square + groups * row));
    let (qkv, grid) = (inputs.qkv.at(0), [groups, heads]);
    let (dout, dqkv, count) = (dout.at(0), dqkv.at(0), Argument::from(inputs.count() as i64));
    if let Some(tiles) = inputs.tiles(&placement) {
        let mut arguments: Vec<Argument> = vec![qkv.into(), inputs.table.into(), dout.into(), dqkv.into()];
        arguments.extend(inputs.windows(&placement));
        arguments.extend([count, partial.into()]);
        let shared = tile_bytes(tiles, inputs, [4, 3, 2]);
        let kernel = format!("window_attention_backward_tiles{tiles}_width{width}");
        device.launch(kernel, grid, [32 * tiles as u32, 1], shared, arguments);
    } else {
        let mut arguments: Vec<Argument> =
            vec![qkv.into(), inputs.pad.into(), inputs.table.into(), dout.into(), dqkv.into()];
        arguments.extend(inputs.windows(&placement));
        arguments.extend([count, partial.into(), pad_partial.into()]);
        let shared = 4 * (4 * len * (width + 1) + len * len);
        let kernel = format!("window_attention_backward_{}", inputs.qkv.kind.tail());
        device.launch(kernel, grid, [32 * WARPS as u32, 1], shared, arguments);
    }
    columns::add_partials(device, partial, [groups, square], bias);
    let [window_height, window_width] = inputs.geometry.window;
    let entries = (2 * window_height - 1) * (2 * window_width - 1) * heads;
    let mut arguments: Vec<Argument> = vec![bias.into()];
    arguments.extend([window_height, window_width, heads].map(|n| Argument::from(n as i32)));
    arguments.push(dtable.into());
    device.launch("attention_table_gradient".to_owned(), [entries.div_ceil(256), 1], [256, 1], 0, arguments);
    if placement.has_padding {
        columns::add_partials(device, pad_partial, [groups, row], pad);
        let mut arguments: Vec<Argument> = vec![pad.into()];
        arguments.extend([heads, width].map(|n| Argument::from(n as i32)));
        arguments.push(dpad.into());
        device.launch("attention_pad_gradient".to_owned(), [row.div_ceil(256), 1], [256, 1], 0, arguments);
    }
}
