//! TensorBoard's own reader opens what a run logs.

use std::path::Path;
use std::process::Command;

use preco_tests::binary::preco;

/// `{"scalars": {tag: [[step, value], …]}, …}` as TensorBoard's Python reader sees it; `None` where there is no such Python.
fn read(run: &Path) -> Option<serde_json::Value> {
    let python = std::env::var("PRECO_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let has = Command::new(&python).args(["-c", "import tensorboard"]).output().is_ok_and(|done| done.status.success());
    if !has {
        eprintln!("TENSORBOARD NOT COMPARED: {python} has no package tensorboard; name one that has in PRECO_PYTHON");
        return None;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/check-tensorboard.py");
    let done = Command::new(&python).arg(script).arg(run).output().expect("start Python");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    Some(serde_json::from_slice(&done.stdout).expect("JSON"))
}

#[test]
fn tensorboard_reads_what_a_run_has_logged_also_of_a_run_that_went_on() {
    let root = tempfile::tempdir().expect("temporary folder");
    preco(root.path(), "pretrain --steps 4 --batch-size 4 --save-every 2 --keep 9 --evaluate-every 2 --out run")
        .succeeded();
    let run = root.path().join("run");
    // As if killed after step 4 was logged and before it was saved: steps 3 and 4 are done, and logged, again.
    std::fs::remove_file(run.join("checkpoints/step-0000000004.safetensors")).expect("remove");
    preco(root.path(), "pretrain --resume run").succeeded();
    let log = std::fs::read_to_string(run.join("log.jsonl")).expect("log");
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let Some(seen) = read(&run) else { return };
    for (tag, key) in [
        ("loss/total", "loss"),
        ("loss/re", "loss_re"),
        ("loss/pr", "loss_pr"),
        ("loss/sc", "loss_sc"),
        ("train/lr", "lr"),
        ("train/grad_norm", "grad_norm"),
        ("val/loss_re", "val_loss_re"),
    ] {
        let want: Vec<(u64, f64)> =
            lines.iter().filter_map(|line| Some((line["step"].as_u64()?, line.get(key)?.as_f64()?))).collect();
        let got: Vec<(u64, f64)> = serde_json::from_value(seen["scalars"][tag].clone()).expect(tag);
        assert_eq!(got.len(), want.len(), "{tag}: {got:?} {want:?}");
        for ((step, value), (want_step, want)) in got.iter().zip(&want) {
            assert!(step == want_step && *value as f32 == *want as f32, "{tag}: {got:?} {want:?}");
        }
    }
}
