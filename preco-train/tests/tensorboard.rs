//! TensorBoard's own reader opens our event files and finds in them what was written.
//!
//! Needs a Python with the package tensorboard: `PRECO_PYTHON`, else `python3`. Where there is none, the test says so.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use preco_core::imagery::{Image8, encode_png};
use preco_train::log::EventFile;
use serde::Deserialize;

type ByTag<T> = BTreeMap<String, Vec<T>>;

/// What the reader prints. Values are f32 as in the file: as f64, JSON's parser may miss their last digit.
#[derive(Debug, PartialEq, Deserialize)]
struct Found {
    scalars: ByTag<(u64, f32)>,
    images: ByTag<(u64, usize, usize, String)>,
}

/// What the reader finds in `run`; nothing where there is no reader.
fn read(run: &Path) -> Option<Found> {
    let named = std::env::var("PRECO_PYTHON").ok();
    let python = named.clone().unwrap_or_else(|| "python3".to_owned());
    let has_reader = Command::new(&python).args(["-c", "import tensorboard"]).output();
    if !has_reader.is_ok_and(|output| output.status.success()) {
        // Who names a Python wants the comparison.
        assert!(named.is_none(), "PRECO_PYTHON={python} has no package tensorboard");
        eprintln!("SKIPPED: {python} has no package tensorboard, so no event file was compared. Set PRECO_PYTHON");
        return None;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/check-tensorboard.py");
    let output = Command::new(python).arg(script).arg(run).output().expect("the script runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).expect("JSON of the script"))
}

fn by_tag<T, const N: usize>(tags: [(&str, Vec<T>); N]) -> ByTag<T> {
    tags.into_iter().map(|(tag, values)| (tag.to_owned(), values)).collect()
}

#[test]
fn tensorboard_reads_what_was_written() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let picture = Image8::rgb(3, 2, (0..18).map(|at| at * 14).collect());
    let mut png = Vec::new();
    encode_png(&picture, &mut png).expect("encode");
    let png: String = png.iter().map(|byte| format!("{byte:02x}")).collect();
    let rate = |step: u64| 1e-4 / step as f64;

    let mut events = EventFile::create(folder.path(), None).expect("create");
    for step in 1..=300 {
        events.scalars(step, &[("loss/total", 1.0 / step as f64), ("train/lr", rate(step))]).expect("write");
    }
    events.image(200, "reconstruction", &picture).expect("write");
    events.image(300, "reconstruction", &picture).expect("write");
    events.flush().expect("flush");
    drop(events);
    // The run goes on after 250 updates, and takes other values from there.
    let mut events = EventFile::create(folder.path(), Some(250)).expect("create");
    events.scalars(251, &[("loss/total", -7.5), ("größe/µ", 3e9)]).expect("write");

    let Some(found) = read(folder.path()) else { return };
    let losses = (1..=250).map(|step| (step, (1.0 / step as f64) as f32)).chain([(251, -7.5)]);
    let rates = (1..=250).map(|step| (step, rate(step) as f32));
    let scalars = [("loss/total", losses.collect()), ("train/lr", rates.collect()), ("größe/µ", vec![(251, 3e9)])];
    assert_eq!(found.scalars, by_tag(scalars));
    assert_eq!(found.images, by_tag([("reconstruction", vec![(200, 3, 2, png)])]));
}

#[test]
fn a_run_from_the_start_hides_the_earlier_one() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let mut earlier = EventFile::create(folder.path(), None).expect("create");
    for step in 1..=3 {
        earlier.scalars(step, &[("loss/total", 9.0)]).expect("write");
    }
    let mut events = EventFile::create(folder.path(), None).expect("create");
    events.scalars(1, &[("loss/total", 0.5)]).expect("write");
    let Some(found) = read(folder.path()) else { return };
    assert_eq!(found, Found { scalars: by_tag([("loss/total", vec![(1, 0.5)])]), images: by_tag([]) });
}
