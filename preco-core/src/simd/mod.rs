//! Vectors of f32 at three levels, chosen at run time, so that one program runs anywhere.
//!
//! A kernel is written once, generic over `Simd`, and compiled for each level by `simd_kernel!`. A [`Level`] can
//! only be made on a processor that has it, which is what makes calling the compiled versions sound.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
pub(crate) mod math;
pub mod peak;
mod portable;
#[cfg(test)]
mod tests;

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::Avx512;
pub(crate) use portable::Portable;

use crate::error::{Error, Result};

/// Which instructions the kernels use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Level {
    /// The fastest level of this processor.
    pub fn detect() -> Self {
        Self::available().into_iter().next_back().unwrap_or(Self(Kind::Portable))
    }

    /// Every level of this processor, slowest first.
    pub fn available() -> Vec<Self> {
        let mut levels = vec![Self(Kind::Portable)];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                levels.push(Self(Kind::Avx2));
            }
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") {
                levels.push(Self(Kind::Avx512));
            }
        }
        levels
    }

    /// The level called `portable`, `avx2` or `avx512`.
    ///
    /// # Errors
    /// [`Error::Config`] where there is no such level, or not on this processor.
    pub fn parse(name: &str) -> Result<Self> {
        Self::available().into_iter().find(|level| level.name() == name).ok_or_else(|| {
            let names: Vec<&str> = Self::available().iter().map(|level| level.name()).collect();
            Error::config(format!("SIMD level {name:?} is not available here; this processor has {}", names.join(", ")))
        })
    }

    /// `portable`, `avx2` or `avx512`.
    pub fn name(self) -> &'static str {
        match self.0 {
            Kind::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => "avx512",
        }
    }

    pub(crate) fn kind(self) -> Kind {
        self.0
    }
}

impl std::fmt::Display for Level {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name())
    }
}

/// The vector operations that the kernels are made of.
///
/// # Safety
/// Every function needs the instructions of its level: they are called from the bodies that [`simd_kernel!`] compiles for
/// it, and only a [`Level`] leads there. Pointers must be valid for the lanes they read or write.
pub(crate) trait Simd: Copy {
    /// A vector.
    type V: Copy;
    /// Its length.
    const LANES: usize;
    /// True where sixteen or more registers hold a tile of six rows of several vectors.
    const WIDE_TILE: bool;

    unsafe fn splat(x: f32) -> Self::V;
    unsafe fn load(from: *const f32) -> Self::V;
    unsafe fn store(to: *mut f32, v: Self::V);
    /// The first `count < LANES` lanes; the others are 0.
    unsafe fn load_partial(from: *const f32, count: usize) -> Self::V;
    /// The first `count < LANES` lanes only.
    unsafe fn store_partial(to: *mut f32, v: Self::V, count: usize);
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`; fused where the level has it.
    unsafe fn mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn min(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn abs(a: Self::V) -> Self::V;
    /// `|a|` with the sign of `sign`.
    unsafe fn copy_sign(a: Self::V, sign: Self::V) -> Self::V;
    /// To the nearest integer, half to even.
    unsafe fn round(a: Self::V) -> Self::V;
    /// `2^n` for integral `n` in -126..=127.
    unsafe fn power_of_two(n: Self::V) -> Self::V;
    /// `v + x` in the lanes where `a != b`, `v` in the others.
    unsafe fn add_where_different(v: Self::V, x: Self::V, a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sum(v: Self::V) -> f32;
    unsafe fn maximum(v: Self::V) -> f32;
}

/// Loads `count` lanes, the whole vector where that is enough.
#[inline(always)]
pub(crate) unsafe fn load_up_to<S: Simd>(from: *const f32, count: usize) -> S::V {
    // SAFETY: the caller's pointer is valid for `count` lanes.
    unsafe { if count >= S::LANES { S::load(from) } else { S::load_partial(from, count) } }
}

/// Stores `count` lanes, the whole vector where that is enough.
#[inline(always)]
pub(crate) unsafe fn store_up_to<S: Simd>(to: *mut f32, v: S::V, count: usize) {
    // SAFETY: the caller's pointer is valid for `count` lanes.
    unsafe { if count >= S::LANES { S::store(to, v) } else { S::store_partial(to, v, count) } }
}

/// Compiles a body that is generic over [`Simd`] for each level, and a function that takes a [`Level`] and calls the
/// right one.
macro_rules! simd_kernel {
    ($(#[$meta:meta])* $vis:vis unsafe fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $out:ty)? => $($body:ident)::+) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments)]
        $vis unsafe fn $name(level: $crate::simd::Level, $($arg: $type),*) $(-> $out)? {
            #[cfg(target_arch = "x86_64")]
            #[allow(clippy::too_many_arguments)]
            #[target_feature(enable = "avx512f,avx512dq,avx2,fma")]
            unsafe fn avx512($($arg: $type),*) $(-> $out)? {
                // SAFETY: this function has the instructions; the pointers are the caller's promise.
                unsafe { $($body)::+::<$crate::simd::Avx512>($($arg),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[allow(clippy::too_many_arguments)]
            #[target_feature(enable = "avx2,fma")]
            unsafe fn avx2($($arg: $type),*) $(-> $out)? {
                // SAFETY: as above.
                unsafe { $($body)::+::<$crate::simd::Avx2>($($arg),*) }
            }
            // SAFETY: a level exists only where the processor has its instructions; the pointers are the caller's promise.
            unsafe {
                match level.kind() {
                    #[cfg(target_arch = "x86_64")]
                    $crate::simd::Kind::Avx512 => avx512($($arg),*),
                    #[cfg(target_arch = "x86_64")]
                    $crate::simd::Kind::Avx2 => avx2($($arg),*),
                    $crate::simd::Kind::Portable => $($body)::+::<$crate::simd::Portable>($($arg),*),
                }
            }
        }
    };
}
pub(crate) use simd_kernel;
