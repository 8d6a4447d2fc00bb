//! What people hand to the program by mistake: each is refused with its cause, and nothing is written.

use std::path::Path;

use image::{DynamicImage, ImageFormat};
use preco_tests::binary::preco;
use preco_tests::folder::workspace;

/// Everything below `folder`.
fn tree(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("list") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            found.extend(tree(&path));
        }
        found.push(path);
    }
    found.sort();
    found
}

/// Runs `pretrain` with each case's flags and checks that it refuses and leaves `root` as it was.
fn all_refused(root: &Path, cases: &[(&str, &str)]) {
    let before = tree(root);
    for (flags, needle) in cases {
        preco(root, &format!("pretrain --out runs/new {flags}")).refused(needle);
        assert_eq!(before, tree(root), "{flags} left something");
    }
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(workspace().join("preco-core/src/imagery/fixtures").join(name)).expect(name)
}

#[test]
fn folders_without_usable_images_are_refused() {
    let root = tempfile::tempdir().expect("temporary folder");
    let put = |name: &str, bytes: &[u8]| {
        let path = root.path().join(name);
        std::fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        std::fs::write(path, bytes).expect("write");
    };
    std::fs::create_dir(root.path().join("empty")).expect("folder");
    put("text/a.jpg", b"these are words\n");
    put("cut/a.jpg", &fixture("grey.jpg")[..400]);
    put("huge/a.png", &header_of_20_000_px());
    put("file.txt", b"a.jpg\n");
    all_refused(
        root.path(),
        &[
            ("--data nowhere", "nowhere: No such file"),
            ("--data empty", "found 0 images in empty"),
            ("--data file.txt", "is a file"),
            ("--data text", "is not a JPEG, PNG or WebP image"),
            ("--data cut --batch-size 1", "cut off"),
            ("--data huge", "20000x20000"),
            ("--data empty --list nolist", "nolist"),
            ("--data text --list file.txt --skip-unreadable", "found 0 images"),
        ],
    );
}

#[test]
fn sizes_and_settings_that_cannot_be_are_refused() {
    let root = tempfile::tempdir().expect("temporary folder");
    all_refused(
        root.path(),
        &[
            ("--window 0", "window 0x0"),
            ("--window 65", "window 65x65"),
            ("--input-size 100", "Use for example 128x128"),
            ("--input-size 0", "input 0x0"),
            ("--input-size 100000000", "at most 4096"),
            ("--mask-patch 5", "mask patch 5"),
            ("--mask-patch 0", "mask patch 0"),
            ("--mask-ratio 0", "mask ratio 0"),
            ("--mask-ratio nan", "mask ratio NaN"),
            ("--batch-size 0", "batch size 0"),
            ("--batch-size 100000000", "at most 512"),
            ("--accumulate 0", "accumulate 0"),
            ("--steps 0", "0 steps"),
            ("--lr -1", "lr -1"),
            ("--clip -1", "clip -1"),
            ("--weight-decay -1", "weight_decay -1"),
            ("--layer-decay 3", "layer_decay 3"),
            ("--drop-path 1", "drop_path 1"),
            ("--steps 200 --warmup-steps 200", "warm-up takes 200 of 200"),
            ("--lambda-sc nan", "loss weights"),
            ("--lambda-re 0 --lambda-pr 0 --lambda-sc 0", "all loss weights are 0"),
            ("--input-size 4096 --model large --batch-size 512", "GB at least"),
            ("--held-out 0.1", "--data"),
            ("--ema 1", "ema 1"),
            ("--threads 0", "--threads 0"),
            ("--simd sse9", "sse9"),
            ("--model huge", "there are pico, nano"),
            ("--method moco", "expected `preco` or `simmim`"),
            ("--init-from nowhere", "is no folder, and"),
        ],
    );
}

#[test]
fn an_output_that_cannot_be_written_is_refused_before_training() {
    let root = tempfile::tempdir().expect("temporary folder");
    std::fs::write(root.path().join("file"), "").expect("write");
    for out in ["file", "file/inside"] {
        preco(root.path(), &format!("pretrain --steps 1 --out {out}")).refused("output folder");
        preco(root.path(), &format!("scenes --count 1 --out {out}")).refused(out);
    }
    assert_eq!(tree(root.path()).len(), 1);
}

#[test]
fn every_kind_of_readable_image_is_trained_on() {
    let root = tempfile::tempdir().expect("temporary folder");
    let data = root.path().join("data");
    std::fs::create_dir(&data).expect("folder");
    let save = |name: &str, image: DynamicImage| {
        image.save_with_format(data.join(name), ImageFormat::Png).expect(name);
    };
    save("grey.png", DynamicImage::new_luma8(40, 70));
    save("alpha.png", DynamicImage::new_rgba8(64, 64));
    save("deep.png", DynamicImage::new_rgb16(64, 32));
    save("pixel.png", DynamicImage::new_rgb8(1, 1));
    std::fs::write(data.join("cmyk.jpg"), fixture("cmyk_adobe.jpg")).expect("write");
    let flags = "pretrain --data data --input-size 64 --steps 1 --batch-size 5 --out run --json";
    let done = preco(root.path(), flags).succeeded();
    assert!(done.stdout.contains("\"images\": 5"), "{}", done.stdout);
}

/// Eight images in `data`.
fn eight(root: &Path) {
    let data = root.join("data");
    std::fs::create_dir(&data).expect("folder");
    for name in "abcdefgh".chars() {
        let image = DynamicImage::new_rgb8(64, 64);
        image.save_with_format(data.join(format!("{name}.png")), ImageFormat::Png).expect("image");
    }
}

#[test]
fn unreadable_files_are_left_out_up_to_a_limit_wherever_they_are_met() {
    let root = tempfile::tempdir().expect("temporary folder");
    eight(root.path());
    let put = |name: &str, bytes: &[u8]| std::fs::write(root.path().join("data").join(name), bytes).expect("write");
    // One fails by its header, one is cut off and trained on, one cut off and held out.
    put("words.jpg", b"words");
    put("cut.jpg", &fixture("grey.jpg")[..400]);
    put("held.jpg", &fixture("grey.jpg")[..399]);
    let write = |name: &str, text: &str| std::fs::write(root.path().join(name), text).expect("write");
    write("val.txt", "a.png\nheld.jpg\nb.png\n");
    write("train.txt", "c.png\nd.png\ncut.jpg\nwords.jpg\ne.png\nf.png\n");
    let run = "pretrain --data data --input-size 32 --steps 6 --batch-size 2 --evaluate-every 2";
    let lists = ["--val-list val.txt --list train.txt", "--val-list val.txt"];
    for lists in lists {
        for limit in ["", "--max-unreadable 0", "--max-unreadable 1", "--max-unreadable 2"] {
            let done = preco(root.path(), &format!("{run} {lists} {limit} --out refused --force"));
            let said = done.stderr.clone();
            let error = said.lines().find(|line| line.starts_with("error: ")).expect("an error").to_owned();
            done.refused("cannot be read");
            let most = limit.chars().last().map_or(0, |digit| digit.to_digit(10).expect("a digit"));
            for part in [
                &format!("{} images cannot be read and {most} may be missing", most + 1),
                "--max-unreadable N",
                "--skip-unreadable",
                "words.jpg",
            ] {
                assert!(error.contains(part), "{limit}: no {part:?} in {error}");
            }
        }
        for limit in ["--max-unreadable 3", "--skip-unreadable"] {
            let done = preco(root.path(), &format!("{run} {lists} {limit} --out run --force")).succeeded();
            assert!(done.stdout.contains("3 images could not be read"), "{}", done.stdout);
            for (name, times) in [("cut.jpg", 1), ("held.jpg", 1)] {
                assert_eq!(done.stderr.matches(name).count(), times, "{name} in {}", done.stderr);
            }
            assert!(done.stderr.contains("words.jpg"), "{}", done.stderr);
        }
    }
}

#[test]
fn a_resumed_run_counts_unreadable_files_as_if_it_had_never_stopped() {
    let root = tempfile::tempdir().expect("temporary folder");
    eight(root.path());
    let cut = &fixture("grey.jpg")[..400];
    for (name, bytes) in [("words.jpg", b"words".as_slice()), ("cut.jpg", cut), ("held.jpg", cut), ("late.jpg", cut)] {
        std::fs::write(root.path().join("data").join(name), bytes).expect("write");
    }
    std::fs::write(root.path().join("val.txt"), "held.jpg\na.png\n").expect("write");
    let run = "pretrain --data data --val-list val.txt --input-size 32 --batch-size 2 --save-every 1 --steps 12";
    let whole = preco(root.path(), &format!("{run} --max-unreadable 3 --out whole"));
    let steps = |folder: &str| {
        let log = std::fs::read_to_string(root.path().join(folder).join("log.jsonl")).unwrap_or_default();
        log.lines().filter(|line| line.contains("\"lr\"")).count()
    };
    whole.refused("4 images cannot be read and 3 may be missing");
    let before = steps("whole");
    preco(root.path(), "pretrain --resume whole").refused("4 images cannot be read and 3 may be missing");
    assert_eq!(steps("whole"), before);
    let done = preco(root.path(), &format!("{run} --max-unreadable 4 --out more")).succeeded();
    assert!(done.stdout.contains("4 images could not be read"), "{}", done.stdout);
    let again = preco(root.path(), "pretrain --resume more").succeeded();
    assert!(again.stdout.contains("4 images could not be read"), "{}", again.stdout);
}

#[test]
fn evaluation_leaves_out_files_that_are_cut_off_on_request() {
    let root = tempfile::tempdir().expect("temporary folder");
    preco(root.path(), "scenes --out data --count 40 --size 32").succeeded();
    preco(root.path(), "pretrain --data data --input-size 32 --steps 1 --batch-size 4 --out run").succeeded();
    let class =
        std::fs::read_dir(root.path().join("data")).expect("list").flatten().find(|entry| entry.path().is_dir());
    let class = class.expect("a class").path();
    std::fs::write(class.join("cut.jpg"), &fixture("grey.jpg")[..400]).expect("write");
    preco(root.path(), "evaluate run --data data").refused("cut.jpg");
    let done = preco(root.path(), "evaluate run --data data --skip-unreadable --json").succeeded();
    assert_eq!(done.stderr.matches("cut.jpg").count(), 1, "{}", done.stderr);
    let found: serde_json::Value = serde_json::from_str(&done.stdout).expect("JSON");
    assert_eq!(found["inpainting"]["images"], 40);
}

#[test]
fn names_that_lists_repeat_are_refused_with_list_and_line() {
    let root = tempfile::tempdir().expect("temporary folder");
    eight(root.path());
    let write = |name: &str, text: &str| std::fs::write(root.path().join(name), text).expect("write");
    write("one.txt", "\u{feff}a.png\nb.png\n");
    write("two.txt", "c.png\n\nb.png\n");
    write("twice.txt", "a.png\nd.png\n./a.png\n");
    all_refused(
        root.path(),
        &[
            (
                "--data data --list one.txt --val-list two.txt",
                "two.txt: line 3, b.png: is listed already in one.txt line 2",
            ),
            ("--data data --list twice.txt", "twice.txt: line 3, a.png: is listed already in twice.txt line 1"),
            ("--data data --val-list twice.txt", "twice.txt: line 3, a.png: is listed already in twice.txt line 1"),
        ],
    );
    let run = "pretrain --data data --input-size 32 --steps 1 --batch-size 2 --out run";
    preco(root.path(), &format!("{run} --list one.txt")).succeeded();
    preco(root.path(), "evaluate run --data data --train-list one.txt --list two.txt")
        .refused("two.txt: line 3, b.png: is listed already in one.txt line 2");
}

/// A PNG of 20,000 x 20,000 pixels as far as its header.
fn header_of_20_000_px() -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    let side = 20_000u32.to_be_bytes();
    let mut chunk = |body: &[u8]| {
        bytes.extend((body.len() as u32 - 4).to_be_bytes());
        bytes.extend(body);
        bytes.extend(crc32(body).to_be_bytes());
    };
    // Eight bits, RGB.
    chunk(&[b"IHDR".as_slice(), &side, &side, &[8, 2, 0, 0, 0]].concat());
    chunk(b"IDAT");
    chunk(b"IEND");
    bytes
}

/// The CRC of PNG (ISO 3309).
fn crc32(bytes: &[u8]) -> u32 {
    let bit = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0u32, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| bit(crc)))
}
