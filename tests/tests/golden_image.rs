//! Decoding, resizing and normalisation against Pillow.

use std::path::Path;

use preco_core::imagery::{Filter, Image8, Normalise, crop, decode, resize};
use preco_tests::Case;
use preco_train::augment::flip_horizontal;

/// Most that a JPEG with whole chroma may differ from libjpeg-turbo's, in grey levels: the case's own advice.
const JPEG_444: u8 = 3;
/// Most that one with halved chroma may differ in the mean: decoders interpolate chroma differently.
const JPEG_420_MEAN: f64 = 1.5;

#[test]
fn golden_image_agrees_with_pillow() {
    if preco_tests::folder::root().is_committed_part {
        eprintln!("golden image: NOTHING IS COMPARED: ../shared/golden is absent and no picture is committed");
        return;
    }
    preco_tests::run("image", pictures);
}

fn pictures(case: &Case) {
    case.only_keys(&[
        "H",
        "W",
        "resize_short",
        "center_crop",
        "upsize",
        "files",
        "mean",
        "std",
        "libjpeg_turbo",
        "jpeg",
        "resized_hw",
        "crop_top_left",
    ]);
    let prefixes = ["bilinear", "bicubic"].map(|mode| {
        let pil = [format!("pil_{mode}"), format!("pil_{mode}_up")];
        let kinds = ["u8", "f32"].iter().flat_map(|kind| ["", "_up"].map(|up| format!("tv_{kind}_{mode}{up}")));
        let tv: Vec<String> = kinds.chain(["", "_up"].map(|up| format!("tv_f32_{mode}{up}_noaa"))).collect();
        (pil, tv)
    });
    let mut known = vec!["decoded", "norm", "out"];
    known.extend(prefixes.iter().flat_map(|(pil, tv)| pil.iter().chain(tv)).map(String::as_str));
    case.only_prefixes(&known);

    let picture = |key: &str| {
        let name = case.config["files"][key].as_str().unwrap_or_else(|| case.unknown(&format!("no file for {key}")));
        let path = case.files.iter().find(|path| path.file_name().is_some_and(|file| file == name));
        let path: &Path = path.unwrap_or_else(|| case.unknown(&format!("{name} is absent")));
        decode(path).expect(name)
    };
    let png = picture("png");
    bytes(case, "decoded.png", png.data());
    let grey: Vec<u8> = picture("gray").data().chunks_exact(3).map(|pixel| pixel[0]).collect();
    bytes(case, "decoded.gray", &grey);
    let differences = |key: &str, name: &str| -> Vec<u8> {
        let (ours, golden) = (picture(key), case.bytes(name));
        assert_eq!(ours.data().len(), golden.len(), "{name}");
        ours.data().iter().zip(golden).map(|(a, b)| a.abs_diff(*b)).collect()
    };
    let worst = differences("jpg444", "decoded.jpg444").into_iter().max().unwrap_or_default();
    if worst > JPEG_444 {
        case.fail(format!("decoded.jpg444 differs by {worst} grey levels"));
    }
    let all = differences("jpg420", "decoded.jpg420");
    let mean = all.iter().map(|d| f64::from(*d)).sum::<f64>() / all.len() as f64;
    if mean >= JPEG_420_MEAN {
        case.fail(format!("decoded.jpg420 differs by {mean} grey levels in the mean"));
    }

    let pair = |key: &str| -> [usize; 2] { case.sizes(key).try_into().expect("two numbers") };
    let small = pair("resized_hw");
    for (mode, filter) in [("bilinear", Filter::Bilinear), ("bicubic", Filter::Bicubic)] {
        bytes(case, &format!("pil_{mode}"), resize(&png, small, filter).expect("resize").data());
        bytes(case, &format!("pil_{mode}_up"), resize(&png, pair("upsize"), filter).expect("resize").data());
    }
    for (_, tv) in &prefixes {
        tv.iter().for_each(|name| case.leave_out(name, "our resizing is Pillow's, to the bit, and not torchvision's"));
    }

    let (side, [top, left]) = (case.size("center_crop"), pair("crop_top_left"));
    let centre = resize(&png, small, Filter::Bicubic).and_then(|image| crop(&image, left, top, side, side));
    let mut values = vec![0.0; 3 * side * side];
    let three = |key: &str| -> [f32; 3] { serde_json::from_value(case.config[key].clone()).expect("three bands") };
    Normalise { mean: three("mean").to_vec(), std: three("std").to_vec() }
        .to_tensor(&centre.expect("crop"), &mut values);
    case.check("norm.eval_pipeline", &values);

    let [_, rows, columns]: [usize; 3] = case.shape("out.hflip").try_into().expect("bands, rows, columns");
    let flipped = flip_horizontal(&crop(&png, 0, 0, columns, rows).expect("crop"));
    bytes(case, "out.hflip", &planes(&flipped));
    case.leave_out("out.crop_larger_than_image_padded", "no crop of ours reaches beyond an image");
}

/// Compares bytes exactly.
fn bytes(case: &Case, name: &str, ours: &[u8]) {
    case.check_values(name, ours.iter().map(|&value| f64::from(value)));
}

/// (H, W, 3) as (3, H, W).
fn planes(image: &Image8) -> Vec<u8> {
    (0..3).flat_map(|band| image.data().chunks_exact(3).map(move |pixel| pixel[band])).collect()
}
