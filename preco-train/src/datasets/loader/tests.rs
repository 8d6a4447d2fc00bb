use std::sync::atomic::{AtomicUsize, Ordering};

use preco_core::imagery::{Image8, decode_bytes};

use super::*;
use crate::augment::Transform;
use crate::datasets::scenes::SceneGenerator;

/// Images whose colour is their index; `broken` fails, `panics` panics.
#[derive(Default)]
struct Source {
    len: usize,
    broken: Vec<usize>,
    panics: Option<usize>,
    reads: AtomicUsize,
}

impl ImageSource for Source {
    fn len(&self) -> usize {
        self.len
    }
    fn image(&self, index: usize) -> Result<Image8> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        assert_ne!(self.panics, Some(index), "a defect");
        if self.broken.contains(&index) {
            decode_bytes(b"<html>", &std::path::PathBuf::from(format!("broken{index}.jpg")))?;
        }
        let data = (0..3 * 20 * 15).map(|at| (at * 7 + index * 13) as u8).collect();
        Ok(Image8::rgb(20, 15, data))
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
        supervision: Supervision::None,
        pipeline: Pipeline::pretraining([8, 12]),
        size: [8, 12],
        normalise: Normalise::default(),
        mix: Mix::default(),
    }
}

fn loader(len: usize, batch: usize, threads: usize) -> Loader {
    Loader::new(Arc::new(Source { len, ..Source::default() }), config(batch, threads)).expect("loader")
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
        let source = Arc::new(Source { len: 6, broken: vec![4], ..Source::default() });
        let mut loader = Loader::new(source, config(2, threads)).expect("loader");
        let results: Vec<_> = (0..3).map(|step| loader.batch(step)).collect();
        let errors: Vec<String> = results.iter().filter_map(|r| r.as_ref().err()).map(ToString::to_string).collect();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].contains("broken4.jpg") && errors[0].contains("<html>"), "{errors:?}");
    }
}

/// Eleven images of which three cannot be read, in batches of three.
fn damaged(threads: usize, max_unreadable: usize) -> Loader {
    let source = Arc::new(Source { len: 11, broken: vec![2, 5, 6], ..Source::default() });
    Loader::new(source, LoaderConfig { max_unreadable, ..config(3, threads) }).expect("loader")
}

#[test]
fn unreadable_images_are_replaced_by_the_next_of_the_order_with_any_number_of_threads() {
    let mut alone = damaged(0, 3);
    let want = batches(&mut alone, 0..12);
    assert_eq!(alone.skipped(), 3);
    let mut whole = loader(11, 3, 0);
    for (step, made) in want.iter().enumerate() {
        // The order is that of the whole set, with the next readable image for each that is not.
        let (epoch, first) = (step as u64 / 3, step % 3 * 3);
        let order = whole.maker.order(epoch);
        let next = |slot: usize| (first + slot..).map(|at| order[at % 11]).find(|index| ![2, 5, 6].contains(index));
        assert_eq!(made.indices, (0..3).filter_map(next).collect::<Vec<_>>(), "step {step}");
    }
    assert_ne!(want, batches(&mut whole, 0..12));
    for threads in [1, 3] {
        let mut threaded = damaged(threads, 3);
        assert_eq!(batches(&mut threaded, 0..12), want, "{threads} threads");
        assert_eq!(threaded.skipped(), 3);
        let mut resumed = damaged(threads, 3);
        assert_eq!(batches(&mut resumed, 7..12), want[7..], "{threads} threads, from step 7");
    }
}

#[test]
fn one_unreadable_image_too_many_is_an_error_at_the_same_step_with_any_number_of_threads() {
    let failing = |threads| {
        let mut loader = damaged(threads, 2);
        let (step, error) = (0..12).find_map(|step| Some((step, loader.batch(step).err()?))).expect("three of two");
        // Two are met in one step, of which one would be allowed: neither is accepted.
        (step, loader.skipped(), error.to_string())
    };
    let want = failing(0);
    assert_eq!(want.1, 1);
    assert!(want.2.contains("3 images cannot be read and 2 may be missing"), "{want:?}");
    for file in ["broken2.jpg", "broken5.jpg", "broken6.jpg", "<html>"] {
        assert!(want.2.contains(file), "no {file} in {want:?}");
    }
    for threads in [1, 3] {
        assert_eq!(failing(threads), want, "{threads} threads");
    }
}

#[test]
fn files_left_out_elsewhere_count_against_the_limit() {
    let other = |name: &str| Unreadable { name: name.into(), reason: format!("{name}: empty") };
    for threads in [0, 2] {
        let mut loader = damaged(threads, 4);
        loader.count_unreadable(vec![other("x.jpg")]);
        assert!((0..12).all(|step| loader.batch(step).is_ok()), "three and one of four");
        assert_eq!(loader.skipped(), 3);
        let mut loader = damaged(threads, 4);
        loader.count_unreadable(vec![other("x.jpg"), other("y.jpg")]);
        let error = (0..12).find_map(|step| loader.batch(step).err()).expect("three and two of four").to_string();
        assert!(error.contains("5 images cannot be read and 4 may be missing"), "{error}");
        for part in ["broken2.jpg", "x.jpg: empty", "y.jpg: empty", "--max-unreadable N", "--skip-unreadable"] {
            assert!(error.contains(part), "no {part} in {error}");
        }
    }
}

#[test]
fn what_was_accepted_before_counts_and_is_not_tried_again() {
    let mut first = damaged(0, 2);
    let failing = (0..12).find(|&step| first.batch(step).is_err()).expect("three of two");
    for threads in [0, 2] {
        let mut resumed = damaged(threads, 2);
        resumed.accept(&first.accepted());
        let error = resumed.batch(failing).expect_err("as before").to_string();
        assert!(error.contains("3 images cannot be read and 2 may be missing"), "{error}");
        assert!(error.contains("before the run was resumed"), "{error}");
    }
    let source = Arc::new(Source { len: 3, broken: vec![1], ..Source::default() });
    let mut resumed =
        Loader::new(Arc::clone(&source) as _, LoaderConfig { max_unreadable: 1, ..config(3, 0) }).expect("loader");
    resumed.accept(&[1]);
    let batch = resumed.batch(0).expect("batch");
    assert!(!batch.indices.contains(&1) && resumed.skipped() == 1);
    assert_eq!(source.reads.load(Ordering::Relaxed), 2, "a file known to be unreadable was tried again");
}

#[test]
fn a_set_without_a_readable_image_is_an_error_and_not_an_endless_search() {
    let source = Arc::new(Source { len: 7, broken: (0..7).collect(), ..Source::default() });
    let mut loader = Loader::new(source, LoaderConfig { max_unreadable: 50, ..config(2, 1) }).expect("loader");
    let error = loader.batch(0).expect_err("nothing to show").to_string();
    assert!(error.contains("7 images cannot be read") && error.contains("and 2 more"), "{error}");
}

#[test]
fn a_file_that_cannot_be_read_is_tried_once() {
    let source = Arc::new(Source { len: 4, broken: vec![1], ..Source::default() });
    let big = LoaderConfig { max_unreadable: 1, cache_bytes: 1 << 20, ..config(4, 0) };
    let mut loader = Loader::new(Arc::clone(&source) as _, big).expect("loader");
    batches(&mut loader, 0..5);
    assert_eq!(source.reads.load(Ordering::Relaxed), 4);
}

fn scenes(supervision: Supervision, mix: Mix, threads: usize) -> Result<Loader> {
    let mut pipeline = Pipeline::pretraining([8, 12]);
    pipeline.0.insert(0, Transform::Rotate90);
    let source = Arc::new(SceneGenerator::new(5, 64, 9));
    Loader::new(source, LoaderConfig { supervision, mix, pipeline, ..config(4, threads) })
}

#[test]
fn labels_of_every_kind_come_with_their_images_and_move_with_them() {
    let source = SceneGenerator::new(5, 64, 9);
    for supervision in [Supervision::Label, Supervision::Mask, Supervision::Boxes, Supervision::Instances] {
        let want = batches(&mut scenes(supervision, Mix::default(), 0).expect("loader"), 0..4);
        for threads in [1, 3] {
            let got = batches(&mut scenes(supervision, Mix::default(), threads).expect("loader"), 0..4);
            assert_eq!(got, want, "{threads} threads");
        }
        let mut known = 0;
        for (step, batch) in want.iter().enumerate() {
            for (slot, (target, &index)) in batch.targets.iter().zip(&batch.indices).enumerate() {
                let sample = Cow::Owned(source.sample(index, supervision).expect("sample"));
                let config = &scenes(supervision, Mix::default(), 0).expect("loader").maker.config;
                let view = config.pipeline.apply(sample, 7, step as u64, slot as u64).expect("view").into_owned();
                let (image, truth) = view.into_parts();
                let mut tensor = vec![0.0; 3 * 8 * 12];
                config.normalise.to_tensor(&image, &mut tensor);
                assert_eq!(&batch.images[slot * tensor.len()..][..tensor.len()], tensor);
                assert_eq!(*target, truth);
                known += target.label.len() + target.boxes.len() + target.instances.len();
                known += target.mask.iter().map(|mask| mask.data.len()).sum::<usize>();
            }
        }
        assert!(known > 8, "{supervision:?}: only {known} labels in 16 images");
    }
}

#[test]
fn a_mixed_batch_has_mixed_labels_and_is_the_same_with_any_number_of_threads() {
    let mix = Mix { mixup: 0.8, cutmix: 1.0 };
    let want = batches(&mut scenes(Supervision::Label, mix, 0).expect("loader"), 0..4);
    assert_eq!(batches(&mut scenes(Supervision::Label, mix, 3).expect("loader"), 0..4), want);
    let pure = batches(&mut scenes(Supervision::Label, Mix::default(), 0).expect("loader"), 0..4);
    for (mixed, pure) in want.iter().zip(&pure) {
        assert_eq!(mixed.indices, pure.indices);
        assert_ne!(mixed.images, pure.images);
        // The first image keeps a share of its class and takes the rest of the last one's.
        let [first, last] =
            [0, 3].map(|at| pure.targets[at].label.iter().position(|&share| share == 1.0).expect("one"));
        let label = &mixed.targets[0].label;
        assert!((label.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!(label.iter().enumerate().all(|(class, &share)| share == 0.0 || [first, last].contains(&class)));
    }
}

#[test]
fn what_cannot_be_batched_is_named() {
    let told = |loader: Result<Loader>| match loader {
        Ok(mut loader) => loader.batch(0).expect_err("a batch").to_string(),
        Err(error) => error.to_string(),
    };
    let mix = Mix { mixup: 0.8, cutmix: 0.0 };
    assert!(told(scenes(Supervision::Mask, mix, 0)).contains("labels of whole images"));
    let source = || Arc::new(Source { len: 4, ..Source::default() });
    let labelled = LoaderConfig { supervision: Supervision::Label, ..config(2, 0) };
    let error = told(Loader::new(source(), labelled));
    assert!(error.contains(": has no class"), "{error}");
    let boxes = LoaderConfig { supervision: Supervision::Boxes, ..config(2, 0) };
    assert!(told(Loader::new(source(), boxes)).contains(": has no boxes"));
    let error = told(Loader::new(source(), LoaderConfig { size: [8, 8], ..config(2, 0) }));
    assert!(error.contains("12x8") && error.contains("8x8") && error.contains("crop"), "{error}");
    let error = told(Loader::new(source(), LoaderConfig { pipeline: Pipeline::default(), ..config(2, 0) }));
    assert!(error.contains("20x15"), "{error}");
}

#[test]
fn waiting_is_measured() {
    let mut loader = loader(11, 3, 0);
    assert_eq!(loader.waited(), Duration::ZERO);
    loader.batch(0).expect("batch");
    let once = loader.waited();
    loader.batch(1).expect("batch");
    assert!(Duration::ZERO < once && once < loader.waited());
}

#[test]
fn a_panic_in_a_thread_is_an_error_and_not_an_endless_wait() {
    let source = Arc::new(Source { len: 1, panics: Some(0), ..Source::default() });
    let mut loader = Loader::new(source, config(2, 2)).expect("loader");
    for _ in 0..2 {
        let error = loader.batch(0).expect_err("panics").to_string();
        assert!(error.contains("step 0") && error.contains("a defect"), "{error}");
    }
}

#[test]
fn dropping_a_loader_stops_its_threads() {
    let source = Arc::new(Source { len: 50, ..Source::default() });
    let mut loader = Loader::new(Arc::clone(&source) as _, config(1, 3)).expect("loader");
    loader.batch(0).expect("batch");
    drop(loader);
    assert_eq!(Arc::strong_count(&source), 1, "a thread still holds the source");
    // One taken, four ahead.
    assert!(source.reads.load(Ordering::Relaxed) <= 5);
}

#[test]
fn nothing_to_load_is_an_error() {
    let made = |len| Arc::new(Source { len, ..Source::default() });
    assert!(Loader::new(made(0), config(2, 1)).is_err());
    let error = Loader::new(made(5), config(0, 1)).err().expect("batch of 0").to_string();
    assert!(error.contains("batches of 0 from 5 images"), "{error}");
    let error = Loader::new(made(5), config(usize::MAX, 0)).err().expect("no memory").to_string();
    assert!(error.contains("fits no memory"), "{error}");
}
