//! The table of published PReCo checkpoints: facts only, no code that fetches or builds.

/// A published checkpoint. Nothing has a default: what changes pixels or rights must be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What people call it, such as `preco-swin-tiny`.
    pub name: &'static str,
    /// The commit or tag of the repository it lies in.
    pub revision: &'static str,
    /// SHA-256 of `model.safetensors`, 64 lower-case hexadecimal digits.
    pub sha256: &'static str,
    /// Length of `model.safetensors` in bytes.
    pub bytes: u64,
    /// The weights' licence as an SPDX expression.
    pub licence: &'static str,
    /// True for weights that show that the program works and nothing more.
    pub is_toy: bool,
}

/// All of them, by name. There are none yet.
pub const REGISTRY: &[Entry] = &[];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_sorted_and_whole() {
        assert!(REGISTRY.windows(2).all(|pair| pair[0].name < pair[1].name));
        for entry in REGISTRY {
            assert!(entry.sha256.len() == 64 && entry.bytes > 0 && !entry.licence.is_empty(), "{entry:?}");
        }
    }
}
