//! The table.

use crate::Entry;

/// All of them, by name.
pub const REGISTRY: &[Entry] = &[];
