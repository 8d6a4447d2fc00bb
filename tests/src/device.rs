//! Golden cases on a device: a GPU where feature `cuda` built this, the kernels' emulator where `cuda-emulator` did.

use preco_core::backend::cuda::{Cuda, Precision};

#[cfg(feature = "cuda-emulator")]
use crate::Case;

/// Largest case, in values of its input times channels, that the emulator is asked for: seconds and not minutes.
#[cfg(feature = "cuda-emulator")]
const MOST_EMULATED: usize = 3 * 64 * 64 * 32;

/// The device, in f32.
///
/// # Panics
/// Where there is no GPU: a test that passes without one proves nothing.
#[cfg(all(feature = "cuda", not(feature = "cuda-emulator")))]
pub fn cuda() -> Cuda {
    Cuda::new(0, Precision::F32).expect("tests with feature cuda need a GPU")
}

/// The emulator, in f32.
#[cfg(feature = "cuda-emulator")]
pub fn cuda() -> Cuda {
    Cuda::emulated(Precision::F32, false)
}

/// True where the device can run a case in a test's time: a GPU can run all.
#[cfg(all(feature = "cuda", not(feature = "cuda-emulator")))]
pub fn fits_device(_: &crate::Case) -> bool {
    true
}

/// True where the emulator can run a case in a test's time.
#[cfg(feature = "cuda-emulator")]
pub fn fits_device(case: &Case) -> bool {
    let img = case.sizes("img");
    3 * img[0] * img[1] * case.size("embed") <= MOST_EMULATED
}
