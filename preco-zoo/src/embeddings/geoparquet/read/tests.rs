//! Files of others, and files that lie.

use std::fs::File;
use std::sync::Arc;

use parquet::data_type::Int64Type;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::json;

use super::super::super::write;
use super::*;

/// A file in which each leaf of `schema` has `levels`: values, definition levels and repetition levels.
struct Other {
    writer: SerializedFileWriter<File>,
}

impl Other {
    fn create(path: &Path, columns: &str) -> Self {
        let schema = parse_message_type(&format!("message m {{ {columns} }}")).expect("schema");
        let file = File::create(path).expect("create");
        let writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(WriterProperties::default()));
        Self { writer: writer.expect("writer") }
    }

    /// Columns of a group of rows: `id` and, where it is there, `embedding`.
    fn group(mut self, ids: &[i64], embedding: Option<(&[f32], &[i16], &[i16])>) {
        let mut group = self.writer.next_row_group().expect("group");
        let mut column = group.next_column().expect("column").expect("id");
        column.typed::<Int64Type>().write_batch(ids, None, None).expect("ids");
        column.close().expect("close");
        if let Some((values, defined, repeated)) = embedding {
            let mut column = group.next_column().expect("column").expect("embedding");
            column.typed::<FloatType>().write_batch(values, Some(defined), Some(repeated)).expect("vectors");
            column.close().expect("close");
        }
        group.close().expect("close");
        self.writer.close().expect("close");
    }
}

fn refused(path: &Path) -> String {
    read(path).expect_err("a file that is not ours").to_string()
}

const EMBEDDING: &str = "optional group embedding (LIST) { repeated group list { optional float item; } }";

#[test]
fn what_another_file_lacks_is_named() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("other.parquet");
    Other::create(&path, "required int64 id;").group(&[1, 2], None);
    assert!(refused(&path).contains("no column embedding"), "{}", refused(&path));
    Other::create(&path, "required int64 name;").group(&[1, 2], None);
    assert!(refused(&path).contains("no column id"), "{}", refused(&path));
    Other::create(&path, &format!("required int64 id; {EMBEDDING}")).group(&[], Some((&[], &[], &[])));
    assert!(refused(&path).contains("no row and no metadata \"preco\""), "{}", refused(&path));
    let vectors: (&[f32], &[i16], &[i16]) = (&[1.0, 2.0, 3.0], &[3, 3, 3], &[0, 1, 0]);
    Other::create(&path, &format!("required int64 id; {EMBEDDING}")).group(&[1, 2], Some(vectors));
    assert!(refused(&path).contains("no column model"), "{}", refused(&path));
}

#[test]
fn lists_are_read_by_their_levels_and_empty_elements_are_refused() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("other.parquet");
    // Null, empty, one value, two values.
    let vectors: (&[f32], &[i16], &[i16]) = (&[1.0, 2.0, 3.0], &[0, 1, 3, 3, 3], &[0, 0, 0, 0, 1]);
    Other::create(&path, &format!("required int64 id; {EMBEDDING}")).group(&[1, 2, 3, 4], Some(vectors));
    let table = Table::open(&path).expect("open");
    let lists = table.lists::<FloatType>("embedding").expect("lists");
    let rows: Vec<&[f32]> = (0..lists.len()).map(|at| lists.row(at)).collect();
    assert_eq!(rows, [&[][..], &[], &[1.0], &[2.0, 3.0]]);
    let error = table.lists::<DoubleType>("embedding").err().expect("other values").to_string();
    assert!(error.contains("holds FLOAT, DOUBLE is wanted"), "{error}");
    let error = table.optional::<FloatType>("embedding").expect_err("no list").to_string();
    assert!(error.contains("one value in each row"), "{error}");

    let hole: (&[f32], &[i16], &[i16]) = (&[1.0, 2.0], &[3, 2, 3], &[0, 1, 1]);
    Other::create(&path, &format!("required int64 id; {EMBEDDING}")).group(&[1], Some(hole));
    assert!(refused(&path).contains("an empty element in row 0"), "{}", refused(&path));
}

#[test]
fn a_few_bytes_cannot_stand_for_millions_of_values() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("bomb.parquet");
    // One number in a dictionary and a run: 32 MB of ids, and a vector of as many values.
    let ids = vec![7; 4 << 20];
    Other::create(&path, "required int64 id;").group(&ids, None);
    assert!(path.metadata().expect("file").len() < 50_000);
    assert!(refused(&path).contains("more values than a file of this length can hold"), "{}", refused(&path));
    let (values, defined) = (vec![0.5; 4 << 20], vec![3; 4 << 20]);
    let mut repeated = vec![1; 4 << 20];
    repeated[0] = 0;
    let columns = format!("required int64 id; {EMBEDDING}");
    Other::create(&path, &columns).group(&[1], Some((&values, &defined, &repeated)));
    assert!(path.metadata().expect("file").len() < 50_000);
    assert!(refused(&path).contains("more values than a file of this length can hold"), "{}", refused(&path));
}

#[test]
fn a_page_cannot_claim_more_than_its_bytes_could_fill() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("a.parquet");
    let header = Header { model: "m".into(), digest: "d".into(), length: 1, settings: json!({}) };
    let tile = Tile { id: 1, source: "a".into(), grid: [0; 2], window: [0; 4], valid: 1.0, place: None };
    write(&path, &header, 1, std::iter::once(Ok((tile, vec![1.0])))).expect("write");
    let mut bytes = std::fs::read(&path).expect("read");
    // The first page: a dictionary of 2 GB in 8 bytes.
    bytes[4..15].copy_from_slice(&[0x15, 0x04, 0x15, 0xFE, 0xFF, 0xFF, 0xFF, 0x0F, 0x15, 0x10, 0x00]);
    std::fs::write(&path, bytes).expect("write");
    assert!(refused(&path).contains("a page of 8 bytes claims to hold 2147483647"), "{}", refused(&path));
}

#[test]
fn texts_end_where_their_page_ends() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("a.parquet");
    let header = Header { model: "m".into(), digest: "d".into(), length: 1, settings: json!({}) };
    let source = "a name that stands in a dictionary".to_owned();
    let tile = Tile { id: 1, source: source.clone(), grid: [0; 2], window: [0; 4], valid: 1.0, place: None };
    write(&path, &header, 1, std::iter::once(Ok((tile, vec![1.0])))).expect("write");
    let bytes = std::fs::read(&path).expect("read");
    let at = bytes.windows(source.len()).position(|text| text == source.as_bytes()).expect("the name");
    for claim in [source.len() as u8 - 1, source.len() as u8 + 1, 255] {
        let mut changed = bytes.clone();
        changed[at - 4] = claim;
        std::fs::write(&path, changed).expect("write");
        assert!(refused(&path).contains("texts that do not end with their page"), "{}", refused(&path));
    }
}
