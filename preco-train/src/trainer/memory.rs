//! How much memory the process holds.

/// Resident memory in megabytes; 0 where the system does not say.
#[cfg(target_os = "linux")]
pub(super) fn resident_mb() -> f64 {
    // The second field counts pages; 4 KiB on every system that candle's CPU kernels are built for but some ARM ones,
    // where the figure is too small by the pages' ratio.
    let pages = std::fs::read_to_string("/proc/self/statm");
    let pages = pages.ok().and_then(|text| text.split_whitespace().nth(1).and_then(|pages| pages.parse::<f64>().ok()));
    pages.map_or(0.0, |pages| pages * 4096.0 / 1e6)
}

/// Resident memory in megabytes; 0 where the system does not say.
#[cfg(not(target_os = "linux"))]
pub(super) fn resident_mb() -> f64 {
    0.0
}
