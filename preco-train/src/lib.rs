//! Training: data sets, augmentation, optimisers, schedules, tasks, metrics and reports.
//!
//! Start at [`tasks::pretrain`]; the loop itself is [`trainer`], and [`task::Task`] what it knows of what it trains.

pub mod ablation;
pub mod augment;
pub mod checkpoint;
pub mod datasets;
pub mod error;
pub mod log;
pub mod metrics;
pub mod optim;
pub mod progress;
pub mod recipe;
pub mod report;
pub mod run;
pub mod sample;
pub mod schedule;
pub mod task;
pub mod tasks;
pub mod trainer;
pub mod view;

/// The code that runs: its version and, where it was known at build time, its commit.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("PRECO_COMMIT"), ")");
