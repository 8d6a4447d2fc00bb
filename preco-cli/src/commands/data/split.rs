//! `data split`: train, val and test as lists of names.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;
use preco_train::datasets::ImageSource;
use preco_train::datasets::split::{Fractions, Part, Rule, Split};
use serde::Serialize;

use crate::output::Report;

/// Divide the images into train, val and test
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder of JPEG, PNG or WebP images, a folder per class
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Shares of train, val and test; each image's part depends on its name, so more images move none
    #[arg(long, value_name = "A,B,C", default_value = "0.8,0.1,0.1")]
    fractions: String,
    /// Another seed is another split
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Published list of the images to train on, a path within DIR on each line; with lists nothing is drawn by seed
    #[arg(long, value_name = "FILE", conflicts_with_all = ["fractions", "seed"])]
    train_list: Option<PathBuf>,
    /// Likewise, to choose settings by
    #[arg(long, value_name = "FILE", conflicts_with_all = ["fractions", "seed"])]
    val_list: Option<PathBuf>,
    /// Likewise, to measure on
    #[arg(long, value_name = "FILE", conflicts_with_all = ["fractions", "seed"])]
    test_list: Option<PathBuf>,
    /// Leave out files that are no readable images or are cut off: every image is decoded
    #[arg(long)]
    skip_unreadable: bool,
    /// Folder for train.txt, val.txt, test.txt and manifest.tsv
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Write into an existing folder, replacing these files
    #[arg(long)]
    force: bool,
}

/// What was divided.
#[derive(Debug, Serialize)]
pub(crate) struct Divided {
    folder: PathBuf,
    out: PathBuf,
    #[serde(flatten)]
    rule: Rule,
    images: usize,
    /// Images that no list names.
    unlisted: usize,
    parts: Counts,
    classes: Vec<Class>,
}

#[derive(Debug, Serialize)]
struct Class {
    /// `null` for images without one.
    name: Option<String>,
    #[serde(flatten)]
    counts: Counts,
}

#[derive(Debug, Serialize)]
struct Counts {
    train: usize,
    val: usize,
    test: usize,
}

/// Runs the command.
pub(crate) fn execute(args: &Args) -> Result<Divided> {
    let fractions: Fractions = args.fractions.parse()?;
    super::refuse_existing(&args.out, args.force)?;
    let images = super::open(&args.folder, None, args.skip_unreadable)?;
    let lists: Vec<(Part, &Path)> = Part::ALL
        .into_iter()
        .zip([&args.train_list, &args.val_list, &args.test_list])
        .filter_map(|(part, list)| Some((part, list.as_deref()?)))
        .collect();
    let split = if lists.is_empty() {
        Split::by_hash(&images, args.seed, fractions)?
    } else {
        Split::by_lists(&images, &lists)?
    };
    super::create(&args.out)?;
    split.write(&args.out)?;
    let counted = split.counts();
    let total = counted.iter().fold([0; 3], |sum, (_, counts)| [0, 1, 2].map(|part| sum[part] + counts[part]));
    let class =
        |(name, counts): &(Option<&str>, _)| Class { name: name.map(str::to_owned), counts: Counts::of(*counts) };
    Ok(Divided {
        folder: args.folder.clone(),
        out: args.out.clone(),
        rule: split.rule(),
        images: images.len(),
        unlisted: images.len() - split.entries().len(),
        parts: Counts::of(total),
        classes: counted.iter().map(class).collect(),
    })
}

impl Counts {
    fn of([train, val, test]: [usize; 3]) -> Self {
        Self { train, val, test }
    }
}

impl Report for Divided {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let name = |class: &Class| class.name.clone().unwrap_or_else(|| "(no class)".into());
        let widest = self.classes.iter().map(|class| name(class).chars().count()).max().unwrap_or(0).max(10);
        writeln!(out, "{:widest$} {:>8} {:>8} {:>8}", "", "train", "val", "test")?;
        let mut row = |name: &str, Counts { train, val, test }: &Counts| {
            writeln!(out, "{name:widest$} {train:>8} {val:>8} {test:>8}")
        };
        for class in &self.classes {
            row(&name(class), &class.counts)?;
        }
        row("all", &self.parts)?;
        if self.unlisted > 0 {
            writeln!(out, "{} images are in no list and in no part", self.unlisted)?;
        }
        let folder = self.out.display();
        writeln!(out, "train.txt, val.txt, test.txt and manifest.tsv are in {folder}")?;
        writeln!(out, "next: preco-cli pretrain --data {} --list {folder}/train.txt", self.folder.display())
    }
}
