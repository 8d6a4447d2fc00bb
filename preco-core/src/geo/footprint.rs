//! The outline of a window of pixels on the Earth.

use serde_json::{Value, json};

use super::ring::{Ring, split};
use super::{Affine, Crs};

/// Pieces of an edge: straight in a projection is not straight in degrees.
const PIECES: usize = 8;
/// Degrees up to which an edge may be one piece: of two ways round the Earth the shorter one is meant.
const ONE_PIECE: f64 = 90.0;

/// Units of a projection that a way there and back may be off.
const NEAR: f64 = 100.0;
/// Degrees from which a place may be on the other side, and those of places whose longitude is anything.
const ANTIMERIDIAN: f64 = 179.99;
const POLAR: f64 = 89.99;

/// A polygon of longitudes and latitudes (OGC:CRS84), or two where the antimeridian cuts it.
#[derive(Clone, Debug, PartialEq)]
pub struct Footprint {
    /// Closed rings, counter-clockwise, one for each polygon; there are no holes.
    pub polygons: Vec<Vec<[f64; 2]>>,
}

impl Footprint {
    /// The outline of columns `x` to `x + width` and rows `y` to `y + height`; nothing where a point of it cannot be
    /// placed. Edges are cut into pieces, so curved ones lie right to a few centimetres for tiles of kilometres.
    pub fn of_window([x, y, width, height]: [f64; 4], affine: &Affine, crs: &Crs) -> Option<Self> {
        let corners = [[x, y], [x, y + height], [x + width, y + height], [x + width, y]];
        let long = |at: usize| {
            let [from, to] = [corners[at], corners[(at + 1) % 4]].map(|[col, row]| affine.apply(col, row)[0]);
            (to - from).abs() > ONE_PIECE
        };
        let pieces = if crs.is_geographic() && !(0..4).any(long) { 1 } else { PIECES };
        let mut ring: Ring = Vec::with_capacity(4 * pieces);
        for (at, from) in corners.iter().enumerate() {
            let to = corners[(at + 1) % 4];
            for piece in 0..pieces {
                let share = piece as f64 / pieces as f64;
                let [col, row] = [0, 1].map(|axis| from[axis] + share * (to[axis] - from[axis]));
                ring.push(place(affine, crs, [col, row])?);
            }
        }
        let polygons = split(ring);
        (!polygons.is_empty()).then_some(Self { polygons })
    }

    /// `[west, south, east, north]`; with `west` larger than `east` where it crosses the antimeridian.
    pub fn bbox(&self) -> [f64; 4] {
        let of = |rings: &[Ring]| {
            let mut bbox = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
            for [lon, lat] in rings.iter().flatten() {
                bbox = [bbox[0].min(*lon), bbox[1].min(*lat), bbox[2].max(*lon), bbox[3].max(*lat)];
            }
            bbox
        };
        match &self.polygons[..] {
            [east, west]
                if of(std::slice::from_ref(east))[2] == 180.0 && of(std::slice::from_ref(west))[0] == -180.0 =>
            {
                let all = of(&self.polygons);
                [of(std::slice::from_ref(east))[0], all[1], of(std::slice::from_ref(west))[2], all[3]]
            }
            all => of(all),
        }
    }

    /// True where a longitude and a latitude lie inside.
    pub fn contains(&self, [lon, lat]: [f64; 2]) -> bool {
        let inside = |ring: &Ring| {
            let crosses = |edge: &&[[f64; 2]]| {
                let ([x0, y0], [x1, y1]) = (edge[0], edge[1]);
                (y0 > lat) != (y1 > lat) && lon < x0 + (lat - y0) / (y1 - y0) * (x1 - x0)
            };
            ring.windows(2).filter(crosses).count() % 2 == 1
        };
        self.polygons.iter().any(inside)
    }

    /// GeoJSON's geometry (RFC 7946).
    pub fn to_geojson(&self) -> Value {
        match &self.polygons[..] {
            [ring] => json!({ "type": "Polygon", "coordinates": [ring] }),
            rings => {
                json!({ "type": "MultiPolygon", "coordinates": rings.iter().map(|ring| [ring]).collect::<Vec<_>>() })
            }
        }
    }

    /// What [`Footprint::to_geojson`] gives, read back; nothing for any other geometry.
    pub fn from_geojson(geometry: &Value) -> Option<Self> {
        let coordinates = geometry.get("coordinates")?.clone();
        let polygons: Vec<Vec<Ring>> = match geometry.get("type")?.as_str()? {
            "Polygon" => vec![serde_json::from_value(coordinates).ok()?],
            "MultiPolygon" => serde_json::from_value(coordinates).ok()?,
            _ => return None,
        };
        let polygons: Vec<Ring> = polygons.into_iter().map(|rings| rings.into_iter().next()).collect::<Option<_>>()?;
        (!polygons.is_empty()).then_some(Self { polygons })
    }
}

/// Where a pixel's corner lies; nothing for what is beyond the globe.
fn place(affine: &Affine, crs: &Crs, [col, row]: [f64; 2]) -> Option<[f64; 2]> {
    let [x, mut y] = affine.apply(col, row);
    if crs.is_geographic() {
        // Pixels whose middles lie on a pole reach half over it.
        let [.., down, _] = affine.coefficients().map(f64::abs);
        y = if y.abs() > 90.0 && y.abs() <= 90.0 + down { y.signum() * 90.0 } else { y };
        return crs.to_lonlat([x, y]);
    }
    let point = crs.to_lonlat([x, y])?;
    // Projections answer for points that are no place, too; the way back tells. At the antimeridian it may lead around.
    let back = crs.from_lonlat(point)?;
    let near = (back[0] - x).abs() <= NEAR && (back[1] - y).abs() <= NEAR;
    (near || point[0].abs() > ANTIMERIDIAN || point[1].abs() > POLAR).then_some(point)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners_of_a_rotated_window_are_where_the_transform_puts_them() {
        let affine = Affine::new([0.01, 0.002, 10.0, 0.003, -0.01, 50.0]);
        let footprint = Footprint::of_window([4.0, 6.0, 2.0, 3.0], &affine, &Crs::epsg(4326)).expect("footprint");
        let ring = &footprint.polygons[0];
        assert_eq!(ring.len(), 5);
        for [col, row] in [[4.0, 6.0], [6.0, 6.0], [6.0, 9.0], [4.0, 9.0]] {
            let corner = affine.apply(col, row);
            let distance = |point: &[f64; 2]| (point[0] - corner[0]).abs() + (point[1] - corner[1]).abs();
            assert!(ring.iter().any(|point| distance(point) < 1e-12), "{corner:?} is not in {ring:?}");
        }
        assert!(footprint.contains(affine.apply(5.0, 7.5)) && !footprint.contains(affine.apply(6.5, 7.5)));
    }

    #[test]
    fn a_window_over_the_antimeridian_has_two_polygons_and_a_narrow_box() {
        // UTM zone 60 south, 6 degrees east of its meridian.
        let affine = Affine::new([1000.0, 0.0, 800_000.0, 0.0, -1000.0, 8_000_000.0]);
        let footprint = Footprint::of_window([0.0, 0.0, 100.0, 10.0], &affine, &Crs::epsg(32760)).expect("footprint");
        assert_eq!(footprint.polygons.len(), 2);
        let [west, south, east, north] = footprint.bbox();
        assert!(west > 179.0 && east < -179.0 && south < north, "{:?}", footprint.bbox());
        assert!(
            footprint.contains([179.95, (south + north) / 2.0]) && footprint.contains([-179.95, (south + north) / 2.0])
        );
    }

    #[test]
    fn half_the_world_and_all_of_it_are_not_their_opposites() {
        // One degree a pixel.
        let affine = Affine::new([1.0, 0.0, -180.0, 0.0, -1.0, 90.0]);
        let of = |window: [f64; 4]| Footprint::of_window(window, &affine, &Crs::epsg(4326)).expect("footprint");
        for (window, bbox) in [
            ([0.0, 10.0, 200.0, 100.0], [-180.0, -20.0, 20.0, 80.0]),
            ([0.0, 0.0, 180.0, 180.0], [-180.0, -90.0, 0.0, 90.0]),
            ([0.0, 0.0, 360.0, 180.0], [-180.0, -90.0, 180.0, 90.0]),
            ([104.0, 10.0, 256.0, 50.0], [-76.0, 30.0, 180.0, 80.0]),
            // Half a pixel over the poles, and counted from Greenwich.
            ([180.0, -0.5, 360.0, 181.0], [-180.0, -90.0, 180.0, 90.0]),
        ] {
            assert_eq!((of(window).bbox(), of(window).polygons.len()), (bbox, 1), "{window:?}");
        }
        assert_eq!(Footprint::of_window([0.0, -3.0, 5.0, 5.0], &affine, &Crs::epsg(4326)), None, "beyond the pole");
    }

    #[test]
    fn the_whole_world_is_one_polygon_in_mercator_and_beyond_the_globe_there_is_none() {
        let half = 20_037_508.342_789_244;
        let affine = Affine::new([half / 200.0, 0.0, -half, 0.0, -half / 200.0, half]);
        let world = Footprint::of_window([0.0, 0.0, 400.0, 400.0], &affine, &Crs::epsg(3857)).expect("footprint");
        assert_eq!(world.polygons.len(), 1);
        let [west, south, east, north] = world.bbox();
        assert_eq!([west, east], [-180.0, 180.0]);
        assert!((south + 85.051_129).abs() < 1e-5 && (north - 85.051_129).abs() < 1e-5, "{south} {north}");
        // UTM, a hundred thousand kilometres away.
        let far = Affine::new([1e6, 0.0, 1e8, 0.0, -1e6, 1e8]);
        assert_eq!(Footprint::of_window([0.0, 0.0, 9.0, 9.0], &far, &Crs::epsg(32632)), None);
    }

    #[test]
    fn a_corner_on_the_pole_is_led_along_it() {
        // Antarctic polar stereographic: the window's corner is the pole itself.
        let affine = Affine::new([1000.0, 0.0, 0.0, 0.0, -1000.0, 0.0]);
        let footprint = Footprint::of_window([0.0, 0.0, 100.0, 100.0], &affine, &Crs::epsg(3031)).expect("footprint");
        let [west, south, east, _] = footprint.bbox();
        // From the meridian of 180 degrees, downwards on the map, to that of 90 east.
        assert!((west - 90.0).abs() < 1e-6 && (east - 180.0).abs() < 1e-6 && (south + 90.0).abs() < 1e-9);
        assert!(footprint.contains([135.0, -89.9]) && footprint.contains([91.0, -89.9999]));
        assert!(!footprint.contains([45.0, -89.9]) && !footprint.contains([135.0, -88.0]));
    }

    #[test]
    fn geojson_reads_back() {
        for affine in [[1.0, 0.0, 10.0, 0.0, -1.0, 50.0], [1.0, 0.0, 178.0, 0.0, -1.0, 50.0]] {
            let footprint = Footprint::of_window([0.0, 0.0, 4.0, 4.0], &Affine::new(affine), &Crs::epsg(4326));
            let footprint = footprint.expect("footprint");
            assert_eq!(Footprint::from_geojson(&footprint.to_geojson()), Some(footprint));
        }
        assert_eq!(Footprint::from_geojson(&json!({ "type": "Point", "coordinates": [1, 2] })), None);
    }
}
