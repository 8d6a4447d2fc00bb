//! BigEarthNet's patches, whose bands are a file each.

use std::path::Path;

use anyhow::Result;
use preco_core::imagery::raster::{Window, open_file};
use preco_core::predict::{BATCH, Labeller, Tile};
use preco_train::datasets::ImageSource;
use preco_train::datasets::bigearthnet::{self, BigEarthNet, Choice};
use preco_train::view;

use super::super::embed::Display;
use super::{Labelled, said};

/// True for a folder of patches, or of one.
pub(super) fn are_at(input: &str) -> bool {
    let path = Path::new(input);
    path.is_dir() && BigEarthNet::is_at(path)
}

/// Labels every patch of these folders, whatever is known of it.
pub(super) fn label(folders: &[String], labeller: &Labeller) -> Result<Vec<Labelled>> {
    let preprocess = labeller.preprocess();
    let levels = match &preprocess.levels {
        Some(levels) => levels.clone(),
        None => bigearthnet::levels(&preprocess.bands)?,
    };
    let choice = Choice { unlabelled: true, ..Choice::default() };
    let mut labelled = Vec::new();
    for folder in folders {
        let patches = BigEarthNet::open(Path::new(folder), &choice, &preprocess.bands, levels.clone())?;
        let mut display = Display::new(patches.len() as u64, 0);
        let all: Vec<usize> = (0..patches.len()).collect();
        for part in all.chunks(BATCH) {
            let probabilities = labeller.probabilities(&view::tensor(&patches, part, preprocess)?);
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
