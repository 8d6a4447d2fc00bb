//! How a fetch tells someone that it is alive. The library prints nothing.

/// Receives what happens while files are fetched, from the thread that fetches.
pub trait Progress: Send + Sync {
    /// A file of `bytes` begins, `have` of which are here already; 0 bytes where the length is not known.
    fn begin(&self, file: &str, bytes: u64, have: u64) {
        let _ = (file, bytes, have);
    }
    /// The file has so many bytes more.
    fn advance(&self, bytes: u64) {
        let _ = bytes;
    }
    /// The file is whole and right.
    fn end(&self) {}
    /// Something worth a line.
    fn note(&self, text: &str) {
        let _ = text;
    }
}

/// Hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {}
