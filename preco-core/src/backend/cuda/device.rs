//! One device as the backend uses it: the first error is kept, launches are counted, recordings are replayed.
//!
//! Operations of a backend cannot fail, for on the CPU they do not; a device can run out of memory at any of them. The
//! first error is kept, whatever is asked for after it does nothing, and [`Backend::check`](crate::backend::Backend::check)
//! tells.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use candle_core::Tensor;

use super::driver::{Argument, Driver, Launch, Pointer, Product, Recording};
use super::memory::Kind;
use crate::error::{Error, Result};

/// What tests want fresh memory to hold: NaN in either type.
const POISON: u8 = 0xff;

/// Memory that grows to the largest need and is used in the order of the stream.
#[derive(Default)]
struct Workspace {
    pointer: Pointer,
    bytes: usize,
}

/// A device and what is going on on it.
pub(super) struct Device {
    driver: Box<dyn Driver>,
    failure: Mutex<Option<Error>>,
    launches: Mutex<BTreeMap<String, u64>>,
    /// What operations compute on the way.
    workspace: Mutex<Workspace>,
    /// What they read of the host.
    staging: Mutex<Workspace>,
    /// Changes with every allocation: a recording holds addresses.
    generation: AtomicU64,
    recordings: Mutex<HashMap<u64, State>>,
    poisons: AtomicBool,
}

/// Ends the recording of a device, after a panic too.
struct Recorder<'a>(&'a Device);

impl Recorder<'_> {
    /// What was recorded; `None` where something failed.
    fn end(self) -> Option<Box<dyn Recording>> {
        let (device, ended) = (self.0, self.0.driver.end_recording());
        std::mem::forget(self);
        device.attempt(|_| ended)
    }
}

impl Drop for Recorder<'_> {
    fn drop(&mut self) {
        // The panic is what is told.
        let _ = self.0.driver.end_recording();
    }
}

/// How far the work of one key is.
enum State {
    /// It was done once, under this generation: all memory it needs may be there.
    Done(u64),
    /// It is recorded under this generation.
    Recorded(u64, Box<dyn Recording>),
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.driver.name())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Device {
    pub(super) fn new(driver: Box<dyn Driver>) -> Self {
        Self {
            driver,
            failure: Mutex::default(),
            launches: Mutex::default(),
            workspace: Mutex::default(),
            staging: Mutex::default(),
            generation: AtomicU64::new(0),
            recordings: Mutex::default(),
            poisons: AtomicBool::new(false),
        }
    }

    /// Does `work` unless something failed before; keeps its error.
    fn attempt<T>(&self, work: impl FnOnce(&dyn Driver) -> Result<T>) -> Option<T> {
        if self.has_failed() {
            return None;
        }
        match work(self.driver.as_ref()) {
            Ok(value) => Some(value),
            Err(error) => {
                lock(&self.failure).get_or_insert(error);
                None
            }
        }
    }

    /// True where an error waits to be told.
    pub(super) fn has_failed(&self) -> bool {
        lock(&self.failure).is_some()
    }

    /// The first error since the last call.
    pub(super) fn check(&self) -> Result<()> {
        lock(&self.failure).take().map_or(Ok(()), Err)
    }

    /// Memory with arbitrary contents; address 0 for nothing, and where there is none to be had.
    pub(super) fn allocate(&self, bytes: usize) -> Pointer {
        if bytes == 0 {
            return 0;
        }
        self.generation.fetch_add(1, Ordering::Relaxed);
        let poisons = self.poisons.load(Ordering::Relaxed);
        let allocate = |driver: &dyn Driver| {
            let pointer = driver.allocate(bytes)?;
            if poisons {
                driver.set(pointer, POISON, bytes)?;
            }
            Ok(pointer)
        };
        self.attempt(allocate).unwrap_or(0)
    }

    pub(super) fn free(&self, pointer: Pointer, bytes: usize) {
        if pointer != 0 {
            self.generation.fetch_add(1, Ordering::Relaxed);
            self.driver.free(pointer, bytes);
        }
    }

    pub(super) fn zero(&self, pointer: Pointer, bytes: usize) {
        if bytes > 0 {
            self.attempt(|driver| driver.set(pointer, 0, bytes));
        }
    }

    pub(super) fn upload(&self, bytes: &[u8], to: Pointer) {
        if !bytes.is_empty() {
            self.attempt(|driver| driver.upload(bytes, to));
        }
    }

    pub(super) fn upload_ahead(&self, bytes: &[u8], to: Pointer) {
        if !bytes.is_empty() {
            self.attempt(|driver| driver.upload_ahead(bytes, to));
        }
    }

    pub(super) fn await_uploads(&self) {
        self.attempt(|driver| driver.await_uploads());
    }

    pub(super) fn download(&self, from: Pointer, bytes: &mut [u8]) {
        if !bytes.is_empty() {
            self.attempt(|driver| driver.download(from, bytes));
        }
    }

    pub(super) fn tensor(&self, from: Pointer, kind: Kind, shape: &[usize]) -> Result<Tensor> {
        self.check()?;
        self.driver.tensor(from, kind, shape)
    }

    pub(super) fn read(&self, tensor: &Tensor, kind: Kind, to: Pointer) -> Result<()> {
        self.check()?;
        self.driver.read(tensor, kind, to)
    }

    pub(super) fn copy(&self, from: Pointer, to: Pointer, bytes: usize) {
        if bytes > 0 {
            self.attempt(|driver| driver.copy(from, to, bytes));
        }
    }

    pub(super) fn product(&self, product: &Product) {
        if product.shape[0] > 0 && product.shape[1] > 0 {
            self.attempt(|driver| driver.product(product));
            *lock(&self.launches).entry("product".to_owned()).or_default() += 1;
        }
    }

    pub(super) fn launch(
        &self,
        kernel: String,
        grid: [usize; 2],
        block: [u32; 2],
        shared: usize,
        arguments: Vec<Argument>,
    ) {
        if grid.contains(&0) {
            return;
        }
        let launch = Launch {
            kernel,
            grid: [grid[0] as u32, grid[1] as u32, 1],
            block: [block[0], block[1], 1],
            shared,
            arguments,
        };
        self.attempt(|driver| driver.launch(&launch));
        *lock(&self.launches).entry(launch.kernel).or_default() += 1;
    }

    /// Scratch of at least `bytes`, until the next call.
    pub(super) fn workspace(&self, bytes: usize) -> Pointer {
        self.grown(&self.workspace, bytes)
    }

    /// A copy of `bytes` on the device, until the next call.
    pub(super) fn stage(&self, bytes: &[u8]) -> Pointer {
        let pointer = self.grown(&self.staging, bytes.len());
        self.upload(bytes, pointer);
        pointer
    }

    fn grown(&self, memory: &Mutex<Workspace>, bytes: usize) -> Pointer {
        let mut memory = lock(memory);
        if memory.bytes < bytes {
            self.free(memory.pointer, memory.bytes);
            let pointer = self.allocate(bytes);
            // Where there was none to be had, the next need asks again.
            *memory = Workspace { pointer, bytes: if pointer == 0 { 0 } else { bytes } };
        }
        memory.pointer
    }

    /// How often each kernel was launched since the last call; `product` counts matrix products.
    pub(super) fn take_launches(&self) -> BTreeMap<String, u64> {
        std::mem::take(&mut *lock(&self.launches))
    }

    /// Does `work`; where the same work was done before on the memory that is there, records it, and from then on
    /// replays the recording.
    pub(super) fn replay(&self, key: u64, work: &mut dyn FnMut()) {
        let generation = self.generation.load(Ordering::Relaxed);
        let known = lock(&self.recordings).remove(&key);
        let next = match known {
            Some(State::Recorded(then, recording)) if then == generation => {
                self.attempt(|_| recording.replay());
                State::Recorded(then, recording)
            }
            Some(State::Done(then)) if then == generation => {
                if self.attempt(|driver| driver.begin_recording()).is_none() {
                    return;
                }
                let recorded = Recorder(self);
                work();
                // Ended whatever happened on the way: a stream that goes on recording does nothing else.
                match recorded.end() {
                    Some(recording) => {
                        self.attempt(|_| recording.replay());
                        State::Recorded(generation, recording)
                    }
                    None => return,
                }
            }
            _ => {
                work();
                State::Done(self.generation.load(Ordering::Relaxed))
            }
        };
        lock(&self.recordings).insert(key, next);
    }

    /// The kernels of all recordings, those of others included.
    pub(super) fn recorded_kernels(&self) -> Result<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        for state in lock(&self.recordings).values() {
            if let State::Recorded(_, recording) = state {
                names.extend(recording.kernels()?);
            }
        }
        Ok(names)
    }

    /// From here on fresh memory holds NaN, as a test's should.
    pub(super) fn poison(&self) {
        self.poisons.store(true, Ordering::Relaxed);
    }

    pub(super) fn synchronise(&self) {
        self.attempt(|driver| driver.synchronise());
    }

    pub(super) fn memory(&self) -> Result<[usize; 2]> {
        self.driver.memory()
    }

    pub(super) fn name(&self) -> String {
        self.driver.name()
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        lock(&self.recordings).clear();
        for memory in [&self.workspace, &self.staging] {
            let Workspace { pointer, bytes } = std::mem::take(&mut *lock(memory));
            self.free(pointer, bytes);
        }
    }
}
