//! Some of the images of a data set, in their order.

use std::sync::Arc;

use preco_core::imagery::Image8;

use super::ImageSource;
use crate::error::Result;
use crate::sample::{Sample, Supervision};

/// The images at chosen positions of another source, which keeps their names and classes.
#[derive(Clone)]
pub struct Subset {
    source: Arc<dyn ImageSource + Send + Sync>,
    indices: Vec<usize>,
}

impl Subset {
    /// The images of `source` at `indices`.
    ///
    /// # Panics
    /// Where an index is not below the source's length.
    pub fn new(source: Arc<dyn ImageSource + Send + Sync>, mut indices: Vec<usize>) -> Self {
        indices.sort_unstable();
        assert!(indices.last().is_none_or(|&last| last < source.len()), "an index beyond {} images", source.len());
        Self { source, indices }
    }
}

impl ImageSource for Subset {
    fn len(&self) -> usize {
        self.indices.len()
    }

    fn image(&self, index: usize) -> Result<Image8> {
        self.source.image(self.indices[index])
    }

    fn label(&self, index: usize) -> Option<usize> {
        self.source.label(self.indices[index])
    }

    fn labels(&self, index: usize) -> Option<Vec<usize>> {
        self.source.labels(self.indices[index])
    }

    fn name(&self, index: usize) -> String {
        self.source.name(self.indices[index])
    }

    fn fingerprint(&self, index: usize) -> u64 {
        self.source.fingerprint(self.indices[index])
    }

    fn classes(&self) -> &[String] {
        self.source.classes()
    }

    fn prefix(&self) -> Option<&str> {
        self.source.prefix()
    }

    fn sample(&self, index: usize, supervision: Supervision) -> Result<Sample> {
        self.source.sample(self.indices[index], supervision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datasets::scenes::SceneGenerator;

    #[test]
    fn a_subset_shows_the_chosen_images_in_order() {
        let scenes = SceneGenerator::new(1, 16, 10);
        let some = Subset::new(Arc::new(scenes.clone()), vec![7, 2]);
        assert_eq!(some.len(), 2);
        for (at, index) in [(0, 2), (1, 7)] {
            assert_eq!((some.name(at), some.label(at)), (scenes.name(index), scenes.label(index)));
            assert_eq!(some.fingerprint(at), scenes.fingerprint(index));
            assert_eq!(some.image(at).expect("image"), scenes.image(index).expect("image"));
            let boxes = Supervision::Boxes;
            assert_eq!(some.sample(at, boxes).expect("sample"), scenes.sample(index, boxes).expect("sample"));
        }
    }
}
