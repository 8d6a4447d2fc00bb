//! Training: data sets, augmentation, optimisers, schedules, tasks, metrics and reports.

pub mod augment;
pub mod datasets;
pub mod error;
pub mod optim;
pub mod report;
pub mod schedule;
