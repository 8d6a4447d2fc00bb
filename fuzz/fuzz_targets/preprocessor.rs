//! `preprocessor_config.json`: an accepted one leads from numbers to numbers, and reads back as written.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use preco_core::spec::Preprocess;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let path = Path::new("preprocessor_config.json");
    let Ok(preprocess) = Preprocess::parse(text, path) else { return };
    let written = preprocess.to_text();
    let again = Preprocess::parse(&written, path).expect("what is written is read");
    assert_eq!(again, preprocess);
    assert_eq!(again.to_text(), written, "the same preprocessing gave other bytes");
    let [low, high] = preprocess.range;
    assert!(low < high && (1.0 / (high - low)).is_normal(), "{low}..{high} cannot be rescaled");
    let [height, width] = preprocess.size;
    let values = height.checked_mul(width).and_then(|pixels| pixels.checked_mul(3 * size_of::<f32>()));
    assert!(values.is_some_and(|bytes| bytes <= 1 << 40), "{height}x{width} pixels cannot be held");
    for channel in 0..3 {
        let (mean, std) = (preprocess.normalise.mean[channel], preprocess.normalise.std[channel]);
        for value in [0.0, 1.0] {
            assert!(((value - mean) / std).is_finite(), "{value} becomes no number by {mean} and {std}");
        }
    }
});
