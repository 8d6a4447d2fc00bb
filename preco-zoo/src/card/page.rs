//! The model's page, `README.md`: front matter for the hub, then what people read.

use std::fmt::Write;

use preco_core::spec::{ModelSpec, Preprocess};

use super::{Facts, Figure};

/// The hub's names of licences that a card may name as SPDX does, in lower case; all others are `other` with a name.
const HUB_LICENCES: [&str; 10] = [
    "apache-2.0",
    "bsd-2-clause",
    "bsd-3-clause",
    "cc-by-4.0",
    "cc-by-nc-4.0",
    "cc-by-sa-4.0",
    "cc0-1.0",
    "mit",
    "odbl",
    "unlicense",
];

/// The page of the model `spec`, whose encoder has `parameters` values; `repository` is its place on a hub.
pub(crate) fn page(
    repository: Option<&str>,
    spec: &ModelSpec,
    preprocess: &Preprocess,
    parameters: usize,
    facts: &Facts,
) -> String {
    let mut text = front_matter(spec, facts);
    let Facts { summary, licence, training_data, data_licence, command, commit, limits, is_toy, figures } = facts;
    let [height, width] = spec.backbone.input;
    let name = repository.unwrap_or(&spec.name);
    let (timm, note) = match repository {
        Some(repository) => (format!("hf-hub:{repository}"), "`local-dir:FOLDER` is the same for a folder"),
        None => ("local-dir:FOLDER".to_owned(), "FOLDER is what the command above prints"),
    };
    let mut add = |part: std::fmt::Arguments<'_>| {
        // Writing to a string cannot fail.
        let _ = text.write_fmt(part);
    };
    add(format_args!("# {}\n\n{summary}\n\n", spec.name));
    if *is_toy == Some(true) {
        add(format_args!(
            "**A toy**: it shows that the program works. Use it to try things out, not to draw conclusions.\n\n"
        ));
    }
    add(format_args!(
        "| | |\n|---|---|\n| architecture | Swin, {} channels, depths {:?}, heads {:?}, windows of {} x {} |\n\
         | parameters | {parameters} ({}) |\n| input | {height} x {width} pixels; bands {} |\n\
         | stored values | {} to {}, then mean {:?} and deviation {:?} |\n| embedding | {} values |\n",
        spec.backbone.embed,
        spec.backbone.depths,
        spec.backbone.heads,
        spec.backbone.window[0],
        spec.backbone.window[1],
        if spec.classes == 0 { "encoder" } else { "encoder and head" },
        preprocess.bands.join(", "),
        preprocess.range[0],
        preprocess.range[1],
        preprocess.normalise.mean,
        preprocess.normalise.std,
        spec.backbone.features(),
    ));
    if !spec.labels.is_empty() {
        add(format_args!("| classes | {} |\n", spec.labels.join(", ")));
    }
    let (how, rust) = match spec.classes {
        0 => (
            format!("models download {name}"),
            format!(
                "let encoder = preco_zoo::from_pretrained(\"{name}\").encoder()?;\nlet image = \
                 preco_core::imagery::decode(\"image.png\".as_ref())?;\nlet vector = encoder.embed(&image)?;"
            ),
        ),
        _ => (
            format!("predict IMAGES --model {name}"),
            format!(
                "let labeller = preco_zoo::from_pretrained(\"{name}\").labeller()?;\nlet image = \
                 preco_core::imagery::decode(\"image.png\".as_ref())?;\nlet probabilities = labeller.classify(&image)?;"
            ),
        ),
    };
    add(format_args!(
        "\n## Use\n\nOn the command line:\n\n```sh\npreco-cli {how}\n```\n\nIn Rust, with the crates `preco-zoo` \
         and `preco-core`:\n\n```rust,ignore\n{rust}\n```\n\nIn Python, \
         with timm 1.0.31 or newer (the tensors have its names; with an older one give `architecture` and \
         `model_args` of config.json to `create_model` and the file to `load_state_dict`); {note}:\n\n\
         ```python\nimport timm\nmodel = timm.create_model(\"{timm}\", pretrained=True).eval()\n```\n\n"
    ));
    add(format_args!(
        "## Training\n\n{training_data} (licence: {data_licence}).\n\n```sh\n{command}\n```\n\nCode: commit {commit}.\n\n"
    ));
    add(format_args!("## Evaluation\n\n| measured | value | on |\n|---|---|---|\n"));
    for Figure { what, value, split } in figures {
        add(format_args!("| {what} | {value} | {split} |\n"));
    }
    add(format_args!(
        "\n## Limits\n\n{limits}\n\n## Licence\n\nWeights: {licence}.\n\n## Citation\n\nThe method: *Prompt-Enhanced \
         Self-supervised Representation Learning for Remote Sensing Image Understanding*, \
         [arXiv:2310.00022](https://arxiv.org/abs/2310.00022). These weights are not the authors'.\n"
    ));
    text
}

fn front_matter(spec: &ModelSpec, facts: &Facts) -> String {
    let lower = facts.licence.to_lowercase();
    let licence = if HUB_LICENCES.contains(&lower.as_str()) {
        format!("license: {lower}\n")
    } else {
        // JSON's strings are YAML's: an identifier may look like a number.
        let name = serde_json::Value::from(identifier(&facts.licence));
        format!("license: other\nlicense_name: {name}\nlicense_link: https://spdx.org/licenses/\n")
    };
    let (task, method) = match spec.classes {
        0 => ("image-feature-extraction", "- self-supervised\n- masked-image-modeling\n"),
        _ => ("image-classification", ""),
    };
    format!(
        "---\n{licence}pipeline_tag: {task}\ntags:\n- remote-sensing\n- earth-observation\n{method}- swin\n- timm\n- \
         candle\n- rust\n---\n\n"
    )
}

/// `MIT OR Apache-2.0` as the hub wants the name of a licence that it does not know: `mit-or-apache-2.0`.
fn identifier(licence: &str) -> String {
    let is_good = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    let parts: Vec<&str> = licence.split(|c| !is_good(c)).filter(|part| !part.is_empty()).collect();
    parts.join("-").to_lowercase()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_licence_has_one_word() {
        assert_eq!(super::identifier("MIT OR Apache-2.0"), "mit-or-apache-2.0");
        assert_eq!(super::identifier("(My licence)"), "my-licence");
    }
}
