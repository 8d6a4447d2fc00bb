//! Which images can be decoded: headers say nothing of files that are cut off.

use rayon::prelude::*;

use super::{ImageSource, Unreadable};

/// Decodes the images of `source` at `indices`, on all threads: those that can be read, and the others with the reason,
/// both in the order of `indices`.
pub fn readable(source: &dyn ImageSource, indices: &[usize]) -> (Vec<usize>, Vec<Unreadable>) {
    let look = |&index: &usize| source.image(index).err().map(|error| error.to_string());
    let looked: Vec<Option<String>> = indices.par_iter().map(look).collect();
    let (mut good, mut bad) = (Vec::with_capacity(indices.len()), Vec::new());
    for (&index, reason) in indices.iter().zip(looked) {
        match reason {
            None => good.push(index),
            Some(reason) => bad.push(Unreadable { name: source.name(index), reason }),
        }
    }
    (good, bad)
}
