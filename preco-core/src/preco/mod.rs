//! PReCo (arXiv 2310.00022, section 3): one encoder and one decoder shared by a masked and a prompt branch.
//!
//! | paper | here |
//! |---|---|
//! | random patch-wise mask M | [`mask`] |
//! | masked branch, Y_Re = g(f(masked tokens)) | [`model`], first half of the batch |
//! | prompt branch, Y_Pr = g(f(all tokens)) | [`model`], second half of the batch |
//! | prediction head g | [`decoder`] |
//! | L = λ_Re L_Re + λ_Pr L_Pr + λ_Sc L_Sc | [`objective`] |
//!
//! Swin norms tokens one by one and has no batch statistics, so both branches run as one batch of twice the images:
//! exactly two passes, in one.

mod config;
pub mod decoder;
pub mod mask;
pub mod model;
pub mod objective;
mod tape;

pub use config::{Distance, Lambdas, Method, PrecoConfig, PromptRegion};
pub use mask::Mask;
pub use model::Preco;
pub use objective::{Objective, Terms};
pub use tape::{Predictions, Tape};
