//! Where rasters' bytes come from: files, and objects on web servers.

use std::path::Path;
use std::sync::Arc;

use preco_core::imagery::{ByteSource, FileBytes};

use crate::error::{Error, Result};

/// True for what is an address and no path.
pub fn is_address(name: &str) -> bool {
    ["http://", "https://", "file://"].iter().any(|scheme| name.starts_with(scheme))
}

/// The bytes at a path or an address.
///
/// # Errors
/// [`Error::Io`] where they cannot be opened, [`Error::Name`] for addresses this program cannot follow.
pub fn open(name: &str) -> Result<Arc<dyn ByteSource>> {
    let path = name.strip_prefix("file://").unwrap_or(name);
    if is_address(path) {
        let reason = "this program was built without a network; fetch the file and give its path".to_owned();
        return Err(Error::Name { name: name.to_owned(), reason });
    }
    Ok(Arc::new(FileBytes::open(Path::new(path)).map_err(Error::io("read", path))?))
}
