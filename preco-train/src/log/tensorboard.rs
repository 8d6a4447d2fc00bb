//! TensorBoard's event files, written without TensorBoard.
//!
//! A file is a row of records: length (u64), masked CRC-32C of the length, an `Event` in protobuf's wire format, masked
//! CRC-32C of the event, all little-endian (TFRecord). An event has wall_time (1, double), step (2, int64) and one of
//! file_version (3, string), summary (5) or session_log (7). A summary has values (1) of tag (1, string) and
//! simple_value (2, float). Sources: tensorflow/core/util/event.proto, tensorflow/core/lib/io/record_writer.h.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::error::{Error, Result};

const WALL_TIME: u32 = 1;
const STEP: u32 = 2;
const FILE_VERSION: u32 = 3;
const SUMMARY: u32 = 5;
const SESSION_LOG: u32 = 7;

/// An event file of a run.
pub struct EventFile {
    path: PathBuf,
    file: File,
    /// The latest time written, in seconds: a clock that goes backwards must not mix the curves.
    latest: f64,
}

impl EventFile {
    /// A new file in `folder`. A run that goes on after `resumed_at` updates says so: TensorBoard then forgets what
    /// earlier files say of later ones.
    ///
    /// # Errors
    /// [`Error::Io`] with the path.
    pub fn create(folder: &Path, resumed_at: Option<u64>) -> Result<Self> {
        let seconds = now().as_secs();
        let process = std::process::id();
        // Two starts within a second have names of their own: an earlier file is never written over.
        let mut attempt = 0;
        let (path, file) = loop {
            let path = folder.join(format!("events.out.tfevents.{seconds:010}.preco.{process}.{attempt}"));
            match File::options().write(true).create_new(true).open(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && attempt < 1000 => attempt += 1,
                Err(source) => return Err(Error::Io { action: "write", path, source }),
                Ok(file) => break (path, file),
            }
        };
        let mut events = Self { path, file, latest: 0.0 };
        let mut version = Vec::new();
        bytes_field(&mut version, FILE_VERSION, b"brain.Event:2");
        events.event(None, &version)?;
        if let Some(step) = resumed_at {
            let mut session = Vec::new();
            // SessionLog.status = START.
            varint_field(&mut session, 1, 1);
            let mut started = Vec::new();
            bytes_field(&mut started, SESSION_LOG, &session);
            events.event(Some(step + 1), &started)?;
        }
        Ok(events)
    }

    /// Figures of one update under tags such as `loss/total`.
    ///
    /// # Errors
    /// [`Error::Io`] with the path.
    pub fn scalars(&mut self, step: u64, values: &[(&str, f64)]) -> Result<()> {
        let mut summary = Vec::new();
        for (tag, value) in values {
            let mut entry = Vec::new();
            bytes_field(&mut entry, 1, tag.as_bytes());
            key(&mut entry, 2, 5);
            entry.extend((*value as f32).to_le_bytes());
            bytes_field(&mut summary, 1, &entry);
        }
        let mut event = Vec::new();
        bytes_field(&mut event, SUMMARY, &summary);
        self.event(Some(step), &event)
    }

    fn event(&mut self, step: Option<u64>, body: &[u8]) -> Result<()> {
        self.latest = self.latest.max(now().as_secs_f64());
        let mut event = Vec::with_capacity(body.len() + 24);
        key(&mut event, WALL_TIME, 1);
        event.extend(self.latest.to_le_bytes());
        if let Some(step) = step {
            varint_field(&mut event, STEP, step);
        }
        event.extend(body);
        // One write call a record: a reader sees it whole or not at all.
        self.file.write_all(&record(&event)).map_err(|source| Error::Io {
            action: "write",
            path: self.path.clone(),
            source,
        })
    }
}

/// Time since 1970; zero where the clock stands before it.
fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

fn record(event: &[u8]) -> Vec<u8> {
    let length = (event.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(event.len() + 16);
    record.extend(length);
    record.extend(masked_crc(&length).to_le_bytes());
    record.extend(event);
    record.extend(masked_crc(event).to_le_bytes());
    record
}

fn key(to: &mut Vec<u8>, field: u32, wire_type: u32) {
    varint(to, u64::from(field << 3 | wire_type));
}

fn varint_field(to: &mut Vec<u8>, field: u32, value: u64) {
    key(to, field, 0);
    varint(to, value);
}

fn bytes_field(to: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    key(to, field, 2);
    varint(to, bytes.len() as u64);
    to.extend(bytes);
}

/// Seven bits a byte, the lowest first; the high bit says that more follow.
fn varint(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

/// TFRecord's masking: a checksum of data that holds checksums would be weak.
fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli, reflected polynomial 0x82F63B78).
fn crc32c(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut at = 0;
        while at < 256 {
            let (mut value, mut bit) = (at as u32, 0);
            while bit < 8 {
                value = if value & 1 == 1 { value >> 1 ^ 0x82f6_3b78 } else { value >> 1 };
                bit += 1;
            }
            table[at] = value;
            at += 1;
        }
        table
    };
    !bytes.iter().fold(!0, |crc: u32, byte| crc >> 8 ^ TABLE[usize::from(crc as u8 ^ byte)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_the_published_ones() {
        // RFC 3720, appendix B.4, and the check value of the CRC catalogue.
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
    }

    #[test]
    fn numbers_take_seven_bits_a_byte() {
        let bytes = |value| {
            let mut to = Vec::new();
            varint(&mut to, value);
            to
        };
        assert_eq!(bytes(0), [0]);
        assert_eq!(bytes(127), [127]);
        assert_eq!(bytes(300), [0xac, 0x02]);
        assert_eq!(bytes(u64::MAX).len(), 10);
    }

    #[test]
    fn a_resumed_run_has_a_file_of_its_own() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let mut first = EventFile::create(folder.path(), None).expect("create");
        first.scalars(1, &[("loss/total", 0.5)]).expect("write");
        EventFile::create(folder.path(), Some(1)).expect("create");
        assert_eq!(std::fs::read_dir(folder.path()).expect("list").count(), 2);
        EventFile::create(&folder.path().join("none"), None).map(|_| ()).expect_err("no folder");
    }
}
