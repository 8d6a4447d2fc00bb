//! Training: data sets, augmentation, optimisers, tasks, metrics and reports.

pub mod augment;
pub mod datasets;
pub mod error;
