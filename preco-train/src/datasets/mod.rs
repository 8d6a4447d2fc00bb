//! Data sets, and how their images reach a training step.

mod bands;
pub mod bigearthnet;
mod folder;
mod fraction;
pub mod layouts;
mod list;
mod loader;
mod readable;
pub mod scenes;
pub mod split;
mod statistics;
mod subset;
mod survey;
mod table;

use preco_core::imagery::Image8;
use preco_core::rng::fnv1a64;

pub use bands::{BandReader, levels_of};
pub(crate) use folder::first_few;
pub use folder::{Allow, ImageFolder, Scan, Unreadable};
pub use fraction::label_fraction;
pub use list::refuse_repeats;
pub use loader::{Batch, Loader, LoaderConfig};
pub use readable::readable;
pub use statistics::mean_std;
pub use subset::Subset;
pub use survey::{ClassCount, Depth, Range, Survey, survey};
pub use table::LabelTable;

use crate::error::{Error, Result};
use crate::sample::{Sample, Supervision};

/// A set of images with whatever labels they have. The order never changes while the set exists.
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
    fn image(&self, index: usize) -> Result<Image8>;

    /// The class of the image at `index`, an index into [`ImageSource::classes`]; `None` where it has none.
    fn label(&self, index: usize) -> Option<usize>;

    /// The classes of the image at `index`, in rising order; `None` where nothing is known of it, which is not the same as
    /// no class. A set whose images have several overrides this.
    fn labels(&self, index: usize) -> Option<Vec<usize>> {
        self.label(index).map(|class| vec![class])
    }

    /// A name for people: the path within the data set, with `/` between the parts.
    fn name(&self, index: usize) -> String;

    /// A number that changes with the image, as far as can be told without reading it: by it a resumed run knows its data
    /// again. Of this default, with the name only.
    fn fingerprint(&self, index: usize) -> u64 {
        fnv1a64(&self.name(index))
    }

    /// The names of the classes.
    fn classes(&self) -> &[String];

    /// The name of the folder of the images, which lists may put before a name.
    fn prefix(&self) -> Option<&str> {
        None
    }

    /// The image at `index` with the labels that a task learns from. A set that knows more than classes overrides this.
    ///
    /// # Errors
    /// Those of [`ImageSource::image`], and [`Error::Data`] where the image has no such label.
    fn sample(&self, index: usize, supervision: Supervision) -> Result<Sample> {
        let none =
            |what: &str| Error::data(self.name(index).as_ref(), format!("has no {what}, which this task learns from"));
        let label = match supervision {
            Supervision::None => Vec::new(),
            Supervision::Label => {
                let classes = self.labels(index).ok_or_else(|| none("class"))?;
                (0..self.classes().len()).map(|at| f32::from(u8::from(classes.contains(&at)))).collect()
            }
            Supervision::Mask => return Err(none("mask")),
            Supervision::Boxes => return Err(none("boxes")),
            Supervision::Instances => return Err(none("instances")),
        };
        Ok(Sample { label, ..Sample::from(self.image(index)?) })
    }
}
