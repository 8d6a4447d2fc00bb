use preco_core::imagery::write_png;

use super::*;

/// A folder with one-colour PNGs of the given relative paths, `size` pixels wide and high.
fn folder(paths: &[&str], size: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("temporary folder");
    for (number, path) in paths.iter().enumerate() {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        write_png(&Image8::filled(size, size, [number as u8; 3]), &path).expect("write");
    }
    folder
}

fn names(found: &ImageFolder) -> Vec<String> {
    (0..found.len()).map(|index| found.name(index)).collect()
}

fn refusal(result: Result<ImageFolder>) -> String {
    result.expect_err("must be refused").to_string()
}

#[test]
fn images_of_any_depth_come_in_path_order_with_their_class() {
    let paths = ["b/x/y/2.PNG", "b/1.jpeg", "a-b/3.WebP", "a/9.jpg", "top.png"];
    let folder = folder(&paths, 1);
    for ignored in ["a/notes.txt", "a/.hidden.png", "a/noextension"] {
        fs::write(folder.path().join(ignored), "text").expect("write");
    }
    let found = ImageFolder::scan(folder.path()).expect("scan");
    assert_eq!(names(&found), ["a/9.jpg", "a-b/3.WebP", "b/1.jpeg", "b/x/y/2.PNG", "top.png"]);
    assert_eq!(found.classes(), ["a", "a-b", "b"]);
    let labels: Vec<_> = (0..5).map(|index| found.label(index)).collect();
    assert_eq!(labels, [Some(0), Some(1), Some(2), Some(2), None]);
    assert_eq!(found.info(3), ImageInfo { width: 1, height: 1, bits: 8 });
    // The content decides, not the extension: all five are PNGs.
    let values: Vec<u8> = (0..5).map(|index| found.image(index).expect("image").data()[0]).collect();
    assert_eq!(values, [3, 2, 1, 0, 4]);
}

#[test]
fn folders_without_images_say_what_was_looked_for() {
    let empty = tempfile::tempdir().expect("temporary folder");
    let error = refusal(ImageFolder::scan(empty.path()));
    assert!(error.contains("found 0 images in") && error.contains("looked for .jpg .jpeg .png .webp"), "{error}");
    let error = refusal(ImageFolder::scan(empty.path().join("none")));
    assert!(error.contains("cannot read") && error.contains("none"), "{error}");
    let file = empty.path().join("a.txt");
    fs::write(&file, "text").expect("write");
    assert!(refusal(ImageFolder::scan(&file)).contains("is a file; a folder of images is needed"));
}

#[test]
fn unreadable_files_are_counted_and_the_first_five_named() {
    let folder = folder(&["good.png"], 2);
    for number in 0..7 {
        fs::write(folder.path().join(format!("bad{number}.jpg")), "<html>").expect("write");
    }
    let error = refusal(ImageFolder::scan(folder.path()));
    assert!(error.contains("7 of 8 files are no readable images"), "{error}");
    assert!(error.contains("bad0.jpg") && error.contains("bad4.jpg") && !error.contains("bad5.jpg"), "{error}");
    assert!(error.contains("<html>") && error.contains("and 2 more"), "{error}");
    let most = |limit| ImageFolder::scan_with(folder.path(), &Scan { allow: Allow::Most(limit), ..Scan::default() });
    let error = refusal(most(6));
    assert!(error.contains("7 images cannot be read and 6 may be missing"), "{error}");
    assert!(error.contains("--max-unreadable N") && error.contains("bad0.jpg"), "{error}");
    assert_eq!(most(7).expect("scan").unreadable().len(), 7);
    let found = ImageFolder::scan_with(folder.path(), &Scan { allow: Allow::Any, ..Scan::default() });
    assert_eq!(names(&found.expect("scan")), ["good.png"]);
}

#[cfg(unix)]
#[test]
fn a_pipe_with_an_images_name_is_not_waited_for() {
    let folder = folder(&["good.png"], 2);
    let made = std::process::Command::new("mkfifo").arg(folder.path().join("pipe.jpg")).status();
    assert!(made.expect("mkfifo").success());
    let error = refusal(ImageFolder::scan(folder.path()));
    assert!(error.contains("pipe.jpg is no regular file"), "{error}");
}

#[test]
fn a_list_takes_its_files_and_keeps_all_classes() {
    let folder = folder(&["a/1.png", "a/2.png", "b/1.png", "c/1.png"], 2);
    let list = folder.path().join("train.txt");
    fs::write(&list, "c/1.png\r\n\n./a/2.png \nc/1.png\n").expect("write");
    let found = ImageFolder::scan_list(folder.path(), &list).expect("scan");
    assert_eq!(names(&found), ["a/2.png", "c/1.png", "c/1.png"]);
    assert_eq!(found.classes(), ["a", "b", "c"]);
    assert_eq!(found.label(1), Some(2));
}

#[test]
fn a_list_with_missing_or_foreign_files_is_refused_by_name() {
    let folder = folder(&["a/1.png"], 2);
    let list = folder.path().join("train.txt");
    fs::write(&list, "a/1.png\na/7.png\na/8.png\n").expect("write");
    let error = refusal(ImageFolder::scan_list(folder.path(), &list));
    assert!(error.contains("2 of 3 files") && error.contains("a/7.png, a/8.png"), "{error}");
    for foreign in ["../1.png", "/etc/1.png", "a/../../1.png"] {
        fs::write(&list, format!("a/1.png\n{foreign}\n")).expect("write");
        let error = refusal(ImageFolder::scan_list(folder.path(), &list));
        assert!(error.contains("line 2") && error.contains(foreign), "{error}");
    }
    fs::write(&list, "\n").expect("write");
    assert!(refusal(ImageFolder::scan_list(folder.path(), &list)).contains("found 0 images"));
    fs::write(&list, [0xff, 0xfe, 0]).expect("write");
    assert!(refusal(ImageFolder::scan_list(folder.path(), &list)).contains("cannot read"));
    assert!(ImageFolder::scan_list(folder.path(), folder.path().join("none.txt")).is_err());
}

#[cfg(unix)]
#[test]
fn links_are_followed_once_and_broken_ones_reported() {
    use std::os::unix::fs::symlink;
    let folder = folder(&["a/1.png"], 2);
    let other = self::folder(&["2.png"], 2);
    symlink(folder.path(), folder.path().join("a/loop")).expect("link");
    symlink(other.path(), folder.path().join("b")).expect("link");
    let found = ImageFolder::scan(folder.path()).expect("scan");
    assert_eq!(names(&found), ["a/1.png", "b/2.png"]);
    symlink("nowhere", folder.path().join("a/0.png")).expect("link");
    assert!(refusal(ImageFolder::scan(folder.path())).contains("0.png"));
}

#[test]
fn a_file_replaced_by_another_of_its_name_has_another_fingerprint() {
    let folder = folder(&["a.png", "b.png"], 2);
    let prints = || {
        let found = ImageFolder::scan(folder.path()).expect("scan");
        [0, 1].map(|index| found.fingerprint(index))
    };
    let before = prints();
    assert_ne!(before[0], before[1], "files of equal size and other name");
    assert_eq!(before, prints());
    let path = folder.path().join("a.png");
    let bytes = fs::read(&path).expect("read");
    // Decoders pass over what follows the end.
    fs::write(&path, [bytes.as_slice(), b" "].concat()).expect("write");
    let longer = prints();
    assert!(longer[0] != before[0] && longer[1] == before[1], "another length");
    write_png(&Image8::filled(3, 2, [0; 3]), &path).expect("write");
    let mut wider = fs::read(&path).expect("read");
    wider.resize(bytes.len() + 1, b' ');
    fs::write(&path, wider).expect("write");
    assert!(![before[0], longer[0]].contains(&prints()[0]), "another width in as many bytes");
}

/// Two classes of one image each, in a folder like that of EuroSAT's archive.
fn archive() -> tempfile::TempDir {
    folder(&["2750/Forest/Forest_1.png", "2750/River/River_1.png"], 2)
}

#[test]
fn a_root_with_one_folder_of_folders_is_entered() {
    let archive = archive();
    fs::write(archive.path().join("classes.txt"), "text").expect("write");
    fs::create_dir(archive.path().join(".cache")).expect("folder");
    let [outer, inner] = ["", "2750"].map(|below| ImageFolder::scan(archive.path().join(below)).expect("scan"));
    assert_eq!(names(&outer), ["Forest/Forest_1.png", "River/River_1.png"]);
    assert_eq!((outer.classes(), outer.label(1)), (&["Forest".to_owned(), "River".to_owned()][..], Some(1)));
    assert_eq!(names(&outer), names(&inner));
    assert_eq!([0, 1].map(|at| outer.fingerprint(at)), [0, 1].map(|at| inner.fingerprint(at)));
    assert_eq!(outer.image(1).expect("image"), inner.image(1).expect("image"));
}

#[test]
fn a_root_with_images_or_another_folder_or_a_folder_of_files_is_not_entered() {
    for (more, classes) in [("2750.png", &["2750"][..]), ("2751/a.png", &["2750", "2751"])] {
        let archive = archive();
        let path = archive.path().join(more);
        fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        fs::copy(archive.path().join("2750/River/River_1.png"), path).expect("copy");
        assert_eq!(ImageFolder::scan(archive.path()).expect("scan").classes(), classes, "{more}");
    }
    let one = folder(&["Forest/1.png", "Forest/2.png"], 2);
    assert_eq!(ImageFolder::scan(one.path()).expect("scan").classes(), ["Forest"]);
}

#[test]
fn a_list_is_valid_with_and_without_the_folder_of_the_classes() {
    let archive = archive();
    let list = archive.path().join("train.txt");
    for below in ["", "2750"] {
        for line in ["River/River_1.png", "2750/River/River_1.png"] {
            fs::write(&list, line).expect("write");
            let found = ImageFolder::scan_list(archive.path().join(below), &list).expect(line);
            assert_eq!(names(&found), ["River/River_1.png"], "{line} below {below:?}");
        }
    }
    fs::write(&list, "2751/River/River_1.png\n").expect("write");
    assert!(refusal(ImageFolder::scan_list(archive.path(), &list)).contains("1 of 1 files are not in"));
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_name() {
    let folder = folder(&["a/1.png", "a/2.png"], 2);
    let list = folder.path().join("train.txt");
    fs::write(&list, "\u{feff}a/1.png\r\na/2.png\r\n").expect("write");
    assert_eq!(names(&ImageFolder::scan_list(folder.path(), &list).expect("scan")), ["a/1.png", "a/2.png"]);
}

#[test]
fn repeats_within_and_between_lists_are_refused_with_both_places() {
    let archive = archive();
    let [one, two] = ["one.txt", "two.txt"].map(|name| archive.path().join(name));
    let found = ImageFolder::scan(archive.path()).expect("scan");
    fs::write(&one, "Forest/Forest_1.png\n").expect("write");
    fs::write(&two, "River/River_1.png\n\n2750/Forest/Forest_1.png\n").expect("write");
    list::refuse_repeats(&found, &[&two]).expect("none");
    let error = list::refuse_repeats(&found, &[&one, &two]).expect_err("both name it").to_string();
    assert!(error.contains("two.txt: line 3, Forest/Forest_1.png: is listed already in "), "{error}");
    assert!(error.ends_with("one.txt line 1"), "{error}");
    fs::write(&one, "River/River_1.png\n./River/River_1.png\n").expect("write");
    let error = list::refuse_repeats(&found, &[&one]).expect_err("twice").to_string();
    assert!(error.contains("one.txt: line 2, River/River_1.png") && error.ends_with("one.txt line 1"), "{error}");
}

#[test]
fn a_file_that_is_cut_off_is_left_out_once_it_is_decoded() {
    let folder = folder(&["a.png", "c.png"], 2);
    let bytes = fs::read(folder.path().join("a.png")).expect("read");
    fs::write(folder.path().join("b.png"), &bytes[..bytes.len() - 16]).expect("write");
    let found = ImageFolder::scan(folder.path()).expect("headers are whole");
    assert_eq!(names(&found), ["a.png", "b.png", "c.png"]);
    let found = found.decodable().expect("two are left");
    assert_eq!((names(&found), found.unreadable().len()), (vec!["a.png".to_owned(), "c.png".to_owned()], 1));
    assert!(found.image(1).is_ok() && found.unreadable()[0].name == "b.png");
    for name in ["a.png", "c.png"] {
        fs::remove_file(folder.path().join(name)).expect("remove");
    }
    let error = refusal(ImageFolder::scan(folder.path()).expect("scan").decodable());
    assert!(error.contains("none of 1 images can be read") && error.contains("b.png"), "{error}");
}
