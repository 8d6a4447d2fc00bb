//! Counter-based random streams: the only randomness anywhere in the project.
//!
//! A stream is named by `(seed, purpose, step, index)` and nothing else, so the numbers that image 17 of step 4 sees do
//! not depend on the number of threads, on the order of loading, or on an interruption. The generator is ChaCha8, whose
//! output is specified: the same name gives the same numbers on every platform.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// A named stream of random numbers.
///
/// # Example
/// ```
/// use preco_core::rng::Stream;
/// let mut a = Stream::new(7, "mask", 4, 17);
/// let mut b = Stream::new(7, "mask", 4, 17);
/// assert_eq!(a.next_u64(), b.next_u64());
/// ```
pub struct Stream {
    generator: ChaCha8Rng,
}

impl Stream {
    /// The stream of `purpose` (a short constant such as `"mask"`) at `step`, for item `index` of that step.
    pub fn new(seed: u64, purpose: &str, step: u64, index: u64) -> Self {
        let mut key = [0u8; 32];
        for (slot, word) in key.chunks_exact_mut(8).zip([seed, fnv1a64(purpose), step, index]) {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        Self { generator: ChaCha8Rng::from_seed(key) }
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.generator.next_u64()
    }

    /// Uniform in `[0, 1)`, 53 bits.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform in `[low, high)`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f64) -> bool {
        self.uniform() < p
    }

    /// Uniform in `0..n`; 0 where `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        // The multiply-shift of Lemire without rejection: the bias is below n / 2^64.
        ((u128::from(self.next_u64()) * n as u128) >> 64) as usize
    }

    /// Standard normal (Box and Muller; the second number of the pair is dropped, so a stream has no hidden state).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Fisher and Yates, from the end.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// The 64-bit FNV-1a hash: names a purpose or a parameter by a number that never changes.
pub fn fnv1a64(text: &str) -> u64 {
    fnv1a64_words(text.bytes().map(u64::from))
}

/// The same hash of whole words, quicker and good enough to tell one thing from another.
pub fn fnv1a64_words(words: impl Iterator<Item = u64>) -> u64 {
    words.fold(0xcbf2_9ce4_8422_2325, |hash, word| (hash ^ word).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_of_the_name_gives_another_stream() {
        let first = |seed, purpose, step, index| Stream::new(seed, purpose, step, index).next_u64();
        let numbers =
            [first(0, "a", 0, 0), first(1, "a", 0, 0), first(0, "b", 0, 0), first(0, "a", 1, 0), first(0, "a", 0, 1)];
        for (i, a) in numbers.iter().enumerate() {
            assert!(numbers[..i].iter().all(|b| a != b), "{numbers:x?}");
        }
    }

    #[test]
    fn the_numbers_never_change() {
        // A change here changes every published run: the generator is part of the format.
        let mut stream = Stream::new(1, "mask", 2, 3);
        assert_eq!([stream.next_u64(), stream.next_u64()], [FIRST, SECOND]);
    }
    const FIRST: u64 = 6_361_197_836_076_954_497;
    const SECOND: u64 = 17_464_993_440_008_844_340;

    #[test]
    fn moments_are_those_of_the_distributions() {
        let mut stream = Stream::new(5, "moments", 0, 0);
        let n = 200_000;
        let (mut mean_u, mut mean_n, mut var_n) = (0.0, 0.0, 0.0);
        for _ in 0..n {
            let (u, z) = (stream.uniform(), stream.normal());
            (mean_u, mean_n, var_n) = (mean_u + u, mean_n + z, var_n + z * z);
        }
        let n = f64::from(n);
        assert!((mean_u / n - 0.5).abs() < 4.0 * (1.0f64 / 12.0 / n).sqrt(), "{}", mean_u / n);
        assert!((mean_n / n).abs() < 4.0 / n.sqrt(), "{}", mean_n / n);
        assert!((var_n / n - 1.0).abs() < 4.0 * (2.0 / n).sqrt(), "{}", var_n / n);
    }

    #[test]
    fn below_reaches_every_value_and_nothing_else() {
        let mut stream = Stream::new(9, "below", 0, 0);
        let mut seen = [0usize; 7];
        for _ in 0..7000 {
            seen[stream.below(7)] += 1;
        }
        assert!(seen.iter().all(|&count| (850..1150).contains(&count)), "{seen:?}");
        assert_eq!(stream.below(0), 0);
    }

    #[test]
    fn shuffle_is_a_permutation() {
        let mut items: Vec<usize> = (0..100).collect();
        Stream::new(3, "shuffle", 0, 0).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
