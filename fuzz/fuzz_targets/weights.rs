//! Safetensors files: what fits the layout is copied and nothing else is touched; sizes that a file claims are not
//! believed.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use preco_core::nn::params::{Init, Layout, Stored};

/// What stands where a file brings nothing.
const UNTOUCHED: f32 = 7.0;

fuzz_target!(
    init: {
        // Copying in other threads would make runs differ.
        rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .use_current_thread()
            .build_global()
            .expect("the first pool of this process");
    },
    |data: &[u8]| {
        let layout = layout();
        let path = Path::new("model.safetensors");
        let Ok(matched) = layout.matched(&[(path, data)]) else { return };
        let report = matched.report.clone();
        for segment in layout.segments() {
            let told = report.loaded.contains(&segment.name) as u8 + report.missing.contains(&segment.name) as u8;
            assert_eq!(told, 1, "{} is told of {told} times", segment.name);
        }
        assert!(report.unexpected.iter().all(|name| layout.get(name).is_none()), "{report:?}");
        let mut values = vec![UNTOUCHED; layout.len()];
        matched.copy_to(&mut values);
        let is_loaded = |at: usize| {
            layout.segments().iter().any(|segment| segment.range.contains(&at) && report.loaded.contains(&segment.name))
        };
        for (at, value) in values.iter().enumerate() {
            assert!(is_loaded(at) || *value == UNTOUCHED, "value {at} came from nowhere");
        }
        let written = layout
            .to_safetensors(&values, Stored::F32, |segment| report.loaded.contains(&segment.name))
            .expect("what is read is written");
        let again = layout.matched(&[(path, &written)]).expect("what is written is read");
        assert_eq!((&again.report.loaded, &again.report.missing), (&report.loaded, &report.missing));
        let mut copy = vec![UNTOUCHED; layout.len()];
        again.copy_to(&mut copy);
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&copy), bits(&values));
        let is_empty = report.loaded.is_empty() && report.unexpected.is_empty();
        let twice = layout.matched(&[(path, data), (Path::new("2.safetensors"), data)]);
        assert_eq!(twice.is_ok(), is_empty, "a tensor in two files is refused");
    }
);

/// A model small enough for every input.
fn layout() -> Layout {
    let mut layout = Layout::default();
    layout.add("a.weight", &[2, 3], Init::Constant(0.0), true, 0);
    layout.add("a.bias", &[2], Init::Constant(0.0), false, 0);
    layout.add("b", &[1, 1, 2], Init::Constant(0.0), false, 1);
    layout
}
