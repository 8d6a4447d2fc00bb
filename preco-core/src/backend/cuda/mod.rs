//! CUDA: our kernels on candle's device and stream, matrix products by cuBLAS.
//!
//! `kernels.cu` gathers the `kernel.cu` beside each operation's `cpu.rs`; `driver.rs` is what they need of a device. Feature
//! `cuda` builds for a GPU; feature `cuda-emulator` compiles the same source for the CPU, which is how kernels, launches
//! and this backend are proven where there is no GPU. Gradients are summed in a fixed order, without atomics.
//!
//! Under [`Precision::Bf16`] parameters, gradients, moments, norms' statistics, softmax and losses stay f32; activations and
//! the factors of products are bf16, sums f32.

mod attention;
mod columns;
mod device;
mod driver;
#[cfg(feature = "cuda-emulator")]
mod emulator;
#[cfg(feature = "cuda")]
mod gpu;
mod launches;
mod memory;
mod objective;
mod operations;
mod products;
mod tensors;
#[cfg(test)]
mod tests;
mod updates;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use device::Device;
pub use memory::{Buffer, Kind, Region};

use crate::error::Result;

/// The type of activations and of the factors of products.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// True f32 everywhere.
    #[default]
    F32,
    /// bf16 activations, f32 for everything that is summed or kept.
    Bf16,
}

impl Precision {
    fn kind(self) -> Kind {
        match self {
            Self::F32 => Kind::F32,
            Self::Bf16 => Kind::Bf16,
        }
    }
}

/// A CUDA device. Clones share it.
#[derive(Clone)]
pub struct Cuda {
    device: Arc<Device>,
    precision: Precision,
    /// Places and regions of windows by their fingerprint.
    windows: Arc<Mutex<HashMap<u64, Arc<attention::Placement>>>>,
}

impl Cuda {
    fn with(driver: Box<dyn driver::Driver>, precision: Precision) -> Self {
        Self { device: Arc::new(Device::new(driver)), precision, windows: Arc::default() }
    }

    /// GPU number `ordinal`.
    ///
    /// # Errors
    /// [`crate::error::Error::Device`] where there is no driver, no such device, or one too old.
    #[cfg(feature = "cuda")]
    pub fn new(ordinal: usize, precision: Precision) -> Result<Self> {
        Ok(Self::with(Box::new(gpu::Gpu::open(ordinal)?), precision))
    }

    /// The GPU of a candle device, on its stream.
    ///
    /// # Errors
    /// As [`Cuda::new`], and where the device is no GPU.
    #[cfg(feature = "cuda")]
    pub fn on(device: &candle_core::Device, precision: Precision) -> Result<Self> {
        Ok(Self::with(Box::new(gpu::Gpu::on(device.as_cuda_device()?.clone())?), precision))
    }

    /// How many GPUs there are.
    ///
    /// # Errors
    /// [`crate::error::Error::Device`] where there is no driver.
    #[cfg(feature = "cuda")]
    pub fn count() -> Result<usize> {
        gpu::count()
    }

    /// The kernels on the CPU, a thread of a block after the other: for tests. `backwards` runs them in reverse, which
    /// changes nothing unless a barrier is missing.
    #[cfg(feature = "cuda-emulator")]
    pub fn emulated(precision: Precision, backwards: bool) -> Self {
        Self::with(Box::new(emulator::Emulator::new(backwards, usize::MAX >> 1)), precision)
    }

    /// As [`Cuda::emulated`], on a device with so many bytes.
    #[cfg(feature = "cuda-emulator")]
    pub fn emulated_small(precision: Precision, bytes: usize) -> Self {
        Self::with(Box::new(emulator::Emulator::new(false, bytes)), precision)
    }

    /// The names of all kernels of this build.
    pub fn kernels() -> Vec<String> {
        #[cfg(feature = "cuda-emulator")]
        return emulator::kernels();
        #[cfg(not(feature = "cuda-emulator"))]
        gpu::kernels()
    }

    /// The type of activations.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The device in words.
    pub fn name(&self) -> String {
        self.device.name()
    }

    /// Bytes free and in all.
    ///
    /// # Errors
    /// The device's.
    pub fn memory(&self) -> Result<[usize; 2]> {
        self.device.memory()
    }

    /// How often each kernel was launched since the last call; `product` counts matrix products.
    pub fn take_launches(&self) -> BTreeMap<String, u64> {
        self.device.take_launches()
    }

    /// Every kernel, those of cuBLAS included, of everything that was recorded so far: nothing runs unseen.
    ///
    /// # Errors
    /// The device's.
    pub fn recorded_kernels(&self) -> Result<BTreeSet<String>> {
        self.device.recorded_kernels()
    }

    /// From here on fresh memory holds NaN, as a test's should.
    pub fn poison_fresh_memory(&self) {
        self.device.poison();
    }

    fn placement(&self, geometry: &crate::ops::window_attention::WindowGeometry) -> Arc<attention::Placement> {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = windows.get(&geometry.fingerprint) {
            return Arc::clone(known);
        }
        let made = Arc::new(attention::Placement::new(&self.device, geometry));
        if !self.device.has_failed() {
            windows.insert(geometry.fingerprint, Arc::clone(&made));
        }
        made
    }
}
