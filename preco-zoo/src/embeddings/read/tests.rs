//! What is written reads back, in every format; what is damaged is refused.

use preco_core::geo::Footprint;
use preco_core::predict::Place;
use serde_json::json;

use super::super::{Row, write};
use super::*;

const NAMES: [&str; 3] = ["a.parquet", "a.npy", "a.safetensors"];

fn header() -> Header {
    let settings = json!({ "tile": 128, "bands": [4, 3, 2] });
    Header { model: "preco-swin-pico".to_owned(), digest: "ab".repeat(32), length: 5, settings }
}

fn rows(count: usize) -> Vec<Row> {
    let square = |x: f64| vec![[x, 1.0], [x + 0.1, 1.0], [x + 0.1, 1.3], [x, 1.0]];
    let row = |at: usize| {
        let polygons =
            if at % 4 == 3 { vec![square(179.8), square(-180.0)] } else { vec![square(at as f64 / 7.0 - 90.0)] };
        let footprint = (at % 5 != 2).then_some(Footprint { polygons });
        let affine = [10.0, 0.1, at as f64 / 3.0, 0.2, -10.0, 1e7 - at as f64];
        let place = Place { crs: format!("EPSG:{}", 32600 + at % 60), affine, footprint };
        let tile = Tile {
            id: 7 + at as u64,
            source: format!("scène {}.tif", at % 3),
            grid: [at as u32 / 9, at as u32 % 9],
            window: [at as u32, 2, 128, 64],
            valid: 1.0 - at as f32 / (2 * count) as f32,
            place: (at % 7 != 5).then_some(place),
        };
        (tile, (0..5).map(|value| ((at * 5 + value) as f32).sin()).collect())
    };
    (0..count).map(row).collect()
}

fn save(path: &Path, rows: &[Row]) -> Result<()> {
    write(path, &header(), rows.len(), rows.iter().cloned().map(Ok))
}

#[test]
fn rows_of_every_format_read_back_and_the_same_rows_give_the_same_bytes() {
    let folder = tempfile::tempdir().expect("temporary folder");
    // More than a group of rows, one, and none.
    for count in [5000, 1, 0] {
        let rows = rows(count);
        for name in NAMES {
            let paths = [folder.path().join(name), folder.path().join(format!("second-{name}"))];
            paths.iter().for_each(|path| save(path, &rows).expect(name));
            let read = Embeddings::open(&paths[0]).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!((read.header.clone(), read.len()), (header(), count), "{name}");
            assert!(read.rows().eq(rows.iter().cloned()), "{name}, {count} rows");
            let bytes = paths.map(|path| std::fs::read(path).expect("read"));
            assert!(bytes[0] == bytes[1], "{name}");
        }
    }
}

#[test]
fn every_cut_is_refused_and_no_changed_byte_panics() {
    let folder = tempfile::tempdir().expect("temporary folder");
    for name in NAMES {
        let path = folder.path().join(name);
        save(&path, &rows(9)).expect(name);
        let whole = std::fs::read(&path).expect("read");
        for len in (0..whole.len()).step_by(7).chain([whole.len() - 1]) {
            std::fs::write(&path, &whole[..len]).expect("write");
            assert!(Embeddings::open(&path).is_err(), "{name} cut to {len} of {} bytes", whole.len());
        }
        for at in (0..whole.len()).step_by(3) {
            let mut changed = whole.clone();
            changed[at] ^= 1 << (at % 8);
            std::fs::write(&path, changed).expect("write");
            let _ = Embeddings::open(&path);
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().expect("temporary folder");
    for name in NAMES {
        let path = folder.path().join(name);
        let mut odd = rows(3);
        odd[1].1.pop();
        let error = save(&path, &odd).expect_err("a short vector").to_string();
        assert!(error.contains("row 2 has 4 values, the others 5"), "{error}");
        for announced in [2, 4] {
            write(&path, &header(), announced, rows(3).into_iter().map(Ok)).expect_err("another count");
        }
        assert_eq!(std::fs::read_dir(folder.path()).expect("list").count(), 0, "{name}");
    }
    let error = save(&folder.path().join("a.csv"), &rows(1)).expect_err("an ending").to_string();
    assert!(error.contains(".parquet, .npy and .safetensors"), "{error}");
}
