//! A split in one file.
//!
//! The first line is `preco split 1`, then tab-separated `rule=`, `seed=`, `fractions=` and `names=` (seed and fractions
//! are `-` for published lists). Each line after it is `part`, `class` and `name`, separated by tabs, sorted; the class is
//! `-` where there is none.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use super::rule::hashed;
use super::{Entry, Part, Rule, Split};
use crate::error::{Error, Result};

/// The class of an image that has none.
pub(super) const NO_CLASS: &str = "-";
/// What every version's first line begins with.
const MAGIC: &str = "preco split ";
/// The version that is written and read.
const VERSION: &str = "1";

/// The lines of the manifest of `split`.
pub(super) fn lines(split: &Split) -> impl Iterator<Item = String> {
    let (rule, seed, fractions) = match split.rule {
        Rule::Hash { seed, fractions } => ("hash", seed.to_string(), fractions.to_string()),
        Rule::Lists => ("lists", NO_CLASS.into(), NO_CLASS.into()),
    };
    let names = split.entries.len();
    let header = format!("{MAGIC}{VERSION}\trule={rule}\tseed={seed}\tfractions={fractions}\tnames={names}");
    let line = |Entry { part, class, name }: &Entry| {
        format!("{}\t{}\t{name}", part.name(), class.as_deref().unwrap_or(NO_CLASS))
    };
    std::iter::once(header).chain(split.entries.iter().map(line))
}

/// The split in the manifest at `path`.
pub(super) fn read(path: &Path) -> Result<Split> {
    let text = fs::read_to_string(path).map_err(|source| Error::read(path, source))?;
    let refused =
        |number: usize, line: &str, reason: String| Error::data(path, format!("line {number}, {line:?}: {reason}"));
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let (rule, count) = header(first).map_err(|reason| refused(1, first, reason))?;
    let mut entries = Vec::new();
    let mut places = HashMap::new();
    for (number, line) in lines.enumerate().map(|(at, line)| (at + 2, line)) {
        let entry = entry(line, rule).map_err(|reason| refused(number, line, reason))?;
        if let Some(earlier) = places.insert(entry.name.clone(), number) {
            return Err(refused(number, line, format!("the image is in line {earlier} already")));
        }
        entries.push(entry);
    }
    if entries.len() != count {
        let reason = format!("line 1 says {count} names, there are {}; the file is cut off or edited", entries.len());
        return Err(Error::data(path, reason));
    }
    Split::new(rule, entries).map_err(|reason| Error::data(path, reason))
}

/// Rule and number of names.
fn header(line: &str) -> std::result::Result<(Rule, usize), String> {
    let rest = line.strip_prefix(MAGIC).ok_or_else(|| format!("a manifest of a split begins with {MAGIC:?}"))?;
    let mut fields = rest.split('\t');
    let version = fields.next().unwrap_or_default();
    if version != VERSION {
        return Err(format!("version {version} is not known, {VERSION} is; write the split again"));
    }
    let mut field = |key: &str| {
        let value = fields.next().and_then(|field| field.strip_prefix(key)?.strip_prefix('='));
        value.ok_or_else(|| format!("{key}= is missing"))
    };
    let (rule, seed, fractions, names) = (field("rule")?, field("seed")?, field("fractions")?, field("names")?);
    let names = names.parse().map_err(|_| format!("names={names} is no number"))?;
    let rule = match rule {
        "hash" => Rule::Hash {
            seed: seed.parse().map_err(|_| format!("seed={seed} is no number"))?,
            fractions: fractions.parse().map_err(|error: Error| error.to_string())?,
        },
        "lists" => Rule::Lists,
        other => return Err(format!("rule {other} is not known, hash and lists are")),
    };
    Ok((rule, names))
}

fn entry(line: &str, rule: Rule) -> std::result::Result<Entry, String> {
    let fields: Vec<&str> = line.split('\t').collect();
    let &[part, class, name] = fields.as_slice() else {
        return Err(format!("{} fields instead of part, class and name", fields.len()));
    };
    let part = Part::named(part).ok_or_else(|| format!("part {part:?} is not train, val or test"))?;
    if let Rule::Hash { seed, fractions } = rule {
        let wanted = hashed(seed, fractions, name);
        if wanted != part {
            return Err(format!("the rule puts it in {}", wanted.name()));
        }
    }
    Ok(Entry { part, class: (class != NO_CLASS).then(|| class.into()), name: name.into() })
}
