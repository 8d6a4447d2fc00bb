//! Parameters as flat buffers with named segments, and the modules that read them.

pub mod params;
mod pass;
pub use pass::Pass;
