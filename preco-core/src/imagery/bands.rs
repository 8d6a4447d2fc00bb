//! Which of a scene's bands are a model's: by their names, or as the user says.

use super::raster::RasterInfo;
use crate::error::{Error, Result};

/// Sentinel-2's bands in the order of EuroSAT's files, as models call them: colours by their names, the rest by their
/// numbers.
pub const EUROSAT: [&str; 13] =
    ["B01", "blue", "green", "red", "B05", "B06", "B07", "B08", "B09", "B10", "B11", "B12", "B8A"];

/// True of files of 13 bands without names, which may be in [`EUROSAT`]'s order.
pub fn may_be_eurosats(info: &RasterInfo) -> bool {
    info.bands.len() == EUROSAT.len() && info.bands.iter().all(Option::is_none)
}

/// Names that sensors give to colours: Sentinel-2's B02 to B04, written either way.
const SAME: [(&str, &[&str]); 3] = [
    ("red", &["red", "r", "b04", "b4"]),
    ("green", &["green", "g", "b03", "b3"]),
    ("blue", &["blue", "b", "b02", "b2"]),
];

/// The bands of `info`, counted from 0, that a model calls `wanted`.
///
/// `asked` are numbers counted from 1, as users and GDAL count. Without them, names must match: those of the file's
/// descriptions, or red, green and blue where the file says that its pixels are colours. Of a file of 13 bands without
/// names a model of Sentinel-2's other bands takes [`EUROSAT`]'s order; one of colours is told nothing by such a file.
///
/// # Errors
/// [`Error::Image`] with the bands that there are and how to name them.
pub fn choose_bands(info: &RasterInfo, wanted: &[String], asked: Option<&[usize]>) -> Result<Vec<usize>> {
    let refused = |reason: String| Error::Image { path: info.name.clone().into(), reason };
    let count = if info.palette.is_some() { 3 } else { info.bands.len() };
    let list =
        if info.palette.is_some() { "1 red, 2 green, 3 blue (of its palette)".to_owned() } else { info.band_list() };
    if let Some(asked) = asked {
        if asked.len() != wanted.len() {
            let reason = format!("--bands names {} bands, the model wants {}", asked.len(), wanted.len());
            return Err(refused(format!("{reason} ({})", wanted.join(", "))));
        }
        if let Some(band) = asked.iter().find(|&&band| band == 0 || band > count) {
            return Err(refused(format!("has no band {band}; it has {list}")));
        }
        return Ok(asked.iter().map(|band| band - 1).collect());
    }
    if info.palette.is_some() && wanted.iter().map(String::as_str).eq(["red", "green", "blue"]) {
        return Ok(vec![0, 1, 2]);
    }
    let matches = |name: &str, wanted: &str| {
        let same = SAME.iter().find(|(colour, _)| *colour == wanted).map_or(&[][..], |(_, same)| same);
        let name = name.to_ascii_lowercase();
        name == wanted.to_ascii_lowercase() || same.contains(&name.as_str())
    };
    let is_nameless = may_be_eurosats(info);
    let place = |band: &String| EUROSAT.iter().position(|known| known == band);
    let of_sentinel = |band: &String| EUROSAT.contains(&band.as_str());
    let is_colour = |band: &String| SAME.iter().any(|(colour, _)| colour == band);
    if is_nameless && wanted.iter().all(of_sentinel) && !wanted.iter().all(is_colour) {
        return Ok(wanted.iter().filter_map(place).collect());
    }
    let find =
        |wanted: &String| info.bands.iter().position(|name| name.as_deref().is_some_and(|name| matches(name, wanted)));
    wanted.iter().map(find).collect::<Option<_>>().ok_or_else(|| {
        // Sentinel-2's colours, where it may be that; numbers that rise, else.
        let example: Vec<usize> = match is_nameless && wanted.iter().all(is_colour) {
            true => wanted.iter().filter_map(place).map(|at| at + 1).collect(),
            false => (1..=wanted.len()).map(|band| band.min(count)).collect(),
        };
        let enough = wanted.len() <= count || wanted.iter().all(is_colour);
        let has = format!("has {count} band{}: {list}", if count == 1 { "" } else { "s" });
        let wants = format!("{has}; the model wants {} ({})", wanted.len(), wanted.join(", "));
        if !enough {
            return refused(format!("{wants}: it is not for such files"));
        }
        let numbers = example.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        refused(format!("{wants}. Say which they are, by number and in that order, as in --bands {numbers}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imagery::Image8;
    use crate::imagery::raster::{ImageRaster, Raster};

    fn info(names: &[&str]) -> RasterInfo {
        let mut info = ImageRaster::new(Image8::filled(1, 1, [0; 3]), "scene.tif").info().clone();
        info.bands = names.iter().map(|name| (!name.is_empty()).then(|| (*name).to_owned())).collect();
        info
    }

    fn wanted() -> Vec<String> {
        ["red", "green", "blue"].map(str::to_owned).to_vec()
    }

    #[test]
    fn names_are_found_in_any_order_and_by_sensors_numbers() {
        assert_eq!(choose_bands(&info(&["nir", "Blue", "GREEN", "red"]), &wanted(), None).expect("bands"), [3, 2, 1]);
        assert_eq!(choose_bands(&info(&["B02", "B03", "B04", "B08"]), &wanted(), None).expect("bands"), [2, 1, 0]);
    }

    #[test]
    fn a_scene_of_other_bands_is_refused_with_the_list_and_the_flag() {
        let error = choose_bands(&info(&["", "", "nir", ""]), &wanted(), None).expect_err("no names").to_string();
        assert_eq!(
            error,
            "scene.tif: has 4 bands: 1, 2, 3 nir, 4; the model wants 3 (red, green, blue). Say which they are, by \
             number and in that order, as in --bands 1,2,3"
        );
        assert_eq!(choose_bands(&info(&["", "", "", ""]), &wanted(), Some(&[4, 3, 2])).expect("asked"), [3, 2, 1]);
        for (asked, needle) in
            [(&[1, 2][..], "names 2 bands"), (&[1, 2, 5][..], "no band 5"), (&[0, 1, 2][..], "no band 0")]
        {
            let error = choose_bands(&info(&["", "", "", ""]), &wanted(), Some(asked)).expect_err(needle).to_string();
            assert!(error.contains(needle), "{error}");
        }
    }
}
