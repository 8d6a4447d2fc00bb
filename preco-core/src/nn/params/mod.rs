//! All parameters of a model in one flat buffer, cut into named segments.
//!
//! One buffer means one optimiser update, one clipping norm, one average, one reduction between machines and one
//! checkpoint. Gradients and optimiser moments are buffers of the same length, cut by the same [`Layout`].

use std::ops::Range;

use rayon::prelude::*;

use crate::rng::Stream;

mod stored;

pub use stored::{Matched, Overlay, Stored};

/// How a segment starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Every element has this value.
    Constant(f32),
    /// Normal with mean 0 and this standard deviation. The truncation at ±2 that timm asks for never bites at 0.02.
    Normal(f32),
    /// Uniform in ±bound: PyTorch's default for convolutions, bound `1/√fan_in`.
    Uniform(f32),
}

/// One parameter tensor.
#[derive(Clone, Debug)]
pub struct Segment {
    /// timm's name, such as `layers.2.blocks.5.attn.qkv.weight`.
    pub name: String,
    /// Row-major shape, as in the checkpoint.
    pub shape: Vec<usize>,
    /// Where it lies in the flat buffer.
    pub range: Range<usize>,
    /// How it starts.
    pub init: Init,
    /// False for norms, biases, relative-position tables and tokens: weight decay must not pull them to zero.
    pub decay: bool,
    /// Position from the input for layer-wise learning-rate decay: 0 is the patch embedding.
    pub depth: usize,
}

/// Segments start at multiples of this many elements: 16 bytes in bf16, which tensor cores read at once. What lies between
/// two segments is zero and stays so.
const ALIGNMENT: usize = 8;

/// The segments of a model, in buffer order.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    segments: Vec<Segment>,
    len: usize,
}

impl Layout {
    /// Appends a segment and returns its range.
    pub fn add(
        &mut self,
        name: impl Into<String>,
        shape: &[usize],
        init: Init,
        decay: bool,
        depth: usize,
    ) -> Range<usize> {
        let start = self.len.next_multiple_of(ALIGNMENT);
        let range = start..start + shape.iter().product::<usize>();
        self.len = range.end;
        self.segments.push(Segment {
            name: name.into(),
            shape: shape.to_vec(),
            range: range.clone(),
            init,
            decay,
            depth,
        });
        range
    }

    /// The segments in buffer order.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The segment called `name`.
    pub fn get(&self, name: &str) -> Option<&Segment> {
        self.segments.iter().find(|segment| segment.name == name)
    }

    /// Elements of the flat buffer, those between segments included.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True where there is no segment.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of parameters.
    pub fn parameters(&self) -> usize {
        self.segments.iter().map(|segment| segment.range.len()).sum()
    }

    /// Number of layers for layer-wise decay: one more than the deepest segment.
    pub fn depths(&self) -> usize {
        self.segments.iter().map(|segment| segment.depth + 1).max().unwrap_or(0)
    }

    /// Fresh parameters. Each segment draws from its own stream, so adding a head does not change the encoder's start.
    ///
    /// # Randomness
    /// Stream `(seed, "init", 0, fnv1a64(name))`.
    pub fn init(&self, seed: u64) -> Vec<f32> {
        let mut values = vec![0.0; self.len];
        let mut rest = values.as_mut_slice();
        let mut parts = Vec::with_capacity(self.segments.len());
        let mut done = 0;
        for segment in &self.segments {
            let (_, tail) = rest.split_at_mut(segment.range.start - done);
            let (part, tail) = tail.split_at_mut(segment.range.len());
            parts.push((segment, part));
            (rest, done) = (tail, segment.range.end);
        }
        parts.into_par_iter().for_each(|(segment, part)| {
            let mut stream = Stream::new(seed, "init", 0, crate::rng::fnv1a64(&segment.name));
            match segment.init {
                Init::Constant(value) => part.fill(value),
                Init::Normal(deviation) => part.fill_with(|| stream.normal() as f32 * deviation),
                Init::Uniform(bound) => {
                    part.fill_with(|| stream.between(f64::from(-bound), f64::from(bound)) as f32);
                }
            }
        });
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> Layout {
        let mut layout = Layout::default();
        layout.add("a.weight", &[3, 4], Init::Normal(0.02), true, 0);
        layout.add("a.bias", &[3], Init::Constant(0.5), false, 1);
        layout.add("b.weight", &[1000], Init::Uniform(0.1), true, 2);
        layout
    }

    #[test]
    fn segments_start_by_their_rule_and_by_name() {
        let layout = layout();
        let values = layout.init(3);
        assert!(values[16..19].iter().all(|&value| value == 0.5));
        assert!([12..16, 19..24].into_iter().flatten().all(|between| values[between] == 0.0));
        assert_eq!((layout.len(), layout.parameters()), (1024, 1015));
        let uniform = &values[layout.get("b.weight").expect("segment").range.clone()];
        assert!(uniform.iter().all(|value| value.abs() <= 0.1) && uniform.iter().any(|value| value.abs() > 0.09));
        let mut longer = Layout::default();
        longer.add("head", &[7], Init::Normal(1.0), true, 0);
        longer.add("a.weight", &[3, 4], Init::Normal(0.02), true, 0);
        assert_eq!(longer.init(3)[8..], values[..12], "a segment added in front changed the numbers of another");
        assert_ne!(layout.init(4)[..12], values[..12]);
    }

    #[test]
    fn saved_values_come_back_and_every_name_is_reported() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("model.safetensors");
        let layout = layout();
        let values = layout.init(3);
        layout.save(&values, &path).expect("save");
        let mut other = Layout::default();
        other.add("b.weight", &[1000], Init::Constant(0.0), true, 0);
        other.add("c.weight", &[2], Init::Constant(7.0), true, 0);
        let mut read = other.init(0);
        let report = other.overlay(&mut read, &path).expect("overlay");
        assert_eq!(read[..1000], values[24..]);
        assert_eq!(read[1000..], [7.0, 7.0]);
        assert_eq!(report.loaded, ["b.weight"]);
        assert_eq!(report.missing, ["c.weight"]);
        assert_eq!(report.unexpected, ["a.bias", "a.weight"]);
        let bytes = std::fs::read(&path).expect("read");
        layout.save(&values, &path).expect("save again");
        assert_eq!(bytes, std::fs::read(&path).expect("read"), "the same weights must give the same bytes");
    }

    #[test]
    fn a_part_can_be_saved_alone() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("part.safetensors");
        let layout = layout();
        layout.save_where(&layout.init(3), &path, |segment| segment.name.starts_with("a.")).expect("save");
        let report = layout.overlay(&mut layout.init(4), &path).expect("overlay");
        assert_eq!(
            (report.loaded, report.missing),
            (vec!["a.weight".into(), "a.bias".into()], vec!["b.weight".into()])
        );
    }

    #[test]
    fn another_shape_is_an_error_that_names_both() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("model.safetensors");
        layout().save(&layout().init(3), &path).expect("save");
        let mut other = Layout::default();
        other.add("a.bias", &[4], Init::Constant(1.0), false, 0);
        let mut values = other.init(0);
        let error = other.overlay(&mut values, &path).expect_err("shapes differ").to_string();
        assert!(error.contains("a.bias") && error.contains("[3]") && error.contains("[4]"), "{error}");
        assert_eq!(values, [1.0; 4]);
    }
}
