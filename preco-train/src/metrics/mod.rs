//! Measures of quality: functions of predictions and truth, without a clock, a file or a model.
//!
//! Scores and truths are rows of one value for each class. A measure that has no meaning, such as the recall of a class
//! without an image, is `None`, never 0 by accident.

mod average_precision;
mod calibration;
mod confusion;
mod knn;
mod thresholded;
mod top_k;

pub use average_precision::{MeanPrecision, average_precision, per_batch};
pub use calibration::{BINS, Bin, Calibration};
pub use confusion::{ClassScores, Confusion};
pub use knn::{Knn, NEIGHBOURS, TEMPERATURE};
pub use thresholded::Thresholded;
pub use top_k::{highest, top_k};
