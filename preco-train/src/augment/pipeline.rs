//! Random transforms in a row, as a list that a settings file can hold.

use std::borrow::Cow;

use preco_core::imagery::{Image8, MAX_PIXELS};
use preco_core::predict::seen;
use preco_core::rng::Stream;
use serde::{Deserialize, Serialize};

use super::geometry::{Window, cut, mirror, resized, turn};
use super::{Erasing, Photometric, RandAugment, RandomResizedCrop};
use crate::error::{Error, Result};
use crate::sample::Sample;

/// One random transform of a sample. Those that move pixels move mask, boxes and instances with them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum Transform {
    /// The largest centred part of the shape of `size`, resized: what evaluation sees, nothing random.
    Fit {
        /// `[height, width]` of the result.
        size: [usize; 2],
    },
    /// A random part, resized to `size`; objects of which less than `min_visible` is left are dropped.
    RandomResizedCrop {
        /// `[height, width]` of the result.
        size: [usize; 2],
        /// Smallest and largest part of the area.
        scale: [f64; 2],
        /// Smallest and largest width / height.
        ratio: [f64; 2],
        /// Share of an object.
        min_visible: f32,
    },
    /// A random window of `size`, padded with `fill` where the image is smaller.
    Crop {
        /// `[height, width]` of the result.
        size: [usize; 2],
        /// Colour beyond the image.
        fill: [u8; 3],
        /// Share of an object.
        min_visible: f32,
    },
    /// Left and right, and top and bottom, each by its chance.
    Flip {
        /// Chance of left and right.
        horizontal: f64,
        /// Chance of top and bottom.
        vertical: f64,
    },
    /// A turn by 0, 90, 180 or 270 degrees: from above there is no up.
    Rotate90,
    /// A size at a random factor, then a random window of `size` (large-scale jitter).
    ScaleJitter {
        /// `[height, width]` of the result.
        size: [usize; 2],
        /// Smallest and largest factor.
        factor: [f64; 2],
        /// Colour beyond the image.
        fill: [u8; 3],
        /// Share of an object.
        min_visible: f32,
    },
    /// Brightness, contrast, saturation, hue.
    Photometric(Photometric),
    /// A few changes of colour of one strength.
    RandAugment(RandAugment),
    /// A rectangle of noise.
    Erasing(Erasing),
}

/// How much the views of a labelled image differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strength {
    /// Not at all.
    None,
    /// In place and direction.
    #[default]
    Light,
    /// In colours and by holes as well.
    Strong,
}

/// Transforms in their order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pipeline(pub Vec<Transform>);

impl Pipeline {
    /// The views of masked-image pre-training (SimMIM): a random part of at least two thirds of the area, resized, and a
    /// coin's flip. No colour changes, and never upside down.
    pub fn pretraining(size: [usize; 2]) -> Self {
        let part =
            Transform::RandomResizedCrop { size, scale: [0.67, 1.0], ratio: [3.0 / 4.0, 4.0 / 3.0], min_visible: 0.0 };
        Self(vec![part, Transform::Flip { horizontal: 0.5, vertical: 0.0 }])
    }

    /// Views for learning labels seen from above: `none` as evaluation sees images; `light` with a random part of at least
    /// two thirds of the area, flips and turns; `strong` with RandAugment (where there are colours) and erasing besides.
    pub fn labelled(strength: Strength, size: [usize; 2], bands: usize) -> Self {
        if strength == Strength::None {
            return Self(vec![Transform::Fit { size }]);
        }
        let part =
            Transform::RandomResizedCrop { size, scale: [0.67, 1.0], ratio: [3.0 / 4.0, 4.0 / 3.0], min_visible: 0.0 };
        let mut all = vec![part, Transform::Flip { horizontal: 0.5, vertical: 0.5 }];
        // A turn by a quarter keeps a square's size only.
        all.extend((size[0] == size[1]).then_some(Transform::Rotate90));
        if strength == Strength::Strong {
            all.extend((bands == 3).then(|| Transform::RandAugment(RandAugment::default())));
            all.push(Transform::Erasing(Erasing::default()));
        }
        Self(all)
    }

    /// True where a view depends on the image alone.
    pub fn is_fixed(&self) -> bool {
        self.0.iter().all(|transform| matches!(transform, Transform::Fit { .. }))
    }

    /// Checks every transform.
    ///
    /// # Errors
    /// [`Error::Config`] with the value that cannot be.
    pub fn check(&self) -> Result<()> {
        self.0.iter().try_for_each(Transform::check)
    }

    /// The sample as training sees it.
    ///
    /// # Errors
    /// Where the core cannot resize an image.
    ///
    /// # Randomness
    /// Stream `(seed, "augment <name> <n>", step, index)` for the nth transform of a name, so that its numbers do not
    /// change when one of another name is added.
    pub fn apply<'a>(&self, sample: Cow<'a, Sample>, seed: u64, step: u64, index: u64) -> Result<Cow<'a, Sample>> {
        self.0.iter().enumerate().try_fold(sample, |sample, (at, transform)| {
            let name = transform.name();
            let nth = self.0[..at].iter().filter(|earlier| earlier.name() == name).count();
            let purpose = format!("augment {name} {nth}");
            transform.apply(sample, &mut Stream::new(seed, &purpose, step, index))
        })
    }
}

impl Transform {
    fn name(&self) -> &'static str {
        match self {
            Self::Fit { .. } => "fit",
            Self::RandomResizedCrop { .. } => "random_resized_crop",
            Self::Crop { .. } => "crop",
            Self::Flip { .. } => "flip",
            Self::Rotate90 => "rotate90",
            Self::ScaleJitter { .. } => "scale_jitter",
            Self::Photometric(_) => "photometric",
            Self::RandAugment(_) => "rand_augment",
            Self::Erasing(_) => "erasing",
        }
    }

    fn check(&self) -> Result<()> {
        let size = |[height, width]: [usize; 2]| {
            if (1..=MAX_PIXELS).contains(&height.saturating_mul(width)) {
                return Ok(());
            }
            Err(Error::config(format!(
                "augment.size is [{height}, {width}]; height and width start at 1 and make at most {MAX_PIXELS} pixels"
            )))
        };
        let chance = |value: f64| {
            if (0.0..=1.0).contains(&value) {
                return Ok(());
            }
            Err(Error::config(format!("augment: {value} is no probability; give 0 to 1")))
        };
        match *self {
            Self::Fit { size: result } => size(result),
            Self::RandomResizedCrop { size: result, scale, ratio, min_visible } => {
                size(result)?;
                chance(min_visible.into())?;
                RandomResizedCrop { scale, ratio }.check()
            }
            Self::Crop { size: result, min_visible, .. } => size(result).and_then(|()| chance(min_visible.into())),
            Self::Flip { horizontal, vertical } => chance(horizontal).and_then(|()| chance(vertical)),
            Self::Rotate90 => Ok(()),
            Self::ScaleJitter { size: result, factor: [low, high], min_visible, .. } => {
                size(result)?;
                chance(min_visible.into())?;
                if low > 0.0 && low <= high && high <= 100.0 {
                    return Ok(());
                }
                Err(Error::config(format!("augment.factor is {low}, {high}; two factors are needed, 0 < low <= high")))
            }
            Self::Photometric(law) => law.check(),
            Self::RandAugment(law) => law.check(),
            Self::Erasing(law) => law.check(),
        }
    }

    fn apply<'a>(&self, sample: Cow<'a, Sample>, stream: &mut Stream) -> Result<Cow<'a, Sample>> {
        Ok(Cow::Owned(match *self {
            Self::Fit { size } => {
                let (width, height) = (sample.image.width(), sample.image.height());
                if [height, width] == size {
                    return Ok(sample);
                }
                let seen = seen(width, height, size);
                let (left, top) = (seen.x as isize, seen.y as isize);
                let window = Window { left, top, width: seen.width, height: seen.height };
                resized(&cut(&sample, window, [0; 3], 0.0), size)?
            }
            Self::RandomResizedCrop { size, scale, ratio, min_visible } => {
                let law = RandomResizedCrop { scale, ratio };
                let part = law.draw(sample.image.width(), sample.image.height(), stream);
                let window =
                    Window { left: part.left as isize, top: part.top as isize, width: part.width, height: part.height };
                resized(&cut(&sample, window, [0; 3], min_visible), size)?
            }
            Self::Crop { size, fill, min_visible } => cut(&sample, window(&sample, size, stream), fill, min_visible),
            Self::Flip { horizontal, vertical } => match (stream.chance(horizontal), stream.chance(vertical)) {
                (false, false) => return Ok(sample),
                (true, false) => mirror(&sample),
                // Top and bottom are left and right, turned by 180 degrees.
                (false, true) => turn(&turn(&mirror(&sample))),
                (true, true) => turn(&turn(&sample)),
            },
            Self::Rotate90 => {
                let turns = stream.below(4);
                return Ok((0..turns).fold(sample, |sample, _| Cow::Owned(turn(&sample))));
            }
            Self::ScaleJitter { size, factor: [low, high], fill, min_visible } => {
                let factor = stream.between(low, high);
                let scaled = [sample.image.height(), sample.image.width()];
                let scaled = scaled.map(|side| ((side as f64 * factor).round() as usize).max(1));
                let sample = resized(&sample, scaled)?;
                cut(&sample, window(&sample, size, stream), fill, min_visible)
            }
            Self::Photometric(law) => recoloured(sample, self.name(), |image| law.apply(image, stream))?,
            Self::RandAugment(law) => recoloured(sample, self.name(), |image| law.apply(image, stream))?,
            Self::Erasing(law) => {
                let mut sample = sample.into_owned();
                law.apply(&mut sample, stream);
                sample
            }
        }))
    }
}

/// The sample with another picture.
fn recoloured(sample: Cow<'_, Sample>, name: &str, recolour: impl FnOnce(&Image8) -> Image8) -> Result<Sample> {
    if sample.image.bands() != 3 {
        let bands = sample.image.bands();
        return Err(Error::config(format!(
            "augment {name} changes colours, images of {bands} bands have none: leave it out"
        )));
    }
    let image = recolour(&sample.image);
    Ok(Sample { image, ..sample.into_owned() })
}

/// A window of `size` within the sample, or around it where the sample is smaller.
fn window(sample: &Sample, [height, width]: [usize; 2], stream: &mut Stream) -> Window {
    let mut start = |have: usize, want: usize| {
        let free = have.abs_diff(want);
        let at = stream.below(free + 1) as isize;
        if have >= want { at } else { -at }
    };
    let top = start(sample.image.height(), height);
    Window { left: start(sample.image.width(), width), top, width, height }
}

#[cfg(test)]
mod tests {
    use super::super::geometry::tests::painted;
    use super::*;

    fn applied(pipeline: &Pipeline, sample: Sample, seed: u64, step: u64, index: u64) -> Sample {
        pipeline.apply(Cow::Owned(sample), seed, step, index).expect("sample").into_owned()
    }

    fn everything() -> Pipeline {
        Pipeline(vec![
            Transform::Fit { size: [50, 44] },
            Transform::ScaleJitter { size: [40, 40], factor: [0.5, 2.0], fill: [9; 3], min_visible: 0.2 },
            Transform::Flip { horizontal: 0.5, vertical: 0.5 },
            Transform::Rotate90,
            Transform::RandomResizedCrop { size: [32, 24], scale: [0.3, 1.0], ratio: [0.75, 1.33], min_visible: 0.2 },
            Transform::Photometric(Photometric { brightness: 0.2, contrast: 0.2, saturation: 0.2, hue: 0.05 }),
            Transform::RandAugment(RandAugment::default()),
            Transform::Erasing(Erasing::default()),
            Transform::Crop { size: [28, 30], fill: [1, 2, 3], min_visible: 0.1 },
        ])
    }

    #[test]
    fn whatever_is_drawn_parts_stay_of_one_size_and_boxes_inside() {
        let pipeline = everything();
        pipeline.check().expect("valid");
        let mut objects = 0;
        for index in 0..60 {
            let sample = applied(&pipeline, painted(index as usize % 9), 5, 2, index);
            assert_eq!((sample.image.width(), sample.image.height()), (30, 28));
            let mask = sample.mask.expect("mask");
            assert_eq!((mask.width, mask.height, mask.data.len()), (30, 28, 840));
            for b in &sample.boxes {
                let [x0, y0, x1, y1] = b.xyxy;
                assert!(0.0 <= x0 && x0 < x1 && x1 <= 30.0 && 0.0 <= y0 && y0 < y1 && y1 <= 28.0, "{b:?}");
            }
            assert!(sample.instances.iter().all(|instance| instance.xyxy().is_some()));
            objects += sample.boxes.len();
        }
        assert!(objects > 20, "{objects}");
    }

    #[test]
    fn a_sample_depends_on_seed_and_position_only_and_not_on_what_comes_behind() {
        let pipeline = everything();
        let at = |seed, step, index| applied(&pipeline, painted(3), seed, step, index);
        assert_eq!(at(1, 2, 3), at(1, 2, 3));
        assert!(at(1, 2, 3) != at(1, 2, 4) && at(1, 2, 3) != at(1, 3, 3) && at(1, 2, 3) != at(2, 2, 3));
        // Turns and colours after another transform are those that they were without it.
        let two = Pipeline(pipeline.0[3..6].to_vec());
        let first =
            two.0[0].apply(Cow::Owned(painted(3)), &mut Stream::new(1, "augment rotate90 0", 2, 3)).expect("sample");
        let purpose = "augment random_resized_crop 0";
        let second = two.0[1].apply(first, &mut Stream::new(1, purpose, 2, 3)).expect("sample");
        let third = two.0[2].apply(second, &mut Stream::new(1, "augment photometric 0", 2, 3)).expect("sample");
        assert_eq!(applied(&two, painted(3), 1, 2, 3), third.into_owned());
        // Of two with one name each has numbers of its own.
        let flips = Pipeline(vec![Transform::Flip { horizontal: 0.5, vertical: 0.0 }; 2]);
        let is_flipped = |index| applied(&flips, painted(3), 1, 0, index) != painted(3);
        assert!((0..40).filter(|&index| is_flipped(index)).count() > 8, "two flips always undo each other");
    }

    #[test]
    fn flips_come_as_often_as_asked_in_both_directions() {
        let image = preco_core::imagery::Image8::rgb(2, 2, vec![1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]);
        let law = Pipeline(vec![Transform::Flip { horizontal: 0.5, vertical: 0.25 }]);
        let mut corners = [0i32; 5];
        for index in 0..800 {
            let sample = applied(&law, Sample::from(image.clone()), 1, 0, index);
            corners[usize::from(sample.image.get(0, 0)[0])] += 1;
        }
        // None 3/8, across 3/8, over 1/8, both 1/8: of 800, deviations below 14.
        for (count, want) in corners[1..].iter().zip([300, 300, 100, 100]) {
            assert!((*count - want).abs() < 60, "{corners:?}");
        }
    }

    #[test]
    fn a_list_is_read_from_json_and_bad_values_are_named() {
        let text = serde_json::to_string(&everything()).expect("JSON");
        assert_eq!(serde_json::from_str::<Pipeline>(&text).expect("back"), everything());
        assert!(serde_json::from_str::<Pipeline>("[{\"name\": \"flipp\"}]").is_err());
        let bad = [
            Transform::Flip { horizontal: 1.5, vertical: 0.0 },
            Transform::Crop { size: [0, 3], fill: [0; 3], min_visible: 0.0 },
            Transform::Crop { size: [usize::MAX, 3], fill: [0; 3], min_visible: 0.0 },
            Transform::ScaleJitter { size: [3, 3], factor: [2.0, 1.0], fill: [0; 3], min_visible: 0.0 },
        ];
        for (transform, value) in bad.into_iter().zip(["1.5", "[0, 3]", "pixels", "2, 1"]) {
            let error = Pipeline(vec![transform]).check().expect_err(value).to_string();
            assert!(error.contains(value), "{error}");
        }
    }

    #[test]
    fn half_the_pretraining_views_are_flipped_and_none_upside_down() {
        let ramp = (0..200).flat_map(|y| (0..200).flat_map(move |x| [x as u8, y as u8, 7])).collect();
        let ramp = Sample::from(Image8::rgb(200, 200, ramp));
        let mut flipped = 0;
        for index in 0..400 {
            let view = applied(&Pipeline::pretraining([16, 24]), ramp.clone(), 1, 0, index).image;
            assert_eq!((view.width(), view.height()), (24, 16));
            assert!(view.get(0, 0)[1] < view.get(0, 15)[1]);
            flipped += usize::from(view.get(0, 0)[0] > view.get(23, 0)[0]);
        }
        // 200, deviation 10.
        assert!((160..240).contains(&flipped), "{flipped}");
    }

    #[test]
    fn one_pixel_is_enlarged_and_no_pixel_is_an_error() {
        let views = Pipeline::pretraining([8, 8]);
        let view = applied(&views, Sample::from(Image8::filled(1, 1, [1, 2, 3])), 1, 0, 0);
        assert_eq!(view.image, Image8::filled(8, 8, [1, 2, 3]));
        assert!(views.apply(Cow::Owned(Sample::from(Image8::rgb(0, 0, vec![]))), 1, 0, 0).is_err());
    }
}
