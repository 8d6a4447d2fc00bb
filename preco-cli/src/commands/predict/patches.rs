//! BigEarthNet's patches, whose bands are a file each.

use std::path::Path;

use anyhow::{Result, bail};
use preco_core::imagery::Stretch;
use preco_core::imagery::raster::{Window, open_file};
use preco_core::predict::{BATCH, Labeller, Tile};
use preco_train::datasets::bigearthnet::{self, BigEarthNet, Choice};
use preco_train::datasets::{ImageSource, readable};
use preco_train::view;

use super::super::embed::{Display, Values};
use super::{Args, Labelled, said};
use crate::output::note;

/// True for a folder of patches, or of one.
pub(super) fn are_at(input: &str) -> bool {
    let path = Path::new(input);
    path.is_dir() && BigEarthNet::is_at(path)
}

/// Refuses flags that are about scenes: a patch has the model's bands, by name, and is looked at whole.
pub(super) fn check(args: &Args) -> Result<()> {
    let Values { bands, stretch, overview, .. } = &args.values;
    let flags = [
        ("--map", args.map.is_some()),
        ("--bands", bands.is_some()),
        ("--stretch", *stretch != Stretch::None),
        ("--overview", *overview > 0),
        ("--tile, --stride, --overlap, --whole and --min-valid", args.cut.is_asked()),
    ];
    if let Some((flag, _)) = flags.into_iter().find(|(_, is_given)| *is_given) {
        bail!(
            "{flag}: {} holds BigEarthNet's patches, which are read as the model was trained; leave it out",
            args.inputs[0]
        );
    }
    Ok(())
}

/// Labels every patch of these folders, whatever is known of it.
pub(super) fn label(args: &Args, labeller: &Labeller) -> Result<Vec<Labelled>> {
    let preprocess = labeller.preprocess();
    let levels = match &preprocess.levels {
        Some(levels) => levels.clone(),
        None => bigearthnet::levels(&preprocess.bands)?,
    };
    let choice = Choice { unlabelled: true, ..Choice::default() };
    let mut labelled = Vec::new();
    for folder in &args.inputs {
        let patches = BigEarthNet::open(Path::new(folder), &choice, &preprocess.bands, levels.clone())?;
        let mut display = Display::new(patches.len() as u64, 0);
        let all: Vec<usize> = (0..patches.len()).collect();
        for part in all.chunks(BATCH) {
            let (part, bad) =
                if args.values.skip_unreadable { readable(&patches, part) } else { (part.to_vec(), Vec::new()) };
            bad.iter().for_each(|file| note(&format!("left out: {}", file.reason)));
            let probabilities = labeller.probabilities(&view::tensor(&patches, &part, preprocess)?);
            for (&at, row) in part.iter().zip(probabilities.chunks_exact(labeller.labels().len())) {
                let band = open_file(&patches.file(at, &preprocess.bands[0])?, 0)?;
                let (info, id) = (band.info(), labelled.len() as u64);
                let window = Window { x: 0, y: 0, width: info.width, height: info.height };
                let tile = Tile::of(info, window, [0, 0], id, &patches.name(at), 1.0);
                labelled.push(Labelled { tile, classes: said(labeller, row), probabilities: row.to_vec() });
                display.tile();
            }
        }
    }
    Ok(labelled)
}
