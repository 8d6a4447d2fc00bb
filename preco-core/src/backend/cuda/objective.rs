//! PReCo's objective on the device: launches, and its options as the kernel takes them.

use super::driver::{Argument, Pointer};
use super::{Cuda, Region};
use crate::preco::{Distance, Objective, PromptRegion, Terms};

/// Threads of a block.
const THREADS: u32 = 256;

/// `ObjectiveOptions` of `preco/kernel.cu`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Options {
    branches: i32,
    reconstruction: i32,
    consistency: i32,
    prompt_everywhere: i32,
    stop_gradient: i32,
    lambda_re: f64,
    lambda_pr: f64,
    lambda_sc: f64,
}

impl From<&Objective> for Options {
    fn from(objective: &Objective) -> Self {
        let distance = |distance| match distance {
            Distance::L1 => 0,
            Distance::L2 => 1,
            Distance::Cosine => 2,
        };
        Self {
            branches: objective.branches() as i32,
            reconstruction: distance(objective.reconstruction),
            consistency: distance(objective.consistency),
            prompt_everywhere: i32::from(objective.prompt_region == PromptRegion::All),
            stop_gradient: i32::from(objective.stop_gradient),
            lambda_re: objective.lambdas.re,
            lambda_pr: objective.lambdas.pr,
            lambda_sc: objective.lambdas.sc,
        }
    }
}

/// The terms of a batch; the gradient of the predictions goes to `gradient`.
pub(super) fn evaluate(
    cuda: &Cuda,
    objective: &Objective,
    squares: usize,
    len: usize,
    [predictions, target, mask]: [&Region; 3],
    gradient: &mut Region,
) -> Terms {
    let device = &cuda.device;
    let pixels = len / objective.branches() / squares / 3;
    // f64: a mask sum and three terms for each square, then the two totals and the three terms of all.
    let workspace = device.workspace(8 * (4 * squares + 5));
    let at = |element: usize| workspace + 8 * element as Pointer;
    let (mask_sums, sums, totals) = (at(0), at(squares), at(4 * squares));
    let launch = |kernel: &str, blocks: usize, arguments: Vec<Argument>| {
        device.launch(kernel.to_owned(), [blocks, 1], [THREADS, 1], 0, arguments);
    };
    let [squares_argument, pixels_argument] = [squares, pixels].map(|n| Argument::from(n as i32));
    launch("mask_sums", squares, vec![mask.at(0).into(), pixels_argument, mask_sums.into()]);
    launch("mask_totals", 1, vec![mask_sums.into(), squares_argument, totals.into()]);
    launch(
        &format!("preco_objective_{}", gradient.kind.tail()),
        squares,
        vec![
            predictions.at(0).into(),
            target.at(0).into(),
            mask.at(0).into(),
            totals.into(),
            squares_argument,
            pixels_argument,
            Options::from(objective).into(),
            gradient.at(0).into(),
            sums.into(),
        ],
    );
    let terms = at(4 * squares + 2);
    launch("sum_terms", 1, vec![sums.into(), squares_argument, terms.into()]);
    let mut bytes = [0; 40];
    device.download(totals, &mut bytes);
    let value = |at: usize| f64::from_le_bytes(std::array::from_fn(|byte| bytes[8 * at + byte]));
    objective.terms([value(2), value(3), value(4)], value(0), value(1), target_len(len, objective))
}

fn target_len(len: usize, objective: &Objective) -> usize {
    len / objective.branches()
}
