//! Keeps freed memory in the process, and says how much it has held.
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

/// The most memory this process has held so far, in bytes; 0 where the system does not say.
#[cfg(unix)]
pub(crate) fn peak_bytes() -> u64 {
    // SAFETY: all zeros is a valid `rusage`, and getrusage writes only to it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    u64::try_from(usage.ru_maxrss).unwrap_or(0) * unit
}

/// The system does not say.
#[cfg(not(unix))]
pub(crate) fn peak_bytes() -> u64 {
    0
}

/// Memory the system can still give, in bytes; `None` where it does not say.
pub(crate) fn available_bytes() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<f64>().ok()? * 1024.0)
}
