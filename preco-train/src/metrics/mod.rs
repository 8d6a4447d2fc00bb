//! Measures of quality: numbers from scores and truths on the host, with no model, file or device behind them.
//!
//! Matrices are `(samples, classes)`, row by row; sums are f64. A number that has no meaning, such as the recall of a
//! class without samples, is `None` and never 0. Scores that are no numbers are errors, because a sort or a comparison
//! would turn them into a number that looks like any other; `top_k` alone has a rule for them.
//!
//! One class to each sample: [`Confusion`], [`top_k_accuracy`], [`calibration`]. Several: [`AveragePrecision`],
//! [`Thresholded`], [`calibration_of_labels`]. Features instead of scores: [`Knn`].

mod average_precision;
mod calibration;
mod class_scores;
mod confusion;
mod inputs;
mod knn;
mod share;
mod thresholded;
mod top_k;

pub use average_precision::{AveragePrecision, SecoCompat, average_precision, seco_compat};
pub use calibration::{BINS, Bin, Calibration, MOST_BINS, calibration, calibration_of_labels};
pub use class_scores::{Averages, ClassScores};
pub use confusion::{Confusion, MOST_CLASSES};
pub use knn::{Knn, NEIGHBOURS, TEMPERATURE};
pub use thresholded::{THRESHOLD, Thresholded};
pub use top_k::{highest, top_k_accuracy};
