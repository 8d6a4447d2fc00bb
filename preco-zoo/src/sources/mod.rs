//! Where rasters' bytes come from: files, and objects on web servers.

use std::path::PathBuf;
use std::sync::Arc;

use preco_core::imagery::{ByteSource, FileBytes};

use crate::error::{Error, Result};
use crate::name::file_path;
use crate::settings::Settings;
use crate::settings::shown;

/// True for what is an address and no path.
pub fn is_address(name: &str) -> bool {
    ["http://", "https://", "file://"].iter().any(|scheme| name.starts_with(scheme))
}

/// The path of a file, for a path and for a `file://` address.
pub fn local(name: &str) -> Option<PathBuf> {
    match name.strip_prefix("file://") {
        Some(rest) => file_path(rest),
        None => (!is_address(name)).then(|| PathBuf::from(name)),
    }
}

/// The bytes at a path or an address.
///
/// # Errors
/// [`Error::Io`] where they cannot be opened, [`Error::Name`] for addresses this program cannot follow, and those of the
/// network.
pub fn open(name: &str, settings: &Settings) -> Result<Arc<dyn ByteSource>> {
    if is_address(name) && !name.starts_with("file://") {
        return remote(name, settings);
    }
    let path = local(name).ok_or_else(|| {
        let reason = "an address of a file has three slashes: file:///folder/scene.tif".to_owned();
        Error::Name { name: shown(name), reason }
    })?;
    Ok(Arc::new(FileBytes::open(&path).map_err(Error::io("read", path))?))
}

#[cfg(feature = "hub")]
fn remote(address: &str, settings: &Settings) -> Result<Arc<dyn ByteSource>> {
    crate::remote::open_range(address, settings)
}

#[cfg(not(feature = "hub"))]
fn remote(address: &str, _: &Settings) -> Result<Arc<dyn ByteSource>> {
    Err(Error::Feature { what: format!("reading {}", shown(address)), feature: "hub" })
}
