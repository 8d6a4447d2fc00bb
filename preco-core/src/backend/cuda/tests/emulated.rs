//! What only the emulator can show: faults that are found, and a device that is full.

use super::super::{Cuda, Precision};
use crate::backend::Backend;

#[test]
fn a_kernel_that_writes_beyond_its_buffer_is_found() {
    let found = std::panic::catch_unwind(|| {
        let cuda = Cuda::emulated(Precision::F32, false);
        let mut short = cuda.zeros(5);
        // A length that lies: 6 of 5.
        let arguments = vec![short.at(0).into(), 1.0f32.into(), 6i64.into()];
        cuda.device.launch("fill_f32".to_owned(), [1, 1], [256, 1], 0, arguments);
        cuda.fill(&mut short, 0.0, 5);
    });
    assert!(found.is_err());
}

#[test]
fn after_an_error_nothing_is_computed_and_the_error_is_told_once() {
    let cuda = Cuda::emulated(Precision::F32, false);
    let mut values = cuda.zeros(3);
    cuda.device.launch("fill_f32".to_owned(), [1, 1], [2048, 1], 0, vec![]);
    cuda.fill(&mut values, 7.0, 3);
    let error = cuda.check().expect_err("2048 threads").to_string();
    assert!(error.contains("emulator") && error.contains("limits"), "{error}");
    let mut host = [1.0; 3];
    cuda.download(&values, &mut host);
    assert_eq!(host, [0.0; 3]);
    cuda.check().expect("told once");
}

#[test]
fn a_full_device_is_an_error_and_what_was_there_stays() {
    let cuda = Cuda::emulated_small(Precision::F32, 1000);
    let kept = cuda.parameters(&[1.0; 200]);
    let too_much = cuda.zeros(100);
    let error = cuda.check().expect_err("800 of 1000 bytes are taken").to_string();
    assert!(error.contains("out of memory: 400 bytes more, 800 of 1000"), "{error}");
    drop(too_much);
    assert_eq!(*cuda.values(&kept, 200), [1.0; 200]);
    assert_eq!(cuda.memory().expect("known"), [200, 1000]);

    // What the backend keeps for itself is asked for again once there is room.
    assert_eq!(cuda.device.workspace(400), 0);
    cuda.check().expect_err("no room");
    drop(kept);
    assert_ne!(cuda.device.workspace(400), 0);
    cuda.check().expect("room");
}

#[test]
fn a_recording_is_replayed_until_memory_moves_and_ends_with_what_failed_in_it() {
    let cuda = Cuda::emulated(Precision::F32, false);
    let mut values = cuda.parameters(&[1.0; 4]);
    let mut calls = 0;
    let mut step = |cuda: &Cuda, values: &mut super::super::Buffer| {
        cuda.replay(7, &mut || {
            calls += 1;
            cuda.fold_back(values, 2);
        });
        calls
    };
    // Done, recorded, replayed twice: each adds the second half to the first.
    assert_eq!([0; 4].map(|_| step(&cuda, &mut values)), [1, 2, 2, 2]);
    assert_eq!(*cuda.values(&values, 4), [5.0, 5.0, 1.0, 1.0]);
    let moved = cuda.zeros(3);
    assert_eq!([0; 3].map(|_| step(&cuda, &mut values)), [3, 4, 4]);
    drop(moved);
    assert_eq!(step(&cuda, &mut values), 5);
    assert_eq!(*cuda.values(&values, 4), [9.0, 9.0, 1.0, 1.0]);

    // What cannot be recorded fails, and the device goes on afterwards.
    let mut failing = || cuda.upload(&[2.0], &mut values);
    cuda.replay(8, &mut failing);
    cuda.replay(8, &mut failing);
    let error = cuda.check().expect_err("an upload in a recording").to_string();
    assert!(error.contains("cannot be recorded"), "{error}");
    cuda.fill(&mut values, 3.0, 4);
    assert_eq!(*cuda.values(&values, 4), [3.0; 4]);
}
