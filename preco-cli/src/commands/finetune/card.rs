//! What a card can say of a run without asking anybody: `card.toml`, from which `models publish` makes the page.

use std::path::Path;

use anyhow::{Context, Result};
use preco_core::files::write_atomic;
use preco_core::spec::Labelling;
use preco_zoo::{FACTS_FILE, Facts, Figure};
use toml::{Table, Value};

use super::FinetuneReport;

/// Flags that say how a run used its machine and where it went: of no interest to others.
const OWN: [&str; 9] =
    ["threads", "simd", "device", "precision", "out", "loader-threads", "cache-mb", "save-every", "keep"];

/// Writes it beside the model; its licences are the publisher's to say.
///
/// `settings` are all of the run's, so that one that was interrupted leaves the same card.
pub(super) fn write(folder: &Path, settings: &str, report: &FinetuneReport, start: &str) -> Result<()> {
    let (kind, what) = match report.labelling {
        Labelling::Single => ("classify", "one class for each image"),
        Labelling::Multi => ("multilabel", "any number of classes for an image"),
    };
    let learnt = if report.frozen { "a linear head on the frozen encoder" } else { "encoder and head" };
    let data = places_shortened(report.data.trim_start_matches("data: "));
    let split = format!("held out of {data}");
    let figures = report.figures.iter().flat_map(|figures| figures.glance());
    let figures = figures.filter_map(|(name, value)| {
        let value = format!("{:.2} %", 100.0 * value?);
        Some(Figure { what: name.to_owned(), value, split: split.clone() })
    });
    let facts = Facts {
        summary: format!("Land cover: {what}; {learnt}, {start}."),
        training_data: data,
        command: command(kind, settings)?,
        commit: preco_train::VERSION.to_owned(),
        limits:
            "Measured on held-out images of the same data alone: other sensors, resolutions, regions and seasons were \
                 not looked at."
                .to_owned(),
        is_toy: Some(false),
        figures: figures.collect(),
        ..Facts::default()
    };
    let (path, text) = (folder.join(FACTS_FILE), facts.to_text()?);
    write_atomic(&path, |out| out.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Words that are paths by their last part: where data lay here is nobody's business.
fn places_shortened(text: &str) -> String {
    text.split(' ').map(shortened).collect::<Vec<_>>().join(" ")
}

fn shortened(word: &str) -> &str {
    word.trim_end_matches('/').rsplit('/').next().unwrap_or(word)
}

/// The command with every flag of the run.
fn command(kind: &str, settings: &str) -> Result<String> {
    let mut words = vec![format!("preco-cli finetune {kind}")];
    let settings: Table = toml::from_str(settings).context("the run's settings")?;
    for (key, value) in settings.into_iter().filter(|(key, _)| !OWN.contains(&key.as_str())) {
        let text = match value {
            Value::Boolean(true) => format!("--{key}"),
            Value::Boolean(false) => continue,
            Value::String(text) => format!("--{key} {}", quoted(shortened(&text))),
            Value::Array(list) => {
                let list: Vec<&str> = list.iter().filter_map(Value::as_str).map(shortened).collect();
                format!("--{key} {}", quoted(&list.join(",")))
            }
            number => format!("--{key} {number}"),
        };
        words.push(text);
    }
    Ok(words.join(" "))
}

/// As a shell wants it.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./,=:+".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
