//! What can be trained and measured, a module each.

pub mod pretrain;
