//! What moves pixels, and everything that is known about them with them.
//!
//! Images are resized with bilinear antialiasing, planes by the pixel under each centre. Boxes are clipped to the image;
//! what keeps less than a stated share of its area, or of its pixels, is dropped.

use preco_core::imagery::{Filter, Image8, resize};

use crate::error::Result;
use crate::sample::{IGNORE, Instance, LabelledBox, Plane, Sample};

/// Whole pixels to cut out, in the image's coordinates; it may reach beyond the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First column.
    pub left: isize,
    /// First row.
    pub top: isize,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

/// Cuts `window` out; beyond the image pixels have colour `fill`, the mask [`IGNORE`]. Objects of which less than
/// `min_visible` is left are dropped.
pub fn cut(sample: &Sample, window: Window, fill: [u8; 3], min_visible: f32) -> Sample {
    let Window { left, top, width, height } = window;
    let (have_width, have_height) = (sample.image.width(), sample.image.height());
    let inside = |x: usize, y: usize| {
        let (x, y) = (x as isize + left, y as isize + top);
        let there = (0..have_width as isize).contains(&x) && (0..have_height as isize).contains(&y);
        there.then_some((x as usize, y as usize))
    };
    let places = || (0..height).flat_map(move |y| (0..width).map(move |x| (x, y)));
    let plane = |from: &Plane, beyond: u8| from.gathered(width, height, beyond, inside);
    let bands = sample.image.bands();
    // Of other bands than colours, what lies beyond is black.
    let fill: Vec<u8> = (0..bands).map(|band| if bands == 3 { fill[band] } else { 0 }).collect();
    let pixel = |(x, y)| inside(x, y).map_or(&fill[..], |(x, y)| sample.image.pixel(x, y));
    let data = places().flat_map(pixel).copied().collect();
    let boxes = sample.boxes.iter().filter_map(|old| {
        let [x0, y0, x1, y1] = old.xyxy;
        let (dx, dy) = (left as f32, top as f32);
        let xyxy = [
            (x0 - dx).clamp(0.0, width as f32),
            (y0 - dy).clamp(0.0, height as f32),
            (x1 - dx).clamp(0.0, width as f32),
            (y1 - dy).clamp(0.0, height as f32),
        ];
        let (area, left) = ((x1 - x0) * (y1 - y0), (xyxy[2] - xyxy[0]) * (xyxy[3] - xyxy[1]));
        (left > 0.0 && left >= min_visible * area).then(|| LabelledBox { xyxy, ..old.clone() })
    });
    let instances = sample.instances.iter().filter_map(|old| {
        let pixels = plane(&old.pixels, 0);
        let (before, left) = (count(&old.pixels), count(&pixels));
        (left > 0 && left as f32 >= min_visible * before as f32).then_some(Instance { class: old.class, pixels })
    });
    Sample {
        image: Image8::new(width, height, bands, data),
        label: sample.label.clone(),
        mask: sample.mask.as_ref().map(|mask| plane(mask, IGNORE)),
        boxes: boxes.collect(),
        instances: instances.collect(),
    }
}

/// The sample with columns in reverse order.
pub fn mirror(sample: &Sample) -> Sample {
    let width = sample.image.width();
    let height = sample.image.height();
    moved(
        sample,
        width,
        height,
        |x, y| (width - 1 - x, y),
        |[x0, y0, x1, y1]| [width as f32 - x1, y0, width as f32 - x0, y1],
    )
}

/// The sample turned counter-clockwise by 90 degrees: the right column becomes the first row.
pub fn turn(sample: &Sample) -> Sample {
    let (width, height) = (sample.image.width(), sample.image.height());
    // The pixel at (x, y) of the result was at (width - 1 - y, x).
    moved(
        sample,
        height,
        width,
        |x, y| (width - 1 - y, x),
        |[x0, y0, x1, y1]| [y0, width as f32 - x1, y1, width as f32 - x0],
    )
}

/// The sample at another size, `[height, width]`. Instances that lose their last pixel are dropped.
///
/// # Errors
/// Where the core cannot resize the image.
pub fn resized(sample: &Sample, size: [usize; 2]) -> Result<Sample> {
    let [height, width] = size;
    let (have_width, have_height) = (sample.image.width(), sample.image.height());
    let (across, down) = (width as f32 / have_width as f32, height as f32 / have_height as f32);
    // The pixel under the centre: ((x + 1/2) · have / want) rounded down, in whole numbers.
    let column = |x: usize| (2 * x + 1) * have_width / (2 * width);
    let row = |y: usize| (2 * y + 1) * have_height / (2 * height);
    let plane = |from: &Plane| from.gathered(width, height, 0, |x, y| Some((column(x), row(y))));
    let scaled = |old: &LabelledBox| {
        let [x0, y0, x1, y1] = old.xyxy;
        LabelledBox { xyxy: [x0 * across, y0 * down, x1 * across, y1 * down], ..old.clone() }
    };
    let instances = sample.instances.iter().map(|old| Instance { class: old.class, pixels: plane(&old.pixels) });
    Ok(Sample {
        image: resize(&sample.image, size, Filter::Bilinear)?,
        label: sample.label.clone(),
        mask: sample.mask.as_ref().map(plane),
        boxes: sample.boxes.iter().map(scaled).collect(),
        instances: instances.filter(|instance| count(&instance.pixels) > 0).collect(),
    })
}

/// A permutation of pixels: `from` says where the pixel at a place of the result was, `to` where a box goes.
fn moved(
    sample: &Sample,
    width: usize,
    height: usize,
    from: impl Fn(usize, usize) -> (usize, usize),
    to: impl Fn([f32; 4]) -> [f32; 4],
) -> Sample {
    let places = || (0..height).flat_map(move |y| (0..width).map(move |x| (x, y)));
    let plane = |old: &Plane| old.gathered(width, height, 0, |x, y| Some(from(x, y)));
    let data = places().map(|(x, y)| from(x, y)).flat_map(|(x, y)| sample.image.pixel(x, y)).copied().collect();
    Sample {
        image: Image8::new(width, height, sample.image.bands(), data),
        label: sample.label.clone(),
        mask: sample.mask.as_ref().map(plane),
        boxes: sample.boxes.iter().map(|old| LabelledBox { xyxy: to(old.xyxy), ..old.clone() }).collect(),
        instances: sample
            .instances
            .iter()
            .map(|old| Instance { class: old.class, pixels: plane(&old.pixels) })
            .collect(),
    }
}

fn count(plane: &Plane) -> usize {
    plane.data.iter().filter(|pixel| **pixel != 0).count()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::datasets::scenes::SceneGenerator;

    /// A scene whose picture is painted from its mask, so that picture and mask must stay equal; cut to be no square.
    pub(in super::super) fn painted(index: usize) -> Sample {
        let scene = SceneGenerator::new(3, 48, 9).scene(index);
        let data = scene.mask.iter().flat_map(|class| [10 * class, 255 - class, 7]).collect();
        let sample = Sample {
            image: Image8::rgb(48, 48, data),
            label: scene.one_hot(),
            mask: Some(scene.classes_of_pixels()),
            boxes: scene.labelled_boxes(),
            instances: scene.objects(),
        };
        let window = Window { left: 3, top: 8, width: 44, height: 37 };
        tight(cut(&sample, window, [0; 3], 0.0))
    }

    /// Boxes as tight as the pixels: cutting clips boxes, which may then be wider than what is seen.
    fn tight(mut sample: Sample) -> Sample {
        let tight = |instance: &Instance| LabelledBox {
            xyxy: instance.xyxy().expect("pixels"),
            class: instance.class,
            is_difficult: false,
        };
        sample.boxes = sample.instances.iter().map(tight).collect();
        sample
    }

    fn assert_together(sample: &Sample) {
        let mask = sample.mask.as_ref().expect("mask");
        for y in 0..mask.height {
            for x in 0..mask.width {
                let class = mask.get(x, y);
                if class != IGNORE {
                    assert_eq!(sample.image.get(x, y), [10 * class, 255 - class, 7], "at {x}, {y}");
                }
            }
        }
        assert_eq!(sample.boxes.len(), sample.instances.len());
        for (b, instance) in sample.boxes.iter().zip(&sample.instances) {
            assert_eq!((Some(b.xyxy), b.class), (instance.xyxy(), instance.class));
        }
    }

    #[test]
    fn picture_mask_boxes_and_instances_move_together() {
        let with_objects = (0..9).map(painted).filter(|sample| sample.instances.len() >= 2);
        let samples: Vec<Sample> = with_objects.collect();
        assert!(samples.len() >= 3, "too few scenes have buildings");
        for sample in samples {
            assert_together(&sample);
            assert_together(&mirror(&sample));
            assert_together(&turn(&sample));
            assert_together(&turn(&mirror(&turn(&sample))));
        }
    }

    #[test]
    fn four_turns_and_two_mirrors_are_nothing() {
        let sample = painted(3);
        assert_eq!(turn(&turn(&turn(&turn(&sample)))), sample);
        assert_eq!(mirror(&mirror(&sample)), sample);
        assert_ne!(turn(&sample).image, sample.image);
    }

    #[test]
    fn a_turn_goes_counter_clockwise() {
        // a b        b d
        // c d   →    a c
        let image = Image8::rgb(2, 2, vec![1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]);
        let first = |image: &Image8| image.data().chunks(3).map(|pixel| pixel[0]).collect::<Vec<_>>();
        assert_eq!(first(&turn(&Sample::from(image)).image), [2, 4, 1, 3]);
    }

    #[test]
    fn a_window_beyond_the_image_pads_and_drops_what_is_hardly_seen() {
        let mut sample = Sample::from(Image8::filled(10, 6, [50; 3]));
        sample.mask = Some(Plane::filled(10, 6, 4));
        let object = |xyxy| LabelledBox { xyxy, class: 1, is_difficult: true };
        sample.boxes = vec![object([0.0, 0.0, 4.0, 4.0]), object([6.0, 1.0, 10.0, 5.0])];
        // Of the first box columns 3 to 4 are seen, a quarter; of the second all.
        let window = Window { left: 3, top: -2, width: 9, height: 7 };
        let cut = cut(&sample, window, [9, 8, 7], 0.3);
        assert_eq!(cut.boxes, [object([3.0, 3.0, 7.0, 7.0])]);
        assert_eq!((cut.image.get(0, 0), cut.image.get(0, 2), cut.image.get(8, 2)), ([9, 8, 7], [50; 3], [9, 8, 7]));
        let mask = cut.mask.expect("mask");
        assert_eq!((mask.get(0, 1), mask.get(0, 2), mask.get(6, 6), mask.get(7, 6)), (IGNORE, 4, 4, IGNORE));
    }

    #[test]
    fn whole_factors_scale_everything_alike() {
        let sample = painted(3);
        let large = resized(&sample, [2 * 37, 2 * 44]).expect("resize");
        for (small, large) in sample.boxes.iter().zip(&large.boxes) {
            assert_eq!(small.xyxy.map(|v| 2.0 * v), large.xyxy);
        }
        for instance in &large.instances {
            assert!(large.boxes.iter().any(|b| Some(b.xyxy) == instance.xyxy()));
        }
        let mask = (sample.mask.as_ref().expect("mask"), large.mask.as_ref().expect("mask"));
        assert!((0..74).all(|y| (0..88).all(|x| mask.1.get(x, y) == mask.0.get(x / 2, y / 2))));
    }
}
