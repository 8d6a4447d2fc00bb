use std::fs;
use std::path::PathBuf;

use preco_core::imagery::Image8;

use super::*;

/// A data set of names, whose classes are their first folders.
struct Names(Vec<String>, Vec<String>);

impl Names {
    fn new(names: impl IntoIterator<Item = String>) -> Self {
        let names: Vec<String> = names.into_iter().collect();
        let mut classes: Vec<String> =
            names.iter().filter_map(|name| Some(name.split_once('/')?.0.to_owned())).collect();
        classes.sort();
        classes.dedup();
        Self(names, classes)
    }

    fn of(names: &[&str]) -> Self {
        Self::new(names.iter().map(|&name| name.to_owned()))
    }
}

impl ImageSource for Names {
    fn len(&self) -> usize {
        self.0.len()
    }
    fn image(&self, _: usize) -> Result<Image8> {
        Ok(Image8::filled(1, 1, [0; 3]))
    }
    fn label(&self, index: usize) -> Option<usize> {
        let class = self.0[index].split_once('/')?.0;
        self.1.iter().position(|known| known == class)
    }
    fn name(&self, index: usize) -> String {
        self.0[index].clone()
    }
    fn classes(&self) -> &[String] {
        &self.1
    }
}

fn numbered(count: usize) -> Names {
    Names::new((0..count).map(|number| format!("{}/{number}.jpg", ["a", "b"][number % 2])))
}

fn fractions(text: &str) -> Fractions {
    text.parse().expect("fractions")
}

fn names(split: &Split, part: Part) -> Vec<&str> {
    split.names(part).collect()
}

#[test]
fn the_part_of_a_name_never_changes() {
    // A change here moves images between the parts of every split ever made.
    let parts: Vec<&str> =
        (0..12).map(|number| rule::hashed(0, fractions("0.5,0.25,0.25"), &format!("a/{number}.jpg")).name()).collect();
    assert_eq!(parts, KNOWN);
}
const KNOWN: [&str; 12] =
    ["test", "train", "val", "val", "test", "train", "test", "test", "val", "train", "test", "train"];

#[test]
fn parts_get_their_shares_and_share_nothing() {
    let split = Split::by_hash(&numbered(10_000), 1, fractions("0.8,0.1,0.1")).expect("split");
    let counts = split.counts();
    assert_eq!(counts.iter().map(|(class, _)| *class).collect::<Vec<_>>(), [Some("a"), Some("b")]);
    for (class, counts) in counts {
        assert_eq!(counts.iter().sum::<usize>(), 5000);
        // Four standard deviations of a binomial.
        for (count, share) in counts.into_iter().zip([0.8, 0.1, 0.1]) {
            let expected = 5000.0 * share;
            assert!((count as f64 - expected).abs() < 4.0 * (expected * (1.0 - share)).sqrt(), "{class:?}: {count}");
        }
    }
}

#[test]
fn more_images_and_another_order_move_none() {
    let few = Split::by_hash(&numbered(300), 1, fractions("0.6,0.2,0.2")).expect("split");
    let mut more = numbered(900);
    more.0.reverse();
    let more = Split::by_hash(&more, 1, fractions("0.6,0.2,0.2")).expect("split");
    for part in Part::ALL {
        let more = names(&more, part);
        assert!(names(&few, part).iter().all(|name| more.contains(name)), "{part:?}");
    }
    let other = Split::by_hash(&numbered(300), 2, fractions("0.6,0.2,0.2")).expect("split");
    assert_ne!(names(&few, Part::Test), names(&other, Part::Test));
}

#[test]
fn a_part_of_no_share_is_empty() {
    for (text, empty) in
        [("1,0,0", [false, true, true]), ("0.7,0,0.3", [false, true, false]), ("0.9,0.1,0", [false, false, true])]
    {
        let split = Split::by_hash(&numbered(500), 1, fractions(text)).expect("split");
        assert_eq!(Part::ALL.map(|part| names(&split, part).is_empty()), empty, "{text}");
    }
}

#[test]
fn fractions_that_are_no_shares_are_refused() {
    for text in
        ["0.8,0.1", "0.8,0.1,0.1,0", "a,b,c", "", "0.8;0.1;0.1", "0.8,0.1,0.2", "0,0.5,0.5", "1.2,-0.1,-0.1", "NaN,0,0"]
    {
        let error = text.parse::<Fractions>().expect_err(text).to_string();
        assert!(error.contains("for example 0.8,0.1,0.1"), "{error}");
    }
    // 0.7 + 0.2 + 0.1 is not 1 in binary.
    assert_eq!(fractions("0.7, 0.2,0.1").values(), [0.7, 0.2, 0.1]);
}

#[test]
fn lists_decide_and_what_they_do_not_name_is_in_no_part() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let list = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("write");
        path
    };
    let source = Names::of(&["a/1.jpg", "a/2.jpg", "b/1.jpg", "top.jpg"]);
    let (train, test) = (list("train", "b/1.jpg\n./a/2.jpg\r\n\n"), list("test", "top.jpg\n"));
    let split = Split::by_lists(&source, &[(Part::Train, &train), (Part::Test, &test)]).expect("split");
    assert_eq!(names(&split, Part::Train), ["a/2.jpg", "b/1.jpg"]);
    assert_eq!(split.indices(&source).expect("indices"), [vec![1, 2], vec![], vec![3]]);
    assert_eq!(split.counts()[0], (None, [0, 0, 1]));

    let refused = |text: &str| {
        let second = list("val", text);
        Split::by_lists(&source, &[(Part::Train, &train), (Part::Val, &second)]).expect_err(text).to_string()
    };
    let error = refused("a/1.jpg\na/2.jpg\n");
    assert!(error.contains("val: line 2, a/2.jpg") && error.contains("train line 2"), "{error}");
    let error = refused("c/1.jpg\n");
    assert!(error.contains("line 1, c/1.jpg") && error.contains("another one"), "{error}");
    let error = refused("../1.jpg\n");
    assert!(error.contains("line 1, ../1.jpg"), "{error}");
}

#[test]
fn lists_may_name_the_folder_of_the_classes() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let layout = crate::datasets::layouts::Layout::EuroSat;
    let made = crate::datasets::layouts::LookAlikes { layout, count: 10, seed: 1, size_px: 16 };
    made.write(&folder.path().join("set")).expect("write");
    let list = folder.path().join("list");
    fs::write(&list, "\u{feff}2750/River/River_1.jpg\nForest/Forest_1.jpg\n").expect("write");
    for root in ["set", "set/2750"] {
        let source = crate::datasets::ImageFolder::scan(folder.path().join(root)).expect("scan");
        let split = Split::by_lists(&source, &[(Part::Val, &list)]).expect("split");
        assert_eq!(names(&split, Part::Val), ["Forest/Forest_1.jpg", "River/River_1.jpg"], "{root}");
    }
}

#[test]
fn names_that_are_twice_or_no_lines_are_refused() {
    for (names, needle) in [
        (["a/1.jpg", "a/1.jpg"], "a/1.jpg occurs twice"),
        (["a/1\n.jpg", "b"], "cannot be written"),
        (["-/1.jpg", "b"], "rename"),
    ] {
        let error = Split::by_hash(&Names::of(&names), 0, fractions("1,0,0")).expect_err(needle).to_string();
        assert!(error.contains(needle), "{error}");
    }
}

/// A folder with the files of a split of ten images.
fn written() -> (tempfile::TempDir, PathBuf, Split) {
    let folder = tempfile::tempdir().expect("temporary folder");
    let mut source = numbered(10);
    source.0.push("top.jpg".into());
    let split = Split::by_hash(&source, 5, fractions("0.5,0.3,0.2")).expect("split");
    split.write(folder.path()).expect("write");
    let path = folder.path().join(Split::MANIFEST);
    (folder, path, split)
}

#[test]
fn a_manifest_reads_back_as_what_was_written() {
    let (folder, path, split) = written();
    assert_eq!(Split::read(&path).expect("read"), split);
    let text = fs::read_to_string(&path).expect("read");
    assert!(text.starts_with("preco split 1\trule=hash\tseed=5\tfractions=0.5,0.3,0.2\tnames=11\ntrain\t"), "{text}");
    assert!(text.contains("\t-\ttop.jpg\n"), "{text}");
    for (part, list) in Part::ALL.into_iter().zip(Split::LISTS) {
        let listed = fs::read_to_string(folder.path().join(list)).expect("list");
        assert_eq!(listed.lines().collect::<Vec<_>>(), names(&split, part));
    }
    let lists = Split::LISTS.map(|name| folder.path().join(name));
    let lists: Vec<_> = Part::ALL.into_iter().zip(lists.iter().map(PathBuf::as_path)).collect();
    let mut source = numbered(10);
    source.0.push("top.jpg".into());
    let by_lists = Split::by_lists(&source, &lists).expect("split");
    assert_eq!(by_lists.entries(), split.entries());
    by_lists.write(folder.path()).expect("write");
    assert_eq!(Split::read(&path).expect("read"), by_lists);
}

#[test]
fn damaged_manifests_are_refused_with_their_line() {
    let (_folder, path, split) = written();
    let good = fs::read_to_string(&path).expect("read");
    let lines: Vec<&str> = good.lines().collect();
    let moved =
        if split.entries()[0].part == Part::Train { lines[1].replacen("train", "test", 1) } else { String::new() };
    let cases = [
        (good.replacen("split 1", "split 2", 1), "line 1, ", "version 2"),
        (good.replacen("preco split", "name", 1), "line 1, ", "begins with"),
        (good.replacen("seed=5", "seed=x", 1), "line 1, ", "seed=x"),
        (good.replacen("\tseed=5", "", 1), "line 1, ", "seed= is missing"),
        (good.replacen("0.5,0.3", "0.5,0.4", 1), "line 1, ", "add up to 1"),
        (good.replacen("hash", "dice", 1), "line 1, ", "rule dice"),
        (good.replacen("\ntrain\t", "\ntrian\t", 1), "line 2, \"trian", "part \"trian\""),
        (good.replacen(lines[1], &moved, 1), "line 2, \"test", "the rule puts it in train"),
        (good.replacen(lines[2], "train", 1), "line 3, \"train\"", "1 fields"),
        (good.replacen(lines[3], lines[2], 1), "line 4, ", "in line 3 already"),
        (lines[..8].join("\n"), "line 1 says 11 names", "there are 7"),
        (String::new(), "line 1, ", "begins with"),
    ];
    for (text, place, needle) in cases {
        fs::write(&path, &text).expect("write");
        let error = Split::read(&path).expect_err(needle).to_string();
        assert!(error.contains("manifest.tsv") && error.contains(place) && error.contains(needle), "{error}");
    }
    fs::remove_file(&path).expect("remove");
    assert!(Split::read(&path).expect_err("absent").to_string().contains("cannot read"));
}

#[test]
fn a_split_of_another_data_set_is_refused_by_name() {
    let split = Split::by_hash(&numbered(10), 0, fractions("1,0,0")).expect("split");
    let error = split.indices(&numbered(8)).expect_err("two are missing").to_string();
    assert!(error.contains("2 of 10 images") && error.contains("a/8.jpg, b/9.jpg"), "{error}");
    assert_eq!(split.indices(&numbered(12)).expect("more are fine")[0].len(), 10);
}
