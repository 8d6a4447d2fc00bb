//! A share of a labelled set, of each class alike: what tables of "1 % of the labels" are made of.
//!
//! Images of a class are shuffled once, and a share takes the first of them, so a smaller share is part of a larger one.
//! An image of several classes counts to the rarest of them; one of none to a class of its own.

use preco_core::rng::Stream;

use super::ImageSource;
use crate::error::{Error, Result};

/// The places of a share of the images of `source`, in rising order: of each class `share` of its images, rounded, and one
/// at least.
///
/// # Errors
/// [`Error::Config`] for a share that is none.
///
/// # Randomness
/// Stream `(seed, "label fraction", 0, class)`.
pub fn label_fraction(source: &dyn ImageSource, share: f64, seed: u64) -> Result<Vec<usize>> {
    if !(share > 0.0 && share <= 1.0) {
        return Err(Error::config(format!("label-fraction {share} must be above 0 and at most 1, such as 0.1")));
    }
    let classes = source.classes().len();
    let labels: Vec<Vec<usize>> = (0..source.len()).map(|index| source.labels(index).unwrap_or_default()).collect();
    let mut counts = vec![0usize; classes];
    labels.iter().flatten().for_each(|&class| counts[class] += 1);
    let mut groups = vec![Vec::new(); classes + 1];
    for (index, labels) in labels.iter().enumerate() {
        let rarest = labels.iter().copied().min_by_key(|&class| (counts[class], class));
        groups[rarest.unwrap_or(classes)].push(index);
    }
    let mut chosen = Vec::new();
    for (class, mut group) in groups.into_iter().enumerate().filter(|(_, group)| !group.is_empty()) {
        Stream::new(seed, "label fraction", 0, class as u64).shuffle(&mut group);
        let count = ((group.len() as f64 * share).round() as usize).max(1);
        chosen.extend_from_slice(&group[..count]);
    }
    chosen.sort_unstable();
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use preco_core::imagery::Image8;

    use super::*;

    /// Images of three classes, 100, 40 and 3; with `several`, each also of class 0.
    struct Source {
        classes: Vec<String>,
        several: bool,
    }

    impl ImageSource for Source {
        fn len(&self) -> usize {
            143
        }
        fn image(&self, _: usize) -> Result<Image8> {
            Ok(Image8::filled(1, 1, [0; 3]))
        }
        fn label(&self, index: usize) -> Option<usize> {
            Some(usize::from(index >= 100) + usize::from(index >= 140))
        }
        fn labels(&self, index: usize) -> Option<Vec<usize>> {
            let own = self.label(index)?;
            Some(if self.several && own > 0 { vec![0, own] } else { vec![own] })
        }
        fn name(&self, index: usize) -> String {
            index.to_string()
        }
        fn classes(&self) -> &[String] {
            &self.classes
        }
    }

    #[test]
    fn each_class_gives_its_share_and_smaller_shares_are_parts_of_larger_ones() {
        for several in [false, true] {
            let source = Source { classes: ["a", "b", "c"].map(str::to_owned).to_vec(), several };
            let mut before: Vec<usize> = Vec::new();
            for (share, wanted) in [(0.01, [1, 1, 1]), (0.1, [10, 4, 1]), (0.5, [50, 20, 2]), (1.0, [100, 40, 3])] {
                let chosen = label_fraction(&source, share, 7).expect("share");
                let count = |class| chosen.iter().filter(|&&index| source.label(index) == Some(class)).count();
                assert_eq!([0, 1, 2].map(count), wanted, "{share}");
                assert!(before.iter().all(|index| chosen.contains(index)), "{share} lost an image");
                before = chosen;
            }
            assert_ne!(
                label_fraction(&source, 0.1, 7).expect("share"),
                label_fraction(&source, 0.1, 8).expect("share")
            );
            for share in [0.0, -0.5, 1.5, f64::NAN] {
                let error = label_fraction(&source, share, 7).expect_err("no share").to_string();
                assert!(error.contains("above 0 and at most 1"), "{error}");
            }
        }
    }
}
