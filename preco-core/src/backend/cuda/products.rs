//! Matrix products, and what follows one in the same breath.

use super::driver::{Argument, Factor, Pointer, Product};
use super::launches::{int, long, pointer};
use super::memory::{Kind, Region};
use super::{Cuda, columns};
use crate::backend::{Epilogue, Operand, View};

/// `C = A B`, or `C += A B`, from element `at` of `c`. Factors have one type; parameters have a copy in bf16.
pub(super) fn product(
    cuda: &Cuda,
    shape: [usize; 3],
    [a, b]: [&Operand<Cuda>; 2],
    c: &Region,
    at: usize,
    accumulate: bool,
) {
    let [m, n, k] = shape;
    Cuda::check_len("a product", c, at + m * n);
    let kinds = [a.view.slice.kind, b.view.slice.kind];
    let kind = if kinds.contains(&Kind::Bf16) { Kind::Bf16 } else { Kind::F32 };
    let (a, b) = (factor(a, kind, m * k), factor(b, kind, k * n));
    cuda.device.product(&Product { shape, a, b, c: c.at(at), c_kind: c.kind, accumulate });
}

/// A product and its epilogue.
pub(super) fn finish(
    cuda: &Cuda,
    shape: [usize; 3],
    factors: [&Operand<Cuda>; 2],
    c: &mut Region,
    epilogue: Epilogue<Cuda>,
) {
    product(cuda, shape, factors, c, 0, false);
    let Epilogue { bias, scale, residual, gelu } = epilogue;
    if bias.is_none() && scale.is_none() && residual.is_none() && gelu.is_none() {
        return;
    }
    let mut alike = residual.iter().map(|region| region.kind).chain(gelu.iter().map(|region| region.kind));
    assert!(alike.all(|kind| kind == c.kind), "what is added to a product has its type");
    let [m, n, _] = shape;
    let (len, vector) = (m * n, columns::vector(n));
    let or_null = |pointer: Option<Pointer>| Argument::from(pointer.unwrap_or(0));
    let arguments = vec![
        c.at(0).into(),
        or_null(bias.as_ref().map(pointer)),
        or_null(scale.map(|(factors, _)| factors.at(0))),
        int(scale.map_or(1, |(_, rows)| rows)),
        or_null(residual.map(|region| region.at(0))),
        or_null(gelu.map(|region| region.at(0))),
        long(len),
        int(n),
    ];
    cuda.elementwise(format!("finish_product_{}_v{vector}", c.kind.tail()), len, vector, arguments);
}

fn factor(operand: &Operand<Cuda>, kind: Kind, len: usize) -> Factor {
    let View { slice, range } = &operand.view;
    assert!(range.len() >= len && slice.len >= range.end, "a factor has {} of {len} elements", range.len());
    let transposed = operand.transposed;
    if slice.kind == kind {
        return Factor { pointer: slice.at(range.start), kind, transposed };
    }
    let half = slice.half.filter(|_| kind == Kind::Bf16);
    let half = half.expect("the parameters of a product come from Backend::parameters");
    Factor { pointer: half + (range.start * Kind::Bf16.bytes()) as Pointer, kind, transposed }
}
