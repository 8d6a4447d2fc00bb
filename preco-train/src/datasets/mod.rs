//! Data sets, and how their images reach a training step.

mod folder;
pub mod layouts;
mod list;
mod loader;
pub mod scenes;
pub mod split;
mod statistics;
mod subset;
mod survey;

use preco_core::imagery::Rgb8;
use preco_core::rng::fnv1a64;

pub use folder::{ImageFolder, Scan, Unreadable};
pub use loader::{Batch, Loader, LoaderConfig};
pub use statistics::mean_std;
pub use subset::Subset;
pub use survey::{ClassCount, Depth, Range, Survey, survey};

use crate::error::Result;

/// A set of images, some of which have a class. The order never changes while the set exists.
pub trait ImageSource: Sync {
    /// Number of images.
    fn len(&self) -> usize;

    /// True where there is no image.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The image at `index`.
    ///
    /// # Errors
    /// With the file's name, where it cannot be read or decoded.
    ///
    /// # Panics
    /// Where `index` is not below [`ImageSource::len`].
    fn image(&self, index: usize) -> Result<Rgb8>;

    /// The class of the image at `index`, an index into [`ImageSource::classes`]; `None` where it has none.
    fn label(&self, index: usize) -> Option<usize>;

    /// A name for people: the path within the data set, with `/` between the parts.
    fn name(&self, index: usize) -> String;

    /// A number that changes with the image, as far as can be told without reading it: by it a resumed run knows its data
    /// again. Of this default, with the name only.
    fn fingerprint(&self, index: usize) -> u64 {
        fnv1a64(&self.name(index))
    }

    /// The names of the classes.
    fn classes(&self) -> &[String];
}
