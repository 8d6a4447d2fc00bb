//! The judge of every operation's tests: a scalar f64 reference, its central differences, and our node beside them.

use candle_core::{Device, Tensor, Var, backprop::GradStore};

use crate::error::Result;
use crate::rng::Stream;

/// Elements of one input whose derivative is computed; a fixed random choice where there are more.
const PROBES: usize = 400;
const STEP: f64 = 1e-4;

/// Inputs, the f64 reference's output at them, an uneven gradient of that output, and what follows for the inputs.
pub(crate) struct Proof {
    shapes: Vec<Vec<usize>>,
    inputs: Vec<Vec<f32>>,
    incoming: Vec<f32>,
    output: Vec<f64>,
    /// Per input: element and derivative.
    derivatives: Vec<Vec<(usize, f64)>>,
}

/// What one run of a node gives: its output and the gradient of every input that has one.
type Outcome = (Vec<f32>, Vec<Option<Vec<f32>>>);

impl Proof {
    /// Random inputs in [-1, 1).
    pub(crate) fn new(seed: u64, shapes: &[&[usize]], reference: impl Fn(&[Vec<f64>]) -> Vec<f64>) -> Self {
        let mut stream = Stream::new(seed, "proof", 0, 0);
        let inputs = shapes
            .iter()
            .map(|shape| (0..shape.iter().product()).map(|_| stream.between(-1.0, 1.0) as f32).collect())
            .collect();
        Self::at(inputs, shapes, reference)
    }

    /// Given inputs.
    pub(crate) fn at(inputs: Vec<Vec<f32>>, shapes: &[&[usize]], reference: impl Fn(&[Vec<f64>]) -> Vec<f64>) -> Self {
        let mut wide: Vec<Vec<f64>> = inputs.iter().map(|x| x.iter().map(|&x| f64::from(x)).collect()).collect();
        let output = reference(&wide);
        let mut stream = Stream::new(9, "proof", 1, output.len() as u64);
        let incoming: Vec<f32> = output.iter().map(|_| stream.between(-1.0, 1.5) as f32).collect();
        let weighted = |y: Vec<f64>| y.iter().zip(&incoming).map(|(y, g)| y * f64::from(*g)).sum::<f64>();
        let mut derivatives = Vec::new();
        for input in 0..wide.len() {
            let mut probes: Vec<usize> = (0..wide[input].len()).collect();
            if probes.len() > PROBES {
                stream.shuffle(&mut probes);
                probes.truncate(PROBES);
            }
            let mut derivative = |at: usize| {
                let x = wide[input][at];
                wide[input][at] = x + STEP;
                let above = weighted(reference(&wide));
                wide[input][at] = x - STEP;
                let below = weighted(reference(&wide));
                wide[input][at] = x;
                (at, (above - below) / (2.0 * STEP))
            };
            derivatives.push(probes.into_iter().map(&mut derivative).collect());
        }
        Self { shapes: shapes.iter().map(|shape| shape.to_vec()).collect(), inputs, incoming, output, derivatives }
    }

    /// Asserts that `node` gives the reference's output and derivatives within `tolerance` of their norms; the same bits
    /// from strided inputs at an offset and on one and on three threads; and a gradient for exactly the inputs that ask.
    pub(crate) fn holds(&self, label: &str, tolerance: f64, node: impl Fn(&[Tensor]) -> Result<Tensor> + Sync) {
        let all = vec![true; self.inputs.len()];
        let outcome = self.run(&node, &all, false);
        self.compare(label, tolerance, &outcome);
        assert!(self.run(&node, &all, true) == outcome, "{label}: strided inputs change the result");
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("pool");
            let again = pool.install(|| self.run(&node, &all, false));
            assert!(again == outcome, "{label}: {threads} threads change the result");
        }
        for only in 0..self.inputs.len() {
            let tracked: Vec<bool> = (0..self.inputs.len()).map(|input| input == only).collect();
            let (output, gradients) = self.run(&node, &tracked, false);
            assert!(output == outcome.0, "{label}: the output depends on which input is tracked");
            for (input, gradient) in gradients.iter().enumerate() {
                let want = if input == only { &outcome.1[input] } else { &None };
                assert!(gradient == want, "{label}: gradient of input {input} where only {only} is tracked");
            }
        }
    }

    fn run(&self, node: &(impl Fn(&[Tensor]) -> Result<Tensor> + Sync), tracked: &[bool], strided: bool) -> Outcome {
        let (mut sources, mut inputs) = (Vec::new(), Vec::new());
        for ((shape, values), tracked) in self.shapes.iter().zip(&self.inputs).zip(tracked) {
            let plain = Tensor::from_slice(values, shape.as_slice(), &Device::Cpu).expect("input");
            let source = if strided { hidden(&plain) } else { plain };
            let source =
                if *tracked { Var::from_tensor(&source).expect("variable").as_tensor().clone() } else { source };
            inputs.push(if strided { view(&source) } else { source.clone() });
            sources.push(source);
        }
        let output = node(&inputs).expect("forward");
        let incoming = Tensor::from_slice(&self.incoming, output.shape(), &Device::Cpu).expect("incoming");
        let loss = (&output * incoming).and_then(|product| product.sum_all()).expect("loss");
        let store: GradStore = loss.backward().expect("backward");
        let gradient = |source: &Tensor| {
            let gradient = store.get(source)?;
            Some(flat(&if strided { view(gradient) } else { gradient.clone() }))
        };
        (flat(&output), sources.iter().map(gradient).collect())
    }

    fn compare(&self, label: &str, tolerance: f64, (output, gradients): &Outcome) {
        let pairs = || output.iter().map(|&y| f64::from(y)).zip(self.output.iter().copied());
        close(&format!("{label}: output"), tolerance, norm(self.output.iter().copied()), pairs());
        let norms: Vec<f64> = self.derivatives.iter().map(|list| norm(list.iter().map(|pair| pair.1))).collect();
        let largest = norms.iter().copied().fold(0.0, f64::max);
        for (input, (gradient, derivatives)) in gradients.iter().zip(&self.derivatives).enumerate() {
            let gradient = gradient.as_ref().unwrap_or_else(|| panic!("{label}: input {input} has no gradient"));
            let pairs = derivatives.iter().map(|&(at, want)| (f64::from(gradient[at]), want));
            // A gradient that cancels to nothing is judged by the size of the others.
            let scale = norms[input].max(1e-3 * largest);
            close(&format!("{label}: gradient of input {input}"), tolerance, scale, pairs);
        }
    }
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|value| value * value).sum::<f64>().sqrt()
}

fn close(what: &str, tolerance: f64, scale: f64, pairs: impl Iterator<Item = (f64, f64)>) {
    let error = norm(pairs.map(|(got, want)| got - want));
    assert!(error <= tolerance * scale, "{what} is off by {:.2e} of its norm {scale:.3e}", error / scale);
}

fn flat(x: &Tensor) -> Vec<f32> {
    x.flatten_all().and_then(|x| x.to_vec1()).expect("f32")
}

/// A tensor whose [`view`] is `x`: transposed and with two rows more, one on either side.
fn hidden(x: &Tensor) -> Tensor {
    let turned = x.permute(reversed(x)).expect("permute");
    turned.pad_with_zeros(0, 1, 1).and_then(|x| x.contiguous()).expect("padding")
}

fn view(x: &Tensor) -> Tensor {
    let inner = x.narrow(0, 1, x.dims()[0] - 2).expect("narrow");
    inner.permute(reversed(&inner)).expect("permute")
}

fn reversed(x: &Tensor) -> Vec<usize> {
    (0..x.rank()).rev().collect()
}

/// The error function by Maclaurin's series, for |x| < 5.
pub(crate) fn erf(x: f64) -> f64 {
    let (mut term, mut sum) = (x, x);
    for n in 1..300 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * std::f64::consts::FRAC_2_SQRT_PI
}

/// `x Φ(x)`.
pub(crate) fn gelu(x: f64) -> f64 {
    0.5 * x * (1.0 + erf(x / std::f64::consts::SQRT_2))
}
