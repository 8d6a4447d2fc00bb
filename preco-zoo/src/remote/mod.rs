//! The other side of a network: the hub, plain mirrors and object stores, behind one small trait.
//!
//! A [`Remote`] opens a file from some byte on and says what kind of failure a failure is. [`transfer`] makes of that a
//! file that is whole and right: it retries, goes on where it stopped, and compares digests.

mod failure;
mod hub;
mod listing;
mod mirror;
#[cfg(feature = "object-store")]
mod object;
mod push;
mod range;
mod runtime;
mod snapshot;
mod transfer;

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::LocalBoxStream;

pub(crate) use hub::Hub;
pub(crate) use mirror::fetch as fetch_mirror;
pub use push::{Pushed, check_tag, push};
pub(crate) use range::open as open_range;
pub(crate) use runtime::block_on;

use crate::digest::Digest;
use failure::Failure;

/// A file that is being sent.
struct Opened {
    /// The byte it begins at, where the other side says so.
    from: Option<u64>,
    /// The bytes that are still to come, likewise.
    remaining: Option<u64>,
    /// The bytes, in pieces.
    body: LocalBoxStream<'static, Result<Bytes, Failure>>,
}

/// A place that files come from.
trait Remote: Sync {
    /// Its name, for messages.
    fn place(&self) -> String;

    /// Opens `file` from byte `from` on; `bytes` is its length where that is known.
    fn open<'a>(&'a self, file: &'a str, from: u64, bytes: Option<u64>) -> LocalBoxFuture<'a, Result<Opened, Failure>>;
}

/// A file as it should be.
struct Wanted<'a> {
    file: &'a str,
    bytes: Option<u64>,
    digest: Option<Digest>,
}
