//! What can be trained and measured, a module each.

pub mod classify;
mod held_out;
pub mod inpaint;
pub mod pretrain;
pub mod probe;
