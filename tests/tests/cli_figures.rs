//! Pictures that commands draw, through the program.

use std::path::Path;

use preco_core::imagery::{decode, write_png};
use preco_tests::binary::preco;
use preco_tests::land::result;
use preco_train::datasets::scenes::SceneGenerator;
use serde_json::json;

/// Drawn images in two folders, of which one holds much brighter ones.
fn two_folders(root: &Path) {
    let scenes = SceneGenerator::new(4, 64, 30);
    for index in 0..30 {
        let mut image = scenes.scene(index).image;
        let class = ["bright", "dark"][index % 2];
        for (x, y) in (0..64).flat_map(|x| (0..64).map(move |y| (x, y))) {
            let shade = |value: u8| if index % 2 == 0 { 128 + value / 2 } else { value / 4 };
            image.set(x, y, image.get(x, y).map(shade));
        }
        std::fs::create_dir_all(root.join(class)).expect("folder");
        write_png(&image, &root.join(class).join(format!("{index:02}.png"))).expect("png");
    }
}

#[test]
fn classes_that_differ_lie_apart_in_their_colours() {
    let root = tempfile::tempdir().expect("temporary folder");
    let folder = root.path();
    two_folders(&folder.join("land"));
    result(folder, "embed land --out land.parquet");
    let told = result(folder, "scatter land.parquet --out map.png");
    assert_eq!((&told["points"], &told["classes"]), (&json!(30), &json!({ "bright": 15, "dark": 15 })));
    let share = told["explained"].as_f64().expect("share");
    assert!(share > 0.3 && share <= 1.0, "{share}");
    let picture = decode(&folder.join("map.png")).expect("picture");
    // The legend is to the right of the points: the first two colours, one below the other.
    let legend = picture.width() - 240;
    let colours = [picture.get(legend + 5, 56), picture.get(legend + 5, 78)];
    assert!(colours[0] != colours[1] && colours.iter().all(|colour| *colour != [255; 3]), "{colours:?}");
    let middle = |colour: [u8; 3]| {
        let found = (0..legend - 30).flat_map(|x| (0..picture.height()).map(move |y| (x, y)));
        let found: Vec<(usize, usize)> = found.filter(|&(x, y)| picture.get(x, y) == colour).collect();
        assert!(found.len() >= 100, "{} pixels", found.len());
        found.iter().map(|(x, _)| *x as f64).sum::<f64>() / found.len() as f64
    };
    assert!((middle(colours[0]) - middle(colours[1])).abs() > 150.0, "the classes lie apart");
    preco(folder, "scatter land.parquet --out map.png").refused("exists; --force");
    preco(folder, "scatter land.parquet --out map.gif").refused("must end in .png");
}

#[test]
fn reconstructions_are_drawn_on_request_and_over_no_other_file() {
    let root = tempfile::tempdir().expect("temporary folder");
    let folder = root.path();
    two_folders(&folder.join("land"));
    preco(folder, "pretrain --data land --input-size 64 --steps 2 --batch-size 4 --out run").succeeded();
    let told = result(folder, "evaluate run --data land --count 5 --reconstructions sheet.png");
    let harmonic = &told["inpainting"]["fillings"][2];
    assert!(harmonic["detailed"].as_f64().expect("detailed") > harmonic["flat"].as_f64().expect("flat"));
    // A row for each image, four pictures in each.
    let sheet = decode(&folder.join("sheet.png")).expect("sheet");
    assert!(sheet.width() > 4 * 64 && sheet.height() > 5 * 64, "{}x{}", sheet.width(), sheet.height());
    preco(folder, "evaluate run --data land --reconstructions sheet.png").refused("exists");
}
