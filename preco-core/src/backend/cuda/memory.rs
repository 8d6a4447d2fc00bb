//! Buffers of the device: f32, or bf16 for activations under mixed precision.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::device::Device;
use super::driver::Pointer;

/// The type of a buffer's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Parameters, gradients, moments, statistics, images, losses.
    F32,
    /// Activations and their gradients under mixed precision.
    Bf16,
}

impl Kind {
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::Bf16 => 2,
        }
    }

    /// As kernels are named.
    pub(super) fn tail(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }
}

/// Elements of the device.
#[derive(Debug)]
pub struct Region {
    pub(super) pointer: Pointer,
    pub(super) len: usize,
    pub(super) kind: Kind,
    /// The same values in bf16, where products read these parameters under mixed precision.
    pub(super) half: Option<Pointer>,
}

impl Region {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True where there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The type of the elements.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The address of element `at`.
    pub(super) fn at(&self, at: usize) -> Pointer {
        self.pointer + (at * self.kind.bytes()) as Pointer
    }
}

/// Elements of the device that live as long as this.
pub struct Buffer {
    region: Region,
    device: Arc<Device>,
}

impl Buffer {
    pub(super) fn new(device: &Arc<Device>, kind: Kind, len: usize) -> Self {
        let pointer = device.allocate(len * kind.bytes());
        Self { region: Region { pointer, len, kind, half: None }, device: Arc::clone(device) }
    }

    /// With a copy in bf16 beside it.
    pub(super) fn with_half(device: &Arc<Device>, len: usize) -> Self {
        let mut buffer = Self::new(device, Kind::F32, len);
        buffer.region.half = Some(device.allocate(len * Kind::Bf16.bytes()));
        buffer
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.device.free(self.region.pointer, self.region.len * self.region.kind.bytes());
        if let Some(half) = self.region.half {
            self.device.free(half, self.region.len * Kind::Bf16.bytes());
        }
    }
}

impl Deref for Buffer {
    type Target = Region;

    fn deref(&self) -> &Region {
        &self.region
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut Region {
        &mut self.region
    }
}
