//! Rows into a file.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use preco_core::files::Temporary;
use preco_core::predict::Tile;

use super::format::wrong;
use super::{Format, Header, geoparquet, npy, safetensors};
use crate::error::{Error, Result};

/// A tile and its vector.
pub type Row = (Tile, Vec<f32>);

/// Writes `count` rows to `path`, in the format its ending names. Files that stand there are replaced.
///
/// # Errors
/// [`Error::Io`]; [`Error::Embeddings`] where `rows` holds another number of rows or a vector of another length; and
/// those of `rows`. Nothing is then written.
pub fn write(path: &Path, header: &Header, count: usize, rows: impl Iterator<Item = Result<Row>>) -> Result<()> {
    let format = Format::of(path)?;
    let mut seen = 0;
    let rows = rows.map(|row| {
        let (tile, vector) = row?;
        seen += 1;
        if vector.len() != header.length {
            return Err(wrong(path, format!("row {seen} has {} values, the others {}", vector.len(), header.length)));
        }
        Ok((tile, vector))
    });
    // Ends with an error where there are more or fewer rows than the file's head already says.
    let rows = Counted { rows, left: count, path };
    match format {
        Format::GeoParquet => geoparquet::write(path, header, rows),
        Format::Npy => npy::write(path, header, count, rows),
        Format::Safetensors => safetensors::write(path, header, count, rows),
    }
}

struct Counted<'a, I> {
    rows: I,
    left: usize,
    path: &'a Path,
}

impl<I: Iterator<Item = Result<Row>>> Iterator for Counted<'_, I> {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        match (self.rows.next(), self.left) {
            (Some(row), 1..) => {
                self.left -= 1;
                Some(row)
            }
            (None, 0) => None,
            (Some(Err(error)), 0) => Some(Err(error)),
            (None, left) => {
                self.left = 0;
                Some(Err(wrong(self.path, format!("{left} rows are missing"))))
            }
            (Some(Ok(_)), 0) => Some(Err(wrong(self.path, "there are more rows than were announced"))),
        }
    }
}

/// A new file that has its name only after [`Output::finish`].
pub(super) struct Output<'a> {
    temporary: Temporary,
    path: &'a Path,
}

impl<'a> Output<'a> {
    /// The file, and what to write to.
    pub(super) fn create(path: &'a Path) -> Result<(Self, BufWriter<File>)> {
        let failed = Error::io("write", path);
        let temporary = Temporary::beside(path).and_then(|temporary| Ok((temporary.file()?, temporary)));
        let (file, temporary) = temporary.map_err(failed)?;
        Ok((Self { temporary, path }, BufWriter::with_capacity(1 << 20, file)))
    }

    /// Gives the file its name.
    pub(super) fn finish(self, writer: BufWriter<File>) -> Result<()> {
        writer.into_inner().map_err(|error| Error::io("write", self.path)(error.into_error()))?;
        self.temporary.persist(self.path).map_err(Error::io("write", self.path))
    }
}
