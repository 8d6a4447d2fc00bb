//! Between tensors and slices: what every operation refuses, and how its node reads arguments and returns gradients.

use candle_core::{CpuStorage, DType, Layout, Result as CandleResult, Shape, Storage, Tensor};

use crate::error::{Error, Result};

/// `x` as the operation `op` needs its argument `name`: f32, on the host, rows behind each other.
pub(crate) fn argument(op: &str, name: &str, x: &Tensor) -> Result<Tensor> {
    if x.dtype() != DType::F32 {
        return Err(Error::config(format!(
            "{op}: {name} is {:?}, it must be F32: convert it with to_dtype",
            x.dtype()
        )));
    }
    if !x.device().is_cpu() {
        return Err(Error::config(format!("{op}: {name} is on {:?}, it must be on the CPU", x.device().location())));
    }
    Ok(x.contiguous()?)
}

/// The last dimension of `x`, which must not be empty.
pub(crate) fn width(op: &str, name: &str, x: &Tensor) -> Result<usize> {
    match x.dims().last() {
        None | Some(0) => {
            Err(Error::config(format!("{op}: {name} has shape {:?}, its last dimension must not be empty", x.dims())))
        }
        Some(&width) => Ok(width),
    }
}

/// Refuses `x` unless it has exactly `shape`; `because` says what asks for it.
pub(crate) fn expect(op: &str, name: &str, x: &Tensor, shape: &[usize], because: &str) -> Result<()> {
    if x.dims() == shape {
        return Ok(());
    }
    Err(Error::config(format!("{op}: {name} has shape {:?}, {because} needs {shape:?}", x.dims())))
}

/// The four sides of an image batch.
pub(crate) fn images(op: &str, name: &str, x: &Tensor) -> Result<[usize; 4]> {
    <[usize; 4]>::try_from(x.dims())
        .map_err(|_| Error::config(format!("{op}: {name} has shape {:?}, it must have four dimensions", x.dims())))
}

/// An argument's elements within a node's forward pass.
pub(crate) fn slice<'a>(storage: &'a CpuStorage, layout: &Layout) -> CandleResult<&'a [f32]> {
    let Some((from, to)) = layout.contiguous_offsets() else {
        candle_core::bail!(
            "an argument of shape {:?} is strided; the public function makes it contiguous",
            layout.dims()
        )
    };
    Ok(&storage.as_slice::<f32>()?[from..to])
}

/// A node's result.
pub(crate) fn result(values: Vec<f32>, shape: impl Into<Shape>) -> CandleResult<(CpuStorage, Shape)> {
    Ok((CpuStorage::F32(values), shape.into()))
}

/// Calls `work` with the elements of contiguous tensors on the host.
pub(crate) fn read<const N: usize, R>(tensors: [&Tensor; N], work: impl FnOnce([&[f32]; N]) -> R) -> CandleResult<R> {
    let guards = tensors.map(Tensor::storage_and_layout);
    let mut slices = [&[] as &[f32]; N];
    for (slice, (storage, layout)) in slices.iter_mut().zip(&guards) {
        let Storage::Cpu(storage) = &**storage else { candle_core::bail!("a gradient is not on the CPU") };
        *slice = self::slice(storage, layout)?;
    }
    Ok(work(slices))
}

/// A gradient of `like`'s shape.
pub(crate) fn gradient(values: Vec<f32>, like: &Tensor) -> CandleResult<Tensor> {
    Tensor::from_vec(values, like.shape(), like.device())
}

/// A buffer for the gradient of `x`: as long as `x` where it needs one, else empty.
pub(crate) fn buffer(x: &Tensor) -> Vec<f32> {
    vec![0.0; if x.track_op() { x.elem_count() } else { 0 }]
}

/// What [`buffer`] was filled with, as the gradient of `x`; `None` where none was needed, which candle permits for
/// untracked arguments only.
pub(crate) fn finished(values: Vec<f32>, x: &Tensor) -> CandleResult<Option<Tensor>> {
    x.track_op().then(|| gradient(values, x)).transpose()
}
