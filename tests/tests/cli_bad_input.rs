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
            ("--init-from nowhere", "no published weights yet"),
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

#[test]
fn a_file_that_is_cut_off_is_passed_over_on_request() {
    let root = tempfile::tempdir().expect("temporary folder");
    let data = root.path().join("data");
    std::fs::create_dir(&data).expect("folder");
    for name in ["a.png", "b.png", "c.png", "d.png"] {
        let image = DynamicImage::new_rgb8(64, 64);
        image.save_with_format(data.join(name), ImageFormat::Png).expect(name);
    }
    std::fs::write(data.join("cut.jpg"), &fixture("grey.jpg")[..400]).expect("write");
    let flags = "pretrain --data data --input-size 64 --steps 5 --batch-size 2";
    preco(root.path(), &format!("{flags} --out refused")).refused("cut.jpg");
    preco(root.path(), "pretrain --resume nowhere").refused("nowhere");
    let done = preco(root.path(), &format!("{flags} --skip-unreadable --out run")).succeeded();
    assert!(done.stdout.contains("1 images could not be read") && done.stderr.contains("cut.jpg"), "{}", done.stderr);
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
