//! One safetensors file with everything: numbers as tensors, the tiles' texts as a tensor of bytes.
//!
//! `ids` I64 `(rows)`, `windows` I32 `(rows, 4)`, `embeddings` F32 `(rows, length)` and `tiles` U8, lines of JSON. The
//! header is the metadata `preco`. Tiles are no metadata: readers refuse more than 100 MB of those. The format wants
//! sizes first and the length of the lines is known last, so room is kept and the head written at the end.

use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use ::safetensors::{Dtype, SafeTensorError, SafeTensors};
use serde_json::json;

use super::format::wrong;
use super::npy::floats;
use super::rows::{Output, Row};
use super::{Embeddings, Header, lines};
use crate::error::{Error, Result};

/// The metadata's only key: with two the order, and so the bytes, would be the writer's mood.
const KEY: &str = "preco";
/// Rows in memory at once.
const AT_ONCE: u64 = 1024;

pub(super) fn write(path: &Path, header: &Header, rows: u64, tiles: impl Iterator<Item = Result<Row>>) -> Result<()> {
    let text = serde_json::to_string(header).map_err(|error| wrong(path, error.to_string()))?;
    let size = |bytes: u64| rows.checked_mul(bytes).filter(|&size| size <= i64::MAX as u64 / 4);
    let sizes = [Some(8), Some(16), (header.length as u64).checked_mul(4)].map(|bytes| bytes.and_then(size));
    let [Some(ids), Some(windows), Some(embeddings)] = sizes else {
        return Err(wrong(path, format!("cannot hold {rows} rows of {} values", header.length)));
    };
    let ends = [ids, ids + windows, ids + windows + embeddings];
    let head = |lines: u64| head(&text, rows, header.length, ends, lines);
    // As long as the longest there can be; blanks fill what is left.
    let room = head(i64::MAX as u64 / 4).len().next_multiple_of(8);
    let start = 8 + room as u64;

    let failed = |error: std::io::Error| Error::io("write", path)(error);
    let (file, mut out) = Output::create(path)?;
    let mut sections = Sections::at([start, start + ends[0], start + ends[1], start + ends[2]]);
    for row in tiles {
        sections.add(&row?).map_err(failed)?;
        if sections.rows == AT_ONCE {
            sections.flush(&mut out).map_err(failed)?;
        }
    }
    sections.flush(&mut out).map_err(failed)?;
    let mut head = head(sections.starts[3] - start - ends[2]);
    head.push_str(&" ".repeat(room.saturating_sub(head.len())));
    let head = [&(room as u64).to_le_bytes(), head.as_bytes()].concat();
    out.seek(SeekFrom::Start(0)).and_then(|_| out.write_all(&head)).map_err(failed)?;
    file.finish(out)
}

fn head(text: &str, rows: u64, length: usize, ends: [u64; 3], lines: u64) -> String {
    json!({
        "__metadata__": { KEY: text },
        "ids": { "dtype": "I64", "shape": [rows], "data_offsets": [0, ends[0]] },
        "windows": { "dtype": "I32", "shape": [rows, 4], "data_offsets": [ends[0], ends[1]] },
        "embeddings": { "dtype": "F32", "shape": [rows, length], "data_offsets": [ends[1], ends[2]] },
        "tiles": { "dtype": "U8", "shape": [lines], "data_offsets": [ends[2], ends[2] + lines] },
    })
    .to_string()
}

/// Rows on their way to the places of the tensors.
struct Sections {
    starts: [u64; 4],
    bytes: [Vec<u8>; 4],
    rows: u64,
}

impl Sections {
    fn at(starts: [u64; 4]) -> Self {
        Self { starts, bytes: Default::default(), rows: 0 }
    }

    fn add(&mut self, (tile, vector): &Row) -> std::io::Result<()> {
        let [ids, windows, embeddings, tiles] = &mut self.bytes;
        // An id takes 63 bits and a window's numbers 31: rows were checked.
        ids.extend(tile.id.to_le_bytes());
        windows.extend(tile.window.iter().flat_map(|value| value.to_le_bytes()));
        embeddings.extend(vector.iter().flat_map(|value| value.to_le_bytes()));
        self.rows += 1;
        lines::write(tiles, tile)
    }

    fn flush(&mut self, out: &mut BufWriter<File>) -> std::io::Result<()> {
        for (start, bytes) in self.starts.iter_mut().zip(&mut self.bytes) {
            out.seek(SeekFrom::Start(*start))?;
            out.write_all(bytes)?;
            *start += bytes.len() as u64;
            bytes.clear();
        }
        self.rows = 0;
        Ok(())
    }
}

pub(super) fn read(path: &Path) -> Result<Embeddings> {
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    let unreadable = |error: SafeTensorError| wrong(path, format!("is no file of embeddings: {error}"));
    let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(unreadable)?;
    let text = metadata.metadata().as_ref().and_then(|map| map.get(KEY));
    let text = text.ok_or_else(|| wrong(path, format!("has no metadata \"{KEY}\": it is no file of embeddings")))?;
    let header: Header =
        serde_json::from_str(text).map_err(|error| wrong(path, format!("metadata \"{KEY}\": {error}")))?;
    let file = SafeTensors::deserialize(&bytes).map_err(unreadable)?;
    let tensor = |name: &str, dtype: Dtype, width: Option<usize>| {
        let tensor = file.tensor(name).map_err(unreadable)?;
        if tensor.dtype() == dtype && tensor.shape().get(1).copied() == width && matches!(tensor.shape(), [_] | [_, _])
        {
            return Ok(tensor);
        }
        let (have, shape) = (tensor.dtype(), tensor.shape());
        let want = width.map_or("one value".to_owned(), |width| format!("{width} values"));
        Err(wrong(path, format!("{name} is {have:?} {shape:?}, {dtype:?} with {want} a row is wanted")))
    };
    if header.length == 0 {
        return Err(wrong(path, "holds vectors without values"));
    }
    let vectors = floats(tensor("embeddings", Dtype::F32, Some(header.length))?.data());
    let count = vectors.len() / header.length;
    let tiles = lines::read(path, tensor("tiles", Dtype::U8, None)?.data(), count)?;
    let ids = tensor("ids", Dtype::I64, None)?;
    if !ids.data().iter().copied().eq(tiles.iter().flat_map(|tile| tile.id.to_le_bytes())) {
        return Err(wrong(path, "has other ids than its tiles"));
    }
    let windows = tensor("windows", Dtype::I32, Some(4))?;
    if !windows.data().iter().copied().eq(tiles.iter().flat_map(|tile| tile.window).flat_map(u32::to_le_bytes)) {
        return Err(wrong(path, "has other windows than its tiles"));
    }
    Ok(Embeddings { header, tiles, vectors })
}
