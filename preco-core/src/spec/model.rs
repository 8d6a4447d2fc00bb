//! The architecture: `config.json`.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::json::{self, Document};
use crate::backbones::swin::{Adapted, EdgePolicy, RGB_BANDS, SwinConfig};
use crate::error::Result;
use crate::preco::PrecoConfig;

/// The version of the `preco` object this crate writes and reads.
const VERSION: u64 = 1;
/// The most outputs of a classifier.
const MOST_CLASSES: usize = 1 << 20;

/// What a classifier's outputs mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Labelling {
    /// One class for an image: softmax makes probabilities of outputs.
    Single,
    /// Any number of classes: a sigmoid for each.
    Multi,
}

/// What a model is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelSpec {
    /// The model's name, such as `preco-swin-pico`.
    pub name: String,
    /// The encoder.
    pub backbone: SwinConfig,
    /// Outputs of the classifier; 0 for an encoder alone.
    pub classes: usize,
    /// The classes' names in the order of the outputs; empty where they have none.
    pub labels: Vec<String>,
    /// What the outputs mean, where there are some; nothing in folders of others.
    pub labelling: Option<Labelling>,
    /// What became of the encoder's bands, where it was pre-trained on others.
    pub adapted: Option<Adapted>,
    /// How it was pre-trained, where the decoder is published beside it.
    pub pretraining: Option<PrecoConfig>,
}

impl ModelSpec {
    /// The spec of an encoder alone.
    pub fn encoder(name: impl Into<String>, backbone: SwinConfig) -> Self {
        let (name, labels) = (name.into(), Vec::new());
        Self { name, backbone, classes: 0, labels, labelling: None, adapted: None, pretraining: None }
    }

    /// The spec of a pre-trained encoder with its decoder.
    pub fn pretrained(name: impl Into<String>, config: &PrecoConfig) -> Self {
        Self { pretraining: Some(config.clone()), ..Self::encoder(name, config.encoder.clone()) }
    }

    /// The spec of a classifier: an encoder with a head of an output for each of `labels`.
    pub fn classifier(
        name: impl Into<String>,
        backbone: SwinConfig,
        labels: &[String],
        labelling: Labelling,
        adapted: Option<Adapted>,
    ) -> Self {
        let (classes, labels) = (labels.len(), labels.to_vec());
        Self { classes, labels, labelling: Some(labelling), adapted, ..Self::encoder(name, backbone) }
    }

    /// Reads `config.json`.
    ///
    /// # Errors
    /// [`crate::error::Error::Io`]; [`crate::error::Error::Spec`] with the field; [`crate::error::Error::Config`] for
    /// sizes that do not fit each other.
    pub fn read(path: &Path) -> Result<Self> {
        Self::of(&Document::read(path)?)
    }

    /// [`ModelSpec::read`] of a text, which errors call `path`.
    ///
    /// # Errors
    /// As [`ModelSpec::read`].
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        Self::of(&Document::parse(text, path)?)
    }

    fn of(file: &Document<'_>) -> Result<Self> {
        if file.find("preco").is_none() {
            return Err(file.wrong("preco", "is missing: this folder was not written by PReCo"));
        }
        let version: u64 = file.get("preco.version")?;
        if version != VERSION {
            return Err(file.wrong("preco.version", format!("is {version}, this program reads {VERSION}: update it")));
        }
        file.only("preco", &["version", "model", "swin", "pretraining", "labelling", "adapted"])?;
        let optional = |field: &str| file.find(field).is_some();
        let mut spec = Self {
            name: file.get("preco.model")?,
            backbone: file.get("preco.swin")?,
            classes: file.get("num_classes")?,
            labels: if optional("label_names") { file.get("label_names")? } else { Vec::new() },
            labelling: if optional("preco.labelling") { Some(file.get("preco.labelling")?) } else { None },
            adapted: if optional("preco.adapted") { Some(file.get("preco.adapted")?) } else { None },
            pretraining: None,
        };
        if spec.classes > MOST_CLASSES {
            return Err(file.wrong("num_classes", format!("is {}, more than {MOST_CLASSES}", spec.classes)));
        }
        if !spec.labels.is_empty() && spec.labels.len() != spec.classes {
            let reason = format!("are {}, but num_classes says {}", spec.labels.len(), spec.classes);
            return Err(file.wrong("label_names", reason));
        }
        if spec.labelling.is_some() && spec.classes == 0 {
            return Err(file.wrong("preco.labelling", "says what outputs mean, but num_classes is 0"));
        }
        spec.backbone.validate()?;
        if let Some(Value::Object(rest)) = file.find("preco.pretraining") {
            let mut whole = rest.clone();
            whole.insert("encoder".to_owned(), file.get("preco.swin")?);
            let config: PrecoConfig = serde_json::from_value(Value::Object(whole))
                .map_err(|error| file.wrong("preco.pretraining", error.to_string()))?;
            config.validate()?;
            spec.pretraining = Some(config);
        }
        file.agree("num_features", &json!(spec.backbone.features()), "preco.swin")?;
        for (key, value) in model_args(&spec.backbone) {
            file.agree(&format!("model_args.{key}"), &value, "preco.swin")?;
        }
        Ok(spec)
    }

    /// Writes `config.json`; the file is whole or absent.
    ///
    /// # Errors
    /// [`crate::error::Error::Io`] with the path.
    pub fn write(&self, preprocess: &super::Preprocess, path: &Path) -> Result<()> {
        json::write(&self.to_json(preprocess), path)
    }

    /// What [`ModelSpec::write`] writes.
    pub fn to_text(&self, preprocess: &super::Preprocess) -> String {
        json::text(&self.to_json(preprocess))
    }

    fn to_json(&self, preprocess: &super::Preprocess) -> Value {
        let swin = &self.backbone;
        let mut preco = json!({ "version": VERSION, "model": self.name, "swin": swin });
        if let Some(labelling) = self.labelling {
            preco["labelling"] = json!(labelling);
        }
        if let Some(adapted) = &self.adapted {
            preco["adapted"] = json!(adapted);
        }
        if let Some(config) = &self.pretraining {
            let mut rest = json!(config);
            // The encoder stands beside it already, and two copies could differ.
            rest.as_object_mut().map(|object| object.remove("encoder"));
            preco["pretraining"] = rest;
        }
        let mut root = json!({
            "architecture": self.architecture(),
            "num_classes": self.classes,
            "num_features": swin.features(),
            "global_pool": "avg",
            "model_args": model_args(swin),
            "pretrained_cfg": {
                "tag": "preco_rs",
                "input_size": [swin.bands, swin.input[0], swin.input[1]],
                "fixed_input_size": true,
                "interpolation": preprocess.interpolation,
                "crop_pct": 1.0,
                "mean": json::decimals(&preprocess.normalise.mean),
                "std": json::decimals(&preprocess.normalise.std),
                "num_classes": self.classes,
                "pool_size": swin.grid(swin.input, swin.stages() - 1),
                "first_conv": "patch_embed.proj",
                "classifier": "head.fc",
            },
            "preco": preco,
        });
        if !self.labels.is_empty() {
            // timm's word.
            root["label_names"] = json!(self.labels);
        }
        root
    }

    /// timm's nearest model; `model_args` overrides every size in which ours differs.
    fn architecture(&self) -> &'static str {
        match (self.backbone.embed, self.backbone.depths.iter().sum::<usize>()) {
            (192.., _) => "swin_large_patch4_window7_224",
            (128.., _) => "swin_base_patch4_window7_224",
            (_, 24..) => "swin_small_patch4_window7_224",
            _ => "swin_tiny_patch4_window7_224",
        }
    }
}

/// The arguments that make timm's Swin this one.
fn model_args(swin: &SwinConfig) -> Map<String, Value> {
    let sizes = json!({
        "img_size": swin.input,
        "patch_size": swin.patch,
        "window_size": swin.window,
        "embed_dim": swin.embed,
        "depths": swin.depths,
        "num_heads": swin.heads,
        "mlp_ratio": swin.mlp_ratio,
    });
    let mut arguments = sizes.as_object().cloned().unwrap_or_default();
    if swin.bands != RGB_BANDS {
        arguments.insert("in_chans".to_owned(), json!(swin.bands));
    }
    if swin.edge_policy == EdgePolicy::TimmAlwaysPartition {
        arguments.insert("always_partition".to_owned(), json!(true));
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Preprocess;

    fn spec() -> ModelSpec {
        let swin = SwinConfig { input: [64, 96], ..SwinConfig::preset("pico").expect("preset") };
        ModelSpec::pretrained("preco-swin-pico", &PrecoConfig { mask_ratio: 0.7, ..PrecoConfig::new(swin) })
    }

    fn read(value: &Value) -> Result<ModelSpec> {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("config.json");
        std::fs::write(&path, value.to_string()).expect("write");
        ModelSpec::read(&path)
    }

    #[test]
    fn what_is_written_reads_back() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("config.json");
        let encoder_alone = ModelSpec { pretraining: None, ..spec() };
        let labels = ["forest", "river"].map(str::to_owned).to_vec();
        let with_classes = ModelSpec { classes: 2, labels: labels.clone(), ..encoder_alone.clone() };
        let adapted = Adapted { from: labels.clone(), copied: Vec::new(), averaged: labels.clone(), scale: 0.5 };
        let backbone = encoder_alone.backbone.clone();
        let classifier = ModelSpec::classifier("c", backbone, &labels, Labelling::Multi, Some(adapted));
        for spec in [spec(), encoder_alone, with_classes, classifier] {
            spec.write(&Preprocess::imagenet(spec.backbone.input), &path).expect("write");
            assert_eq!(ModelSpec::read(&path).expect("read"), spec);
        }
    }

    #[test]
    fn timm_finds_its_keys() {
        let value = spec().to_json(&Preprocess::imagenet([64, 96]));
        assert_eq!(value["architecture"], "swin_tiny_patch4_window7_224");
        assert_eq!((&value["num_classes"], &value["num_features"]), (&json!(0), &json!(256)));
        assert_eq!(value["model_args"]["img_size"], json!([64, 96]));
        assert_eq!(value["model_args"]["window_size"], json!([8, 8]));
        assert_eq!(value["pretrained_cfg"]["input_size"], json!([3, 64, 96]));
        assert_eq!(value["pretrained_cfg"]["pool_size"], json!([2, 3]));
        assert_eq!(value["pretrained_cfg"]["interpolation"], "bicubic");
        assert_eq!(value["pretrained_cfg"]["mean"], json!([0.485, 0.456, 0.406]));
        let deep = SwinConfig::preset("base").expect("preset");
        let base = ModelSpec::encoder("b", deep);
        assert_eq!(base.architecture(), "swin_base_patch4_window7_224");
    }

    #[test]
    fn a_wrong_field_is_named_with_its_value() {
        let good = spec().to_json(&Preprocess::imagenet([64, 96]));
        read(&good).expect("the unchanged file");
        let cases = [
            ("/preco/version", json!(2), "preco.version: is 2"),
            ("/preco/swin/embed", json!("wide"), "preco.swin: "),
            ("/preco/swin/windou", json!(8), "unknown field `windou`"),
            ("/preco/colour", json!(8), "preco.colour: is unknown"),
            ("/preco/pretraining/method", json!("moco"), "unknown variant `moco`"),
            ("/model_args/window_size", json!([7, 7]), "model_args.window_size: is [7,7], but preco.swin says [8,8]"),
            ("/num_features", json!(768), "num_features: is 768"),
            ("/num_classes", json!(1_048_577), "num_classes: is 1048577, more than"),
            ("/num_classes", Value::Null, "num_classes: is missing"),
            ("/preco/labelling", json!("several"), "unknown variant `several`"),
            ("/preco/labelling", json!("single"), "preco.labelling: says what outputs mean, but num_classes is 0"),
            ("/label_names", json!(["forest"]), "label_names: are 1, but num_classes says 0"),
            ("/preco", Value::Null, "not written by PReCo"),
        ];
        for (pointer, value, needle) in cases {
            let mut bad = good.clone();
            let (parent, key) = pointer.rsplit_once('/').expect("pointer");
            bad.pointer_mut(parent).expect("parent")[key] = value;
            let error = read(&bad).expect_err(needle).to_string();
            assert!(error.contains(needle) && error.contains("config.json"), "{error}");
        }
        let error = ModelSpec::read(Path::new("/nowhere/config.json")).expect_err("absent").to_string();
        assert!(error.contains("/nowhere/config.json"), "{error}");
    }
}
