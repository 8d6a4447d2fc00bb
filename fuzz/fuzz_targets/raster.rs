//! Rasters: what is accepted can be read in windows, and a window holds what a larger one holds there; sizes that a file
//! claims are not believed.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use preco_core::geo::Footprint;
use preco_core::imagery::MemoryBytes;
use preco_core::imagery::raster::{Pixels, Raster, RasterInfo, Window, open};

/// Stored pieces above this are left alone: they are within the reader's bounds, and would make runs slow.
const MOST_BLOCK: usize = 16 << 20;
/// Side of the largest window.
const SIDE: usize = 64;

fuzz_target!(|data: &[u8]| {
    // The last byte chooses the overview.
    let Some((&last, bytes)) = data.split_last() else { return };
    let overview = usize::from(last % 3);
    let open = || open(Arc::new(MemoryBytes::new(bytes.to_vec())), "input", overview);
    let Ok(raster) = open() else { return };
    let info = raster.info();
    check(info, overview);
    place(info, info.window());
    let (right, below) = (Window::new(info.width, 0, 1, 1), Window::new(0, info.height, 1, 1));
    for outside in [right, below, Window::new(usize::MAX, 0, 1, 1), Window::new(1, 1, usize::MAX, usize::MAX)] {
        raster.read(outside).expect_err("a window outside");
    }
    let pixel = info.bands.len() * info.sample.bytes();
    let [block_width, block_height] = info.block;
    let block = block_width.saturating_mul(block_height).saturating_mul(pixel);
    // Nothing is told of a mask's pieces: one may be all of it.
    let mask = if info.masked { info.width.saturating_mul(info.height) } else { 0 };
    if block.max(mask) > MOST_BLOCK {
        return;
    }
    // It keeps nothing that the first has decoded.
    let other = open().expect("opened before");
    let side = if SIDE * SIDE * pixel > MOST_BLOCK { 1 } else { SIDE };
    let corner = [info.width.saturating_sub(side), info.height.saturating_sub(side)];
    for [x, y] in [[0, 0], [corner[0] / 2, corner[1] / 2], corner] {
        let window = Window::new(x, y, side, side).within(info.width, info.height);
        let third = [window.width.div_ceil(3), window.height.div_ceil(3)];
        let inner = Window::new(x + window.width - third[0], y + window.height / 3, third[0], third[1]);
        place(info, window);
        read(&*raster, &*other, window, inner);
    }
});

/// What there is can be computed with.
fn check(info: &RasterInfo, overview: usize) {
    assert!(info.width > 0 && info.height > 0 && !info.bands.is_empty(), "{info:?}");
    assert!(info.alpha.is_none_or(|band| band < info.bands.len()), "{info:?}");
    assert!(info.nodata.is_none_or(|value| !value.is_nan()), "{info:?}");
    assert!(info.palette.as_ref().is_none_or(|palette| !palette.is_empty()), "{info:?}");
    assert!(info.affine.is_none_or(|affine| affine.inverse().is_some()), "{info:?}");
    assert!(overview == 0 || info.overviews[overview - 1] == [info.width, info.height], "{info:?}");
    assert!(info.block.iter().all(|&side| side > 0), "{info:?}");
}

/// Outlines are closed and on the Earth, or there is none.
fn place(info: &RasterInfo, window: Window) {
    let (Some(affine), Some(crs)) = (info.affine, &info.crs) else { return };
    let numbers = [window.x, window.y, window.width, window.height].map(|value| value as f64);
    let Some(footprint) = Footprint::of_window(numbers, &affine, crs) else { return };
    for ring in &footprint.polygons {
        assert!(ring.len() > 3 && ring.first() == ring.last(), "{ring:?}");
        assert!(ring.iter().all(|[lon, lat]| lon.abs() <= 180.0 && lat.abs() <= 90.0), "{ring:?}");
    }
    assert_eq!(Footprint::from_wkb(&footprint.to_wkb()).as_ref(), Some(&footprint));
}

/// Where `window` can be read, so can `inner` from a raster that has read nothing, and both agree.
fn read(raster: &dyn Raster, other: &dyn Raster, window: Window, inner: Window) {
    let Ok(block) = raster.read(window) else { return };
    let info = raster.info();
    let pixel = info.bands.len() * info.sample.bytes();
    assert_eq!((block.window, block.bands, block.sample), (window, info.bands.len(), info.sample));
    assert_eq!(block.bytes.len(), window.area() * pixel, "{window:?}");
    let part = other.read(inner).expect("a part of what was read");
    assert_eq!(part.bytes, cut(&block.bytes, pixel, window, inner), "{inner:?} of {window:?}");

    let Ok(mask) = raster.mask(window) else { return };
    assert_eq!(mask.is_some(), info.masked);
    let most = if info.palette.is_some() { 3 } else { info.bands.len() };
    // A few bands, the last one first.
    let bands: Vec<usize> = (0..most.min(4)).map(|at| most - 1 - at).collect();
    let pixels = Pixels::read(raster, window, &bands).expect("samples and mask were read");
    assert_eq!((pixels.values.len(), pixels.valid.len()), (window.area() * bands.len(), window.area()));
    assert!(mask.iter().flatten().zip(&pixels.valid).all(|(mask, valid)| *mask || !valid), "{window:?}");
    let part = Pixels::read(other, inner, &bands).expect("a part of what was read");
    assert_eq!(part.valid, cut(&pixels.valid, 1, window, inner), "{inner:?} of {window:?}");
    let planes = pixels.values.chunks_exact(window.area()).zip(part.values.chunks_exact(inner.area()));
    for (plane, part) in planes {
        assert!(plane.iter().zip(&pixels.valid).all(|(value, valid)| !valid || value.is_finite()), "{window:?}");
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(part), cut(&bits(plane), 1, window, inner), "{inner:?} of {window:?}");
    }
}

/// What `inner` holds of `all` of a window, with `len` items for each pixel.
fn cut<T: Clone>(all: &[T], len: usize, window: Window, inner: Window) -> Vec<T> {
    let row = |y: usize| {
        let at = (y - window.y) * window.width + inner.x - window.x;
        &all[len * at..len * (at + inner.width)]
    };
    (inner.y..inner.y + inner.height).flat_map(row).cloned().collect()
}
