//! The golden image family: Pillow's decoding, resizing and normalisation.
//!
//! Runs where `PRECO_GOLDEN` names the folder of golden vectors. `resize::tests` holds digests that need no folder.

use std::path::PathBuf;

use safetensors::SafeTensors;

use super::*;

fn folder() -> Option<PathBuf> {
    std::env::var_os("PRECO_GOLDEN").map(|folder| PathBuf::from(folder).join("image"))
}

fn mean_difference(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / a.len() as f64
}

#[test]
fn pillows_images_are_reproduced() {
    let Some(folder) = folder() else { return };
    let bytes = std::fs::read(folder.join("texture_a.safetensors")).expect("golden tensors");
    let golden = SafeTensors::deserialize(&bytes).expect("golden tensors");
    let tensor = |name: &str| golden.tensor(name).expect("golden tensor").data().to_vec();

    let png = decode(&folder.join("texture_a.png")).expect("png");
    assert_eq!(png.data(), tensor("decoded.png"));
    let grey = decode(&folder.join("texture_a_gray.png")).expect("grey");
    assert!(grey.data().chunks_exact(3).zip(tensor("decoded.gray")).all(|(pixel, value)| pixel == [value; 3]));
    let jpeg = decode(&folder.join("texture_a_444.jpg")).expect("jpeg");
    let worst = jpeg.data().iter().zip(tensor("decoded.jpg444")).map(|(a, b)| a.abs_diff(b)).max();
    assert!(worst <= Some(3), "{worst:?}");
    let jpeg = decode(&folder.join("texture_a_420.jpg")).expect("jpeg");
    let mean = mean_difference(jpeg.data(), &tensor("decoded.jpg420"));
    assert!(mean < 1.5, "{mean}");

    for (name, filter) in [("pil_bilinear", Filter::Bilinear), ("pil_bicubic", Filter::Bicubic)] {
        assert_eq!(resize(&png, [64, 82], filter).expect("resize").data(), tensor(name), "{name}");
        let up = resize(&png, [130, 170], filter).expect("resize");
        assert_eq!(up.data(), tensor(&format!("{name}_up")), "{name}_up");
    }

    let small = resize(&png, [64, 82], Filter::Bicubic).expect("resize");
    let centre = crop(&small, 13, 4, 56, 56).expect("crop");
    let mut out = vec![0.0; 3 * 56 * 56];
    Normalise::default().to_tensor(&centre, &mut out);
    let want = tensor("norm.eval_pipeline");
    for (got, want) in out.iter().zip(want.chunks_exact(4)) {
        let want = f32::from_le_bytes([want[0], want[1], want[2], want[3]]);
        assert!((got - want).abs() <= 2e-6, "{got} {want}");
    }
}
