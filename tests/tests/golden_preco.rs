//! PReCo's reconstructions, terms and gradients against PyTorch, for every choice of distance and region in the file.

use preco_core::backbones::swin::{EdgePolicy, Keep, SwinConfig};
use preco_core::backend::Backend;
use preco_core::backend::cpu::Cpu;
use preco_core::nn::Pass;
use preco_core::preco::{Distance, Mask, Method, Preco, PrecoConfig, PromptRegion, Tape, Terms};
use preco_core::simd::Level;
use preco_tests::{Case, formula};

#[test]
fn golden_preco_agrees_with_torch() {
    preco_tests::run("preco", |case| {
        for level in Level::available() {
            for keep in [Keep::All, Keep::Inputs] {
                every_variant(case, &Cpu::new(level), keep);
            }
        }
        #[cfg(any(feature = "cuda", feature = "cuda-emulator"))]
        every_variant(case, &preco_tests::cuda(), Keep::All);
    });
}

/// `pr_masked_l1`, `sc_cos_sg` and the like.
fn variant(case: &Case, pr: &str, sc: &str) -> (PromptRegion, Distance, Distance, bool) {
    let distance = |name: &str| match name {
        "l1" => Distance::L1,
        "l2" => Distance::L2,
        "cos" => Distance::Cosine,
        _ => case.unknown(&format!("distance {name:?}")),
    };
    let (region, reconstruction) = match pr.strip_prefix("pr_").and_then(|pr| pr.split_once('_')) {
        Some(("masked", name)) => (PromptRegion::Masked, distance(name)),
        Some(("all", name)) => (PromptRegion::All, distance(name)),
        _ => case.unknown(&format!("prompt term {pr:?}")),
    };
    let (sc, stop) = sc.strip_suffix("_sg").map_or((sc, false), |sc| (sc, true));
    let consistency = sc.strip_prefix("sc_").map_or_else(|| case.unknown(&format!("term {sc:?}")), distance);
    (region, reconstruction, consistency, stop)
}

fn every_variant<B: Backend>(case: &Case, backend: &B, keep: Keep) {
    case.only_keys(&[
        "img",
        "embed",
        "depths",
        "heads",
        "window",
        "mlp",
        "batch",
        "mask_patch",
        "mask_ratio",
        "masked_per_image",
        "lambdas",
        "keys",
        "main_variant_of_grad",
        "graddigest_param_order",
    ]);
    case.only_values("keys", &["encoder.<timm names>, encoder.mask_token (1,1,E), decoder.0.{weight,bias}".into()]);
    case.only_prefixes(&["in", "w", "out", "loss", "total", "graddigest", "gradsel", "grad", "grad_slice"]);
    let totals: Vec<String> = case.names("total").map(|name| name["total.".len()..].to_owned()).collect();
    for name in &totals {
        let Some((pr, sc)) = name.split_once("__") else { case.unknown(&format!("total {name:?}")) };
        one_variant(case, backend, keep, name, pr, sc);
    }
    masked_branch_alone(case, backend, keep);
    // Terms that no total names.
    for (pr, sc) in [("pr_all_l1", "sc_l1"), ("pr_masked_l2", "sc_l2"), ("pr_all_l2", "sc_l2")] {
        let run = Run::new(case, backend, keep, Method::Preco, pr, sc);
        run.check_terms(case, pr, sc);
    }
}

/// One forward pass.
struct Run<'a, B: Backend> {
    model: Preco,
    parameters: B::Buffer,
    terms: Terms,
    tape: Tape<B>,
    backend: &'a B,
}

impl<'a, B: Backend> Run<'a, B> {
    fn new(case: &Case, backend: &'a B, keep: Keep, method: Method, pr: &str, sc: &str) -> Self {
        let (prompt_region, reconstruction, consistency, stop_gradient) = variant(case, pr, sc);
        let encoder = SwinConfig {
            input: case.sizes("img").try_into().expect("height and width"),
            bands: 3,
            patch: 4,
            embed: case.size("embed"),
            depths: case.sizes("depths"),
            heads: case.sizes("heads"),
            window: case.sizes("window").try_into().expect("height and width"),
            mlp_ratio: case.number("mlp"),
            drop_path: 0.0,
            edge_policy: EdgePolicy::Timm,
        };
        let lambdas: Vec<f64> = serde_json::from_value(case.config["lambdas"].clone()).expect("three weights");
        let mut config = PrecoConfig::new(encoder);
        config.method = method;
        config.mask_patch = case.size("mask_patch");
        config.mask_ratio = case.number("mask_ratio");
        (config.lambdas.re, config.lambdas.pr, config.lambdas.sc) = (lambdas[0], lambdas[1], lambdas[2]);
        (config.prompt_region, config.reconstruction) = (prompt_region, reconstruction);
        (config.consistency, config.stop_gradient) = (consistency, stop_gradient);
        assert_eq!(config.masked_cells(), case.size("masked_per_image"));
        let model = Preco::new(&config).expect("configuration");
        let mut parameters = vec![0.0; model.layout().len()];
        for segment in model.layout().segments() {
            let values = case.weight(&golden_name(&segment.name), &segment.shape);
            parameters[segment.range.clone()].copy_from_slice(&values);
        }
        let cells = mask_values(case, "in.mask_patches");
        let per_image = config.mask_grid().iter().product::<usize>();
        let masks: Vec<Mask> = cells
            .chunks(per_image)
            .map(|cells| {
                let cells = cells.iter().map(|&cell| cell != 0.0).collect();
                Mask::from_cells(cells, config.mask_grid()[1], config.mask_patch)
            })
            .collect();
        let tokens: Vec<f32> = masks.iter().flat_map(|mask| mask.tokens(4)).collect();
        assert_eq!(tokens, mask_values(case, "in.mask_tokens"), "the mask per token");
        let (mut tape, parameters) = (Tape::new(backend, keep), backend.parameters(&parameters));
        let image = case.tensor("in.image");
        let terms =
            model.forward(backend, &parameters, image, &masks, &Pass::inference(), &mut tape).expect("sizes fit");
        Self { model, parameters, terms, tape, backend }
    }

    fn gradients(&mut self) -> Vec<f32> {
        let len = self.model.layout().len();
        let mut gradients = self.backend.zeros(len);
        self.model.backward(self.backend, &self.parameters, &mut gradients, &mut self.tape).expect("backward");
        self.backend.values(&gradients, len).into_owned()
    }

    /// The gradient of the parameter that the file calls `name`.
    fn part<'g>(&self, case: &Case, gradients: &'g [f32], name: &str) -> &'g [f32] {
        let segment = self.model.layout().segments().iter().find(|segment| golden_name(&segment.name) == name);
        &gradients[segment.unwrap_or_else(|| case.unknown(&format!("parameter {name:?}"))).range.clone()]
    }

    fn check_terms(&self, case: &Case, pr: &str, sc: &str) {
        let (_, reconstruction, ..) = variant(case, pr, sc);
        let re = if reconstruction == Distance::L1 { "loss.re_l1" } else { "loss.re_l2" };
        case.check_values(re, [self.terms.re].into_iter());
        case.check_values(&format!("loss.{pr}"), [self.terms.pr.expect("prompt branch")].into_iter());
        case.check_values(&format!("loss.{sc}"), [self.terms.sc.expect("prompt branch")].into_iter());
    }
}

fn mask_values(case: &Case, name: &str) -> Vec<f32> {
    case.bytes(name).iter().map(|&byte| f32::from(byte)).collect()
}

fn golden_name(ours: &str) -> String {
    if ours.starts_with("decoder.") { ours.to_owned() } else { format!("encoder.{ours}") }
}

fn one_variant<B: Backend>(case: &Case, backend: &B, keep: Keep, name: &str, pr: &str, sc: &str) {
    let mut run = Run::new(case, backend, keep, Method::Preco, pr, sc);
    run.check_terms(case, pr, sc);
    let (_, reconstruction, ..) = variant(case, pr, sc);
    // The file's totals always take the L1 reconstruction; a prompt term in L2 is then a mixture we do not offer.
    if reconstruction != Distance::L1 {
        case.unknown(&format!("total {name:?}"));
    }
    case.check_values(&format!("total.{name}"), [run.terms.total].into_iter());
    let predictions = run.model.predictions(run.backend, &run.tape);
    case.check("out.rec_masked", &predictions.masked);
    case.check("out.rec_prompt", &predictions.prompt.expect("prompt branch"));
    check_features(case, &run);

    let gradients = run.gradients();
    let main = case.text("main_variant_of_grad") == name;
    check_gradients(case, &run, name, &gradients);
    if main {
        for tensor in case.names("grad") {
            case.check(tensor, run.part(case, &gradients, &tensor["grad.".len()..]));
        }
        for tensor in case.names("grad_slice") {
            let len = case.tensor(tensor).len();
            case.check(tensor, &run.part(case, &gradients, &tensor["grad_slice.".len()..])[..len]);
        }
    }
}

/// SimMIM: the masked branch and L_Re only.
fn masked_branch_alone<B: Backend>(case: &Case, backend: &B, keep: Keep) {
    let mut run = Run::new(case, backend, keep, Method::Simmim, "pr_masked_l1", "sc_l1");
    case.check_values("loss.re_l1", [run.terms.re].into_iter());
    assert_eq!((run.terms.pr, run.terms.sc, run.terms.total), (None, None, run.terms.re));
    let predictions = run.model.predictions(run.backend, &run.tape);
    case.check("out.rec_masked", &predictions.masked);
    assert_eq!(predictions.prompt, None);
    let gradients = run.gradients();
    check_gradients(case, &run, "re_only", &gradients);
}

/// The digest of every gradient and the whole of some.
fn check_gradients<B: Backend>(case: &Case, run: &Run<B>, variant: &str, gradients: &[f32]) {
    let order: Vec<String> =
        serde_json::from_value(case.config["graddigest_param_order"].clone()).expect("names of parameters");
    let digests: Vec<f64> =
        order.iter().flat_map(|name| formula::digest(name, run.part(case, gradients, name))).collect();
    case.check_values(&format!("graddigest.{variant}"), digests.into_iter());
    let selected = format!("gradsel.{variant}.");
    for tensor in case.names("gradsel").filter(|tensor| tensor.starts_with(&selected)) {
        case.check(tensor, run.part(case, gradients, &tensor[selected.len()..]));
    }
}

/// Both branches' features as (N, C, H, W).
fn check_features<B: Backend>(case: &Case, run: &Run<B>) {
    let shape = case.shape("out.z_masked").to_vec();
    let (images, channels, tokens) = (shape[0], shape[1], shape[2] * shape[3]);
    let features = run.backend.values(run.tape.features(), 2 * images * channels * tokens);
    for (branch, name) in ["out.z_masked", "out.z_prompt"].into_iter().enumerate() {
        let at = |i: usize| {
            let (image, channel, token) = (i / (channels * tokens), i / tokens % channels, i % tokens);
            ((branch * images + image) * tokens + token) * channels + channel
        };
        case.check(name, &(0..images * channels * tokens).map(|i| features[at(i)]).collect::<Vec<_>>());
    }
}
