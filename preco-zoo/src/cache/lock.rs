//! One process fetches a file, the others wait for it.

use std::fs::{File, OpenOptions, TryLockError};

use super::{Repository, make_parent};
use crate::error::{Error, Result};

/// The right to fetch a blob; it ends with the value, or with the process.
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits for the right to fetch the blob called `etag`; `waiting` is called where another process has it.
    pub(crate) fn acquire(repository: &Repository, etag: &str, waiting: impl FnOnce()) -> Result<Self> {
        let path = repository.cache.join(".locks").join(&repository.folder).join(format!("{etag}.lock"));
        make_parent(&path)?;
        let open = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        let file = open.map_err(Error::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                waiting();
                file.lock().map_err(Error::io("lock", &path))?;
            }
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", &path)(error)),
        }
        Ok(Self { _file: file })
    }
}
