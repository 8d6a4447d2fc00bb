//! A file of flat buffers that knows whether it is whole.
//!
//! A safetensors file whose metadata holds one key, `preco.checkpoint`: a JSON object with what the buffers belong to and
//! the SHA-256 of all that. Written to a temporary name, synced and renamed, so a kill leaves the old file or the new
//! one; the digest tells what a disk or a copy has changed since.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Longest header that is read: a run's configuration is a few kilobytes.
const MOST_HEADER_BYTES: u64 = 16 << 20;
const KEY: &str = "preco.checkpoint";

#[derive(Serialize, Deserialize)]
struct Sealed {
    sha256: String,
    /// JSON as text: its bytes are in the digest.
    about: String,
}

/// Writes `buffers` with `about` to `path`. The bytes are a function of the values alone.
///
/// # Errors
/// The system's; the file that was there then still is.
pub(crate) fn write(path: &Path, about: &Value, buffers: &[(&str, &[f32])]) -> io::Result<()> {
    let about = serde_json::to_string(about)?;
    let mut digest = Sha256::new_with_prefix(&about);
    let mut header = serde_json::Map::new();
    let mut from = 0u64;
    for (name, values) in buffers {
        digest.update(name);
        each_chunk(values, |bytes| {
            digest.update(bytes);
            Ok(())
        })?;
        let to = from + 4 * values.len() as u64;
        header.insert((*name).to_owned(), json!({"dtype": "F32", "shape": [values.len()], "data_offsets": [from, to]}));
        from = to;
    }
    let sealed = Sealed { sha256: hex(&digest.finalize()), about };
    header.insert("__metadata__".to_owned(), json!({ KEY: serde_json::to_string(&sealed)? }));
    let mut header = serde_json::to_string(&header)?;
    header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));
    preco_core::files::write_atomic(path, |out| {
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(header.as_bytes())?;
        buffers.iter().try_for_each(|(_, values)| each_chunk(values, |bytes| out.write_all(bytes)))
    })
}

/// What [`write`] wrote, once every byte is known to be as it was written.
///
/// # Errors
/// A sentence on what is wrong with the file.
pub(crate) fn read(path: &Path) -> Result<(Value, BTreeMap<String, Vec<f32>>), String> {
    let mut file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let length = file.metadata().map_err(|error| error.to_string())?.len();
    let (sealed, mut spans) = read_header(&mut file, length)?;
    spans.sort_by_key(|(_, from, _)| *from);
    let mut digest = Sha256::new_with_prefix(&sealed.about);
    let (mut buffers, mut end) = (BTreeMap::new(), 0);
    for (name, from, to) in spans {
        if from != end || to < from || (to - from) % 4 != 0 {
            return Err(format!("{name} spans {from} to {to}, after {end}"));
        }
        let mut bytes = vec![0; (to - from) as usize];
        file.read_exact(&mut bytes).map_err(|error| format!("{name} cannot be read: {error}"))?;
        digest.update(&name);
        digest.update(&bytes);
        let values = bytes.chunks_exact(4).map(|raw| f32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]])).collect();
        buffers.insert(name, values);
        end = to;
    }
    let found = hex(&digest.finalize());
    if found != sealed.sha256 {
        return Err(format!("its bytes have SHA-256 {}…, written were {}…", &found[..8], short(&sealed.sha256)));
    }
    let about = serde_json::from_str(&sealed.about).map_err(|error| format!("what it is about is no JSON: {error}"))?;
    Ok((about, buffers))
}

/// What a file says it is about. Nothing is checked: it may have changed since, or lack its buffers.
pub(crate) fn peek(path: &Path) -> Option<Value> {
    let mut file = std::fs::File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    let (sealed, _) = read_header(&mut file, length).ok()?;
    serde_json::from_str(&sealed.about).ok()
}

type Span = (String, u64, u64);

/// The seal and where each buffer lies, for a file of `length` bytes.
fn read_header(file: &mut std::fs::File, length: u64) -> Result<(Sealed, Vec<Span>), String> {
    let mut size = [0; 8];
    file.read_exact(&mut size).map_err(|_| format!("it has {length} bytes"))?;
    let size = u64::from_le_bytes(size);
    if size > MOST_HEADER_BYTES || size + 8 > length {
        return Err(format!("its header should take {size} bytes, the file has {length}"));
    }
    let mut header = vec![0; size as usize];
    file.read_exact(&mut header).map_err(|error| error.to_string())?;
    let header: serde_json::Map<String, Value> =
        serde_json::from_slice(&header).map_err(|error| format!("its header is no JSON object: {error}"))?;
    let seal = header.get("__metadata__").and_then(|metadata| metadata.get(KEY)).and_then(Value::as_str);
    let seal = seal.ok_or("it is no checkpoint of a run: its metadata has no preco.checkpoint")?;
    let sealed: Sealed = serde_json::from_str(seal).map_err(|error| format!("its seal cannot be read: {error}"))?;
    let mut spans = Vec::new();
    for (name, entry) in header.iter().filter(|(name, _)| *name != "__metadata__") {
        let offset = |at: usize| entry.get("data_offsets").and_then(|both| both.get(at)).and_then(Value::as_u64);
        let (Some(from), Some(to)) = (offset(0), offset(1)) else {
            return Err(format!("{name} has no offsets"));
        };
        if to > length - 8 - size {
            return Err(format!("{name} should end at byte {to} of {} that follow the header", length - 8 - size));
        }
        spans.push((name.clone(), from, to));
    }
    Ok((sealed, spans))
}

/// Little-endian bytes of `values`, a piece at a time: no second copy of a model in memory.
fn each_chunk(values: &[f32], mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(1 << 16);
    for part in values.chunks(1 << 14) {
        bytes.clear();
        bytes.extend(part.iter().flat_map(|value| value.to_le_bytes()));
        take(&bytes)?;
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn short(text: &str) -> &str {
    text.get(..8).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("a.safetensors");
        write(&path, &json!({"step": 7}), &[("params", &[1.0, -2.5]), ("m", &[f32::MIN_POSITIVE])]).expect("write");
        (folder, path)
    }

    #[test]
    fn what_was_written_is_read_and_other_readers_see_tensors() {
        let (_folder, path) = written();
        let (about, buffers) = read(&path).expect("read");
        assert_eq!(about, json!({"step": 7}));
        assert_eq!(peek(&path).as_ref(), Some(&about));
        assert_eq!(buffers["params"], [1.0, -2.5]);
        assert_eq!(buffers["m"], [f32::MIN_POSITIVE]);
        let bytes = std::fs::read(&path).expect("read");
        let tensors = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
        assert_eq!(tensors.tensor("params").expect("tensor").shape(), [2]);
        write(&path, &about, &[("params", &[1.0, -2.5]), ("m", &[f32::MIN_POSITIVE])]).expect("write again");
        assert_eq!(std::fs::read(&path).expect("read"), bytes, "the same values must give the same bytes");
    }

    #[test]
    fn every_cut_and_every_changed_byte_is_noticed() {
        let (_folder, path) = written();
        let (good, want) = (std::fs::read(&path).expect("read"), read(&path).expect("whole"));
        for length in 0..good.len() {
            std::fs::write(&path, &good[..length]).expect("write");
            read(&path).expect_err("cut");
        }
        let mut noticed = 0;
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            std::fs::write(&path, &bad).expect("write");
            match read(&path) {
                // Padding, types and shapes are for other readers: what we read is still what was written.
                Ok(got) => assert_eq!(got, want, "byte {at}"),
                Err(_) => noticed += 1,
            }
        }
        assert!(noticed > good.len() / 2, "{noticed} of {}", good.len());
    }
}
