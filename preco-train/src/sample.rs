//! One labelled image, and what of its labels a task learns from.
//!
//! A data set makes samples, `augment` transforms them, the loader packs them into batches.

use preco_core::imagery::Image8;
use serde::{Deserialize, Serialize};

/// A mask's value where nothing is known: padding and erased pixels. Losses and metrics leave it out.
pub const IGNORE: u8 = 255;

/// A byte for each pixel, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plane {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `height * width` values.
    pub data: Vec<u8>,
}

/// An object's extent and class.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledBox {
    /// Left, top, right, bottom in pixels; half-open, so `right - left` is the width.
    pub xyxy: [f32; 4],
    /// An index into the data set's classes.
    pub class: usize,
    /// True for what detectors are not judged by: crowds and objects marked as difficult.
    pub is_difficult: bool,
}

/// An object's visible pixels and class. Its box is the tight one around them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// An index into the data set's classes.
    pub class: usize,
    /// 1 on the object, 0 elsewhere; as large as the image.
    pub pixels: Plane,
}

/// What a task learns from, beside the picture. Nothing else is read, kept in memory or transformed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Supervision {
    /// Pictures alone.
    #[default]
    None,
    /// One class, or several, for the whole image.
    Label,
    /// The class of each pixel.
    Mask,
    /// Boxes.
    Boxes,
    /// Objects by their pixels, from which their boxes follow.
    Instances,
}

/// An image with every kind of label that a task may ask for; what was not asked for is empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The picture.
    pub image: Image8,
    /// A weight for each class: one 1 for a single label, several for many, shares after mixing. Empty where unknown.
    pub label: Vec<f32>,
    /// The class of each pixel, or [`IGNORE`]; as large as the image.
    pub mask: Option<Plane>,
    /// Boxes.
    pub boxes: Vec<LabelledBox>,
    /// Objects by their pixels.
    pub instances: Vec<Instance>,
}

/// The labels of a sample, once its picture has become a tensor.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Target {
    /// As [`Sample::label`].
    pub label: Vec<f32>,
    /// As [`Sample::mask`].
    pub mask: Option<Plane>,
    /// As [`Sample::boxes`].
    pub boxes: Vec<LabelledBox>,
    /// As [`Sample::instances`].
    pub instances: Vec<Instance>,
}

impl Plane {
    /// A plane of one value.
    pub fn filled(width: usize, height: usize, value: u8) -> Self {
        Self { width, height, data: vec![value; width * height] }
    }

    /// A plane of another size whose value at each place is the one that `from` names here, `beyond` where it names none.
    pub(crate) fn gathered(
        &self,
        width: usize,
        height: usize,
        beyond: u8,
        from: impl Fn(usize, usize) -> Option<(usize, usize)>,
    ) -> Self {
        let value = |x, y| from(x, y).map_or(beyond, |(x, y)| self.get(x, y));
        let data = (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| value(x, y)).collect();
        Self { width, height, data }
    }

    /// The value at a place within the plane.
    ///
    /// # Panics
    /// Where `x` or `y` is out of range.
    pub fn get(&self, x: usize, y: usize) -> u8 {
        assert!(x < self.width, "column {x} of {}", self.width);
        self.data[y * self.width + x]
    }
}

impl Instance {
    /// The tight box around the pixels, `None` where there are none.
    pub fn xyxy(&self) -> Option<[f32; 4]> {
        let width = self.pixels.width;
        let mut bounds: Option<[usize; 4]> = None;
        for (at, _) in self.pixels.data.iter().enumerate().filter(|(_, pixel)| **pixel != 0) {
            let (x, y) = (at % width, at / width);
            let [left, top, right, bottom] = bounds.unwrap_or([x, y, x + 1, y + 1]);
            bounds = Some([left.min(x), top.min(y), right.max(x + 1), bottom.max(y + 1)]);
        }
        bounds.map(|bounds| bounds.map(|bound| bound as f32))
    }
}

impl Sample {
    /// The picture, and what is known about it.
    pub fn into_parts(self) -> (Image8, Target) {
        let Self { image, label, mask, boxes, instances } = self;
        (image, Target { label, mask, boxes, instances })
    }

    /// The memory that pixels take: what a cache counts.
    pub fn bytes(&self) -> u64 {
        let planes = self.mask.iter().chain(self.instances.iter().map(|instance| &instance.pixels));
        (self.image.data().len() + planes.map(|plane| plane.data.len()).sum::<usize>()) as u64
    }
}

impl From<Image8> for Sample {
    /// An image about which nothing is known.
    fn from(image: Image8) -> Self {
        Self { image, label: Vec::new(), mask: None, boxes: Vec::new(), instances: Vec::new() }
    }
}
