//! How much classes weigh, by how often they occur.

use preco_core::spec::Labelling;

use crate::datasets::ImageSource;

/// The weight of each class, so that rare ones count as much as frequent ones. A class without an image weighs 1: no
/// image could make it count.
pub(super) fn balanced(images: &dyn ImageSource, labelling: Labelling) -> Vec<f32> {
    let classes = images.classes().len();
    let mut counts = vec![0u64; classes];
    let mut total = 0u64;
    for labels in (0..images.len()).filter_map(|index| images.labels(index)) {
        labels.iter().for_each(|&class| counts[class] += 1);
        total += 1;
    }
    let weight = |&count: &u64| match labelling {
        _ if count == 0 => 1.0,
        Labelling::Single => (total as f64 / (classes as f64 * count as f64)) as f32,
        // A class that every image has needs no weight, and must not get none.
        Labelling::Multi => ((total - count).max(1) as f64 / count as f64) as f32,
    };
    counts.iter().map(weight).collect()
}
