//! JPEG, PNG and WebP files to eight-bit colour.
//!
//! The format is read from the content; the file's name does not matter. Grey is repeated in three channels, alpha is
//! dropped (not composited), 16-bit samples become `round(v · 255 / 65535)`, CMYK is converted to RGB. The orientation
//! and the colour profile in the metadata are ignored: pixels come as they are stored.

use std::io::{BufRead, BufReader, Cursor, Seek};
use std::path::Path;

use image::{DynamicImage, ImageFormat, ImageReader, Limits};

use super::bytes::open_regular;
use super::{Image8, jpeg};
use crate::error::{Error, Result};

/// File-name extensions, in lower case, under which images are looked for in folders.
pub const IMAGE_EXTENSIONS: [&str; 4] = ["jpg", "jpeg", "png", "webp"];

/// The largest image that is decoded, in pixels. Larger ones are scenes, and scenes are read in windows.
pub const MAX_PIXELS: usize = 100_000_000;

/// Where a PNG file says how many bits a sample has.
const PNG_DEPTH: usize = 24;

/// What the header of an image file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageInfo {
    /// Width in pixels, at least 1.
    pub width: usize,
    /// Height in pixels, at least 1.
    pub height: usize,
    /// Bits of a sample: 16 of some PNG files, else 8.
    pub bits: u8,
}

/// The size of the image in `path`, from its header alone.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read; [`Error::Image`] where it is no JPEG, PNG or WebP by its content, has no
/// pixel, or has more than [`MAX_PIXELS`].
pub fn probe(path: &Path) -> Result<ImageInfo> {
    let file = open_regular(path).map_err(|source| unreadable(path, source))?;
    header(BufReader::new(file), path).map(|(_, info)| info)
}

/// The format of the image in `path`, by its content: `JPEG`, `PNG` or `WebP`.
///
/// # Errors
/// Those of [`probe`].
pub fn format(path: &Path) -> Result<&'static str> {
    let file = open_regular(path).map_err(|source| unreadable(path, source))?;
    let (format, _) = header(BufReader::new(file), path)?;
    Ok(match format {
        ImageFormat::Jpeg => "JPEG",
        ImageFormat::Png => "PNG",
        _ => "WebP",
    })
}

/// The image in `path`.
///
/// # Errors
/// Those of [`probe`], and [`Error::Image`] where the pixels are cut off or damaged.
pub fn decode(path: &Path) -> Result<Image8> {
    // The header first: a file of many gigabytes must not be read to find out that it is no image.
    probe(path)?;
    decode_bytes(&std::fs::read(path).map_err(|source| unreadable(path, source))?, path)
}

/// The image in `bytes`; `path` names it in errors and is not opened.
///
/// # Errors
/// [`Error::Image`], as for [`decode`].
pub fn decode_bytes(bytes: &[u8], path: &Path) -> Result<Image8> {
    let (pixels, info) = pixels(bytes, path)?;
    Ok(Image8::rgb(info.width, info.height, pixels.into_rgb8().into_raw()))
}

/// Colours as they are stored.
pub(super) struct Stored {
    /// What the header says.
    pub(super) info: ImageInfo,
    /// Rows of pixels of red, green and blue; samples of 16 bits in the machine's byte order.
    pub(super) bytes: Vec<u8>,
    /// For each pixel whether it can be seen at all: its alpha is above 0. Nothing where there is no alpha.
    pub(super) valid: Option<Vec<bool>>,
}

/// The image in `bytes` with its own depth and alpha.
///
/// # Errors
/// As [`decode_bytes`].
pub(super) fn decode_stored(bytes: &[u8], path: &Path) -> Result<Stored> {
    let (pixels, info) = pixels(bytes, path)?;
    let valid = pixels.color().has_alpha().then(|| pixels.to_rgba16().pixels().map(|pixel| pixel[3] > 0).collect());
    let bytes = match info.bits {
        16 => pixels.into_rgb16().into_raw().into_iter().flat_map(u16::to_ne_bytes).collect(),
        _ => pixels.into_rgb8().into_raw(),
    };
    Ok(Stored { info, bytes, valid })
}

/// The decoded image, of the size that its header says.
fn pixels(bytes: &[u8], path: &Path) -> Result<(DynamicImage, ImageInfo)> {
    let (format, info) = header(Cursor::new(bytes), path)?;
    if format == ImageFormat::Jpeg && !jpeg::is_complete(bytes) {
        return Err(invalid(path, "the JPEG data is cut off before its end marker; fetch or export the file again"));
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::no_limits();
    // Four samples of 16 bits, and as much again for the decoder's own planes.
    limits.max_alloc = Some(16 * MAX_PIXELS as u64);
    reader.limits(limits);
    let pixels = reader.decode().map_err(|error| invalid(path, format!("cannot be decoded: {error}")))?;
    let (width, height) = (pixels.width() as usize, pixels.height() as usize);
    if [width, height] != [info.width, info.height] {
        return Err(invalid(
            path,
            format!("decoded to {width}x{height}, its header says {}x{}", info.width, info.height),
        ));
    }
    Ok((pixels, info))
}

/// Format and size, refused where nothing can be decoded from them.
fn header(mut input: impl BufRead + Seek, path: &Path) -> Result<(ImageFormat, ImageInfo)> {
    let mut start = [0; PNG_DEPTH + 1];
    let len = read_start(&mut input, &mut start).map_err(|source| unreadable(path, source))?;
    let format = sniff(&start[..len]).ok_or_else(|| invalid(path, not_an_image(&start[..len.min(12)])))?;
    input.rewind().map_err(|source| unreadable(path, source))?;
    let (width, height) = if format == ImageFormat::Jpeg {
        jpeg::dimensions(input)
            .ok()
            .flatten()
            .ok_or_else(|| invalid(path, "is a JPEG whose header is cut off or damaged; fetch or export it again"))?
    } else {
        let (width, height) = ImageReader::with_format(input, format)
            .into_dimensions()
            .map_err(|error| invalid(path, format!("its header cannot be read: {error}")))?;
        (width as usize, height as usize)
    };
    if width == 0 || height == 0 {
        return Err(invalid(path, format!("has no pixels ({width}x{height})")));
    }
    if width.saturating_mul(height) > MAX_PIXELS {
        return Err(invalid(
            path,
            format!(
                "has {width}x{height} pixels, the limit is {} megapixels; cut it into tiles",
                MAX_PIXELS / 1_000_000
            ),
        ));
    }
    let bits = if format == ImageFormat::Png && start[PNG_DEPTH] == 16 { 16 } else { 8 };
    Ok((format, ImageInfo { width, height, bits }))
}

/// Fills `start` as far as the input reaches and returns how far that is.
fn read_start(input: &mut impl BufRead, start: &mut [u8]) -> std::io::Result<usize> {
    let mut len = 0;
    while len < start.len() {
        match input.read(&mut start[len..])? {
            0 => break,
            more => len += more,
        }
    }
    Ok(len)
}

/// True where these are the first bytes of an image file.
pub(super) fn is_image(start: &[u8]) -> bool {
    sniff(start).is_some()
}

/// The format by its first bytes.
fn sniff(start: &[u8]) -> Option<ImageFormat> {
    if start.starts_with(&[0xff, 0xd8, 0xff]) {
        Some(ImageFormat::Jpeg)
    } else if start.starts_with(b"\x89PNG\r\n\x1a\n") {
        Some(ImageFormat::Png)
    } else if start.starts_with(b"RIFF") && start.get(8..12) == Some(b"WEBP") {
        Some(ImageFormat::WebP)
    } else {
        None
    }
}

fn not_an_image(start: &[u8]) -> String {
    if start.is_empty() {
        return "is empty".into();
    }
    let tiff = matches!(start.get(..4), Some(b"II*\0" | b"MM\0*" | b"II+\0" | b"MM\0+"));
    let hint = if tiff { "; it is a TIFF, which is read as a scene" } else { "" };
    format!("is not a JPEG, PNG or WebP image (starts with \"{}\"){hint}", start.escape_ascii())
}

fn unreadable(path: &Path, source: std::io::Error) -> Error {
    Error::Io { action: "read", path: path.into(), source }
}

fn invalid(path: &Path, reason: impl Into<String>) -> Error {
    Error::Image { path: path.into(), reason: reason.into() }
}

#[cfg(test)]
mod tests;
