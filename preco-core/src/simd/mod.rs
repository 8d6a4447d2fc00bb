//! STUB of the lead's SIMD levels.
use crate::error::{Error, Result};
/// STUB
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// portable
    Portable,
    /// avx2
    Avx2,
    /// avx512
    Avx512,
}
impl Level {
    /// STUB
    pub fn detect() -> Self {
        Self::Avx2
    }
    /// STUB
    ///
    /// # Errors
    /// unknown
    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "portable" => Ok(Self::Portable),
            "avx2" => Ok(Self::Avx2),
            "avx512" => Ok(Self::Avx512),
            _ => Err(Error::Config {
                what: format!("no SIMD level is called {text:?}; there are portable, avx2, avx512"),
            }),
        }
    }
}
impl std::fmt::Display for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        })
    }
}
