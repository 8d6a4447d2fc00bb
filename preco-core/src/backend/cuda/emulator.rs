//! The device that is the CPU: the kernels' own source, compiled with `emulator/emulator.h`.
//!
//! Fresh memory holds NaN, every allocation has guards on both sides that are looked at when it is freed, and a launch
//! beyond a block's limits is an error, as it is on a GPU. Recordings keep launches with their arguments.

use std::collections::BTreeMap;
use std::ffi::{CString, c_char, c_int, c_void};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::Tensor;

use super::driver::{Driver, Factor, Launch, Pointer, Product, Recording};
use super::memory::Kind;
use crate::error::{Error, Result};

/// Guards on both sides of an allocation.
const GUARD_BYTES: usize = 256;
/// What guards and fresh memory hold: NaN in either type.
const POISON: u8 = 0xff;
/// What a block of an H100 may have.
const MOST_SHARED_BYTES: usize = 227 << 10;
const MOST_THREADS: u32 = 1024;
const MOST_BLOCKS_DOWN: u32 = 65_535;

unsafe extern "C" {
    fn preco_emulator_launch(
        name: *const c_char,
        grid: *const u32,
        block: *const u32,
        shared: usize,
        backwards: c_int,
        arguments: *mut *mut c_void,
    ) -> c_int;
    fn preco_emulator_kernel(index: usize) -> *const c_char;
}

/// The fibres are one process's: launches take turns.
static TURN: Mutex<()> = Mutex::new(());

/// The names of all kernels, in alphabetical order.
pub(super) fn kernels() -> Vec<String> {
    let name = |index| {
        // SAFETY: the name is a constant of the library, null beyond the last.
        let name = unsafe { preco_emulator_kernel(index) };
        // SAFETY: as above.
        (!name.is_null()).then(|| unsafe { std::ffi::CStr::from_ptr(name) }.to_string_lossy().into_owned())
    };
    (0..).map_while(name).collect()
}

/// A step of a recording.
#[derive(Clone, Debug)]
enum Work {
    Launch(Launch),
    Product(Product),
    Set(Pointer, u8, usize),
    Copy(Pointer, Pointer, usize),
}

#[derive(Default)]
struct State {
    /// Bytes of every allocation, by its address.
    live: BTreeMap<Pointer, usize>,
    recording: Option<Vec<Work>>,
    /// Uploads that nobody has waited for.
    ahead: Vec<(Vec<u8>, Pointer)>,
}

/// The CPU as a device.
pub(super) struct Emulator {
    backwards: bool,
    /// Bytes that may be allocated.
    room: usize,
    state: Arc<Mutex<State>>,
}

impl Emulator {
    pub(super) fn new(backwards: bool, room: usize) -> Self {
        Self { backwards, room, state: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the work where a recording is on, does it otherwise.
    fn submit(&self, work: Work) -> Result<()> {
        if let Some(recording) = &mut self.lock().recording {
            recording.push(work);
            return Ok(());
        }
        run(&work, self.backwards)
    }
}

fn error(reason: impl Into<String>) -> Error {
    Error::device("emulator", reason)
}

fn run(work: &Work, backwards: bool) -> Result<()> {
    match work {
        Work::Launch(launch) => run_launch(launch, backwards),
        Work::Product(product) => run_product(product),
        // SAFETY: addresses come from `allocate`, and the backend has checked lengths.
        Work::Set(pointer, value, bytes) => unsafe { (*pointer as *mut u8).write_bytes(*value, *bytes) },
        // SAFETY: as above; halves of a buffer do not overlap.
        Work::Copy(from, to, bytes) => unsafe {
            std::ptr::copy_nonoverlapping(*from as *const u8, *to as *mut u8, *bytes);
        },
    }
    Ok(())
}

fn run_launch(launch: &Launch, backwards: bool) {
    let name = CString::new(launch.kernel.as_str()).expect("names of kernels hold no zero");
    let mut arguments: Vec<*mut c_void> = launch.arguments.iter().map(super::driver::Argument::pointer).collect();
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: the backend gives each kernel the arguments that it declares, which parity tests prove for all.
    let wrong = unsafe {
        let (grid, block) = (launch.grid.as_ptr(), launch.block.as_ptr());
        let (shared, backwards) = (launch.shared, c_int::from(backwards));
        preco_emulator_launch(name.as_ptr(), grid, block, shared, backwards, arguments.as_mut_ptr())
    };
    match wrong {
        0 => {}
        1 => panic!("there is no kernel {}", launch.kernel),
        _ => panic!("{} is bounded to fewer threads than {:?}", launch.kernel, launch.block),
    }
}

fn run_product(product: &Product) {
    let Product { shape: [m, n, k], a, b, c, c_kind, accumulate } = *product;
    let (a, b) = (values(a, m, k), values(b, k, n));
    for i in 0..m {
        let mut row = vec![0f64; n];
        for (l, b) in b.chunks_exact(n.max(1)).enumerate() {
            let a = f64::from(a[i * k + l]);
            row.iter_mut().zip(b).for_each(|(sum, b)| *sum += a * f64::from(*b));
        }
        for (j, sum) in row.into_iter().enumerate() {
            let at = i * n + j;
            // SAFETY: the backend has checked the product's room.
            unsafe {
                match c_kind {
                    Kind::F32 => {
                        let c = (c as *mut f32).add(at);
                        *c = if accumulate { *c + sum as f32 } else { sum as f32 };
                    }
                    Kind::Bf16 => {
                        let c = (c as *mut half::bf16).add(at);
                        let before = if accumulate { (*c).to_f32() } else { 0.0 };
                        *c = half::bf16::from_f32(before + sum as f32);
                    }
                }
            }
        }
    }
}

/// A factor as rows x columns in f32.
fn values(factor: Factor, rows: usize, columns: usize) -> Vec<f32> {
    let at = |index: usize| {
        // SAFETY: the backend has checked the factor's length.
        unsafe {
            match factor.kind {
                Kind::F32 => *(factor.pointer as *const f32).add(index),
                Kind::Bf16 => (*(factor.pointer as *const half::bf16).add(index)).to_f32(),
            }
        }
    };
    let place = |i: usize, j: usize| if factor.transposed { j * rows + i } else { i * columns + j };
    (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))).map(|(i, j)| at(place(i, j))).collect()
}

impl Driver for Emulator {
    fn allocate(&self, bytes: usize) -> Result<Pointer> {
        if self.lock().recording.is_some() {
            return Err(error("an allocation cannot be recorded"));
        }
        let taken: usize = self.lock().live.values().sum();
        if taken.saturating_add(bytes) > self.room {
            return Err(error(format!("out of memory: {bytes} bytes more, {taken} of {} are taken", self.room)));
        }
        let mut memory = vec![[POISON; 16]; (bytes + 2 * GUARD_BYTES).div_ceil(16)].into_boxed_slice();
        let pointer = memory.as_mut_ptr() as Pointer + GUARD_BYTES as Pointer;
        // Aligned as cuMemAlloc aligns: over-allocated and leaked until `free`.
        std::mem::forget(memory);
        self.lock().live.insert(pointer, bytes);
        Ok(pointer)
    }

    fn free(&self, pointer: Pointer, bytes: usize) {
        assert!(self.lock().recording.is_none() || std::thread::panicking(), "memory is freed while work is recorded");
        let known = self.lock().live.remove(&pointer);
        assert_eq!(known, Some(bytes), "freed what was never allocated");
        let len = (bytes + 2 * GUARD_BYTES).div_ceil(16);
        let first = (pointer - GUARD_BYTES as Pointer) as *mut [u8; 16];
        // SAFETY: made by `allocate` with this length.
        let memory = unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(first, len)) };
        let flat = memory.as_flattened();
        let whole = flat[..GUARD_BYTES].iter().chain(&flat[GUARD_BYTES + bytes..]).all(|byte| *byte == POISON);
        assert!(whole || std::thread::panicking(), "a kernel wrote beyond a buffer of {bytes} bytes");
    }

    fn set(&self, pointer: Pointer, value: u8, bytes: usize) -> Result<()> {
        self.submit(Work::Set(pointer, value, bytes))
    }

    fn upload(&self, bytes: &[u8], to: Pointer) -> Result<()> {
        if self.lock().recording.is_some() {
            return Err(error("an upload cannot be recorded"));
        }
        // SAFETY: the backend has checked the room.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to as *mut u8, bytes.len()) };
        Ok(())
    }

    /// Kept until someone waits: who reads too early reads what was there.
    fn upload_ahead(&self, bytes: &[u8], to: Pointer) -> Result<()> {
        self.lock().ahead.push((bytes.to_vec(), to));
        Ok(())
    }

    fn await_uploads(&self) -> Result<()> {
        let ahead = std::mem::take(&mut self.lock().ahead);
        ahead.iter().try_for_each(|(bytes, to)| self.upload(bytes, *to))
    }

    fn download(&self, from: Pointer, bytes: &mut [u8]) -> Result<()> {
        if self.lock().recording.is_some() {
            return Err(error("a download cannot be recorded"));
        }
        // SAFETY: the backend has checked the length.
        unsafe { std::ptr::copy_nonoverlapping(from as *const u8, bytes.as_mut_ptr(), bytes.len()) };
        Ok(())
    }

    fn tensor(&self, from: Pointer, kind: Kind, shape: &[usize]) -> Result<Tensor> {
        let len = shape.iter().product();
        match kind {
            // SAFETY: the backend has checked the length.
            Kind::F32 => unsafe { of_values(std::slice::from_raw_parts(from as *const f32, len), shape) },
            // SAFETY: as above.
            Kind::Bf16 => unsafe { of_values(std::slice::from_raw_parts(from as *const half::bf16, len), shape) },
        }
    }

    fn read(&self, tensor: &Tensor, kind: Kind, to: Pointer) -> Result<()> {
        let flat = tensor.flatten_all()?;
        let bytes: Vec<u8> = match kind {
            Kind::F32 => flat.to_vec1::<f32>()?.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Kind::Bf16 => flat.to_vec1::<half::bf16>()?.iter().flat_map(|value| value.to_le_bytes()).collect(),
        };
        self.upload(&bytes, to)
    }

    fn copy(&self, from: Pointer, to: Pointer, bytes: usize) -> Result<()> {
        self.submit(Work::Copy(from, to, bytes))
    }

    fn launch(&self, launch: &Launch) -> Result<()> {
        let [x, y, z] = launch.block;
        if x * y * z > MOST_THREADS || launch.shared > MOST_SHARED_BYTES || launch.grid[1] > MOST_BLOCKS_DOWN {
            return Err(error(format!("{launch:?} is beyond a block's limits")));
        }
        self.submit(Work::Launch(launch.clone()))
    }

    fn product(&self, product: &Product) -> Result<()> {
        self.submit(Work::Product(*product))
    }

    fn synchronise(&self) -> Result<()> {
        Ok(())
    }

    fn begin_recording(&self) -> Result<()> {
        self.lock().recording = Some(Vec::new());
        Ok(())
    }

    fn end_recording(&self) -> Result<Box<dyn Recording>> {
        let work = self.lock().recording.take().ok_or_else(|| error("nothing is being recorded"))?;
        Ok(Box::new(Recorded { work, backwards: self.backwards }))
    }

    fn memory(&self) -> Result<[usize; 2]> {
        let taken: usize = self.lock().live.values().sum();
        Ok([self.room - taken, self.room])
    }

    fn name(&self) -> String {
        "CUDA emulator".to_owned()
    }
}

fn of_values<T: candle_core::WithDType>(values: &[T], shape: &[usize]) -> Result<Tensor> {
    Ok(Tensor::from_slice(values, shape, &candle_core::Device::Cpu)?)
}

struct Recorded {
    work: Vec<Work>,
    backwards: bool,
}

impl Recording for Recorded {
    fn replay(&self) -> Result<()> {
        self.work.iter().try_for_each(|work| run(work, self.backwards))
    }

    fn kernels(&self) -> Result<Vec<String>> {
        let name = |work: &Work| match work {
            Work::Launch(launch) => Some(launch.kernel.clone()),
            Work::Product(_) => Some("product".to_owned()),
            Work::Set(..) | Work::Copy(..) => None,
        };
        Ok(self.work.iter().filter_map(name).collect())
    }
}
