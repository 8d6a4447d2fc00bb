//! Training: data sets, augmentation, optimisers, schedules, tasks, metrics and reports.
//!
//! Start at [`tasks::pretrain`]; the loop itself is [`trainer`].

pub mod augment;
pub mod checkpoint;
pub mod datasets;
pub mod error;
pub mod log;
pub mod metrics;
pub mod optim;
pub mod progress;
pub mod report;
pub mod schedule;
pub mod tasks;
pub mod trainer;
pub mod view;
