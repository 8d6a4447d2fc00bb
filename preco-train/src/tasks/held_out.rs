//! The images to measure on, without those that cannot be read.
//!
//! Where some may be missing, each is read once before the first step: a run that is resumed then knows as many as one
//! that never stopped, whatever was measured before. A file that breaks later is met by an evaluation.

use std::collections::BTreeMap;

use preco_core::spec::Preprocess;

use crate::datasets::{Unreadable, readable};
use crate::error::{Error, Result};
use crate::run::Images;
use crate::view;

/// Held-out images, and which of them cannot be read.
pub(crate) struct HeldOut {
    images: Images,
    unreadable: BTreeMap<usize, Unreadable>,
    /// Files that were left out elsewhere.
    others: Vec<Unreadable>,
    limit: usize,
}

impl HeldOut {
    /// All of `images`; with those left out elsewhere at most `limit` may be unreadable.
    pub(crate) fn new(images: Images, limit: usize) -> Self {
        Self { images, unreadable: BTreeMap::new(), others: Vec::new(), limit }
    }

    /// Reads every image once and warns of each that cannot be; where none may be, the first evaluation tells.
    ///
    /// # Errors
    /// [`Error::Unreadable`] where they and `others` are too many, or where no image is left.
    pub(crate) fn read_once(&mut self, others: &[Unreadable]) -> Result<()> {
        self.others = others.to_vec();
        if self.limit == 0 {
            return Ok(());
        }
        let all: Vec<usize> = (0..self.images.len()).collect();
        let (good, bad) = readable(self.images.as_ref(), &all);
        let indices = all.iter().copied().filter(|index| good.binary_search(index).is_err());
        for (index, file) in indices.zip(bad) {
            self.leave_out(index, file)?;
        }
        if good.is_empty() { Err(self.refusal()) } else { Ok(()) }
    }

    /// The images.
    pub(crate) fn images(&self) -> &Images {
        &self.images
    }

    pub(crate) fn len(&self) -> usize {
        self.images.len()
    }

    /// Those that cannot be read, as far as was seen.
    pub(crate) fn unreadable(&self) -> Vec<Unreadable> {
        self.unreadable.values().cloned().collect()
    }

    /// The image at `index` as evaluation sees it; `None` where it is left out.
    ///
    /// # Errors
    /// [`Error::Unreadable`] where it is one too many.
    pub(crate) fn tensor(&mut self, index: usize, preprocess: &Preprocess) -> Result<Option<Vec<f32>>> {
        if self.unreadable.contains_key(&index) {
            return Ok(None);
        }
        match view::tensor(self.images.as_ref(), &[index], preprocess) {
            Ok(image) => Ok(Some(image)),
            Err(error) => {
                self.leave_out(index, Unreadable { name: self.images.name(index), reason: error.to_string() })?;
                Ok(None)
            }
        }
    }

    /// Warns of a file, once, or refuses it.
    fn leave_out(&mut self, index: usize, file: Unreadable) -> Result<()> {
        let reason = file.reason.clone();
        self.unreadable.insert(index, file);
        if self.unreadable.len() + self.others.len() > self.limit {
            return Err(self.refusal());
        }
        tracing::warn!(reason, "an unreadable held-out image is not measured");
        Ok(())
    }

    /// The error for all that cannot be read.
    pub(crate) fn refusal(&self) -> Error {
        let files: Vec<Unreadable> = self.unreadable.values().chain(&self.others).cloned().collect();
        Error::unreadable(&files, self.limit)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use preco_core::imagery::Image8;

    use super::*;
    use crate::datasets::ImageSource;

    /// Four images, of which the first `bad` cannot be read.
    struct Source {
        bad: AtomicUsize,
    }

    impl ImageSource for Source {
        fn len(&self) -> usize {
            4
        }
        fn image(&self, index: usize) -> Result<Image8> {
            if index < self.bad.load(Ordering::Relaxed) {
                return Err(Error::data(self.name(index).as_ref(), "cut off"));
            }
            Ok(Image8::filled(4, 4, [9; 3]))
        }
        fn label(&self, _: usize) -> Option<usize> {
            None
        }
        fn name(&self, index: usize) -> String {
            format!("held-{index}.jpg")
        }
        fn classes(&self) -> &[String] {
            &[]
        }
    }

    fn held_out(bad: usize, limit: usize) -> (Arc<Source>, HeldOut) {
        let source = Arc::new(Source { bad: bad.into() });
        (Arc::clone(&source), HeldOut::new(source, limit))
    }

    fn other() -> Unreadable {
        Unreadable { name: "x.jpg".into(), reason: "x.jpg: empty".into() }
    }

    #[test]
    fn unreadable_held_out_images_are_known_before_the_first_step() {
        let (_, mut images) = held_out(2, 3);
        images.read_once(&[other()]).expect("two and one of three");
        let names: Vec<String> = images.unreadable().into_iter().map(|file| file.name).collect();
        assert_eq!(names, ["held-0.jpg", "held-1.jpg"]);
        let error = held_out(2, 2).1.read_once(&[other()]).expect_err("two and one of two").to_string();
        assert!(error.contains("3 images cannot be read and 2 may be missing"), "{error}");
        assert!(error.contains("held-1.jpg") && error.contains("x.jpg: empty"), "{error}");
        let error = held_out(4, 9).1.read_once(&[]).expect_err("none is left").to_string();
        assert!(error.contains("4 images cannot be read"), "{error}");
    }

    #[test]
    fn a_file_that_breaks_later_is_left_out_once_and_counts() {
        let preprocess = Preprocess::imagenet([4, 4]);
        let (source, mut images) = held_out(1, 2);
        images.read_once(&[]).expect("one of two");
        source.bad.store(2, Ordering::Relaxed);
        for _ in 0..2 {
            let seen: Vec<bool> =
                (0..4).map(|at| images.tensor(at, &preprocess).expect("two of two").is_some()).collect();
            assert_eq!(seen, [false, false, true, true]);
        }
        source.bad.store(3, Ordering::Relaxed);
        let error = images.tensor(2, &preprocess).expect_err("three of two").to_string();
        assert!(error.contains("3 images cannot be read and 2 may be missing"), "{error}");
    }
}
