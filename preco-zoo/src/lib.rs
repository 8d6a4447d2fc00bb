//! PReCo models by name: found, fetched, verified and published.
//!
//! [`from_pretrained`] leads from a name to a model in a line. [`Registry`] is the table of published models; the files come
//! from the program, from the cache that Python's `huggingface_hub` shares, from a mirror or from the hub, and are compared
//! with their digests before anything reads them. [`publish`] makes a repository of a run, [`push`] brings it to a hub.
//!
//! Features: `carried` puts the smallest model into the program, `hub` is the network, `object-store` adds mirrors in
//! buckets. Without `hub` folders, the program's own models and the cache work, and nothing of a network is compiled.

mod cache;
mod card;
mod digest;
pub mod embeddings;
mod encoder;
mod error;
mod fetch;
mod folder;
mod index;
mod name;
mod part;
mod pretrained;
pub mod progress;
pub mod publish;
mod registry;
#[cfg(feature = "hub")]
mod remote;
mod settings;
pub mod sources;
mod sums;
mod verify;

pub use cache::{CachedModel, CachedRevision, delete as delete_cached, scan as scan_cache};
pub use card::{FACTS_FILE, Facts, Figure};
pub use digest::sha256;
pub use encoder::Encoder;
pub use error::{Error, Result};
pub use fetch::{Fetched, beside_registry, describe, download, fetch};
pub use folder::ModelFolder;
pub use index::{Index, Metadata};
pub use name::Name;
pub use pretrained::{Pretrained, from_pretrained};
pub use registry::{Entry, File, Registry};
#[cfg(feature = "hub")]
pub use remote::{Pushed, check_tag, push};
pub use settings::{HUB, Settings, Token, shown};
pub use sums::parse as parse_sums;
pub use verify::{Checked, verify, verify_carried};
