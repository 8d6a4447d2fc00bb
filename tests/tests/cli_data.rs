//! `data`: folders of images looked at, measured, split and generated, through the program.

use std::collections::HashSet;
use std::path::Path;

use image::{Rgb, RgbImage};
use preco_tests::binary::preco;
use preco_tests::folder::workspace;
use preco_train::datasets::split::{Fractions, Split};
use preco_train::datasets::{ImageFolder, ImageSource};
use serde_json::{Value, json};

/// Runs the command and reads its JSON.
fn result(folder: &Path, arguments: &str) -> Value {
    let done = preco(folder, &format!("{arguments} --json")).succeeded();
    serde_json::from_str(&done.stdout).expect("JSON")
}

fn save(folder: &Path, name: &str, size: (u32, u32), colour: [u8; 3]) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().expect("parent")).expect("folder");
    RgbImage::from_pixel(size.0, size.1, Rgb(colour)).save(path).expect(name);
}

/// Three images of two classes, one of none, and a text under an image's name.
fn small() -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("temporary folder");
    save(root.path(), "set/a/1.png", (8, 4), [0, 51, 255]);
    save(root.path(), "set/a/2.png", (8, 4), [0, 153, 255]);
    save(root.path(), "set/b/1.png", (300, 5), [10, 10, 10]);
    save(root.path(), "set/top.png", (9, 6), [10, 10, 10]);
    std::fs::write(root.path().join("set/b/words.jpg"), "words").expect("write");
    root
}

#[test]
fn info_counts_classes_sizes_formats_and_unreadable_files() {
    let root = small();
    let found = result(root.path(), "data info set --decode --sheet sheet.png");
    assert_eq!((&found["images"], &found["unlabelled"]), (&json!(4), &json!(1)));
    assert_eq!(found["classes"], json!([{"name": "a", "images": 2}, {"name": "b", "images": 1}]));
    assert_eq!(found["width"], json!({"min": 8, "median": 8, "max": 300}));
    assert_eq!(found["height"], json!({"min": 4, "median": 4, "max": 6}));
    assert_eq!(found["formats"], json!({"PNG": 4}));
    assert_eq!(found["unreadable"][0]["name"], "b/words.jpg");
    // A margin, a row for each class and one for images without; the first tile is the first image, 16 times as large.
    let sheet = image::open(root.path().join("sheet.png")).expect("sheet").into_rgb8();
    assert_eq!((sheet.get_pixel(12, 30), sheet.get_pixel(9, 30)), (&Rgb([0, 51, 255]), &Rgb([255; 3])));
    preco(root.path(), "data info set --sheet sheet.png").refused("--force");
    let text = preco(root.path(), "data info set --sheet sheet.png --force").succeeded().stdout;
    for part in ["4 images in set", "width: 8 to 300 pixels, median 8", "1 unreadable files", "sheet.png", "next: "] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}

#[test]
fn stats_are_those_of_all_pixels_or_of_a_list_on_any_number_of_threads() {
    let root = small();
    std::fs::write(root.path().join("list.txt"), "a/1.png\na/2.png\n").expect("write");
    let command = "data stats set --list list.txt";
    let found = result(root.path(), command);
    // Green is 51 in one half and 153 in the other: 0.4 with a deviation of 0.2. The others are constant.
    let expected = [("image_mean", [0.0, 0.4, 1.0]), ("image_std", [1.0 / 255.0, 0.2, 1.0 / 255.0])];
    for (key, bands) in expected {
        for (band, want) in bands.into_iter().enumerate() {
            let got = found[key][band].as_f64().expect("a number");
            assert!((got - want).abs() < 1e-6, "{key}[{band}]: {got}, not {want}");
        }
    }
    assert_eq!(found, result(root.path(), &format!("{command} --threads 1")));
    preco(root.path(), "data stats set").refused("words.jpg");
    assert_eq!(result(root.path(), "data stats set --skip-unreadable")["images"], 4);
}

#[test]
fn a_split_is_written_once_and_repeats_exactly() {
    let root = tempfile::tempdir().expect("temporary folder");
    preco(root.path(), "data generate --layout eurosat --out made --count 40 --size 16").succeeded();
    let command = "data split made/2750 --fractions 0.5,0.25,0.25 --seed 3";
    let found = result(root.path(), &format!("{command} --out first"));
    let read = |folder: &str| {
        Split::LISTS.map(|name| std::fs::read_to_string(root.path().join(folder).join(name)).expect(name))
    };
    let lists = read("first");
    let listed: Vec<&str> = lists.iter().flat_map(|list| list.lines()).collect();
    assert_eq!((listed.len(), listed.iter().collect::<HashSet<_>>().len()), (40, 40));
    for (part, list) in ["train", "val", "test"].iter().zip(&lists) {
        assert_eq!(found["parts"][part], list.lines().count());
        let river = list.lines().filter(|name| name.starts_with("River/")).count();
        assert_eq!(found["classes"][8]["name"], "River");
        assert_eq!(found["classes"][8][part], river);
    }
    let images = ImageFolder::scan(root.path().join("made/2750")).expect("scan");
    let manifest = Split::read(&root.path().join("first").join(Split::MANIFEST)).expect("manifest");
    assert_eq!(manifest.indices(&images).expect("indices").map(|part| part.len()).iter().sum::<usize>(), 40);

    let text = preco(root.path(), &format!("{command} --out second --threads 1")).succeeded().stdout;
    assert!(text.contains("next: preco-cli pretrain --data made/2750 --list second/train.txt"), "{text}");
    assert_eq!(read("second"), lists);
    preco(root.path(), &format!("{command} --out first")).refused("--force");
    preco(root.path(), "data split made/2750 --seed 4 --out first --force").succeeded();
    assert_ne!(read("first"), lists);

    let published = "data split made/2750 --train-list second/train.txt --test-list second/test.txt --out third";
    let found = result(root.path(), published);
    assert_eq!((&found["rule"], &found["unlisted"]), (&json!("lists"), &json!(lists[1].lines().count())));
    assert_eq!(read("third"), [lists[0].clone(), String::new(), lists[2].clone()]);
}

#[test]
fn eurosat_look_alikes_have_its_layout_and_repeat_exactly() {
    let root = tempfile::tempdir().expect("temporary folder");
    let made = result(root.path(), "data generate --layout eurosat --out a --count 20 --seed 5");
    assert_eq!((&made["folder"], &made["images"]), (&json!("a/2750"), &json!(20)));
    preco(root.path(), "data generate --layout eurosat --out b --count 20 --seed 5 --threads 1").succeeded();
    let found = ImageFolder::scan(root.path().join("a/2750")).expect("scan");
    assert_eq!((found.len(), found.classes().len(), found.info(0).width), (20, 10, 64));
    for index in 0..found.len() {
        let bytes = |folder: &str| std::fs::read(root.path().join(folder).join("2750").join(found.name(index)));
        assert_eq!(bytes("a").expect("a"), bytes("b").expect("b"));
    }
    assert!(root.path().join("a/2750/SeaLake/SeaLake_2.jpg").is_file());
    let info = result(root.path(), "data info a/2750");
    assert_eq!(
        (&info["formats"], &info["classes"][0]),
        (&json!({"JPEG": 20}), &json!({"name": "AnnualCrop", "images": 2}))
    );
    preco(root.path(), "data generate --layout folders --out c --count 8 --size 32").succeeded();
    assert_eq!(result(root.path(), "data info c")["formats"], json!({"PNG": 8}));
}

#[test]
fn bad_input_is_refused_and_writes_nothing() {
    let root = small();
    std::fs::remove_file(root.path().join("set/b/words.jpg")).expect("remove");
    std::fs::create_dir(root.path().join("empty")).expect("folder");
    std::fs::write(root.path().join("foreign.txt"), "a/1.png\nz/9.png\n").expect("write");
    std::fs::write(root.path().join("outside.txt"), "../a/1.png\n").expect("write");
    let cases = [
        ("info nowhere", "nowhere: No such file"),
        ("info empty", "found 0 images in empty"),
        ("info foreign.txt", "is a file"),
        ("info set --sheet no/sheet.png", "cannot write"),
        ("stats empty", "found 0 images"),
        ("stats set --list foreign.txt", "z/9.png"),
        ("split set --out new --fractions 0.8,0.1", "three numbers"),
        ("split set --out new --fractions 0.8,0.1,0.2", "add up to 1"),
        ("split set --out new --train-list foreign.txt", "line 2, z/9.png"),
        ("split set --out new --test-list outside.txt", "line 1, ../a/1.png"),
        ("split set --out set", "not an empty folder"),
        ("split set --out foreign.txt --force", "is a file"),
        ("generate --layout folders --out set", "--force"),
        ("generate --layout eurosat --out new --count 0", "--count 0"),
        ("generate --layout eurosat --out new --size 8", "--size 8"),
        ("generate --layout dota --out new", "folders, eurosat"),
        ("split set --out new --train-list foreign.txt --seed 1", "cannot be used with"),
    ];
    for (arguments, needle) in cases {
        preco(root.path(), &format!("data {arguments}")).refused(needle);
        assert!(!root.path().join("new").exists(), "{arguments} left something");
    }
}

/// The names of the committed lists as a data set.
struct Listed {
    names: Vec<String>,
    classes: Vec<String>,
}

impl ImageSource for Listed {
    fn len(&self) -> usize {
        self.names.len()
    }
    fn image(&self, _: usize) -> preco_train::error::Result<preco_core::imagery::Image8> {
        unreachable!("a split reads no image")
    }
    fn label(&self, index: usize) -> Option<usize> {
        let class = self.names[index].split_once('/')?.0;
        self.classes.iter().position(|known| known == class)
    }
    fn name(&self, index: usize) -> String {
        self.names[index].clone()
    }
    fn classes(&self) -> &[String] {
        &self.classes
    }
}

#[test]
fn the_committed_split_of_eurosat_is_what_its_rule_and_its_page_say() {
    let folder = workspace().join("configs/splits/eurosat_rgb");
    let lists = Split::LISTS.map(|name| std::fs::read_to_string(folder.join(name)).expect(name));
    let names: Vec<String> = lists.iter().flat_map(|list| list.lines()).map(str::to_owned).collect();
    assert_eq!((names.len(), names.iter().collect::<HashSet<_>>().len()), (13_000, 13_000));
    let mut classes: Vec<String> = names.iter().filter_map(|name| Some(name.split_once('/')?.0.to_owned())).collect();
    classes.sort();
    classes.dedup();
    let fractions = Fractions::new([0.8, 0.1, 0.1]).expect("fractions");
    let split = Split::by_hash(&Listed { names, classes }, 0, fractions).expect("split");
    for (part, list) in preco_train::datasets::split::Part::ALL.into_iter().zip(&lists) {
        assert!(split.names(part).eq(list.lines()), "{} is not what the rule gives", part.name());
    }
    let page = std::fs::read_to_string(folder.join("README.md")).expect("README.md");
    let mut rows = split.counts();
    let total = rows.iter().fold([0; 3], |sum, (_, counts)| [0, 1, 2].map(|part| sum[part] + counts[part]));
    rows.push((Some("all"), total));
    assert_eq!(rows.len(), 11);
    for (class, [train, val, test]) in rows {
        let row = format!("| {} | {train} | {val} | {test} |", class.expect("a class"));
        assert!(page.contains(&row), "the page has no row {row}");
    }
}

/// A JPEG whose header is whole and whose pixels are cut off.
fn cut(path: &Path) {
    let whole = std::fs::read(workspace().join("preco-core/src/imagery/fixtures/grey.jpg")).expect("fixture");
    std::fs::write(path, &whole[..400]).expect("write");
}

#[test]
fn a_file_that_is_cut_off_is_left_out_on_request() {
    let root = small();
    std::fs::remove_file(root.path().join("set/b/words.jpg")).expect("remove");
    let without = result(root.path(), "data stats set");
    cut(&root.path().join("set/a/cut.jpg"));
    preco(root.path(), "data stats set").refused("cut.jpg");
    let done = preco(root.path(), "data stats set --skip-unreadable --json").succeeded();
    assert!(done.stderr.contains("cut.jpg"), "{}", done.stderr);
    assert_eq!(serde_json::from_str::<Value>(&done.stdout).expect("JSON"), without);
    // Four are left; all that is drawn of the fifth is its name.
    let info = result(root.path(), "data info set --decode --sheet sheet.png");
    assert_eq!((&info["images"], &info["unreadable"][0]["name"]), (&json!(4), &json!("a/cut.jpg")));
    let split = preco(root.path(), "data split set --skip-unreadable --out splits --json").succeeded();
    assert!(split.stdout.contains("\"images\": 4") && split.stderr.contains("cut.jpg"), "{split:?}");
    for list in Split::LISTS {
        let names = std::fs::read_to_string(root.path().join("splits").join(list)).expect("list");
        assert!(!names.contains("cut.jpg"), "{list}: {names}");
    }
}

#[test]
fn the_folder_of_an_archive_is_as_good_as_the_one_in_it() {
    let root = tempfile::tempdir().expect("temporary folder");
    preco(root.path(), "data generate --layout eurosat --out made --count 40 --size 16").succeeded();
    let (outer, inner) = (result(root.path(), "data info made"), result(root.path(), "data info made/2750"));
    assert_eq!((outer["classes"].as_array().map(Vec::len), &outer["classes"]), (Some(10), &inner["classes"]));
    assert_eq!(outer["classes"][8], json!({"name": "River", "images": 4}));
    let read = |folder: &str| {
        let files = Split::LISTS.into_iter().chain([Split::MANIFEST]);
        files.map(|name| std::fs::read_to_string(root.path().join(folder).join(name)).expect(name)).collect::<Vec<_>>()
    };
    for (data, out) in [("made", "outer"), ("made/2750", "inner")] {
        preco(root.path(), &format!("data split {data} --seed 3 --out {out}")).succeeded();
    }
    assert_eq!(read("outer"), read("inner"));
    let with: String = read("inner")[0].lines().map(|name| format!("2750/{name}\n")).collect();
    std::fs::write(root.path().join("with.txt"), with).expect("write");
    for (data, list, out) in
        [("made", "with.txt", "a"), ("made/2750", "with.txt", "b"), ("made", "inner/train.txt", "c")]
    {
        preco(root.path(), &format!("data split {data} --train-list {list} --out {out}")).succeeded();
        assert_eq!(read(out)[0], read("inner")[0], "{data} with {list}");
    }
}
