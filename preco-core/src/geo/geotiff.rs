//! GeoTIFFs out: class maps, pictures and feature maps that lie where their scene lies.
//!
//! Written by `geotiff-writer`: tiles, deflate with a predictor, the source's own keys (of user-defined systems too), a
//! transformation matrix where pixels are rotated. The same pixels give the same bytes; a file is whole or absent.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use geotiff_core::GeoTransform;
use geotiff_writer::{
    ColorMap, Compression, ExtraSample, GeoTiffBuilder, NumericSample, PhotometricInterpretation, Predictor,
    StreamingTileWriter, TiffVariant,
};
use ndarray::ArrayView3;

use super::{Affine, Crs};
use crate::error::{Error, Result};
use crate::files::Temporary;

/// Side of a tile of the file, where the raster is not smaller.
const TILE_PX: usize = 256;
/// Bytes of samples from which offsets may outgrow 32 bits.
const BIG: usize = 3 << 30;

/// What a GeoTIFF is to hold, but for its pixels.
#[derive(Clone, Copy, Debug)]
pub struct RasterOut<'a> {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Values of a pixel. Three or four bytes are colours, the fourth of them alpha.
    pub bands: usize,
    /// From pixels to coordinates.
    pub affine: Option<&'a Affine>,
    /// What the coordinates are.
    pub crs: Option<&'a Crs>,
    /// The value of pixels without data.
    pub nodata: Option<f64>,
    /// The colours of a raster of one byte per pixel that holds classes.
    pub palette: Option<&'a [[u8; 3]]>,
}

/// Pixels by rows, the bands of a pixel together.
#[derive(Clone, Copy, Debug)]
pub enum Samples<'a> {
    /// Bytes.
    U8(&'a [u8]),
    /// Numbers of 16 bits, such as reflectances.
    U16(&'a [u16]),
    /// Numbers.
    F32(&'a [f32]),
}

/// Writes a raster that is in memory.
///
/// # Errors
/// As [`GeoTiffRows::create`].
///
/// # Panics
/// Where there are not as many samples as the description says.
pub fn write_geotiff(path: &Path, out: &RasterOut<'_>, samples: Samples<'_>) -> Result<()> {
    match samples {
        Samples::U8(samples) => write_rows(path, out, samples),
        Samples::U16(samples) => write_rows(path, out, samples),
        Samples::F32(samples) => write_rows(path, out, samples),
    }
}

fn write_rows<T: RasterSample>(path: &Path, out: &RasterOut<'_>, samples: &[T]) -> Result<()> {
    let mut rows = GeoTiffRows::create(path, out)?;
    rows.push(samples)?;
    rows.finish()
}

/// A sample that rasters are written of: `u8`, `u16` or `f32`.
pub trait RasterSample: NumericSampleOf {}
impl RasterSample for u8 {}
impl RasterSample for u16 {}
impl RasterSample for f32 {}

mod sealed {
    /// Keeps the writer's own trait out of the crate's interface.
    pub trait Sample: geotiff_writer::NumericSample {}
    impl Sample for u8 {}
    impl Sample for u16 {}
    impl Sample for f32 {}
}
use sealed::Sample as NumericSampleOf;

/// A GeoTIFF that is written row by row from the top, and never held in memory as a whole.
pub struct GeoTiffRows<T: RasterSample> {
    writer: StreamingTileWriter<T, BufWriter<File>>,
    temporary: Temporary,
    path: PathBuf,
    size: [usize; 2],
    bands: usize,
    tile: [usize; 2],
    rows: Vec<T>,
    written: usize,
}

impl<T: RasterSample> GeoTiffRows<T> {
    /// Begins a file beside `path`; [`GeoTiffRows::finish`] gives it its name.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Config`] where a side is 0 or too long for a TIFF.
    pub fn create(path: &Path, out: &RasterOut<'_>) -> Result<Self> {
        let sizes = [out.width, out.height, out.bands];
        if sizes.contains(&0) || out.width.max(out.height) > i32::MAX as usize || out.bands > 65_535 {
            return Err(Error::config(format!("a GeoTIFF of {}x{}x{} cannot be", out.width, out.height, out.bands)));
        }
        let tile = [out.width, out.height].map(|side| side.next_multiple_of(16).min(TILE_PX));
        let failed = |source| Error::Io { action: "write", path: path.into(), source };
        let temporary = Temporary::beside(path).map_err(failed)?;
        let sink = BufWriter::with_capacity(1 << 20, temporary.file().map_err(failed)?);
        let writer = builder::<T>(out, tile)?.tile_writer(sink).map_err(|error| failed(io::Error::other(error)))?;
        let (size, bands) = ([out.width, out.height], out.bands);
        Ok(Self { writer, temporary, path: path.into(), size, bands, tile, rows: Vec::new(), written: 0 })
    }

    /// Adds whole rows.
    ///
    /// # Errors
    /// [`Error::Io`].
    ///
    /// # Panics
    /// Where they are not whole, or more than the raster has.
    pub fn push(&mut self, samples: &[T]) -> Result<()> {
        let row = self.size[0] * self.bands;
        assert!(samples.len().is_multiple_of(row), "{} samples are no whole rows of {row}", samples.len());
        let rows = self.written + (self.rows.len() + samples.len()) / row;
        assert!(rows <= self.size[1], "{rows} rows of {}", self.size[1]);
        for samples in samples.chunks(row * self.tile[1]) {
            self.rows.extend_from_slice(samples);
            while self.rows.len() >= row * self.tile[1] {
                let rest = self.rows.split_off(row * self.tile[1]);
                self.write_tiles()?;
                self.rows = rest;
            }
        }
        Ok(())
    }

    /// Writes what is left, syncs and names the file.
    ///
    /// # Errors
    /// [`Error::Io`].
    ///
    /// # Panics
    /// Where rows are missing.
    pub fn finish(mut self) -> Result<()> {
        if !self.rows.is_empty() {
            self.write_tiles()?;
        }
        assert_eq!(self.written, self.size[1], "rows are missing");
        let failed = |source| Error::Io { action: "write", path: self.path.clone(), source };
        let sink = self.writer.finish().map_err(|error| failed(io::Error::other(error)))?;
        sink.into_inner().map_err(|error| failed(error.into_error()))?;
        self.temporary.persist(&self.path).map_err(failed)
    }

    /// The rows that have come, as one row of the file's tiles.
    fn write_tiles(&mut self) -> Result<()> {
        let [width, bands] = [self.size[0], self.bands];
        let height = self.rows.len() / (width * bands);
        let mut tile = Vec::new();
        for x in (0..width).step_by(self.tile[0]) {
            let columns = self.tile[0].min(width - x);
            tile.clear();
            for row in self.rows.chunks_exact(width * bands) {
                tile.extend_from_slice(&row[bands * x..bands * (x + columns)]);
            }
            let view = ArrayView3::from_shape((height, columns, bands), &tile);
            let view = view.map_err(|error| Error::config(error.to_string()))?;
            self.writer.write_tile_3d(x, self.written, &view).map_err(|error| Error::Io {
                action: "write",
                path: self.path.clone(),
                source: io::Error::other(error),
            })?;
        }
        self.written += height;
        self.rows.clear();
        Ok(())
    }
}

fn builder<T: NumericSample>(out: &RasterOut<'_>, tile: [usize; 2]) -> Result<GeoTiffBuilder> {
    let bytes = size_of::<T>() == 1;
    let samples = out.width.saturating_mul(out.height).saturating_mul(out.bands).saturating_mul(size_of::<T>());
    let (colours, predictor) = match (size_of::<T>(), out.bands) {
        (1, 3 | 4) => (PhotometricInterpretation::Rgb, Predictor::Horizontal),
        (1, _) => (PhotometricInterpretation::MinIsBlack, Predictor::None),
        (2, _) => (PhotometricInterpretation::MinIsBlack, Predictor::Horizontal),
        _ => (PhotometricInterpretation::MinIsBlack, Predictor::FloatingPoint),
    };
    let extra = match (bytes, out.bands) {
        (true, 4) => vec![ExtraSample::UnassociatedAlpha],
        (true, 3) => Vec::new(),
        (_, bands) => vec![ExtraSample::Unspecified; bands - 1],
    };
    let mut builder = GeoTiffBuilder::new(out.width as u32, out.height as u32)
        .bands(out.bands as u32)
        .tile_size(tile[0] as u32, tile[1] as u32)
        .compression(Compression::Deflate)
        .predictor(predictor)
        .photometric(colours)
        .extra_samples(extra)
        .tiff_variant(if samples > BIG { TiffVariant::BigTiff } else { TiffVariant::Classic });
    if let Some(palette) = out.palette.filter(|_| bytes && out.bands == 1) {
        let plane = |channel: usize| {
            let colour = |class: usize| palette.get(class).map_or(0, |colour| 257 * u16::from(colour[channel]));
            (0..256).map(colour).collect::<Vec<u16>>()
        };
        let colours = ColorMap::new(plane(0), plane(1), plane(2)).map_err(Error::config)?;
        builder = builder.photometric(PhotometricInterpretation::Palette).color_map(colours);
    }
    if let Some(crs) = out.crs {
        builder = crs.keys().keys.iter().fold(builder, |builder, key| builder.geokey(key.id, key.value.clone()));
    }
    if let Some(affine) = out.affine {
        builder = builder.transform(GeoTransform {
            origin_x: affine.c,
            pixel_width: affine.a,
            skew_x: affine.b,
            origin_y: affine.f,
            skew_y: affine.d,
            pixel_height: affine.e,
        });
    }
    if let Some(nodata) = out.nodata {
        builder = builder.nodata(&nodata.to_string());
    }
    Ok(builder)
}

#[cfg(test)]
mod tests;
