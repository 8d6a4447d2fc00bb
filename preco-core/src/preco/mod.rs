//! PReCo (arXiv 2310.00022, section 3): one encoder and one decoder shared by a masked and a prompt branch.

mod config;

pub use config::{Distance, Lambdas, Method, PrecoConfig, PromptRegion};
mod stub;
pub use stub::{Mask, Preco, Predictions, Tape, Terms};
