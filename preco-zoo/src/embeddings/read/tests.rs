//! What is written reads back, in every format; what is damaged, or lies about its size, is refused.

use std::fs::{read, read_dir};
use std::path::PathBuf;

use serde_json::{Value, json};

use super::super::{Row, write};
use super::*;
use crate::error::Error;
use preco_core::geo::Footprint;
use preco_core::predict::Place;

const NAMES: [&str; 3] = ["a.parquet", "a.npy", "a.safetensors"];

fn header() -> Header {
    let settings = json!({ "tile": 128, "bands": [4, 3, 2], "stretch": [0.02, 0.98] });
    Header { model: "preco-swin-pico".to_owned(), digest: "ab".repeat(32), length: 5, settings }
}

/// Rows with and without place, outline and text.
fn rows(count: usize) -> Vec<Row> {
    let square = |x: f64| vec![[x, 1.0], [x + 0.1, 1.0], [x + 0.1, 1.3], [x, 1.3], [x, 1.0]];
    let row = |at: usize| {
        let polygons =
            if at % 4 == 3 { vec![square(179.9), square(-180.0)] } else { vec![square(at as f64 / 57.0 - 90.0)] };
        let crs = if at % 6 == 4 { String::new() } else { format!("EPSG:{}", 32600 + at % 60) };
        let affine = [10.0, 0.1, at as f64 / 3.0, 0.2, -10.0, 1e7 - at as f64];
        let place = Place { crs, affine, footprint: (at % 5 != 2).then_some(Footprint { polygons }) };
        let tile = Tile {
            id: 7 + at as u64,
            source: format!("scène {}.tif", at % 3),
            grid: [at as u32 / 9, at as u32 % 9],
            window: [at as u32, 2, 128, i32::MAX as u32],
            valid: 1.0 - at as f32 / (2 * count) as f32,
            place: (at % 7 != 5).then_some(place),
        };
        (tile, (0..5).map(|value| ((at * 5 + value) as f32).sin()).collect())
    };
    (0..count).map(row).collect()
}

fn save(path: &Path, rows: &[Row]) -> Result<()> {
    write(path, &header(), rows.len() as u64, rows.iter().cloned().map(Ok))
}

/// A folder for each format, for some have a file beside theirs.
fn places(folder: &Path) -> [PathBuf; 3] {
    NAMES.map(|name| {
        let folder = folder.join(name.replace('.', "-"));
        std::fs::create_dir_all(&folder).expect("folder");
        folder.join(name)
    })
}

/// A new file each time: file systems sync one that is cut to nothing and filled again.
fn replace(path: &Path, bytes: &[u8]) {
    std::fs::remove_file(path).expect("remove");
    std::fs::write(path, bytes).expect("write");
}

fn assert_holds(read: &Embeddings, rows: &[Row]) {
    assert_eq!((read.len(), read.is_empty()), (rows.len(), rows.is_empty()));
    for (at, (tile, vector)) in rows.iter().enumerate() {
        assert_eq!((&read.tiles[at], read.vector(at)), (tile, &vector[..]), "row {at}");
    }
}

#[test]
fn rows_of_every_format_read_back_and_the_same_rows_give_the_same_bytes() {
    let folder = tempfile::tempdir().expect("temporary folder");
    // More than a group of rows, one, and none.
    for count in [5000, 1, 0] {
        let rows = rows(count);
        for path in places(folder.path()) {
            let files = |folder: &Path| -> Vec<(PathBuf, Vec<u8>)> {
                let paths = read_dir(folder).expect("list").map(|entry| entry.expect("entry").path());
                let mut files: Vec<_> = paths.map(|path| (path.clone(), read(path).expect("read"))).collect();
                files.sort();
                files
            };
            save(&path, &rows).expect("write");
            let first = files(path.parent().expect("folder"));
            save(&path, &rows).expect("write again");
            assert!(first == files(path.parent().expect("folder")), "{}", path.display());
            let read = Embeddings::open(&path).expect("open");
            assert_eq!(read.header, header(), "{}", path.display());
            assert_holds(&read, &rows);
        }
    }
}

#[test]
fn values_that_text_could_change_read_back() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let mut rows = rows(4);
    rows[0].1 = vec![f32::MIN_POSITIVE / 3.0, -0.0, f32::MAX, 1.0 / 3.0, f32::EPSILON];
    rows[0].0.valid = 1.0 / 3.0;
    rows[0].0.source = "s3://a/\"b\"\n\u{1F30D}.tif".to_owned();
    let place = rows[0].0.place.as_mut().expect("place");
    place.affine = [1.0 / 3.0, -0.0, 0.1 + 0.2, 5e-324, 1e300, std::f64::consts::PI];
    for path in places(folder.path()) {
        save(&path, &rows).expect("write");
        assert_holds(&Embeddings::open(&path).expect("open"), &rows);
    }
}

#[test]
fn every_cut_of_every_file_is_refused_and_no_changed_byte_panics() {
    let folder = tempfile::tempdir().expect("temporary folder");
    for path in places(folder.path()) {
        save(&path, &rows(3)).expect("write");
        let files = read_dir(path.parent().expect("folder")).expect("list");
        for file in files.map(|entry| entry.expect("entry").path()) {
            let whole = read(&file).expect("read");
            for len in 0..whole.len() {
                replace(&file, &whole[..len]);
                // A text whose last line break is gone says the same.
                let is_same = file.extension().is_some_and(|ending| ending == "jsonl") && len + 1 == whole.len();
                let is_refused = Embeddings::open(&path).is_err();
                assert!(is_refused || is_same, "{} cut to {len} of {} bytes", file.display(), whole.len());
            }
            for at in 0..whole.len() {
                let change = if at % 2 == 0 { 0xFF } else { 1 << (at / 2 % 8) };
                let mut changed = whole.clone();
                changed[at] ^= change;
                replace(&file, &changed);
                // The library's panics become this error; none is left that a changed byte brings about.
                if let Err(error) = Embeddings::open(&path) {
                    let is_panic = error.to_string().contains("not what it says");
                    assert!(!is_panic, "byte {at} of {}, changed by {change}", file.display());
                }
            }
            replace(&file, &whole);
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let refused = |path: &Path, announced: u64, change: &dyn Fn(&mut Vec<Row>), reason: &str| {
        let mut rows = rows(3);
        change(&mut rows);
        let error = write(path, &header(), announced, rows.into_iter().map(Ok)).expect_err(reason).to_string();
        assert!(error.contains(reason), "{error}");
        assert_eq!(read_dir(path.parent().expect("folder")).expect("list").count(), 0, "{}", path.display());
    };
    for path in places(folder.path()) {
        refused(&path, 3, &|rows| _ = rows[1].1.pop(), "row 1 has 4 values, the header says 5");
        refused(&path, 3, &|rows| rows[2].1.push(0.0), "row 2 has 6 values, the header says 5");
        refused(&path, 2, &|_| (), "more rows than the 2 announced");
        refused(&path, 4, &|_| (), "there are 3 rows, 4 were announced");
        refused(&path, 3, &|rows| rows[1].0.id = u64::MAX, "does not fit 63 bits");
        refused(&path, 3, &|rows| rows[1].0.window[2] = 1 << 31, "2147483648 in its grid or window");
        refused(&path, 3, &|rows| rows[1].0.valid = f32::NAN, "valid is NaN");
        let infinite = |rows: &mut Vec<Row>| rows[1].0.place.as_mut().expect("place").affine[3] = f64::INFINITY;
        refused(&path, 3, &infinite, "is not finite");
        // A reader's error is handed on as it is.
        let failing = rows(3).into_iter().map(Ok).chain([Err(Error::text("scene.tif", "the scene is gone"))]);
        let error = write(&path, &header(), 4, failing).expect_err("a failing row").to_string();
        assert!(error.contains("the scene is gone"), "{error}");
        let empty = Header { length: 0, ..header() };
        write(&path, &empty, 0, std::iter::empty()).expect_err("vectors without values");
        assert_eq!(read_dir(path.parent().expect("folder")).expect("list").count(), 0);
    }
    let error = save(&folder.path().join("a.csv"), &rows(1)).expect_err("an ending").to_string();
    assert!(error.contains(".parquet, .npy and .safetensors"), "{error}");
}

#[test]
fn a_failed_write_leaves_the_old_file() {
    let folder = tempfile::tempdir().expect("temporary folder");
    for path in places(folder.path()) {
        let old = rows(2);
        save(&path, &old).expect("write");
        write(&path, &header(), 9, rows(3).into_iter().map(Ok)).expect_err("rows are missing");
        assert_holds(&Embeddings::open(&path).expect("open"), &old);
    }
}

#[test]
fn files_beside_an_array_must_be_its_own() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("a.npy");
    save(&path, &rows(3)).expect("write");
    let lines = read(path.with_extension("jsonl")).expect("read");
    save(&path, &rows(4)).expect("write");
    std::fs::write(path.with_extension("jsonl"), lines).expect("write");
    let error = Embeddings::open(&path).expect_err("three tiles").to_string();
    assert!(error.contains("has 3 tiles and 4 vectors"), "{error}");
    let mut other: Value = serde_json::from_slice(&read(path.with_extension("json")).expect("read")).expect("JSON");
    other["length"] = json!(1u64 << 61);
    std::fs::write(path.with_extension("json"), other.to_string()).expect("write");
    Embeddings::open(&path).expect_err("a length beyond memory");
}
