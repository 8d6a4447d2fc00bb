//! Shards into one file, the same to the byte as one run would have written.

use std::path::PathBuf;

use anyhow::{Result, bail, ensure};
use preco_zoo::embeddings::{Embeddings, Format, Header};

use super::Args;
use super::parts::join;
use super::report::Embedded;

pub(super) fn execute(args: &Args) -> Result<Embedded> {
    let Some(out) = &args.out else { bail!("--out FILE is missing") };
    Format::of(out)?;
    ensure!(!args.inputs.is_empty(), "--merge needs the files of all shards");
    ensure!(args.force || !out.exists(), "{} exists; --force replaces it", out.display());
    let mut shards: Vec<(Option<[u64; 2]>, PathBuf)> = Vec::new();
    let mut header: Option<Header> = None;
    for input in &args.inputs {
        let path = PathBuf::from(input);
        let shard = Embeddings::open(&path)?;
        match &header {
            None => header = Some(shard.header.clone()),
            Some(first) => ensure!(
                *first == shard.header,
                "{input} is of another run than {}: other model or settings",
                args.inputs[0]
            ),
        }
        let ends = shard.tiles.first().zip(shard.tiles.last());
        shards.push((ends.map(|(first, last)| [first.id, last.id]), path));
    }
    shards.sort();
    let filled: Vec<_> = shards.iter().filter_map(|(ends, path)| Some((ends.as_ref()?, path))).collect();
    for pair in filled.windows(2) {
        ensure!(
            pair[0].0[1] < pair[1].0[0],
            "{} and {} hold the same tiles: give each shard once",
            pair[0].1.display(),
            pair[1].1.display()
        );
    }
    let Some(header) = header else { bail!("--merge needs the files of all shards") };
    let files: Vec<PathBuf> = shards.into_iter().map(|(_, path)| path).collect();
    let count = join(out, &header, &files)? as u64;
    let tiles = header.settings.get("tiles").and_then(serde_json::Value::as_u64).unwrap_or(count);
    Ok(Embedded {
        model: header.model,
        inputs: files.len(),
        tiles,
        skipped: tiles.saturating_sub(count),
        length: header.length,
        next: format!("preco-cli search {} --tile 0", out.display()),
        out: out.clone(),
        ..Embedded::default()
    })
}
