//! Shards into one file, the same to the byte as one run would have written.

use std::path::PathBuf;

use anyhow::{Result, bail, ensure};
use preco_zoo::embeddings::{Embeddings, Format, Header};

use super::Args;
use super::parts::join;
use super::report::{Embedded, search_next};
use super::shard::{SHARD, Shard};
use crate::outputs::Outputs;

pub(super) fn execute(args: &Args) -> Result<Embedded> {
    let Some(out) = &args.out else { bail!("--out FILE is missing") };
    ensure!(!args.inputs.is_empty(), "--merge needs the files of all shards");
    let outputs = Outputs::new(args.force).reads(&args.inputs);
    let files = Format::of(out)?.files(out);
    files.iter().fold(outputs, |outputs, file| outputs.writes("--out", Some(file))).check()?;
    let mut shards: Vec<(Shard, PathBuf)> = Vec::new();
    let mut header: Option<Header> = None;
    for input in &args.inputs {
        let path = PathBuf::from(input);
        let mut found = Embeddings::open(&path)?.header;
        let told = found.settings.as_object_mut().and_then(|settings| settings.remove(SHARD));
        let shard = told.as_ref().and_then(|told| told.as_str()?.parse::<Shard>().ok());
        let Some(shard) = shard else { bail!("{input} is no shard: embed --shard writes those") };
        if let Some((_, other)) = shards.iter().find(|(known, _)| *known == shard) {
            bail!("{} and {input} are both shard {shard}: give each once", other.display());
        }
        shards.push((shard, path));
        match &header {
            None => header = Some(found),
            Some(first) => ensure!(
                *first == found && shards[0].0.count == shard.count,
                "{input} is of another run than {}: other inputs, model, settings or number of shards",
                args.inputs[0]
            ),
        }
    }
    shards.sort();
    let count = shards[0].0.count;
    let missing = (0..count).find(|index| !shards.iter().any(|(shard, _)| shard.index == *index));
    ensure!(missing.is_none(), "shard {}/{count} is missing, of {} given", missing.unwrap_or(0), shards.len());
    let Some(header) = header else { bail!("--merge needs the files of all shards") };
    let files: Vec<PathBuf> = shards.into_iter().map(|(_, path)| path).collect();
    let joined = join(out, &header, &files)?;
    let count = joined.count as u64;
    let tiles = header.settings.get("tiles").and_then(serde_json::Value::as_u64).unwrap_or(count);
    Ok(Embedded {
        model: header.model,
        inputs: files.len(),
        tiles,
        skipped: tiles.saturating_sub(count),
        is_merge: true,
        is_partly_told: true,
        least_valid: header.settings.get("min_valid").and_then(serde_json::Value::as_f64).unwrap_or_default(),
        length: header.length,
        next: search_next(out, joined.first),
        out: out.clone(),
        ..Embedded::default()
    })
}
