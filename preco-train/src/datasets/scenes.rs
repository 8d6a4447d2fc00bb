//! STUB
use super::ImageSource;
use crate::error::Result;
use preco_core::imagery::Rgb8;
use preco_core::rng::Stream;
/// STUB
pub struct Scene {
    /// image
    pub image: Rgb8,
    /// class
    pub class: usize,
    /// labels
    pub labels: Vec<bool>,
    /// xyxy
    pub boxes: Vec<[f32; 4]>,
}
/// STUB
pub struct SceneGenerator {
    seed: u64,
    size: usize,
    count: usize,
    classes: Vec<String>,
}
impl SceneGenerator {
    /// STUB
    pub fn new(seed: u64, size: usize, count: usize) -> Self {
        Self { seed, size, count, classes: vec!["red".into(), "blue".into()] }
    }
    /// STUB
    pub fn scene(&self, index: usize) -> Scene {
        let mut s = Stream::new(self.seed, "scene", 0, index as u64);
        let class = index % 2;
        let mut data = Vec::new();
        for _ in 0..self.size * self.size {
            let v = s.below(100) as u8;
            data.extend(if class == 0 { [v + 100, v, v] } else { [v, v, v + 100] });
        }
        Scene { image: Rgb8::new(self.size, self.size, data), class, labels: vec![true], boxes: vec![] }
    }
}
impl ImageSource for SceneGenerator {
    fn len(&self) -> usize {
        self.count
    }
    fn image(&self, index: usize) -> Result<Rgb8> {
        Ok(self.scene(index).image)
    }
    fn label(&self, index: usize) -> Option<usize> {
        Some(index % 2)
    }
    fn name(&self, index: usize) -> String {
        format!("scene {index}")
    }
    fn classes(&self) -> &[String] {
        &self.classes
    }
}
