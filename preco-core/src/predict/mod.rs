//! What inference of a trained model is: images in, vectors out; scenes cut into tiles, and tiles put together again.
//!
//! [`Encoder`] turns images into embeddings, [`Labeller`] into classes. A [`Scene`] is a raster with all that makes colours of its samples;
//! [`Grid`] cuts it into tiles; [`run`] streams tiles through an encoder in bounded memory.

mod encoder;
mod grid;
mod labeller;
mod scene;
mod stream;
mod tile;
mod view;

pub use encoder::{BATCH, Encoder};
pub use grid::Grid;
pub use labeller::Labeller;
pub use scene::{Scene, SceneTile};
pub use stream::{Output, Work, run};
pub use tile::{Place, Tile};
pub use view::{seen, view};
