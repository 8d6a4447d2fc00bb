//! Where images come from.

pub mod folder;
pub mod loader;
pub mod scenes;

use crate::error::Result;
use preco_core::imagery::Rgb8;

/// Images by number, with what is known about each.
pub trait ImageSource: Send + Sync {
    /// How many images there are.
    fn len(&self) -> usize;
    /// True where there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Image number `index`.
    ///
    /// # Errors
    /// Where the image cannot be read.
    fn image(&self, index: usize) -> Result<Rgb8>;
    /// Its class, where it has one.
    fn label(&self, index: usize) -> Option<usize>;
    /// A name for logs and reports.
    fn name(&self, index: usize) -> String;
    /// The classes' names, in label order.
    fn classes(&self) -> &[String];
}
