//! Images that turn out unreadable while training: remembered, reported once, and limited in number.
//!
//! Threads make batches in any order, so what they meet is only remembered in [`Known`], to read no file twice in vain.
//! What counts is [`Accepted`], which grows as steps are taken: its warnings and its error come at the same step for any
//! number of threads.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::datasets::{Unreadable, first_few};
use crate::error::{Error, Result};

/// Why images cannot be read, by index; grows on any thread.
#[derive(Default)]
pub(super) struct Known(Mutex<BTreeMap<usize, String>>);

impl Known {
    pub(super) fn has(&self, index: usize) -> bool {
        self.lock().contains_key(&index)
    }

    pub(super) fn add(&self, index: usize, reason: String) {
        self.lock().entry(index).or_insert(reason);
    }

    /// The error for more than `limit` of them.
    pub(super) fn refusal<'a>(&self, indices: impl IntoIterator<Item = &'a usize>, limit: usize) -> Error {
        let reasons: Vec<String> = indices.into_iter().map(|&index| self.reason(index)).collect();
        Error::Unreadable { count: reasons.len(), limit, first: first_few(&reasons, "; ") }
    }

    fn reason(&self, index: usize) -> String {
        self.lock().get(&index).cloned().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<usize, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The unreadable images of the steps taken so far.
pub(super) struct Accepted {
    indices: BTreeSet<usize>,
    limit: usize,
    /// Files that were left out elsewhere.
    others: Vec<Unreadable>,
}

impl Accepted {
    /// None yet, `limit` at most.
    pub(super) fn new(limit: usize) -> Self {
        Self { indices: BTreeSet::new(), limit, others: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.indices.len()
    }

    pub(super) fn indices(&self) -> Vec<usize> {
        self.indices.iter().copied().collect()
    }

    /// Files that count against the limit too.
    pub(super) fn count(&mut self, others: Vec<Unreadable>) {
        self.others = others;
    }

    /// The error of a batch, with the files that were left out elsewhere.
    pub(super) fn complete(&self, error: Error) -> Error {
        match error {
            Error::Unreadable { count, limit, first } => {
                let reasons = std::iter::once(first).chain(self.others.iter().map(|file| file.reason.clone()));
                let first = first_few(&reasons.collect::<Vec<_>>(), "; ");
                Error::Unreadable { count: count + self.others.len(), limit, first }
            }
            other => other,
        }
    }

    /// Accepts what was accepted before, without a word.
    pub(super) fn restore(&mut self, indices: &[usize]) {
        self.indices.extend(indices);
    }

    /// Accepts those of a step and warns of each new one, or refuses them all where they would be too many.
    pub(super) fn add(&mut self, met: &[usize], known: &Known) -> Result<()> {
        let fresh: Vec<usize> = met.iter().copied().filter(|index| !self.indices.contains(index)).collect();
        if self.others.len() + self.indices.len() + fresh.len() > self.limit {
            // The newest first: of thousands nobody wants to read all.
            return Err(self.complete(known.refusal(fresh.iter().chain(&self.indices), self.limit)));
        }
        for index in fresh {
            self.indices.insert(index);
            tracing::warn!(reason = known.reason(index), "an unreadable image is replaced by the next");
        }
        Ok(())
    }
}
