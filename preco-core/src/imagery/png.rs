//! Pictures to PNG files.

use std::io::{self, Write};
use std::path::Path;

use image::ImageEncoder;
use image::codecs::png::PngEncoder;

use super::Image8;
use crate::error::{Error, Result};

/// Writes `image` as a PNG file; `path` is whole or absent.
///
/// # Errors
/// [`Error::Image`] for an image without pixels; [`Error::Io`] where the file cannot be written.
pub fn write_png(image: &Image8, path: &Path) -> Result<()> {
    size(image).map_err(|reason| Error::Image { path: path.into(), reason })?;
    crate::files::write_atomic(path, |out| encode_png(image, out)).map_err(|source| Error::Io {
        action: "write",
        path: path.into(),
        source,
    })
}

/// Writes `image` to `out` in the format of a PNG file, for pictures that lie inside other files.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`] for an image without pixels; what `out` returns.
pub fn encode_png(image: &Image8, out: &mut dyn Write) -> io::Result<()> {
    let (width, height) = size(image).map_err(|reason| io::Error::new(io::ErrorKind::InvalidInput, reason))?;
    PngEncoder::new(out)
        .write_image(image.data(), width, height, image::ExtendedColorType::Rgb8)
        .map_err(io::Error::other)
}

/// Width and height as the format has them, or why it cannot.
fn size(image: &Image8) -> std::result::Result<(u32, u32), String> {
    if image.bands() != 3 {
        return Err(format!("a picture has three bands, this image {}", image.bands()));
    }
    match (u32::try_from(image.width()), u32::try_from(image.height())) {
        (Ok(width @ 1..), Ok(height @ 1..)) => Ok((width, height)),
        _ => Err(format!("a PNG cannot hold {}x{} pixels", image.width(), image.height())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_picture_reads_back_exactly() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("a.png");
        let image = Image8::rgb(3, 2, (0..18).map(|at| at * 14).collect());
        write_png(&image, &path).expect("write");
        assert_eq!(super::super::decode(&path).expect("read"), image);
        let mut encoded = Vec::new();
        encode_png(&image, &mut encoded).expect("encode");
        assert_eq!(encoded, std::fs::read(&path).expect("read"));
    }

    #[test]
    fn no_pixels_and_no_folder_are_errors() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("a.png");
        let error = write_png(&Image8::rgb(0, 4, vec![]), &path).expect_err("no pixels").to_string();
        assert!(error.contains("0x4"), "{error}");
        let error = encode_png(&Image8::rgb(4, 0, vec![]), &mut Vec::new()).expect_err("no pixels");
        assert_eq!(
            (error.kind(), error.to_string()),
            (io::ErrorKind::InvalidInput, "a PNG cannot hold 4x0 pixels".into())
        );
        let error = write_png(&Image8::filled(1, 1, [0; 3]), &folder.path().join("no/a.png")).expect_err("no folder");
        assert!(error.to_string().contains("cannot write"), "{error}");
    }
}
