//! The harness of the golden tests: numbers that other implementations computed, and the comparison with ours.
//!
//! `PRECO_GOLDEN` names the folder; without it `../shared/golden` beside the workspace is taken, and where that is absent
//! the small part committed in `tests/golden`, with a loud line on stderr. A test is one call of [`run`]: it hands over
//! every case of a family, and fails where a case asks for something the test does not understand or where an expected
//! tensor was never compared. The format is described in `tests/golden/README.md`.
//!
//! ```no_run
//! preco_tests::run("swin", |case| {
//!     case.only_keys(&["embed", "img"]);
//!     case.only_prefixes(&["in", "w", "out"]);
//!     let (image, embed) = (case.tensor("in.image"), case.size("embed"));
//! #   let logits = |_: &[f32], _: usize| vec![0.0f32];
//!     case.check("out.logits", &logits(image, embed));
//! });
//! ```

pub mod arrows;
pub mod binary;
pub mod case;
mod compare;
mod config;
pub mod data;
#[cfg(any(feature = "cuda", feature = "cuda-emulator"))]
mod device;
pub mod folder;
pub mod formula;
pub mod hub;
pub mod land;
pub mod models;
pub mod python;
mod read;
pub mod sources;
pub mod zoo;

pub use case::Case;
#[cfg(any(feature = "cuda", feature = "cuda-emulator"))]
pub use device::{cuda, fits_device};
pub use folder::{family, run};

/// The Rust of the pages that people copy from compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}

/// Likewise.
#[cfg(doctest)]
#[doc = include_str!("../../docs/zoo.md")]
mod zoo_page {}
