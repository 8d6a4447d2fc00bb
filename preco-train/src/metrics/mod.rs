//! Measures of quality.

mod knn;

pub use knn::{Knn, NEIGHBOURS, TEMPERATURE};
