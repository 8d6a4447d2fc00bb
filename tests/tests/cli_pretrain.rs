//! Pre-training end to end, through the program.

use std::path::Path;

use preco_tests::binary::preco;

const SHORT: &str = "pretrain --steps 3 --batch-size 4 --seed 5";

fn weights(folder: &Path) -> Vec<u8> {
    std::fs::read(folder.join("model.safetensors")).expect("weights")
}

#[test]
fn a_short_run_leaves_a_model_a_log_and_pictures() {
    let root = tempfile::tempdir().expect("temporary folder");
    let done = preco(root.path(), &format!("{SHORT} --out run")).succeeded();
    assert!(done.stdout.contains("next: preco-cli evaluate run"), "{}", done.stdout);
    for part in ["preco-swin-pico", "generated scenes", "step 3/3"] {
        assert!(done.stderr.contains(part), "no {part:?} in {}", done.stderr);
    }
    let mut files: Vec<String> = std::fs::read_dir(root.path().join("run"))
        .expect("list")
        .map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned())
        .collect();
    files.sort();
    let expected = [
        "best",
        "checkpoints",
        "config.json",
        "decoder.safetensors",
        "log.jsonl",
        "loss.png",
        "model.safetensors",
        "preprocessor_config.json",
        "reconstruction.png",
        "report.html",
        "run.toml",
    ];
    let (events, files): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|name| name.starts_with("events.out.tfevents."));
    assert_eq!((files.as_slice(), events.len()), (&expected.map(String::from)[..], 1));

    let log = std::fs::read_to_string(root.path().join("run/log.jsonl")).expect("log");
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let (measured, steps): (Vec<_>, Vec<_>) = lines.into_iter().partition(|line| line.get("is_best").is_some());
    assert!(measured.len() == 1 && measured[0]["step"] == 3 && measured[0]["val_loss_re"].is_f64(), "{log}");
    assert_eq!(steps.iter().map(|step| step["step"].as_u64()).collect::<Vec<_>>(), [Some(1), Some(2), Some(3)]);
    for key in
        ["epoch", "loss", "loss_re", "loss_pr", "loss_sc", "lr", "grad_norm", "images_per_s", "wait", "memory_mb"]
    {
        assert!(steps.iter().all(|step| step[key].is_f64()), "{key} in {log}");
    }
    for picture in ["loss.png", "reconstruction.png"] {
        image::open(root.path().join("run").join(picture)).expect(picture);
    }
    let names = std::fs::read(root.path().join("run/model.safetensors")).expect("weights");
    let names = safetensors::SafeTensors::deserialize(&names).expect("safetensors");
    assert!(names.tensor("layers.2.blocks.5.attn.qkv.weight").is_ok() && names.tensor("mask_token").is_err());
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_any_number_of_threads() {
    let root = tempfile::tempdir().expect("temporary folder");
    let train = |name: &str, more: &str| {
        preco(root.path(), &format!("{SHORT} --out {name} {more}")).succeeded();
        weights(&root.path().join(name))
    };
    let first = train("a", "--threads 2");
    assert!(first == train("b", "--threads 2"), "the same command gave other bytes");
    assert!(first == train("c", "--threads 1"), "another number of threads gave other bytes");
    assert!(first != train("d", "--threads 2 --lr 2e-3"), "nothing was learnt");
}

#[test]
fn a_run_is_measured_and_continued() {
    let root = tempfile::tempdir().expect("temporary folder");
    preco(root.path(), "scenes --out data --count 20 --size 64").succeeded();
    preco(root.path(), &format!("{SHORT} --data data --input-size 64 --method simmim --out run")).succeeded();
    let measured = preco(root.path(), "evaluate run --data data --count 20 --json").succeeded();
    let measured: serde_json::Value = serde_json::from_str(&measured.stdout).expect("JSON");
    let names: Vec<&str> = measured["inpainting"]["fillings"]
        .as_array()
        .expect("rows")
        .iter()
        .filter_map(|r| r["name"].as_str())
        .collect();
    assert_eq!(names, ["model", "mean", "harmonic"]);
    assert_eq!((&measured["neighbours"]["train"], &measured["neighbours"]["test"]), (&16.into(), &4.into()));
    let more = preco(root.path(), "pretrain --init-from run --data data --steps 1 --batch-size 4 --out more --json");
    let more: serde_json::Value = serde_json::from_str(&more.succeeded().stdout).expect("JSON");
    assert_eq!((&more["steps"], &more["name"]), (&1.into(), &"preco-swin-pico".into()));
}

#[test]
fn an_earlier_run_stays_unless_told_otherwise() {
    let root = tempfile::tempdir().expect("temporary folder");
    preco(root.path(), &format!("{SHORT} --out run")).succeeded();
    let before = weights(&root.path().join("run"));
    preco(root.path(), &format!("{SHORT} --lr 2e-3 --out run")).refused("--force");
    assert!(before == weights(&root.path().join("run")));
    preco(root.path(), &format!("{SHORT} --lr 2e-3 --out run --force")).succeeded();
    assert!(before != weights(&root.path().join("run")));
}

#[test]
fn the_folder_of_an_archive_is_trained_on_as_the_one_in_it() {
    let root = tempfile::tempdir().expect("temporary folder");
    preco(root.path(), "data generate --layout eurosat --out made --count 20 --size 32").succeeded();
    preco(root.path(), "data split made --fractions 0.8,0.2,0 --out split").succeeded();
    let lists = "--list split/train.txt --val-list split/val.txt";
    for (data, out) in [("made", "outer"), ("made/2750", "inner")] {
        preco(root.path(), &format!("{SHORT} --input-size 32 --data {data} {lists} --out {out}")).succeeded();
    }
    assert!(weights(&root.path().join("outer")) == weights(&root.path().join("inner")));
}
