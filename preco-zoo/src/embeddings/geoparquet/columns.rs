//! Columns by name: a value or a list for each row, whoever wrote them.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Repetition, Type};
use parquet::column::reader::{get_column_reader, get_typed_column_reader};
use parquet::data_type::{ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use super::super::format::wrong;
use super::budget::{Bounded, Budget};
use super::page::Pages;
use crate::error::{Error, Result};

/// Rows that are read at once.
const AT_ONCE: usize = 1024;

/// An open file.
pub(super) struct Table<'a> {
    path: &'a Path,
    metadata: ParquetMetaData,
    file: Arc<Pages>,
    budget: Budget,
    /// Leaf columns by the name of their root; nothing where a root has several.
    columns: HashMap<String, Option<usize>>,
}

/// The lists of a column, one after the other.
pub(super) struct Lists<T> {
    pub(super) values: Vec<T>,
    /// Where the list of each row ends in `values`.
    ends: Vec<usize>,
}

impl<T> Lists<T> {
    /// Rows.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The list of a row; empty where it is null.
    pub(super) fn row(&self, at: usize) -> &[T] {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.values[start..self.ends[at]]
    }
}

impl<'a> Table<'a> {
    pub(super) fn open(path: &'a Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("read", path))?;
        let len = file.metadata().map_err(Error::io("read", path))?.len();
        let metadata = ParquetMetaDataReader::new().parse_and_finish(&file);
        let metadata = metadata.map_err(|error| wrong(path, format!("cannot be read as Parquet: {error}")))?;
        let mut columns = HashMap::new();
        for (at, column) in metadata.file_metadata().schema_descr().columns().iter().enumerate() {
            let root = column.path().parts().first().cloned().unwrap_or_default();
            columns.entry(root).and_modify(|column| *column = None).or_insert(Some(at));
        }
        let file = Arc::new(Pages::of(file).map_err(Error::io("read", path))?);
        Ok(Self { path, metadata, file, budget: Budget::of(len), columns })
    }

    /// A value of the file's own metadata.
    pub(super) fn metadata(&self, key: &str) -> Option<&str> {
        let pairs = self.metadata.file_metadata().key_value_metadata()?;
        pairs.iter().find(|pair| pair.key == key)?.value.as_deref()
    }

    /// Whole numbers of 32 or 64 bits, one in each row, none negative.
    pub(super) fn numbers<N: TryFrom<i64>>(&self, name: &str) -> Result<Vec<N>> {
        let numbers: Vec<i64> = match self.kind(name)? {
            Type::INT32 => self.required::<Int32Type>(name)?.into_iter().map(i64::from).collect(),
            _ => self.required::<Int64Type>(name)?,
        };
        let number = |number: i64| N::try_from(number).map_err(|_| self.wrong(name, format!("holds {number}")));
        numbers.into_iter().map(number).collect()
    }

    /// A text in each row, or nothing where it is null.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<Option<String>>> {
        let text = |bytes: &[u8]| {
            // Each row gets its own copy of what may be stored once.
            self.budget.pay(bytes.len() as u64).map_err(|error| self.wrong(name, error.to_string()))?;
            String::from_utf8(bytes.to_vec()).map_err(|_| self.wrong(name, "holds bytes that are no UTF-8"))
        };
        let texts = self.optional::<ByteArrayType>(name)?;
        texts.into_iter().map(|bytes| bytes.map(|bytes| text(bytes.data())).transpose()).collect()
    }

    /// A value in each row.
    pub(super) fn required<T: DataType>(&self, name: &str) -> Result<Vec<T::T>> {
        let values = self.optional::<T>(name)?.into_iter().enumerate();
        let value = |(at, value): (usize, Option<T::T>)| {
            value.ok_or_else(|| self.wrong(name, format!("has no value in row {at}")))
        };
        values.map(value).collect()
    }

    /// A value in each row, or nothing where it is null.
    pub(super) fn optional<T: DataType>(&self, name: &str) -> Result<Vec<Option<T::T>>> {
        let lists = self.levels::<T>(name, 0)?;
        let (mut values, mut before) = (lists.values.into_iter(), 0);
        let value = |end: usize| if std::mem::replace(&mut before, end) < end { values.next() } else { None };
        Ok(lists.ends.into_iter().map(value).collect())
    }

    /// A list in each row, empty where it is null.
    pub(super) fn lists<T: DataType>(&self, name: &str) -> Result<Lists<T::T>> {
        self.levels::<T>(name, 1)
    }

    /// Says what is wrong with a column.
    pub(super) fn wrong(&self, name: &str, reason: impl std::fmt::Display) -> Error {
        wrong(self.path, format!("column {name} {reason}"))
    }

    fn column(&self, name: &str) -> Result<usize> {
        match self.columns.get(name) {
            Some(Some(column)) => Ok(*column),
            Some(None) => Err(self.wrong(name, "is a structure of several columns, a value or list is wanted")),
            None => Err(wrong(self.path, format!("has no column {name}: it is no file of embeddings"))),
        }
    }

    fn kind(&self, name: &str) -> Result<Type> {
        let column = self.column(name)?;
        Ok(self.metadata.file_metadata().schema_descr().column(column).physical_type())
    }

    /// Values and rows of a column whose values repeat in `depth` lists.
    fn levels<T: DataType>(&self, name: &str, depth: i16) -> Result<Lists<T::T>> {
        let column = self.column(name)?;
        let descriptor = self.metadata.file_metadata().schema_descr().column(column);
        if descriptor.physical_type() != T::get_physical_type() {
            let (have, want) = (descriptor.physical_type(), T::get_physical_type());
            return Err(self.wrong(name, format!("holds {have}, {want} is wanted")));
        }
        if descriptor.max_rep_level() != depth {
            let what = if depth == 0 { "one value in each row" } else { "a list of values in each row" };
            return Err(self.wrong(name, format!("is no column of {what}")));
        }
        let defined_at = descriptor.max_def_level();
        let is_leaf_optional = descriptor.self_type().get_basic_info().repetition() == Repetition::OPTIONAL;
        // From here on there is an element; below its own level it is null.
        let element_at = if depth > 0 && is_leaf_optional { defined_at - 1 } else { defined_at };
        let mut lists = Lists { values: Vec::new(), ends: Vec::new() };
        for group in self.metadata.row_groups() {
            let failed = |error: ParquetError| self.wrong(name, format!("cannot be read: {error}"));
            let rows = usize::try_from(group.num_rows()).map_err(|_| self.wrong(name, "has less than no rows"))?;
            let chunk = group.columns().get(column).ok_or_else(|| self.wrong(name, "is missing in a group of rows"))?;
            let pages = Bounded::of(&self.file, chunk, rows, size_of::<T::T>(), &self.budget).map_err(failed)?;
            let mut reader = get_typed_column_reader::<T>(get_column_reader(descriptor.clone(), Box::new(pages)));
            let mut left = rows;
            while left > 0 {
                let (mut defined, mut repeated) = (Vec::new(), Vec::new());
                let before = lists.values.len();
                let read =
                    reader.read_records(left.min(AT_ONCE), Some(&mut defined), Some(&mut repeated), &mut lists.values);
                let (records, _, levels) = read.map_err(failed)?;
                if records == 0 {
                    return Err(self.wrong(name, format!("lacks {left} of {rows} rows of a group")));
                }
                left = left.saturating_sub(records);
                let mut end = before;
                for at in 0..levels {
                    let defined = if defined_at == 0 { 0 } else { defined.get(at).copied().unwrap_or(-1) };
                    if depth == 0 || repeated.get(at) == Some(&0) {
                        lists.ends.push(end);
                    }
                    if defined == defined_at {
                        end += 1;
                    } else if depth > 0 && defined >= element_at {
                        let row = lists.ends.len().saturating_sub(1);
                        return Err(self.wrong(name, format!("has an empty element in row {row}")));
                    }
                    match lists.ends.last_mut() {
                        Some(last) => *last = end,
                        None => return Err(self.wrong(name, "begins within a row")),
                    }
                }
                if end != lists.values.len() {
                    return Err(self.wrong(name, "has other values than its levels say"));
                }
            }
        }
        Ok(lists)
    }
}
