//! `ablate` through the program: a small plan to its end, in pieces.

use std::path::Path;

use preco_core::imagery::write_png;
use preco_tests::binary::{preco, start};
use preco_tests::land::result;
use preco_train::datasets::scenes::{CLASSES, SceneGenerator};
use serde_json::{Value, json};

const PLAN: &str = r#"
title = "A small one"
reference = "both"
seeds = [0, 1]
split = "split"

[pretrain]
model = "pico"
input-size = 64
batch-size = 8
steps = 3

[[arms]]
name = "both"
title = "PReCo"

[[arms]]
name = "masked-only"
pretrain = { method = "simmim" }

[[arms]]
name = "random"
random = true
measures = ["knn", "probe"]

[[arms]]
name = "ratio"
pretrain = { mask-ratio = 0.4 }
seeds = [1]
measures = ["knn"]

[[measures]]
name = "knn"
kind = "knn"
curve = "neighbours"

[[measures]]
name = "probe"
kind = "classify"
curve = "probe"
settings = { freeze-backbone = true, steps = 3, label-fraction = 0.5 }

[[measures]]
name = "masked"
kind = "reconstruction"
"#;

/// Drawn images, a list for each part, and the plan.
fn set_up(folder: &Path) {
    let scenes = SceneGenerator::new(5, 64, 40);
    let mut lists = [const { String::new() }; 3];
    for index in 0..40 {
        let scene = scenes.scene(index);
        let class = CLASSES[index % 2];
        std::fs::create_dir_all(folder.join("land").join(class)).expect("folder");
        let name = format!("{class}/{index:02}.png");
        write_png(&scene.image, &folder.join("land").join(&name)).expect("png");
        lists[[0, 0, 1, 2][index / 2 % 4]].push_str(&format!("{name}\n"));
    }
    std::fs::create_dir(folder.join("split")).expect("folder");
    for (name, list) in ["train", "val", "test"].iter().zip(lists) {
        std::fs::write(folder.join(format!("split/{name}.txt")), list).expect("list");
    }
    std::fs::write(folder.join("plan.toml"), PLAN).expect("plan");
}

fn lines(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("runs.jsonl")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("a run")).collect()
}

#[test]
fn a_plan_goes_on_where_it_stopped_and_ends_in_a_table() {
    let root = tempfile::tempdir().expect("temporary folder");
    let folder = root.path();
    set_up(folder);
    let run = "ablate --plan plan.toml --data land --runs runs.jsonl --out abl";
    // Killed after the first lines, as a machine that goes away.
    let mut child = start(folder, run);
    while lines(folder).len() < 2 {
        assert!(child.try_wait().expect("child").is_none(), "it ended at once");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    child.kill().expect("kill");
    child.wait().expect("child");
    let before = lines(folder);
    // Elsewhere: nothing but the lines is there.
    std::fs::remove_dir_all(folder.join("abl")).expect("remove");
    let told = result(folder, run);
    // Two seeds of two arms with all measures and of random weights with two, and one seed of one with one.
    assert_eq!((&told["done"], &told["runs"]), (&json!(24), &json!(24)));
    let all = lines(folder);
    assert_eq!((all.len(), &all[..before.len()]), (24, &before[..]));
    let steps = |arm: &str| all.iter().filter(|line| line["arm"] == arm).count();
    assert_eq!(["both", "masked-only", "random", "ratio"].map(steps), [8, 8, 6, 2]);
    let figure = |arm: &str, seed: u64, step: &str, name: &str| {
        let line = all.iter().find(|line| line["arm"] == arm && line["seed"] == seed && line["step"] == step);
        line.expect("a line")["figures"][name].as_f64().expect("a figure")
    };
    // The same figure by hand.
    let by_hand = "knn abl/models/both-1 --data land --train-list split/train.txt --list split/test.txt";
    assert_eq!(result(folder, by_hand)["figures"]["top1"].as_f64(), Some(figure("both", 1, "knn", "top1")));
    assert!(figure("both", 0, "masked", "detailed") > figure("both", 0, "masked", "flat"));
    let tables = told["tables"].as_str().expect("tables");
    for needle in ["| measure | PReCo | masked-only | random |", "| measure | PReCo minus masked-only |", "| ratio | "]
    {
        assert!(tables.contains(needle), "{needle} is not in\n{tables}");
    }
    assert!(std::fs::read_to_string(folder.join("abl/summary.md")).expect("summary").contains(tables));
    // Nothing is done again, nor where the plan changes in other places; what changed is.
    assert_eq!(result(folder, run)["done"], json!(24));
    assert_eq!(lines(folder).len(), 24);
    std::fs::write(folder.join("plan.toml"), PLAN.replace("mask-ratio = 0.4", "mask-ratio = 0.5")).expect("plan");
    let told = result(folder, "ablate --plan plan.toml --summary --runs runs.jsonl --out abl");
    assert_eq!(told["done"], json!(22));
}

#[test]
fn a_plan_that_cannot_be_is_refused_before_any_work() {
    let root = tempfile::tempdir().expect("temporary folder");
    let folder = root.path();
    set_up(folder);
    for (from, to, why) in [
        ("steps = 3\n\n[[arms]]", "stepps = 3\n\n[[arms]]", "unknown field `stepps`"),
        ("kind = \"knn\"", "kind = \"nn\"", "line 34"),
        ("reference = \"both\"", "reference = \"bot\"", "reference bot is no arm"),
        ("split = \"split\"", "split = \"elsewhere\"", "elsewhere/train.txt"),
        ("freeze-backbone", "freeze-backbones", "measure probe"),
        ("title =", "title", "line 2"),
    ] {
        std::fs::write(folder.join("plan.toml"), PLAN.replacen(from, to, 1)).expect("plan");
        preco(folder, "ablate --plan plan.toml --data land --runs runs.jsonl --out abl").refused(why);
    }
    assert!(lines(folder).is_empty());
    std::fs::write(folder.join("plan.toml"), PLAN).expect("plan");
    preco(folder, "ablate --plan plan.toml --data nowhere --out abl").refused("nowhere");
    std::fs::write(folder.join("runs.jsonl"), "no run\n").expect("runs");
    preco(folder, "ablate --plan plan.toml --data land --runs runs.jsonl --out abl").refused("line 1 is no run");
}
