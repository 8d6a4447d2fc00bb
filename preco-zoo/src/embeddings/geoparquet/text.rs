//! Pages of texts (PLAIN `BYTE_ARRAY`: each behind its length of 4 bytes), checked before they are decoded.
//!
//! The library meets a length that is cut off with a panic. So texts must fill their page to the end, and behind it
//! stands a length that no page has: who asks for one text too many gets an error.

use bytes::Bytes;
use parquet::column::page::Page;
use parquet::errors::{ParquetError, Result};

/// Bytes of a length.
const LENGTH: usize = 4;

/// Checks the texts of `page`, which stand behind `levels` kinds of levels, and ends it.
pub(super) fn seal(page: &mut Page, levels: usize) -> Result<()> {
    let cut = || ParquetError::General("has texts that do not end with their page".to_owned());
    let start = match page {
        Page::DictionaryPage { .. } => Some(0),
        Page::DataPageV2 { def_levels_byte_len, rep_levels_byte_len, .. } => {
            (*def_levels_byte_len as usize).checked_add(*rep_levels_byte_len as usize)
        }
        Page::DataPage { buf, .. } => (0..levels).try_fold(0, |at, _| behind(buf, at)),
    };
    let (Page::DataPage { buf, .. } | Page::DataPageV2 { buf, .. } | Page::DictionaryPage { buf, .. }) = page;
    let mut at = start.ok_or_else(cut)?;
    while at < buf.len() {
        at = behind(buf, at).ok_or_else(cut)?;
    }
    if at != buf.len() {
        return Err(cut());
    }
    *buf = Bytes::from([&buf[..], &[0xFF; LENGTH]].concat());
    Ok(())
}

/// Where a text ends whose length stands at `at`, if it ends in the page.
fn behind(page: &[u8], at: usize) -> Option<usize> {
    let start = at.checked_add(LENGTH)?;
    let length = u32::from_le_bytes(page.get(at..start)?.try_into().ok()?);
    start.checked_add(length as usize).filter(|&end| end <= page.len())
}
