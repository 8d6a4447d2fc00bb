//! What is said of a model that its files do not say, and the page that says it.
//!
//! `card.toml` holds the [`Facts`], nothing of which may be missing; `README.md` is made of them and of the model's own
//! descriptions. Both are published, so that a card can be read by programs and published again.

pub(crate) mod facts;
mod page;

pub use facts::{Facts, Figure};
pub(crate) use page::page;

/// The page.
pub(crate) const CARD_FILE: &str = "README.md";
/// The facts.
pub const FACTS_FILE: &str = "card.toml";
