//! What is in a folder of images: how many of each class, of what sizes and formats, and what cannot be read.

use std::collections::BTreeMap;

use preco_core::imagery::format;
use rayon::prelude::*;
use serde::Serialize;

use super::{ImageFolder, ImageSource, Unreadable};

/// How closely files are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Headers alone: quick, and blind to files that are cut off.
    Headers,
    /// Every image is decoded.
    Pixels,
}

/// What a folder holds. Images are the readable ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Survey {
    /// How many.
    pub images: usize,
    /// The classes, in label order, with those that have no image.
    pub classes: Vec<ClassCount>,
    /// Images without a class.
    pub unlabelled: usize,
    /// In pixels; absent where no image is readable.
    pub width: Option<Range>,
    /// In pixels; absent where no image is readable.
    pub height: Option<Range>,
    /// Images of each format, by content and not by name.
    pub formats: BTreeMap<&'static str, usize>,
    /// Files that are no readable images, in path order.
    pub unreadable: Vec<Unreadable>,
}

/// A class and its size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClassCount {
    /// The class.
    pub name: String,
    /// Its images.
    pub images: usize,
}

/// Where values lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Range {
    /// The smallest.
    pub min: usize,
    /// The middle one; of two middle ones the smaller.
    pub median: usize,
    /// The largest.
    pub max: usize,
}

/// Looks at every image of `folder`, on all threads. What `folder` has left out counts as unreadable.
pub fn survey(folder: &ImageFolder, depth: Depth) -> Survey {
    let looked: Vec<_> = (0..folder.len()).into_par_iter().map(|index| look(folder, index, depth)).collect();
    let mut found = Survey {
        images: 0,
        classes: folder.classes().iter().map(|name| ClassCount { name: name.clone(), images: 0 }).collect(),
        unlabelled: 0,
        width: None,
        height: None,
        formats: BTreeMap::new(),
        unreadable: folder.unreadable().to_vec(),
    };
    let (mut widths, mut heights) = (Vec::new(), Vec::new());
    for (index, looked) in looked.into_iter().enumerate() {
        match looked {
            Ok(format) => {
                let info = folder.info(index);
                widths.push(info.width);
                heights.push(info.height);
                found.images += 1;
                *found.formats.entry(format).or_default() += 1;
                match folder.label(index) {
                    Some(label) => found.classes[label].images += 1,
                    None => found.unlabelled += 1,
                }
            }
            Err(unreadable) => found.unreadable.push(unreadable),
        }
    }
    found.unreadable.sort_by(|a, b| a.name.cmp(&b.name));
    (found.width, found.height) = (Range::of(widths), Range::of(heights));
    found
}

/// The format of an image, or why it cannot be read.
fn look(folder: &ImageFolder, index: usize, depth: Depth) -> Result<&'static str, Unreadable> {
    let unreadable = |reason: String| Unreadable { name: folder.name(index), reason };
    if depth == Depth::Pixels {
        folder.image(index).map_err(|error| unreadable(error.to_string()))?;
    }
    format(&folder.path(index)).map_err(|error| unreadable(error.to_string()))
}

impl Range {
    fn of(mut values: Vec<usize>) -> Option<Self> {
        values.sort_unstable();
        let (min, max) = (*values.first()?, *values.last()?);
        Some(Self { min, median: values[(values.len() - 1) / 2], max })
    }
}

#[cfg(test)]
mod tests {
    use preco_core::imagery::{Image8, write_jpeg, write_png};

    use super::*;
    use crate::datasets::{Allow, Scan};

    #[test]
    fn sizes_formats_classes_and_damage_are_counted() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = |name: &str| folder.path().join(name);
        for class in ["a", "b", "empty"] {
            std::fs::create_dir(path(class)).expect("folder");
        }
        for (name, width) in [("a/1.png", 8), ("a/2.png", 3), ("b/1.png", 40), ("top.png", 5)] {
            write_png(&Image8::filled(width, 2, [9; 3]), &path(name)).expect("write");
        }
        // A JPEG under another name, the same cut off, and words.
        write_jpeg(&Image8::filled(64, 7, [9; 3]), &path("b/2.png"), 90).expect("write");
        let whole = std::fs::read(path("b/2.png")).expect("read");
        std::fs::write(path("b/cut.jpg"), &whole[..whole.len() - 9]).expect("write");
        std::fs::write(path("a/words.jpg"), "words").expect("write");
        let scan = Scan { allow: Allow::Any, ..Scan::default() };
        let found = ImageFolder::scan_with(folder.path(), &scan).expect("scan");

        let names = |survey: &Survey| survey.unreadable.iter().map(|file| file.name.clone()).collect::<Vec<_>>();
        let headers = survey(&found, Depth::Headers);
        assert_eq!((headers.images, names(&headers)), (6, vec!["a/words.jpg".to_owned()]));
        let pixels = survey(&found, Depth::Pixels);
        assert_eq!(names(&pixels), ["a/words.jpg", "b/cut.jpg"]);
        assert!(pixels.unreadable[1].reason.contains("cut off"), "{:?}", pixels.unreadable);
        let classes: Vec<_> = pixels.classes.iter().map(|class| (class.name.as_str(), class.images)).collect();
        assert_eq!(classes, [("a", 2), ("b", 2), ("empty", 0)]);
        assert_eq!((pixels.images, pixels.unlabelled), (5, 1));
        assert_eq!(pixels.width, Some(Range { min: 3, median: 8, max: 64 }));
        assert_eq!(pixels.height, Some(Range { min: 2, median: 2, max: 7 }));
        assert_eq!(pixels.formats.into_iter().collect::<Vec<_>>(), [("JPEG", 1), ("PNG", 4)]);
    }
}
