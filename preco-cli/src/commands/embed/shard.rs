//! A part of a run for one of several machines.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// What a shard's file says in its settings: which one it is.
pub(super) const SHARD: &str = "shard";

/// The `index`-th of `count` parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Shard {
    pub(crate) index: u64,
    pub(crate) count: u64,
}

impl Shard {
    /// Its tiles, of `tiles` in all: as many as the others have, or one more.
    pub(super) fn range(&self, tiles: u64) -> Range<u64> {
        let from = |index: u64| (u128::from(tiles) * u128::from(index) / u128::from(self.count)) as u64;
        from(self.index)..from(self.index + 1)
    }

    /// `scenes.parquet` as `scenes.2-of-8.parquet`.
    pub(super) fn file(&self, out: &Path) -> PathBuf {
        let ending = out.extension().unwrap_or_default().to_string_lossy();
        out.with_extension(format!("{}-of-{}.{ending}", self.index, self.count))
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is no part: write I/N, counted from 0, as in 0/8 to 7/8");
        let (index, count) = text.split_once('/').ok_or_else(wrong)?;
        let shard = Self { index: index.parse().map_err(|_| wrong())?, count: count.parse().map_err(|_| wrong())? };
        if shard.index < shard.count && shard.count <= 1_000_000 { Ok(shard) } else { Err(wrong()) }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.index, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_cover_each_tile_once() {
        for (tiles, count) in [(10, 3), (2, 5), (0, 4), (64, 8)] {
            let ranges = (0..count).map(|index| Shard { index, count }.range(tiles));
            assert!(ranges.flatten().eq(0..tiles), "{tiles} tiles in {count}");
        }
        assert_eq!("2/8".parse(), Ok(Shard { index: 2, count: 8 }));
        assert!(["8/8", "1", "a/b", "-1/2", "0/0"].iter().all(|text| text.parse::<Shard>().is_err()));
        assert_eq!(Shard { index: 2, count: 8 }.file(Path::new("a/b.parquet")), Path::new("a/b.2-of-8.parquet"));
    }
}
