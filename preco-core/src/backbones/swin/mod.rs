//! Swin Transformer, version 1 (Liu et al. 2021, arXiv 2103.14030), with timm's parameter names.

mod bands;
mod block;
mod config;
mod model;
mod node;
mod table;
mod tape;
#[cfg(test)]
mod tests;
mod transfer;

pub use bands::{Adapted, adapt_bands};
pub use config::{EdgePolicy, RGB_BANDS, SwinConfig};
pub(crate) use config::{MOST_BANDS, MOST_PARAMETERS, MOST_SIDE_PX};
pub use model::{OutputGradients, Swin};
pub use node::{SwinMaps, SwinNode};
pub use table::{TableResize, resize_table};
pub use tape::{Keep, Tape};
pub use transfer::transfer;
