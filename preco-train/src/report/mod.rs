//! Pictures of a run: loss curves and reconstructions, drawn without a plotting library.
//!
//! Each drawing returns a `preco_core::imagery::Image8`; writing it to a file is the caller's business. [`Page`] puts
//! everything into one HTML file.

mod axis;
mod canvas;
mod curve;
mod html;
mod run;
mod sheet;
mod smooth;
mod text;

pub use canvas::{Anchor, Canvas};
pub use curve::LossCurve;
pub use html::{Chart, Grid, Page, Table};
pub use run::{run_charts, run_facts};
pub use sheet::ReconstructionSheet;
