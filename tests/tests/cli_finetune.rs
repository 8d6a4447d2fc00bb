//! Fine-tuning, labelling and measuring through the program.

use std::path::Path;

use preco_core::geo::{RasterOut, Samples, write_geotiff};
use preco_core::imagery::raster::open_file;
use preco_core::imagery::{crop, write_png};
use preco_core::spec::{Labelling, ModelSpec, Preprocess};
use preco_tests::binary::{command, done, preco, start};
use preco_tests::land::{AFFINE, colours, result, write_scene};
use preco_train::datasets::bigearthnet::write_look_alike;
use preco_train::datasets::scenes::{CLASSES, SceneGenerator};
use serde_json::{Value, json};

/// A short run of the smallest model that is carried.
const SHORT: &str = "--steps 4 --batch-size 8 --evaluate-every 2";

/// A folder of drawn images for each class, `each` of them.
fn class_folders(root: &Path, each: usize) {
    let scenes = SceneGenerator::new(5, 64, each * CLASSES.len());
    for index in 0..each * CLASSES.len() {
        let scene = scenes.scene(index);
        let folder = root.join(CLASSES[scene.class]);
        std::fs::create_dir_all(&folder).expect("folder");
        write_png(&scene.image, &folder.join(format!("{index:04}.png"))).expect("png");
    }
}

fn json_file(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("read")).expect("JSON")
}

#[test]
fn a_run_leaves_a_model_that_labels_measures_and_is_published() {
    let root = tempfile::tempdir().expect("temporary folder");
    let folder = root.path();
    class_folders(&folder.join("land"), 6);
    let done = result(folder, &format!("finetune classify --data land --held-out 0.3 {SHORT} --out run"));
    let figures = json_file(&folder.join("run/metrics.json"));
    assert_eq!(done["figures"], figures);
    assert_eq!(figures["confusion"]["classes"], json!(8));
    let page = std::fs::read_to_string(folder.join("run/report.html")).expect("report");
    for needle in ["What was taken for what", "Wrong, the most certain first", "<td>forest</td>", "top-1 accuracy"] {
        assert!(page.contains(needle), "the page lacks {needle}");
    }
    let spec = ModelSpec::read(&folder.join("run/config.json")).expect("config");
    let mut sorted = CLASSES.map(str::to_owned).to_vec();
    sorted.sort();
    assert_eq!((spec.labels, spec.labelling), (sorted, Some(Labelling::Single)));

    // The same figures by evaluate, of the images that were held out.
    let split = std::fs::read_to_string(folder.join("run/split.tsv")).expect("split");
    let names =
        split.lines().filter(|line| line.starts_with("val\t")).map(|line| line.rsplit('\t').next().expect("name"));
    let list: String = names.map(|name| format!("{name}\n")).collect();
    assert!(!list.is_empty(), "{split}");
    std::fs::write(folder.join("val.txt"), list).expect("write");
    let measured = result(folder, "evaluate run --data land --list val.txt");
    assert_eq!(measured["figures"]["confusion"], figures["confusion"]);

    // One image, a folder, and a scene as map and outlines.
    let one = result(folder, "predict land/forest --model run --out labels.jsonl");
    assert_eq!(one["labelled"], json!(6));
    let lines = std::fs::read_to_string(folder.join("labels.jsonl")).expect("lines");
    let first: Value = serde_json::from_str(lines.lines().next().expect("a line")).expect("JSON");
    let sum: f64 = first["probabilities"].as_object().expect("all").values().map(|p| p.as_f64().expect("number")).sum();
    assert!(
        (sum - 1.0).abs() < 1e-5
            && first["probabilities"][first["label"].as_str().expect("label")] == first["probability"]
    );
    write_scene(&folder.join("scene.tif"), &colours(3), AFFINE, None);
    result(folder, "predict scene.tif --model run --tile 128 --map map.tif --geojson map.geojson --out tiles.jsonl");
    let map = open_file(&folder.join("map.tif"), 0).expect("map");
    assert_eq!((map.info().width, map.info().height), (6, 4));
    assert_eq!(map.info().palette.as_ref().map(|palette| palette[1]), Some([128, 62, 117]));
    let classes = map.read(map.info().window()).expect("read").bytes;
    let tiles = std::fs::read_to_string(folder.join("tiles.jsonl")).expect("lines");
    for line in tiles.lines() {
        let tile: Value = serde_json::from_str(line).expect("JSON");
        let (x, y) = (tile["window"][0].as_u64().expect("x") / 128, tile["window"][1].as_u64().expect("y") / 128);
        assert_eq!(spec_label(&spec_labels(folder), classes[(6 * y + x) as usize]), tile["label"]);
    }
    let outlines = json_file(&folder.join("map.geojson"));
    assert_eq!(outlines["features"].as_array().expect("features").len(), tiles.lines().count());

    // The run knows all that a card says but whose it is.
    let publish = "models publish run --name land-classifier --to zoo/models/land-classifier";
    preco(folder, publish).refused("no licence");
    let licences = "--licence MIT --data-licence none --registry zoo/registry.json";
    preco(folder, &format!("{publish} {licences} --yes")).succeeded();
    let card = std::fs::read_to_string(folder.join("zoo/models/land-classifier/README.md")).expect("card");
    for needle in [
        "preco-cli finetune classify --accumulate 1 --augment light",
        "--data land",
        "top-1 accuracy",
        "(encoder and head)",
    ] {
        assert!(card.contains(needle), "the card lacks {needle}:\n{card}");
    }
    let again = result(folder, "predict land/forest --model zoo/models/land-classifier --out again.jsonl");
    assert_eq!(again["counts"], one["counts"]);
    // By its name, from the folder beside the registry.
    let registry = folder.join("zoo/registry.json");
    let asked = |arguments: &str| {
        let mut by_name = command(folder, arguments);
        self::done(by_name.env("PRECO_REGISTRY", &registry).output().expect("start"))
    };
    let named = asked("predict land/forest --model land-classifier --json");
    asked("models verify land-classifier").succeeded();
    let named: Value = serde_json::from_str(&named.succeeded().stdout).expect("JSON");
    assert_eq!(named["counts"], one["counts"]);
    let weights = folder.join("zoo/models/land-classifier/model.safetensors");
    let mut bytes = std::fs::read(&weights).expect("weights");
    *bytes.last_mut().expect("a byte") ^= 1;
    std::fs::write(&weights, bytes).expect("write");
    asked("predict land/forest --model land-classifier").refused("SHA-256");
    assert_eq!(asked("models verify land-classifier").code, Some(1));
}

fn spec_labels(folder: &Path) -> Vec<String> {
    ModelSpec::read(&folder.join("run/config.json")).expect("config").labels
}

fn spec_label(labels: &[String], class: u8) -> Value {
    labels.get(usize::from(class)).map_or(Value::Null, |label| json!(label))
}

/// Scenes of 4 bands of 16 bits without names: what is told apart is in the last band alone.
fn nameless_tiles(root: &Path) {
    let scenes = SceneGenerator::new(8, 64, 24);
    for index in 0..24 {
        let class = index % 2;
        let image = scenes.scene(index).image;
        let samples = image.data().chunks_exact(3).enumerate().flat_map(|(at, pixel)| {
            let stripes = if class == 0 { at % 64 / 8 } else { at / 64 / 8 };
            let last = if stripes % 2 == 0 { 3000 } else { 200 };
            [pixel[0], pixel[1], pixel[2]].map(|value| 4 * u16::from(value)).into_iter().chain([last])
        });
        let samples: Vec<u16> = samples.collect();
        let folder = root.join(["across", "down"][class]);
        std::fs::create_dir_all(&folder).expect("folder");
        let out = RasterOut { width: 64, height: 64, bands: 4, affine: None, crs: None, nodata: None, palette: None };
        write_geotiff(&folder.join(format!("{index:02}.tif")), &out, Samples::U16(&samples)).expect("tile");
    }
}

#[test]
fn bands_that_were_chosen_by_number_are_the_models_from_then_on() {
    let root = tempfile::tempdir().expect("temporary folder");
    let folder = root.path();
    nameless_tiles(&folder.join("tiles"));
    let train = "finetune classify --data tiles --held-out 0.3 --steps 40 --batch-size 8 --augment none";
    for (name, bands, kept) in [
        ("last", "--bands 4,4,1", json!([4, 4, 1])),
        ("named", "--bands red=4,green=2,blue=1", json!([4, 2, 1])),
        ("all", "--bands all --adapt-bands", json!([1, 2, 3, 4])),
    ] {
        let done = result(folder, &format!("{train} {bands} --out {name}"));
        assert_eq!(json_file(&folder.join(name).join("preprocessor_config.json"))["band_numbers"], kept);
        let measured = result(folder, &format!("evaluate {name} --data tiles"));
        let right = measured["figures"]["top1"].as_f64().expect("share");
        assert!(right > 0.9, "{name}: {right}, while training held out {}", done["figures"]["top1"]);
        let found = result(folder, &format!("predict tiles/down --model {name} --out {name}.jsonl"));
        assert!(found["counts"]["down"].as_u64().expect("count") > 9, "{name}: {}", found["counts"]);
    }
    // Other bands are asked for by hand.
    let other = result(folder, "evaluate last --data tiles --bands 1,2,3");
    assert!(other["figures"]["top1"].as_f64().expect("share") < 0.9);
    let names = |from: usize, to: usize| -> String {
        (from..to).map(|at| format!("{}/{at:02}.tif\n", ["across", "down"][at % 2])).collect()
    };
    std::fs::write(folder.join("known.txt"), names(0, 16)).expect("list");
    std::fs::write(folder.join("asked.txt"), names(16, 24)).expect("list");
    std::fs::write(folder.join("both.txt"), names(15, 24)).expect("list");
    let knn = "knn preco-swin-pico --data tiles --bands 4,4,1 --train-list known.txt";
    assert!(result(folder, &format!("{knn} --list asked.txt"))["figures"]["top1"].as_f64().expect("share") > 0.9);
    preco(folder, &format!("{knn} --list both.txt")).refused("must not be known");
}

#[test]
fn files_of_both_depths_are_of_one_set_and_damaged_ones_count_in_every_part() {
    let root = tempfile::tempdir().expect("temporary folder");
    let folder = root.path();
    nameless_tiles(&folder.join("tiles"));
    let image = SceneGenerator::new(2, 64, 1).scene(0).image;
    // The first file has eight bits.
    write_png(&image, &folder.join("tiles/across/0.png")).expect("png");
    let run = "finetune classify --data tiles --steps 2 --batch-size 4 --bands 1,2,3";
    for (name, flags) in [("measured", "--held-out 0.3"), ("stated", "--held-out 0.3 --stretch 0,4000")] {
        result(folder, &format!("{run} {flags} --out {name}"));
        assert!(json_file(&folder.join(name).join("preprocessor_config.json"))["levels"].is_object(), "{name}");
    }
    std::fs::write(folder.join("tiles/across/02.tif"), "no image").expect("write");
    std::fs::write(folder.join("tiles/down/01.tif"), "no image").expect("write");
    let names = |from: usize, to: usize| -> String {
        (from..to).map(|at| format!("{}/{at:02}.tif\n", ["across", "down"][at % 2])).collect()
    };
    std::fs::write(folder.join("train.txt"), names(2, 24)).expect("list");
    std::fs::write(folder.join("val.txt"), names(0, 2)).expect("list");
    let lists = format!("{run} --list train.txt --val-list val.txt");
    preco(folder, &format!("{lists} --max-unreadable 1 --out few")).refused("unreadable");
    let told = result(folder, &format!("{lists} --max-unreadable 2 --out enough"));
    assert_eq!(told["unreadable"], json!(2));
}

#[test]
fn what_holds_no_data_looks_alike_to_training_and_to_prediction() {
    let root = tempfile::tempdir().expect("temporary folder");
    let folder = root.path();
    // Half of the tiles have a hole, and nothing else tells them apart.
    let scenes = SceneGenerator::new(9, 64, 24);
    for index in 0..24 {
        let class = index % 2;
        let image = scenes.scene(index).image;
        let hole = |at: usize| class == 1 && (16..48).contains(&(at % 64)) && (16..48).contains(&(at / 64));
        let samples = image.data().chunks_exact(3).enumerate();
        let samples =
            samples.flat_map(|(at, pixel)| [0, 1, 2].map(|band| if hole(at) { 0 } else { pixel[band].max(1) }));
        let into = folder.join("tiles").join(["full", "holes"][class]);
        std::fs::create_dir_all(&into).expect("folder");
        let (nodata, samples) = (Some(0.0), samples.collect::<Vec<u8>>());
        let out = RasterOut { width: 64, height: 64, bands: 3, affine: None, crs: None, nodata, palette: None };
        write_geotiff(&into.join(format!("{index:02}.tif")), &out, Samples::U8(&samples)).expect("tile");
    }
    let train = "finetune classify --data tiles --held-out 0.3 --steps 60 --batch-size 8 --augment none --bands 1,2,3";
    result(folder, &format!("{train} --out run"));
    let measured = result(folder, "evaluate run --data tiles");
    let [full, holes] = ["full", "holes"].map(|class| {
        let found = result(folder, &format!("predict tiles/{class} --model run --min-valid 0"));
        found["counts"][class].as_u64().unwrap_or(0)
    });
    let right = measured["figures"]["top1"].as_f64().expect("share");
    assert!((right - (full + holes) as f64 / 24.0).abs() < 1e-9, "{right} by evaluate, {full} and {holes} by predict");
    assert!(right > 0.7, "{right}");
}

#[test]
fn an_interrupted_run_ends_as_one_that_was_not() {
    let root = tempfile::tempdir().expect("temporary folder");
    let folder = root.path();
    class_folders(&folder.join("land"), 4);
    for (name, flags) in [("whole", ""), ("probe", "--freeze-backbone")] {
        let run = format!("finetune classify --data land {flags} --steps 12 --batch-size 8 --mixup 0.2 --save-every 2");
        preco(folder, &format!("{run} --out {name}")).succeeded();
        let mut child = start(folder, &format!("{run} --out {name}-cut"));
        let checkpoints = folder.join(format!("{name}-cut/checkpoints"));
        while std::fs::read_dir(&checkpoints).map_or(0, Iterator::count) == 0 {
            if child.try_wait().expect("child").is_some() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        child.kill().expect("kill");
        child.wait().expect("wait");
        if !folder.join(format!("{name}-cut/model.safetensors")).exists() {
            preco(folder, &format!("finetune classify --resume {name}-cut")).succeeded();
        }
        let bytes = |run: &str| std::fs::read(folder.join(run).join("model.safetensors")).expect("model");
        assert!(bytes(name) == bytes(&format!("{name}-cut")), "{name}");
    }
}

#[test]
fn patches_with_several_labels_are_learnt_to_the_last() {
    let root = tempfile::tempdir().expect("temporary folder");
    let folder = root.path();
    let names = write_look_alike(&folder.join("patches"), 16, 7).expect("patches");
    std::fs::write(folder.join("all.txt"), names.join("\n")).expect("list");
    let run = "finetune multilabel --data patches --list all.txt --augment none --drop-path 0 --steps 150 \
               --batch-size 16 --weight-decay 0 --out run";
    result(folder, run);
    let done = result(folder, "evaluate run --data patches");
    let map = done["figures"]["average_precision"]["macro"].as_f64().expect("mAP");
    assert!(map > 0.999, "mAP {map}");
    let preprocess = Preprocess::read(&folder.join("run/preprocessor_config.json")).expect("preprocessor");
    // SeCo's cut of red: 590.24 ± 2 · 675.89.
    let levels = preprocess.levels.expect("levels");
    assert_eq!([levels.low[0], levels.high[0]].map(|value| (value * 100.0).round()), [-76_154.0, 194_202.0]);

    // Twelve bands are refused by a model of three, and adapted where that is asked for.
    let bands = "finetune multilabel --data patches --list all.txt --bands all --steps 2 --batch-size 4";
    preco(folder, &format!("{bands} --out refused")).refused("--adapt-bands");
    preco(folder, &format!("{bands} --adapt-bands --out adapted")).succeeded();
    let spec = ModelSpec::read(&folder.join("adapted/config.json")).expect("config");
    let adapted = spec.adapted.expect("a record");
    assert_eq!(
        (spec.backbone.bands, adapted.copied, adapted.scale),
        (12, vec!["blue", "green", "red"].into_iter().map(str::to_owned).collect(), 0.25)
    );
    let few = result(
        folder,
        "finetune multilabel --data patches --list all.txt --label-fraction 0.5 --steps 1 --batch-size 2 --out few",
    );
    assert!(few["data"].as_str().expect("line").contains(" of "), "{few}");
}

#[test]
fn neighbours_are_measured_with_and_without_weights() {
    let root = tempfile::tempdir().expect("temporary folder");
    let folder = root.path();
    class_folders(&folder.join("land"), 6);
    // Images may differ in size and shape.
    write_png(&crop(&colours(4), 0, 0, 40, 90).expect("crop"), &folder.join("land/forest/odd.png")).expect("png");
    preco(folder, "data split land --out split --fractions 0.6,0.2,0.2").succeeded();
    let found = result(folder, "knn preco-swin-pico --data land --split split --part test");
    assert_eq!(found["classes"], json!(8));
    let random =
        result(folder, "knn preco-swin-pico --data land --split split --part test --random --label-fraction 0.5");
    assert!(random["known"].as_u64() < found["known"].as_u64() && random["asked"] == found["asked"]);
}

#[test]
fn the_files_of_the_papers_tables_are_understood() {
    let root = tempfile::tempdir().expect("temporary folder");
    let configs = preco_tests::folder::workspace().join("configs");
    let mut files = 0;
    for table in ["table1-eurosat", "table2-bigearthnet", "table3-bigearthnet-10"] {
        for file in std::fs::read_dir(configs.join(table)).expect("configs") {
            let path = file.expect("file").path();
            let kind = if table == "table1-eurosat" { "classify" } else { "multilabel" };
            // Everything but the data, or the run that it starts from, is there.
            let told = preco(root.path(), &format!("finetune {kind} --config {}", path.display()));
            let (text, missing) = (&told.stderr, ["--data DIR is missing", "runs/swin-b-"]);
            assert!(missing.iter().any(|missing| text.contains(missing)), "{}: {text}", path.display());
            let checked = preco(root.path(), &format!("config check {}", path.display())).succeeded();
            assert!(checked.stdout.contains("next: preco-cli finetune"), "{}", checked.stdout);
            files += 1;
        }
    }
    assert_eq!(files, 9);
}

#[test]
fn what_cannot_be_learnt_is_refused_with_the_reason() {
    let root = tempfile::tempdir().expect("temporary folder");
    let folder = root.path();
    class_folders(&folder.join("land"), 3);
    std::fs::create_dir_all(folder.join("one/only")).expect("folder");
    std::fs::copy(
        folder.join("land/forest").read_dir().expect("list").next().expect("file").expect("file").path(),
        folder.join("one/only/a.png"),
    )
    .expect("copy");
    std::fs::copy(folder.join("one/only/a.png"), folder.join("one/only/b.png")).expect("copy");
    std::fs::create_dir_all(folder.join("empty")).expect("folder");
    std::fs::write(folder.join("t.csv"), "path,label\none/only/a.png,x\none/only/b.png,y\n").expect("write");
    std::fs::write(folder.join("bad.csv"), "path,label\none/only/a.png,z\n").expect("write");
    std::fs::write(folder.join("range.csv"), "path,label\none/only/a.png,7\n").expect("write");
    let short = "--steps 1 --batch-size 2";
    for (arguments, why) in [
        ("finetune classify --data nowhere".to_owned(), "nowhere"),
        ("finetune classify".to_owned(), "--data DIR is missing"),
        ("finetune classify --data empty".to_owned(), "found 0 images"),
        (format!("finetune classify --data one --held-out 0 {short}"), "nothing to tell apart in 1 class (only)"),
        (
            format!("finetune classify --labels t.csv --val-labels bad.csv {short}"),
            "there is no class \"z\"; there are x, y",
        ),
        (format!("finetune classify --labels t.csv --val-labels range.csv {short}"), "line 2: label 7 is out of range"),
        (format!("finetune classify --data land --label-smoothing 1 {short}"), "label-smoothing 1 must be"),
        (format!("finetune classify --data land --label-fraction 0 {short}"), "label-fraction 0 must be above 0"),
        (format!("finetune classify --data land --mixup -1 {short}"), "mixup is -1"),
        (format!("finetune classify --data land --freeze-backbone --drop-path 0.2 {short}"), "a frozen one does not"),
        ("predict land/forest --model preco-swin-pico".to_owned(), "is no classifier"),
        (format!("finetune classify --data land --split empty {short}"), "holds no train.txt"),
    ] {
        preco(folder, &format!("{arguments}{}", if arguments.contains("finetune") { " --out x" } else { "" }))
            .refused(why);
        assert!(!folder.join("x").exists(), "{arguments} left a folder");
    }
    // A head of other classes is kept by nobody's mistake.
    preco(folder, &format!("finetune classify --data land --held-out 0 {short} --out run")).succeeded();
    let other = format!("finetune classify --labels t.csv --held-out 0 --init-from run {short} --out other");
    preco(folder, &other).refused("--held-out");
    let other = format!("finetune classify --labels t.csv --init-from run {short} --out other");
    preco(folder, &other).refused("--new-head puts another in its place");
    preco(folder, &format!("{other} --new-head")).succeeded();
    preco(folder, "evaluate run --labels t.csv").refused("there is no class \"x\"");
    // A class that is nowhere held out has no figures, and that is said.
    let list: String = ["forest", "river"]
        .iter()
        .map(|class| {
            let file = folder.join("land").join(class).read_dir().expect("list").next().expect("file").expect("file");
            format!("{class}/{}\n", file.file_name().to_string_lossy())
        })
        .collect();
    std::fs::write(folder.join("val.txt"), list).expect("write");
    std::fs::create_dir(folder.join("land/glacier")).expect("an empty class");
    let done =
        preco(folder, &format!("finetune classify --data land --val-list val.txt {short} --out told")).succeeded();
    assert!(done.stderr.contains("no image to learn from, so never found: glacier"), "{}", done.stderr);
    assert!(done.stderr.contains("no held-out image, so without figures: crops"), "{}", done.stderr);
}
