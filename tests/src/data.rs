//! Real imagery to read: `PRECO_DATA`, else `../shared/data`.

use std::path::PathBuf;

use crate::folder::{say, workspace};

/// The folder with the imagery, or nothing, which is then said on stderr for `test`.
///
/// # Panics
/// Where `PRECO_DATA` names no folder: who sets it wants that imagery and no other.
pub fn imagery(test: &str) -> Option<PathBuf> {
    let asked = std::env::var_os("PRECO_DATA").map(PathBuf::from).filter(|path| !path.as_os_str().is_empty());
    if let Some(path) = asked {
        let path = if path.is_relative() { workspace().join(path) } else { path };
        assert!(path.is_dir(), "PRECO_DATA is {}, which is no folder. Unset it or correct it", path.display());
        return Some(path);
    }
    let shared = workspace().join("../shared/data");
    if shared.is_dir() {
        return Some(shared);
    }
    say(&format!("{test}: SKIPPED, there is no real imagery: ../shared/data is absent and PRECO_DATA is not set"));
    None
}
