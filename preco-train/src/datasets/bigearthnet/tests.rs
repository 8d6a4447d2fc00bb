use std::path::PathBuf;

use super::*;
use crate::sample::Supervision;

fn rgb() -> Vec<String> {
    ["red", "green", "blue"].map(str::to_owned).to_vec()
}

fn open(root: &Path, choice: &Choice, bands: &[String]) -> Result<BigEarthNet> {
    BigEarthNet::open(root, choice, bands, levels(bands)?)
}

#[test]
fn the_look_alike_is_read_back_with_the_labels_it_was_drawn_with() {
    let root = tempfile::tempdir().expect("temporary folder");
    let names = write_look_alike(root.path(), 12, 3).expect("write");
    assert!(BigEarthNet::is_at(root.path()) && !BigEarthNet::is_at(&root.path().join(&names[0]).join("none")));
    let set = open(root.path(), &Choice::default(), &rgb()).expect("open");
    assert_eq!(set.len() + set.dropped(), 12);
    let scenes = super::super::scenes::SceneGenerator::new(3, 120, 12);
    // Crops, forest, pasture, houses, industry, water twice; roads are no class of the 19.
    let classes = [Some(2), Some(8), Some(4), Some(0), Some(1), None, Some(17), Some(17)];
    for index in 0..set.len() {
        let drawn = names.iter().position(|name| *name == set.name(index)).expect("a patch");
        let seen = scenes.scene(drawn).labels;
        let mut wanted: Vec<usize> =
            classes.iter().zip(&seen).filter(|(_, seen)| **seen).filter_map(|(class, _)| *class).collect();
        wanted.sort_unstable();
        wanted.dedup();
        assert_eq!(set.labels(index), Some(wanted.clone()));
        let sample = set.sample(index, Supervision::Label).expect("sample");
        assert_eq!((sample.image.width(), sample.image.bands(), sample.label.len()), (120, 3, 19));
        assert_eq!(sample.label.iter().sum::<f32>() as usize, wanted.len());
    }
    let all = open(root.path(), &Choice::default(), &band_names()).expect("twelve bands");
    let image = all.image(0).expect("image");
    assert_eq!((image.width(), image.bands()), (120, 12));
    // Red is the fourth band, and the first of the three.
    let few = set.image(0).expect("image");
    assert!((0..120).all(|at| image.pixel(at, 50)[3] == few.pixel(at, 50)[0]));
}

#[test]
fn lists_choose_and_leave_out_and_what_is_wrong_is_named() {
    let root = tempfile::tempdir().expect("temporary folder");
    let data = root.path().join("BigEarthNet-v1.0");
    let names = write_look_alike(&data, 8, 4).expect("write");
    let list = |name: &str, lines: &[&str]| -> PathBuf {
        std::fs::write(root.path().join(name), lines.join("\n")).expect("write");
        root.path().join(name)
    };
    let some = list("train.txt", &[&names[0], &names[1], &names[2]]);
    let snow = list("snow.csv", &[&format!("{},1", names[1])]);
    let choice = Choice { list: Some(some), leave_out: vec![snow], ..Choice::default() };
    let set = open(root.path(), &choice, &rgb()).expect("open");
    assert_eq!((set.len() + set.dropped(), set.left_out()), (2, 1));
    assert!((0..set.len()).all(|at| set.name(at) != names[1]));

    let missing = Choice { list: Some(list("bad.txt", &["S2A_none"])), ..Choice::default() };
    let refused =
        |choice: &Choice, bands: &[String]| open(root.path(), choice, bands).expect_err("refused").to_string();
    assert!(refused(&missing, &rgb()).contains("S2A_none is not in"), "{}", refused(&missing, &rgb()));
    let nir = vec!["nir".to_owned()];
    assert!(refused(&Choice::default(), &nir).contains("no band nir; it has B01, blue"));
    let file = data.join(&names[0]).join(format!("{}_B03.tif", names[0]));
    std::fs::remove_file(&file).expect("remove");
    assert!(refused(&Choice::default(), &rgb()).contains("_B03.tif: is missing"));
    let told = data.join(&names[0]).join(format!("{}{LABELS}", names[0]));
    std::fs::write(&told, "{\"labels\": [\"Lava\"]}").expect("write");
    assert!(refused(&Choice::default(), &rgb()).contains("\"Lava\" is no class of BigEarthNet"));
    let empty = tempfile::tempdir().expect("temporary folder");
    assert!(
        open(empty.path(), &Choice::default(), &rgb()).expect_err("nothing").to_string().contains("holds no patch")
    );
}

/// Version 2's table, as pandas writes it: a list of texts in a column of its own.
fn write_metadata(path: &Path, rows: &[(&str, &[&str], &str)]) {
    use std::sync::Arc;

    use parquet::data_type::{ByteArray, ByteArrayType};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    let schema = "message schema {
        OPTIONAL BYTE_ARRAY patch_id (STRING);
        OPTIONAL GROUP labels (LIST) { REPEATED GROUP list { OPTIONAL BYTE_ARRAY element (STRING); } }
        OPTIONAL BYTE_ARRAY split (STRING);
    }";
    let schema = Arc::new(parse_message_type(schema).expect("schema"));
    let file = std::fs::File::create(path).expect("create");
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(WriterProperties::default())).expect("writer");
    let mut group = writer.next_row_group().expect("group");
    let bytes = |text: &str| ByteArray::from(text);
    let labels: Vec<ByteArray> =
        rows.iter().flat_map(|(_, labels, _)| labels.iter().map(|label| bytes(label))).collect();
    // Each list begins a record; what goes on repeats.
    let repeats: Vec<i16> =
        rows.iter().flat_map(|(_, labels, _)| (0..labels.len()).map(|at| i16::from(at > 0))).collect();
    // Values, how deep each is defined, and where lists go on.
    type Column = (Vec<ByteArray>, Vec<i16>, Option<Vec<i16>>);
    let columns: [Column; 3] = [
        (rows.iter().map(|(name, ..)| bytes(name)).collect(), vec![1; rows.len()], None),
        (labels.clone(), vec![3; labels.len()], Some(repeats)),
        (rows.iter().map(|(.., part)| bytes(part)).collect(), vec![1; rows.len()], None),
    ];
    for (values, defined, repeated) in columns {
        let mut column = group.next_column().expect("column").expect("three");
        let typed = column.typed::<ByteArrayType>();
        typed.write_batch(&values, Some(&defined), repeated.as_deref()).expect("values");
        column.close().expect("close");
    }
    group.close().expect("close");
    writer.close().expect("close");
}

#[test]
fn version_two_has_its_labels_in_one_table() {
    let root = tempfile::tempdir().expect("temporary folder");
    let scene = root.path().join("BigEarthNet-S2/S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP");
    let names = write_look_alike(&scene, 4, 9).expect("patches");
    for name in &names {
        std::fs::remove_file(scene.join(name).join(format!("{name}{LABELS}"))).expect("version 2 has none");
    }
    let rows: [(&str, &[&str], &str); 3] = [
        (&names[0], &["Arable land", "Pastures"], "train"),
        (&names[2], &["Marine waters"], "validation"),
        ("S2A_elsewhere", &["Pastures"], "test"),
    ];
    write_metadata(&root.path().join(METADATA), &rows);
    assert!(BigEarthNet::is_at(root.path()));
    let set = open(root.path(), &Choice::default(), &rgb()).expect("open");
    // Two patches have no row: snow, clouds.
    assert_eq!((set.len(), set.dropped()), (2, 2));
    assert_eq!((set.labels(0), set.labels(1)), (Some(vec![2, 4]), Some(vec![18])));
    // The official parts; and the table is found beside the folder that the archive makes.
    assert_eq!(
        [Part::Train, Part::Val, Part::Test].map(|part| set.part(part)),
        [Some(vec![0]), Some(vec![1]), Some(vec![])]
    );
    let inner = open(&root.path().join("BigEarthNet-S2"), &Choice::default(), &rgb()).expect("one below");
    assert_eq!((inner.len(), inner.dropped()), (2, 2));
    // To be labelled, all of them are taken.
    let all = Choice { unlabelled: true, ..Choice::default() };
    assert_eq!(open(root.path(), &all, &rgb()).expect("all").len(), 4);
    std::fs::write(root.path().join(METADATA), "no table").expect("write");
    let error = open(root.path(), &Choice::default(), &rgb()).expect_err("no table").to_string();
    assert!(error.contains("metadata.parquet") && error.contains("is no Parquet file"), "{error}");
}

#[test]
fn the_real_patches_are_read_and_mapped() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/bigearthnet");
    if !root.is_dir() {
        eprintln!("the real BigEarthNet patches are NOT READ: {} is absent", root.display());
        return;
    }
    let set = open(&root.join("BigEarthNet-v1.0"), &Choice::default(), &band_names()).expect("open");
    let labels = |name: &str| {
        let at = (0..set.len()).find(|&at| set.name(at) == name).expect(name);
        set.labels(at).expect("labels").into_iter().map(|class| CLASSES[class]).collect::<Vec<_>>()
    };
    assert_eq!(labels("S2A_MSIL2A_20170617T113321_36_85"), ["Arable land", "Pastures"]);
    assert_eq!(labels("S2A_MSIL2A_20180510T94033_19_86"), ["Coniferous forest", "Inland wetlands"]);
    for at in 0..set.len() {
        let image = set.image(at).expect("image");
        assert_eq!((image.width(), image.height(), image.bands()), (120, 120, 12));
        // A patch is neither black nor white.
        assert!((0..12).all(|band| image.data().iter().skip(band).step_by(12).any(|&byte| byte > 0 && byte < 255)));
    }
    let list = Choice { list: Some(root.join("train.txt")), ..Choice::default() };
    assert_eq!(open(&root.join("BigEarthNet-v1.0"), &list, &rgb()).expect("listed").len(), 4);
}
