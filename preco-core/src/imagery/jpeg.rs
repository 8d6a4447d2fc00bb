//! The marker structure of a JPEG file (ITU-T T.81, annex B): its size, and whether its end is there.
//!
//! The decoder fills what is missing of a cut file with grey and says nothing, so completeness is checked here. Only
//! markers are read; no pixel is decoded.

use std::io::{self, BufRead, Read};

const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;

/// Width and height from the first frame header; `None` where there is none before the pixels.
pub(super) fn dimensions(mut input: impl BufRead) -> io::Result<Option<(usize, usize)>> {
    loop {
        let Some(marker) = next_marker(&mut input)? else { return Ok(None) };
        match marker {
            SOI | 0x01 | 0xd0..=0xd7 => {}
            EOI | SOS => return Ok(None),
            // The frame headers, less the three other uses of this range: DHT, JPG and DAC.
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                let mut header = [0; 7];
                input.read_exact(&mut header)?;
                let [_, _, _, h1, h0, w1, w0] = header;
                return Ok(Some((u16::from_be_bytes([w1, w0]).into(), u16::from_be_bytes([h1, h0]).into())));
            }
            _ => skip_segment(&mut input)?,
        }
    }
}

/// True where the markers lead from the first one to an end-of-image marker; bytes after it do not matter.
///
/// Segments are jumped over by their length, so the end marker of an embedded thumbnail does not count.
pub(super) fn is_complete(bytes: &[u8]) -> bool {
    let mut input = bytes;
    loop {
        match next_marker(&mut input) {
            Ok(Some(EOI)) => return true,
            // Pixels follow a scan header: 0xff is stuffed with a zero there, which the search for a marker skips.
            Ok(Some(SOI | 0x01 | 0xd0..=0xd7)) => {}
            Ok(Some(_)) if skip_segment(&mut input).is_ok() => {}
            _ => return false,
        }
    }
}

/// The next byte after 0xff that is neither fill (0xff) nor stuffing (0); `None` at the end.
fn next_marker(input: &mut impl BufRead) -> io::Result<Option<u8>> {
    loop {
        if input.skip_until(0xff)? == 0 {
            return Ok(None);
        }
        let mut byte = [0xff];
        while byte[0] == 0xff {
            if input.read(&mut byte)? == 0 {
                return Ok(None);
            }
        }
        if byte[0] != 0 {
            return Ok(Some(byte[0]));
        }
    }
}

/// Jumps over a segment by the length it states.
fn skip_segment(input: &mut impl BufRead) -> io::Result<()> {
    let mut length = [0; 2];
    input.read_exact(&mut length)?;
    let body = u64::from(u16::from_be_bytes(length)).saturating_sub(2);
    if io::copy(&mut input.by_ref().take(body), &mut io::sink())? < body {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_marker_inside_a_segment_is_not_the_end() {
        let thumbnail = [0xff, 0xd8, 0xff, 0xe1, 0, 4, 0xff, 0xd9];
        assert!(!is_complete(&thumbnail));
        assert!(is_complete(&[&thumbnail[..], &[0xff, 0xd9, 7, 7]].concat()));
    }

    #[test]
    fn stuffed_bytes_restarts_and_fill_are_no_markers() {
        let scan = [0xff, 0xd8, 0xff, 0xda, 0, 2, 1, 0xff, 0, 0xff, 0xd0, 5, 0xff, 0xff, 0xff, 0xd9];
        assert!(is_complete(&scan));
        assert!(!is_complete(&scan[..scan.len() - 1]));
    }

    #[test]
    fn a_segment_longer_than_the_file_is_not_complete() {
        assert!(!is_complete(&[0xff, 0xd8, 0xff, 0xe0, 0xff, 0xff, 0xff, 0xd9]));
        assert!(!is_complete(&[]));
    }
}
