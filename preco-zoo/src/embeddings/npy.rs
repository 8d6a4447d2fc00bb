//! NumPy's arrays (NEP 1, version 1.0): vectors as `(rows, length)` of little-endian f32.
//!
//! The header lies beside it as `.json`, the tiles as `.jsonl`; `numpy.load(path, mmap_mode="r")` reads the rest.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::format::{beside, wrong};
use super::lines::numbers_and_lines;
use super::{Header, Row};
use crate::error::{Error, Result};

const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";
/// The data begin at a multiple of this.
const ALIGN: usize = 64;

pub(super) fn write(path: &Path, header: &Header, count: usize, rows: impl Iterator<Item = Result<Row>>) -> Result<()> {
    let header_path = beside(path, "json");
    let text = serde_json::to_vec_pretty(header).map_err(|error| wrong(&header_path, error.to_string()))?;
    numbers_and_lines(path, &head(count, header.length), rows)?;
    preco_core::files::write_atomic(&header_path, |out| out.write_all(&text)).map_err(Error::io("write", &header_path))
}

fn head(count: usize, length: usize) -> Vec<u8> {
    let mut text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({count}, {length}), }}");
    let len = (MAGIC.len() + 2 + text.len() + 1).next_multiple_of(ALIGN) - MAGIC.len() - 2;
    text.push_str(&" ".repeat(len - text.len() - 1));
    text.push('\n');
    [MAGIC, &(len as u16).to_le_bytes(), text.as_bytes()].concat()
}

/// The header and the vectors.
pub(super) fn read(path: &Path) -> Result<(Header, Vec<f32>)> {
    let header_path = beside(path, "json");
    let text = std::fs::read(&header_path).map_err(Error::io("read", &header_path))?;
    let header: Header = serde_json::from_slice(&text).map_err(|error| wrong(&header_path, error.to_string()))?;
    let mut file = File::open(path).map_err(Error::io("read", path))?;
    let bytes = file.metadata().map_err(Error::io("read", path))?.len() as usize;
    let row = header.length.checked_mul(4).filter(|&row| row > 0);
    let row = row.ok_or_else(|| wrong(&header_path, format!("says that a vector has {} values", header.length)))?;
    let expected = |count: usize| head(count, header.length);
    // The head's own length hardly depends on the count; what it must say follows from the file's length.
    let count = bytes.saturating_sub(expected(0).len()) / row;
    let mut found = vec![0; expected(count).len()];
    file.read_exact(&mut found).map_err(|_| wrong(path, "is cut off"))?;
    if found != expected(count) || bytes != found.len() + count * row {
        return Err(wrong(path, format!("is no array of float32 with {} values a row, or is cut off", header.length)));
    }
    let mut data = vec![0; count * row];
    file.read_exact(&mut data).map_err(Error::io("read", path))?;
    Ok((header, floats(&data)))
}

pub(super) fn floats(bytes: &[u8]) -> Vec<f32> {
    let value = |bytes: &[u8]| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    bytes.chunks_exact(4).map(value).collect()
}
