//! Coordinate reference systems: from a scene's coordinates to longitude and latitude, and back.
//!
//! PROJ's formulas by `proj4rs`, EPSG's definitions by `crs-definitions`, other systems from GeoTIFF's keys. Shifts of
//! datum are those of PROJ 4: three or seven parameters where they are known, none otherwise. Grids are not used, so
//! NAD 27, OSGB 36 and their like are off by metres.

use std::fmt;
use std::sync::Arc;

use geotiff_core::{GeoKeyDirectory, GeoKeyValue};
use proj4rs::Proj;
use proj4rs::transform::transform;

use super::definition;

/// Longitude and latitude on WGS 84.
const LONLAT: &str = "+proj=longlat +datum=WGS84 +no_defs";

/// A coordinate reference system.
#[derive(Clone)]
pub struct Crs {
    name: String,
    code: Option<u32>,
    keys: GeoKeyDirectory,
    projection: Result<Arc<[Proj; 2]>, String>,
}

impl Crs {
    /// The system of an EPSG code, such as 32629.
    pub fn epsg(code: u16) -> Self {
        let mut keys = GeoKeyDirectory::new();
        let geographic = definition::of_code(code).is_some_and(|text| text.contains("+proj=longlat"));
        keys.set(1024, GeoKeyValue::Short(if geographic { 2 } else { 1 }));
        keys.set(1025, GeoKeyValue::Short(1));
        keys.set(if geographic { 2048 } else { 3072 }, GeoKeyValue::Short(code));
        Self::of_code(code, keys)
    }

    /// The system that a GeoTIFF's keys name or define; nothing where they name none.
    pub(super) fn of_keys(mut keys: GeoKeyDirectory) -> Option<Self> {
        // What we write counts pixels' corners, whatever the source did.
        keys.set(1025, GeoKeyValue::Short(1));
        if let Some(code) = definition::code(&keys) {
            return Some(Self::of_code(code, keys));
        }
        keys.get_short(2048).or(keys.get_short(3072)).or(keys.get_short(3075))?;
        let citation = [3073, 1026, 2049].iter().find_map(|&id| keys.get_ascii(id)).unwrap_or("");
        let name = citation.trim_matches(['|', '\0', ' ']);
        let name = if name.is_empty() { "user-defined".to_owned() } else { format!("user-defined: {name}") };
        let projection = definition::of_parts(&keys).and_then(|text| projection(&text));
        Some(Self { name, code: None, keys, projection })
    }

    fn of_code(code: u16, keys: GeoKeyDirectory) -> Self {
        let text = definition::of_code(code).ok_or_else(|| format!("EPSG:{code} is not in the table"));
        let projection = text.and_then(|text| projection(&text));
        Self { name: format!("EPSG:{code}"), code: Some(code.into()), keys, projection }
    }

    /// `EPSG:32629`, or what the file calls a system without a code.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The EPSG code.
    pub fn code(&self) -> Option<u32> {
        self.code
    }

    /// Why its coordinates cannot be turned into longitude and latitude, where that is so.
    pub fn unusable(&self) -> Option<&str> {
        self.projection.as_ref().err().map(String::as_str)
    }

    /// True where coordinates are degrees.
    pub fn is_geographic(&self) -> bool {
        self.projection.as_ref().is_ok_and(|pair| pair[0].is_latlong())
    }

    /// Longitude and latitude of coordinates; nothing outside the projection's domain.
    pub fn to_lonlat(&self, [x, y]: [f64; 2]) -> Option<[f64; 2]> {
        let [own, lonlat] = &**self.projection.as_ref().ok()?;
        if own.is_latlong() && (y.abs() > 90.0 || x.abs() > 540.0) {
            return None;
        }
        // Through radians and back would change the last bit.
        if self.code == Some(4326) {
            return Some([x, y]);
        }
        let mut point = if own.is_latlong() { (x.to_radians(), y.to_radians(), 0.0) } else { (x, y, 0.0) };
        transform(own, lonlat, &mut point).ok()?;
        let [lon, lat] = [point.0.to_degrees(), point.1.to_degrees()];
        (lon.is_finite() && lat.abs() <= 90.0).then_some([lon, lat])
    }

    /// Coordinates of a longitude and a latitude; nothing outside the projection's domain.
    pub fn from_lonlat(&self, [lon, lat]: [f64; 2]) -> Option<[f64; 2]> {
        let [own, lonlat] = &**self.projection.as_ref().ok()?;
        let mut point = (lon.to_radians(), lat.to_radians(), 0.0);
        transform(lonlat, own, &mut point).ok()?;
        let [x, y] = if own.is_latlong() { [point.0.to_degrees(), point.1.to_degrees()] } else { [point.0, point.1] };
        (x.is_finite() && y.is_finite()).then_some([x, y])
    }

    /// The keys of a GeoTIFF in this system.
    pub(super) fn keys(&self) -> &GeoKeyDirectory {
        &self.keys
    }
}

impl PartialEq for Crs {
    fn eq(&self, other: &Self) -> bool {
        self.code == other.code && self.keys.serialize().ok() == other.keys.serialize().ok()
    }
}

impl fmt::Debug for Crs {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)
    }
}

fn projection(text: &str) -> Result<Arc<[Proj; 2]>, String> {
    let read =
        |text: &str| Proj::from_proj_string(text).map_err(|error| format!("\"{text}\" is not understood: {error}"));
    Ok(Arc::new([read(text)?, read(LONLAT)?]))
}

#[cfg(test)]
mod tests;
