//! NumPy's arrays (NEP 1, version 1.0): vectors as `(rows, length)` of little-endian f32, row after row.
//!
//! The header lies beside it as `.json`, the tiles as `.jsonl`; `numpy.load(path, mmap_mode="r")` reads the rest. Each
//! of the three is whole or absent. The array comes last: where it lies, the others do.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::Path;

use super::format::{beside, wrong};
use super::rows::{Output, Row};
use super::{Embeddings, Header, lines};
use crate::error::{Error, Result};

const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";
/// The data begin at a multiple of this.
const ALIGN: usize = 64;

pub(super) fn write(path: &Path, header: &Header, rows: u64, tiles: impl Iterator<Item = Result<Row>>) -> Result<()> {
    let [header_path, tiles_path] = [beside(path, "json"), beside(path, "jsonl")];
    let text = serde_json::to_vec_pretty(header).map_err(|error| wrong(&header_path, error.to_string()))?;
    let (array_file, mut array) = Output::create(path)?;
    let (tiles_file, mut lines) = Output::create(&tiles_path)?;
    let (header_file, mut json) = Output::create(&header_path)?;
    json.write_all(&text).map_err(Error::io("write", &header_path))?;
    array.write_all(&head(rows, header.length)).map_err(Error::io("write", path))?;
    for row in tiles {
        let (tile, vector) = row?;
        for value in vector {
            array.write_all(&value.to_le_bytes()).map_err(Error::io("write", path))?;
        }
        lines::write(&mut lines, &tile).map_err(Error::io("write", &tiles_path))?;
    }
    tiles_file.finish(lines)?;
    header_file.finish(json)?;
    array_file.finish(array)
}

/// What stands before the numbers; 128 bytes for any count that a file system can hold.
fn head(rows: u64, length: usize) -> Vec<u8> {
    let mut text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {length}), }}");
    let len = (MAGIC.len() + 2 + text.len() + 1).next_multiple_of(ALIGN) - MAGIC.len() - 2;
    text.push_str(&" ".repeat(len - text.len() - 1));
    text.push('\n');
    [MAGIC, &(len as u16).to_le_bytes(), text.as_bytes()].concat()
}

pub(super) fn read(path: &Path) -> Result<Embeddings> {
    let [header_path, tiles_path] = [beside(path, "json"), beside(path, "jsonl")];
    let text = std::fs::read(&header_path).map_err(Error::io("read", &header_path))?;
    let header: Header = serde_json::from_slice(&text).map_err(|error| wrong(&header_path, error.to_string()))?;
    let row = (header.length as u64).checked_mul(4).filter(|&row| row > 0);
    let row = row.ok_or_else(|| wrong(&header_path, format!("says that a vector has {} values", header.length)))?;

    let mut file = File::open(path).map_err(Error::io("read", path))?;
    let bytes = file.metadata().map_err(Error::io("read", path))?.len();
    let mut found = vec![0; head(0, header.length).len()];
    file.read_exact(&mut found).map_err(|_| wrong(path, "is cut off"))?;
    // The count follows from the file's length, and the head must say the same.
    let (numbers, rest) = ((bytes - found.len() as u64) / row, (bytes - found.len() as u64) % row);
    if found != head(numbers, header.length) || rest != 0 {
        let reason = format!("is no array of float32 with {} values a row, or is cut off", header.length);
        return Err(wrong(path, reason));
    }
    let mut data = Vec::new();
    file.read_to_end(&mut data).map_err(Error::io("read", path))?;
    let vectors = floats(&data);
    let lines = BufReader::new(File::open(&tiles_path).map_err(Error::io("read", &tiles_path))?);
    let tiles = lines::read(&tiles_path, lines, vectors.len() / header.length)?;
    Ok(Embeddings { header, tiles, vectors })
}

/// Little-endian numbers.
pub(super) fn floats(bytes: &[u8]) -> Vec<f32> {
    let value = |bytes: &[u8]| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    bytes.chunks_exact(4).map(value).collect()
}
