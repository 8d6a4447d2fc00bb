//! Every TIFF of the real imagery, against what other readers say of it.
//!
//! `tiff_expected.json` was written by tifffile and GDAL: shape, type, tags, and a CRC-32 of the samples.

use std::path::Path;

use preco_core::imagery::raster::{Raster, SampleType, Window, open_file};
use preco_core::rng::Stream;
use preco_tests::data;
use serde_json::Value;

/// Means of lossy files: decoders of JPEG differ by a few grey levels in single pixels, and hardly in the mean.
const LOSSY_MEAN: f64 = 1.0;

#[test]
fn every_tiff_decodes_to_its_stated_samples() {
    let Some(root) = data::imagery("imagery_rasters") else { return };
    let text = std::fs::read_to_string(root.join("tiff_expected.json")).expect("tiff_expected.json");
    let expected: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    assert!(expected.len() > 200, "{} files", expected.len());
    let failures: Vec<String> = expected.iter().filter_map(|file| compare(&root, file).err()).collect();
    assert!(failures.is_empty(), "{} of {} files:\n{}", failures.len(), expected.len(), failures.join("\n"));
}

fn compare(root: &Path, expected: &Value) -> Result<(), String> {
    let name = expected["path"].as_str().expect("path");
    let number = |key: &str| expected[key].as_u64().map(|value| value as usize);
    let wrong = |what: String| Err(format!("{name}: {what}"));
    let raster = open_file(&root.join(name), 0).map_err(|error| format!("{name}: {error}"))?;
    let info = raster.info();
    let shape = [info.height, info.width, info.bands.len()].map(Some);
    if shape != [number("height"), number("width"), number("bands")] || expected["dtype"] != info.sample.name() {
        return wrong(format!("{shape:?} of {}, {expected}", info.sample.name()));
    }
    let nodata = expected["nodata"].as_str().and_then(|text| text.parse::<f64>().ok()).filter(|value| !value.is_nan());
    if info.nodata != nodata {
        return wrong(format!("nodata {:?}, not {nodata:?}", info.nodata));
    }
    let [projected, geographic] =
        ["epsg_projected", "epsg_geographic"].map(|key| number(key).filter(|&code| code < 32_767));
    let user_defined = number("epsg_projected") == Some(32_767) || number("epsg_geographic") == Some(32_767);
    let code = info.crs.as_ref().and_then(|crs| crs.code()).map(|code| code as usize);
    if !user_defined && code != projected.or(geographic) {
        return wrong(format!("EPSG {code:?}, not {projected:?} or {geographic:?}"));
    }
    let whole = raster.read(info.window()).map_err(|error| error.to_string())?;
    if expected["lossy"] == true {
        let means = means(&whole.bytes, info.bands.len());
        let close = |(ours, theirs): (&f64, &Value)| (ours - theirs.as_f64().expect("mean")).abs() < LOSSY_MEAN;
        if !means.iter().zip(expected["mean"].as_array().expect("means")).all(close) {
            return wrong(format!("means {means:?}, not {}", expected["mean"]));
        }
    } else if cfg!(target_endian = "little") && u64::from(crc32(&whole.bytes)) != expected["crc32_hwc_le"] {
        return wrong(format!("CRC {}, not {}", crc32(&whole.bytes), expected["crc32_hwc_le"]));
    }
    windows_are_parts_of_the_whole(&*raster, &whole.bytes).map_err(|what| format!("{name}: {what}"))
}

/// Windows anywhere, in any order, are what the whole holds there.
fn windows_are_parts_of_the_whole(raster: &dyn Raster, whole: &[u8]) -> Result<(), String> {
    let info = raster.info();
    let pixel = info.bands.len() * info.sample.bytes();
    let mut stream = Stream::new(7, "windows", 0, 0);
    for _ in 0..12 {
        let mut draw = |most: usize| stream.below(most);
        let (x, y) = (draw(info.width), draw(info.height));
        let window = Window::new(x, y, 1 + draw(info.width - x), 1 + draw(info.height - y));
        let part = raster.read(window).map_err(|error| error.to_string())?;
        let row = |y: usize| &whole[pixel * (y * info.width + window.x)..][..pixel * window.width];
        let cut: Vec<u8> = (window.y..window.y + window.height).flat_map(row).copied().collect();
        if part.bytes != cut {
            return Err(format!("{window:?} is not that part of the whole"));
        }
    }
    Ok(())
}

#[test]
fn what_is_damaged_ends_in_an_error_that_names_the_file() {
    let Some(root) = data::imagery("imagery_rasters") else { return };
    let path = root.join("geotiff/rasterio/corrupt.tif");
    let error = match open_file(&path, 0) {
        Err(error) => error,
        Ok(raster) => raster.read(raster.info().window()).expect_err("a corrupt file"),
    };
    let text = error.to_string();
    assert!(text.contains("corrupt.tif") && text.contains("cannot be read as a TIFF"), "{text}");
}

fn means(bytes: &[u8], bands: usize) -> Vec<f64> {
    let of = |band| {
        let samples = bytes.iter().skip(band).step_by(bands);
        samples.clone().map(|&byte| f64::from(byte)).sum::<f64>() / samples.count() as f64
    };
    (0..bands).map(of).collect()
}

/// CRC-32 of ISO 3309, as zlib computes it.
fn crc32(bytes: &[u8]) -> u32 {
    let table: Vec<u32> = (0..256)
        .map(|byte| (0..8).fold(byte, |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 }))
        .collect();
    !bytes.iter().fold(!0, |crc: u32, &byte| (crc >> 8) ^ table[((crc ^ u32::from(byte)) & 255) as usize])
}

#[test]
fn the_checksum_is_zlibs() {
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    assert_eq!(SampleType::U16.bytes(), 2);
}
