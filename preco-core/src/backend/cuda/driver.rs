//! What the backend asks of a CUDA device: memory, launches, products, recordings. [`super::gpu`] is the real one,
//! [`super::emulator`] runs the same kernels on the CPU.

use candle_core::Tensor;

use super::memory::Kind;
use crate::error::Result;

/// A device address.
pub(super) type Pointer = u64;

/// A kernel with its arguments.
#[derive(Clone, Debug)]
pub(super) struct Launch {
    pub(super) kernel: String,
    pub(super) grid: [u32; 3],
    pub(super) block: [u32; 3],
    /// Dynamic shared memory in bytes.
    pub(super) shared: usize,
    pub(super) arguments: Vec<Argument>,
}

/// An argument's bytes, as the kernel's parameter lies in memory.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
pub(super) struct Argument([u8; 48]);

impl Argument {
    /// A plain value of at most 48 bytes.
    fn of<T: Copy>(value: T) -> Self {
        assert!(size_of::<T>() <= 48 && align_of::<T>() <= 8, "too large for an argument");
        let mut bytes = [0; 48];
        // SAFETY: the value fits (asserted) and is plain.
        unsafe { std::ptr::copy_nonoverlapping((&raw const value).cast(), bytes.as_mut_ptr(), size_of::<T>()) };
        Self(bytes)
    }

    pub(super) fn pointer(&self) -> *mut std::ffi::c_void {
        self.0.as_ptr().cast_mut().cast()
    }
}

macro_rules! arguments {
    ($($type:ty),*) => { $(impl From<$type> for Argument {
        fn from(value: $type) -> Self {
            Self::of(value)
        }
    })* };
}
arguments!(i32, i64, f32, Pointer, super::objective::Options);

/// `C = A B`, or `C += A B`, of row-major matrices: `[m, n, k]`, each factor perhaps stored transposed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Product {
    pub(super) shape: [usize; 3],
    pub(super) a: Factor,
    pub(super) b: Factor,
    pub(super) c: Pointer,
    pub(super) c_kind: Kind,
    pub(super) accumulate: bool,
}

/// A factor of a product.
#[derive(Clone, Copy, Debug)]
pub(super) struct Factor {
    pub(super) pointer: Pointer,
    pub(super) kind: Kind,
    pub(super) transposed: bool,
}

/// A recorded sequence of work; dropped with its device.
pub(super) trait Recording: Send {
    /// Does it again, on the addresses it was recorded with.
    fn replay(&self) -> Result<()>;

    /// The kernels in it, those of others included.
    fn kernels(&self) -> Result<Vec<String>>;
}

/// A device with one stream: everything happens in the order asked for.
pub(super) trait Driver: Send + Sync {
    /// Memory with arbitrary contents.
    fn allocate(&self, bytes: usize) -> Result<Pointer>;

    /// Gives memory back once the work queued so far is done.
    fn free(&self, pointer: Pointer, bytes: usize);

    /// Sets every one of `bytes` to `value`.
    fn set(&self, pointer: Pointer, value: u8, bytes: usize) -> Result<()>;

    /// Host to device; the bytes may be changed on return.
    fn upload(&self, bytes: &[u8], to: Pointer) -> Result<()>;

    /// Host to device beside the stream: only what is queued after [`Driver::await_uploads`] may read it. The bytes may be
    /// changed on return.
    fn upload_ahead(&self, bytes: &[u8], to: Pointer) -> Result<()>;

    /// What is queued from here on waits for the uploads.
    fn await_uploads(&self) -> Result<()>;

    /// Device to host; waits for all that was queued.
    fn download(&self, from: Pointer, bytes: &mut [u8]) -> Result<()>;

    /// A candle tensor of `shape` on this device with a copy of the elements.
    fn tensor(&self, from: Pointer, kind: Kind, shape: &[usize]) -> Result<Tensor>;

    /// Copies the elements of a contiguous candle tensor on this device, of type `kind`.
    fn read(&self, tensor: &Tensor, kind: Kind, to: Pointer) -> Result<()>;

    /// Device to device.
    fn copy(&self, from: Pointer, to: Pointer, bytes: usize) -> Result<()>;

    /// Queues a kernel.
    fn launch(&self, launch: &Launch) -> Result<()>;

    /// Queues a product.
    fn product(&self, product: &Product) -> Result<()>;

    /// Waits for all that was queued.
    fn synchronise(&self) -> Result<()>;

    /// From here on work is recorded and not done.
    fn begin_recording(&self) -> Result<()>;

    /// What was recorded.
    fn end_recording(&self) -> Result<Box<dyn Recording>>;

    /// Bytes free and in all.
    fn memory(&self) -> Result<[usize; 2]>;

    /// The device in words.
    fn name(&self) -> String;
}
