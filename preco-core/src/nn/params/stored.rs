//! Parameters as safetensors files: written in f32 or bf16, read from those and f16, whole or in shards.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use rayon::prelude::*;
use safetensors::{Dtype, SafeTensors};

use super::{Layout, Segment};
use crate::error::{Error, Result};

impl Layout {
    /// Writes the segments as a safetensors file under their names, in f32.
    ///
    /// # Errors
    /// [`Error::Io`] with the path. The file is whole or absent.
    pub fn save(&self, values: &[f32], path: &Path) -> Result<()> {
        self.save_where(values, path, |_| true)
    }

    /// [`Layout::save`] of the segments that `keep` chooses: an encoder without its decoder.
    ///
    /// # Errors
    /// [`Error::Io`] with the path. The file is whole or absent.
    pub fn save_where(&self, values: &[f32], path: &Path, keep: impl Fn(&Segment) -> bool) -> Result<()> {
        let buffer = self.to_safetensors(values, Stored::F32, keep);
        let buffer = buffer.map_err(|reason| Error::Checkpoint { path: path.into(), reason })?;
        crate::files::write_atomic(path, |out| out.write_all(&buffer)).map_err(|source| Error::Io {
            action: "write",
            path: path.into(),
            source,
        })
    }

    /// The bytes of a safetensors file with the segments that `keep` chooses; the same values give the same bytes.
    ///
    /// # Errors
    /// The format's own words.
    pub fn to_safetensors(
        &self,
        values: &[f32],
        stored: Stored,
        keep: impl Fn(&Segment) -> bool,
    ) -> std::result::Result<Vec<u8>, String> {
        assert_eq!(values.len(), self.len, "values belong to another layout");
        let bytes: Vec<(String, SegmentBytes)> = self
            .segments
            .iter()
            .filter(|segment| keep(segment))
            .map(|segment| {
                let part = &values[segment.range.clone()];
                let bytes = match stored {
                    Stored::F32 => part.iter().flat_map(|value| value.to_le_bytes()).collect(),
                    Stored::Bf16 => part.iter().flat_map(|value| half::bf16::from_f32(*value).to_le_bytes()).collect(),
                };
                (segment.name.clone(), SegmentBytes { stored, shape: segment.shape.clone(), bytes })
            })
            .collect();
        // One metadata key only: the format's writer keeps them in a hash map, and two would make the bytes differ.
        let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        safetensors::serialize(bytes, Some(metadata)).map_err(|error| error.to_string())
    }

    /// Copies the tensors of a safetensors file (f32, f16 or bf16) over the segments of the same name; says what
    /// happened to every name on either side.
    ///
    /// # Errors
    /// As [`Layout::matched`], and [`Error::Io`]. `values` is then unchanged.
    pub fn overlay(&self, values: &mut [f32], path: &Path) -> Result<Overlay> {
        let buffer = std::fs::read(path).map_err(|source| Error::Io { action: "read", path: path.into(), source })?;
        let matched = self.matched(&[(path, &buffer)])?;
        matched.copy_to(values);
        Ok(matched.report)
    }

    /// Finds the segments in safetensors files in memory, one or several shards, which errors call by their paths.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] for a file that is not safetensors, a type that holds no weights and a tensor that two files
    /// hold; [`Error::Shape`] where a tensor of the right name has another shape.
    pub fn matched<'a>(&'a self, files: &[(&Path, &'a [u8])]) -> Result<Matched<'a>> {
        let bad = |path: &Path, reason: String| Error::Checkpoint { path: path.into(), reason };
        let mut tensors = HashMap::new();
        for &(path, buffer) in files {
            let file = SafeTensors::deserialize(buffer).map_err(|error| bad(path, error.to_string()))?;
            for (name, view) in file.tensors() {
                if let Some((first, _)) = tensors.insert(name.clone(), (path, view)) {
                    return Err(bad(path, format!("{name} is in {} as well", Path::display(first))));
                }
            }
        }
        let (mut found, mut report) = (Vec::new(), Overlay::default());
        for segment in &self.segments {
            let Some((path, view)) = tensors.get(&segment.name) else {
                report.missing.push(segment.name.clone());
                continue;
            };
            if view.shape() != segment.shape {
                return Err(Error::Shape {
                    path: path.to_path_buf(),
                    name: segment.name.clone(),
                    file: view.shape().to_vec(),
                    model: segment.shape.clone(),
                });
            }
            if !matches!(view.dtype(), Dtype::F32 | Dtype::F16 | Dtype::BF16) {
                return Err(bad(
                    path,
                    format!("{} has type {:?}; f32, f16 or bf16 is needed", segment.name, view.dtype()),
                ));
            }
            found.push((segment, view.dtype(), view.data()));
            report.loaded.push(segment.name.clone());
        }
        let known: HashSet<&str> = self.segments.iter().map(|segment| segment.name.as_str()).collect();
        report.unexpected = tensors.into_keys().filter(|name| !known.contains(name.as_str())).collect();
        report.unexpected.sort_unstable();
        Ok(Matched { len: self.len, found, report })
    }
}

/// The segments of a layout and where files hold them.
pub struct Matched<'a> {
    len: usize,
    found: Vec<(&'a Segment, Dtype, &'a [u8])>,
    /// What there is for every name.
    pub report: Overlay,
}

impl Matched<'_> {
    /// Copies what was found over the layout's `values`; the others keep theirs.
    ///
    /// # Panics
    /// Where `values` belong to another layout.
    pub fn copy_to(&self, values: &mut [f32]) {
        assert_eq!(values.len(), self.len, "values belong to another layout");
        let mut parts = Vec::with_capacity(self.found.len());
        let (mut rest, mut done) = (values, 0);
        for &(segment, dtype, bytes) in &self.found {
            let (part, tail) = rest[segment.range.start - done..].split_at_mut(segment.range.len());
            parts.push((part, dtype, bytes));
            (rest, done) = (tail, segment.range.end);
        }
        parts.into_par_iter().for_each(|(part, dtype, bytes)| widen(dtype, bytes, part));
    }
}

/// What became of every name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overlay {
    /// In the file and in the model.
    pub loaded: Vec<String>,
    /// In the model only; these keep their values.
    pub missing: Vec<String>,
    /// In the file only; these are ignored.
    pub unexpected: Vec<String>,
}

/// The type of stored weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stored {
    /// As they were trained.
    #[default]
    F32,
    /// Rounded: half the size.
    Bf16,
}

struct SegmentBytes {
    stored: Stored,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl safetensors::View for SegmentBytes {
    fn dtype(&self) -> Dtype {
        match self.stored {
            Stored::F32 => Dtype::F32,
            Stored::Bf16 => Dtype::BF16,
        }
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> std::borrow::Cow<'_, [u8]> {
        (&self.bytes).into()
    }
    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// Little-endian floats of `dtype` to f32.
fn widen(dtype: Dtype, bytes: &[u8], out: &mut [f32]) {
    use half::{bf16, f16};
    match dtype {
        Dtype::F16 => {
            for (value, raw) in out.iter_mut().zip(bytes.chunks_exact(2)) {
                *value = f16::from_le_bytes([raw[0], raw[1]]).to_f32();
            }
        }
        Dtype::BF16 => {
            for (value, raw) in out.iter_mut().zip(bytes.chunks_exact(2)) {
                *value = bf16::from_le_bytes([raw[0], raw[1]]).to_f32();
            }
        }
        // The caller has looked at the type: what is left is f32.
        _ => {
            for (value, raw) in out.iter_mut().zip(bytes.chunks_exact(4)) {
                *value = f32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::params::Init;

    #[test]
    fn shards_are_one_file_and_a_tensor_in_two_of_them_is_refused() {
        let mut layout = Layout::default();
        layout.add("a", &[3], Init::Normal(1.0), true, 0);
        layout.add("b", &[2, 2], Init::Normal(1.0), true, 0);
        let values = layout.init(3);
        let shard = |name: &str| layout.to_safetensors(&values, Stored::F32, |s| s.name == name).expect("bytes");
        let (a, b) = (shard("a"), shard("b"));
        let (one, two) = (Path::new("1"), Path::new("2"));
        let matched = layout.matched(&[(two, &b), (one, &a)]).expect("shards");
        assert_eq!((matched.report.missing.len(), matched.report.unexpected.len()), (0, 0));
        let mut read = vec![0.0; layout.len()];
        matched.copy_to(&mut read);
        assert_eq!(read, values);
        let twice = layout.matched(&[(one, &a), (two, &a)]).err().expect("twice").to_string();
        assert!(twice.contains("a is in 1 as well"), "{twice}");
    }
}
