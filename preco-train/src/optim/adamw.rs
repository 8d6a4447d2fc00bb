//! AdamW (Loshchilov and Hutter 2019) as PyTorch computes it, over flat buffers in one pass.
//!
//! `p -= lr λ p`, then `m += (1-β₁)(g - m)`, `v = β₂ v + (1-β₂) g²` and
//! `p -= lr/(1-β₁ᵗ) · m / (√v/√(1-β₂ᵗ) + ε)`. Elements in f32; scalars in f64, rounded once.
//! The device does it ([`preco_core::update`]); elements are independent, so chunks and threads leave no trace.

use std::borrow::Cow;

use preco_core::backend::Backend;
use preco_core::backend::cpu::Cpu;
use preco_core::update::{AdamWFactors, AdamWGroup};
use serde::{Deserialize, Serialize};

use super::{Error, Group};

/// Settings of [`AdamW`]; the learning rate is given at each update.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdamWConfig {
    /// Decay of the two moments, β₁ and β₂.
    pub betas: [f64; 2],
    /// Keeps the quotient finite, ε.
    pub eps: f64,
    /// Decoupled weight decay λ, for groups that decay.
    pub weight_decay: f64,
}

impl Default for AdamWConfig {
    /// SimMIM's.
    fn default() -> Self {
        Self { betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.05 }
    }
}

impl AdamWConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`Error::Setting`] with the value and its range.
    pub fn validate(&self) -> Result<(), Error> {
        let setting = |name, value, range, fits: bool| {
            if fits { Ok(()) } else { Err(Error::Setting { name, value, range }) }
        };
        for beta in self.betas {
            setting("beta", beta, "[0, 1)", (0.0..1.0).contains(&beta))?;
        }
        setting("eps", self.eps, "(0, 1)", self.eps > 0.0 && self.eps < 1.0)?;
        let decay = self.weight_decay;
        setting("weight_decay", decay, "[0, ∞)", decay >= 0.0 && decay.is_finite())
    }
}

/// The optimiser on a device: settings, both moments and the number of updates so far.
pub struct AdamW<B: Backend = Cpu> {
    config: AdamWConfig,
    len: usize,
    m: B::Buffer,
    v: B::Buffer,
    step: u64,
}

impl<B: Backend> AdamW<B> {
    /// For `len` parameters, with moments 0.
    ///
    /// # Errors
    /// [`Error::Setting`] for settings out of range.
    pub fn new(backend: &B, len: usize, config: AdamWConfig) -> Result<Self, Error> {
        config.validate()?;
        Ok(Self { config, len, m: backend.zeros(len), v: backend.zeros(len), step: 0 })
    }

    /// Updates so far.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// The first and second moments, on the host.
    pub fn moments(&self, backend: &B) -> [Cow<'_, [f32]>; 2] {
        [&self.m, &self.v].map(|moments| backend.values(moments, self.len))
    }

    /// The sum of the squares of all moments: no number where one of them is none.
    pub fn sum_squares(&self, backend: &B) -> f64 {
        let all = 0..self.len;
        [&self.m, &self.v].into_iter().map(|moments| backend.sum_squares(moments, std::slice::from_ref(&all))).sum()
    }

    /// Continues from saved moments after `step` updates. On an error the optimiser is unchanged.
    ///
    /// # Errors
    /// [`Error::State`] for moments of another length, or that no updates can lead to.
    pub fn restore(&mut self, backend: &B, m: &[f32], v: &[f32], step: u64) -> Result<(), Error> {
        let bad = |reason| Err(Error::State { reason });
        if m.len() != self.len || v.len() != self.len {
            return bad(format!("moments of {} and {} parameters, the model has {}", m.len(), v.len(), self.len));
        }
        if let Some(index) = m.iter().zip(v).position(|(m, v)| !(m.is_finite() && v.is_finite() && *v >= 0.0)) {
            return bad(format!("element {index} has moments {} and {}", m[index], v[index]));
        }
        backend.upload(m, &mut self.m);
        backend.upload(v, &mut self.v);
        self.step = step;
        Ok(())
    }

    /// One update of `params` along `grads`, each gradient being multiplied by `grad_scale` on the way (clipping, and one
    /// over the number of accumulated batches). Parameters in no group, or in a frozen one, keep their bits, and so do
    /// their moments.
    ///
    /// # Panics
    /// Where groups overlap or end beyond the parameters: they belong to another layout.
    pub fn update(
        &mut self,
        backend: &B,
        params: &mut B::Slice,
        grads: &B::Slice,
        groups: &[Group],
        lr: f64,
        grad_scale: f64,
    ) {
        self.step += 1;
        let live = groups.iter().filter(|group| !group.is_frozen());
        let groups: Vec<AdamWGroup> = live
            .map(|group| AdamWGroup { range: group.range.clone(), factors: self.factors(group, lr, grad_scale) })
            .collect();
        backend.adamw(&groups, params, grads, &mut self.m, &mut self.v);
    }

    /// What all elements of a group share, rounded once.
    fn factors(&self, group: &Group, lr: f64, grad_scale: f64) -> AdamWFactors {
        let (lr, [beta1, beta2]) = (lr * group.lr_scale, self.config.betas);
        let correction = |beta: f64| 1.0 - beta.powf(self.step as f64);
        let decay = if group.decay { self.config.weight_decay } else { 0.0 };
        AdamWFactors {
            keep: (1.0 - lr * decay) as f32,
            grad: grad_scale as f32,
            one_minus_beta1: (1.0 - beta1) as f32,
            beta2: beta2 as f32,
            one_minus_beta2: (1.0 - beta2) as f32,
            size: (lr / correction(beta1)) as f32,
            root: (1.0 / correction(beta2).sqrt()) as f32,
            eps: self.config.eps as f32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A task's elements on the CPU.
    const CHUNK: usize = 1 << 16;

    fn group(range: std::ops::Range<usize>, lr_scale: f64, decay: bool) -> Group {
        Group { name: "g".to_owned(), range, lr_scale, decay }
    }

    fn optimiser(len: usize) -> AdamW {
        AdamW::new(&Cpu::detect(), len, AdamWConfig::default()).expect("defaults are valid")
    }

    #[test]
    fn the_first_update_moves_by_the_rate_against_the_sign() {
        // After one update m/(1-β₁) = g and v/(1-β₂) = g², so the quotient is the gradient's sign.
        let mut params = [1.0, 1.0, 1.0, 1.0];
        optimiser(4).update(
            &Cpu::detect(),
            &mut params,
            &[3.0, -0.02, 3.0, 3.0],
            &[group(0..2, 1.0, false), group(2..3, 0.5, true)],
            0.1,
            1.0,
        );
        let expected = [0.9, 1.1, 1.0 - 0.05 * 0.05 - 0.05, 1.0];
        for (ours, expected) in params.iter().zip(expected) {
            assert!((ours - expected).abs() < 1e-6, "{params:?}");
        }
        assert_eq!(params[3], 1.0, "in no group");
    }

    #[test]
    fn frozen_parameters_and_their_moments_keep_their_bits() {
        let mut optimiser = optimiser(5);
        let mut params = [0.5; 5];
        let groups = [group(0..2, 1.0, true), group(2..4, 0.0, true), group(4..5, 1.0, true)];
        for _ in 0..3 {
            optimiser.update(&Cpu::detect(), &mut params, &[f32::MAX, 1.0, f32::NAN, 1.0, 1.0], &groups, 0.1, 1e-30);
        }
        let [m, v] = optimiser.moments(&Cpu::detect());
        assert_eq!((&params[2..4], &m[2..4], &v[2..4]), (&[0.5; 2][..], &[0.0; 2][..], &[0.0; 2][..]));
        assert!([0, 1, 4].iter().all(|&i| params[i] != 0.5), "{params:?}");
    }

    #[test]
    fn moments_that_no_updates_lead_to_are_refused_and_change_nothing() {
        let mut optimiser = optimiser(2);
        let mut refused = |m: &[f32], v: &[f32], needle: &str| {
            let error = optimiser.restore(&Cpu::detect(), m, v, 3).expect_err("refused").to_string();
            assert!(error.contains(needle), "{error}");
        };
        refused(&[0.0], &[0.0, 0.0], "1 and 2 parameters, the model has 2");
        refused(&[0.0, f32::NAN], &[0.0, 0.0], "element 1 has moments NaN and 0");
        refused(&[0.0, 0.0], &[-1.0, 0.0], "element 0 has moments 0 and -1");
        assert_eq!(optimiser.step(), 0);
        assert!(optimiser.moments(&Cpu::detect()).iter().all(|moments| **moments == [0.0; 2]));
    }

    #[test]
    fn threads_and_chunks_leave_no_trace() {
        let len = 2 * CHUNK + 77;
        let grads: Vec<f32> = (0..len).map(|i| (i as f32 * 0.37).sin()).collect();
        let run = |threads, groups: &[Group]| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("pool");
            let (mut optimiser, mut params) = (optimiser(len), vec![0.1; len]);
            pool.install(|| {
                (0..3).for_each(|_| optimiser.update(&Cpu::detect(), &mut params, &grads, groups, 1e-3, 0.5));
            });
            params.iter().map(|value| value.to_bits()).collect::<Vec<_>>()
        };
        let whole = run(1, &[group(0..len, 1.0, true)]);
        let cut = run(4, &[group(0..13, 1.0, true), group(13..CHUNK + 1, 1.0, true), group(CHUNK + 1..len, 1.0, true)]);
        assert!(whole == cut);
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        for (config, needle) in [
            (AdamWConfig { betas: [1.0, 0.999], ..AdamWConfig::default() }, "beta 1 is not in [0, 1)"),
            (AdamWConfig { eps: 0.0, ..AdamWConfig::default() }, "eps 0"),
            (AdamWConfig { weight_decay: f64::NAN, ..AdamWConfig::default() }, "weight_decay NaN"),
        ] {
            let error = AdamW::new(&Cpu::detect(), 1, config).err().expect(needle).to_string();
            assert!(error.contains(needle), "{error}");
        }
    }
}
