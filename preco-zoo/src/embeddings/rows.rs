//! Rows into a file.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use super::format::wrong;
use super::{Format, Header, geoparquet, npy, safetensors};
use crate::error::{Error, Result};
use preco_core::files::Temporary;
use preco_core::predict::Tile;

/// A tile and its vector.
pub type Row = (Tile, Vec<f32>);

/// Writes `rows` tiles with their vectors to `path`, in the format its ending names. Files that stand there are
/// replaced; memory holds a group of rows at a time.
///
/// # Errors
/// [`Error::Io`]; [`Error::Embeddings`] where `tiles` yields another number of rows, a vector of another length, or a
/// tile that no format can hold; and those of `tiles`. Nothing is then written.
pub fn write(path: &Path, header: &Header, rows: u64, tiles: impl Iterator<Item = Result<Row>>) -> Result<()> {
    let format = Format::of(path)?;
    if header.length == 0 {
        return Err(wrong(path, "cannot hold vectors without values: the header's length is 0"));
    }
    let tiles = Checked { tiles, path, length: header.length, rows, seen: 0 };
    match format {
        Format::GeoParquet => geoparquet::write(path, header, tiles),
        Format::Npy => npy::write(path, header, rows, tiles),
        Format::Safetensors => safetensors::write(path, header, rows, tiles),
    }
}

/// Rows as they were promised: an error takes the place of the first that is not.
struct Checked<'a, I> {
    tiles: I,
    path: &'a Path,
    length: usize,
    rows: u64,
    seen: u64,
}

impl<I: Iterator<Item = Result<Row>>> Checked<'_, I> {
    fn check(&mut self, (tile, vector): Row) -> Result<Row> {
        let at = self.seen;
        self.seen += 1;
        let reason = if at == self.rows {
            format!("there are more rows than the {} announced", self.rows)
        } else if vector.len() != self.length {
            format!("row {at} has {} values, the header says {}", vector.len(), self.length)
        } else if let Some(what) = unfit(&tile) {
            format!("row {at}, tile {} of {}: {what}", tile.id, tile.source)
        } else {
            return Ok((tile, vector));
        };
        Err(wrong(self.path, reason))
    }
}

impl<I: Iterator<Item = Result<Row>>> Iterator for Checked<'_, I> {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.tiles.next() {
            Some(row) => Some(row.and_then(|row| self.check(row))),
            None if self.seen < self.rows => {
                let (seen, rows) = (self.seen, self.rows);
                // Told once.
                self.seen = rows;
                Some(Err(wrong(self.path, format!("there are {seen} rows, {rows} were announced"))))
            }
            None => None,
        }
    }
}

/// What of a tile a format could not give back as it was.
fn unfit(tile: &Tile) -> Option<String> {
    if i64::try_from(tile.id).is_err() {
        return Some("its id does not fit 63 bits".to_owned());
    }
    // Parquet has no unsigned integers that every reader knows.
    let numbers = tile.grid.iter().chain(&tile.window);
    if let Some(number) = numbers.copied().find(|&number| i32::try_from(number).is_err()) {
        return Some(format!("{number} in its grid or window does not fit 31 bits"));
    }
    if !(0.0..=1.0).contains(&tile.valid) {
        return Some(format!("valid is {}, not a share from 0 to 1", tile.valid));
    }
    let place = tile.place.as_ref()?;
    // JSON has no infinity.
    if place.affine.iter().any(|value| !value.is_finite()) {
        return Some(format!("its affine {:?} is not finite", place.affine));
    }
    let footprint = place.footprint.as_ref()?;
    if footprint.polygons.is_empty() || footprint.polygons.iter().any(|ring| ring.len() < 4) {
        return Some("its footprint has no polygon, or one without three corners".to_owned());
    }
    let finite = footprint.polygons.iter().flatten().flatten().all(|value| value.is_finite());
    (!finite).then(|| "its footprint is not finite".to_owned())
}

/// A new file that has its name only after [`Output::finish`].
pub(super) struct Output<'a> {
    temporary: Temporary,
    path: &'a Path,
}

impl<'a> Output<'a> {
    /// The file, and what to write to.
    pub(super) fn create(path: &'a Path) -> Result<(Self, BufWriter<File>)> {
        let temporary = Temporary::beside(path).map_err(Error::io("write", path))?;
        let file = temporary.file().map_err(Error::io("write", path))?;
        Ok((Self { temporary, path }, BufWriter::with_capacity(1 << 20, file)))
    }

    /// Gives the file its name.
    pub(super) fn finish(self, writer: BufWriter<File>) -> Result<()> {
        writer.into_inner().map_err(|error| Error::io("write", self.path)(error.into_error()))?;
        self.temporary.persist(self.path).map_err(Error::io("write", self.path))
    }
}
