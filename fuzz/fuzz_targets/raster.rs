//! Rasters: what is accepted can be read in windows, and a window holds what the whole holds there; sizes that a file
//! claims are not believed.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use preco_core::geo::Footprint;
use preco_core::imagery::MemoryBytes;
use preco_core::imagery::raster::{Pixels, Raster, Window, open};

/// Stored pieces above this are left alone: they are within the reader's bounds, and would make runs slow.
const MOST_BLOCK: usize = 4 << 20;
/// Side of a window.
const SIDE: usize = 48;

fuzz_target!(|data: &[u8]| {
    // The last byte chooses the overview.
    let Some((&last, bytes)) = data.split_last() else { return };
    let Ok(raster) = open(Arc::new(MemoryBytes::new(bytes.to_vec())), "input", usize::from(last % 3)) else { return };
    let info = raster.info();
    assert!(info.width > 0 && info.height > 0 && !info.bands.is_empty(), "{info:?}");
    assert!(info.alpha.is_none_or(|band| band < info.bands.len()), "{info:?}");
    let pixel = info.bands.len() * info.sample.bytes();
    let [block_width, block_height] = info.block;
    if block_width.saturating_mul(block_height).saturating_mul(pixel) > MOST_BLOCK {
        return;
    }
    let corner = [info.width.saturating_sub(SIDE), info.height.saturating_sub(SIDE)];
    for [x, y] in [[0, 0], [corner[0] / 2, corner[1] / 2], corner] {
        let window = Window::new(x, y, SIDE, SIDE).within(info.width, info.height);
        if window.area() * pixel > MOST_BLOCK {
            return;
        }
        place(&*raster, window);
        let Ok(block) = raster.read(window) else { continue };
        assert_eq!(block.bytes.len(), window.area() * pixel, "{window:?}");
        let inner = Window::new(x + window.width / 3, y + window.height / 3, window.width / 3, window.height / 3);
        if inner.area() > 0 {
            let part = raster.read(inner).expect("a part of what was read");
            let row = |y: usize| {
                let at = (y - window.y) * window.width + inner.x - window.x;
                &block.bytes[pixel * at..pixel * (at + inner.width)]
            };
            let cut: Vec<u8> = (inner.y..inner.y + inner.height).flat_map(row).copied().collect();
            assert_eq!(part.bytes, cut, "{inner:?} of {window:?}");
        }
        if let Ok(pixels) = Pixels::read(&*raster, window, &[0]) {
            assert_eq!(pixels.values.len(), window.area());
            let numbers = pixels.values.iter().zip(&pixels.valid);
            assert!(numbers.into_iter().all(|(value, valid)| !valid || value.is_finite()));
        }
    }
});

/// Outlines are closed and on the Earth, or there is none.
fn place(raster: &dyn Raster, window: Window) {
    let (Some(affine), Some(crs)) = (raster.info().affine, raster.info().crs.clone()) else { return };
    let numbers = [window.x, window.y, window.width, window.height].map(|value| value as f64);
    let Some(footprint) = Footprint::of_window(numbers, &affine, &crs) else { return };
    for ring in &footprint.polygons {
        assert!(ring.len() > 3 && ring.first() == ring.last(), "{ring:?}");
        assert!(ring.iter().all(|[lon, lat]| lon.abs() <= 180.0 && lat.abs() <= 90.0), "{ring:?}");
    }
    assert_eq!(Footprint::from_wkb(&footprint.to_wkb()).as_ref(), Some(&footprint));
}
