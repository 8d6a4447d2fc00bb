//! The real device: candle's CUDA device, its stream and its cuBLAS handle, through cudarc's thin layer.
//!
//! Memory comes from the stream's pool, which keeps what is given back; kernels are one module of PTX that the driver
//! compiles for the device it finds. Recordings are CUDA graphs.

mod copies;
mod graph;

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_int, c_void};
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::backend::BackendDevice;
use candle_core::cuda_backend::cudarc::cublas::sys as cublas;
use candle_core::cuda_backend::cudarc::driver::{
    CudaContext, CudaStream, DevicePtr, DevicePtrMut, DeviceRepr, DriverError, result, sys,
};
use candle_core::cuda_backend::{CudaDType, CudaDevice, CudaStorage};
use candle_core::op::BackpropOp;
use candle_core::{Storage, Tensor};

use copies::Copies;
use graph::Graph;

use super::driver::{Driver, Factor, Launch, Pointer, Product, Recording};
use super::memory::Kind;
use crate::error::{Error, Result};

/// All kernels, as text for the driver's compiler.
const KERNELS: &str = include_str!(concat!(env!("OUT_DIR"), "/kernels.ptx"));
/// Dynamic shared memory that a kernel may have without being asked.
const PLAIN_SHARED_BYTES: usize = 48 << 10;
/// The oldest architecture with bf16 products.
const OLDEST: (i32, i32) = (8, 0);

/// The names of all kernels, as the text declares them.
pub(super) fn kernels() -> Vec<String> {
    let names = KERNELS.split(".entry ").skip(1);
    names.map(|rest| rest.split(['(', '\n']).next().unwrap_or_default().trim().to_owned()).collect()
}

/// How many GPUs there are.
pub(super) fn count() -> Result<usize> {
    let count = result::init().and_then(|()| result::device::get_count());
    count.map(|count| count as usize).map_err(|error| absent(&error))
}

fn absent(error: &DriverError) -> Error {
    Error::device("cuda", format!("no usable NVIDIA driver ({})", words(error)))
}

/// What the driver says of an error.
fn words(error: &DriverError) -> String {
    let text = |found: std::result::Result<&CStr, DriverError>| {
        found.map(|text| text.to_string_lossy().into_owned()).unwrap_or_default()
    };
    format!("{}: {}", text(error.error_name()), text(error.error_string()))
}

/// The pool gives nothing back to the system: what one step frees the next takes.
fn keep_freed_memory(device: sys::CUdevice) -> std::result::Result<(), DriverError> {
    // SAFETY: the device exists.
    let pool = unsafe { result::device::get_default_mem_pool(device) }?;
    let (attribute, mut threshold) = (sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, u64::MAX);
    // SAFETY: the attribute is a 64-bit number, which is read before the call returns.
    unsafe { result::mem_pool::set_attribute(pool, attribute, (&raw mut threshold).cast()) }
}

/// A kernel of the module, and the dynamic shared memory it may have.
#[derive(Clone, Copy)]
struct Function {
    function: sys::CUfunction,
    shared: usize,
}

// SAFETY: a handle of the driver, which may be used from any thread.
unsafe impl Send for Function {}

/// A device that can run our kernels, with them.
struct Loaded {
    /// Name and compute capability.
    name: String,
    module: sys::CUmodule,
    /// Dynamic shared memory that a block can have.
    most_shared: usize,
}

impl Loaded {
    fn new(context: &CudaContext) -> Result<Self> {
        let ordinal = context.ordinal();
        let failed = |reason: String| Error::device(format!("cuda:{ordinal}"), reason);
        let of_driver = |error: DriverError| failed(words(&error));
        let device = result::device::get(ordinal as c_int).map_err(of_driver)?;
        let capability = |attribute| {
            // SAFETY: the device exists.
            unsafe { result::device::get_attribute(device, attribute) }.map_err(of_driver)
        };
        use sys::CUdevice_attribute::{
            CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR as MAJOR,
            CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR as MINOR,
            CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN as SHARED,
        };
        let (major, minor) = (capability(MAJOR)?, capability(MINOR)?);
        let most_shared = capability(SHARED)? as usize;
        let title = result::device::get_name(device).map_err(of_driver)?;
        let name = format!("cuda:{ordinal} ({title}, compute capability {major}.{minor})");
        if (major, minor) < OLDEST {
            return Err(failed(format!(
                "{title} has compute capability {major}.{minor}; 8.0 (Ampere) or later is needed"
            )));
        }
        let ptx = CString::new(KERNELS).map_err(|_| failed("its kernels are no text".to_owned()))?;
        context.bind_to_thread().map_err(of_driver)?;
        // SAFETY: the text ends with a zero, and the device's context is current.
        let module = unsafe { result::module::load_data(ptx.as_ptr().cast()) }.map_err(|error| {
            failed(format!(
                "the driver does not take this build's kernels ({}); a driver older than the CUDA version it was built \
                 with, or another GPU than its CUDA_COMPUTE_CAP names: update the driver or build for this GPU",
                words(&error)
            ))
        })?;
        keep_freed_memory(device).map_err(of_driver)?;
        Ok(Self { name, module, most_shared })
    }
}

/// One GPU.
pub(super) struct Gpu {
    /// First: dropped while the context is there.
    copies: Mutex<Copies>,
    name: String,
    candle: CudaDevice,
    stream: Arc<CudaStream>,
    module: sys::CUmodule,
    functions: Mutex<HashMap<String, Function>>,
    /// Dynamic shared memory that a block can have.
    most_shared: usize,
}

// SAFETY: the module is a handle of the driver; everything is queued on one stream.
unsafe impl Send for Gpu {}
// SAFETY: as above; what changes is behind a mutex.
unsafe impl Sync for Gpu {}

impl Gpu {
    pub(super) fn open(ordinal: usize) -> Result<Self> {
        let devices = count()?;
        if ordinal >= devices {
            let there = if devices == 0 { "there is none".to_owned() } else { format!("there are {devices}, from 0") };
            return Err(Error::device(format!("cuda:{ordinal}"), format!("no such GPU; {there}")));
        }
        let failed = |reason: String| Error::device(format!("cuda:{ordinal}"), reason);
        // Before candle opens cuBLAS and cuRAND: of a driver too old these say nothing that helps.
        let context = CudaContext::new(ordinal).map_err(|error| failed(words(&error)))?;
        let loaded = Loaded::new(&context)?;
        let candle = CudaDevice::new_with_stream(ordinal).map_err(|error| {
            failed(format!(
                "{error}; if the GPU works otherwise, cuBLAS or cuRAND is missing or of another CUDA version: install \
                 CUDA's runtime libraries, where LD_LIBRARY_PATH finds them"
            ))
        })?;
        Self::with(candle, loaded)
    }

    /// On candle's device and stream.
    pub(super) fn on(candle: CudaDevice) -> Result<Self> {
        let loaded = Loaded::new(candle.cuda_stream().context())?;
        Self::with(candle, loaded)
    }

    fn with(candle: CudaDevice, Loaded { name, module, most_shared }: Loaded) -> Result<Self> {
        let stream = candle.cuda_stream();
        // Where cuBLAS splits a sum over blocks, it may add their shares in the result's type: never in bf16.
        let mode = cublas::cublasMath_t::CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION;
        // SAFETY: the handle is candle's and lives.
        unsafe { cublas::cublasSetMathMode(*candle.cublas_handle().handle(), mode) }
            .result()
            .map_err(|error| Error::device(&name, format!("cuBLAS: {error:?}")))?;
        let copies = Mutex::new(Copies::new().map_err(|error| Error::device(&name, words(&error)))?);
        Ok(Self { copies, name, candle, stream, module, functions: Mutex::default(), most_shared })
    }

    fn error(&self, error: &DriverError) -> Error {
        Error::device(&self.name, words(error))
    }

    /// Makes the device's context the thread's: a call may come from any.
    fn bind(&self) -> Result<()> {
        self.done(self.stream.context().bind_to_thread())
    }

    fn done<T>(&self, result: std::result::Result<T, DriverError>) -> Result<T> {
        result.map_err(|error| self.error(&error))
    }

    /// candle's storage with a copy of `len` elements.
    fn storage<T: CudaDType + DeviceRepr>(&self, from: Pointer, len: usize) -> Result<CudaStorage> {
        // SAFETY: every element is written below.
        let mut slice = unsafe { self.candle.alloc::<T>(len) }?;
        {
            let (to, _guard) = slice.device_ptr_mut(&self.stream);
            self.copy(from, to, len * size_of::<T>())?;
        }
        Ok(CudaStorage::wrap_cuda_slice(slice, self.candle.clone()))
    }

    /// A kernel of the module that may have `shared` bytes.
    fn function(&self, name: &str, shared: usize) -> Result<sys::CUfunction> {
        let mut functions = self.functions.lock().unwrap_or_else(PoisonError::into_inner);
        let mut function = match functions.get(name) {
            Some(function) => *function,
            None => {
                let symbol =
                    CString::new(name).map_err(|_| Error::device(&self.name, "a kernel's name holds a zero"))?;
                // SAFETY: the module is loaded.
                let function = self.done(unsafe { result::module::get_function(self.module, symbol) })?;
                Function { function, shared: PLAIN_SHARED_BYTES }
            }
        };
        if shared > self.most_shared {
            let reason = format!(
                "{name} needs {shared} bytes of shared memory for a block, this GPU has {}: use a smaller window",
                self.most_shared
            );
            return Err(Error::device(&self.name, reason));
        }
        if shared > function.shared {
            let attribute = sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            // SAFETY: the function belongs to the module, which is loaded.
            self.done(unsafe {
                result::function::set_function_attribute(function.function, attribute, shared as c_int)
            })?;
            function.shared = shared;
        }
        functions.insert(name.to_owned(), function);
        Ok(function.function)
    }
}

impl Drop for Gpu {
    fn drop(&mut self) {
        // Nobody can be told of an error any more.
        let _ = self.stream.synchronize();
        // SAFETY: nothing that was queued still runs.
        let _ = unsafe { result::module::unload(self.module) };
    }
}

impl Driver for Gpu {
    fn allocate(&self, bytes: usize) -> Result<Pointer> {
        self.bind()?;
        // SAFETY: the stream lives as long as this.
        let allocated = unsafe { result::malloc_async(self.stream.cu_stream(), bytes) };
        let copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: as above; the event is ours.
        self.done(unsafe { result::event::record(copies.allocated(), self.stream.cu_stream()) })?;
        drop(copies);
        allocated.map_err(|error| {
            let [free, total] = self.memory().unwrap_or_default();
            let gigabytes = |bytes: usize| bytes as f64 / 1e9;
            Error::device(
                &self.name,
                format!(
                    "{} for {:.2} GB more, {:.2} of {:.2} GB are free; lower --batch-size (--accumulate makes up for it)",
                    words(&error),
                    gigabytes(bytes),
                    gigabytes(free),
                    gigabytes(total)
                ),
            )
        })
    }

    fn free(&self, pointer: Pointer, _: usize) {
        // A copy that nobody has waited for may still be writing there.
        let _ = self.await_uploads();
        // A copy that nobody has waited for may still be writing there.
        let _ = self.await_uploads();
        // After a failed kernel every call fails, and that error was told.
        // SAFETY: from `allocate`; freed in the stream's order, so after its last use.
        let _ = self.bind().and_then(|()| self.done(unsafe { result::free_async(pointer, self.stream.cu_stream()) }));
    }

    fn set(&self, pointer: Pointer, value: u8, bytes: usize) -> Result<()> {
        self.bind()?;
        // SAFETY: the backend has checked the room.
        self.done(unsafe { result::memset_d8_async(pointer, value, bytes, self.stream.cu_stream()) })
    }

    fn upload(&self, bytes: &[u8], to: Pointer) -> Result<()> {
        self.bind()?;
        // SAFETY: as above. From pageable memory the driver has read the bytes when it returns.
        self.done(unsafe { result::memcpy_htod_async(to, bytes, self.stream.cu_stream()) })
    }

    fn upload_ahead(&self, bytes: &[u8], to: Pointer) -> Result<()> {
        self.bind()?;
        self.done(self.copies.lock().unwrap_or_else(PoisonError::into_inner).upload(bytes, to))
    }

    fn await_uploads(&self) -> Result<()> {
        self.bind()?;
        let copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        let flags = sys::CUevent_wait_flags::CU_EVENT_WAIT_DEFAULT;
        // SAFETY: both live; an event that was never recorded is no wait.
        self.done(unsafe { result::stream::wait_event(self.stream.cu_stream(), copies.done(), flags) })
    }

    fn download(&self, from: Pointer, bytes: &mut [u8]) -> Result<()> {
        self.bind()?;
        // SAFETY: as above.
        self.done(unsafe { result::memcpy_dtoh_async(bytes, from, self.stream.cu_stream()) })?;
        self.synchronise()
    }

    fn tensor(&self, from: Pointer, kind: Kind, shape: &[usize]) -> Result<Tensor> {
        let storage = match kind {
            Kind::F32 => self.storage::<f32>(from, shape.iter().product())?,
            Kind::Bf16 => self.storage::<half::bf16>(from, shape.iter().product())?,
        };
        Ok(Tensor::from_storage(Storage::Cuda(storage), shape, BackpropOp::none(), false))
    }

    fn read(&self, tensor: &Tensor, kind: Kind, to: Pointer) -> Result<()> {
        let (storage, layout) = tensor.storage_and_layout();
        let here = self.candle.location();
        if tensor.device().location() != here {
            let reason = format!("a tensor is on {:?}, not on {here:?}", tensor.device().location());
            return Err(Error::device(&self.name, reason));
        }
        let Storage::Cuda(storage) = &*storage else {
            return Err(Error::device(&self.name, format!("a tensor is on {:?}", tensor.device().location())));
        };
        let (first, bytes) = (layout.start_offset() * kind.bytes(), layout.shape().elem_count() * kind.bytes());
        let copy = |from: Pointer| self.copy(from + first as Pointer, to, bytes);
        // The guards tell candle's other streams when the copy is done.
        match kind {
            Kind::F32 => {
                let (from, _guard) = storage.as_cuda_slice::<f32>()?.device_ptr(&self.stream);
                copy(from)
            }
            Kind::Bf16 => {
                let (from, _guard) = storage.as_cuda_slice::<half::bf16>()?.device_ptr(&self.stream);
                copy(from)
            }
        }
    }

    fn copy(&self, from: Pointer, to: Pointer, bytes: usize) -> Result<()> {
        self.bind()?;
        // SAFETY: as above.
        self.done(unsafe { result::memcpy_dtod_async(to, from, bytes, self.stream.cu_stream()) })
    }

    fn launch(&self, launch: &Launch) -> Result<()> {
        self.bind()?;
        let function = self.function(&launch.kernel, launch.shared)?;
        let mut arguments: Vec<*mut c_void> = launch.arguments.iter().map(super::driver::Argument::pointer).collect();
        let [grid, block] = [launch.grid, launch.block].map(|[x, y, z]| (x, y, z));
        // SAFETY: each kernel gets the arguments it declares: the same calls are proven under the emulator.
        let queued = unsafe {
            result::launch_kernel(function, grid, block, launch.shared as u32, self.stream.cu_stream(), &mut arguments)
        };
        queued.map_err(|error| {
            Error::device(&self.name, format!("{} over {grid:?} x {block:?}: {}", launch.kernel, words(&error)))
        })
    }

    fn product(&self, product: &Product) -> Result<()> {
        self.bind()?;
        let Product { shape: [m, n, k], a, b, c, c_kind, accumulate } = *product;
        let kind = |kind| match kind {
            Kind::F32 => cublas::cudaDataType::CUDA_R_32F,
            Kind::Bf16 => cublas::cudaDataType::CUDA_R_16BF,
        };
        // cuBLAS thinks in columns: row-major C = A B is its C' = B' A', and what lies row-major it sees transposed.
        let operation = |factor: Factor| match factor.transposed {
            false => cublas::cublasOperation_t::CUBLAS_OP_N,
            true => cublas::cublasOperation_t::CUBLAS_OP_T,
        };
        let leading = |factor: Factor, rows: usize, columns: usize| if factor.transposed { rows } else { columns };
        let (alpha, beta) = (1.0f32, if accumulate { 1.0f32 } else { 0.0 });
        // SAFETY: the backend has checked all three matrices; the handle is on this stream.
        let queued = unsafe {
            candle_core::cuda_backend::cudarc::cublas::result::gemm_ex(
                *self.candle.cublas_handle().handle(),
                operation(b),
                operation(a),
                n as c_int,
                m as c_int,
                k as c_int,
                (&raw const alpha).cast(),
                b.pointer as *const c_void,
                kind(b.kind),
                leading(b, k, n) as c_int,
                a.pointer as *const c_void,
                kind(a.kind),
                leading(a, m, k) as c_int,
                (&raw const beta).cast(),
                c as *mut c_void,
                kind(c_kind),
                n as c_int,
                cublas::cublasComputeType_t::CUBLAS_COMPUTE_32F,
                cublas::cublasGemmAlgo_t::CUBLAS_GEMM_DEFAULT,
            )
        };
        queued.map_err(|error| Error::device(&self.name, format!("a product of {m} x {n} x {k}: {error:?}")))
    }

    fn synchronise(&self) -> Result<()> {
        self.done(self.stream.synchronize())
    }

    fn begin_recording(&self) -> Result<()> {
        self.bind()?;
        let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED;
        // SAFETY: the stream is ours and lives.
        self.done(unsafe { result::stream::begin_capture(self.stream.cu_stream(), mode) })
    }

    fn end_recording(&self) -> Result<Box<dyn Recording>> {
        self.bind()?;
        // SAFETY: a capture was begun on this stream.
        let graph = self.done(unsafe { result::stream::end_capture(self.stream.cu_stream()) })?;
        let flags = sys::CUgraphInstantiate_flags::CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH;
        // SAFETY: the graph was just made.
        let ready = self.done(unsafe { result::graph::instantiate(graph, flags) })?;
        Ok(Box::new(Graph::new(self.name.clone(), graph, ready, Arc::clone(&self.stream))))
    }

    fn memory(&self) -> Result<[usize; 2]> {
        self.bind()?;
        self.done(result::mem_get_info()).map(|(free, total)| [free, total])
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}
