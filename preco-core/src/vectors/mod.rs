//! What embeddings are for: the nearest ones, groups of like ones, the directions in which they differ most.
//!
//! Rows of f32, one after the other. Sums have a fixed order, so the same rows give the same bytes whatever the number
//! of threads. Nothing here reads files or trains.

mod colours;
mod eigen;
mod kmeans;
mod nearest;
mod pca;
mod unit;

pub use colours::to_rgb;
pub use kmeans::{Clusters, KMeans};
pub use nearest::{Hit, Nearest};
pub use pca::Pca;
pub use unit::{cosine, unit_rows};
