//! What a TIFF's tags say beyond its samples: names and roles of bands, nodata, colours, coordinates.

use geotiff_core::tags::{
    TAG_GDAL_NODATA, TAG_GEO_ASCII_PARAMS, TAG_GEO_DOUBLE_PARAMS, TAG_GEO_KEY_DIRECTORY, TAG_MODEL_PIXEL_SCALE,
    TAG_MODEL_TIEPOINT, TAG_MODEL_TRANSFORMATION, TAG_NEW_SUBFILE_TYPE,
};
use tiff_reader::ifd::{ColorModel, ExtraSample, Ifd};
use tiff_reader::{Tag, TagValue};

use super::Palette;
use crate::geo::{Affine, Crs, GeoTags};

/// GDAL's XML about bands.
const TAG_GDAL_METADATA: u16 = 42112;

/// What a directory of a TIFF holds, by its NewSubfileType.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Image,
    Overview,
    Mask,
    OverviewMask,
}

pub(super) fn role(ifd: &Ifd) -> Role {
    let flags = ifd.tag(TAG_NEW_SUBFILE_TYPE).and_then(|tag| tag.value.as_u64()).unwrap_or(0);
    match (flags & 1 != 0, flags & 4 != 0) {
        (false, false) => Role::Image,
        (true, false) => Role::Overview,
        (false, true) => Role::Mask,
        (true, true) => Role::OverviewMask,
    }
}

/// The number in GDAL's nodata tag: what pixels are that are not stored.
pub(super) fn fill(ifd: &Ifd) -> Option<f64> {
    let TagValue::Ascii(text) = &ifd.tag(TAG_GDAL_NODATA)?.value else { return None };
    text.trim_matches(['\0', ' ']).parse().ok()
}

/// The value of pixels without data. `nan` is no number that a pixel could equal, and such pixels hold no data anyway.
pub(super) fn nodata(ifd: &Ifd) -> Option<f64> {
    fill(ifd).filter(|value| !value.is_nan())
}

/// A name for each of `count` bands, and which of them is alpha.
pub(super) fn bands(ifd: &Ifd, model: &ColorModel, count: usize) -> (Vec<Option<String>>, Option<usize>) {
    let (colours, extra): (&[&str], &[ExtraSample]) = match model {
        ColorModel::Rgb { extra_samples }
        | ColorModel::YCbCr { extra_samples, .. }
        | ColorModel::Cmyk { extra_samples }
        | ColorModel::CieLab { extra_samples } => (&["red", "green", "blue"], extra_samples),
        ColorModel::Grayscale { extra_samples, .. } => (&[""], extra_samples),
        ColorModel::Palette { .. } => (&["palette"], &[]),
        ColorModel::Separated { .. } | ColorModel::TransparencyMask => (&[""], &[]),
    };
    let named = |name: &&str| (!name.is_empty()).then(|| (*name).to_owned());
    let mut names: Vec<Option<String>> = colours.iter().map(named).collect();
    names.resize(count, None);
    for (band, name) in described(ifd) {
        if let Some(slot) = names.get_mut(band) {
            *slot = Some(name);
        }
    }
    let is_alpha =
        |sample: &ExtraSample| matches!(sample, ExtraSample::AssociatedAlpha | ExtraSample::UnassociatedAlpha);
    let alpha = extra.iter().position(is_alpha).map(|at| colours.len() + at).filter(|&band| band < count);
    if let Some(band) = alpha {
        names[band] = Some("alpha".to_owned());
    }
    (names, alpha)
}

/// Band descriptions of GDAL's XML: `<Item name="DESCRIPTION" sample="0" role="description">B04</Item>`.
fn described(ifd: &Ifd) -> Vec<(usize, String)> {
    let Some(Tag { value: TagValue::Ascii(xml), .. }) = ifd.tag(TAG_GDAL_METADATA) else { return Vec::new() };
    let item = |text: &str| {
        let (attributes, rest) = text.split_once('>')?;
        let (name, _) = rest.split_once("</Item")?;
        let value = |key: &str| attributes.split_once(key)?.1.split('"').nth(1);
        let is_name = value("role=")? == "description";
        let name = name.trim().replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">");
        (is_name && !name.is_empty()).then_some((value("sample=")?.parse().ok()?, name))
    };
    xml.split("<Item").skip(1).filter_map(item).collect()
}

/// The colours of a palette, as eight-bit values.
pub(super) fn palette(model: &ColorModel) -> Option<Palette> {
    let ColorModel::Palette { color_map, .. } = model else { return None };
    let (red, green, blue) = (color_map.red(), color_map.green(), color_map.blue());
    // Colours are of 16 bits; files that hold eight-bit ones in their place are read as such.
    let most = red.iter().chain(green).chain(blue).max().copied().unwrap_or(0);
    let byte = |value: u16| if most < 256 { value as u8 } else { (value >> 8) as u8 };
    Some(red.iter().zip(green).zip(blue).map(|((r, g), b)| [byte(*r), byte(*g), byte(*b)]).collect())
}

/// From pixels to coordinates, and what the coordinates are.
pub(super) fn georeference(ifd: &Ifd) -> (Option<Affine>, Option<Crs>) {
    let doubles = |code| match ifd.tag(code).map(|tag| &tag.value) {
        Some(TagValue::Double(values)) => values.clone(),
        _ => Vec::new(),
    };
    let keys = match ifd.tag(TAG_GEO_KEY_DIRECTORY).map(|tag| &tag.value) {
        Some(TagValue::Short(values)) => values.clone(),
        _ => Vec::new(),
    };
    let text = match ifd.tag(TAG_GEO_ASCII_PARAMS).map(|tag| &tag.value) {
        Some(TagValue::Ascii(text)) => text.clone(),
        _ => String::new(),
    };
    let tags = GeoTags {
        keys,
        doubles: doubles(TAG_GEO_DOUBLE_PARAMS),
        text,
        tiepoints: doubles(TAG_MODEL_TIEPOINT),
        scale: doubles(TAG_MODEL_PIXEL_SCALE),
        matrix: doubles(TAG_MODEL_TRANSFORMATION),
    };
    (tags.affine(), tags.crs())
}
