//! Python reads what we publish: timm the models, huggingface_hub the cache and the cards.
//!
//! `PRECO_PYTHON` names the Python, `python3` without it. Where it lacks a package, the test says so on stderr and passes.
//! Python computes and tells; all comparisons are made here.

use std::path::{Path, PathBuf};
use std::process::Command;

use preco_core::backbones::swin::SwinConfig;
use preco_core::imagery::{Image8, crop, write_png};
use preco_core::preco::{Preco, PrecoConfig};
use preco_core::rng::Stream;
use preco_core::spec::{ModelSpec, Preprocess};
use preco_tests::binary::{Done, command, done, preco};
use preco_tests::folder::{say, workspace};
use preco_tests::hub::{Hub, Request};
use preco_tests::models::{borrowed, facts, published, run};
use preco_tests::python::Python;
use preco_tests::zoo::contents;
use preco_train::datasets::scenes::SceneGenerator;
use preco_zoo::ModelFolder;
use preco_zoo::publish::{self, Form};
use serde_json::Value;

/// Largest difference of a feature from timm's on the same pixels, resized or not: f32 through a dozen blocks. Features are
/// about 1 in the root of their mean square and 5 at most.
const SAME_PIXELS: f64 = 1e-5;
/// The same where timm rounds the longer side and the crop's corner to whole pixels, and we do not: half a pixel's shift.
const SHIFTED: f64 = 0.1;
/// Pictures of the model's size; those of others follow.
const EXACT: usize = 4;

/// The line of JSON that `script` prints; `hub` is its hub, and without one it is offline.
fn tell(python: &Python, script: &str, arguments: &[&str], home: &Path, hub: Option<&Hub>) -> Value {
    Python::told(of_hub(&mut python.command(script, arguments), home, hub))
}

/// `command` with `home` as its `HF_HOME` and `hub` as its hub, or offline, whatever the environment says.
fn of_hub<'a>(command: &'a mut Command, home: &Path, hub: Option<&Hub>) -> &'a mut Command {
    let others = ["HF_", "HUGGINGFACE_", "TRANSFORMERS_", "PRECO_M", "PRECO_REGISTRY"];
    for (name, _) in std::env::vars().filter(|(name, _)| others.iter().any(|other| name.starts_with(other))) {
        command.env_remove(name);
    }
    match hub {
        Some(hub) => command.env("HF_ENDPOINT", hub.endpoint()),
        None => command.env("HF_HUB_OFFLINE", "1"),
    };
    command.envs([("HF_HUB_DISABLE_XET", "1"), ("HF_HUB_DISABLE_TELEMETRY", "1"), ("NO_PROXY", "127.0.0.1")]);
    command.env("HF_HOME", home)
}

/// The program, as [`of_hub`] sets it.
fn cli(arguments: &str, home: &Path, hub: Option<&Hub>) -> Done {
    done(of_hub(&mut command(home, arguments), home, hub).output().expect("start preco-cli"))
}

/// Features of the same pictures, by us and by timm.
struct Seen {
    what: String,
    ours: Vec<Vec<f32>>,
    timm: Value,
}

impl Seen {
    /// Both sides of the model in `folder`, which timm takes from `source`.
    fn new(python: &Python, source: &str, folder: &Path, home: &Path, hub: Option<&Hub>) -> Self {
        let encoder = preco_zoo::from_pretrained(folder.to_str().expect("UTF-8")).encoder().expect("our model");
        let pictures = pictures(encoder.config().input);
        let place = tempfile::tempdir().expect("temporary folder");
        for (at, picture) in pictures.iter().enumerate() {
            write_png(picture, &place.path().join(format!("{at}.png"))).expect("picture");
        }
        let ours = encoder.embed_all(&pictures).expect("our features");
        let path = |path: &Path| path.to_str().expect("UTF-8").to_owned();
        let timm = tell(python, "timm_features.py", &[source, &path(folder), &path(place.path())], home, hub);
        let seen = Self { what: source.to_owned(), ours, timm };
        seen.differ_from_each_other();
        seen
    }

    /// timm's features in the way `way`, a vector or null for each picture.
    fn theirs(&self, way: &str) -> &Vec<Value> {
        let theirs = self.timm[way].as_array().expect("a list");
        assert_eq!(theirs.len(), self.ours.len(), "{}: pictures", self.what);
        theirs
    }

    /// The largest difference of `ours` from timm's features in the way `way` over some pictures.
    fn difference(&self, ours: &[Vec<f32>], way: &str, pictures: std::ops::Range<usize>) -> f64 {
        let mut largest = 0.0f64;
        for (ours, theirs) in ours[pictures.clone()].iter().zip(&self.theirs(way)[pictures]) {
            let theirs: Vec<f64> =
                theirs.as_array().expect("features").iter().map(|v| v.as_f64().expect("a number")).collect();
            assert_eq!(ours.len(), theirs.len(), "{}: features", self.what);
            for (ours, theirs) in ours.iter().zip(theirs) {
                let difference = (f64::from(*ours) - theirs).abs();
                // `max` would lose a NaN.
                assert!(difference.is_finite(), "{}: {ours} and {theirs}", self.what);
                largest = largest.max(difference);
            }
        }
        largest
    }

    /// A model that says the same of all pictures would agree with anything that does.
    fn differ_from_each_other(&self) {
        for (at, one) in self.ours.iter().enumerate() {
            for other in &self.ours[..at] {
                let apart = one.iter().zip(other).map(|(one, other)| (one - other).abs()).fold(0.0, f32::max);
                assert!(
                    f64::from(apart) > 1000.0 * SAME_PIXELS,
                    "{}: features of picture {at} are another's",
                    self.what
                );
            }
        }
    }

    /// Checks that the features would tell if any tensor were not the file's: [`Seen::agree`] says something of all of them.
    fn tell_every_tensor(&self) {
        let least = &self.timm["least_moved"];
        let moved = least[1].as_f64().expect("a number");
        assert!(moved > 10.0 * SAME_PIXELS, "{}: {least} counts for nothing", self.what);
    }

    /// Checks that timm loads exactly our tensors and computes our features; says how near they are.
    fn agree(&self) {
        let (what, timm, all) = (&self.what, &self.timm, self.ours.len());
        if timm["refused"].is_null() {
            assert_eq!(timm["warnings"], serde_json::json!([]), "{what}");
            assert_eq!(timm["other_tensors"], serde_json::json!([]), "{what}: loaded is not what the file has");
        }
        assert!(
            timm["inputs_differ"].as_f64().expect("a number") < 1e-6,
            "{what}: timm's transform normalises otherwise"
        );
        for way in ["pretrained", "strict"] {
            assert!(self.theirs(way)[EXACT..].iter().all(Value::is_null), "{what}: {way} needs no resizing");
        }
        let near = [
            ("pretrained", 0..EXACT, SAME_PIXELS),
            ("strict", 0..EXACT, SAME_PIXELS),
            ("transformed", 0..EXACT, SAME_PIXELS),
            ("transformed", EXACT..all - 1, SAME_PIXELS),
            ("transformed", all - 1..all, SHIFTED),
        ]
        .map(|(way, pictures, tolerance)| (self.difference(&self.ours, way, pictures), tolerance));
        let values: Vec<f32> = self.ours.concat();
        let scale = (values.iter().map(|value| value * value).sum::<f32>() / values.len() as f32).sqrt();
        let largest = values.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
        let text = near.map(|(difference, _)| format!("{difference:.1e}")).join(", ");
        say(&format!(
            "{what}: timm {} differs by {text} (pretrained, strict, transformed, resized, shifted); features {scale:.2} \
             rms, {largest:.1} at most; least moved {}",
            timm["timm"], timm["least_moved"]
        ));
        assert!(near.iter().all(|(difference, tolerance)| difference <= tolerance), "{what}: {near:?}");
    }
}

/// Scenes of `input` (height, width), then two of its shape and other sizes, then one of another shape.
fn pictures([height, width]: [usize; 2]) -> Vec<Image8> {
    let mut sizes = vec![(width, height); EXACT];
    sizes.extend([(width * 5 / 2, height * 5 / 2), (width * 5 / 8, height * 5 / 8), (2 * width + 3, height + 33)]);
    let draw = |(at, (width, height)): (usize, (usize, usize))| {
        let scene = SceneGenerator::new(7, width.max(height), 8).scene(at);
        crop(&scene.image, 0, 0, width, height).expect("a part")
    };
    sizes.into_iter().enumerate().map(draw).collect()
}

/// A copy of the model `folder`, whose weights are one f32 file; `change` gets them all. It has no digests.
fn changed(folder: &Path, mut change: impl FnMut(&mut [f32])) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("temporary folder");
    for (name, mut bytes) in contents(folder) {
        if name == "model.safetensors" {
            let header = u64::from_le_bytes(bytes[..8].try_into().expect("8 bytes")) as usize;
            let values = bytes.split_off(8 + header);
            let words = values.chunks_exact(4).map(|word| f32::from_le_bytes(word.try_into().expect("4 bytes")));
            let mut values: Vec<f32> = words.collect();
            change(&mut values);
            bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        }
        if name != "SHA256SUMS" {
            std::fs::write(copy.path().join(name), bytes).expect("write");
        }
    }
    copy
}

/// Weights after which every tensor counts. In a model that has learnt little biases are 0, norms 1 and all tokens get the
/// same attention: a reader without them, or with an attention that is wrong, has the same features.
fn shake(values: &mut [f32]) {
    let mut stream = Stream::new(0, "shake", 0, 0);
    values.iter_mut().for_each(|value| *value += stream.between(-0.2, 0.2) as f32);
}

fn local(folder: &Path) -> String {
    format!("local-dir:{}", folder.display())
}

/// timm before 1.0.31 takes a file without a classifier for Microsoft's and refuses its names.
const TIMM: [&str; 3] = ["timm>=1.0.31", "torch", "huggingface_hub"];

#[test]
fn timm_computes_our_features_from_the_published_pico() {
    let Some(python) = Python::with(&TIMM) else { return };
    let (folder, home) = (workspace().join("weights/models/preco-swin-pico"), tempfile::tempdir().expect("home"));
    let seen = Seen::new(&python, &local(&folder), &folder, home.path(), None);
    assert_eq!(seen.timm["refused"], Value::Null);
    assert_eq!(seen.timm["types"], serde_json::json!(["torch.bfloat16"]));
    seen.agree();
    seen.tell_every_tensor();
}

#[test]
fn timm_computes_our_features_from_a_run_and_notices_a_changed_weight() {
    let Some(python) = Python::with(&TIMM) else { return };
    let root = tempfile::tempdir().expect("temporary folder");
    let home = root.path().join("home");
    preco(root.path(), "pretrain --steps 2 --batch-size 4 --out run").succeeded();
    std::fs::write(root.path().join("card.toml"), facts().to_text().expect("card")).expect("write");
    let publish = "models publish run --name preco-test --card card.toml --yes --to";
    preco(root.path(), &format!("{publish} out")).succeeded();
    let folder = root.path().join("out");
    let seen = Seen::new(&python, &local(&folder), &folder, &home, None);
    assert_eq!((&seen.timm["refused"], &seen.timm["types"]), (&Value::Null, &serde_json::json!(["torch.float32"])));
    seen.agree();

    let shaken = changed(&folder, shake);
    let other = Seen::new(&python, &local(shaken.path()), shaken.path(), &home, None);
    other.agree();
    other.tell_every_tensor();
    let one = changed(&folder, |values| *values.last_mut().expect("a value") += 0.1);
    for other in [shaken.path(), one.path()] {
        let encoder = preco_zoo::from_pretrained(other.to_str().expect("UTF-8")).encoder().expect("our model");
        let ours = encoder.embed_all(&pictures(encoder.config().input)).expect("features");
        for way in ["pretrained", "strict"] {
            let difference = seen.difference(&ours, way, 0..EXACT);
            assert!(difference > 10.0 * SAME_PIXELS, "{way}: other weights differ by {difference} only");
        }
    }

    preco(root.path(), &format!("{publish} shards --shard-mb 1")).succeeded();
    let folder = root.path().join("shards");
    let seen = Seen::new(&python, &local(&folder), &folder, &home, None);
    // timm 1.0 reads the first shard alone, and its strict loading notices: nobody gets half a model.
    let refused = seen.timm["refused"].as_str().expect("timm does not read shards");
    assert!(refused.contains("Missing key(s)"), "{refused}");
    let told = seen.timm["warnings"].as_array().expect("warnings");
    assert!(told.len() == 1 && told[0].as_str().expect("text").contains("Multiple .safetensors"), "{told:?}");
    // The index's reader and load_state_dict have them all.
    seen.agree();
}

#[test]
fn timm_does_not_turn_a_wide_model() {
    let Some(python) = Python::with(&TIMM) else { return };
    let root = tempfile::tempdir().expect("temporary folder");
    let preset = SwinConfig::preset("pico").expect("preset");
    let encoder = SwinConfig { input: [32, 64], depths: vec![2, 2], heads: vec![2, 4], ..preset };
    let model = Preco::new(&PrecoConfig::new(encoder)).expect("model");
    let preprocess = Preprocess::imagenet([32, 64]);
    preprocess.write(&root.path().join("preprocessor_config.json")).expect("write");
    let spec = ModelSpec { pretraining: None, ..ModelSpec::pretrained("run", model.config()) };
    spec.write(&preprocess, &root.path().join("config.json")).expect("write");
    let is_encoder = |name: &str| name != "mask_token" && !name.starts_with("decoder.");
    let (path, mut params) = (root.path().join("model.safetensors"), model.layout().init(3));
    shake(&mut params);
    model.layout().save_where(&params, &path, |segment| is_encoder(&segment.name)).expect("save");
    let form = Form { name: "wide".to_owned(), ..Form::default() };
    let folder = root.path().join("out");
    std::fs::create_dir(&folder).expect("folder");
    let model = ModelFolder::open(root.path()).expect("model");
    for (name, bytes) in publish::files(&model, &form, &facts()).expect("files") {
        std::fs::write(folder.join(name), bytes).expect("write");
    }
    let seen = Seen::new(&python, &local(&folder), &folder, &root.path().join("home"), None);
    seen.agree();
    seen.tell_every_tensor();
}

#[test]
fn timm_loads_by_name_what_we_pushed_and_what_we_downloaded() {
    let Some(python) = Python::with(&TIMM) else { return };
    let (hub, root) = (Hub::start(), tempfile::tempdir().expect("temporary folder"));
    let [made, ours, theirs] = ["run", "ours", "theirs"].map(|name| root.path().join(name));
    for folder in [&made, &ours, &theirs] {
        std::fs::create_dir(folder).expect("folder");
    }
    run(&made, 3);
    std::fs::write(made.join("card.toml"), facts().to_text().expect("card")).expect("write");
    let made = changed(&made, shake);
    let publish = format!("models publish {} --name preco-test --to hub:org/preco-test --yes", made.path().display());
    let mut publish = command(root.path(), &publish);
    let publish = of_hub(&mut publish, &ours, Some(&hub)).env("HF_TOKEN", "hf_test");
    done(publish.output().expect("start preco-cli")).succeeded();
    let folder = cli("models download org/preco-test", &ours, Some(&hub)).succeeded().stdout;
    let folder = PathBuf::from(folder.trim_end());
    // What the card tells people to type.
    let card = std::fs::read_to_string(folder.join("README.md")).expect("card");
    assert!(card.contains("timm.create_model(\"hf-hub:org/preco-test\", pretrained=True)"), "{card}");
    Seen::new(&python, "hf-hub:org/preco-test", &folder, &theirs, Some(&hub)).agree();
    hub.forget_requests();
    let seen = Seen::new(&python, "hf-hub:org/preco-test", &folder, &ours, None);
    seen.agree();
    seen.tell_every_tensor();
    assert!(hub.requests().is_empty(), "what we downloaded needs no request");
}

/// The requests for files' bytes.
fn gets(hub: &Hub) -> Vec<Request> {
    let is_get = |request: &Request| request.method == "GET" && (request.to_cdn || request.path.contains("/resolve/"));
    hub.requests().into_iter().filter(is_get).collect()
}

#[test]
fn python_finds_what_we_downloaded() {
    let Some(python) = Python::with(&["huggingface_hub"]) else { return };
    let (hub, home) = (Hub::start(), tempfile::tempdir().expect("home"));
    let files = published("preco-test", 3, Some(100_000));
    let mut all = files.clone();
    all.push((".gitattributes".to_owned(), b"*.safetensors filter=lfs\n".to_vec()));
    let commit = hub.commit("org/preco-test", &borrowed(&all));
    let path = cli("models download org/preco-test", home.path(), Some(&hub)).succeeded().stdout;
    hub.forget_requests();
    let told = tell(&python, "hub_cache.py", &["find", "org/preco-test"], home.path(), None);
    assert!(hub.requests().is_empty());
    assert_eq!(told["path"], path.trim_end());
    let digests = files.iter().map(|(name, bytes)| (name.clone(), Value::from(preco_zoo::sha256(bytes))));
    assert_eq!(told["files"], Value::Object(digests.collect()));
    assert_eq!(told["warnings"], serde_json::json!([]));
    let bytes: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
    let mut names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    let revision = serde_json::json!({ "commit": commit, "refs": ["main"], "files": names, "bytes": bytes });
    let known = serde_json::json!({
        "id": "org/preco-test", "type": "model", "bytes": bytes, "files": files.len(), "revisions": [revision],
    });
    assert_eq!(told["repositories"], serde_json::json!([known]));
    // Online as well Python takes ours, and fetches only what we leave there.
    let told = tell(&python, "hub_cache.py", &["snapshot", "org/preco-test"], home.path(), Some(&hub));
    assert_eq!(told["path"], path.trim_end());
    let paths: Vec<String> = gets(&hub).into_iter().map(|request| request.path).collect();
    assert!(paths.len() == 1 && paths[0].ends_with("/.gitattributes"), "{paths:?}");
    assert_eq!(contents(Path::new(path.trim_end())), all.into_iter().collect());
}

#[test]
fn what_python_downloaded_is_used_without_a_request() {
    let Some(python) = Python::with(&["huggingface_hub"]) else { return };
    let (hub, root) = (Hub::start(), tempfile::tempdir().expect("temporary folder"));
    let files = published("preco-test", 3, None);
    hub.commit("org/preco-test", &borrowed(&files));
    let [home, part, broken] = ["home", "part", "broken"].map(|name| root.path().join(name));
    for home in [&home, &part, &broken] {
        std::fs::create_dir(home).expect("home");
    }
    let snapshot = |home: &Path| {
        let told = tell(&python, "hub_cache.py", &["snapshot", "org/preco-test"], home, Some(&hub));
        PathBuf::from(told["path"].as_str().expect("a path"))
    };
    let path = snapshot(&home);
    hub.forget_requests();
    let told = cli("models download org/preco-test", &home, None).succeeded().stdout;
    assert_eq!(told.trim_end(), path.to_str().expect("UTF-8"));
    cli("models verify org/preco-test", &home, None).succeeded();
    assert_eq!(contents(&path), files.iter().cloned().collect());
    assert!(hub.requests().is_empty(), "{:?}", hub.requests());
    let told = cli("models download org/preco-test", &home, Some(&hub)).succeeded().stdout;
    assert_eq!(told.trim_end(), path.to_str().expect("UTF-8"));
    assert!(gets(&hub).is_empty(), "online a branch is asked for its commit and no more: {:?}", gets(&hub));

    tell(&python, "hub_cache.py", &["file", "org/preco-test", "config.json"], &part, Some(&hub));
    cli("models download org/preco-test", &part, None).refused("this is offline");
    let weights = std::fs::canonicalize(snapshot(&broken).join("model.safetensors")).expect("blob");
    let mut bytes = std::fs::read(&weights).expect("read");
    *bytes.last_mut().expect("a byte") ^= 1;
    std::fs::write(&weights, bytes).expect("write");
    cli("models download org/preco-test", &broken, None).refused("it was changed or cut off");
    for home in [&part, &broken] {
        let told = cli("models download org/preco-test", home, Some(&hub)).succeeded().stdout;
        assert_eq!(contents(Path::new(told.trim_end())), files.iter().cloned().collect());
        let told = tell(&python, "hub_cache.py", &["find", "org/preco-test"], home, None);
        assert_eq!(told["warnings"], serde_json::json!([]));
    }
}

/// The card of a model with this licence, as Python reads it.
fn card(python: &Python, licence: &str) -> Value {
    let folder = tempfile::tempdir().expect("temporary folder");
    run(folder.path(), 3);
    let facts = preco_zoo::Facts { licence: licence.to_owned(), ..facts() };
    let form = Form { name: "preco-test".to_owned(), ..Form::default() };
    let files = publish::files(&ModelFolder::open(folder.path()).expect("run"), &form, &facts).expect("files");
    let (_, page) = files.iter().find(|(name, _)| name == "README.md").expect("card");
    let path = folder.path().join("README.md");
    std::fs::write(&path, page).expect("write");
    tell(python, "card.py", &[path.to_str().expect("UTF-8")], folder.path(), None)
}

#[test]
fn python_reads_our_cards() {
    let Some(python) = Python::with(&["huggingface_hub"]) else { return };
    let home = tempfile::tempdir().expect("home");
    let pico = workspace().join("weights/models/preco-swin-pico/README.md");
    let pico = tell(&python, "card.py", &[pico.to_str().expect("UTF-8")], home.path(), None);
    assert!(pico["text"].as_str().expect("text").starts_with("\n# preco-swin-pico\n"), "{pico}");
    let tags = serde_json::json!([
        "remote-sensing",
        "earth-observation",
        "self-supervised",
        "masked-image-modeling",
        "swin",
        "timm",
        "candle",
        "rust"
    ]);
    let own = "LicenseRef-\"Mine: 'all' #1\"";
    for (told, licence) in [
        (pico, "other"),
        (card(&python, "MIT"), "mit"),
        (card(&python, "CC-BY-4.0"), "cc-by-4.0"),
        (card(&python, own), "other"),
    ] {
        let data = &told["data"];
        assert_eq!((&data["license"], &data["tags"]), (&licence.into(), &tags));
        assert_eq!(data["pipeline_tag"], "image-feature-extraction");
        assert_eq!(data["license_name"].is_string(), licence == "other", "{data}");
        assert_eq!(told["unknown"], serde_json::json!([]), "keys that the hub has no use for");
    }
}

#[test]
fn a_licence_that_the_hub_has_no_name_for_gets_an_identifier_and_a_link() {
    let Some(python) = Python::with(&["huggingface_hub"]) else { return };
    let told = card(&python, "MIT OR Apache-2.0");
    // The hub's description of cards asks for an identifier "like `my-license-1.0`" and a link.
    assert_eq!(told["data"]["license_name"], "mit-or-apache-2.0");
    assert!(told["data"]["license_link"].is_string(), "{}", told["data"]);
}
