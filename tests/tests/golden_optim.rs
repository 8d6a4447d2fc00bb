//! The optimiser, its schedules and its layer-wise decay against PyTorch's AdamW and timm's scheduler.

use preco_core::backend::Backend;
use preco_core::backend::cpu::Cpu;
use preco_core::nn::params::{Init, Layout};
use preco_tests::Case;
use preco_train::optim::{AdamW, AdamWConfig, GroupOptions, Groups, clip};
use preco_train::schedule::{Cosine, Schedule};
use serde_json::Value;

#[test]
fn golden_optim_agrees_with_torch_and_timm() {
    preco_tests::run("optim", |case| match case.name.as_str() {
        "schedules" => schedules(case),
        name if name.starts_with("adamw") => {
            adamw(case, &Cpu::detect());
            #[cfg(any(feature = "cuda", feature = "cuda-emulator"))]
            adamw(case, &preco_tests::cuda());
        }
        _ => case.unknown("a form that is neither adamw* nor schedules"),
    });
}

/// Updates with a rate that halves each time, on a layout of the named parameters.
fn adamw<B: Backend>(case: &Case, backend: &B) {
    case.only_keys(&["lr", "weight_decay", "betas", "eps", "clip_max_norm", "steps", "decay", "no_decay"]);
    case.only_prefixes(&["in", "out"]);
    assert!(case.files.is_empty(), "{:?} are not understood by this test", case.files);
    let mut layout = Layout::default();
    for (key, decay) in [("decay", true), ("no_decay", false)] {
        for name in texts(&case.config[key]) {
            layout.add(name, case.shape(&format!("in.param.{name}")), Init::Constant(0.0), decay, 0);
        }
    }
    assert_eq!(case.names("in").filter(|name| name.starts_with("in.param.")).count(), layout.segments().len());
    let gather = |kind: &str| -> Vec<f32> {
        let mut values = vec![0.0; layout.len()];
        for segment in layout.segments() {
            values[segment.range.clone()].copy_from_slice(case.tensor(&format!("in.{kind}.{}", segment.name)));
        }
        values
    };
    let compare = |kind: &str, values: &[f32]| {
        for segment in layout.segments() {
            let name = format!("out.{kind}.{}", segment.name);
            if case.has(&name) {
                case.check(&name, &values[segment.range.clone()]);
            }
        }
    };
    let betas = numbers(&case.config["betas"]).try_into().expect("two betas");
    let config = AdamWConfig { betas, eps: case.number("eps"), weight_decay: case.number("weight_decay") };
    let groups = Groups::new(&layout, &GroupOptions::default()).expect("groups");
    let mut optimiser = AdamW::new(backend, layout.len(), config).expect("settings");
    let mut params = backend.parameters(&gather("param"));
    let put = |values: &[f32]| backend.parameters(values);
    for step in 0..case.size("steps") {
        let grads = gather(&format!("grad.{step}"));
        let scale = match &case.config["clip_max_norm"] {
            Value::Null => 1.0,
            max => {
                let norm = groups.norm(backend, &put(&grads)).expect("finite");
                case.check_values(&format!("out.total_norm.{step}"), [norm].into_iter());
                clip::coefficient(norm, max.as_f64().expect("a norm"))
            }
        };
        let clipped: Vec<f32> = grads.iter().map(|grad| grad * scale as f32).collect();
        compare(&format!("clipped_grad.{step}"), &clipped);
        let lr = case.number("lr") * 0.5f64.powi(step as i32);
        optimiser.update(backend, &mut params, &put(&grads), &groups, lr, scale);
        compare(&format!("param.{step}"), &backend.values(&params, layout.len()));
    }
    let [m, v] = optimiser.moments(backend);
    compare("exp_avg", &m);
    compare("exp_avg_sq", &v);
}

fn schedules(case: &Case) {
    let tables = case.json.as_object().expect("tables");
    for (key, value) in tables {
        match key.as_str() {
            "cosine" => value.as_array().expect("list").iter().for_each(cosine),
            "layer_decay" => value.as_array().expect("list").iter().for_each(layer_decay),
            "tolerance" => assert_eq!(value, "relative 1e-12 in f64"),
            "self_check_cosine_own_formula_maxabs" => {}
            other => case.unknown(other),
        }
    }
    assert!(tables.contains_key("cosine") && tables.contains_key("layer_decay"), "tables are absent");
}

fn cosine(table: &Value) {
    only_keys(table, &["base_lr", "lr_min", "warmup_lr_init", "t_initial", "warmup_t", "warmup_prefix", "lr", "note"]);
    let number = |key: &str| table[key].as_f64().expect(key);
    let schedule = Schedule::Cosine(Cosine {
        lr: number("base_lr"),
        min_lr: number("lr_min"),
        warmup_lr: number("warmup_lr_init"),
        total: table["t_initial"].as_u64().expect("t_initial"),
        warmup: table["warmup_t"].as_u64().expect("warmup_t"),
        warmup_prefix: table["warmup_prefix"].as_bool().expect("warmup_prefix"),
    });
    schedule.validate().expect("a schedule of timm");
    let expected = numbers(&table["lr"]);
    assert!(!expected.is_empty());
    for (step, expected) in expected.into_iter().enumerate() {
        close(&format!("lr[{step}] of {schedule:?}"), schedule.lr(step as u64), expected);
    }
}

/// Scales and decay of each parameter, given the layer it belongs to; which layer that is, the models' tests compare.
fn layer_decay(table: &Value) {
    only_keys(
        table,
        &["depths", "layer_decay", "base_lr", "weight_decay", "num_scales", "scales", "special", "params"],
    );
    let number = |value: &Value| value.as_f64().expect("number");
    let mut layout = Layout::default();
    let params = table["params"].as_object().expect("params");
    for (name, param) in params {
        only_keys(param, &["ms_name", "layer_id", "lr_scale", "lr", "weight_decay"]);
        let depth = param["layer_id"].as_u64().expect("layer_id") as usize;
        layout.add(name, &[3], Init::Constant(0.0), number(&param["weight_decay"]) != 0.0, depth);
    }
    let options = GroupOptions { layer_decay: number(&table["layer_decay"]), ..GroupOptions::default() };
    let groups = Groups::new(&layout, &options).expect("groups");
    assert_eq!(layout.depths() as u64, table["num_scales"].as_u64().expect("num_scales"));
    let scales = numbers(&table["scales"]);
    assert_eq!(scales.len(), layout.depths());
    for segment in layout.segments() {
        let expected = &params[&segment.name];
        let mut holding = groups.iter().filter(|group| group.range.contains(&segment.range.start));
        let group = holding.next().expect("every parameter is in a group");
        assert!(holding.next().is_none() && segment.range.end <= group.range.end, "{} is in two groups", segment.name);
        let decay = if group.decay { number(&table["weight_decay"]) } else { 0.0 };
        close(&segment.name, group.lr_scale, number(&expected["lr_scale"]));
        close(&segment.name, group.lr_scale, scales[segment.depth]);
        close(&segment.name, group.lr_scale * number(&table["base_lr"]), number(&expected["lr"]));
        close(&segment.name, decay, number(&expected["weight_decay"]));
    }
}

fn close(what: &str, ours: f64, expected: f64) {
    assert!((ours - expected).abs() <= 1e-12 * expected.abs(), "{what}: {ours:e} instead of {expected:e}");
}

fn only_keys(table: &Value, known: &[&str]) {
    for key in table.as_object().expect("a table").keys() {
        assert!(known.contains(&key.as_str()), "{key} is not understood by this test");
    }
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().expect("a list").iter().map(|text| text.as_str().expect("text"))
}

fn numbers(list: &Value) -> Vec<f64> {
    list.as_array().expect("a list").iter().map(|number| number.as_f64().expect("number")).collect()
}
