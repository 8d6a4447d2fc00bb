//! `models`: published models by name, and the folders they are published as.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use preco_core::files::write_atomic;
use preco_core::nn::params::{Layout, Stored};
use preco_zoo::publish::{self, Facts};
use preco_zoo::{Checked, Entry, ModelFolder, find, published, sha256, verify};
use serde::Serialize;

use crate::output::{Report, print};

/// What to do with models.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Models {
    /// All published names
    List,
    /// What a model is, what it was trained on, and what was measured
    Info {
        /// A published name or a model's folder
        #[arg(value_name = "MODEL")]
        model: PathBuf,
    },
    /// Compare a model's files with their digests; exit code 1 where one is wrong
    Verify {
        /// A published name or a folder with SHA256SUMS
        #[arg(value_name = "MODEL")]
        model: PathBuf,
    },
    /// Make the folder that a run's encoder is published as; shows what it would do unless told --yes
    Publish(Publish),
}

/// Make the folder that a run's encoder is published as
#[derive(Debug, clap::Args)]
pub(crate) struct Publish {
    /// Folder of the run, or of any model
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// The name to publish under
    #[arg(long)]
    name: String,
    /// TOML file of what the card says: summary, licence, training-data, data-licence, command, commit, limits, is-toy, figures
    #[arg(long, value_name = "FILE")]
    card: PathBuf,
    /// Folder to write
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Store weights as bf16: half the size
    #[arg(long)]
    bf16: bool,
    /// Write the files
    #[arg(long)]
    yes: bool,
}

/// Runs the command and prints its result.
pub(crate) fn run(command: &Models, json: bool) -> Result<u8> {
    match command {
        Models::List => print(&List { models: published().iter().map(Listed::from).collect() }, json),
        Models::Info { model } => print(&Info::of(model)?, json),
        Models::Verify { model } => print(&Verified { model: model.clone(), files: verify(model)? }, json),
        Models::Publish(args) => print(&publish(args)?, json),
    }
}

/// The published models.
#[derive(Debug, Serialize)]
struct List {
    models: Vec<Listed>,
}

/// A published model in a line.
#[derive(Debug, Serialize)]
struct Listed {
    name: &'static str,
    revision: &'static str,
    bytes: u64,
    licence: &'static str,
    is_toy: bool,
}

impl From<&'static Entry> for Listed {
    fn from(entry: &'static Entry) -> Self {
        let Entry { name, revision, licence, is_toy, .. } = *entry;
        Self { name, revision, licence, is_toy, bytes: entry.files.iter().map(|file| file.bytes).sum() }
    }
}

impl Report for List {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.models.is_empty() {
            return writeln!(out, "no model is published yet; make one with preco-cli pretrain");
        }
        for Listed { name, revision, bytes, licence, is_toy } in &self.models {
            let toy = if *is_toy { ", a toy" } else { "" };
            writeln!(out, "{name:20} {revision:10} {:>8.1} MB  {licence}{toy}", *bytes as f64 / 1e6)?;
        }
        writeln!(out, "next: preco-cli models info {}", self.models[0].name)
    }
}

/// What is known of a model.
#[derive(Debug, Serialize)]
struct Info {
    name: String,
    input: [usize; 2],
    embedding: usize,
    parameters: usize,
    bands: Vec<String>,
    published: Option<Published>,
}

/// What is known of a published one.
#[derive(Debug, Serialize)]
struct Published {
    revision: &'static str,
    licence: &'static str,
    training_data: &'static str,
    command: &'static str,
    commit: &'static str,
    is_toy: bool,
    /// What was measured, its value, and on what.
    figures: Vec<[&'static str; 3]>,
    /// Name, bytes and SHA-256.
    files: Vec<(&'static str, u64, &'static str)>,
}

impl Info {
    fn of(model: &Path) -> Result<Self> {
        let folder = find(model)?;
        let mut layout = Layout::default();
        let encoder = &folder.spec().backbone;
        preco_core::backbones::swin::Swin::new(encoder, &mut layout)?;
        let entry = published().iter().find(|entry| !model.exists() && model == Path::new(entry.name));
        Ok(Self {
            name: folder.spec().name.clone(),
            input: encoder.input,
            embedding: encoder.features(),
            parameters: layout.parameters(),
            bands: folder.preprocess().bands.clone(),
            published: entry.map(|entry| {
                let Entry { revision, licence, training_data, command, commit, is_toy, .. } = *entry;
                let figures = entry.figures.iter().map(|figure| [figure.what, figure.value, figure.split]).collect();
                let files = entry.files.iter().map(|file| (file.name, file.bytes, file.sha256)).collect();
                Published { revision, licence, training_data, command, commit, is_toy, figures, files }
            }),
        })
    }
}

impl Report for Info {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { name, input: [height, width], embedding, parameters, bands, published } = self;
        writeln!(out, "{name}: Swin encoder, {parameters} parameters")?;
        writeln!(out, "input      {width}x{height} pixels, bands {}", bands.join(", "))?;
        writeln!(out, "embedding  {embedding} values")?;
        let Some(known) = published else { return Ok(()) };
        writeln!(out, "licence    {}", known.licence)?;
        writeln!(out, "trained on {}", known.training_data)?;
        writeln!(out, "by         {} ({})", known.command, known.commit)?;
        if known.is_toy {
            writeln!(out, "a toy: it shows that the program works and nothing more")?;
        }
        for [what, value, split] in &known.figures {
            writeln!(out, "measured   {what}: {value} ({split})")?;
        }
        for (file, bytes, sha256) in &known.files {
            writeln!(out, "file       {file} {bytes} {sha256}")?;
        }
        Ok(())
    }
}

/// The files of a model and whether they are those that were published.
#[derive(Debug, Serialize)]
struct Verified {
    model: PathBuf,
    files: Vec<Checked>,
}

impl Report for Verified {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        for checked in &self.files {
            match &checked.found {
                _ if checked.is_right() => writeln!(out, "{}: right", checked.file)?,
                None => writeln!(out, "{}: missing", checked.file)?,
                Some(found) => writeln!(out, "{}: WRONG, SHA-256 {found} instead of {}", checked.file, checked.wanted)?,
            }
        }
        Ok(())
    }

    fn exit_code(&self) -> u8 {
        u8::from(!self.files.iter().all(Checked::is_right))
    }
}

/// What was, or would be, written.
#[derive(Debug, Serialize)]
struct Made {
    to: PathBuf,
    written: bool,
    /// Name, bytes and SHA-256.
    files: Vec<(String, usize, String)>,
}

fn publish(args: &Publish) -> Result<Made> {
    let text = std::fs::read_to_string(&args.card).with_context(|| format!("cannot read {}", args.card.display()))?;
    let facts: Facts = toml::from_str(&text).with_context(|| format!("cannot use {}", args.card.display()))?;
    let model = ModelFolder::open(&args.run)?;
    let stored = if args.bf16 { Stored::Bf16 } else { Stored::F32 };
    let files = publish::files(&model, &args.name, &facts, stored)?;
    if args.yes {
        let is_empty = std::fs::read_dir(&args.to).map_or(true, |mut entries| entries.next().is_none());
        ensure!(is_empty, "{} holds files already; choose another folder or empty it", args.to.display());
        std::fs::create_dir_all(&args.to).with_context(|| format!("cannot create {}", args.to.display()))?;
        for (name, bytes) in &files {
            let path = args.to.join(name);
            write_atomic(&path, |out| out.write_all(bytes))
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        // What lies there now is what was meant.
        ensure!(verify(&args.to)?.iter().all(Checked::is_right), "{} is not what was written", args.to.display());
    }
    let files = files.iter().map(|(name, bytes)| (name.clone(), bytes.len(), sha256(bytes))).collect();
    Ok(Made { to: args.to.clone(), written: args.yes, files })
}

impl Report for Made {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        for (name, bytes, sha256) in &self.files {
            writeln!(out, "{name:26} {bytes:>9} bytes  {sha256}")?;
        }
        if self.written {
            writeln!(out, "written to {}\nnext: preco-cli models verify {}", self.to.display(), self.to.display())
        } else {
            writeln!(out, "nothing was written: add --yes to write to {}", self.to.display())
        }
    }
}
