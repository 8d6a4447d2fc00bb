//! Where rasters' bytes come from: files, and objects on web servers.

use std::path::Path;
use std::sync::Arc;

use preco_core::imagery::{ByteSource, FileBytes};

use crate::error::{Error, Result};
use crate::settings::Settings;
#[cfg(not(feature = "hub"))]
use crate::settings::shown;

/// True for what is an address and no path.
pub fn is_address(name: &str) -> bool {
    ["http://", "https://", "file://"].iter().any(|scheme| name.starts_with(scheme))
}

/// The bytes at a path or an address.
///
/// # Errors
/// [`Error::Io`] where they cannot be opened, [`Error::Name`] for addresses this program cannot follow, and those of the
/// network.
pub fn open(name: &str, settings: &Settings) -> Result<Arc<dyn ByteSource>> {
    let path = name.strip_prefix("file://").unwrap_or(name);
    if is_address(path) {
        #[cfg(feature = "hub")]
        return crate::remote::open_range(path, settings);
        #[cfg(not(feature = "hub"))]
        return Err(Error::Feature { what: format!("reading {}", shown(name)), feature: "hub" });
    }
    let _ = settings;
    Ok(Arc::new(FileBytes::open(Path::new(path)).map_err(Error::io("read", path))?))
}
