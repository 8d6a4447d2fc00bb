//! Which images of a data set are learnt from, chosen by, and measured on.
//!
//! A split is by published lists where there are some, else by a hash of each name: the part depends on seed, fractions
//! and name only, so images that are added later move none. Classes get their shares as far as hashing goes, which for
//! 1,000 images of a class is within a few per cent. Images are named as [`ImageSource::name`] does.

mod manifest;
mod rule;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt::Display;
use std::path::Path;

use preco_core::files::write_atomic;

use super::ImageSource;
use super::folder::first_few;
use super::list::{self, Line, Places};
use crate::error::{Error, Result};

pub use rule::{Fractions, Part, Rule};

/// An image and its part.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Where it belongs.
    pub part: Part,
    /// Its class, where it has one.
    pub class: Option<String>,
    /// Its path within the data set.
    pub name: String,
}

/// The parts of a data set, by name.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    rule: Rule,
    /// Sorted, no name twice.
    entries: Vec<Entry>,
}

impl Split {
    /// File names of the parts' lists, in [`Part::ALL`]'s order.
    pub const LISTS: [&str; 3] = ["train.txt", "val.txt", "test.txt"];
    /// File name of the manifest.
    pub const MANIFEST: &str = "manifest.tsv";

    /// The images of `source` by a hash of their names.
    ///
    /// # Errors
    /// [`Error::Config`] where a name occurs twice or cannot be a line of a file.
    pub fn by_hash(source: &dyn ImageSource, seed: u64, fractions: Fractions) -> Result<Self> {
        let entry = |name: String, class| Entry { part: rule::hashed(seed, fractions, &name), class, name };
        let entries = named(source).map(|(name, class)| entry(name, class)).collect();
        Self::new(Rule::Hash { seed, fractions }, entries).map_err(Error::config)
    }

    /// The images of `source` that lists name; what no list names belongs to no part.
    ///
    /// # Errors
    /// Those of reading the lists; [`Error::Data`] with list, line and name for a name that is listed twice or is not in
    /// `source`; [`Error::Config`] where `source` has a name twice.
    pub fn by_lists(source: &dyn ImageSource, lists: &[(Part, &Path)]) -> Result<Self> {
        let mut classes = HashMap::with_capacity(source.len());
        for (name, class) in named(source) {
            if classes.insert(name.clone(), class).is_some() {
                return Err(Error::config(format!("the data set has {name} twice")));
            }
        }
        let mut places = Places::default();
        let mut entries = Vec::new();
        for (part, path) in lists {
            for Line { number, name } in list::read(path)? {
                let name = list::plain(&name, source.prefix(), |name| classes.contains_key(name));
                let Some(class) = classes.get(name) else {
                    let reason = "the data set has no such image; is the list of another one?";
                    return Err(Error::data(path, format!("line {number}, {name}: {reason}")));
                };
                places.add(path, number, name)?;
                entries.push(Entry { part: *part, class: class.clone(), name: name.to_owned() });
            }
        }
        Self::new(Rule::Lists, entries).map_err(Error::config)
    }

    /// The images of sources that are parts already.
    ///
    /// # Errors
    /// [`Error::Config`] where a name is in two parts, twice in one, or cannot be a line of a file.
    pub fn of_parts(parts: &[(Part, &dyn ImageSource)]) -> Result<Self> {
        let entry = |part, (name, class)| Entry { part, class, name };
        let entries = parts.iter().flat_map(|(part, source)| named(*source).map(move |named| entry(*part, named)));
        Self::new(Rule::Lists, entries.collect()).map_err(Error::config)
    }

    /// A split of `entries`, or what is wrong with them.
    fn new(rule: Rule, mut entries: Vec<Entry>) -> std::result::Result<Self, String> {
        for Entry { class, name, .. } in &entries {
            let bad = |text: &str| text.is_empty() || text != text.trim() || text.contains(['\t', '\n', '\r']);
            if bad(name) || class.as_deref().is_some_and(|class| bad(class) || class == manifest::NO_CLASS) {
                return Err(format!(
                    "{name:?} cannot be written in a list: no name or class may be empty, begin or end with a space, or \
                     hold a tab or a line break; rename it"
                ));
            }
        }
        entries.sort();
        let mut by_name: Vec<&Entry> = entries.iter().collect();
        by_name.sort_unstable_by_key(|entry| &entry.name);
        if let Some(pair) = by_name.windows(2).find(|pair| pair[0].name == pair[1].name) {
            let (name, parts) = (&pair[0].name, [pair[0].part, pair[1].part]);
            return Err(match parts[0] == parts[1] {
                true => format!("{name} occurs twice"),
                false => format!(
                    "{name} occurs twice, in {} and in {}: what is measured on must not be learnt from",
                    parts[0].name(),
                    parts[1].name()
                ),
            });
        }
        Ok(Self { rule, entries })
    }

    /// Reads a manifest that [`Split::write`] wrote.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read; [`Error::Data`] with the line's number and text where it is damaged, names
    /// an image twice or an unknown part, or puts an image where its rule does not.
    pub fn read(path: &Path) -> Result<Self> {
        manifest::read(path)
    }

    /// Writes the lists and the manifest into the folder, each file whole or absent.
    ///
    /// # Errors
    /// [`Error::Io`] with the file.
    pub fn write(&self, folder: &Path) -> Result<()> {
        for (part, name) in Part::ALL.into_iter().zip(Self::LISTS) {
            write(&folder.join(name), self.names(part))?;
        }
        self.write_manifest(&folder.join(Self::MANIFEST))
    }

    /// Writes the manifest alone; the file is whole or absent.
    ///
    /// # Errors
    /// [`Error::Io`] with the file.
    pub fn write_manifest(&self, path: &Path) -> Result<()> {
        write(path, manifest::lines(self))
    }

    /// What decided.
    pub fn rule(&self) -> Rule {
        self.rule
    }

    /// The images, sorted by part, class and name.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The names in a part, sorted by class and name.
    pub fn names(&self, part: Part) -> impl Iterator<Item = &str> {
        self.entries.iter().filter(move |entry| entry.part == part).map(|entry| entry.name.as_str())
    }

    /// How many images of each class are in train, val and test; images without a class come first.
    pub fn counts(&self) -> Vec<(Option<&str>, [usize; 3])> {
        let mut counts = std::collections::BTreeMap::<_, [usize; 3]>::new();
        for entry in &self.entries {
            counts.entry(entry.class.as_deref()).or_default()[entry.part as usize] += 1;
        }
        counts.into_iter().collect()
    }

    /// The positions in `source` of the images of train, val and test. Images of `source` that the split does not name
    /// are in no part.
    ///
    /// # Errors
    /// [`Error::Config`] where the split names images that `source` lacks: it is of another data set.
    pub fn indices(&self, source: &dyn ImageSource) -> Result<[Vec<usize>; 3]> {
        let places: HashMap<String, usize> = (0..source.len()).map(|index| (source.name(index), index)).collect();
        let mut parts = [const { Vec::new() }; 3];
        let mut missing = Vec::new();
        for entry in &self.entries {
            match places.get(&entry.name) {
                Some(&index) => parts[entry.part as usize].push(index),
                None => missing.push(entry.name.clone()),
            }
        }
        if !missing.is_empty() {
            return Err(Error::config(format!(
                "{} of {} images of the split are not in the data set; is it of another one? {}",
                missing.len(),
                self.entries.len(),
                first_few(&missing, ", ")
            )));
        }
        Ok(parts)
    }
}

/// Names and classes of a data set.
fn named(source: &dyn ImageSource) -> impl Iterator<Item = (String, Option<String>)> {
    (0..source.len())
        .map(|index| (source.name(index), source.label(index).map(|label| source.classes()[label].clone())))
}

fn write(path: &Path, mut lines: impl Iterator<Item = impl Display>) -> Result<()> {
    write_atomic(path, |out| lines.try_for_each(|line| writeln!(out, "{line}"))).map_err(|source| Error::Io {
        action: "write",
        path: path.into(),
        source,
    })
}
