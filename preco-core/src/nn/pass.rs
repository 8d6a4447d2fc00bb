//! STUB
/// STUB
pub struct Pass;
impl Pass {
    /// STUB
    pub fn inference() -> Self {
        Self
    }
    /// STUB
    pub fn training(_seed: u64, _step: u64) -> Self {
        Self
    }
}
