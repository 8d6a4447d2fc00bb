//! The 43 classes of CORINE Land Cover in BigEarthNet, and the 19 that are learnt (Sumbul et al. 2021, arXiv 2105.07921).

/// The 19 classes, in the order of the publication.
pub const CLASSES: [&str; 19] = [
    "Urban fabric",
    "Industrial or commercial units",
    "Arable land",
    "Permanent crops",
    "Pastures",
    "Complex cultivation patterns",
    "Land principally occupied by agriculture, with significant areas of natural vegetation",
    "Agro-forestry areas",
    "Broad-leaved forest",
    "Coniferous forest",
    "Mixed forest",
    "Natural grassland and sparsely vegetated areas",
    "Moors, heathland and sclerophyllous vegetation",
    "Transitional woodland, shrub",
    "Beaches, dunes, sands",
    "Inland wetlands",
    "Coastal wetlands",
    "Inland waters",
    "Marine waters",
];

/// CORINE's classes and the place among [`CLASSES`] of what becomes of them; eleven are dropped.
const CORINE: [(&str, Option<usize>); 43] = [
    ("Continuous urban fabric", Some(0)),
    ("Discontinuous urban fabric", Some(0)),
    ("Industrial or commercial units", Some(1)),
    ("Road and rail networks and associated land", None),
    ("Port areas", None),
    ("Airports", None),
    ("Mineral extraction sites", None),
    ("Dump sites", None),
    ("Construction sites", None),
    ("Green urban areas", None),
    ("Sport and leisure facilities", None),
    ("Non-irrigated arable land", Some(2)),
    ("Permanently irrigated land", Some(2)),
    ("Rice fields", Some(2)),
    ("Vineyards", Some(3)),
    ("Fruit trees and berry plantations", Some(3)),
    ("Olive groves", Some(3)),
    ("Pastures", Some(4)),
    ("Annual crops associated with permanent crops", Some(3)),
    ("Complex cultivation patterns", Some(5)),
    ("Land principally occupied by agriculture, with significant areas of natural vegetation", Some(6)),
    ("Agro-forestry areas", Some(7)),
    ("Broad-leaved forest", Some(8)),
    ("Coniferous forest", Some(9)),
    ("Mixed forest", Some(10)),
    ("Natural grassland", Some(11)),
    ("Moors and heathland", Some(12)),
    ("Sclerophyllous vegetation", Some(12)),
    ("Transitional woodland/shrub", Some(13)),
    ("Beaches, dunes, sands", Some(14)),
    ("Bare rock", None),
    ("Sparsely vegetated areas", Some(11)),
    ("Burnt areas", None),
    ("Inland marshes", Some(15)),
    ("Peatbogs", Some(15)),
    ("Salt marshes", Some(16)),
    ("Salines", Some(16)),
    ("Intertidal flats", None),
    ("Water courses", Some(17)),
    ("Water bodies", Some(17)),
    ("Coastal lagoons", Some(18)),
    ("Estuaries", Some(18)),
    ("Sea and ocean", Some(18)),
];

/// The class among [`CLASSES`] of a name of either nomenclature; `Some(None)` for one that is dropped, `None` for one that
/// nobody knows. Names are spelt with a comma or a slash.
pub fn class_of(name: &str) -> Option<Option<usize>> {
    let plain = |name: &str| name.trim().replace('/', ", ").to_lowercase();
    let name = plain(name);
    if let Some(class) = CLASSES.iter().position(|class| plain(class) == name) {
        return Some(Some(class));
    }
    CORINE.iter().find(|(corine, _)| plain(corine) == name).map(|(_, class)| *class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_comes_from_another_nomenclature_or_is_dropped() {
        let dropped = CORINE.iter().filter(|(_, class)| class.is_none()).count();
        assert_eq!(dropped, 11);
        for (class, name) in CLASSES.iter().enumerate() {
            assert!(CORINE.iter().any(|(_, to)| *to == Some(class)), "{name} comes from nothing");
            assert_eq!(class_of(name), Some(Some(class)));
        }
        assert_eq!(class_of("Transitional woodland/shrub"), class_of("Transitional woodland, shrub"));
        assert_eq!(
            (class_of("Rice fields"), class_of("Airports"), class_of("Lava")),
            (Some(Some(2)), Some(None), None)
        );
    }
}
