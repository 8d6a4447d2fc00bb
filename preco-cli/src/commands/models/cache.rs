//! `models cache`: what is kept, and its removal.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Result, bail};
use preco_zoo::{CachedModel, CachedRevision, Name, delete_cached, scan_cache, shown};
use serde::Serialize;

use crate::hub::{Hub, megabytes};
use crate::output::Report;

/// What the cache holds, and its removal
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Remove a repository (org/name), or one of its revisions (org/name@revision) with the files only it has
    #[arg(long, value_name = "MODEL")]
    delete: Option<String>,
    #[command(flatten)]
    hub: Hub,
}

/// The cache.
#[derive(Debug, Serialize)]
pub(crate) struct Cache {
    path: PathBuf,
    endpoint: String,
    offline: bool,
    /// Whether there is one; it is not shown.
    token: bool,
    freed_bytes: u64,
    models: Vec<CachedModel>,
}

/// Runs the command.
pub(crate) fn execute(args: &Args) -> Result<Cache> {
    let settings = args.hub.settings();
    let freed_bytes = match &args.delete {
        None => 0,
        Some(model) => match Name::parse(&format!("hf://{model}"))? {
            Name::Hub { repository, revision } => delete_cached(&settings.cache, &repository, revision.as_deref())?,
            _ => bail!("{model:?} is no repository of the cache; give org/name"),
        },
    };
    Ok(Cache {
        models: scan_cache(&settings.cache)?,
        path: settings.cache,
        endpoint: shown(&settings.endpoint),
        offline: settings.offline,
        token: settings.token.is_some(),
        freed_bytes,
    })
}

impl Report for Cache {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.freed_bytes > 0 {
            writeln!(out, "{} are free now", megabytes(self.freed_bytes))?;
        }
        writeln!(out, "cache      {}", self.path.display())?;
        writeln!(out, "hub        {}{}", self.endpoint, if self.offline { ", offline" } else { "" })?;
        writeln!(out, "token      {}", if self.token { "set" } else { "none" })?;
        if self.models.is_empty() {
            return writeln!(out, "no model is kept");
        }
        for CachedModel { repository, bytes, revisions } in &self.models {
            writeln!(out, "{repository:40} {:>10}", megabytes(*bytes))?;
            for CachedRevision { commit, refs, files, bytes, .. } in revisions {
                let refs = if refs.is_empty() { String::new() } else { format!("  {}", refs.join(", ")) };
                writeln!(out, "  {commit} {files:>2} files {:>10}{refs}", megabytes(*bytes))?;
            }
        }
        writeln!(out, "next: preco-cli models cache --delete {}", self.models[0].repository)
    }
}
