//! `models list`: the published names.

use std::io::{self, Write};

use anyhow::Result;
use preco_zoo::{Entry, Registry};
use serde::Serialize;

use crate::hub::{Hub, megabytes};
use crate::output::Report;

/// All published names
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    hub: Hub,
}

/// The published models.
#[derive(Debug, Serialize)]
pub(crate) struct List {
    models: Vec<Entry>,
}

/// Runs the command.
pub(crate) fn execute(args: &Args) -> Result<List> {
    let registry = Registry::with_file(args.hub.settings().registry.as_deref())?;
    Ok(List { models: registry.entries().to_vec() })
}

impl Report for List {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Some(first) = self.models.first() else {
            return writeln!(out, "no model is published yet; make one with preco-cli pretrain");
        };
        writeln!(out, "{:22} {:>9}  {:18} {:14} what it is", "name", "size", "licence", "from")?;
        for entry in &self.models {
            let beside = if entry.is_in_program() { "this program" } else { "beside registry" };
            let from = entry.repository.as_deref().unwrap_or(beside);
            let toy = if entry.card.is_toy == Some(true) { "a toy: " } else { "" };
            let Entry { name, card, .. } = entry;
            writeln!(
                out,
                "{name:22} {:>9}  {:18} {from:14} {toy}{}",
                megabytes(entry.bytes()),
                card.licence,
                card.summary
            )?;
        }
        writeln!(out, "next: preco-cli models info {}", first.name)
    }
}
