//! What embeddings are for: the nearest ones, groups of like ones, the directions in which they differ most.
//!
//! Rows of f32, one after the other; sums in f64 and in a fixed order, so results do not depend on the number of threads.

mod kmeans;
mod nearest;
mod pca;
mod unit;

pub use kmeans::{Clusters, KMeans};
pub use nearest::{Hit, Nearest};
pub use pca::Pca;
pub use unit::{cosine, unit_rows};
