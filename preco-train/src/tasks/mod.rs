//! What can be trained and measured, a module each.

pub mod inpaint;
pub mod pretrain;
pub mod probe;
