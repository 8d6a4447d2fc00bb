//! A run's model as a repository in the hub's layout: card, descriptions, weights and digests.
//!
//! The same run and the same facts give the same bytes: the weights' file has one key of metadata, the rest no clock.

use std::fmt::Write;

use preco_core::backbones::swin::Swin;
use preco_core::nn::params::{Layout, Stored};
use preco_core::spec::{CONFIG_FILE, ModelSpec, PREPROCESSOR_FILE};
use serde::{Deserialize, Serialize};

use crate::digest::sha256;
use crate::error::{Error, Result};
use crate::load::{ENCODER_FILE, ModelFolder};
use crate::verify::SUMS_FILE;

/// The card's name.
const CARD_FILE: &str = "README.md";

/// What a card says of a model that its files do not. Nothing may be left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Facts {
    /// What the model is, in a sentence.
    pub summary: String,
    /// The weights' licence as an SPDX expression.
    pub licence: String,
    /// What it was trained on: set, part, images.
    pub training_data: String,
    /// The licence of that.
    pub data_licence: String,
    /// The command that trained it.
    pub command: String,
    /// The commit of the code.
    pub commit: String,
    /// What it is not to be used for, and what it cannot do.
    pub limits: String,
    /// True for weights that show that the program works and nothing more.
    pub is_toy: Option<bool>,
    /// What was measured.
    pub figures: Vec<Figure>,
}

/// A measured figure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// The value with its unit.
    pub value: String,
    /// On which split, and with which seed.
    pub split: String,
}

/// A repository's files, by name.
pub type Files = Vec<(String, Vec<u8>)>;

/// The files of `model`'s encoder, published as `name`.
///
/// # Errors
/// [`Error::Card`] with the first fact that is missing; those of the model's files.
pub fn files(model: &ModelFolder, name: &str, facts: &Facts, stored: Stored) -> Result<Files> {
    check_name(name)?;
    facts.check()?;
    let spec = ModelSpec { name: name.to_owned(), pretraining: None, ..model.spec().clone() };
    let mut layout = Layout::default();
    Swin::new(&spec.backbone, &mut layout)?;
    let mut params = vec![0.0; layout.len()];
    model.overlay_encoder(&layout, &mut params)?;
    let weights = layout.to_safetensors(&params, stored, |_| true).map_err(|what| Error::Card { what })?;
    let mut files: Files = vec![
        (CARD_FILE.to_owned(), card(name, &spec, layout.parameters(), facts).into_bytes()),
        (CONFIG_FILE.to_owned(), spec.to_text(model.preprocess()).into_bytes()),
        (ENCODER_FILE.to_owned(), weights),
        (PREPROCESSOR_FILE.to_owned(), model.preprocess().to_text().into_bytes()),
    ];
    let sums: String = files.iter().map(|(file, bytes)| format!("{}  {file}\n", sha256(bytes))).collect();
    files.push((SUMS_FILE.to_owned(), sums.into_bytes()));
    Ok(files)
}

impl Facts {
    /// Refuses a card with a gap.
    ///
    /// # Errors
    /// [`Error::Card`] with the key.
    pub fn check(&self) -> Result<()> {
        let missing =
            |key: &str| Err(Error::Card { what: format!("the card has no {key}; give it in the card's file") });
        for (key, text) in [
            ("summary", &self.summary),
            ("licence", &self.licence),
            ("training-data", &self.training_data),
            ("data-licence", &self.data_licence),
            ("command", &self.command),
            ("commit", &self.commit),
            ("limits", &self.limits),
        ] {
            if text.trim().is_empty() {
                return missing(key);
            }
        }
        if self.is_toy.is_none() {
            return missing("is-toy");
        }
        if self.figures.is_empty() {
            return missing("figures");
        }
        for figure in &self.figures {
            if [&figure.what, &figure.value, &figure.split].iter().any(|text| text.trim().is_empty()) {
                return missing("what, value or split of a figure");
            }
        }
        Ok(())
    }
}

/// Names are parts of paths and addresses: letters, digits, `-`, `_` and `.`, as the hub has them.
fn check_name(name: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if (1..=96).contains(&name.len())
        && name.chars().all(plain)
        && !name.starts_with(['.', '-'])
        && !name.contains("..")
    {
        return Ok(());
    }
    let what =
        format!("{name:?} is no name; letters, digits, - _ and . are, up to 96, beginning with a letter or digit");
    Err(Error::Card { what })
}

fn card(name: &str, spec: &ModelSpec, parameters: usize, facts: &Facts) -> String {
    let Facts { summary, licence, training_data, data_licence, command, commit, limits, is_toy, figures } = facts;
    let [height, width] = spec.backbone.input;
    let figures: String = figures.iter().fold(String::new(), |mut text, Figure { what, value, split }| {
        let _ = writeln!(text, "| {what} | {value} | {split} |");
        text
    });
    let toy = if *is_toy == Some(true) {
        "\n**A toy**: it shows that the program works. Use it to try things out, not to draw conclusions.\n"
    } else {
        ""
    };
    format!(
        "---\nlicense: {}\nlibrary_name: preco\ntags:\n- remote-sensing\n- swin\n- self-supervised\n---\n\n# {name}\n\n\
         {summary}\n{toy}\nSwin encoder of {parameters} parameters for images of {height} x {width} pixels; embeddings of \
         {} values. Tensors have timm's names.\n\n## Use\n\n```sh\npreco-cli models info {name}\n```\n\n```rust,ignore\n\
         let model = preco_zoo::find(\"{name}\".as_ref())?;\n```\n\n```python\nimport timm\n\
         timm.create_model(\"local-dir:{name}\", pretrained=True)\n```\n\n## Training\n\n{training_data} ({data_licence}).\n\n\
         ```sh\n{command}\n```\n\nCode: {commit}.\n\n## Evaluation\n\n| measured | value | on |\n|---|---|---|\n{figures}\n\
         ## Limits\n\n{limits}\n\n## Licence\n\n{licence}\n",
        licence.to_lowercase(),
        spec.backbone.features(),
    )
}

#[cfg(test)]
mod tests {
    use preco_core::backbones::swin::SwinConfig;
    use preco_core::preco::{Preco, PrecoConfig};
    use preco_core::spec::Preprocess;

    use super::*;

    fn run() -> (tempfile::TempDir, Vec<f32>) {
        let preset = SwinConfig::preset("pico").expect("preset");
        let encoder = SwinConfig { input: [32, 32], depths: vec![1, 1], heads: vec![2, 4], ..preset };
        let model = Preco::new(&PrecoConfig::new(encoder)).expect("model");
        let (root, params) = (tempfile::tempdir().expect("temporary folder"), model.layout().init(3));
        let preprocess = Preprocess::imagenet([32, 32]);
        preprocess.write(&root.path().join(PREPROCESSOR_FILE)).expect("write");
        let spec = ModelSpec::pretrained("run", model.config());
        spec.write(&preprocess, &root.path().join(CONFIG_FILE)).expect("write");
        let is_encoder = |name: &str| !crate::load::is_decoder(name);
        let path = root.path().join(ENCODER_FILE);
        model.layout().save_where(&params, &path, |s| is_encoder(&s.name)).expect("save");
        (root, params)
    }

    fn facts() -> Facts {
        let text = |text: &str| text.to_owned();
        Facts {
            summary: text("A test."),
            licence: text("MIT"),
            training_data: text("Nothing"),
            data_licence: text("none"),
            command: text("preco-cli pretrain"),
            commit: text("abc1234"),
            limits: text("All."),
            is_toy: Some(true),
            figures: vec![Figure { what: text("accuracy"), value: text("12.5 %"), split: text("val, seed 0") }],
        }
    }

    #[test]
    fn what_was_published_opens_again_with_the_same_weights_and_bytes() {
        let (root, params) = run();
        let model = ModelFolder::open(root.path()).expect("run");
        for (stored, tolerance) in [(Stored::F32, 0.0), (Stored::Bf16, 1.0 / 256.0)] {
            let made = files(&model, "preco-test", &facts(), stored).expect("files");
            assert_eq!(made, files(&model, "preco-test", &facts(), stored).expect("again"));
            let folder = tempfile::tempdir().expect("temporary folder");
            for (name, bytes) in &made {
                std::fs::write(folder.path().join(name), bytes).expect("write");
            }
            assert!(crate::verify(folder.path()).expect("sums").iter().all(crate::Checked::is_right));
            let back = ModelFolder::open(folder.path()).expect("open");
            assert_eq!((back.spec().name.as_str(), back.has_decoder()), ("preco-test", false));
            let mut layout = Layout::default();
            Swin::new(&back.spec().backbone, &mut layout).expect("encoder");
            let mut read = vec![0.0; layout.len()];
            back.overlay_encoder(&layout, &mut read).expect("weights");
            for (ours, want) in read.iter().zip(&params) {
                assert!((ours - want).abs() <= tolerance * want.abs(), "{ours} is not {want}");
            }
        }
    }

    #[test]
    fn a_card_with_a_gap_and_a_name_with_a_path_are_refused() {
        let (root, _) = run();
        let model = ModelFolder::open(root.path()).expect("run");
        let told = |name: &str, facts: &Facts| files(&model, name, facts, Stored::F32).expect_err(name).to_string();
        for (gap, key) in [
            (Facts { licence: String::new(), ..facts() }, "licence"),
            (Facts { limits: " ".to_owned(), ..facts() }, "limits"),
            (Facts { is_toy: None, ..facts() }, "is-toy"),
            (Facts { figures: vec![], ..facts() }, "figures"),
            (Facts { figures: vec![Figure::default()], ..facts() }, "split of a figure"),
        ] {
            assert!(told("fine", &gap).contains(key), "{key}");
        }
        for name in ["", "../x", "a/b", "a\\b", "C:x", ".x", "a..b", "a b"] {
            assert!(told(name, &facts()).contains("is no name"), "{name}");
        }
    }
}
