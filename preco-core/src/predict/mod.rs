//! What inference of a trained model is: images in, vectors out.

mod embedder;
mod view;

pub use embedder::Embedder;
pub use view::view;
