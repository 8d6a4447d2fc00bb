//! `models download`: a model's folder on this machine.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use preco_core::files::write_atomic;
use serde::Serialize;

use crate::hub::{Display, Hub};
use crate::output::Report;

/// Bring a model here; prints its folder and nothing else
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A published name, org/name, org/name@revision, an address or a folder
    #[arg(value_name = "MODEL")]
    model: String,
    /// Copy the files to this folder as well, and print it
    #[arg(long, value_name = "DIR")]
    local_dir: Option<PathBuf>,
    #[command(flatten)]
    hub: Hub,
}

/// Where the model is.
#[derive(Debug, Serialize)]
pub(crate) struct Downloaded {
    path: PathBuf,
    revision: Option<String>,
    files: Vec<String>,
}

/// Runs the command.
pub(crate) fn execute(args: &Args) -> Result<Downloaded> {
    let (path, revision) = preco_zoo::download(&args.model, &args.hub.settings(), &Display::default())?;
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&path).with_context(|| format!("cannot read {}", path.display()))? {
        let entry = entry.with_context(|| format!("cannot read {}", path.display()))?;
        if std::fs::metadata(entry.path()).is_ok_and(|metadata| metadata.is_file()) {
            files.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    files.sort();
    let path = match &args.local_dir {
        Some(folder) => copy(&path, folder, &files)?,
        None => path,
    };
    Ok(Downloaded { path, revision, files })
}

/// Copies the files, which links of the cache may be, to `folder`.
fn copy(from: &Path, folder: &Path, files: &[String]) -> Result<PathBuf> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    for file in files {
        let (from, to) = (from.join(file), folder.join(file));
        ensure!(!to.is_dir(), "{} is a folder; choose another --local-dir", to.display());
        write_atomic(&to, |out| io::copy(&mut std::fs::File::open(&from)?, out).map(drop))
            .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    }
    Ok(folder.to_owned())
}

impl Report for Downloaded {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.path.display())
    }
}
