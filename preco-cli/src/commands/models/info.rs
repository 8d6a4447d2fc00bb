//! `models info`: what a model is.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Result;
use preco_core::backbones::swin::Swin;
use preco_core::nn::params::Layout;
use preco_core::spec::{ModelSpec, Preprocess};
use preco_zoo::{Entry, Facts, Name, Registry, parse_sums};
use serde::Serialize;

use crate::hub::{Display, Hub};
use crate::output::Report;

/// What a model is, what it was trained on, and what was measured
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A published name, org/name, an address or a folder
    #[arg(value_name = "MODEL")]
    model: String,
    #[command(flatten)]
    hub: Hub,
}

/// What is known of a model.
#[derive(Debug, Serialize)]
pub(crate) struct Info {
    name: String,
    architecture: &'static str,
    /// Height and width.
    input: [usize; 2],
    embedding: usize,
    parameters: usize,
    classes: Vec<String>,
    bands: Vec<String>,
    value_range: [f64; 2],
    mean: Vec<f32>,
    std: Vec<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repository: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<String>,
    /// Absent where the model has no card.
    #[serde(skip_serializing_if = "Option::is_none")]
    card: Option<Facts>,
    files: Vec<Listed>,
}

/// A file of it.
#[derive(Debug, Serialize)]
struct Listed {
    name: String,
    /// Absent where the file is not here.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    sha256: String,
}

/// Runs the command.
pub(crate) fn execute(args: &Args) -> Result<Info> {
    let settings = args.hub.settings();
    if let Name::Published { name, revision: None } = Name::parse(&args.model)? {
        // The registry knows it without its files.
        let registry = Registry::with_file(settings.registry.as_deref())?;
        let entry = registry.entry(&name)?;
        let info = Info::new(&entry.spec()?, &entry.preprocess()?)?;
        let Entry { repository, revision, files, card, .. } = entry.clone();
        let files = files.into_iter();
        let files =
            files.map(|file| Listed { name: file.name, bytes: Some(file.bytes), sha256: file.sha256 }).collect();
        return Ok(Info { repository, revision: Some(revision), card: Some(card), files, ..info });
    }
    let fetched = preco_zoo::describe(&args.model, &settings, &Display::default())?;
    let info = Info::new(fetched.folder.spec(), fetched.folder.preprocess())?;
    let repository = match Name::parse(&args.model)? {
        Name::Hub { repository, .. } => Some(repository),
        _ => None,
    };
    let files = match fetched.folder.path() {
        Some(folder) => listed(folder)?,
        None => Vec::new(),
    };
    Ok(Info { repository, revision: fetched.revision, card: fetched.folder.facts()?, files, ..info })
}

/// The files that a folder's list of digests names.
fn listed(folder: &Path) -> Result<Vec<Listed>> {
    let path = folder.join("SHA256SUMS");
    let Ok(text) = std::fs::read_to_string(&path) else { return Ok(Vec::new()) };
    let file = |(name, sha256): (String, String)| {
        let bytes = std::fs::metadata(folder.join(&name)).ok().map(|metadata| metadata.len());
        Listed { name, bytes, sha256 }
    };
    Ok(parse_sums(&text, &path)?.into_iter().map(file).collect())
}

impl Info {
    fn new(spec: &ModelSpec, preprocess: &Preprocess) -> Result<Self> {
        let mut layout = Layout::default();
        Swin::new(&spec.backbone, &mut layout)?;
        Ok(Self {
            name: spec.name.clone(),
            architecture: "swin",
            input: spec.backbone.input,
            embedding: spec.backbone.features(),
            parameters: layout.parameters(),
            classes: spec.labels.clone(),
            bands: preprocess.bands.clone(),
            value_range: preprocess.range,
            mean: preprocess.normalise.mean.clone(),
            std: preprocess.normalise.std.clone(),
            repository: None,
            revision: None,
            card: None,
            files: Vec::new(),
        })
    }
}

impl Report for Info {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let [height, width] = self.input;
        let [low, high] = self.value_range;
        writeln!(out, "{}: Swin encoder, {} parameters", self.name, self.parameters)?;
        if let Some(card) = &self.card {
            writeln!(out, "{}", card.summary)?;
        }
        writeln!(out, "input      {width}x{height} pixels, bands {}, values {low} to {high}", self.bands.join(", "))?;
        writeln!(out, "embedding  {} values", self.embedding)?;
        if !self.classes.is_empty() {
            writeln!(out, "classes    {}", self.classes.join(", "))?;
        }
        if let Some(repository) = &self.repository {
            writeln!(out, "from       {repository}")?;
        }
        if let Some(revision) = &self.revision {
            writeln!(out, "revision   {revision}")?;
        }
        if let Some(card) = &self.card {
            writeln!(out, "licence    {}", card.licence)?;
            writeln!(out, "trained on {} ({})", card.training_data, card.data_licence)?;
            writeln!(out, "by         {}", card.command)?;
            writeln!(out, "code       {}", card.commit)?;
            for figure in &card.figures {
                writeln!(out, "measured   {}: {} ({})", figure.what, figure.value, figure.split)?;
            }
            writeln!(out, "limits     {}", card.limits)?;
            if card.is_toy == Some(true) {
                writeln!(out, "a toy: it shows that the program works and nothing more")?;
            }
        }
        for Listed { name, bytes, sha256 } in &self.files {
            let bytes = bytes.map_or_else(|| "not here".to_owned(), |bytes| bytes.to_string());
            writeln!(out, "file       {name:26} {bytes:>10} {sha256}")?;
        }
        Ok(())
    }
}
