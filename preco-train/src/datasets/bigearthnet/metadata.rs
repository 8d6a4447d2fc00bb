//! Version 2's table of labels.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};

use crate::error::{Error, Result};

/// What the table says of a patch.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Its classes.
    pub(super) labels: Vec<String>,
    /// `train`, `validation` or `test`, where the table has such a column.
    pub(super) split: Option<String>,
}

/// What is said of each patch, by its name.
///
/// # Errors
/// [`Error::Io`]; [`Error::Data`] where it is no such table.
pub(super) fn read(path: &Path) -> Result<HashMap<String, Entry>> {
    let wrong = |reason: String| Error::data(path, reason);
    let file = File::open(path).map_err(|source| Error::read(path, source))?;
    let reader = SerializedFileReader::new(file).map_err(|error| wrong(format!("is no Parquet file: {error}")))?;
    let mut table = HashMap::new();
    let compressed = |error: parquet::errors::ParquetError| {
        let text = error.to_string();
        let hint = if text.contains("compile") { "; plain and Snappy are read, so write it again so" } else { "" };
        wrong(format!("{text}{hint}"))
    };
    for row in reader.get_row_iter(None).map_err(compressed)? {
        let row = row.map_err(compressed)?;
        let (name, entry) = parts(&row).ok_or_else(|| wrong("lacks patch_id or labels in a row".to_owned()))?;
        table.insert(name, entry);
    }
    Ok(table)
}

fn parts(row: &Row) -> Option<(String, Entry)> {
    let column = |name: &str| row.get_column_iter().find(|(column, _)| *column == name).map(|(_, field)| field);
    let Field::Str(name) = column("patch_id")? else { return None };
    let Field::ListInternal(list) = column("labels")? else { return None };
    let text = |field: &Field| match field {
        Field::Str(text) => Some(text.clone()),
        _ => None,
    };
    let labels = list.elements().iter().map(text).collect::<Option<_>>()?;
    Some((name.clone(), Entry { labels, split: column("split").and_then(text) }))
}
