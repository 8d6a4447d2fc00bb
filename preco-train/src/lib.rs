//! Training: data sets, augmentation, optimisers, schedules, tasks, metrics and reports.

pub mod optim;
pub mod schedule;
