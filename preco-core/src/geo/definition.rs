//! A coordinate system as PROJ's text, from GeoTIFF's keys (OGC 19-008, annexes B to D; names of PROJ's manual).

use geotiff_core::GeoKeyDirectory;

/// A system that the file defines by its parts.
const USER_DEFINED: u16 = 32_767;

/// The EPSG code of the keys: the projected system's, else the geographic one's.
pub(super) fn code(keys: &GeoKeyDirectory) -> Option<u16> {
    let model = keys.get_short(1024);
    let known = |code: &u16| *code > 0 && *code < USER_DEFINED;
    let projected = keys.get_short(3072);
    match (model, projected) {
        (Some(2), _) | (None, None) => keys.get_short(2048).filter(known),
        _ => projected.filter(known),
    }
}

/// PROJ's text of an EPSG code.
pub(super) fn of_code(code: u16) -> Option<String> {
    // Rasters are stored east before north whatever the registry says of the axes.
    crs_definitions::from_code(code).map(|definition| definition.proj4.replace("+axis=neu", ""))
}

/// PROJ's text of a system that is defined by parts, or what of it is not understood.
pub(super) fn of_parts(keys: &GeoKeyDirectory) -> Result<String, String> {
    if keys.get_short(1024) == Some(2) {
        return Ok(format!("+proj=longlat {} +no_defs", geographic(keys)?));
    }
    if keys.get_short(1024) != Some(1) {
        return Err("is neither projected nor geographic".to_owned());
    }
    let geographic = geographic(keys)?;
    // UTM zones have codes of their own: 16001 to 16060 north, 16101 to 16160 south.
    if let Some(zone) =
        keys.get_short(3074).filter(|code| matches!(code % 100, 1..=60) && matches!(code / 100, 160 | 161))
    {
        let south = if zone / 100 == 161 { " +south" } else { "" };
        return Ok(format!("+proj=utm +zone={}{south} {geographic} +units=m +no_defs", zone % 100));
    }
    let method = keys.get_short(3075).ok_or("names no projection")?;
    let number = |ids: &[u16]| ids.iter().find_map(|&id| keys.get_double(id)?.first().copied());
    let value = |name: &str, ids: &[u16]| number(ids).map(|value| format!(" +{name}={value}")).unwrap_or_default();
    let (lat_0, lon_0) = (value("lat_0", &[3081, 3089, 3085]), value("lon_0", &[3080, 3088, 3084]));
    let (first, second) = (value("lat_1", &[3078]), value("lat_2", &[3079]));
    let scale = value("k", &[3092, 3093]);
    let shape = match method {
        1 => format!("tmerc{lat_0}{lon_0}{scale}"),
        7 => format!("merc{lon_0}{scale}{}", value("lat_ts", &[3078])),
        8 => format!("lcc{first}{second}{lat_0}{lon_0}"),
        9 => format!("lcc{}{lat_0}{lon_0}{scale}", value("lat_1", &[3081, 3089])),
        10 => format!("laea{lat_0}{lon_0}"),
        11 => format!("aea{first}{second}{lat_0}{lon_0}"),
        12 => format!("aeqd{lat_0}{lon_0}"),
        13 => format!("eqdc{first}{second}{lat_0}{lon_0}"),
        14 => format!("stere{lat_0}{lon_0}{scale}"),
        15 => {
            polar(number(&[3081]).ok_or("a polar projection without its latitude")?, &value("lon_0", &[3095]), &scale)
        }
        16 => format!("sterea{lat_0}{lon_0}{scale}"),
        17 => format!("eqc{}{lon_0}", value("lat_ts", &[3078])),
        18 => format!("cass{lat_0}{lon_0}"),
        20 => format!("mill{lon_0}"),
        22 => format!("poly{lat_0}{lon_0}"),
        23 => format!("robin{lon_0}"),
        24 => format!("sinu{lon_0}"),
        28 => format!("cea{}{lon_0}", value("lat_ts", &[3078])),
        other => return Err(format!("uses GeoTIFF's projection method {other}, which is not understood")),
    };
    let origin = value("x_0", &[3082, 3086, 3090]) + &value("y_0", &[3083, 3087, 3091]);
    let unit = linear_unit(keys)?;
    // PROJ takes false origins in metres, GeoTIFF gives them in the system's unit.
    if unit != 1.0 && !origin.is_empty() {
        let metres = |ids: &[u16]| number(ids).unwrap_or(0.0) * unit;
        let (x, y) = (metres(&[3082, 3086, 3090]), metres(&[3083, 3087, 3091]));
        return Ok(format!("+proj={shape} +x_0={x} +y_0={y} {geographic} +to_meter={unit} +no_defs"));
    }
    Ok(format!("+proj={shape}{origin} {geographic} +to_meter={unit} +no_defs"))
}

/// A pole is the origin; the latitude of the keys is where the scale is true.
fn polar(latitude: f64, lon_0: &str, scale: &str) -> String {
    let pole = if latitude < 0.0 { -90 } else { 90 };
    if latitude.abs() == 90.0 {
        format!("stere +lat_0={pole}{lon_0}{scale}")
    } else {
        format!("stere +lat_0={pole} +lat_ts={latitude}{lon_0}")
    }
}

/// Ellipsoid, datum and prime meridian.
fn geographic(keys: &GeoKeyDirectory) -> Result<String, String> {
    if let Some(unit) = keys.get_short(2054).filter(|&unit| unit != 9102 && unit != 9122) {
        return Err(format!("measures angles in unit {unit}, not in degrees"));
    }
    if let Some(code) = keys.get_short(2048).filter(|&code| code != USER_DEFINED) {
        let text = of_code(code).ok_or_else(|| format!("is based on EPSG:{code}, which is not in the table"))?;
        let parts = text.split_whitespace().filter(|part| !matches!(*part, "+proj=longlat" | "+no_defs" | "+type=crs"));
        return Ok(parts.collect::<Vec<_>>().join(" "));
    }
    let number = |id: u16| keys.get_double(id).and_then(|values| values.first().copied());
    let ellipsoid = match (number(2057), number(2059), number(2058)) {
        (Some(a), Some(rf), _) if rf > 0.0 => format!("+a={a} +rf={rf}"),
        (Some(a), _, Some(b)) => format!("+a={a} +b={b}"),
        (Some(a), Some(_), None) => format!("+a={a} +b={a}"),
        _ => match keys.get_short(2056) {
            Some(7001) => "+ellps=airy".to_owned(),
            Some(7003) => "+ellps=aust_SA".to_owned(),
            Some(7004) => "+ellps=bessel".to_owned(),
            Some(7008) => "+ellps=clrk66".to_owned(),
            Some(7012) => "+ellps=clrk80".to_owned(),
            Some(7019) => "+ellps=GRS80".to_owned(),
            Some(7022) => "+ellps=intl".to_owned(),
            Some(7024) => "+ellps=krass".to_owned(),
            Some(7030) => "+ellps=WGS84".to_owned(),
            Some(7043) => "+ellps=WGS72".to_owned(),
            Some(code) if code != USER_DEFINED => {
                return Err(format!("has ellipsoid {code}, which is not in the table"));
            }
            _ => return Err("has no ellipsoid".to_owned()),
        },
    };
    let meridian = number(2061).filter(|&pm| pm != 0.0).map(|pm| format!(" +pm={pm}")).unwrap_or_default();
    let shift = keys.get_double(2062).filter(|values| matches!(values.len(), 3 | 7)).map(|values| {
        let values: Vec<String> = values.iter().map(f64::to_string).collect();
        format!(" +towgs84={}", values.join(","))
    });
    Ok(format!("{ellipsoid}{meridian}{}", shift.unwrap_or_default()))
}

/// Metres of the unit of coordinates.
fn linear_unit(keys: &GeoKeyDirectory) -> Result<f64, String> {
    match keys.get_short(3076) {
        None | Some(9001) => Ok(1.0),
        Some(9002) => Ok(0.3048),
        Some(9003) => Ok(1200.0 / 3937.0),
        Some(9036) => Ok(1000.0),
        Some(USER_DEFINED) => {
            let size = keys.get_double(3077).and_then(|values| values.first().copied());
            size.filter(|&size| size > 0.0 && size.is_finite()).ok_or_else(|| "has a unit without a size".to_owned())
        }
        Some(unit) => Err(format!("measures lengths in unit {unit}, which is not in the table")),
    }
}
