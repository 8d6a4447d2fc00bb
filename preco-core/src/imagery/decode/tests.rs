use image::{DynamicImage, ImageBuffer, Luma, Rgba};

use super::*;

const CMYK: &[u8] = include_bytes!("../fixtures/cmyk_adobe.jpg");
const ROTATED: &[u8] = include_bytes!("../fixtures/rotated.jpg");
const GREY: &[u8] = include_bytes!("../fixtures/grey.jpg");
const WEBP: &[u8] = include_bytes!("../fixtures/lossless.webp");

fn png(image: impl Into<DynamicImage>) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, ImageFormat::Png).expect("encode");
    bytes.into_inner()
}

fn decoded(bytes: &[u8]) -> Result<Image8> {
    decode_bytes(bytes, Path::new("a.jpg"))
}

fn refusal(bytes: &[u8]) -> String {
    decoded(bytes).expect_err("must be refused").to_string()
}

/// Pixel by pixel within `tolerance` levels.
fn assert_near(got: [u8; 3], want: [u8; 3], tolerance: u8) {
    assert!(got.iter().zip(want).all(|(&a, b)| a.abs_diff(b) <= tolerance), "{got:?} is not {want:?}");
}

#[test]
fn cmyk_with_and_without_adobes_marker_is_what_pillow_shows() {
    // Both are stored inverted, as every known writer does; Pillow inverts both.
    let marker = CMYK.windows(5).position(|part| part == b"Adobe").expect("marker") - 4;
    let plain = [&CMYK[..marker], &CMYK[marker + 16..]].concat();
    for bytes in [CMYK, &plain] {
        let image = decoded(bytes).expect("decode");
        assert_eq!((image.width(), image.height()), (16, 16));
        let quadrants = [(4, 4, [255, 0, 0]), (12, 4, [0, 255, 0]), (4, 12, [0, 0, 191]), (12, 12, [127, 127, 127])];
        for (x, y, want) in quadrants {
            assert_near(image.get(x, y), want, 2);
        }
    }
}

#[test]
fn orientation_in_the_metadata_is_ignored() {
    let image = decoded(ROTATED).expect("decode");
    assert_eq!((image.width(), image.height()), (20, 24));
    for (x, y) in [(0, 0), (19, 0), (0, 23), (19, 23), (10, 12)] {
        assert_near(image.get(x, y), [12 * x as u8, 10 * y as u8, 100], 6);
    }
}

#[test]
fn grey_is_repeated() {
    let image = decoded(GREY).expect("decode");
    assert!(image.data().chunks_exact(3).all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]));
    assert_near(image.get(19, 0), [228; 3], 3);
}

#[test]
fn webp_without_loss_is_exact() {
    let image = decoded(WEBP).expect("decode");
    assert_eq!(image.get(19, 23), [228, 230, 100]);
}

#[test]
fn sixteen_bits_round_to_the_nearest_level() {
    let all = ImageBuffer::<Luma<u16>, _>::from_fn(256, 256, |x, y| Luma([(256 * y + x) as u16]));
    let image = decoded(&png(all)).expect("decode");
    for value in 0..65536usize {
        let want = (value as f64 * 255.0 / 65535.0).round() as u8;
        assert_eq!(image.get(value % 256, value / 256), [want; 3], "{value}");
    }
}

#[test]
fn alpha_is_dropped_not_composited() {
    let clear = ImageBuffer::from_pixel(2, 2, Rgba([10u8, 20, 30, 0]));
    assert_eq!(decoded(&png(clear)).expect("decode"), Image8::filled(2, 2, [10, 20, 30]));
}

#[test]
fn a_cut_file_of_any_format_is_refused_wherever_it_is_cut() {
    let noise = ImageBuffer::<Luma<u8>, _>::from_fn(40, 40, |x, y| Luma([(x * x * 31 + y * 17 * x) as u8]));
    // A PNG has all its pixels before the 12 bytes of its last chunk.
    let png = png(noise);
    for (bytes, end) in [(CMYK, CMYK.len()), (ROTATED, ROTATED.len()), (GREY, GREY.len()), (&png, png.len() - 16)] {
        for len in 1..end {
            let error = refusal(&bytes[..len]);
            assert!(error.starts_with("a.jpg: "), "{error}");
        }
    }
    for len in 1..WEBP.len() - 1 {
        assert!(decoded(&WEBP[..len]).is_err(), "{len}");
    }
}

#[test]
fn bytes_after_the_end_are_accepted() {
    let longer = [GREY, b"appended by a camera"].concat();
    assert_eq!(decoded(&longer).expect("decode"), decoded(GREY).expect("decode"));
}

#[test]
fn damaged_bytes_never_panic() {
    for bytes in [CMYK, ROTATED, GREY, WEBP] {
        for at in 0..bytes.len() {
            for value in [0, 0xff, bytes[at] ^ 0x10] {
                let mut damaged = bytes.to_vec();
                damaged[at] = value;
                // A damaged pixel may decode; the size then is the header's.
                if let Ok(image) = decoded(&damaged) {
                    assert_eq!(image.data().len(), 3 * image.width() * image.height());
                }
            }
        }
    }
}

#[test]
fn what_is_no_image_is_named_by_its_first_bytes() {
    let error = refusal(b"<html><body>404");
    assert!(error.contains("is not a JPEG, PNG or WebP image (starts with \"<html><body>\")"), "{error}");
    assert!(refusal(b"").contains("is empty"));
    assert!(refusal(b"II*\0\x08\0\0\0").contains("TIFF"));
}

/// A PNG whose header states a size; its checksum is right, so only the size can be wrong.
fn png_of_size(width: u32, height: u32) -> Vec<u8> {
    let header = [b"IHDR", &width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    let crc = header
        .iter()
        .fold(!0u32, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1))));
    let end = [0, 0, 0, 0, b'I', b'D', b'A', b'T', 0x35, 0xaf, 0x06, 0x1e];
    [b"\x89PNG\r\n\x1a\n\0\0\0\x0d", &header[..], &(!crc).to_be_bytes(), &end].concat()
}

#[test]
fn too_many_pixels_are_refused_by_the_header() {
    let error = refusal(&png_of_size(20_000, 20_000));
    assert!(error.contains("20000x20000") && error.contains("cut it into tiles"), "{error}");
    let frame = [0xff, 0xd8, 0xff, 0xc0, 0, 17, 8, 0xff, 0xff, 0xff, 0xff, 3];
    assert!(refusal(&frame).contains("65535x65535"));
    assert!(refusal(&png_of_size(u32::MAX, u32::MAX)).starts_with("a.jpg: "));
}

#[test]
fn zero_sizes_are_refused() {
    assert!(refusal(&png_of_size(0, 7)).starts_with("a.jpg: "));
    let frame = [0xff, 0xd8, 0xff, 0xc0, 0, 17, 8, 0, 0, 0, 9, 3];
    assert!(refusal(&frame).contains("no pixels (9x0)"));
}

#[test]
fn a_probe_reads_the_size_without_the_pixels() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("a.txt");
    for (bytes, width, height) in [(CMYK, 16, 16), (&ROTATED[..400], 20, 24), (WEBP, 20, 24)] {
        std::fs::write(&path, bytes).expect("write");
        assert_eq!(probe(&path).expect("probe"), ImageInfo { width, height, bits: 8 });
    }
    std::fs::write(&path, GREY).expect("write");
    assert_eq!(decode(&path).expect("decode"), decoded(GREY).expect("decode"));
}

#[test]
fn folders_and_absent_files_are_errors_with_their_path() {
    let folder = tempfile::tempdir().expect("temporary folder");
    assert!(matches!(probe(folder.path()), Err(Error::Io { .. })));
    let error = decode(&folder.path().join("none.png")).expect_err("absent").to_string();
    assert!(error.contains("cannot read") && error.contains("none.png"), "{error}");
}
