//! GeoTIFF's tags: the raw numbers, and the affine transform in them (OGC 19-008, section 7).

use geotiff_core::{GeoKeyDirectory, GeoTransform, RasterType};

use super::{Affine, Crs};

/// GTRasterTypeGeoKey.
const RASTER_TYPE: u16 = 1025;

/// The tags of a TIFF that say where it lies; empty where it has none.
pub(crate) struct GeoTags {
    /// GeoKeyDirectoryTag.
    pub(crate) keys: Vec<u16>,
    /// GeoDoubleParamsTag.
    pub(crate) doubles: Vec<f64>,
    /// GeoAsciiParamsTag.
    pub(crate) text: String,
    /// ModelTiepointTag.
    pub(crate) tiepoints: Vec<f64>,
    /// ModelPixelScaleTag.
    pub(crate) scale: Vec<f64>,
    /// ModelTransformationTag.
    pub(crate) matrix: Vec<f64>,
}

impl GeoTags {
    /// From pixels' corners to coordinates; nothing where the tags hold control points or numbers that are none.
    pub(crate) fn affine(&self) -> Option<Affine> {
        let directory = GeoKeyDirectory::parse(&self.keys, &self.doubles, &self.text);
        let raster = directory.and_then(|keys| keys.get_short(RASTER_TYPE)).unwrap_or(1);
        let raster = RasterType::from_code(raster);
        let transform = if let Ok(matrix) = <&[f64; 16]>::try_from(&self.matrix[..]) {
            GeoTransform::from_transformation_matrix_with_raster_type(matrix, raster)
        } else {
            let tiepoint = <&[f64; 6]>::try_from(&self.tiepoints[..]).ok()?;
            let scale = [*self.scale.first()?, *self.scale.get(1)?, 0.0];
            GeoTransform::from_tiepoint_and_scale_with_raster_type(tiepoint, &scale, raster)
        };
        let affine = Affine {
            a: transform.pixel_width,
            b: transform.skew_x,
            c: transform.origin_x,
            d: transform.skew_y,
            e: transform.pixel_height,
            f: transform.origin_y,
        };
        affine.inverse().and(Some(affine))
    }

    /// What the coordinates are; nothing where no key says so.
    pub(crate) fn crs(&self) -> Option<Crs> {
        let keys = GeoKeyDirectory::parse(&self.keys, &self.doubles, &self.text)?;
        (!keys.keys.is_empty()).then(|| Crs::of_keys(keys)).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(raster: u16) -> GeoTags {
        GeoTags {
            keys: vec![1, 1, 0, 1, RASTER_TYPE, 0, 1, raster],
            doubles: Vec::new(),
            text: String::new(),
            tiepoints: vec![0.0, 0.0, 0.0, 100.0, 200.0, 0.0],
            scale: vec![10.0, 20.0],
            matrix: Vec::new(),
        }
    }

    #[test]
    fn a_tiepoint_of_a_pixels_middle_lies_half_a_pixel_inside() {
        assert_eq!(tags(1).affine(), Some(Affine::new([10.0, 0.0, 100.0, 0.0, -20.0, 200.0])));
        assert_eq!(tags(2).affine(), Some(Affine::new([10.0, 0.0, 95.0, 0.0, -20.0, 210.0])));
    }

    #[test]
    fn control_points_and_lines_are_no_affine_transform() {
        let points = GeoTags { tiepoints: vec![0.0; 24], ..tags(1) };
        assert_eq!(points.affine(), None);
        assert_eq!(GeoTags { scale: vec![0.0, 0.0], ..tags(1) }.affine(), None);
        assert_eq!(GeoTags { matrix: vec![f64::NAN; 16], ..tags(1) }.affine(), None);
    }
}
