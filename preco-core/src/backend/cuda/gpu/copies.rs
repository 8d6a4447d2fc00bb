//! Copies to the device beside its work.

use std::ffi::c_void;

use candle_core::cuda_backend::cudarc::driver::{DriverError, result, sys};

use crate::backend::cuda::driver::Pointer;

/// A second stream that copies to the device while the first computes, through memory that the device can read.
pub(super) struct Copies {
    stream: sys::CUstream,
    done: sys::CUevent,
    /// The first stream's last allocation: memory is there in that stream's order, not before.
    allocated: sys::CUevent,
    /// Page-locked memory of the host.
    staging: *mut c_void,
    bytes: usize,
}

// SAFETY: handles of the driver and memory of its own; used behind a mutex.
unsafe impl Send for Copies {}

impl Copies {
    pub(super) fn new() -> std::result::Result<Self, DriverError> {
        let stream = result::stream::create(result::stream::StreamKind::NonBlocking)?;
        let event = || result::event::create(sys::CUevent_flags::CU_EVENT_DISABLE_TIMING);
        let (done, allocated) = (event()?, event()?);
        Ok(Self { stream, done, allocated, staging: std::ptr::null_mut(), bytes: 0 })
    }

    /// Happens when the last copy is done.
    pub(super) fn done(&self) -> sys::CUevent {
        self.done
    }

    /// To be recorded on the first stream after an allocation.
    pub(super) fn allocated(&self) -> sys::CUevent {
        self.allocated
    }

    /// Begins to copy `bytes` to the device.
    pub(super) fn upload(&mut self, bytes: &[u8], to: Pointer) -> std::result::Result<(), DriverError> {
        // SAFETY: the stream is ours; what it copied before is then read, and the memory may be written or freed.
        unsafe { result::stream::synchronize(self.stream) }?;
        if self.bytes < bytes.len() {
            self.free();
            // SAFETY: freed by `free`.
            self.staging = unsafe { result::malloc_host(bytes.len(), 0) }?;
            self.bytes = bytes.len();
        }
        // SAFETY: there is room for the bytes, and nothing reads the memory now.
        let staged = unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.staging.cast::<u8>(), bytes.len());
            std::slice::from_raw_parts(self.staging.cast::<u8>(), bytes.len())
        };
        // SAFETY: the memory stays until the stream was waited for; the backend has checked the room on the device.
        unsafe {
            let flags = sys::CUevent_wait_flags::CU_EVENT_WAIT_DEFAULT;
            result::stream::wait_event(self.stream, self.allocated, flags)?;
            result::memcpy_htod_async(to, staged, self.stream)?;
            result::event::record(self.done, self.stream)
        }
    }

    fn free(&mut self) {
        if !self.staging.is_null() {
            // SAFETY: from `malloc_host`, and the stream was waited for.
            let _ = unsafe { result::free_host(self.staging) };
            (self.staging, self.bytes) = (std::ptr::null_mut(), 0);
        }
    }
}

impl Drop for Copies {
    fn drop(&mut self) {
        // Nobody can be told of an error any more.
        // SAFETY: all three are ours and used no more.
        unsafe {
            let _ = result::stream::synchronize(self.stream);
            self.free();
            let _ = result::event::destroy(self.done);
            let _ = result::event::destroy(self.allocated);
            let _ = result::stream::destroy(self.stream);
        }
    }
}
