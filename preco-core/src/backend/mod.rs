//! STUB
pub mod cpu;
