//! `data chip` through the program: what is cut, what is left out, and what is told of it.

use std::path::Path;

use preco_core::geo::{Affine, RasterOut, Samples, write_geotiff};
use preco_core::imagery::{Image8, crop, decode, write_png};
use preco_tests::binary::preco;
use preco_tests::land::{AFFINE, colours, result, write_scene};
use serde_json::{Value, json};

fn manifest(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("chips.jsonl")).expect("manifest");
    text.lines().map(|line| serde_json::from_str(line).expect("a line")).collect()
}

#[test]
fn chips_are_the_scenes_pixels_with_their_places_and_nothing_twice() {
    let root = tempfile::tempdir().expect("temporary folder");
    let folder = root.path();
    let image = colours(3);
    let mut holed = image.clone();
    for (x, y) in (0..40).flat_map(|x| (0..40).map(move |y| (x, y))) {
        holed.set(x, y, [0; 3]);
    }
    write_scene(&folder.join("a.tif"), &holed, AFFINE, Some(0.0));
    // The same scene again, and one without anything to see.
    std::fs::create_dir(folder.join("more")).expect("folder");
    write_scene(&folder.join("more/a.tif"), &holed, AFFINE, Some(0.0));
    write_png(&Image8::filled(200, 100, [9, 9, 9]), &folder.join("more/b.png")).expect("png");
    let told = result(folder, "data chip a.tif more --size 64 --out chips");
    let (columns, rows) = (image.width() / 64, image.height() / 64);
    let lines = manifest(&folder.join("chips"));
    // The first chip has a hole.
    assert_eq!((lines.len(), &told["chips"]), (columns * rows - 1, &json!(columns * rows - 1)));
    assert_eq!(told["repeated"], json!(columns * rows - 1));
    assert_eq!(told["of_one_colour"], json!(3));
    for line in &lines {
        let window: Vec<usize> = serde_json::from_value(line["window"].clone()).expect("window");
        let chip = decode(&folder.join("chips").join(line["path"].as_str().expect("path"))).expect("chip");
        let wanted = crop(&image, window[0], window[1], 64, 64).expect("crop");
        assert_eq!(chip.data(), wanted.data(), "{line}");
        assert_eq!((line["source"].as_str(), line["valid"].as_f64()), (Some("a.tif"), Some(1.0)));
        let affine: Vec<f64> = serde_json::from_value(line["affine"].clone()).expect("affine");
        let corner = Affine::new(AFFINE).apply(window[0] as f64, window[1] as f64);
        assert_eq!((affine[0], [affine[2], affine[5]]), (AFFINE[0], corner), "{line}");
        assert!(line["footprint"]["type"] == "Polygon" && line["crs"].as_str().is_some_and(|crs| !crs.is_empty()));
    }
    // A border that the file does not tell of.
    write_scene(&folder.join("border.tif"), &holed, AFFINE, None);
    let unsaid = result(folder, "data chip border.tif --size 64 --out unsaid");
    let said = result(folder, "data chip border.tif --size 64 --empty 0 --out said");
    let [unsaid, said] = [unsaid, said].map(|told| told["without_data"].as_u64().expect("count"));
    assert_eq!(said, unsaid + 1, "the first chip holds the border");
    // Half of a chip may lack data, neighbours may overlap; and pre-training takes the folder as it is.
    result(folder, "data chip a.tif --size 64 --stride 32 --min-valid 0.5 --out half");
    assert!(manifest(&folder.join("half")).len() > 3 * lines.len());
    preco(folder, "pretrain --data chips --input-size 64 --steps 1 --batch-size 4 --out run").succeeded();
}

#[test]
fn a_folder_is_whole_or_absent_and_only_chips_are_replaced() {
    let root = tempfile::tempdir().expect("temporary folder");
    let folder = root.path();
    write_scene(&folder.join("a.tif"), &colours(1), AFFINE, None);
    std::fs::create_dir(folder.join("mine")).expect("folder");
    std::fs::write(folder.join("mine/text"), "mine").expect("file");
    let deep: Vec<u16> = (0..3 * 128 * 128).map(|at| at as u16).collect();
    let out = RasterOut { width: 128, height: 128, bands: 3, affine: None, crs: None, nodata: None, palette: None };
    write_geotiff(&folder.join("deep.tif"), &out, Samples::U16(&deep)).expect("tiff");
    for (arguments, why) in [
        ("data chip a.tif --out mine --force", "is not an empty folder"),
        ("data chip a.tif --size 4 --out new", "--size 4 must be 8 to 4096"),
        ("data chip a.tif --size 4000 --out new", "no chip is left of 1"),
        ("data chip a.tif --min-valid 0 --out new", "--min-valid 0 must be above 0"),
        ("data chip deep.tif --bands 1,2,3 --out new", "--stretch"),
        ("data chip nothing.tif --out new", "nothing.tif"),
    ] {
        preco(folder, arguments).refused(why);
    }
    assert!(!folder.join("new").exists() && !folder.join("new.partial").exists());
    result(folder, "data chip a.tif --size 128 --out chips");
    preco(folder, "data chip a.tif --size 64 --out chips").refused("--force");
    let before = manifest(&folder.join("chips")).len();
    result(folder, "data chip a.tif --size 64 --out chips --force");
    let after = manifest(&folder.join("chips"));
    assert!(after.len() >= 4 * before);
    let files = walk(&folder.join("chips"));
    assert_eq!(files, after.len() + 1, "nothing of the earlier run is left");
}

fn walk(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).expect("list").flatten();
    entries.map(|entry| if entry.path().is_dir() { walk(&entry.path()) } else { 1 }).sum()
}
