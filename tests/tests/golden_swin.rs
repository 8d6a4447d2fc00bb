//! The Swin encoder against timm, torchvision and the authors' detection fork.

use candle_core::{Device, Tensor, Var};
use preco_core::backbones::swin::{
    EdgePolicy, Keep, OutputGradients, Swin, SwinConfig, TableResize, Tape, resize_table,
};
use preco_core::backend::Backend;
use preco_core::backend::cpu::Cpu;
use preco_core::heads::{Classifier, ClassifierTape};
use preco_core::nn::Pass;
use preco_core::nn::params::Layout;
use preco_core::ops;
use preco_core::simd::Level;
use preco_tests::{Case, formula};
use serde_json::json;

#[test]
fn golden_swin_agrees_with_timm_and_torchvision() {
    preco_tests::run("swin", |case| match case.name.as_str() {
        "rel_table_resize" => tables(case),
        "primitives" => primitives(case),
        _ if case.config.get("embed").is_some() => encoder(case),
        _ => case.unknown("a form that is neither a table nor an encoder"),
    });
}

/// Relative-position tables under the three rules of the field.
fn tables(case: &Case) {
    case.only_keys(&["pairs", "heads"]);
    case.only_prefixes(&["before", "after_timm", "after_bicubic", "after_simmim"]);
    let pairs: Vec<[[usize; 2]; 2]> = serde_json::from_value(case.config["pairs"].clone()).expect("pairs of windows");
    let rules = [
        ("after_timm", TableResize::GeometricLinear),
        ("after_bicubic", TableResize::Bicubic),
        ("after_simmim", TableResize::GeometricSpline),
    ];
    for (i, [from, to]) in pairs.into_iter().enumerate() {
        let before = case.tensor(&format!("before.{i}"));
        for (prefix, rule) in rules {
            let name = format!("{prefix}.{i}");
            if case.has(&name) {
                let after = resize_table(before, case.size("heads"), from, to, rule).expect("resize");
                case.check(&name, &after);
            }
        }
    }
}

/// Layer norm on rows of very small deviation, GELU with its derivative, softmax under masks of -100.
fn primitives(case: &Case) {
    case.only_keys(&[]);
    case.only_prefixes(&["in", "out"]);
    let tensor = |name: &str| Tensor::from_slice(case.tensor(name), case.shape(name), &Device::Cpu).expect("tensor");
    let values = |tensor: Tensor| tensor.flatten_all().and_then(|flat| flat.to_vec1::<f32>()).expect("values");
    for level in Level::available() {
        let norms = (0..).map(|i| format!("layer_norm.{i}")).take_while(|name| case.has(&format!("in.{name}")));
        for name in norms {
            let [x, gamma, beta] = ["", ".weight", ".bias"].map(|part| tensor(&format!("in.{name}{part}")));
            let y = ops::layer_norm::layer_norm(level, &x, &gamma, &beta).expect("layer norm");
            case.check(&format!("out.{name}"), &values(y));
        }
        let x = Var::from_tensor(&tensor("in.gelu")).expect("variable");
        let y = ops::gelu::gelu(level, &x).expect("gelu");
        case.check("out.gelu", &values(y.clone()));
        let gradients = y.sum_all().and_then(|sum| sum.backward()).expect("backward");
        case.check("out.gelu_grad", &values(gradients.get(&x).expect("gradient").clone()));
        let masked = (tensor("in.softmax") + tensor("in.softmax_mask")).expect("sum");
        case.check("out.softmax_masked", &values(ops::softmax::softmax_last(level, &masked).expect("softmax")));
    }
}

/// An encoder with a classification head under every edge policy the file has outputs for.
fn encoder(case: &Case) {
    case.only_keys(&[
        "img",
        "embed",
        "depths",
        "heads",
        "window",
        "classes",
        "mlp",
        "weights",
        "batch",
        "input_name",
        "keys",
        "ln_eps",
        "gelu",
        "edge_policy",
    ]);
    case.only_prefixes(&["in", "w", "out", "out_tv", "out_od", "out_timm_ap", "grad", "formula_head", "formula_tail"]);
    // An epsilon of 1e-6 stays below the tolerance of whole models: only its name tells.
    case.only_values("ln_eps", &[json!(1e-5)]);
    case.only_values("gelu", &[json!("erf")]);
    case.only_values("edge_policy", &[json!("timm")]);
    case.only_values("keys", &[json!("timm state_dict"), json!("timm state_dict with full-size tables")]);
    let policies = [
        ("out", EdgePolicy::Timm),
        ("out_tv", EdgePolicy::Torchvision),
        ("out_od", EdgePolicy::PadThenRoll),
        ("out_timm_ap", EdgePolicy::TimmAlwaysPartition),
    ];
    for (prefix, policy) in policies {
        if case.names(prefix).next().is_some() {
            for level in Level::available() {
                one_policy(case, prefix, policy, &Cpu::new(level));
            }
            #[cfg(any(feature = "cuda", feature = "cuda-emulator"))]
            if preco_tests::fits_device(case) {
                one_policy(case, prefix, policy, &preco_tests::cuda());
            }
        }
    }
}

fn one_policy<B: Backend>(case: &Case, prefix: &str, policy: EdgePolicy, backend: &B) {
    let img: [usize; 2] = case.sizes("img").try_into().expect("height and width");
    let config = SwinConfig {
        input: img,
        bands: 3,
        patch: 4,
        embed: case.size("embed"),
        depths: case.sizes("depths"),
        heads: case.sizes("heads"),
        window: case.sizes("window").try_into().expect("height and width"),
        mlp_ratio: if case.config.get("mlp").is_some() { case.number("mlp") } else { 4.0 },
        drop_path: 0.0,
        edge_policy: policy,
    };
    let images = if case.config.get("batch").is_some() { case.size("batch") } else { 1 };
    let classes = case.size("classes");
    let mut layout = Layout::default();
    let swin = Swin::new(&config, &mut layout).expect("configuration");
    let head = Classifier::new(&mut layout, config.features(), classes, config.depths.iter().sum::<usize>() + 1);
    let mut parameters = vec![0.0; layout.len()];
    for segment in layout.segments() {
        let values = case.weight(&segment.name, &segment.shape);
        case.check_formula(&segment.name, &values);
        parameters[segment.range.clone()].copy_from_slice(&values);
    }
    let image = case.image(images * 3 * img[0] * img[1]);
    case.check_formula("input", &image);

    let (mut tape, mut head_tape) = (Tape::new(backend, Keep::All), ClassifierTape::new(backend));
    let parameters = backend.parameters(&parameters);
    let mut input = backend.zeros(image.len());
    backend.upload(&image, &mut input);
    swin.forward(backend, &parameters, &input, images, &Pass::inference(), &mut tape);
    let tokens = swin.feature_tokens();
    head.forward(backend, &parameters, tape.features(), images, tokens, &mut head_tape);
    for s in 0..swin.stages() {
        let map = backend.values(tape.stage(s), images * swin.tokens(s) * config.channels(s));
        check_map(case, &format!("{prefix}.stage{s}"), &map, swin.grid(s)[1], config.channels(s));
    }
    let last = swin.stages() - 1;
    let features = backend.values(tape.features(), images * tokens * config.features());
    check_map(case, &format!("{prefix}.norm"), &features, swin.grid(last)[1], config.features());
    case.check(&format!("{prefix}.pool"), &backend.values(head_tape.pooled(), images * config.features()));
    case.check(&format!("{prefix}.logits"), &backend.values(head_tape.logits(), images * classes));
    if prefix != "out" || case.names("grad").next().is_none() {
        return;
    }

    for keep in [Keep::All, Keep::Inputs] {
        let mut tape = Tape::new(backend, keep);
        swin.forward(backend, &parameters, &input, images, &Pass::inference(), &mut tape);
        let mut gradients = backend.zeros(layout.len());
        let mut d_features = backend.activations();
        backend.reserve(&mut d_features, images * tokens * config.features());
        let mut d_logits = backend.zeros(images * classes);
        backend.upload(case.tensor("in.R"), &mut d_logits);
        head.backward(backend, &parameters, &mut gradients, &d_logits, images, tokens, &mut head_tape, &mut d_features);
        let outputs = OutputGradients { features: Some(&*d_features), stages: Vec::new() };
        swin.backward(backend, &parameters, &mut gradients, outputs, &mut tape);
        let gradients = backend.values(&gradients, layout.len());
        for segment in layout.segments() {
            case.check(&format!("grad.{}", segment.name), &gradients[segment.range.clone()]);
        }
        let mut d_image = backend.zeros(image.len());
        swin.image_gradient(backend, &parameters, &mut tape, &mut d_image);
        case.check("grad.input", &backend.values(&d_image, image.len()));
    }
}

/// A map (N, H, W, C): whole, or its slice `[0, :2, :3, :16]` and its statistics.
fn check_map(case: &Case, name: &str, map: &[f32], columns: usize, channels: usize) {
    if case.has(name) {
        case.check(name, map);
    }
    let slice = format!("{name}_slice");
    if case.has(&slice) {
        let shape = case.shape(&slice);
        let (rows, wide, deep) = (shape[0], shape[1], shape[2]);
        let at = |i: usize| (i / (wide * deep) * columns + i / deep % wide) * channels + i % deep;
        case.check(&slice, &(0..rows * wide * deep).map(|i| map[at(i)]).collect::<Vec<_>>());
    }
    let stats = format!("{name}_stats");
    if case.has(&stats) {
        case.check_values(&stats, formula::stats(map).into_iter());
    }
}
