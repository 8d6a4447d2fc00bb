//! Positions, against PROJ 9 (pyproj 3.7.2).

use super::*;
use crate::geo::GeoTags;

/// EPSG code, coordinates, longitude and latitude, and how far they may be off in degrees.
const POSITIONS: [(u16, [f64; 2], [f64; 2], f64); 12] = [
    (32629, [512345.6, 1034567.8], [-8.8875664040, 9.3592100463], 1e-9),
    (32612, [500100.0, 4200000.0], [-110.9988618227, 37.9475895663], 1e-9),
    (32724, [500500.0, 8800000.0], [-38.9954252970, -10.8554811876], 1e-9),
    (3857, [-8000000.0, 5000000.0], [-71.8652227296, 40.9162744707], 1e-9),
    (26914, [600000.0, 5200000.0], [-97.6859691234, 46.9459883250], 1e-9),
    (3035, [4321000.0, 3210000.0], [10.0, 52.0], 1e-9),
    (3031, [-1500000.0, 500000.0], [-71.5650511771, -75.5221532701], 1e-9),
    (3413, [500000.0, -900000.0], [-15.9453959009, 80.5166481206], 1e-9),
    (2154, [700000.0, 6600000.0], [3.0, 46.5], 1e-9),
    (5070, [100000.0, 2000000.0], [-94.8015018685, 41.0033802357], 1e-9),
    (2263, [1000000.0, 200000.0], [-73.9431850683, 40.7156164787], 1e-8),
    // Seven parameters where PROJ has a grid: 5 m at most, by the Ordnance Survey.
    (27700, [530000.0, 180000.0], [-0.1283539405, 51.5039908276], 5e-5),
];

#[test]
fn positions_are_projs() {
    for (code, xy, lonlat, tolerance) in POSITIONS {
        let crs = Crs::epsg(code);
        let ours = crs.to_lonlat(xy).unwrap_or_else(|| panic!("EPSG:{code}: {:?}", crs.unusable()));
        let off = (ours[0] - lonlat[0]).abs().max((ours[1] - lonlat[1]).abs());
        assert!(off < tolerance, "EPSG:{code}: {ours:?} is not {lonlat:?}");
        let back = crs.from_lonlat(ours).expect("back");
        let off = (back[0] - xy[0]).abs().max((back[1] - xy[1]).abs());
        assert!(off < 1e-3, "EPSG:{code}: {back:?} is not {xy:?}");
    }
    assert_eq!(Crs::epsg(4326).to_lonlat([12.5, -7.25]), Some([12.5, -7.25]));
}

#[test]
fn systems_defined_by_parts_are_placed_as_gdal_places_them() {
    let tags = |keys: &[u16], doubles: &[f64], text: &str| GeoTags {
        keys: keys.to_vec(),
        doubles: doubles.to_vec(),
        text: text.to_owned(),
        tiepoints: Vec::new(),
        scale: Vec::new(),
        matrix: Vec::new(),
    };
    // The keys of real files: an Albers of solaris, a Bessel with shifts of GeoTIFF's own, a Lambert of rasterio.
    let albers = tags(
        &[
            1, 1, 0, 12, 1024, 0, 1, 1, 1025, 0, 1, 1, 2048, 0, 1, 4326, 3072, 0, 1, 32767, 3074, 0, 1, 32767, 3075, 0,
            1, 11, 3076, 0, 1, 9001, 3078, 34736, 1, 0, 3079, 34736, 1, 1, 3080, 34736, 1, 3, 3081, 34736, 1, 2, 3082,
            34736, 1, 4,
        ],
        &[29.5, 45.5, 23.0, -96.0, 0.0, 0.0],
        "",
    );
    let bessel = tags(
        &[1, 1, 0, 5, 1024, 0, 1, 2, 2048, 0, 1, 32767, 2050, 0, 1, 32767, 2056, 0, 1, 7004, 2062, 34736, 7, 0],
        &[598.1, 73.7, 418.2, 0.202, 0.045, -2.455, 6.7],
        "",
    );
    let lambert = tags(
        &[
            1, 1, 0, 11, 1024, 0, 1, 1, 2048, 0, 1, 32767, 2056, 0, 1, 7019, 2057, 34736, 1, 5, 2059, 34736, 1, 4,
            3072, 0, 1, 32767, 3075, 0, 1, 10, 3082, 34736, 1, 2, 3083, 34736, 1, 3, 3088, 34736, 1, 1, 3089, 34736, 1,
            0,
        ],
        &[52.0, 10.0, 4321000.0, 3210000.0, 298.257222101004, 6378137.0],
        "",
    );
    let cases = [
        (albers, [-673425.0, 2130165.0], [-104.18582432535752, 41.912677951898445]),
        // Corner of the first pixel of the file.
        (bessel, [8.9996546018110, 52.0027787858890], [8.998597426080126, 52.001402617488175]),
        (lambert, [6301612.204093784, 3314112.2306177607], [38.10461506258751, 49.463655203534735]),
    ];
    for (tags, xy, lonlat) in cases {
        let crs = tags.crs().expect("a system");
        let ours = crs.to_lonlat(xy).unwrap_or_else(|| panic!("{crs:?}: {:?}", crs.unusable()));
        let off = (ours[0] - lonlat[0]).abs().max((ours[1] - lonlat[1]).abs());
        assert!(off < 1e-8, "{crs:?}: {ours:?} is not {lonlat:?}");
        assert_eq!(crs.code(), None);
    }
}

#[test]
fn what_is_not_understood_has_a_reason_and_no_position() {
    let unknown = Crs::epsg(65_000);
    assert_eq!(unknown.to_lonlat([0.0, 0.0]), None);
    assert_eq!(unknown.unusable(), Some("EPSG:65000 is not in the table"));
    assert_eq!(Crs::epsg(4326).to_lonlat([10.0, 91.0]), None);
}
