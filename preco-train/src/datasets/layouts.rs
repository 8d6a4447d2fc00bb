//! Generated scenes laid out as data sets are published: for trying out what reads those, without a download.
//!
//! - [`Layout::Folders`]: `<class>/<class>_000000.png`, the classes of [`scenes`](super::scenes), numbered over all.
//! - [`Layout::EuroSat`]: `2750/<Class>/<Class>_<n>.jpg` with EuroSAT's ten names and `n` from 1 within each class, as in
//!   EuroSAT RGB (Helber et al., 2019, doi:10.1109/JSTARS.2019.2918242), whose images have 64 pixels of 10 m. Its files
//!   look alike in layout, not in content. Two pairs of classes come from one kind of scene; the second of each is drawn
//!   at half the ground sample distance, so that it can be told apart.

use std::path::Path;

use preco_core::imagery::{write_jpeg, write_png};
use rayon::prelude::*;
use serde::Serialize;

use super::scenes::{CLASSES, SceneGenerator};
use crate::error::{Error, Result};

/// Quality of EuroSAT's look-alikes.
const JPEG_QUALITY: u8 = 90;
/// Metres per pixel of Sentinel-2's visible bands.
const SENTINEL2_GSD_M: f32 = 10.0;

/// EuroSAT's classes in label order, each with the scene that stands for it and its metres per pixel.
const EUROSAT: [(&str, &str, f32); 10] = [
    ("AnnualCrop", "crops", SENTINEL2_GSD_M),
    ("Forest", "forest", SENTINEL2_GSD_M),
    ("HerbaceousVegetation", "pasture", SENTINEL2_GSD_M / 2.0),
    ("Highway", "road", SENTINEL2_GSD_M),
    ("Industrial", "industrial", SENTINEL2_GSD_M),
    ("Pasture", "pasture", SENTINEL2_GSD_M),
    ("PermanentCrop", "crops", SENTINEL2_GSD_M / 2.0),
    ("Residential", "residential", SENTINEL2_GSD_M),
    ("River", "river", SENTINEL2_GSD_M),
    ("SeaLake", "lake", SENTINEL2_GSD_M),
];

/// How files are named and placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// A folder of PNG files per class.
    Folders,
    /// EuroSAT RGB's.
    EuroSat,
}

/// Images to write.
#[derive(Clone, Copy, Debug)]
pub struct LookAlikes {
    /// Where they go.
    pub layout: Layout,
    /// How many, over all classes; every prefix is balanced.
    pub count: usize,
    /// Seed of the scenes.
    pub seed: u64,
    /// Side in pixels.
    pub size_px: usize,
}

impl Layout {
    /// The folder of images below the one that is written to.
    pub fn images(self) -> &'static str {
        match self {
            Self::Folders => "",
            Self::EuroSat => "2750",
        }
    }

    /// The class names, in label order.
    pub fn classes(self) -> Vec<&'static str> {
        match self {
            Self::Folders => CLASSES.to_vec(),
            Self::EuroSat => EUROSAT.iter().map(|(name, ..)| *name).collect(),
        }
    }
}

impl LookAlikes {
    /// Draws the images into `folder`, on all threads. The files depend on the fields alone.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Core`] with the file or folder that cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let images = folder.join(self.layout.images());
        for class in self.layout.classes() {
            let path = images.join(class);
            std::fs::create_dir_all(&path).map_err(|source| Error::Io { action: "write", path, source })?;
        }
        (0..self.count).into_par_iter().try_for_each(|index| self.draw(index, &images))
    }

    fn draw(&self, index: usize, images: &Path) -> Result<()> {
        let generator = SceneGenerator::new(self.seed, self.size_px, self.count);
        match self.layout {
            Layout::Folders => {
                let class = CLASSES[generator.class(index)];
                write_png(&generator.scene(index).image, &images.join(format!("{class}/{class}_{index:06}.png")))?;
            }
            Layout::EuroSat => {
                let (class, stand_in, gsd_m) = EUROSAT[index % EUROSAT.len()];
                let round = index / EUROSAT.len();
                let path = images.join(format!("{class}/{class}_{}.jpg", round + 1));
                // Classes are dealt in blocks, so each block has one scene of this kind.
                let mut block = CLASSES.len() * round..CLASSES.len() * (round + 1);
                let scene = block.find(|&scene| CLASSES[generator.class(scene)] == stand_in).unwrap_or(block.end);
                write_jpeg(&generator.with_gsd(gsd_m).scene(scene).image, &path, JPEG_QUALITY)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datasets::{ImageFolder, ImageSource};

    fn written(layout: Layout, count: usize) -> (tempfile::TempDir, ImageFolder) {
        let folder = tempfile::tempdir().expect("temporary folder");
        LookAlikes { layout, count, seed: 3, size_px: 32 }.write(folder.path()).expect("write");
        let images = ImageFolder::scan(folder.path().join(layout.images())).expect("scan");
        (folder, images)
    }

    #[test]
    fn eurosat_has_its_folders_names_and_numbers() {
        let (folder, images) = written(Layout::EuroSat, 20);
        assert_eq!(images.classes(), Layout::EuroSat.classes());
        for class in images.classes() {
            for number in [1, 2] {
                let path = folder.path().join(format!("2750/{class}/{class}_{number}.jpg"));
                assert_eq!(preco_core::imagery::format(&path).expect("format"), "JPEG");
            }
        }
        assert_eq!((images.len(), images.info(0).width), (20, 32));
    }

    #[test]
    fn every_stand_in_is_a_scene() {
        assert!(EUROSAT.iter().all(|(_, scene, _)| CLASSES.contains(scene)));
        // Label order is the alphabet's in EuroSAT, and in folders.
        assert!(EUROSAT.is_sorted_by_key(|(name, ..)| *name));
    }

    #[test]
    fn images_depend_on_their_number_and_not_on_the_count() {
        let (_kept, few) = written(Layout::EuroSat, 10);
        let (_kept_too, many) = written(Layout::EuroSat, 20);
        let same = (0..many.len()).find(|&index| many.name(index) == few.name(4)).expect("in both");
        assert_eq!(many.image(same).expect("image"), few.image(4).expect("image"));
        let other = same + 1;
        assert_eq!(many.label(other), many.label(same));
        assert_ne!(many.image(other).expect("image"), many.image(same).expect("image"));
    }

    #[test]
    fn folders_hold_the_generators_scenes_exactly() {
        let (_kept, images) = written(Layout::Folders, 9);
        let generator = SceneGenerator::new(3, 32, 9);
        for index in 0..9 {
            let name = images.name(index);
            let number: usize = name[name.len() - 10..name.len() - 4].parse().expect("a number");
            assert_eq!(images.image(index).expect("image"), generator.scene(number).image);
            assert!(name.starts_with(CLASSES[generator.class(number)]), "{name}");
        }
    }
}
