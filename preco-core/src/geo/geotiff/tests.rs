//! What is written reads back: pixels, place, system, colours.

use super::*;
use crate::imagery::raster::open_file;

fn affine() -> Affine {
    Affine::new([10.0, 0.0, 500_000.0, 0.0, -10.0, 4_000_000.0])
}

fn out<'a>(size: [usize; 2], bands: usize, affine: &'a Affine, crs: &'a Crs) -> RasterOut<'a> {
    let [width, height] = size;
    RasterOut { width, height, bands, affine: Some(affine), crs: Some(crs), nodata: None, palette: None }
}

#[test]
fn numbers_of_many_tiles_read_back_whatever_the_rows_they_came_in() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let (rotated, crs) = (Affine::new([17.32, 5.0, 100.0, 10.0, -8.66, 200.0]), Crs::epsg(32629));
    let [width, height, bands] = [300, 270, 5];
    let samples: Vec<f32> = (0..width * height * bands).map(|at| (at as f32).sin()).collect();
    let out = out([width, height], bands, &rotated, &crs);
    let paths = ["whole.tif", "rows.tif"].map(|name| folder.path().join(name));
    write_geotiff(&paths[0], &out, Samples::F32(&samples)).expect("write");
    let mut rows = GeoTiffRows::create(&paths[1], &out).expect("create");
    let mut rest = &samples[..];
    for count in (1..).map(|count| count * 7 * width * bands) {
        let (now, later) = rest.split_at(count.min(rest.len()));
        rows.push(now).expect("push");
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    rows.finish().expect("finish");
    assert_eq!(std::fs::read(&paths[0]).expect("read"), std::fs::read(&paths[1]).expect("read"));

    let raster = open_file(&paths[0], 0).expect("open");
    let info = raster.info();
    assert_eq!((info.width, info.height, info.bands.len()), (width, height, bands));
    assert_eq!((info.affine, info.crs.as_ref().and_then(Crs::code)), (Some(rotated), Some(32629)));
    let block = raster.read(info.window()).expect("read");
    let bytes: Vec<u8> = samples.iter().flat_map(|value| value.to_ne_bytes()).collect();
    assert_eq!(block.bytes, bytes);
}

#[test]
fn classes_keep_their_colours_and_small_rasters_their_size() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("classes.tif");
    let (affine, crs) = (affine(), Crs::epsg(32612));
    let palette = [[0, 0, 0], [200, 10, 30], [7, 8, 9]];
    let out = RasterOut { palette: Some(&palette), nodata: Some(0.0), ..out([3, 2], 1, &affine, &crs) };
    write_geotiff(&path, &out, Samples::U8(&[0, 1, 2, 2, 1, 0])).expect("write");
    let raster = open_file(&path, 0).expect("open");
    let info = raster.info();
    assert_eq!((info.width, info.height, info.nodata), (3, 2, Some(0.0)));
    assert_eq!(info.palette.as_ref().map(|colours| &colours[..3]), Some(&palette[..]));
    assert_eq!(raster.read(info.window()).expect("read").bytes, [0, 1, 2, 2, 1, 0]);
}

#[test]
fn colours_with_alpha_say_so() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("picture.tif");
    let (affine, crs) = (affine(), Crs::epsg(4326));
    write_geotiff(&path, &out([2, 1], 4, &affine, &crs), Samples::U8(&[1, 2, 3, 255, 4, 5, 6, 0])).expect("write");
    let raster = open_file(&path, 0).expect("open");
    assert_eq!((raster.info().alpha, raster.info().crs.as_ref().and_then(Crs::code)), (Some(3), Some(4326)));
}

#[test]
fn an_unfinished_raster_leaves_no_file() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let (affine, crs) = (affine(), Crs::epsg(4326));
    let mut rows = GeoTiffRows::create(&folder.path().join("a.tif"), &out([4, 4], 1, &affine, &crs)).expect("create");
    rows.push(&[1u8, 2, 3, 4]).expect("push");
    drop(rows);
    assert_eq!(std::fs::read_dir(folder.path()).expect("list").count(), 0);
}
