//! Decoded samples in memory, up to a budget.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::error::Result;
use crate::sample::Sample;

/// A place for each sample; places fill until the budget is used up and are never emptied.
///
/// Evicting would not help: an epoch uses each sample once, so what was used longest ago is what is needed next.
pub(super) struct Cache {
    places: Vec<OnceLock<Arc<Sample>>>,
    left: AtomicU64,
}

impl Cache {
    pub(super) fn new(len: usize, bytes: u64) -> Self {
        Self { places: (0..len).map(|_| OnceLock::new()).collect(), left: AtomicU64::new(bytes) }
    }

    /// The sample at `index`, from memory or from `read`.
    pub(super) fn get(&self, index: usize, read: impl FnOnce() -> Result<Sample>) -> Result<Arc<Sample>> {
        if let Some(sample) = self.places[index].get() {
            return Ok(Arc::clone(sample));
        }
        let sample = Arc::new(read()?);
        let bytes = sample.bytes();
        let reserve = |left: u64| left.checked_sub(bytes);
        if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, reserve).is_ok()
            && self.places[index].set(Arc::clone(&sample)).is_err()
        {
            // Another thread put the same sample there in the meantime.
            self.left.fetch_add(bytes, Ordering::Relaxed);
        }
        Ok(sample)
    }
}

#[cfg(test)]
mod tests {
    use preco_core::imagery::Image8;

    use super::*;

    #[test]
    fn images_are_read_once_until_the_budget_is_used_up() {
        let cache = Cache::new(3, 30);
        let mut reads = Vec::new();
        for index in [0, 1, 2, 0, 1, 2] {
            // 12, 27 and 12 bytes: the second does not fit beside the first, the third does.
            let width = [4, 9, 4][index];
            let got = cache.get(index, || {
                reads.push(index);
                Ok(Sample::from(Image8::filled(width, 1, [index as u8; 3])))
            });
            assert_eq!(got.expect("sample").image, Image8::filled(width, 1, [index as u8; 3]));
        }
        assert_eq!(reads, [0, 1, 2, 1]);
    }
}
