//! Pages of a column, as long as a file of that length could honestly hold them.
//!
//! Dictionaries and run lengths let a few bytes stand for billions of values. Each page is paid for before it is
//! decoded, from one budget for the whole file; and what the library would meet with a panic is refused here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parquet::basic::{Encoding, Type};
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::SerializedPageReader;

use super::page::Pages;
use super::text::seal;

/// Bytes in memory for a byte of the file. Ours need 3 at most; equal vectors in a dictionary need more.
const PER_BYTE: u64 = 64;
/// And for a file of any length.
const LEAST: u64 = 16 << 20;

/// What may still be decoded of a file.
#[derive(Clone)]
pub(super) struct Budget {
    left: Arc<AtomicU64>,
}

impl Budget {
    /// For a file of `len` bytes.
    pub(super) fn of(len: u64) -> Self {
        Self { left: Arc::new(AtomicU64::new(len.saturating_mul(PER_BYTE).saturating_add(LEAST))) }
    }

    /// Pays for `bytes`.
    pub(super) fn pay(&self, bytes: u64) -> Result<()> {
        let pay = |left: u64| left.checked_sub(bytes);
        let paid = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, pay);
        paid.map(|_| ()).map_err(|_| wrong("claims more values than a file of this length can hold"))
    }
}

fn wrong(reason: &str) -> ParquetError {
    ParquetError::General(reason.to_owned())
}

/// The pages of a column in a group of rows.
pub(super) struct Bounded {
    pages: SerializedPageReader<Pages>,
    /// Read ahead, so that the end of a row in the page before is known.
    next: Option<Page>,
    has_begun: bool,
    has_dictionary: bool,
    /// Kinds of levels before the values: repetition, definition, both or none.
    levels: usize,
    is_text: bool,
    value_bytes: u64,
    budget: Budget,
}

impl Bounded {
    /// Of values that take `value_bytes` in memory, in a group of `rows` rows.
    pub(super) fn of(
        file: &Arc<Pages>,
        column: &ColumnChunkMetaData,
        rows: usize,
        value_bytes: usize,
        budget: &Budget,
    ) -> Result<Self> {
        let descriptor = column.column_descr();
        // The library takes these as they are, and would add them up.
        let starts = [column.data_page_offset(), column.dictionary_page_offset().unwrap_or(0)];
        if starts.iter().any(|&start| start < 0) || column.compressed_size() < 0 {
            return Err(wrong("lies before the file's beginning"));
        }
        Ok(Self {
            pages: SerializedPageReader::new(Arc::clone(file), column, rows, None)?,
            next: None,
            has_begun: false,
            has_dictionary: false,
            levels: usize::from(descriptor.max_def_level() > 0) + usize::from(descriptor.max_rep_level() > 0),
            is_text: descriptor.physical_type() == Type::BYTE_ARRAY,
            value_bytes: value_bytes as u64,
            budget: budget.clone(),
        })
    }

    fn fetch(&mut self) -> Result<Option<Page>> {
        let Some(mut page) = self.pages.get_next_page()? else { return Ok(None) };
        // A value with its two levels.
        let values = u64::from(page.num_values()) * (self.value_bytes + 4);
        self.budget.pay(values + page.buffer().len() as u64)?;
        let is_dictionary = matches!(page.encoding(), Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY);
        match page {
            Page::DictionaryPage { .. } => self.has_dictionary = true,
            _ if is_dictionary && !self.has_dictionary => return Err(wrong("has indices without a dictionary")),
            _ if !is_dictionary && page.encoding() != Encoding::PLAIN => {
                let reason = format!("is encoded as {}: write it as PLAIN or with a dictionary", page.encoding());
                return Err(wrong(&reason));
            }
            Page::DataPage { def_level_encoding, rep_level_encoding, .. } => {
                if self.levels > 0 && [def_level_encoding, rep_level_encoding].into_iter().any(|by| by != Encoding::RLE)
                {
                    return Err(wrong("has levels that are not run lengths"));
                }
            }
            Page::DataPageV2 { ref buf, def_levels_byte_len, rep_levels_byte_len, .. } => {
                if u64::from(def_levels_byte_len) + u64::from(rep_levels_byte_len) > buf.len() as u64 {
                    return Err(wrong("has levels that are longer than their page"));
                }
            }
        }
        if self.is_text && !(is_dictionary && page.is_data_page()) {
            seal(&mut page, self.levels)?;
        }
        Ok(Some(page))
    }
}

impl PageReader for Bounded {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        if !self.has_begun {
            self.has_begun = true;
            self.next = self.fetch()?;
        }
        let page = self.next.take();
        if page.is_some() {
            self.next = self.fetch()?;
        }
        Ok(page)
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        // The second version begins a page with a row; the first may go on with one.
        Ok(matches!(self.next, None | Some(Page::DataPageV2 { .. })))
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        Err(wrong("is read page after page"))
    }

    fn skip_next_page(&mut self) -> Result<()> {
        Err(wrong("is read page after page"))
    }
}

impl Iterator for Bounded {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}
