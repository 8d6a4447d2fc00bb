//! Runs that end in every way a run can end, and go on as if they had not.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use preco_core::rng::Stream;
use preco_tests::binary::{preco, preco_on_a_full_disk, start};

/// Passes end at every sixteenth step.
const RUN: &str = "pretrain --data data --model pico --input-size 32 --batch-size 4 --accumulate 1 --steps 60 --seed 3 \
                   --ema 0.99 --evaluate-every 7 --val-list held-out.txt --list train.txt";
/// With the checkpoints.
const SAVING: &str = "--save-every 2";

/// Images to train on and lists of them.
fn data(root: &Path) {
    preco(root, "scenes --out data --count 70 --size 32").succeeded();
    let mut names = Vec::new();
    for class in
        std::fs::read_dir(root.join("data/images")).or_else(|_| std::fs::read_dir(root.join("data"))).expect("list")
    {
        let class = class.expect("entry").path();
        collect(root, &class, &mut names);
    }
    names.sort();
    let list = |names: &[String]| names.join("\n");
    std::fs::write(root.join("train.txt"), list(&names[..64])).expect("write");
    std::fs::write(root.join("held-out.txt"), list(&names[64..])).expect("write");
}

fn collect(root: &Path, path: &Path, names: &mut Vec<String>) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).expect("list") {
            collect(root, &entry.expect("entry").path(), names);
        }
    } else if path.extension().is_some_and(|extension| extension == "png") && !path.to_string_lossy().contains("mask") {
        let name = path.strip_prefix(root.join("data")).expect("below data");
        names.push(name.to_string_lossy().into_owned());
    }
}

/// Every byte that a run leaves for later: weights, the best weights, and the last checkpoint with moments and average.
fn left(run: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<PathBuf> = ["model.safetensors", "decoder.safetensors", "best/model.safetensors", "config.json"]
        .map(|name| run.join(name))
        .to_vec();
    files.extend(checkpoints(run).pop());
    let read = |path: PathBuf| {
        let name = path.strip_prefix(run).expect("below the run").to_string_lossy().into_owned();
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (name, bytes)
    };
    files.into_iter().map(read).collect()
}

fn checkpoints(run: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(run.join("checkpoints")).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("step-")))
        .collect();
    found.sort();
    found
}

fn assert_same(ours: &Path, whole: &Path, what: &str) {
    let names = |run: &Path| left(run).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(ours), names(whole), "{what}");
    assert!(names(ours).iter().any(|name| name.starts_with("checkpoints/")), "{what}: no checkpoint");
    for ((name, ours), (_, whole)) in left(ours).iter().zip(&left(whole)) {
        assert!(ours == whole, "{what}: {name} differs");
    }
}

fn steps_logged(run: &Path) -> Vec<u64> {
    let text = std::fs::read_to_string(run.join("log.jsonl")).unwrap_or_default();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    lines.filter(|line| line.get("lr").is_some()).filter_map(|line| line["step"].as_u64()).collect()
}

/// Waits until `found` has something to say.
fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(started.elapsed() < Duration::from_secs(120), "{what} did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn killed_at_twenty_moments_a_run_ends_with_the_bytes_of_one_that_never_was() {
    let root = tempfile::tempdir().expect("temporary folder");
    data(root.path());
    preco(root.path(), &format!("{RUN} {SAVING} --out whole")).succeeded();
    let run = root.path().join("run");
    let mut stream = Stream::new(11, "kill", 0, 0);
    let (mut kills, mut during_a_write) = (0, 0);
    while kills < 20 {
        let begin = begin(&run);
        let threads = 1 + stream.below(2);
        let mut child =
            start(root.path(), &format!("{begin} --threads {threads} --loader-threads {}", stream.below(3)));
        if kills % 4 == 3 {
            // While a checkpoint is being written: its temporary file is there.
            let half_written = || {
                let mut entries = std::fs::read_dir(run.join("checkpoints")).into_iter().flatten().flatten();
                let there = entries.any(|entry| entry.file_name().to_string_lossy().starts_with(".preco-"));
                (there || child_ended(&mut child)).then_some(there)
            };
            let mut half_written = half_written;
            during_a_write += usize::from(wait_for("a checkpoint", &mut half_written));
        } else {
            std::thread::sleep(Duration::from_millis(60 + stream.below(500) as u64));
        }
        if child_ended(&mut child) {
            // It came to its end: from the start again, so that all twenty kills hit a living run.
            std::fs::remove_dir_all(&run).expect("remove");
            continue;
        }
        child.kill().expect("kill");
        child.wait().expect("wait");
        kills += 1;
    }
    assert!(during_a_write >= 3, "only {during_a_write} kills hit a checkpoint being written");
    preco(root.path(), &begin(&run)).succeeded();
    assert_same(&run, &root.path().join("whole"), "after twenty kills");
    assert_eq!(steps_logged(&run), (1..=60).collect::<Vec<_>>());
    for folder in [run.clone(), run.join("checkpoints"), run.join("best")] {
        let entries = std::fs::read_dir(&folder).expect("list").flatten().map(|entry| entry.file_name());
        let left: Vec<_> = entries.filter(|name| name.to_string_lossy().starts_with(".preco-")).collect();
        assert!(left.is_empty(), "{left:?} in {}", folder.display());
    }
}

/// How a run is started that may have been killed at any moment: without its settings it has not begun.
fn begin(run: &Path) -> String {
    match run.join("run.toml").exists() {
        true => "pretrain --resume run".to_owned(),
        false => format!("{RUN} {SAVING} --out run"),
    }
}

#[test]
fn killed_before_its_first_checkpoint_a_run_is_resumed_at_its_first_step() {
    let root = tempfile::tempdir().expect("temporary folder");
    data(root.path());
    preco(root.path(), &format!("{RUN} {SAVING} --out whole")).succeeded();
    let run = root.path().join("run");
    for moment in [0, 3] {
        let mut child = start(root.path(), &format!("{RUN} --save-every 0 --out run"));
        let reached = || (run.join("run.toml").exists() && steps_logged(&run).len() >= moment).then_some(());
        wait_for("the moment", reached);
        child.kill().expect("kill");
        child.wait().expect("wait");
        assert!(checkpoints(&run).is_empty());
        let done = preco(root.path(), "pretrain --resume run --save-every 2").succeeded();
        assert!(done.stderr.contains("no checkpoint yet: starting from the first step"), "{}", done.stderr);
        assert_same(&run, &root.path().join("whole"), "after a kill before the first checkpoint");
        assert_eq!(steps_logged(&run), (1..=60).collect::<Vec<_>>());
        std::fs::remove_dir_all(&run).expect("remove");
    }
    preco(root.path(), "pretrain --resume run").refused("run holds no run.toml, so there is no run to continue");
    assert!(!run.exists());
}

fn child_ended(child: &mut std::process::Child) -> bool {
    child.try_wait().expect("wait").is_some()
}

#[test]
fn ctrl_c_saves_and_leaves_and_other_threads_go_on() {
    let root = tempfile::tempdir().expect("temporary folder");
    data(root.path());
    preco(root.path(), &format!("{RUN} {SAVING} --out whole --threads 2")).succeeded();
    let run = root.path().join("run");
    let mut child = start(root.path(), &format!("{RUN} --out run --threads 2 --save-every 0"));
    wait_for("the fifth step", || (steps_logged(&run).len() >= 5).then_some(()));
    preco(root.path(), &format!("{RUN} {SAVING} --out run --force")).refused("another run is training in it");
    let signal = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    assert!(signal.success());
    assert_eq!(child.wait().expect("wait").code(), Some(130));
    let saved = checkpoints(&run);
    let step = steps_logged(&run).len();
    assert_eq!(saved, [run.join(format!("checkpoints/step-{step:010}.safetensors"))]);
    assert!(!run.join("model.safetensors").exists(), "an unfinished run has left a model");

    // A clock that has gone backwards says nothing: steps do.
    std::fs::File::options()
        .append(true)
        .open(&saved[0])
        .expect("open")
        .set_modified(SystemTime::UNIX_EPOCH)
        .expect("time");
    preco(root.path(), &format!("{RUN} --out run")).refused("continue it with --resume");
    let done = preco(root.path(), "pretrain --resume run --threads 1 --loader-threads 0 --save-every 2").succeeded();
    assert!(done.stderr.contains(&format!("continuing after step {step} ")), "{}", done.stderr);
    assert_same(&run, &root.path().join("whole"), "after Ctrl-C");
}

#[test]
fn a_full_disk_costs_no_checkpoint() {
    let root = tempfile::tempdir().expect("temporary folder");
    data(root.path());
    preco(root.path(), &format!("{RUN} {SAVING} --out whole")).succeeded();
    // A checkpoint of pico takes 62 MB; 20,000 blocks are 10.
    let full = preco_on_a_full_disk(root.path(), &format!("{RUN} {SAVING} --out none"), 20_000);
    assert_eq!(full.stderr.matches("os error").count(), 1, "the cause is told twice: {}", full.stderr);
    full.refused("the checkpoint of step 2 was not saved");
    let run = root.path().join("run");
    let mut child = start(root.path(), &format!("{RUN} {SAVING} --out run"));
    wait_for("a second checkpoint", || (checkpoints(&run).len() >= 2).then_some(()));
    child.kill().expect("kill");
    child.wait().expect("wait");
    let before: Vec<_> =
        checkpoints(&run).into_iter().map(|path| (std::fs::read(&path).expect("read"), path)).collect();
    let newest = before.last().expect("a checkpoint").1.display().to_string();
    let newest = newest.rsplit('/').next().expect("name").to_owned();
    preco_on_a_full_disk(root.path(), "pretrain --resume run", 20_000).refused(&format!("checkpoints/{newest}"));
    for (bytes, path) in &before {
        assert!(std::fs::read(path).is_ok_and(|now| now == *bytes), "{} was harmed", path.display());
    }
    preco(root.path(), "pretrain --resume run").succeeded();
    assert_same(&run, &root.path().join("whole"), "after a full disk");
}

#[test]
fn a_run_keeps_its_instructions_and_needs_no_more_what_it_started_from() {
    let root = tempfile::tempdir().expect("temporary folder");
    data(root.path());
    preco(root.path(), &format!("{} --steps 2 --out init", RUN.replace(" --steps 60", ""))).succeeded();
    let run = format!("{} --init-from init --simd portable --save-every 2", RUN.replace(" --model pico", ""));
    preco(root.path(), &format!("{run} --out whole")).succeeded();
    let mut child = start(root.path(), &format!("{run} --out run"));
    wait_for("a checkpoint", || (!checkpoints(&root.path().join("run")).is_empty()).then_some(()));
    child.kill().expect("kill");
    child.wait().expect("wait");
    std::fs::rename(root.path().join("init"), root.path().join("gone")).expect("rename");
    preco(root.path(), "pretrain --resume run --lr 1e-5").refused("--accept-changes");
    let done = preco(root.path(), "pretrain --resume run").succeeded();
    assert!(done.stderr.contains("portable") && !done.stderr.contains("may differ"), "{}", done.stderr);
    assert_same(&root.path().join("run"), &root.path().join("whole"), "without its start");
    for inputs in ["--init-from gone", "--data gone", "--init-from gone/best"] {
        preco(root.path(), &format!("pretrain {inputs} --out gone --force")).refused("lies in --out");
    }
}

#[test]
fn other_held_out_images_are_another_run_and_an_average_can_be_begun_with_accepted_changes() {
    let root = tempfile::tempdir().expect("temporary folder");
    data(root.path());
    let run = RUN.replace(" --ema 0.99", "").replace("--steps 60", "--steps 4");
    preco(root.path(), &format!("{run} --out run")).succeeded();
    let held_out = std::fs::read_to_string(root.path().join("held-out.txt")).expect("read");
    let fewer = held_out.split_once('\n').expect("lines").1;
    std::fs::write(root.path().join("fewer.txt"), fewer).expect("write");
    preco(root.path(), "pretrain --resume run --val-list fewer.txt").refused("the held-out data is 5 images");
    preco(root.path(), "pretrain --resume run --ema 0.99 --steps 6").refused("--accept-changes");
    preco(root.path(), "pretrain --resume run --ema 0.99 --steps 6 --accept-changes").succeeded();
    assert!(checkpoints(&root.path().join("run")).iter().any(|path| path.ends_with("step-0000000006.safetensors")));
    // What was best on other images is no measure of what comes.
    let best = "the best so far was measured on or under something else";
    let done = preco(root.path(), "pretrain --resume run --steps 8 --lr 1e-5 --accept-changes").succeeded();
    assert!(!done.stderr.contains(best), "{}", done.stderr);
    let resume = "pretrain --resume run --steps 10 --val-list fewer.txt --accept-changes";
    let done = preco(root.path(), resume).succeeded();
    assert!(done.stderr.contains(best), "{}", done.stderr);
}

#[test]
fn a_run_does_not_lie_among_its_images() {
    let root = tempfile::tempdir().expect("temporary folder");
    data(root.path());
    let run = RUN.replace(" --list train.txt", "").replace(" --val-list held-out.txt", "");
    preco(root.path(), &format!("{run} --out data/runs/new")).refused("lies in --data data");
    preco(root.path(), &format!("{run} --out data")).refused("lies in --out");
}

#[test]
fn a_folder_that_cannot_be_written_is_refused_before_anything_is_done() {
    let root = tempfile::tempdir().expect("temporary folder");
    // Not even root may write there.
    preco(root.path(), "pretrain --steps 2 --out /proc/preco").refused("cannot create the output folder /proc/preco");
}

#[test]
fn a_thousand_steps_leave_memory_flat() {
    let root = tempfile::tempdir().expect("temporary folder");
    data(root.path());
    let run = RUN.replace("--batch-size 4", "--batch-size 2").replace("--steps 60", "--steps 1000");
    preco(
        root.path(),
        &format!("{run} --evaluate-every 200 --save-every 200 --out run").replace("--evaluate-every 7 ", ""),
    )
    .succeeded();
    let text = std::fs::read_to_string(root.path().join("run/log.jsonl")).expect("log");
    let lines = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let memory: Vec<f64> = lines.filter_map(|line| line["memory_mb"].as_f64()).collect();
    assert_eq!(memory.len(), 1000);
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    // From the second evaluation and checkpoint on everything has been allocated that ever is.
    let (early, late) = (mean(&memory[410..500]), mean(&memory[910..]));
    assert!(early > 10.0 && late < early + 6.0, "{early:.1} MB, then {late:.1} MB");
}
