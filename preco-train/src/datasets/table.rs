//! Labels in a table: CSV with a header, or JSON lines.
//!
//! A row names a file, from the table's own folder on or absolute, and its label (`label`) or labels (`labels`, in CSV with
//! `;` between them). Labels are names, or numbers from 0 where the classes are given. Without given classes they are the
//! labels that occur, sorted.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use preco_core::imagery::{Image8, ImageInfo};
use preco_core::rng::fnv1a64;
use rayon::prelude::*;
use serde::Deserialize;

use super::{BandReader, ImageSource, Unreadable};
use crate::error::{Error, Result};

/// Images by a table of labels.
#[derive(Clone, Debug)]
pub struct LabelTable {
    rows: Vec<Row>,
    classes: Vec<String>,
    reader: BandReader,
}

#[derive(Clone, Debug)]
struct Row {
    /// As the table says.
    name: String,
    path: PathBuf,
    info: ImageInfo,
    labels: Vec<usize>,
}

/// A line of the table.
#[derive(Deserialize)]
struct Line {
    path: String,
    #[serde(default)]
    label: Option<Word>,
    #[serde(default)]
    labels: Option<Words>,
}

/// A name or a number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Word {
    Text(String),
    Number(i64),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Words {
    /// With `;` between them.
    Text(String),
    List(Vec<Word>),
}

impl Word {
    fn text(self) -> String {
        match self {
            Self::Text(text) => text.trim().to_owned(),
            Self::Number(number) => number.to_string(),
        }
    }
}

impl LabelTable {
    /// The images of `table`, read by `reader`; `classes` where they are known already, as those of the images that were
    /// trained on.
    ///
    /// # Errors
    /// [`Error::Io`] where the table cannot be read; [`Error::Data`] with its line for what is no row, a label that is no
    /// class, a number out of range, a path that occurs twice, and more than `most` files that are no images; so many are
    /// left out and told.
    pub fn open(
        table: &Path,
        classes: Option<&[String]>,
        reader: BandReader,
        most: usize,
    ) -> Result<(Self, Vec<Unreadable>)> {
        let mut seen: HashMap<String, usize> = HashMap::new();
        let lines = lines(table)?;
        if lines.is_empty() {
            return Err(Error::data(table, "has no row below its header"));
        }
        let mut names: Vec<String> = match classes {
            Some(classes) => classes.to_vec(),
            None => lines.iter().flat_map(|(_, _, labels)| labels.iter().cloned()).collect(),
        };
        if classes.is_none() {
            names.sort();
            names.dedup();
        }
        let folder = table.parent().unwrap_or(Path::new(""));
        let mut rows = Vec::with_capacity(lines.len());
        for (number, name, labels) in lines {
            let wrong = |reason: String| Error::data(table, format!("line {number}: {reason}"));
            if let Some(earlier) = seen.insert(name.clone(), number) {
                return Err(wrong(format!("{name} is in line {earlier} already: give each image once")));
            }
            let mut own = Vec::with_capacity(labels.len());
            for label in labels {
                own.push(class_of(&label, &names, classes.is_some()).map_err(wrong)?);
            }
            own.sort_unstable();
            own.dedup();
            let (path, info) = (folder.join(&name), ImageInfo { width: 0, height: 0, bits: 8 });
            rows.push((number, Row { name, path, info, labels: own }));
        }
        let headers: Vec<Result<ImageInfo>> = rows.par_iter().map(|(_, row)| reader.probe(&row.path)).collect();
        let (mut checked, mut left_out) = (Vec::with_capacity(rows.len()), Vec::new());
        for ((number, mut row), header) in rows.into_iter().zip(headers) {
            match header {
                Ok(info) => {
                    row.info = info;
                    checked.push(row);
                }
                Err(error) if left_out.len() < most => {
                    tracing::warn!("left out: {error}");
                    left_out.push(Unreadable { name: row.name, reason: error.to_string() });
                }
                Err(error) => return Err(Error::data(table, format!("line {number}: {error}"))),
            }
        }
        if checked.is_empty() {
            return Err(Error::data(table, "names no image that can be read"));
        }
        Ok((Self { rows: checked, classes: names, reader }, left_out))
    }

    /// The files, in the table's order.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.rows.iter().map(|row| row.path.as_path())
    }
}

/// The place of a label among the classes: by its name, or as a number where they are given.
fn class_of(label: &str, classes: &[String], given: bool) -> std::result::Result<usize, String> {
    if let Some(class) = classes.iter().position(|class| class == label) {
        return Ok(class);
    }
    match label.parse::<usize>() {
        Ok(class) if given && class < classes.len() => Ok(class),
        Ok(class) if given => {
            Err(format!("label {class} is out of range: there are {} classes, from 0", classes.len()))
        }
        _ => Err(format!("there is no class \"{label}\"; there are {}", classes.join(", "))),
    }
}

/// A path without detours, from the table's folder on where it lies there: a name is by what images are told apart.
fn plain(path: &str, folder: &Path) -> String {
    let within = |path: &Path| Some(path.strip_prefix(folder.canonicalize().ok()?).ok()?.to_path_buf());
    let path = Path::new(path);
    let path = if path.is_absolute() { within(path).unwrap_or_else(|| path.to_path_buf()) } else { path.to_path_buf() };
    // `components` leaves out what `.` is, but for the first.
    path.components().filter(|part| *part != Component::CurDir).collect::<PathBuf>().to_string_lossy().into_owned()
}

/// Line number, path and labels of each row.
fn lines(table: &Path) -> Result<Vec<(usize, String, Vec<String>)>> {
    let text = std::fs::read_to_string(table).map_err(|source| Error::read(table, source))?;
    let text = text.trim_start_matches('\u{feff}');
    let folder = table.parent().unwrap_or(Path::new(""));
    let is_json = table.extension().is_some_and(|ending| ending == "jsonl" || ending == "ndjson");
    let wrong = |number: usize, reason: String| Error::data(table, format!("line {number}: {reason}"));
    let mut rows = Vec::new();
    let mut add = |number: usize, line: Line| -> Result<()> {
        let labels = match (line.label, line.labels) {
            (Some(label), None) => vec![label.text()],
            (None, Some(Words::List(labels))) => labels.into_iter().map(Word::text).collect(),
            (None, Some(Words::Text(labels))) => {
                labels.split(';').map(|label| label.trim().to_owned()).filter(|label| !label.is_empty()).collect()
            }
            (None, None) => return Err(wrong(number, "has neither label nor labels".to_owned())),
            (Some(_), Some(_)) => return Err(wrong(number, "has both label and labels: give one".to_owned())),
        };
        if line.path.trim().is_empty() || labels.iter().any(String::is_empty) {
            return Err(wrong(number, "has an empty path or label".to_owned()));
        }
        rows.push((number, plain(line.path.trim(), folder), labels));
        Ok(())
    };
    if is_json {
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let line = serde_json::from_str(line)
                .map_err(|error| wrong(at + 1, format!("is no {{\"path\": …, \"label\": …}}: {error}")))?;
            add(at + 1, line)?;
        }
        return Ok(rows);
    }
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| wrong(1, error.to_string()))?.clone();
    let column = |name: &str| header.iter().position(|column| column == name);
    let (path, label, labels) = (column("path"), column("label"), column("labels"));
    let (Some(path), true) = (path, label.is_some() != labels.is_some()) else {
        let found: Vec<&str> = header.iter().collect();
        return Err(wrong(1, format!("the header is {}; write path,label or path,labels", found.join(","))));
    };
    for record in reader.records() {
        let record = record.map_err(|error| {
            let number = error.position().map_or(0, |place| place.line() as usize);
            wrong(number, "has another number of columns than the header, or is no text".to_owned())
        })?;
        let number = record.position().map_or(0, |place| place.line() as usize);
        let cell = |column: Option<usize>| column.and_then(|at| record.get(at)).map(str::to_owned);
        let line = Line {
            path: cell(Some(path)).unwrap_or_default(),
            label: cell(label).map(Word::Text),
            labels: cell(labels).map(Words::Text),
        };
        add(number, line)?;
    }
    Ok(rows)
}

impl ImageSource for LabelTable {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn image(&self, index: usize) -> Result<Image8> {
        self.reader.read(&self.rows[index].path)
    }

    fn label(&self, index: usize) -> Option<usize> {
        match self.rows[index].labels[..] {
            [only] => Some(only),
            _ => None,
        }
    }

    fn labels(&self, index: usize) -> Option<Vec<usize>> {
        Some(self.rows[index].labels.clone())
    }

    fn name(&self, index: usize) -> String {
        self.rows[index].name.clone()
    }

    fn fingerprint(&self, index: usize) -> u64 {
        let Row { name, path, info, labels } = &self.rows[index];
        let bytes = std::fs::metadata(path).map_or(-1, |metadata| i128::from(metadata.len()));
        fnv1a64(&format!("{name}\n{bytes} bytes, {}x{} pixels, {labels:?}", info.width, info.height))
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }
}

#[cfg(test)]
mod tests {
    use preco_core::imagery::write_png;
    use preco_core::spec::Preprocess;

    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("temporary folder");
        for name in ["a.png", "b.png", "c.png"] {
            write_png(&Image8::filled(3, 2, [9, 8, 7]), &folder.path().join(name)).expect("png");
        }
        folder
    }

    fn open(folder: &tempfile::TempDir, file: &str, text: &str, classes: Option<&[String]>) -> Result<LabelTable> {
        let table = folder.path().join(file);
        std::fs::write(&table, text).expect("write");
        LabelTable::open(&table, classes, BandReader::of(&Preprocess::imagenet([64; 2])), 0).map(|(table, _)| table)
    }

    #[test]
    fn csv_and_json_lines_say_the_same() {
        let folder = folder();
        let csv = open(&folder, "t.csv", "path,labels\na.png,river;forest\nb.png,\n\"c.png\",forest\n", None);
        let lines = "{\"path\": \"a.png\", \"labels\": [\"river\", \"forest\"]}\n\n{\"path\": \"b.png\", \"labels\": []}\n\
                     {\"path\": \"c.png\", \"label\": \"forest\"}\n";
        let json = open(&folder, "t.jsonl", lines, None);
        for table in [csv.expect("CSV"), json.expect("JSON lines")] {
            assert_eq!(table.classes(), ["forest", "river"]);
            let labels: Vec<_> = (0..3).map(|at| table.labels(at).expect("labels")).collect();
            assert_eq!(labels, [vec![0, 1], vec![], vec![0]]);
            assert_eq!((table.label(0), table.label(2), table.name(1)), (None, Some(0), "b.png".to_owned()));
            assert_eq!(table.image(0).expect("image").pixel(2, 1), [9, 8, 7]);
        }
        let classes = ["x", "y", "z"].map(str::to_owned);
        let numbers = open(&folder, "n.csv", "path,label\na.png,2\nb.png,x\n", Some(&classes)).expect("numbers");
        assert_eq!((numbers.label(0), numbers.label(1)), (Some(2), Some(0)));
    }

    #[test]
    fn a_wrong_row_is_named_with_its_line() {
        let folder = folder();
        let classes = ["x", "y"].map(str::to_owned);
        for (file, text, needle) in [
            ("t.csv", "path,label\na.png,x\nb.png,7\n", "line 3: label 7 is out of range: there are 2 classes"),
            ("t.csv", "path,label\na.png,q\n", "line 2: there is no class \"q\"; there are x, y"),
            ("t.csv", "path,label\na.png,x\na.png,y\n", "line 3: a.png is in line 2 already"),
            ("t.csv", "path,label\na.png,\n", "line 2: has an empty path or label"),
            ("t.csv", "path,label\na.png\n", "line 2: has another number of columns"),
            ("t.csv", "file,class\na.png,x\n", "line 1: the header is file,class; write path,label"),
            ("t.csv", "path,label\n", "has no row"),
            ("t.csv", "path,label\nnone.png,x\n", "line 2: "),
            ("t.csv", "path,label\nt.csv,x\n", "line 2: "),
            ("t.jsonl", "{\"path\": \"a.png\"}\n", "line 1: has neither label nor labels"),
            ("t.jsonl", "{\"path\": \"a.png\", \"label\": \"x\", \"labels\": []}\n", "line 1: has both"),
            ("t.jsonl", "\nnonsense\n", "line 2: is no {\"path\""),
        ] {
            let error = open(&folder, file, text, Some(&classes)).expect_err(needle).to_string();
            assert!(error.contains(needle) && error.contains(file), "{error}");
        }
    }
}
