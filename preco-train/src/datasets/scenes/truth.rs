//! The truth about a finished drawing.

use super::ground::Ground;
use super::{CLASSES, SceneBox};

/// A building with fewer visible pixels is a sliver, not an instance.
const MIN_VISIBLE_PX: usize = 8;

/// A class is present from a share of one in so many pixels.
const PRESENT_ONE_IN: usize = 50;

/// Renumbers the visible buildings from 1 without gaps, erases slivers, and returns the tight boxes in that order.
pub(super) fn number_instances(ground: &mut Ground) -> Vec<SceneBox> {
    let highest = ground.instance.iter().copied().max().unwrap_or(0) as usize;
    let mut extents = vec![([u32::MAX, u32::MAX, 0, 0], 0usize, 0u8); highest + 1];
    for (at, &id) in ground.instance.iter().enumerate() {
        let (x, y) = ((at % ground.size) as u32, (at / ground.size) as u32);
        let (bounds, pixels, class) = &mut extents[id as usize];
        *bounds = [bounds[0].min(x), bounds[1].min(y), bounds[2].max(x + 1), bounds[3].max(y + 1)];
        (*pixels, *class) = (*pixels + 1, ground.mask[at]);
    }
    let (mut boxes, mut renamed) = (Vec::new(), vec![0u16; highest + 1]);
    for (id, &(xyxy, pixels, class)) in extents.iter().enumerate().skip(1) {
        if pixels >= MIN_VISIBLE_PX {
            let instance = boxes.len() as u16 + 1;
            renamed[id] = instance;
            boxes.push(SceneBox { xyxy, class: class as usize, instance });
        }
    }
    for id in &mut ground.instance {
        *id = renamed[*id as usize];
    }
    boxes
}

/// Which classes cover enough of the mask; the scene's own always counts.
pub(super) fn present(mask: &[u8], class: usize) -> Vec<bool> {
    let mut counts = [0usize; CLASSES.len()];
    for &value in mask {
        counts[value as usize] += 1;
    }
    let mut labels: Vec<bool> = counts.iter().map(|&count| count * PRESENT_ONE_IN >= mask.len()).collect();
    labels[class] = true;
    labels
}
