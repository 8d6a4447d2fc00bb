//! A safetensors file with one tensor, `embeddings` `(rows, length)`; the header is its metadata, tiles lie beside it.

use std::path::Path;

use serde_json::json;

use super::format::wrong;
use super::lines::numbers_and_lines;
use super::npy::floats;
use super::{Header, Row};
use crate::error::{Error, Result};

const TENSOR: &str = "embeddings";
/// The metadata's only key: with two the order, and so the bytes, would be the writer's mood.
const KEY: &str = "preco";

pub(super) fn write(path: &Path, header: &Header, count: usize, rows: impl Iterator<Item = Result<Row>>) -> Result<()> {
    let text = serde_json::to_string(header).map_err(|error| wrong(path, error.to_string()))?;
    let shape = [count, header.length];
    let entry = json!({ "dtype": "F32", "shape": shape, "data_offsets": [0, 4 * count * header.length] });
    let mut head = json!({ "__metadata__": { KEY: text }, TENSOR: entry }).to_string();
    head.push_str(&" ".repeat(head.len().next_multiple_of(8) - head.len()));
    let head = [&(head.len() as u64).to_le_bytes(), head.as_bytes()].concat();
    numbers_and_lines(path, &head, rows)
}

/// The header and the vectors.
pub(super) fn read(path: &Path) -> Result<(Header, Vec<f32>)> {
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    let unreadable = |error: ::safetensors::SafeTensorError| wrong(path, format!("is no safetensors file: {error}"));
    let (_, metadata) = ::safetensors::SafeTensors::read_metadata(&bytes).map_err(unreadable)?;
    let text = metadata.metadata().as_ref().and_then(|map| map.get(KEY));
    let text = text.ok_or_else(|| wrong(path, format!("has no metadata \"{KEY}\": it is no file of embeddings")))?;
    let header: Header = serde_json::from_str(text).map_err(|error| wrong(path, format!("metadata: {error}")))?;
    let file = ::safetensors::SafeTensors::deserialize(&bytes).map_err(unreadable)?;
    let tensor = file.tensor(TENSOR).map_err(unreadable)?;
    match (tensor.dtype(), tensor.shape()) {
        (::safetensors::Dtype::F32, [_, length]) if *length == header.length && *length > 0 => {
            Ok((header, floats(tensor.data())))
        }
        (dtype, shape) => {
            let reason = format!("{TENSOR} is {dtype:?} {shape:?}, not F32 with {} values a row", header.length);
            Err(wrong(path, reason))
        }
    }
}
