use super::Filter::{Bicubic, Bilinear};
use super::*;

fn pattern() -> Image8 {
    let value = |x: usize, y: usize, c: usize| (x * 37 + y * 101 + c * 53 + x * y * 7) as u8;
    let data = (0..17).flat_map(|y| (0..23).flat_map(move |x| (0..3).map(move |c| value(x, y, c)))).collect();
    Image8::rgb(23, 17, data)
}

fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// FNV-1a of Pillow 13.0.0's `Image.fromarray(pattern).resize(size, filter, box=box)`.
const PILLOW: [([f32; 4], [usize; 2], Filter, u64); 16] = [
    ([0.0, 0.0, 23.0, 17.0], [9, 11], Bilinear, 0xbc6d676d0bd421bc),
    ([0.0, 0.0, 23.0, 17.0], [9, 11], Bicubic, 0xb2fe5150b452521a),
    ([0.0, 0.0, 23.0, 17.0], [48, 64], Bilinear, 0x8808d8daf602c72d),
    ([0.0, 0.0, 23.0, 17.0], [48, 64], Bicubic, 0x2cd13e10d70281a6),
    ([0.0, 0.0, 23.0, 17.0], [5, 23], Bilinear, 0x53d5385018465b61),
    ([0.0, 0.0, 23.0, 17.0], [5, 23], Bicubic, 0xb359752769cb5b04),
    ([0.0, 0.0, 23.0, 17.0], [17, 7], Bilinear, 0x0f1a8d7ee0ae96a4),
    ([0.0, 0.0, 23.0, 17.0], [17, 7], Bicubic, 0xd9dbd3ad83b86016),
    ([3.0, 2.0, 20.0, 13.0], [8, 8], Bilinear, 0x98ade8c631c6d9a4),
    ([3.0, 2.0, 20.0, 13.0], [8, 8], Bicubic, 0x37c5834b06df0753),
    ([0.5, 1.25, 22.75, 16.5], [9, 31], Bilinear, 0x9850931d738efd64),
    ([0.5, 1.25, 22.75, 16.5], [9, 31], Bicubic, 0x12eace72527b3968),
    ([5.0, 5.0, 6.0, 6.0], [4, 6], Bilinear, 0x8571bb4b4310921e),
    ([5.0, 5.0, 6.0, 6.0], [4, 6], Bicubic, 0xff9ac3e4150ad384),
    ([0.0, 0.0, 23.0, 17.0], [1, 1], Bilinear, 0x915de01964d5da1f),
    ([0.0, 0.0, 23.0, 17.0], [1, 1], Bicubic, 0x915de01964d5da1f),
];

#[test]
fn every_byte_is_pillows() {
    let image = pattern();
    for (xyxy, size, filter, want) in PILLOW {
        let got = resize_box(&image, xyxy, size, filter).expect("resize");
        assert_eq!([got.height(), got.width()], size);
        assert_eq!(digest(got.data()), want, "{xyxy:?} to {size:?}, {filter:?}");
    }
}

#[test]
fn the_same_size_is_the_same_image() {
    let image = pattern();
    for filter in [Bilinear, Bicubic] {
        assert_eq!(resize(&image, [17, 23], filter).expect("resize"), image);
    }
}

#[test]
fn one_pixel_fills_any_size() {
    let image = Image8::filled(1, 1, [3, 200, 255]);
    for filter in [Bilinear, Bicubic] {
        assert_eq!(resize(&image, [5, 7], filter).expect("resize"), Image8::filled(7, 5, [3, 200, 255]));
    }
}

#[test]
fn a_crop_hides_what_is_around_it_and_a_box_does_not() {
    let image = pattern();
    let cut = crop(&image, 3, 2, 17, 11).expect("crop");
    assert_eq!(cut.get(16, 10), image.get(19, 12));
    assert_ne!(
        resize(&cut, [8, 8], Bicubic).expect("resize"),
        resize_box(&image, [3.0, 2.0, 20.0, 13.0], [8, 8], Bicubic).expect("resize")
    );
}

#[test]
fn boxes_and_sizes_without_pixels_are_errors() {
    let image = pattern();
    let boxes = [[0.0, 0.0, 24.0, 17.0], [-1.0, 0.0, 4.0, 4.0], [4.0, 0.0, 4.0, 4.0], [f32::NAN, 0.0, 4.0, 4.0]];
    for xyxy in boxes {
        let error = resize_box(&image, xyxy, [4, 4], Bicubic).expect_err("box").to_string();
        assert!(error.contains("23x17"), "{error}");
    }
    for size in [[0, 4], [4, 0], [usize::MAX, 2]] {
        assert!(resize(&image, size, Bilinear).is_err(), "{size:?}");
    }
    assert!(resize(&Image8::rgb(0, 0, vec![]), [2, 2], Bilinear).is_err());
    for (left, top, width, height) in [(0, 0, 24, 1), (23, 0, 1, 1), (0, 0, 0, 1), (usize::MAX, 0, 2, 1)] {
        assert!(crop(&image, left, top, width, height).is_err(), "{width}x{height} at {left},{top}");
    }
}

#[test]
fn a_box_of_a_rounding_error_keeps_one_pixel() {
    let image = Image8::filled(4, 4, [9, 9, 9]);
    let edge = 4.0f32.next_down();
    let got = resize_box(&image, [edge, edge, 4.0, 4.0], [2, 2], Bilinear).expect("resize");
    assert_eq!(got, Image8::filled(2, 2, [9, 9, 9]));
}
