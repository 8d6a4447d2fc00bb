//! `embed`, `search`, `cluster` and `change`, through the program, on drawn scenes whose truth is known.

use std::path::Path;
use std::process::Command;

use preco_core::geo::{Affine, Crs, Footprint, RasterOut, Samples, write_geotiff};
use preco_core::imagery::raster::open_file;
use preco_core::imagery::{Image8, crop, write_png};
use preco_tests::binary::{preco, start};
use preco_tests::land::{AFFINE, SIZE, colours, result, scene, write_scene};
use preco_train::datasets::scenes::SceneGenerator;
use preco_zoo::embeddings::Embeddings;
use serde_json::{Value, json};

fn read(folder: &Path, name: &str) -> Vec<u8> {
    std::fs::read(folder.join(name)).expect(name)
}

#[test]
fn a_scene_becomes_vectors_that_know_their_place_and_tiles_without_data_are_counted() {
    let root = tempfile::tempdir().expect("temporary folder");
    scene(root.path(), "scene.tif", 1);
    let done = result(root.path(), "embed scene.tif --out all.parquet --tile 128 --stride 64 --picture p.png");
    // (700 - 128) / 64 and (450 - 128) / 64, both rounded up, and one more.
    assert_eq!((&done["tiles"], &done["model"]), (&json!(10 * 7), &json!("preco-swin-pico")));
    let file = Embeddings::open(&root.path().join("all.parquet")).expect("open");
    // Columns that begin at 0, 64 and 128 have 128, 128 and 72 pixels of 200 without data; at the bottom 62 rows of 128
    // lie beyond the edge, which leaves too little even of whole columns.
    let columns: Vec<usize> = (0..10).filter(|column| 64 * column + 64 >= 200).collect();
    let found: Vec<[u32; 2]> = file.tiles.iter().map(|tile| tile.grid).collect();
    let expected: Vec<[u32; 2]> = (0..7)
        .flat_map(|row| columns.iter().map(move |&column| [row, column as u32]))
        .filter(|&[row, column]| {
            let rows = 128.min(SIZE[1] as u32 - 64 * row);
            let columns = 128.min(SIZE[0] as u32 - 64 * column) - 200u32.saturating_sub(64 * column);
            f64::from(rows * columns) >= 0.5 * 128.0 * 128.0
        })
        .collect();
    assert_eq!(found, expected);
    assert_eq!(done["skipped"], json!(70 - expected.len()));
    for tile in &file.tiles {
        let place = tile.place.as_ref().expect("place");
        let [x, y, width, height] = tile.window.map(f64::from);
        let affine = Affine::new(AFFINE);
        assert_eq!((place.crs.as_str(), Affine::new(place.affine)), ("EPSG:32633", affine.moved(x, y)));
        let outline = Footprint::of_window([x, y, width, height], &affine, &Crs::epsg(32633)).expect("outline");
        assert_eq!(place.footprint.as_ref(), Some(&outline));
        let middle = affine.apply(x + width / 2.0, y + height / 2.0);
        assert!(outline.contains(Crs::epsg(32633).to_lonlat(middle).expect("middle")));
    }
    assert!(root.path().join("p.png").exists() && !root.path().join("all.parquet.parts").exists());
    preco(root.path(), "embed scene.tif --out all.parquet").refused("--force replaces it");
}

#[test]
fn shards_threads_and_an_interruption_leave_the_same_bytes() {
    let root = tempfile::tempdir().expect("temporary folder");
    let folder = root.path();
    scene(folder, "scene.tif", 2);
    scene(folder, "other.tif", 3);
    let run = "embed scene.tif other.tif --tile 64 --stride 16 --out";
    result(folder, &format!("{run} whole.parquet"));
    let whole = read(folder, "whole.parquet");
    result(folder, &format!("{run} one.parquet --threads 1"));
    assert!(read(folder, "one.parquet") == whole, "one thread");
    for shard in 0..3 {
        result(folder, &format!("{run} part.parquet --shard {shard}/3"));
    }
    let shards = "part.2-of-3.parquet part.0-of-3.parquet part.1-of-3.parquet";
    result(folder, &format!("embed --merge {shards} --out merged.parquet"));
    assert!(read(folder, "merged.parquet") == whole, "merged");
    preco(folder, "embed --merge part.0-of-3.parquet part.0-of-3.parquet --out twice.parquet")
        .refused("give each once");
    preco(folder, "embed --merge part.2-of-3.parquet part.0-of-3.parquet --out x.parquet")
        .refused("shard 1/3 is missing");
    preco(folder, "embed --merge whole.parquet --out x.parquet").refused("is no shard");

    // Asked to end after its first part, then killed after its second.
    for (signal, parts) in [("-INT", 1), ("-KILL", 2)] {
        let mut child = start(folder, &format!("{run} killed.parquet --threads 1"));
        wait_for_parts(&folder.join("killed.parquet.parts"), parts);
        let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill");
        let ended = child.wait().expect("wait");
        assert!(sent.success(), "{signal} came too late");
        assert_eq!(ended.code(), (signal == "-INT").then_some(130));
    }
    assert!(!folder.join("killed.parquet").exists(), "killed too late to show anything");
    preco(folder, "embed scene.tif --out killed.parquet").refused("parts of another run");
    let resumed = result(folder, &format!("{run} killed.parquet"));
    assert!(resumed["computed"].as_u64() < resumed["tiles"].as_u64(), "{resumed}");
    assert!(read(folder, "killed.parquet") == whole, "killed and resumed");
    // Other formats hold the same numbers.
    result(folder, &format!("{run} whole.npy"));
    let [parquet, npy] = ["whole.parquet", "whole.npy"].map(|name| Embeddings::open(&folder.join(name)).expect(name));
    assert!(parquet == npy);
}

/// Waits until so many parts are finished.
fn wait_for_parts(folder: &Path, count: usize) {
    let begun = std::time::Instant::now();
    let is_part = |entry: &std::fs::DirEntry| entry.path().extension().is_some_and(|ending| ending == "parquet");
    let parts = || std::fs::read_dir(folder).map_or(0, |entries| entries.flatten().filter(is_part).count());
    while parts() < count {
        assert!(begun.elapsed().as_secs() < 300, "{} parts", parts());
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn bands_and_values_that_do_not_fit_are_refused_with_the_flag_that_helps() {
    let root = tempfile::tempdir().expect("temporary folder");
    let image = colours(4);
    let [width, height] = SIZE;
    // Five bands of numbers: nothing, blue, green, red, nothing, times ten.
    let samples: Vec<f32> = image
        .data()
        .chunks_exact(3)
        .flat_map(|pixel| [7.0, pixel[2].into(), pixel[1].into(), pixel[0].into(), 9.0])
        .map(|value: f32| 10.0 * value)
        .collect();
    let out = RasterOut { width, height, bands: 5, affine: None, crs: None, nodata: None, palette: None };
    write_geotiff(&root.path().join("five.tif"), &out, Samples::F32(&samples)).expect("scene");
    write_png(&image, &root.path().join("same.png")).expect("png");
    let run = "embed five.tif --out five.npy --tile 128";
    preco(root.path(), run).refused("has 5 bands: 1, 2, 3, 4, 5; the model wants 3 (red, green, blue)");
    preco(root.path(), &format!("{run} --bands 4,3")).refused("names 2 bands, the model wants 3");
    preco(root.path(), &format!("{run} --bands 4,3,6")).refused("has no band 6");
    preco(root.path(), &format!("{run} --bands 4,3,2")).refused("--stretch LOW,HIGH");
    result(root.path(), &format!("{run} --bands 4,3,2 --stretch 0,2550"));
    result(root.path(), "embed same.png --out same.npy --tile 128");
    let vectors = ["five.npy", "same.npy"].map(|name| Embeddings::open(&root.path().join(name)).expect(name).vectors);
    assert!(vectors[0] == vectors[1], "the same colours give the same vectors");
    let done = preco(root.path(), &format!("{run} --bands 4,3,2 --stretch p98,2"));
    assert!(done.code == Some(2) && done.stderr.contains("must rise"), "{}", done.stderr);
    assert!(!root.path().join("five.npy.parts").exists());
    preco(root.path(), "embed five.tif --out five.csv").refused(".parquet, .npy and .safetensors");
    preco(root.path(), "embed nothing*.tif --out x.npy").refused("matches no file");
    preco(root.path(), "embed five.tif --out x.npy --overlap 128 --tile 128").refused("--overlap 128 must be less");
}

#[test]
fn images_folders_lists_and_patterns_are_the_same_inputs() {
    let root = tempfile::tempdir().expect("temporary folder");
    std::fs::create_dir(root.path().join("set")).expect("folder");
    for at in 0..5 {
        write_png(&SceneGenerator::new(8, 64, 5).scene(at).image, &root.path().join(format!("set/{at}.png")))
            .expect("png");
    }
    let lines: String = (0..5).map(|at| format!("{{\"path\": \"set/{at}.png\"}}\n")).collect();
    std::fs::write(root.path().join("list.jsonl"), lines).expect("list");
    let vectors: Vec<Embeddings> = ["set", "list.jsonl", "set/*.png"]
        .iter()
        .zip(0..)
        .map(|(inputs, at)| {
            result(root.path(), &format!("embed {inputs} --out {at}.parquet"));
            Embeddings::open(&root.path().join(format!("{at}.parquet"))).expect("open")
        })
        .collect();
    assert_eq!((vectors[0].len(), vectors[0].tiles[3].source.as_str()), (5, "set/3.png"));
    assert!(vectors[0] == vectors[1] && vectors[1] == vectors[2]);
    // An image of the set finds itself.
    let hits = result(root.path(), "search 0.parquet --image set/3.png --count 2 --sheet hits.png");
    assert_eq!((&hits["hits"][0]["tile"], hits["hits"].as_array().map(Vec::len)), (&json!(3), Some(2)));
    assert!((hits["hits"][0]["cosine"].as_f64().expect("cosine") - 1.0).abs() < 1e-6);
    assert!(root.path().join("hits.png").exists());
    preco(root.path(), "search 0.parquet --tile 5").refused("has no tile 5; it has 5 from 0 to 4");
    preco(root.path(), "search 0.parquet --at 10,50").refused("no tile of the file knows where it lies");
}

#[test]
fn places_are_found_and_groups_are_mapped_where_they_lie() {
    let root = tempfile::tempdir().expect("temporary folder");
    scene(root.path(), "scene.tif", 5);
    result(root.path(), "embed scene.tif --out all.parquet --tile 128 --stride 64");
    let file = Embeddings::open(&root.path().join("all.parquet")).expect("open");
    let asked = &file.tiles[17];
    let [x, y, width, height] = asked.window.map(f64::from);
    let middle = Affine::new(AFFINE).apply(x + width / 2.0, y + height / 2.0);
    let [lon, lat] = Crs::epsg(32633).to_lonlat(middle).expect("middle");
    let by_place =
        result(root.path(), &format!("search all.parquet --at {lon},{lat} --count 5 --geojson hits.geojson"));
    let by_tile = result(root.path(), &format!("search all.parquet --tile {} --count 5", asked.id));
    assert_eq!(by_place["hits"], by_tile["hits"]);
    let told: Value = serde_json::from_slice(&read(root.path(), "hits.geojson")).expect("GeoJSON");
    assert_eq!(told["features"].as_array().map(Vec::len), Some(5));
    assert_eq!(told["features"][0]["properties"]["tile"], by_tile["hits"][0]["tile"]);
    assert_eq!(told["features"][0]["geometry"]["type"], "Polygon");
    let apart = result(root.path(), &format!("search all.parquet --tile {} --count 9 --apart", asked.id));
    let windows: Vec<[u32; 2]> = apart["hits"]
        .as_array()
        .expect("hits")
        .iter()
        .map(|hit| serde_json::from_value::<[u32; 4]>(hit["window"].clone()).map(|[x, y, ..]| [x, y]).expect("window"))
        .chain([[asked.window[0], asked.window[1]]])
        .collect();
    for (at, one) in windows.iter().enumerate() {
        assert!(windows[..at].iter().all(|other| one[0].abs_diff(other[0]) >= 128 || one[1].abs_diff(other[1]) >= 128));
    }
    assert!(windows.len() > 3);
    preco(root.path(), "search all.parquet --at 0,0").refused("no tile lies at 0,0; the file's lie within");

    let groups = result(root.path(), "cluster all.parquet --clusters 3 --out groups.tif --geojson groups.geojson");
    let raster = open_file(&root.path().join("groups.tif"), 0).expect("map");
    let info = raster.info();
    assert_eq!((info.nodata, info.crs.as_ref().and_then(Crs::code)), (Some(0.0), Some(32633)));
    let classes = raster.read(info.window()).expect("read").bytes;
    let sizes: Vec<usize> = (1..=3).map(|group| classes.iter().filter(|&&class| class == group).count()).collect();
    assert_eq!(json!(sizes), groups["sizes"]);
    // The middle of a tile lies in the middle of its pixel.
    let inverse = info.affine.expect("affine").inverse().expect("inverse");
    let [column, row] = inverse.apply(middle[0], middle[1]);
    let whole = [asked.grid[1], asked.grid[0]].map(|at| f64::from(at) + 0.5);
    assert!((column - whole[0]).abs() < 1e-6 && (row - whole[1]).abs() < 1e-6, "{column},{row} is not {whole:?}");
    let told: Value = serde_json::from_slice(&read(root.path(), "groups.geojson")).expect("GeoJSON");
    let group = told["features"][17]["properties"]["group"].as_u64().expect("group");
    assert_eq!(u64::from(classes[asked.grid[0] as usize * info.width + asked.grid[1] as usize]), group);
}

#[test]
fn what_did_not_change_is_nothing_and_what_did_is_found() {
    let root = tempfile::tempdir().expect("temporary folder");
    let (before, other) = (colours(6), colours(7));
    let mut after = before.clone();
    // Another land in a square of 128 pixels.
    for (x, y) in (384..512).flat_map(|x| (128..256).map(move |y| (x, y))) {
        after.set(x, y, other.get(x, y));
    }
    for (name, image) in [("before.tif", &before), ("after.tif", &after)] {
        write_scene(&root.path().join(name), image, AFFINE, None);
    }
    let same = result(root.path(), "change before.tif before.tif --out none.tif");
    assert!(same["quantiles"][2].as_f64().expect("largest").abs() < 1e-6, "{same}");
    let found = result(root.path(), "change before.tif after.tif --out map.tif --tile 128 --stride 64");
    assert_eq!(found["most"][0]["window"], json!([384, 128, 128, 128]));
    assert!(found["quantiles"][0].as_f64().expect("median").abs() < 1e-6, "most tiles are the same: {found}");
    let map = open_file(&root.path().join("map.tif"), 0).expect("map");
    let block = map.read(map.info().window()).expect("read");
    let mut values = vec![0.0; block.window.area()];
    block.band(0, &mut values);
    let largest = (0..values.len())
        .filter(|&at| values[at].is_finite())
        .max_by(|&a, &b| values[a].total_cmp(&values[b]))
        .expect("pixels");
    assert_eq!([largest % map.info().width, largest / map.info().width], [384 / 64, 128 / 64]);
    preco(root.path(), "change before.tif missing.tif --out x.tif").refused("missing.tif");
}

#[test]
fn maps_of_a_stage_lie_over_their_scene() {
    let root = tempfile::tempdir().expect("temporary folder");
    scene(root.path(), "scene.tif", 9);
    result(root.path(), "embed scene.tif --maps 2 --out maps.tif");
    let map = open_file(&root.path().join("maps.tif"), 0).expect("map");
    let info = map.info();
    // The second stage has a cell for 8 pixels and 64 channels.
    assert_eq!((info.width, info.height, info.bands.len()), (700usize.div_ceil(8), 450usize.div_ceil(8), 64));
    assert_eq!(info.affine, Some(Affine::new(AFFINE).scaled(8.0, 8.0)));
    let mut band = vec![0.0; info.width * info.height];
    map.read(info.window()).expect("read").band(5, &mut band);
    let numbers = band.iter().filter(|value| value.is_finite()).count();
    assert!(numbers > band.len() / 2 && band[0].is_nan(), "{numbers} of {}", band.len());
    preco(root.path(), "embed scene.tif --maps 5 --out x.tif").refused("has stages 1 to 4");
}

#[test]
fn rasters_are_told_apart_and_what_cannot_be_read_is_named() {
    let root = tempfile::tempdir().expect("temporary folder");
    std::fs::create_dir(root.path().join("set")).expect("folder");
    scene(root.path(), "set/scene.tif", 2);
    let whole = read(root.path(), "set/scene.tif");
    std::fs::write(root.path().join("set/cut.tif"), &whole[..whole.len() / 2]).expect("write");
    write_png(&Image8::filled(5, 4, [9; 3]), &root.path().join("set/image.png")).expect("png");
    let done = preco(root.path(), "data rasters set --json");
    assert_eq!(done.code, Some(1), "a check said no: {}", done.stderr);
    let files: Value = serde_json::from_str(&done.stdout).expect("JSON");
    let files = files["files"].as_array().expect("files");
    let named = |name: &str| files.iter().find(|file| file["input"] == format!("set/{name}")).expect("file");
    assert!(named("cut.tif")["error"].as_str().is_some_and(|error| error.contains("cut off or damaged")), "{files:?}");
    let scene = named("scene.tif");
    let [width, height] = SIZE;
    assert_eq!((&scene["width"], &scene["height"], &scene["sample"]), (&json!(width), &json!(height), &json!("uint8")));
    assert_eq!((&scene["crs"], &scene["nodata"]), (&json!("EPSG:32633"), &json!("0")));
    assert_eq!(named("image.png")["storage"], "an image file");
    let table = preco(root.path(), "data rasters set --markdown").stdout;
    assert!(table.lines().count() == 7 && table.ends_with("3 files, 1 refused.\n"), "{table}");
}

#[test]
fn a_scene_narrower_than_its_tiles_is_mapped_where_it_lies() {
    let root = tempfile::tempdir().expect("temporary folder");
    let image = crop(&colours(3), 0, 0, 100, 450).expect("crop");
    let (affine, crs) = (Affine::new(AFFINE), Crs::epsg(32633));
    let (affine, crs) = (Some(&affine), Some(&crs));
    let out = RasterOut { width: 100, height: 450, bands: 3, affine, crs, nodata: None, palette: None };
    write_geotiff(&root.path().join("scene.tif"), &out, Samples::U8(image.data())).expect("scene");
    result(root.path(), "embed scene.tif --tile 128 --out all.parquet --picture picture.tif");
    result(root.path(), "cluster all.parquet --clusters 2 --out groups.tif");
    let affines =
        ["picture.tif", "groups.tif"].map(|name| open_file(&root.path().join(name), 0).expect(name).info().affine);
    assert!(affines[0].is_some() && affines[0] == affines[1], "{affines:?}");
}

#[test]
fn without_an_input_a_drawn_scene_is_embedded() {
    let root = tempfile::tempdir().expect("temporary folder");
    let done = preco(root.path(), "embed --offline").succeeded();
    for part in ["embeddings of 256 values", "picture: preco-demo/picture.png", "next: preco-cli search"] {
        assert!(done.stdout.contains(part), "no {part:?} in {}", done.stdout);
    }
    let next = done.stdout.lines().find_map(|line| line.strip_prefix("next: preco-cli ")).expect("a next command");
    preco(root.path(), next).succeeded();
}
