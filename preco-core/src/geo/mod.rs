//! Where pixels lie on the Earth: affine transforms, coordinate systems, footprints, and rasters that say so.
//!
//! Coordinates are in the scene's own system; longitude and latitude are degrees on WGS 84 in that order (OGC:CRS84).
//! What cannot be placed rightly is not placed: a system that is not understood gives no footprint and a reason.

mod affine;
mod crs;
mod definition;
mod footprint;
mod geotiff;
mod ring;
mod tags;
mod wkb;

pub use affine::Affine;
pub use crs::Crs;
pub use footprint::Footprint;
pub use geotiff::{GeoTiffRows, RasterOut, Samples, write_geotiff};
pub(crate) use tags::GeoTags;
