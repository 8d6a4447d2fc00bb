//! What `embed` and its neighbours must not lose, mix or pass over in silence, through the program.

use std::path::Path;

use preco_core::geo::{RasterOut, Samples, write_geotiff};
use preco_core::imagery::{Image8, crop, write_png};
use preco_tests::binary::{preco, start};
use preco_tests::land::{AFFINE, SIZE, colours, result, scene, write_scene};
use preco_zoo::embeddings::Embeddings;
use serde_json::json;

fn read(folder: &Path, name: &str) -> Vec<u8> {
    std::fs::read(folder.join(name)).expect(name)
}

#[test]
fn no_command_writes_over_its_input_nor_over_another_file_unasked() {
    let root = tempfile::tempdir().expect("temporary folder");
    let folder = root.path();
    scene(folder, "scene.tif", 1);
    std::fs::write(folder.join("tiles.jsonl"), "\"scene.tif\"\n").expect("list");
    std::fs::write(folder.join("old.tif"), "mine").expect("file");
    std::fs::write(folder.join("old.png"), "mine").expect("file");
    std::fs::write(folder.join("old.geojson"), "mine").expect("file");
    let before = ["scene.tif", "tiles.jsonl", "old.tif", "old.png", "old.geojson"].map(|name| read(folder, name));
    result(folder, "embed scene.tif --out all.parquet --tile 128");
    for (arguments, why) in [
        ("embed tiles.jsonl --out tiles.npy --force", "is what is read"),
        ("embed scene.tif --out x.parquet --picture scene.tif --force", "is what is read"),
        ("embed scene.tif --out x.parquet --picture old.png", "exists; --force"),
        ("embed scene.tif --maps 1 --out scene.tif --force", "is what is read"),
        ("change scene.tif scene.tif --out scene.tif --force", "is what is read"),
        ("change scene.tif scene.tif --out old.tif", "exists; --force"),
        ("cluster all.parquet --out old.tif", "exists; --force"),
        ("cluster all.parquet --out scene.tif --force", "is what is read"),
        ("cluster all.parquet --geojson old.geojson", "exists; --force"),
        ("search all.parquet --tile 9 --sheet old.png", "exists; --force"),
        ("search all.parquet --tile 9 --geojson old.geojson", "exists; --force"),
        ("embed scene.tif --out missing/x.parquet", "cannot be written there"),
        ("change scene.tif scene.tif --out missing/x.tif", "cannot be written there"),
        ("embed scene.tif --out x.parquet --picture missing/x.png", "cannot be written there"),
    ] {
        preco(folder, arguments).refused(why);
    }
    let after = ["scene.tif", "tiles.jsonl", "old.tif", "old.png", "old.geojson"].map(|name| read(folder, name));
    assert!(before == after, "nothing was lost");
    result(folder, "cluster all.parquet --clusters 2 --geojson old.geojson --force");
    assert!(read(folder, "old.geojson").starts_with(b"{"));
}

#[test]
fn a_run_does_not_go_on_with_another_scene_and_shards_of_others_are_not_merged() {
    let root = tempfile::tempdir().expect("temporary folder");
    let folder = root.path();
    scene(folder, "scene.tif", 2);
    let run = "embed scene.tif --tile 64 --stride 16 --out run.parquet";
    let mut child = start(folder, &format!("{run} --threads 1"));
    let parts = folder.join("run.parquet.parts");
    while std::fs::read_dir(&parts).map_or(0, |files| files.flatten().filter(is_part).count()) < 1 {
        assert!(child.try_wait().expect("child").is_none(), "it ended before its first part");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    child.kill().expect("kill");
    child.wait().expect("wait");
    // Of the same size, and written later.
    scene(folder, "scene.tif", 3);
    preco(folder, run).refused("parts of another run (inputs");

    write_scene(&folder.join("other.tif"), &crop(&colours(4), 0, 0, 640, 400).expect("crop"), AFFINE, None);
    for (input, shard) in [("scene.tif", 0), ("other.tif", 1)] {
        result(folder, &format!("embed {input} --tile 200 --out s.parquet --shard {shard}/2"));
    }
    preco(folder, "embed --merge s.0-of-2.parquet s.1-of-2.parquet --out all.parquet").refused("other inputs");
}

fn is_part(entry: &std::fs::DirEntry) -> bool {
    entry.path().extension().is_some_and(|ending| ending == "parquet")
}

#[test]
fn what_turns_out_unreadable_on_the_way_is_left_out_where_that_is_asked_for() {
    let root = tempfile::tempdir().expect("temporary folder");
    let folder = root.path();
    scene(folder, "whole.tif", 5);
    // The head is there, pixels towards the end are not.
    let bytes = read(folder, "whole.tif");
    let mut damaged = bytes.clone();
    let at = bytes.len() / 2;
    damaged[at..at + 4000].fill(0xff);
    std::fs::write(folder.join("damaged.tif"), &damaged).expect("write");
    write_png(&Image8::filled(90, 80, [5, 90, 7]), &folder.join("a.png")).expect("png");
    let png = read(folder, "a.png");
    std::fs::write(folder.join("cut.png"), &png[..png.len() - 20]).expect("write");
    let inputs = "damaged.tif cut.png whole.tif a.png";
    preco(folder, &format!("embed {inputs} --tile 100 --out x.parquet")).refused("damaged.tif");
    let done = preco(folder, &format!("embed {inputs} --tile 100 --out all.parquet --skip-unreadable")).succeeded();
    assert!(done.stderr.contains("left out: damaged.tif") && done.stderr.contains("left out: cut.png"), "{done:?}");
    assert!(done.stdout.contains("could not be read"), "{}", done.stdout);
    let file = Embeddings::open(&folder.join("all.parquet")).expect("open");
    let count = |name: &str| file.tiles.iter().filter(|tile| tile.source == name).count();
    assert_eq!(count("cut.png"), 0);
    assert!(count("a.png") == 1 && count("damaged.tif") > 0 && count("damaged.tif") < count("whole.tif"));
    let vector = |name: &str| {
        let row = file.tiles.iter().position(|tile| tile.source == name && tile.grid == [0, 4]).expect("tile");
        file.vector(row).to_vec()
    };
    assert_eq!(vector("damaged.tif"), vector("whole.tif"), "what could be read is what it was");
}

#[test]
fn what_one_date_lacks_is_no_change() {
    let root = tempfile::tempdir().expect("temporary folder");
    let folder = root.path();
    let whole = colours(6);
    write_scene(&folder.join("before.tif"), &whole, AFFINE, Some(0.0));
    // The same land: later a part of it holds no data, and a part was not photographed at all.
    let mut holed = whole.clone();
    for (x, y) in (90..200).flat_map(|x| (70..180).map(move |y| (x, y))) {
        holed.set(x, y, [0; 3]);
    }
    write_scene(&folder.join("holed.tif"), &holed, AFFINE, Some(0.0));
    let [a, b, c, d, e, f] = AFFINE;
    let (left, top) = (37, 21);
    let part = crop(&whole, left, top, SIZE[0] - 100, SIZE[1] - 90).expect("crop");
    let moved = [a, b, c + a * left as f64 + b * top as f64, d, e, f + d * left as f64 + e * top as f64];
    write_scene(&folder.join("part.tif"), &part, moved, Some(0.0));
    for (before, after) in [("before", "holed"), ("holed", "before"), ("before", "part"), ("part", "before")] {
        let arguments =
            format!("change {before}.tif {after}.tif --out map.tif --force --tile 128 --stride 50 --min-valid 0.1");
        let found = result(folder, &arguments);
        assert!(found["quantiles"][2].as_f64().expect("largest").abs() < 1e-6, "{before}, {after}: {found}");
    }
}

#[test]
fn a_whole_image_says_which_of_its_pixels_were_seen() {
    let root = tempfile::tempdir().expect("temporary folder");
    let folder = root.path();
    write_scene(&folder.join("wide.tif"), &crop(&colours(7), 0, 0, 60, 30).expect("crop"), AFFINE, None);
    write_png(&crop(&colours(7), 0, 0, 31, 60).expect("crop"), &folder.join("high.png")).expect("png");
    result(folder, "embed wide.tif high.png --out all.parquet");
    let file = Embeddings::open(&folder.join("all.parquet")).expect("open");
    assert_eq!(file.tiles[0].window, [15, 0, 30, 30]);
    assert_eq!(file.tiles[1].window, [0, 14, 31, 32]);
    assert_eq!(file.tiles[0].place.as_ref().expect("place").affine[2], AFFINE[2] + 15.0 * AFFINE[0]);
}

#[test]
fn places_west_and_south_are_asked_for_and_scenes_are_looked_for_by_a_piece_of_them() {
    let root = tempfile::tempdir().expect("temporary folder");
    let folder = root.path();
    scene(folder, "scene.tif", 8);
    result(folder, "embed scene.tif --out all.parquet --tile 128");
    preco(folder, "search all.parquet --at -99.13,-47.02").refused("no tile lies at -99.13,-47.02");
    write_scene(&folder.join("piece.tif"), &crop(&colours(8), 384, 128, 128, 128).expect("crop"), AFFINE, None);
    let found = result(folder, "search all.parquet --image piece.tif --count 1");
    let hit = &found["hits"][0];
    assert_eq!(hit["window"], json!([384, 128, 128, 128]));
    assert!(hit["cosine"].as_f64().expect("cosine") > 0.99999, "{hit}");
    // A scene that has gone is not drawn; what was found is told all the same.
    std::fs::remove_file(folder.join("scene.tif")).expect("remove");
    let done = preco(folder, "search all.parquet --tile 9 --count 3 --sheet hits.png").succeeded();
    assert!(done.stderr.contains("its tiles are not drawn") && done.stdout.contains("tile "), "{done:?}");
    assert!(folder.join("hits.png").exists());
    // Nor is it needed for a map.
    result(folder, "cluster all.parquet --clusters 2 --out groups.tif");
}

#[cfg(unix)]
#[test]
fn a_pipe_is_no_file_and_a_folder_in_itself_is_walked_once() {
    let root = tempfile::tempdir().expect("temporary folder");
    let folder = root.path();
    let made = std::process::Command::new("mkfifo").arg(folder.join("pipe.tif")).status().expect("mkfifo");
    assert!(made.success());
    preco(folder, "embed pipe.tif --out x.parquet").refused("a pipe or a device");
    std::fs::create_dir(folder.join("images")).expect("folder");
    write_png(&Image8::filled(70, 70, [9; 3]), &folder.join("images/a.png")).expect("png");
    std::os::unix::fs::symlink(".", folder.join("images/again")).expect("link");
    assert_eq!(result(folder, "embed images --out all.parquet")["tiles"], 1);
}

#[test]
fn an_interrupted_trial_goes_on_and_two_runs_do_not_share_their_parts() {
    let root = tempfile::tempdir().expect("temporary folder");
    let folder = root.path();
    let mut child = start(folder, "embed --threads 1");
    let parts = folder.join("preco-demo/embeddings.parquet.parts");
    while std::fs::read_dir(&parts).map_or(0, |files| files.flatten().filter(is_part).count()) < 1 {
        assert!(child.try_wait().expect("child").is_none(), "it ended before its first part");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    preco(folder, "embed preco-demo/scene.tif --tile 128 --stride 32 --out preco-demo/embeddings.parquet")
        .refused("another run writes");
    child.kill().expect("kill");
    child.wait().expect("child");
    let again = preco(folder, "embed").succeeded();
    assert!(again.stderr.contains("going on behind"), "{}", again.stderr);
}

#[test]
fn more_tiles_than_can_be_embedded_are_refused_at_once() {
    let root = tempfile::tempdir().expect("temporary folder");
    let folder = root.path();
    // A claim of 2^32 - 1 pixels a side.
    let mut bytes = b"II*\0\x08\0\0\0\x09\0".to_vec();
    let mut entry = |tag: u16, kind: u16, count: u32, value: u32| {
        bytes.extend(tag.to_le_bytes().into_iter().chain(kind.to_le_bytes()));
        bytes.extend(count.to_le_bytes().into_iter().chain(value.to_le_bytes()));
    };
    for (tag, value) in [(256, u32::MAX), (257, u32::MAX), (258, 8), (259, 1), (262, 1), (277, 1), (322, 16), (323, 16)]
    {
        entry(tag, 4, 1, value);
    }
    entry(324, 4, 1, 8);
    bytes.extend([0; 4]);
    std::fs::write(folder.join("huge.tif"), bytes).expect("write");
    scene(folder, "scene.tif", 1);
    for (arguments, why) in [
        ("embed huge.tif --bands 1,1,1 --out a.parquet", "huge.tif"),
        ("embed huge.tif --bands 1,1,1 --out a.parquet --shard 0/1000000", "huge.tif"),
        ("change huge.tif huge.tif --bands 1,1,1 --out a.tif", "huge.tif"),
        ("data chip huge.tif --bands 1,1,1 --out chips", "huge.tif"),
        ("change scene.tif scene.tif --tile 300000 --out a.tif", "--tile 300000 must be 1 to 16384"),
        ("embed scene.tif --tile 300000 --out a.parquet", "--tile 300000 must be 1 to 16384"),
    ] {
        preco(folder, arguments).refused(why);
    }
    let left: Vec<_> = std::fs::read_dir(folder).expect("list").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn a_png_of_sixteen_bits_is_what_the_same_scene_is_as_a_tiff_and_its_alpha_is_no_data() {
    let root = tempfile::tempdir().expect("temporary folder");
    let folder = root.path();
    let image = crop(&colours(5), 0, 0, 128, 128).expect("crop");
    let deep: Vec<u16> = image.data().iter().map(|&value| 300 + 8 * u16::from(value)).collect();
    let out = RasterOut { width: 128, height: 128, bands: 3, affine: None, crs: None, nodata: None, palette: None };
    write_geotiff(&folder.join("deep.tif"), &out, Samples::U16(&deep)).expect("tiff");
    image::ImageBuffer::<image::Rgb<u16>, _>::from_raw(128, 128, deep)
        .expect("size")
        .save(folder.join("deep.png"))
        .expect("png");
    preco(folder, "embed deep.png --out a.parquet").refused("--stretch");
    for name in ["png", "tif"] {
        let bands = if name == "tif" { "--bands 1,2,3" } else { "" };
        result(folder, &format!("embed deep.{name} {bands} --whole --stretch 300,2340 --out {name}.parquet"));
    }
    let vectors = |name: &str| Embeddings::open(&folder.join(name)).expect("open").vectors;
    assert!(vectors("png.parquet") == vectors("tif.parquet"), "the same values, the same vector");

    // The left half cannot be seen.
    let seen = image.data().chunks_exact(3).enumerate();
    let rgba: Vec<u8> = seen.flat_map(|(at, p)| [p[0], p[1], p[2], if at % 128 < 64 { 0 } else { 255 }]).collect();
    image::ImageBuffer::<image::Rgba<u8>, _>::from_raw(128, 128, rgba)
        .expect("size")
        .save(folder.join("half.png"))
        .expect("png");
    let done = result(folder, "embed half.png --tile 64 --out half.parquet");
    assert_eq!((&done["tiles"], &done["skipped"]), (&json!(4), &json!(2)));
}

#[test]
fn an_image_is_looked_for_with_the_bands_and_values_of_the_file() {
    let root = tempfile::tempdir().expect("temporary folder");
    let folder = root.path();
    for seed in 1..5 {
        write_png(&crop(&colours(seed), 0, 0, 64, 64).expect("crop"), &folder.join(format!("{seed}.png")))
            .expect("png");
    }
    for (name, flags) in [("plain", ""), ("turned", "--bands 3,2,1"), ("cut", "--stretch 20,120")] {
        result(folder, &format!("embed 1.png 2.png 3.png 4.png {flags} --out {name}.parquet"));
        let found = result(folder, &format!("search {name}.parquet --image 3.png --count 1 --sheet {name}.png"));
        let best = &found["hits"][0];
        assert!(best["tile"] == json!(2) && best["cosine"].as_f64().expect("cosine") > 0.999_999, "{name}: {best}");
    }
    assert!(read(folder, "plain.png") != read(folder, "cut.png"), "the sheet shows what the model saw");
    preco(folder, "search plain.parquet --tile 0 --sheet 2.png --force").refused("is what is read");
    result(folder, "embed 1.png 2.png --stretch p2,98 --out own.parquet");
    preco(folder, "search own.parquet --image 1.png").refused("percentiles");
}

#[test]
fn a_file_that_claims_a_grid_or_a_window_without_end_takes_no_memory() {
    let root = tempfile::tempdir().expect("temporary folder");
    let folder = root.path();
    scene(folder, "scene.tif", 1);
    result(folder, "embed scene.tif --tile 128 --out all.npy");
    let lines = String::from_utf8(read(folder, "all.jsonl")).expect("lines");
    let mut first: serde_json::Value = serde_json::from_str(lines.lines().next().expect("a line")).expect("JSON");
    let changed = |first: &serde_json::Value| {
        let rest: Vec<&str> = lines.lines().skip(1).collect();
        std::fs::write(folder.join("all.jsonl"), format!("{first}\n{}\n", rest.join("\n"))).expect("write");
    };
    let window = first["window"].clone();
    first["window"] = json!([0, 0, 2_147_483_647, 2_147_483_647]);
    changed(&first);
    let id = first["tile"].as_u64().or(first["id"].as_u64()).expect("a number");
    preco(folder, &format!("search all.npy --tile {id} --sheet sheet.png")).succeeded();
    first["window"] = window;
    let grid: Vec<String> =
        first.as_object().expect("object").keys().filter(|key| *key == "row" || *key == "col").cloned().collect();
    assert_eq!(grid.len(), 2, "{first}");
    grid.iter().for_each(|key| first[key.as_str()] = json!(2_147_483_647));
    changed(&first);
    preco(folder, "cluster all.npy --clusters 2 --out groups.tif").refused("too many for a raster");
}
