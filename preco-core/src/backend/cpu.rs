//! STUB
use crate::simd::Level;
/// STUB
pub struct Cpu(#[allow(dead_code)] Level);
impl Cpu {
    /// STUB
    pub fn new(level: Level) -> Self {
        Self(level)
    }
}
