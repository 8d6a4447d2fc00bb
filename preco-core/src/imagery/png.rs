//! Pictures to PNG files.

use std::path::Path;

use image::ImageEncoder;
use image::codecs::png::PngEncoder;

use super::Rgb8;
use crate::error::{Error, Result};

/// Writes `image` as a PNG file; `path` is whole or absent.
///
/// # Errors
/// [`Error::Image`] for an image without pixels; [`Error::Io`] where the file cannot be written.
pub fn write_png(image: &Rgb8, path: &Path) -> Result<()> {
    let (Ok(width @ 1..), Ok(height @ 1..)) = (u32::try_from(image.width()), u32::try_from(image.height())) else {
        let reason = format!("a PNG cannot hold {}x{} pixels", image.width(), image.height());
        return Err(Error::Image { path: path.into(), reason });
    };
    crate::files::write_atomic(path, |out| {
        PngEncoder::new(out)
            .write_image(image.data(), width, height, image::ExtendedColorType::Rgb8)
            .map_err(std::io::Error::other)
    })
    .map_err(|source| Error::Io { action: "write", path: path.into(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_picture_reads_back_exactly() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("a.png");
        let image = Rgb8::new(3, 2, (0..18).map(|at| at * 14).collect());
        write_png(&image, &path).expect("write");
        assert_eq!(super::super::decode(&path).expect("read"), image);
    }

    #[test]
    fn no_pixels_and_no_folder_are_errors() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("a.png");
        let error = write_png(&Rgb8::new(0, 4, vec![]), &path).expect_err("no pixels").to_string();
        assert!(error.contains("0x4"), "{error}");
        let error = write_png(&Rgb8::filled(1, 1, [0; 3]), &folder.path().join("no/a.png")).expect_err("no folder");
        assert!(error.to_string().contains("cannot write"), "{error}");
    }
}
