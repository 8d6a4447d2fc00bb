//! Pictures to JPEG files.

use std::path::Path;

use image::ImageEncoder;
use image::codecs::jpeg::JpegEncoder;

use super::Image8;
use crate::error::{Error, Result};

/// Writes `image` as a baseline JPEG file of a quality from 1 to 100; `path` is whole or absent.
///
/// # Errors
/// [`Error::Image`] for a quality out of range and for a side of 0 or more than 65,535 pixels; [`Error::Io`] where the
/// file cannot be written.
pub fn write_jpeg(image: &Image8, path: &Path, quality: u8) -> Result<()> {
    let invalid = |reason: String| Error::Image { path: path.into(), reason };
    if !(1..=100).contains(&quality) {
        return Err(invalid(format!("JPEG quality {quality} must be 1 to 100")));
    }
    if image.bands() != 3 {
        return Err(invalid(format!("a picture has three bands, this image {}", image.bands())));
    }
    let (Ok(width @ 1..), Ok(height @ 1..)) = (u16::try_from(image.width()), u16::try_from(image.height())) else {
        return Err(invalid(format!("a JPEG cannot hold {}x{} pixels", image.width(), image.height())));
    };
    crate::files::write_atomic(path, |out| {
        JpegEncoder::new_with_quality(out, quality)
            .write_image(image.data(), width.into(), height.into(), image::ExtendedColorType::Rgb8)
            .map_err(std::io::Error::other)
    })
    .map_err(|source| Error::Io { action: "write", path: path.into(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_picture_reads_back_within_a_step() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("a.jpg");
        write_jpeg(&Image8::filled(17, 9, [200, 90, 40]), &path, 95).expect("write");
        let read = super::super::decode(&path).expect("read");
        assert_eq!((read.width(), read.height()), (17, 9));
        let near = |value: u8, want: u8| value.abs_diff(want) <= 2;
        assert!(read.data().chunks_exact(3).all(|p| near(p[0], 200) && near(p[1], 90) && near(p[2], 40)));
        assert_eq!(super::super::format(&path).expect("format"), "JPEG");
    }

    #[test]
    fn what_a_jpeg_cannot_hold_is_refused() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("a.jpg");
        for (width, quality, needle) in [(0, 90, "0x1"), (70_000, 90, "70000x1"), (1, 0, "quality 0")] {
            let error = write_jpeg(&Image8::filled(width, 1, [0; 3]), &path, quality).expect_err(needle).to_string();
            assert!(error.contains(needle), "{error}");
        }
        assert!(!path.exists());
    }
}
