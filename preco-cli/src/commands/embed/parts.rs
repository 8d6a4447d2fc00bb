//! Finished parts of a run, each a file, so that nothing is computed twice after an interruption.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use preco_core::files::{remove_leftovers, write_atomic};
use preco_zoo::embeddings::{Embeddings, Header, Row, write};
use serde_json::Value;

/// Tiles of a part, lost by an interruption at most: of large tiles fewer.
const PART_TILES: u64 = 512;
/// Side of tiles of which a part has so many.
const PART_SIDE_PX: u64 = 512;
/// What the run is, in the folder of its parts.
const RUN_FILE: &str = "run.json";

/// Locked by the run at work.
const LOCK_FILE: &str = "lock";

/// Tiles of a part of a run, whose largest tile has a side of `side_px`.
pub(super) fn part_tiles(side_px: u64) -> u64 {
    let times = (side_px / PART_SIDE_PX).max(1);
    (PART_TILES / (times * times)).max(8)
}

/// The parts of a run that ends in one file.
pub(super) struct Parts {
    folder: PathBuf,
    header: Header,
    /// Held while this run writes there.
    lock: Option<File>,
}

impl Parts {
    /// The folder beside `out`; what an earlier run left there is kept where it is the same run.
    pub(super) fn open(out: &Path, header: &Header, run: &Value) -> Result<Self> {
        let mut folder = out.as_os_str().to_owned();
        folder.push(".parts");
        let folder = PathBuf::from(folder);
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let lock_file = folder.join(LOCK_FILE);
        let lock = File::create(&lock_file).with_context(|| format!("cannot write {}", lock_file.display()))?;
        if let Err(TryLockError::WouldBlock) = lock.try_lock() {
            bail!("another run writes {}: wait for it, or choose another --out", out.display());
        }
        let file = folder.join(RUN_FILE);
        match std::fs::read(&file) {
            // Nothing is lost with a run that finished no part.
            Ok(bytes) if !is_empty(&folder) => {
                let earlier: Value = serde_json::from_slice(&bytes).unwrap_or_default();
                let differs = || differences(&earlier, run).join(", ");
                ensure!(
                    earlier == *run,
                    "{} holds parts of another run ({} differ): remove the folder, or choose another --out",
                    folder.display(),
                    differs()
                );
            }
            _ => write_atomic(&file, |out| Ok(serde_json::to_writer_pretty(out, run)?))
                .with_context(|| format!("cannot write {}", file.display()))?,
        }
        remove_leftovers(&folder).with_context(|| format!("cannot clear {}", folder.display()))?;
        Ok(Self { folder, header: header.clone(), lock: Some(lock) })
    }

    fn file(&self, first: u64) -> PathBuf {
        self.folder.join(format!("{first:012}.parquet"))
    }

    /// True where the part that begins with tile `first` is finished.
    pub(super) fn has(&self, first: u64) -> bool {
        self.file(first).exists()
    }

    /// Keeps a finished part.
    pub(super) fn keep(&self, first: u64, rows: Vec<Row>) -> Result<()> {
        Ok(write(&self.file(first), &self.header, rows.len() as u64, rows.into_iter().map(Ok))?)
    }

    /// Makes `out` of the parts that begin with `firsts`, in that order, and removes them.
    pub(super) fn finish(mut self, out: &Path, firsts: impl Iterator<Item = u64>) -> Result<Joined> {
        let files: Vec<PathBuf> = firsts.map(|first| self.file(first)).collect();
        let joined = join(out, &self.header, &files)?;
        self.lock = None;
        std::fs::remove_dir_all(&self.folder).with_context(|| format!("cannot remove {}", self.folder.display()))?;
        Ok(joined)
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        if is_empty(&self.folder) {
            // A folder that stays does no harm.
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// True where no part is finished.
fn is_empty(folder: &Path) -> bool {
    let is_part = |entry: std::fs::DirEntry| entry.path().extension().is_some_and(|ending| ending == "parquet");
    std::fs::read_dir(folder).is_ok_and(|entries| !entries.flatten().any(is_part))
}

/// Rows that became one file.
pub(super) struct Joined {
    /// How many.
    pub(super) count: usize,
    /// The first one's tile.
    pub(super) first: Option<u64>,
}

/// Writes the rows of `files`, one after the other, to `out`.
pub(super) fn join(out: &Path, header: &Header, files: &[PathBuf]) -> Result<Joined> {
    let mut joined = Joined { count: 0, first: None };
    // Twice: the number of rows stands at the head of most formats, and one part at a time is in memory.
    for file in files {
        let part = Embeddings::open(file)
            .with_context(|| "remove it and give the same command again: it is computed once more".to_owned())?;
        joined.count += part.len();
        joined.first = joined.first.or(part.tiles.first().map(|tile| tile.id));
    }
    let rows = files.iter().flat_map(|file| match Embeddings::open(file) {
        Ok(part) => Box::new(part.rows().map(Ok)) as Box<dyn Iterator<Item = _>>,
        Err(error) => Box::new(std::iter::once(Err(error))),
    });
    write(out, header, joined.count as u64, rows)?;
    Ok(joined)
}

fn differences(one: &Value, other: &Value) -> Vec<String> {
    let keys = |value: &Value| value.as_object().map(|map| map.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
    let mut all = [keys(one), keys(other)].concat();
    all.sort();
    all.dedup();
    all.retain(|key| one.get(key) != other.get(key));
    all
}
