//! Pictures of a run: loss curves and reconstructions, drawn without a plotting library.
//!
//! Each drawing returns a `preco_core::imagery::Image8`; writing it to a file is the caller's business. [`Page`] puts
//! everything into one HTML file.

mod axis;
mod canvas;
mod curve;
mod html;
mod sheet;
mod smooth;
mod text;

pub use canvas::{Anchor, Canvas};
pub use curve::LossCurve;
pub use html::{Chart, Page};
pub use sheet::ReconstructionSheet;
