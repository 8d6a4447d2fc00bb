//! candle's tensors at the edges: copied on the device, in the order of its stream.

use candle_core::{DType, Tensor};

use super::memory::{Buffer, Kind, Region};
use super::{Cuda, Precision};
use crate::error::{Error, Result};

impl Cuda {
    /// A candle tensor of `shape` on this device with the first elements of `from`, in their type.
    ///
    /// # Errors
    /// Where there are fewer elements; the device's.
    pub fn to_tensor(&self, from: &Region, shape: &[usize]) -> Result<Tensor> {
        let len: usize = shape.iter().product();
        if from.len < len {
            return Err(Error::config(format!("{} elements do not fill a tensor of {shape:?}", from.len)));
        }
        self.device.tensor(from.at(0), from.kind, shape)
    }

    /// The elements of a candle tensor on this device, row by row, as activations.
    ///
    /// # Errors
    /// Where the tensor is elsewhere; the device's.
    pub fn from_tensor(&self, tensor: &Tensor) -> Result<Buffer> {
        let (kind, dtype) = match self.precision {
            Precision::F32 => (Kind::F32, DType::F32),
            Precision::Bf16 => (Kind::Bf16, DType::BF16),
        };
        let tensor = tensor.to_dtype(dtype)?.contiguous()?;
        let buffer = Buffer::new(&self.device, kind, tensor.elem_count());
        self.device.read(&tensor, kind, buffer.at(0))?;
        Ok(buffer)
    }
}
