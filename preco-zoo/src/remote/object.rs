//! Object stores as mirrors: `s3://`, `gs://`, `az://` and the other schemes of `object_store`.
//!
//! Credentials and endpoints come from the variables that the store's own tools use, such as `AWS_ACCESS_KEY_ID`.

use futures_util::future::LocalBoxFuture;
use futures_util::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore};

use super::failure::Failure;
use super::{Opened, Remote};
use crate::error::{Error, Result};
use crate::settings::shown;

/// A folder in a bucket.
pub(super) struct Bucket {
    store: Box<dyn ObjectStore>,
    folder: Path,
    address: String,
}

impl Bucket {
    /// The folder at `address`.
    pub(super) fn open(address: &str) -> Result<Self> {
        let wrong = |reason: String| Error::Name { name: shown(address), reason };
        let url = reqwest::Url::parse(address).map_err(|error| wrong(error.to_string()))?;
        let variables = std::env::vars().map(|(name, value)| (name.to_lowercase(), value));
        let (store, folder) =
            object_store::parse_url_opts(&url, variables).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { store, folder, address: shown(address) })
    }

    fn failure(&self, file: &str, error: object_store::Error) -> Failure {
        use object_store::Error as Of;
        let (place, what) = (self.address.clone(), file.to_owned());
        match error {
            Of::NotFound { .. } => {
                Failure::Final(Error::NotFound { place, what, hint: "; check the address".to_owned() })
            }
            Of::PermissionDenied { .. } | Of::Unauthenticated { .. } => {
                let hint = "give the store's own variables an account that may read it".to_owned();
                Failure::Final(Error::Access { place, what, hint })
            }
            other => Failure::Transient(other.to_string()),
        }
    }
}

impl Remote for Bucket {
    fn place(&self) -> String {
        self.address.clone()
    }

    fn open<'a>(&'a self, file: &'a str, from: u64, _: Option<u64>) -> LocalBoxFuture<'a, Result<Opened, Failure>> {
        Box::pin(async move {
            let path = file.split('/').fold(self.folder.clone(), |path, part| path.join(part));
            let range = (from > 0).then_some(GetRange::Offset(from));
            let options = GetOptions { range, ..GetOptions::default() };
            let answer = self.store.get_opts(&path, options).await.map_err(|error| self.failure(file, error))?;
            let begins = answer.range.start;
            let remaining = Some(answer.range.end - begins);
            let body = answer.into_stream().map_err(|error| Failure::Transient(error.to_string()));
            Ok(Opened { from: Some(begins), remaining, body: body.boxed_local() })
        })
    }
}
