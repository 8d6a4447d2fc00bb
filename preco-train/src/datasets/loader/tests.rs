use std::sync::atomic::{AtomicUsize, Ordering};

use preco_core::imagery::{Rgb8, decode_bytes};

use super::*;

/// Images whose colour is their index; `broken` fails, `panics` panics.
#[derive(Default)]
struct Made {
    len: usize,
    broken: Option<usize>,
    panics: Option<usize>,
    reads: AtomicUsize,
}

impl ImageSource for Made {
    fn len(&self) -> usize {
        self.len
    }
    fn image(&self, index: usize) -> Result<Rgb8> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        assert_ne!(self.panics, Some(index), "a defect");
        if self.broken == Some(index) {
            decode_bytes(b"<html>", std::path::Path::new("broken.jpg"))?;
        }
        let data = (0..3 * 20 * 15).map(|at| (at * 7 + index * 13) as u8).collect();
        Ok(Rgb8::new(20, 15, data))
    }
    fn label(&self, _: usize) -> Option<usize> {
        None
    }
    fn name(&self, index: usize) -> String {
        index.to_string()
    }
    fn classes(&self) -> &[String] {
        &[]
    }
}

fn config(batch: usize, threads: usize) -> LoaderConfig {
    LoaderConfig {
        batch,
        seed: 7,
        threads,
        cache_bytes: 2000,
        max_unreadable: 0,
        transform: Pretraining::new([8, 12]),
        normalise: Normalise::default(),
    }
}

fn loader(len: usize, batch: usize, threads: usize) -> Loader {
    Loader::new(Arc::new(Made { len, ..Made::default() }), config(batch, threads)).expect("loader")
}

fn batches(loader: &mut Loader, steps: std::ops::Range<u64>) -> Vec<Batch> {
    steps.map(|step| loader.batch(step).expect("batch")).collect()
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let want = batches(&mut loader(11, 3, 0), 0..10);
    assert_eq!(want[0].images.len(), 3 * 3 * 8 * 12);
    for threads in [1, 3] {
        assert_eq!(batches(&mut loader(11, 3, threads), 0..10), want, "{threads} threads");
    }
}

#[test]
fn starting_at_a_step_equals_skipping_to_it() {
    let want = batches(&mut loader(11, 3, 0), 0..12);
    for threads in [0, 2] {
        let mut fresh = loader(11, 3, threads);
        assert_eq!(batches(&mut fresh, 7..12), want[7..]);
        assert_eq!(batches(&mut fresh, 2..5), want[2..5], "back again");
        assert_eq!(fresh.batch(9).expect("batch"), want[9]);
        assert_eq!(fresh.batch(9).expect("batch"), want[9], "the same step twice");
    }
}

#[test]
fn an_epoch_shows_each_image_at_most_once_and_epochs_differ() {
    let mut loader = loader(11, 3, 1);
    assert_eq!(loader.steps_per_epoch(), 3);
    let mut epochs = Vec::new();
    for epoch in 0..2 {
        let made = batches(&mut loader, 3 * epoch..3 * epoch + 3);
        let order: Vec<usize> = made.iter().flat_map(|batch| batch.indices.clone()).collect();
        let mut seen = order.clone();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 9);
        epochs.push(order);
    }
    assert_ne!(epochs[0], epochs[1]);
}

#[test]
fn a_set_smaller_than_a_batch_repeats_in_order_with_other_views() {
    let mut loader = loader(3, 7, 1);
    assert_eq!(loader.steps_per_epoch(), 1);
    let batch = loader.batch(0).expect("batch");
    assert_eq!(batch.indices[..3], batch.indices[3..6]);
    assert_eq!(batch.indices[0], batch.indices[6]);
    let view = 3 * 8 * 12;
    assert_ne!(batch.images[..view], batch.images[3 * view..4 * view]);
}

#[test]
fn an_error_in_a_thread_reaches_the_caller_with_the_file_and_the_next_step_goes_on() {
    for threads in [0, 1, 3] {
        let source = Arc::new(Made { len: 6, broken: Some(4), ..Made::default() });
        let mut loader = Loader::new(source, config(2, threads)).expect("loader");
        let results: Vec<_> = (0..3).map(|step| loader.batch(step)).collect();
        let errors: Vec<String> = results.iter().filter_map(|r| r.as_ref().err()).map(ToString::to_string).collect();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].contains("broken.jpg") && errors[0].contains("<html>"), "{errors:?}");
    }
}

#[test]
fn a_panic_in_a_thread_is_an_error_and_not_an_endless_wait() {
    let source = Arc::new(Made { len: 1, panics: Some(0), ..Made::default() });
    let mut loader = Loader::new(source, config(2, 2)).expect("loader");
    for _ in 0..2 {
        let error = loader.batch(0).expect_err("panics").to_string();
        assert!(error.contains("step 0") && error.contains("a defect"), "{error}");
    }
}

#[test]
fn dropping_a_loader_stops_its_threads() {
    let source = Arc::new(Made { len: 50, ..Made::default() });
    let mut loader = Loader::new(Arc::clone(&source) as _, config(1, 3)).expect("loader");
    loader.batch(0).expect("batch");
    drop(loader);
    assert_eq!(Arc::strong_count(&source), 1, "a thread still holds the source");
    // One taken, four ahead.
    assert!(source.reads.load(Ordering::Relaxed) <= 5);
}

#[test]
fn nothing_to_load_is_an_error() {
    let made = |len| Arc::new(Made { len, ..Made::default() });
    assert!(Loader::new(made(0), config(2, 1)).is_err());
    let error = Loader::new(made(5), config(0, 1)).err().expect("batch of 0").to_string();
    assert!(error.contains("batches of 0 from 5 images"), "{error}");
    let error = Loader::new(made(5), config(usize::MAX, 0)).err().expect("no memory").to_string();
    assert!(error.contains("fits no memory"), "{error}");
}
