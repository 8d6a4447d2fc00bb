//! TIFF, BigTIFF, GeoTIFF and COG as rasters, over `tiff-reader` and `geotiff-core`.
//!
//! `tiff-reader` is what `geotiff-reader` stands on; it is used directly, since only it reads from any source of bytes
//! and files without coordinates. Samples come as stored, but for JPEG's and WebP's YCbCr, CMYK and CIELab, which come as
//! red, green and blue. Errors name the file, the place in it and what is unsupported.

use std::sync::Arc;

use tiff_reader::ifd::{ColorModel, Ifd, RasterLayout};
use tiff_reader::source::{SharedSource, TiffSource};
use tiff_reader::{OpenOptions, ParseBudgets, TiffError, TiffFile};

use super::refusal::{SAMPLES, explained, refused};
use super::sparse::Sparse;
use super::tags::{self, Role};
use super::{Block, Raster, RasterInfo, SampleType, Window};
use crate::error::{Error, Result};
use crate::imagery::ByteSource;

/// Decoded tiles and strips that are kept, in bytes.
const CACHE_BYTES: usize = 128 << 20;
/// How many of them.
const CACHE_BLOCKS: usize = 4096;
/// The largest tile, strip or window that is decoded, in bytes.
const MOST_BYTES: usize = 256 << 20;
/// Directories, entries of one, and bytes of tags of a file that is believed. A million tiles take 16 MB of tags.
const BUDGETS: ParseBudgets = ParseBudgets {
    max_ifds: 256,
    max_ifd_entries: 1024,
    max_tag_value_bytes: 64 << 20,
    max_metadata_value_bytes: 128 << 20,
};

/// A TIFF, or one of its overviews.
pub struct TiffRaster {
    file: TiffFile,
    info: RasterInfo,
    image: Ifd,
    mask: Option<Ifd>,
    sparse: Option<Sparse>,
    decoded: bool,
}

impl TiffRaster {
    /// The first image of the TIFF in `bytes`, or its `overview`-th smaller copy, counted from 1.
    ///
    /// # Errors
    /// [`Error::Image`] where it is damaged, unsupported, or has no such overview.
    pub fn open(bytes: Arc<dyn ByteSource>, name: &str, overview: usize) -> Result<Self> {
        let wrong = |error: TiffError| refused(name, explained(&error));
        let source: SharedSource = Arc::new(Source { bytes, name: name.to_owned() });
        let options = OpenOptions {
            block_cache_bytes: CACHE_BYTES,
            block_cache_slots: CACHE_BLOCKS,
            parse_budgets: BUDGETS,
            decode_output_bytes: MOST_BYTES,
        };
        let file = TiffFile::from_source_with_options(source, options).map_err(wrong)?;
        let of = |role: Role| file.ifds().iter().filter(move |ifd| tags::role(ifd) == role);
        let base = of(Role::Image).next().or_else(|| file.ifds().first());
        let base = base.ok_or_else(|| refused(name, "is a TIFF without an image"))?.clone();
        let mut overviews: Vec<Ifd> = of(Role::Overview).filter(|ifd| ifd.width() <= base.width()).cloned().collect();
        overviews.sort_by_key(|ifd| std::cmp::Reverse((ifd.width(), ifd.height())));
        let sizes: Vec<[usize; 2]> = overviews.iter().map(size).collect();
        let image = match overview.checked_sub(1) {
            None => base.clone(),
            Some(at) => overviews.get(at).cloned().ok_or_else(|| {
                let have = sizes.iter().map(|[width, height]| format!("{width}x{height}")).collect::<Vec<_>>();
                let have = if have.is_empty() { "none".to_owned() } else { have.join(", ") };
                refused(name, format!("has no overview {overview}; it has {have}"))
            })?,
        };
        let mask_role = if overview == 0 { Role::Mask } else { Role::OverviewMask };
        let mask = of(mask_role).find(|ifd| size(ifd) == size(&image)).cloned();

        let model = image.color_model().map_err(wrong)?;
        let decoded = matches!(model, ColorModel::YCbCr { .. } | ColorModel::Cmyk { .. } | ColorModel::CieLab { .. });
        let layout = if decoded { image.decoded_raster_layout() } else { image.raster_layout() }.map_err(wrong)?;
        let mut info = describe(name, &base, &image, &model, &layout)?;
        info.masked = mask.is_some();
        info.overviews = sizes;
        check_blocks(&info, &layout)?;
        let sparse = Sparse::of(&image, info.block, info.sample, tags::fill(&base));
        Ok(Self { file, info, image, mask, sparse, decoded })
    }

    /// What was read of `bands`, with the value of samples that are not stored.
    fn block(&self, window: Window, bands: &[usize], bytes: Vec<u8>) -> Result<Block> {
        let sample = self.info.sample;
        if bytes.len() != window.area() * bands.len() * sample.bytes() {
            let reason =
                format!("{window:?} decoded to {} bytes of {} {} bands", bytes.len(), bands.len(), sample.name());
            return Err(refused(&self.info.name, reason));
        }
        let mut block = Block { window, bands: bands.len(), sample, bytes };
        if let Some(sparse) = &self.sparse {
            sparse.fill(&mut block, bands, self.image.planar_configuration() == 2);
        }
        Ok(block)
    }

    fn wrong(&self, window: Window, error: &TiffError) -> Error {
        let Window { x, y, width, height } = window;
        // The window may be any, and be what is wrong.
        let (right, below) = (x.saturating_add(width), y.saturating_add(height));
        refused(&self.info.name, format!("pixels {x},{y} to {right},{below}: {}", explained(error)))
    }
}

impl Raster for TiffRaster {
    fn info(&self) -> &RasterInfo {
        &self.info
    }

    fn read(&self, window: Window) -> Result<Block> {
        let Window { x, y, width, height } = window;
        let bytes = if self.decoded {
            self.file.read_decoded_window_bytes_from_ifd(&self.image, y, x, height, width)
        } else {
            self.file.read_window_bytes_from_ifd(&self.image, y, x, height, width)
        };
        let bytes = bytes.map_err(|error| self.wrong(window, &error))?;
        let all: Vec<usize> = (0..self.info.bands.len()).collect();
        self.block(window, &all, bytes)
    }

    fn read_bands(&self, window: Window, bands: &[usize]) -> Result<Block> {
        // Colours are decoded from all samples of a pixel; and where most bands are wanted, one walk is faster.
        if self.decoded || 2 * bands.len() > self.info.bands.len() {
            return Ok(self.read(window)?.select(bands));
        }
        let Window { x, y, width, height } = window;
        let size = self.info.sample.bytes();
        let mut bytes = vec![0; window.area() * bands.len() * size];
        for (at, &band) in bands.iter().enumerate() {
            let plane = self.file.read_band_window_bytes_from_ifd(&self.image, band, y, x, height, width);
            let plane = plane.map_err(|error| self.wrong(window, &error))?;
            let samples = plane.chunks_exact(size).zip(bytes.chunks_exact_mut(size * bands.len()));
            samples.for_each(|(sample, pixel)| pixel[at * size..(at + 1) * size].copy_from_slice(sample));
        }
        self.block(window, bands, bytes)
    }

    fn mask(&self, window: Window) -> Result<Option<Vec<bool>>> {
        let Some(mask) = &self.mask else { return Ok(None) };
        let Window { x, y, width, height } = window;
        let bytes = self.file.read_window_bytes_from_ifd(mask, y, x, height, width);
        let bytes = bytes.map_err(|error| self.wrong(window, &error))?;
        if bytes.len() != window.area() {
            return Err(refused(&self.info.name, format!("its mask has {} bytes for {window:?}", bytes.len())));
        }
        Ok(Some(bytes.into_iter().map(|byte| byte != 0).collect()))
    }
}

fn describe(name: &str, base: &Ifd, image: &Ifd, model: &ColorModel, layout: &RasterLayout) -> Result<RasterInfo> {
    let sample = sample_type(layout).ok_or_else(|| {
        let reason = format!("has samples of format {} with {} bits", layout.sample_format, layout.bits_per_sample);
        refused(name, format!("{reason}; {SAMPLES}"))
    })?;
    let ([width, height], [base_width, base_height]) = (size(image), size(base));
    if [width, height, layout.samples_per_pixel].contains(&0) {
        return Err(refused(name, format!("has no pixels ({width}x{height}x{})", layout.samples_per_pixel)));
    }
    if [base_width, base_height].contains(&0) {
        return Err(refused(name, format!("has overviews of an image without pixels ({base_width}x{base_height})")));
    }
    let (bands, alpha) = tags::bands(base, model, layout.samples_per_pixel);
    let (affine, crs) = tags::georeference(base);
    let affine =
        affine.map(|affine| affine.scaled(base_width as f64 / width as f64, base_height as f64 / height as f64));
    // What was too small or too large to be scaled leads nowhere.
    let affine = affine.filter(|affine| affine.inverse().is_some());
    Ok(RasterInfo {
        name: name.to_owned(),
        width,
        height,
        bands,
        sample,
        nodata: tags::nodata(base),
        alpha,
        masked: false,
        palette: tags::palette(model),
        affine,
        crs,
        block: block_size(image),
        overviews: Vec::new(),
        is_image: false,
        storage: storage(image),
    })
}

/// Refuses what would not fit memory: a file of one huge strip is decoded as one. Pieces without pixels hold nothing.
fn check_blocks(info: &RasterInfo, layout: &RasterLayout) -> Result<()> {
    let [width, height] = info.block;
    if width == 0 || height == 0 {
        let reason = format!("is stored in pieces of {width}x{height} pixels: it is damaged, fetch or export it again");
        return Err(refused(&info.name, reason));
    }
    let pixel = layout.samples_per_pixel.saturating_mul(layout.bytes_per_sample);
    let bytes = width.saturating_mul(height).saturating_mul(pixel);
    if bytes <= MOST_BYTES {
        return Ok(());
    }
    let reason = format!(
        "is stored in pieces of {width}x{height} pixels, {} MB each; {} MB are read at most: rewrite it in tiles \
         (gdal_translate -co TILED=YES)",
        bytes >> 20,
        MOST_BYTES >> 20
    );
    Err(refused(&info.name, reason))
}

fn size(ifd: &Ifd) -> [usize; 2] {
    [ifd.width() as usize, ifd.height() as usize]
}

fn block_size(ifd: &Ifd) -> [usize; 2] {
    match (ifd.tile_width(), ifd.tile_height()) {
        (Some(width), Some(height)) if ifd.is_tiled() => [width as usize, height as usize],
        _ => [ifd.width() as usize, (ifd.rows_per_strip().min(ifd.height())) as usize],
    }
}

fn storage(ifd: &Ifd) -> String {
    let [width, height] = block_size(ifd);
    let pieces = if ifd.is_tiled() { format!("tiles {width}x{height}") } else { format!("strips of {height}") };
    let codec =
        tiff_reader::constants::Compression::from_code(ifd.compression()).map_or("unknown", |codec| codec.name());
    let planar = if ifd.planar_configuration() == 2 { ", planar" } else { "" };
    match ifd.predictor() {
        1 => format!("{pieces}, {codec}{planar}"),
        predictor => format!("{pieces}, {codec}, predictor {predictor}{planar}"),
    }
}

fn sample_type(layout: &RasterLayout) -> Option<SampleType> {
    Some(match (layout.sample_format, layout.bytes_per_sample) {
        (1, 1) => SampleType::U8,
        (1, 2) => SampleType::U16,
        (1, 4) => SampleType::U32,
        (1, 8) => SampleType::U64,
        (2, 1) => SampleType::I8,
        (2, 2) => SampleType::I16,
        (2, 4) => SampleType::I32,
        (2, 8) => SampleType::I64,
        (3, 4) => SampleType::F32,
        (3, 8) => SampleType::F64,
        _ => return None,
    })
}

/// Our bytes, as the reader wants them.
struct Source {
    bytes: Arc<dyn ByteSource>,
    name: String,
}

impl TiffSource for Source {
    fn len(&self) -> u64 {
        self.bytes.len()
    }

    fn read_exact_at(&self, offset: u64, len: usize) -> tiff_reader::error::Result<Vec<u8>> {
        let data_len = self.bytes.len();
        // Before anything is allocated: a length in a file may be any number.
        if offset.checked_add(len as u64).is_none_or(|end| end > data_len) {
            return Err(TiffError::OffsetOutOfBounds { offset, length: len as u64, data_len });
        }
        let mut out = vec![0; len];
        self.bytes.read_at(offset, &mut out).map_err(|source| TiffError::Io(source, self.name.clone()))?;
        Ok(out)
    }
}
