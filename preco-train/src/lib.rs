//! Data sets, augmentation, optimisers, tasks, metrics and reports.

pub mod datasets;
pub mod error;
pub mod report;
