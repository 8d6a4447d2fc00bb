//! `config.json`: an accepted model has sizes that can be computed with, and reads back as written.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use preco_core::spec::{ModelSpec, Preprocess};

/// More parameters than any model of this family; what no machine holds is refused, not tried.
const MOST_PARAMETERS: f64 = (1_u64 << 36) as f64;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let path = Path::new("config.json");
    let Ok(spec) = ModelSpec::parse(text, path) else { return };
    let swin = &spec.backbone;
    let (mut parameters, mut channels) = (3.0 * (swin.patch as f64).powi(2) * swin.embed as f64, swin.embed as f64);
    for (stage, &depth) in swin.depths.iter().enumerate() {
        assert_eq!(swin.channels(stage) as f64, channels, "the channels of stage {stage} wrap around");
        // Attention has 4 C², the MLP 2 r C².
        parameters += depth as f64 * (4.0 + 2.0 * swin.mlp_ratio) * channels.powi(2);
        channels *= 2.0;
    }
    parameters += spec.classes as f64 * swin.features() as f64;
    if spec.pretraining.is_some() {
        // The decoder draws a square of colours from each of the last tokens.
        parameters += swin.features() as f64 * 3.0 * (swin.total_stride() as f64).powi(2);
    }
    assert!(parameters <= MOST_PARAMETERS, "{parameters:e} parameters");
    let pixels = 3.0 * swin.input[0] as f64 * swin.input[1] as f64;
    assert!(pixels <= MOST_PARAMETERS, "{pixels:e} values for an image");
    let preprocess = Preprocess::imagenet(swin.input);
    let written = spec.to_text(&preprocess);
    let again = ModelSpec::parse(&written, path).expect("what is written is read");
    assert_eq!(again, spec);
    assert_eq!(again.to_text(&preprocess), written, "the same model gave other bytes");
});
