//! Clipping by the global norm: PyTorch's `clip_grad_norm_`, without writing the gradients.
//!
//! The coefficient `min(1, max / (norm + 1e-6))` is handed to the update. Squares are summed in f64 in an order that
//! depends on the groups alone, never on the number of threads.

use std::ops::Range;

use preco_core::backend::Backend;

use super::{Error, Groups};

impl Groups {
    /// The Euclidean norm of the gradient over all groups that are not frozen.
    ///
    /// # Errors
    /// [`Error::NonFinite`] with the first segment that has an infinite or NaN element.
    pub fn norm<B: Backend>(&self, backend: &B, grads: &B::Slice) -> Result<f64, Error> {
        let live: Vec<Range<usize>> =
            self.iter().filter(|group| !group.is_frozen()).map(|group| group.range.clone()).collect();
        let norm = backend.sum_squares(grads, &live).sqrt();
        // Squares of f32 cannot overflow f64, so the norm is finite exactly where every element is.
        if norm.is_finite() {
            return Ok(norm);
        }
        let len = live.last().map_or(0, |range| range.end);
        Err(self.first_non_finite(&backend.values(grads, len)))
    }

    fn first_non_finite(&self, grads: &[f32]) -> Error {
        for group in self.iter().filter(|group| !group.is_frozen()) {
            let inside =
                |(_, range): &&(String, Range<usize>)| group.range.start <= range.start && range.end <= group.range.end;
            for (name, range) in self.segments.iter().filter(inside) {
                let values = &grads[range.clone()];
                if let Some(index) = values.iter().position(|value| !value.is_finite()) {
                    return Error::NonFinite { segment: name.clone(), index, value: values[index] };
                }
            }
        }
        Error::NonFinite { segment: "the norm".to_owned(), index: 0, value: f32::NAN }
    }
}

/// The factor that brings a gradient of this norm down to `max_norm`; 1 where it is short enough.
pub fn coefficient(norm: f64, max_norm: f64) -> f64 {
    (max_norm / (norm + 1e-6)).min(1.0)
}

#[cfg(test)]
mod tests {
    use preco_core::backend::cpu::Cpu;
    use preco_core::nn::params::{Init, Layout};
    use preco_core::rng::Stream;

    use super::super::GroupOptions;
    use super::*;

    fn layout(len: usize) -> Layout {
        let mut layout = Layout::default();
        layout.add("a.weight", &[len], Init::Constant(0.0), true, 0);
        layout.add("b.weight", &[4], Init::Constant(0.0), true, 0);
        layout
    }

    fn groups(layout: &Layout, frozen: &[&str]) -> Groups {
        let frozen = frozen.iter().map(|&name| name.to_owned()).collect();
        Groups::new(layout, &GroupOptions { frozen, ..GroupOptions::default() }).expect("groups")
    }

    #[test]
    fn the_norm_is_the_same_with_any_number_of_threads() {
        let layout = layout(200_000);
        let mut stream = Stream::new(1, "grads", 0, 0);
        let grads: Vec<f32> = (0..layout.len()).map(|_| stream.normal() as f32).collect();
        let norm = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("pool");
            pool.install(|| groups(&layout, &[]).norm(&Cpu::detect(), &grads)).expect("finite")
        };
        assert_eq!([norm(1); 2].map(f64::to_bits), [norm(2), norm(5)].map(f64::to_bits));
        let plain: f64 = grads.iter().map(|&g| f64::from(g) * f64::from(g)).sum::<f64>().sqrt();
        assert!((norm(2) / plain - 1.0).abs() < 1e-12, "{} instead of {plain}", norm(2));
    }

    #[test]
    fn the_largest_gradient_does_not_overflow() {
        let layout = layout(8);
        let norm = groups(&layout, &[]).norm(&Cpu::detect(), &[f32::MAX; 12][..]).expect("finite");
        assert!((norm / (f64::from(f32::MAX) * 12f64.sqrt()) - 1.0).abs() < 1e-15, "{norm}");
    }

    #[test]
    fn a_non_finite_gradient_is_named() {
        let layout = layout(70_000);
        let mut grads = vec![1.0; layout.len()];
        grads[70_002] = f32::NAN;
        let error = groups(&layout, &[]).norm(&Cpu::detect(), &grads).expect_err("NaN").to_string();
        assert!(error.contains("b.weight is NaN") && error.contains("element 2"), "{error}");
        grads[69_999] = f32::INFINITY;
        let error = groups(&layout, &[]).norm(&Cpu::detect(), &grads).expect_err("inf").to_string();
        assert!(error.contains("a.weight is inf"), "{error}");
    }

    #[test]
    fn frozen_gradients_count_for_nothing() {
        let layout = layout(8);
        let mut grads = [1.0; 12];
        (grads[0], grads[1]) = (f32::NAN, 9.0);
        assert_eq!(groups(&layout, &["a."]).norm(&Cpu::detect(), &grads[..]).expect("b is finite"), 2.0);
    }

    #[test]
    fn short_gradients_are_left_alone() {
        assert_eq!(coefficient(4.9, 5.0), 1.0);
        assert!((coefficient(10.0, 5.0) - 5.0 / 10.000001).abs() < 1e-15);
        assert_eq!(coefficient(0.0, 5.0), 1.0);
    }
}
