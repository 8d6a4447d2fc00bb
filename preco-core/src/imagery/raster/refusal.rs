//! Why a TIFF cannot be read, by name and with what to do about it.

use tiff_reader::TiffError;

use crate::error::Error;

/// Which samples are read, and how to make them of others.
pub(super) const SAMPLES: &str =
    "integers of 8 to 64 bits and floats of 32 and 64 are read: rewrite it (gdal_translate -ot Float32)";

/// Codecs that the reader knows by number only.
const CODECS: [(u16, &str); 9] = [
    (2, "CCITT run lengths"),
    (3, "CCITT fax 3"),
    (4, "CCITT fax 4"),
    (34_661, "JBIG"),
    (34_712, "JPEG 2000"),
    (34_925, "LZMA"),
    (50_002, "JPEG XL"),
    (52_546, "JPEG XL"),
    (34_892, "lossy DNG"),
];

pub(super) fn refused(name: &str, reason: impl Into<String>) -> Error {
    Error::Image { path: name.into(), reason: reason.into() }
}

/// The reader's error, with what it leaves unsaid.
pub(super) fn explained(error: &TiffError) -> String {
    let rewrite = "rewrite it (gdal_translate -co COMPRESS=DEFLATE)";
    let told = match error {
        TiffError::UnsupportedCompression(code) => {
            let name = CODECS.iter().find(|(known, _)| known == code).map(|(_, name)| *name);
            name.map_or(rewrite.to_owned(), |name| format!("that is {name}; {rewrite}"))
        }
        TiffError::UnsupportedPredictor(_) => rewrite.to_owned(),
        // Whole numbers of 16 bits are read.
        TiffError::UnsupportedBitsPerSample(16) => format!("half floats; {SAMPLES}"),
        TiffError::UnsupportedBitsPerSample(_) => SAMPLES.to_owned(),
        TiffError::UnsupportedSampleFormat(5 | 6) => format!("complex numbers; {SAMPLES}"),
        TiffError::UnsupportedSampleFormat(_) => SAMPLES.to_owned(),
        TiffError::Truncated { .. } | TiffError::OffsetOutOfBounds { .. } => {
            "it is cut off or damaged: fetch it again".to_owned()
        }
        TiffError::DecodeOutputTooLarge { .. } => "ask for smaller tiles".to_owned(),
        _ => return format!("cannot be read as a TIFF: {error}"),
    };
    format!("cannot be read as a TIFF: {error}; {told}")
}
