//! STUB
use preco_core::imagery::Rgb8;
/// STUB
#[derive(Default)]
pub struct LossCurve;
impl LossCurve {
    /// STUB
    pub fn draw(_series: &[(&str, Vec<f64>)]) -> Rgb8 {
        Rgb8::filled(64, 32, [255; 3])
    }
}
/// STUB
pub struct ReconstructionSheet;
impl ReconstructionSheet {
    /// STUB
    pub fn draw(_titles: &[&str], rows: &[Vec<Rgb8>]) -> Rgb8 {
        rows[0][0].clone()
    }
}
