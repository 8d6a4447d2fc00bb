//! Keeps freed memory in the process.
//!
//! A training step frees and allocates the same large buffers again. glibc hands such buffers back to the system at once,
//! and the system clears each page anew at the next step; other allocators decide for themselves.

/// Tells glibc to keep what is freed. Call before the first thread starts.
#[cfg(target_env = "gnu")]
pub(crate) fn keep_freed_memory() {
    let settings = [(libc::M_MMAP_MAX, 0), (libc::M_TRIM_THRESHOLD, libc::c_int::MAX), (libc::M_TOP_PAD, 64 << 20)];
    for (parameter, value) in settings {
        // SAFETY: mallopt takes two integers and touches no memory of ours; no other thread runs yet. A parameter it
        // does not know returns 0 and changes nothing.
        unsafe {
            libc::mallopt(parameter, value);
        }
    }
}

/// Nothing to do.
#[cfg(not(target_env = "gnu"))]
pub(crate) fn keep_freed_memory() {}
