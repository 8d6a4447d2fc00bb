//! `models publish`: a run's encoder as a repository, in a folder or on the hub.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use preco_core::files::write_atomic;
use preco_core::nn::params::Stored;
use preco_zoo::publish::{self, Files, Form};
use preco_zoo::{Checked, Entry, Facts, Name, Registry, Settings, check_tag, push, sha256, shown, verify};
use serde::Serialize;

use crate::hub::{Display, Hub};
use crate::output::Report;

/// Publish a run's encoder to a folder or the hub; shows what it would do unless told --yes
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder of the run, or any model
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// The name to publish under
    #[arg(long)]
    name: String,
    /// TOML file of what the card says: summary, licence, training-data, data-licence, command, commit, limits, is-toy, figures [default: card.toml in RUN]
    #[arg(long, value_name = "FILE")]
    card: Option<PathBuf>,
    /// Licence of the weights, an SPDX expression, over the card's: fine-tuning cannot know it
    #[arg(long, value_name = "SPDX")]
    licence: Option<String>,
    /// Licence of the training data, over the card's
    #[arg(long, value_name = "TEXT")]
    data_licence: Option<String>,
    /// Folder to write, or hub:org/name
    #[arg(long, value_name = "DIR|hub:ORG/NAME")]
    to: String,
    /// On the hub: the tag of the commit
    #[arg(long, default_value = "v1.0")]
    tag: String,
    /// On the hub: make the repository private where there is none yet
    #[arg(long)]
    private: bool,
    /// Store weights as bf16: half the size
    #[arg(long)]
    bf16: bool,
    /// Cut weights into files of so many megabytes; timm reads single files only
    #[arg(long, value_name = "MB", value_parser = clap::value_parser!(u32).range(1..=50_000))]
    shard_mb: Option<u32>,
    /// Enter the model in this registry (the file that PRECO_REGISTRY names); a folder's is found where it lies in models/NAME beside that file
    #[arg(long, value_name = "FILE")]
    registry: Option<PathBuf>,
    /// Do it
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    hub: Hub,
}

/// What was, or would be, published.
#[derive(Debug, Serialize)]
pub(crate) struct Published {
    to: String,
    done: bool,
    /// On the hub: the commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<String>,
    /// On the hub: the tag, kept or to be made.
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    /// False where the very same files were there already.
    is_new: bool,
    /// On the hub: weights of an earlier version that went.
    removed: Vec<String>,
    files: Vec<PublishedFile>,
}

/// A file of it.
#[derive(Debug, Serialize)]
struct PublishedFile {
    name: String,
    bytes: usize,
    sha256: String,
}

/// Runs the command.
pub(crate) fn execute(args: &Args) -> Result<Published> {
    let repository = args.to.strip_prefix("hub:");
    // Whatever can be wrong with what was asked is said before anything is read or sent.
    if let Some(repository) = repository {
        let is_good = matches!(Name::parse(&format!("hf://{repository}")), Ok(Name::Hub { revision: None, .. }));
        ensure!(is_good, "--to {} is no repository; give hub:org/name", args.to);
        check_tag(&args.tag)?;
    } else {
        ensure!(!args.to.contains("://"), "--to {} is no folder; give one, or hub:org/name", shown(&args.to));
        let is_empty = std::fs::read_dir(&args.to).map_or(true, |mut entries| entries.next().is_none());
        ensure!(is_empty, "{} holds files already; choose another folder or empty it", args.to);
    }
    let registry = args.registry.as_deref().map(open_registry).transpose()?;
    let model = args.hub.fetch(&args.run)?;
    let mut facts = match &args.card {
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            Facts::parse(&text, path)?
        }
        None => model.facts()?.with_context(|| {
            format!("{} has no card.toml; --card names the file of what the card says", args.run.display())
        })?,
    };
    facts.licence = args.licence.clone().unwrap_or(facts.licence);
    facts.data_licence = args.data_licence.clone().unwrap_or(facts.data_licence);
    let form = Form {
        name: args.name.clone(),
        repository: repository.map(str::to_owned),
        stored: if args.bf16 { Stored::Bf16 } else { Stored::F32 },
        shard_bytes: args.shard_mb.map(|megabytes| megabytes as usize * 1_000_000),
    };
    let files = publish::files(&model, &form, &facts)?;
    let listed = |(name, bytes): &(String, Vec<u8>)| PublishedFile {
        name: name.clone(),
        bytes: bytes.len(),
        sha256: sha256(bytes),
    };
    let mut published = Published {
        to: args.to.clone(),
        done: args.yes,
        commit: None,
        tag: repository.map(|_| args.tag.clone()),
        is_new: true,
        removed: Vec::new(),
        files: files.iter().map(listed).collect(),
    };
    if !args.yes {
        return Ok(published);
    }
    let entry = match repository {
        None => {
            write(Path::new(&args.to), &files)?;
            publish::entry(Path::new(&args.to), None)?
        }
        Some(repository) => {
            let settings = args.hub.settings();
            let pushed = push(&settings, repository, &files, &args.tag, args.private, &Display::default())?;
            let entry = read_back(&settings, repository, &pushed.commit, &files)?;
            (published.commit, published.is_new) = (Some(pushed.commit), pushed.is_new);
            published.removed = pushed.removed;
            entry
        }
    };
    if let (Some(mut registry), Some(path)) = (registry, &args.registry) {
        registry.insert(entry);
        let folder = folder_of(path);
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        write_atomic(path, |out| out.write_all(registry.to_text().as_bytes()))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(published)
}

/// Writes the files to an empty folder, and compares what lies there then.
fn write(folder: &Path, files: &Files) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    for (name, bytes) in files {
        let path = folder.join(name);
        write_atomic(&path, |out| out.write_all(bytes)).with_context(|| format!("cannot write {}", path.display()))?;
    }
    ensure!(verify(folder)?.iter().all(Checked::is_right), "{} is not what was written", folder.display());
    Ok(())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The registry at `path`, or an empty one where there is none.
fn open_registry(path: &Path) -> Result<Registry> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Registry::parse(&text, path)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = folder_of(path);
            let can_be = folder.is_dir() || !folder.exists();
            ensure!(can_be, "{} is no folder, so {} cannot be written", folder.display(), path.display());
            Ok(Registry::default())
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Fetches what was published into an empty cache, compares it with what was meant, and returns its entry.
fn read_back(settings: &Settings, repository: &str, commit: &str, files: &Files) -> Result<Entry> {
    let empty = tempfile::tempdir().context("cannot make a temporary folder")?;
    let mut settings = settings.clone();
    (settings.cache, settings.mirror) = (empty.path().to_owned(), None);
    let name = format!("hf://{repository}@{commit}");
    let (folder, _) = preco_zoo::download(&name, &settings, &Display::default())
        .with_context(|| format!("{repository} was published as commit {commit} but cannot be read back"))?;
    for (file, bytes) in files {
        let path = folder.join(file);
        let found = std::fs::read(&path).with_context(|| format!("{repository} came back without {file}"))?;
        ensure!(found == *bytes, "{repository} came back with another {file} than was published");
    }
    Ok(publish::entry(&folder, Some((repository, commit)))?)
}

impl Report for Published {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        for PublishedFile { name, bytes, sha256 } in &self.files {
            writeln!(out, "{name:34} {bytes:>10} bytes  {sha256}")?;
        }
        for file in &self.removed {
            writeln!(out, "{file:34} removed: it is part of the model no more")?;
        }
        match (&self.commit, &self.tag) {
            (Some(commit), Some(tag)) => {
                let repository = self.to.trim_start_matches("hub:");
                let word = if self.is_new { "published" } else { "there already, unchanged" };
                writeln!(out, "{repository}: {word}, commit {commit}, tag {tag}; read back and compared")?;
                writeln!(out, "next: preco-cli models download {repository}@{tag}")
            }
            (None, Some(tag)) => writeln!(
                out,
                "nothing was sent: add --yes to publish to {} in one commit, tag {tag}",
                self.to.trim_start_matches("hub:")
            ),
            _ if self.done => writeln!(out, "written to {to}\nnext: preco-cli models verify {to}", to = self.to),
            _ => writeln!(out, "nothing was written: add --yes to write to {}", self.to),
        }
    }
}
