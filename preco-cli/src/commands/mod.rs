//! A command each.

pub(crate) mod ablate;
pub(crate) mod bench;
pub(crate) mod change;
pub(crate) mod cluster;
pub(crate) mod config;
pub(crate) mod data;
pub(crate) mod embed;
pub(crate) mod evaluate;
pub(crate) mod finetune;
pub(crate) mod knn;
pub(crate) mod labelled;
pub(crate) mod models;
pub(crate) mod places;
pub(crate) mod predict;
pub(crate) mod pretrain;
pub(crate) mod scatter;
pub(crate) mod scenes;
pub(crate) mod search;
pub(crate) mod tiles;
