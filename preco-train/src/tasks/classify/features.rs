//! Embeddings of training images that a frozen encoder has given: they are the same at every pass.

/// Vectors by image.
pub(super) struct Features {
    length: usize,
    known: Vec<Option<Vec<f32>>>,
}

impl Features {
    /// None yet, of so many images.
    pub(super) fn new(images: usize, length: usize) -> Self {
        Self { length, known: vec![None; images] }
    }

    /// The vectors of images `indices`; `encode` makes those that are not known, of the positions it is given.
    pub(super) fn of(&mut self, indices: &[usize], encode: impl FnOnce(&[usize]) -> Vec<f32>) -> Vec<f32> {
        let missing: Vec<usize> = (0..indices.len()).filter(|&at| self.known[indices[at]].is_none()).collect();
        if !missing.is_empty() {
            let made = encode(&missing);
            for (&at, vector) in missing.iter().zip(made.chunks_exact(self.length)) {
                self.known[indices[at]] = Some(vector.to_vec());
            }
        }
        indices.iter().flat_map(|&index| self.known[index].clone().unwrap_or_default()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_encoded_once() {
        let mut features = Features::new(5, 2);
        let mut asked = Vec::new();
        let mut of = |indices: &[usize]| {
            let encode = |missing: &[usize]| {
                let images: Vec<usize> = missing.iter().map(|&at| indices[at]).collect();
                asked.push(images.clone());
                images.iter().flat_map(|&image| [image as f32, 0.5]).collect()
            };
            features.of(indices, encode)
        };
        assert_eq!(of(&[3, 1]), [3.0, 0.5, 1.0, 0.5]);
        assert_eq!(of(&[1, 4, 3]), [1.0, 0.5, 4.0, 0.5, 3.0, 0.5]);
        assert_eq!(asked, [vec![3, 1], vec![4]]);
    }
}
