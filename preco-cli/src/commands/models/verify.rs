//! `models verify`: a model's files against their digests.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Result;
use preco_zoo::{Checked, Name, Registry, beside_registry, shown, verify, verify_carried};
use serde::Serialize;

use crate::hub::{Display, Hub};
use crate::output::Report;

/// Compare a model's files with their digests; exit code 1 where one is wrong
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A published name, org/name, an address, or a folder with SHA256SUMS
    #[arg(value_name = "MODEL")]
    model: String,
    #[command(flatten)]
    hub: Hub,
}

/// The files of a model and whether they are those that were published.
#[derive(Debug, Serialize)]
pub(crate) struct Verified {
    model: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<PathBuf>,
    files: Vec<Checked>,
}

/// Runs the command.
pub(crate) fn execute(args: &Args) -> Result<Verified> {
    let (settings, model) = (args.hub.settings(), shown(&args.model));
    let path = match Name::parse(&args.model)? {
        Name::Folder(path) => path,
        Name::Published { name, revision: None } => {
            let registry = Registry::with_file(settings.registry.as_deref())?;
            let entry = registry.entry(&name)?;
            if let Some(folder) = beside_registry(entry, &settings).filter(|_| !entry.is_in_program()) {
                return Ok(Verified { model, files: verify(&folder)?, path: Some(folder) });
            }
            if entry.repository.is_none() {
                return Ok(Verified { model, files: verify_carried(entry), path: None });
            }
            preco_zoo::download(&args.model, &settings, &Display::default())?.0
        }
        _ => preco_zoo::download(&args.model, &settings, &Display::default())?.0,
    };
    Ok(Verified { model, files: verify(&path)?, path: Some(path) })
}

impl Report for Verified {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        for checked in &self.files {
            match &checked.found {
                _ if checked.is_right() => writeln!(out, "{}: right", checked.file)?,
                None => writeln!(out, "{}: missing", checked.file)?,
                Some(found) => writeln!(out, "{}: WRONG, {found} instead of {}", checked.file, checked.wanted)?,
            }
        }
        Ok(())
    }

    fn exit_code(&self) -> u8 {
        u8::from(!self.files.iter().all(Checked::is_right))
    }
}
