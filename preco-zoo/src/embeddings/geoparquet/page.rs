//! A Parquet file whose pages cannot ask for more memory than their bytes could ever fill.
//!
//! A page's header (Thrift's compact protocol, `PageHeader` of parquet.thrift) claims an uncompressed size, and the
//! library allocates it before it looks at the page. Snappy's best is a copy of 64 bytes told in 3; more is refused.

use std::fs::File;
use std::io::{BufReader, Read};

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

/// Bytes that a compressed byte can become, above Snappy's 64 / 3.
const EXPANSION: i64 = 32;
/// Structures within structures; a page's header has 3.
const DEPTH: usize = 8;

// Kinds of Thrift's compact protocol.
const STOP: u8 = 0;
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const STRUCT: u8 = 12;

/// A file that looks at a page's header before the library does.
pub(super) struct Pages {
    file: File,
    len: u64,
}

impl Pages {
    pub(super) fn of(file: File) -> std::io::Result<Self> {
        Ok(Self { len: file.metadata()?.len(), file })
    }
}

impl Length for Pages {
    fn len(&self) -> u64 {
        self.len
    }
}

impl ChunkReader for Pages {
    type T = BufReader<File>;

    /// What stands at `start`, which must be a page's header.
    fn get_read(&self, start: u64) -> Result<Self::T> {
        let [uncompressed, compressed] = Header { rest: self.file.get_read(start)?.take(self.len) }.sizes()?;
        if !(0..=i64::from(i32::MAX)).contains(&compressed) || uncompressed > compressed.saturating_mul(EXPANSION) {
            return Err(wrong(format!("a page of {compressed} bytes claims to hold {uncompressed}")));
        }
        self.file.get_read(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        if start.checked_add(length as u64).is_none_or(|end| end > self.len) {
            return Err(wrong(format!("{length} bytes at {start} lie beyond the file's end at {}", self.len)));
        }
        self.file.get_bytes(start, length)
    }
}

fn wrong(reason: String) -> ParquetError {
    ParquetError::General(reason)
}

/// A page's header on its way in.
struct Header<R> {
    rest: R,
}

impl<R: Read> Header<R> {
    /// Uncompressed and compressed size: its second and third field.
    fn sizes(&mut self) -> Result<[i64; 2]> {
        let (mut sizes, mut id) = ([0; 2], 0i64);
        loop {
            let head = self.byte()?;
            let kind = head & 15;
            if kind == STOP {
                return Ok(sizes);
            }
            id = match i64::from(head >> 4) {
                0 => self.number()?,
                step => id.saturating_add(step),
            };
            match (id, kind) {
                // Should one be told twice, the largest claim and the smallest cover.
                (2, I32) => sizes[0] = sizes[0].max(self.number()?),
                (3, I32) => sizes[1] = self.number()?,
                _ => self.skip(kind, DEPTH)?,
            }
        }
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Result<()> {
        match kind {
            _ if depth == 0 => return Err(wrong("a page's header is nested too deeply".to_owned())),
            TRUE | FALSE => {}
            BYTE => _ = self.byte()?,
            I16 | I32 | I64 => _ = self.number()?,
            DOUBLE => self.bytes(8)?,
            BINARY => {
                let len = self.varint()?;
                self.bytes(len)?;
            }
            LIST | SET => {
                let head = self.byte()?;
                let count = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
                for _ in 0..count {
                    // An element takes a byte at least, so the file's end ends this.
                    match head & 15 {
                        TRUE | FALSE => _ = self.byte()?,
                        kind => self.skip(kind, depth - 1)?,
                    }
                }
            }
            STRUCT => loop {
                let head = self.byte()?;
                match (head & 15, head >> 4) {
                    (STOP, _) => break,
                    (kind, step) => {
                        if step == 0 {
                            self.number()?;
                        }
                        self.skip(kind, depth - 1)?;
                    }
                }
            },
            _ => return Err(wrong(format!("a page's header has a field of unknown kind {kind}"))),
        }
        Ok(())
    }

    fn byte(&mut self) -> Result<u8> {
        let mut byte = [0];
        self.rest.read_exact(&mut byte)?;
        Ok(byte[0])
    }

    fn bytes(&mut self, count: u64) -> Result<()> {
        std::io::copy(&mut self.rest.by_ref().take(count), &mut std::io::sink())?;
        Ok(())
    }

    fn varint(&mut self) -> Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 127) << shift;
            if byte & 128 == 0 {
                return Ok(value);
            }
        }
        Err(wrong("a page's header has a number of more than 64 bits".to_owned()))
    }

    /// A signed number: zigzag.
    fn number(&mut self) -> Result<i64> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_found_behind_other_fields_and_the_larger_claim_counts() {
        // type 0, sizes 100 and 40, a structure with a number, a text and a truth, and once more size 900.
        let bytes = [
            0x15, 0x00, 0x15, 0xC8, 0x01, 0x15, 0x50, 0x2C, 0x15, 0x02, 0x18, 0x02, b'a', b'b', 0x11, 0x00, 0x05, 0x04,
            0x88, 0x0E, 0x00,
        ];
        assert_eq!(Header { rest: &bytes[..] }.sizes().expect("sizes"), [900, 40]);
        for len in 0..bytes.len() {
            Header { rest: &bytes[..len] }.sizes().expect_err("cut off");
        }
    }
}
