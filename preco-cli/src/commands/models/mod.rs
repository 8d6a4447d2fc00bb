//! `models`: models by name, and how a run becomes one.

mod cache;
mod download;
mod info;
mod list;
mod publish;
mod verify;

use anyhow::Result;

use crate::output::print;

/// What stands where a model is wanted.
pub(crate) const NAMES: &str = "A MODEL is a published name (preco-swin-pico), a repository of the hub (org/name, org/name@v1.0), \
    the address of a published folder (https://…), or a folder.";

/// What to do with models.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Models {
    /// All published names
    List(list::Args),
    /// What a model is, what it was trained on, and what was measured
    Info(info::Args),
    /// Bring a model here; prints its folder and nothing else
    Download(download::Args),
    /// Compare a model's files with their digests; exit code 1 where one is wrong
    Verify(verify::Args),
    /// Publish a run's encoder to a folder or the hub; shows what it would do unless told --yes
    Publish(Box<publish::Args>),
    /// What the cache holds, and its removal
    Cache(cache::Args),
}

/// Runs the command and prints its result.
pub(crate) fn run(command: &Models, json: bool) -> Result<u8> {
    match command {
        Models::List(args) => print(&list::execute(args)?, json),
        Models::Info(args) => print(&info::execute(args)?, json),
        Models::Download(args) => print(&download::execute(args)?, json),
        Models::Verify(args) => print(&verify::execute(args)?, json),
        Models::Publish(args) => print(&publish::execute(args)?, json),
        Models::Cache(args) => print(&cache::execute(args)?, json),
    }
}
