//! Runs that are stopped and go on.

use super::*;

#[test]
fn a_run_interrupted_anywhere_and_resumed_ends_with_the_same_bytes() {
    let root = tempfile::tempdir().expect("temporary folder");
    // Two updates a pass, so that some interruptions fall within one; accumulation, average and evaluations with it.
    let config = Pretrain {
        recipe: Recipe {
            accumulate: 2,
            batch_size: 2,
            length: Length::Steps(7),
            ema: Some(0.9),
            evaluate_every: 2,
            ..config().recipe
        },
        ..config()
    };
    let whole = root.path().join("whole");
    train(&config, None, &whole).expect("run");
    for stop_after in 1..7 {
        let folder = root.path().join(format!("cut-{stop_after}"));
        let (cut, _) = train_how(&config, None, &folder, How { stop_after, ..FRESH }).expect("run");
        assert_eq!((cut.ending, cut.steps), (Ending::Interrupted, stop_after));
        let again = How {
            begin: Start::Resume,
            runtime: Runtime { loader_threads: 3, cache_bytes: 0, ..FRESH.runtime },
            ..FRESH
        };
        let (done, said) = train_how(&config, None, &folder, again).expect("resume");
        assert_eq!((done.ending, done.steps), (Ending::Finished, 7));
        assert!(said[0].starts_with(&format!("continuing after step {stop_after} ")), "{said:?}");
        assert!(weights(&folder) == weights(&whole), "weights after {stop_after}");
        assert!(checkpoint(&folder) == checkpoint(&whole), "checkpoint after {stop_after}");
        let losses = |folder: &Path| -> Vec<f64> {
            let steps = crate::log::read_steps(&folder.join("log.jsonl")).expect("log");
            steps.iter().map(|step| step.loss).collect()
        };
        assert_eq!(losses(&folder), losses(&whole), "log after {stop_after}");
    }
}

#[test]
fn a_run_stopped_before_its_first_checkpoint_begins_again_and_ends_with_the_same_bytes() {
    let root = tempfile::tempdir().expect("temporary folder");
    let config = Pretrain {
        recipe: Recipe { length: Length::Steps(5), ema: Some(0.9), evaluate_every: 2, ..config().recipe },
        ..config()
    };
    let (whole, cut) = (root.path().join("whole"), root.path().join("cut"));
    train(&config, None, &whole).expect("run");
    train_how(&config, None, &cut, How { stop_after: 3, ..FRESH }).expect("run");
    for gone in ["checkpoints/step-0000000003.safetensors", "checkpoints"] {
        let gone = cut.join(gone);
        if gone.is_dir() { std::fs::remove_dir_all(gone) } else { std::fs::remove_file(gone) }.expect("remove");
        let (done, said) = train_how(&config, None, &cut, How { begin: Start::Resume, ..FRESH }).expect("resume");
        assert_eq!((done.steps, said), (5, vec!["no checkpoint yet: starting from the first step".to_owned()]));
        assert!(weights(&cut) == weights(&whole) && checkpoint(&cut) == checkpoint(&whole));
        let steps: Vec<_> = crate::log::read_steps(&cut.join("log.jsonl")).expect("log");
        assert_eq!(steps.iter().map(|step| step.step).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        for end in ["model.safetensors", "decoder.safetensors"] {
            std::fs::remove_file(cut.join(end)).expect("remove");
        }
    }
}

#[test]
fn a_divergence_names_the_checkpoint_it_began_from_and_is_forgotten_once_past() {
    let root = tempfile::tempdir().expect("temporary folder");
    let config = Pretrain { recipe: Recipe { length: Length::Steps(6), ..config().recipe }, ..config() };
    train_how(&config, None, root.path(), How { stop_after: 2, ..FRESH }).expect("run");
    let at = |step: u64| root.path().join(format!("checkpoints/step-{step:010}.safetensors"));
    let good = std::fs::read(at(2)).expect("read");
    let (about, mut buffers) = crate::checkpoint::file::read(&at(2)).expect("read");
    buffers.get_mut("params").expect("parameters").fill(f32::NAN);
    let buffers: Vec<_> = buffers.iter().map(|(name, values)| (name.as_str(), values.as_slice())).collect();
    crate::checkpoint::file::write(&at(2), &about, &buffers).expect("write");
    std::fs::write(at(4), "junk").expect("write");
    let resume = How { begin: Start::Resume, ..FRESH };
    let error = train_how(&config, None, root.path(), resume).expect_err("diverged");
    let Error::Diverged(known) = error else {
        panic!("{error:?}");
    };
    let report = root.path().join("diverged.json");
    assert_eq!((known.step, known.last_good_checkpoint, known.report), (3, Some(at(2)), Some(report.clone())));
    assert!(report.exists());
    std::fs::write(at(2), good).expect("write");
    train_how(&config, None, root.path(), resume).expect("resume");
    assert!(!report.exists());
}

#[test]
fn a_resumed_run_meets_its_limit_of_unreadable_images_at_the_same_step() {
    let root = tempfile::tempdir().expect("temporary folder");
    // An image a step: the third of two that may be missing comes within the first pass.
    let config = Pretrain {
        recipe: Recipe { batch_size: 1, length: Length::Steps(9), max_unreadable: 2, ..config().recipe },
        ..config()
    };
    let run = |name: &str, how: How| {
        let folder = root.path().join(name);
        let result = train_on(Damaged::at(&[1, 4, 6]), &config, None, &folder, how);
        let steps = crate::log::read_steps(&folder.join("log.jsonl")).map_or(0, |steps| steps.len());
        (result.map(|(outcome, _)| outcome.ending), steps)
    };
    let (ended, steps) = run("whole", FRESH);
    assert!(matches!(ended, Err(Error::Unreadable { count: 3, limit: 2, .. })), "{ended:?}");
    assert!((3..8).contains(&steps), "{steps} steps");
    for stop_after in 1..=steps as u64 {
        let name = format!("cut-{stop_after}");
        assert_eq!(run(&name, How { stop_after, ..FRESH }).0.expect("interrupted"), Ending::Interrupted);
        let (again, until) = run(&name, How { begin: Start::Resume, ..FRESH });
        assert!(matches!(again, Err(Error::Unreadable { count: 3, limit: 2, .. })), "after {stop_after}: {again:?}");
        assert_eq!(until, steps, "after {stop_after}");
    }
}

#[test]
fn a_broken_checkpoint_is_named_and_the_one_before_it_used() {
    let root = tempfile::tempdir().expect("temporary folder");
    let (whole, cut) = (root.path().join("whole"), root.path().join("cut"));
    let config = Pretrain { recipe: Recipe { length: Length::Steps(6), ..config().recipe }, ..config() };
    train(&config, None, &whole).expect("run");
    let saving = How { runtime: Runtime { save_every: 2, ..FRESH.runtime }, stop_after: 4, ..FRESH };
    train_how(&config, None, &cut, saving).expect("run");
    let newest = cut.join("checkpoints/step-0000000004.safetensors");
    let good = std::fs::read(&newest).expect("read");
    let mut changed = good.clone();
    changed[good.len() - 1] ^= 1;
    for (bytes, reason) in
        [(&good[..good.len() - 9], "should end at byte"), (&changed, "SHA-256"), (&[][..], "0 bytes")]
    {
        std::fs::write(&newest, bytes).expect("write");
        let (_, said) = train_how(&config, None, &cut, How { begin: Start::Resume, ..FRESH }).expect("resume");
        assert!(said[0].contains("step-0000000004") && said[0].contains(reason), "{said:?}");
        assert!(said[1].contains("continuing from") && said[1].contains("step-0000000002"), "{said:?}");
        assert!(weights(&cut) == weights(&whole), "{reason}");
        // As after the interruption again.
        std::fs::remove_file(cut.join("checkpoints/step-0000000006.safetensors")).expect("remove");
        let two = saving.runtime;
        std::fs::remove_dir_all(&cut).expect("remove");
        train_how(&config, None, &cut, How { runtime: two, ..saving }).expect("run");
    }
    std::fs::write(cut.join("checkpoints/step-0000000002.safetensors"), b"junk").expect("write");
    std::fs::write(&newest, b"junk").expect("write");
    let error = train_how(&config, None, &cut, How { begin: Start::Resume, ..FRESH }).expect_err("none").to_string();
    assert!(error.contains("none of its 2 checkpoints can be used"), "{error}");
}

#[test]
fn a_broken_checkpoint_never_takes_the_place_of_a_good_one() {
    let root = tempfile::tempdir().expect("temporary folder");
    let config = Pretrain { recipe: Recipe { length: Length::Steps(6), ..config().recipe }, ..config() };
    let saving = Runtime { save_every: 2, ..FRESH.runtime };
    train_how(&config, None, root.path(), How { runtime: saving, stop_after: 4, ..FRESH }).expect("run");
    std::fs::write(root.path().join("checkpoints/step-0000000004.safetensors"), b"junk").expect("write");
    // From 2 to 3 with room for one: 3 must stay, not the broken 4.
    let one = Runtime { save_every: 1, keep: 1, ..FRESH.runtime };
    let resume = How { begin: Start::Resume, runtime: one, ..FRESH };
    train_how(&config, None, root.path(), How { stop_after: 3, ..resume }).expect("resume");
    let (_, said) = train_how(&config, None, root.path(), resume).expect("resume again");
    assert!(said[0].starts_with("continuing after step 3 "), "{said:?}");
    // From 4 past a broken 5 to 6 with room for two: 4 must stay beside 6.
    let folder = tempfile::tempdir().expect("temporary folder");
    train_how(&config, None, folder.path(), How { stop_after: 4, ..FRESH }).expect("run");
    let at = |step: u64| folder.path().join(format!("checkpoints/step-{step:010}.safetensors"));
    std::fs::write(at(5), b"junk").expect("write");
    train_how(&config, None, folder.path(), How { begin: Start::Resume, ..FRESH }).expect("resume");
    assert_eq!([4, 5, 6].map(|step| at(step).exists()), [true, false, true]);
}

/// A checkpoint of the run as it would be at `step`, with another learning rate.
fn foreign_checkpoint(step: u64) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("temporary folder");
    let other = Pretrain { recipe: Recipe { length: Length::Steps(6), lr: 2e-3, ..config().recipe }, ..config() };
    train_how(&other, None, folder.path(), How { stop_after: step, ..FRESH }).expect("run");
    checkpoint(folder.path())
}

#[test]
fn a_checkpoint_of_another_run_is_set_aside_whatever_its_step() {
    let root = tempfile::tempdir().expect("temporary folder");
    let (whole, cut) = (root.path().join("whole"), root.path().join("cut"));
    let config = Pretrain { recipe: Recipe { length: Length::Steps(6), ..config().recipe }, ..config() };
    train(&config, None, &whole).expect("run");
    train_how(&config, None, &cut, How { stop_after: 4, ..FRESH }).expect("run");
    let at = |step: u64| cut.join(format!("checkpoints/step-{step:010}.safetensors"));
    for step in [3, 5, 6] {
        // The last has 5's bytes under the name that the run itself will use.
        std::fs::write(at(step), foreign_checkpoint(step.min(5))).expect("write");
    }
    let saving = Runtime { save_every: 1, ..FRESH.runtime };
    let resume = How { begin: Start::Resume, runtime: saving, ..FRESH };
    let (_, said) = train_how(&config, None, &cut, resume).expect("resume");
    let differs = "is of another run: lr is 0.001 now and was 0.002; it is ";
    for (line, step) in [(&said[0], "step-0000000006"), (&said[1], "step-0000000005")] {
        assert!(line.contains(step) && line.contains(differs) && line.ends_with(".foreign now"), "{said:?}");
    }
    assert!(said[2].starts_with("continuing from ") && said[2].contains("step-0000000004"), "{said:?}");
    assert!(said[3].starts_with("continuing after step 4 "), "{said:?}");
    let mut names: Vec<_> = std::fs::read_dir(cut.join("checkpoints"))
        .expect("list")
        .map(|entry| entry.expect("entry").file_name().to_string_lossy().replace("step-000000000", ""))
        .collect();
    names.sort();
    let whole_names = ["3.safetensors.foreign", "5.safetensors", "5.safetensors.foreign"];
    assert_eq!(names, [&whole_names[..], &["6.safetensors", "6.safetensors.foreign"]].concat());
    assert!(weights(&cut) == weights(&whole), "the other run's numbers came in");
    assert!(std::fs::read(at(6)).expect("read") == checkpoint(&whole));
    // The next of the same name takes another: nothing that was set aside is lost.
    std::fs::remove_file(at(6)).expect("remove");
    std::fs::write(at(6), foreign_checkpoint(5)).expect("write");
    let (_, said) = train_how(&config, None, &cut, resume).expect("resume");
    assert!(said[0].ends_with("step-0000000006.safetensors.foreign-2 now"), "{said:?}");
}

#[test]
fn where_all_whole_checkpoints_are_anothers_nothing_is_moved() {
    let root = tempfile::tempdir().expect("temporary folder");
    let folder = root.path().join("run");
    let config = Pretrain { recipe: Recipe { length: Length::Steps(6), ..config().recipe }, ..config() };
    train_how(&config, None, &folder, How { stop_after: 3, ..FRESH }).expect("run");
    let broken = folder.join("checkpoints/step-0000000004.safetensors");
    std::fs::write(&broken, b"junk").expect("write");
    let other = Pretrain { recipe: Recipe { lr: 2e-3, ..config.recipe.clone() }, ..config.clone() };
    let error = train_how(&other, None, &folder, How { begin: Start::Resume, ..FRESH }).expect_err("foreign");
    assert!(error.to_string().contains("lr is 0.002 now and was 0.001; give the run's own settings"), "{error}");
    assert_eq!(std::fs::read_dir(folder.join("checkpoints")).expect("list").count(), 2);
    let (_, said) = train_how(&config, None, &folder, How { begin: Start::Resume, ..FRESH }).expect("resume");
    assert!(said[1].contains("step-0000000003"), "{said:?}");
}

/// Writes the checkpoint at `path` again, with one field of what it is about changed.
fn rewrite(path: &Path, field: &str, value: serde_json::Value) {
    let (mut about, buffers) = crate::checkpoint::file::read(path).expect("read");
    about[field] = value;
    let buffers: Vec<_> = buffers.iter().map(|(name, values)| (name.as_str(), values.as_slice())).collect();
    crate::checkpoint::file::write(path, &about, &buffers).expect("write");
}

#[test]
fn a_checkpoint_of_other_code_is_continued_with_a_warning_and_one_of_an_older_form_refused() {
    let root = tempfile::tempdir().expect("temporary folder");
    train_how(&config(), None, root.path(), How { stop_after: 1, ..FRESH }).expect("run");
    let path = root.path().join("checkpoints/step-0000000001.safetensors");
    rewrite(&path, "format", 1.into());
    let error = train_how(&config(), None, root.path(), How { begin: Start::Resume, ..FRESH }).expect_err("old");
    assert!(error.to_string().contains("an older version wrote it (form 1, this one reads form 2)"), "{error}");
    rewrite(&path, "format", 2.into());
    rewrite(&path, "code", "0.0.9 (abc1234)".into());
    let (done, said) = train_how(&config(), None, root.path(), How { begin: Start::Resume, ..FRESH }).expect("resume");
    assert_eq!(done.steps, 3);
    let this = crate::VERSION;
    let level = Level::detect();
    let want = format!(
        "the checkpoint was written by 0.0.9 (abc1234) on cpu ({level}), f32, this is {this} on cpu ({level}), f32: \
         numbers may differ from an uninterrupted run"
    );
    assert_eq!(said[0], want);
    assert!(this.ends_with("unknown)") || this.len() == "0.1.0 (abc1234)".len(), "{this}");
}

#[test]
fn another_runs_settings_do_not_continue_a_run() {
    let root = tempfile::tempdir().expect("temporary folder");
    train_how(&config(), None, root.path(), How { stop_after: 1, ..FRESH }).expect("run");
    let before = checkpoint(root.path());
    for (other, needle) in [
        (Pretrain { recipe: Recipe { lr: 2e-3, ..config().recipe }, ..config() }, "lr is 0.002 now and was 0.001"),
        (Pretrain { recipe: Recipe { seed: 9, ..config().recipe }, ..config() }, "seed is 9 now and was 0"),
        (
            Pretrain { model: PrecoConfig::new(SwinConfig { embed: 16, ..config().model.encoder }), ..config() },
            "the model is",
        ),
    ] {
        let error = train_how(&other, None, root.path(), How { begin: Start::Resume, ..FRESH }).expect_err("foreign");
        assert!(error.to_string().contains(needle), "{error}");
    }
    assert!(checkpoint(root.path()) == before, "a refused run has changed the checkpoint");
}

#[test]
fn another_level_of_instructions_is_told() {
    let root = tempfile::tempdir().expect("temporary folder");
    let images = || Arc::new(SceneGenerator::new(1, 32, 8));
    let portable = Cpu::new(Level::parse("portable").expect("everywhere"));
    let how = How { stop_after: 1, ..FRESH };
    train_with(&portable, images(), &config(), None, root.path(), how).expect("run");
    let resume = How { begin: Start::Resume, ..FRESH };
    let (_, said) = train_how(&config(), None, root.path(), resume).expect("resume");
    let is_other = Level::detect().name() != "portable";
    assert_eq!(said[0].contains("cpu (portable), f32, this is"), is_other, "{said:?}");
}

#[test]
fn a_run_goes_on_with_changes_where_they_are_accepted_and_each_is_told() {
    let root = tempfile::tempdir().expect("temporary folder");
    let saving = Runtime { save_every: 1, ..FRESH.runtime };
    train_how(&config(), None, root.path(), How { stop_after: 2, runtime: saving, ..FRESH }).expect("run");
    let changed = Pretrain { recipe: Recipe { lr: 2e-3, min_lr: 2e-5, ..config().recipe }, ..config() };
    let resume = How { begin: Start::Resume, runtime: saving, ..FRESH };
    let error = train_how(&changed, None, root.path(), resume).expect_err("changed").to_string();
    assert!(error.contains("lr is 0.002 now and was 0.001") && error.contains("--accept-changes"), "{error}");
    let accept = How { changes: Changes::Accepted, ..resume };
    let more = Arc::new(SceneGenerator::new(1, 32, 12));
    let (outcome, said) = train_on(more, &changed, None, root.path(), accept).expect("accepted");
    assert_eq!((outcome.ending, outcome.steps), (Ending::Finished, 3));
    for (line, needle) in said.iter().zip(["lr is 0.002", "min_lr is 0.00002 now", "the data", "continuing"]) {
        assert!(line.contains(needle), "no {needle} in {said:?}");
    }
    // From here on it is the changed run's.
    let set_aside = |path: &std::fs::DirEntry| path.file_name().to_string_lossy().contains("foreign");
    assert!(!std::fs::read_dir(root.path().join("checkpoints")).expect("list").flatten().any(|path| set_aside(&path)));
    let model = PrecoConfig::new(SwinConfig { embed: 16, ..config().model.encoder });
    let error = train_how(&Pretrain { model, ..config() }, None, root.path(), accept).expect_err("another model");
    let text = error.to_string();
    assert!(text.contains("the model is") && text.ends_with("start another run"), "{text}");
    assert!(!text.contains("--accept-changes"), "{text}");
}

#[test]
fn parameters_and_metrics_that_are_no_numbers_are_neither_saved_nor_best() {
    let root = tempfile::tempdir().expect("temporary folder");
    // The first update leaves no parameter finite: its rate overflows f32.
    let absurd = Pretrain {
        recipe: Recipe {
            length: Length::Steps(4),
            lr: 1e39,
            warmup: crate::recipe::Warmup::Steps(0),
            ..config().recipe
        },
        ..config()
    };
    let saving = Runtime { save_every: 1, keep: 1, ..FRESH.runtime };
    let error = train_how(&absurd, None, root.path(), How { runtime: saving, ..FRESH }).expect_err("no numbers");
    let text = error.to_string();
    assert!(text.contains("a parameter became") && text.contains("no checkpoint yet"), "{text}");
    assert!(!root.path().join("best").exists() && !root.path().join("model.safetensors").exists());
    assert!(root.path().join("diverged.json").exists());
}
