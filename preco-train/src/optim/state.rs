//! The optimiser's state in a file, so that a resumed run continues bit by bit.
//!
//! A safetensors file: `adamw.exp_avg` and `adamw.exp_avg_sq` (f32, the flat buffer), `adamw.step` (i64, one value).

use std::io::{self, Write};
use std::path::Path;

use safetensors::{Dtype, SafeTensors};

use super::{AdamW, Error};

const M: &str = "adamw.exp_avg";
const V: &str = "adamw.exp_avg_sq";
const STEP: &str = "adamw.step";

impl AdamW {
    /// Writes the moments and the number of updates to `path`; the file is whole or absent.
    ///
    /// # Errors
    /// [`Error::Io`] with the path.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let write = |out: &mut dyn Write| {
            // By hand rather than through the format's crate, which would hold two more copies of both moments.
            let moment = 4 * self.m.len() as u64;
            let tensor = |dtype: &str, len, from: u64, to: u64| serde_json::json!({"dtype": dtype, "shape": [len], "data_offsets": [from, to]});
            let header = serde_json::json!({
                STEP: tensor("I64", 1, 0, 8),
                M: tensor("F32", self.m.len(), 8, 8 + moment),
                V: tensor("F32", self.v.len(), 8 + moment, 8 + 2 * moment),
            });
            let mut header = header.to_string();
            header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));
            out.write_all(&(header.len() as u64).to_le_bytes())?;
            out.write_all(header.as_bytes())?;
            out.write_all(&(self.step as i64).to_le_bytes())?;
            write_floats(out, &self.m)?;
            write_floats(out, &self.v)
        };
        let failed = |source| Error::Io { action: "write", path: path.into(), source };
        preco_core::files::write_atomic(path, write).map_err(failed)
    }

    /// Reads what [`AdamW::save`] wrote. On an error the optimiser is unchanged.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::State`] for a file of another kind or with impossible values, and [`Error::Length`] for
    /// the state of another model.
    pub fn load(&mut self, path: &Path) -> Result<(), Error> {
        let buffer = std::fs::read(path).map_err(|source| Error::Io { action: "read", path: path.into(), source })?;
        let bad = |reason: String| Error::State { path: path.into(), reason };
        let file = SafeTensors::deserialize(&buffer).map_err(|error| bad(error.to_string()))?;
        let part = |name: &str, dtype| {
            let view = file.tensor(name).map_err(|_| bad(format!("there is no {name}")))?;
            if view.dtype() == dtype && view.shape().len() == 1 {
                Ok(view)
            } else {
                Err(bad(format!("{name} is {:?} {:?}, not a row of {dtype:?}", view.dtype(), view.shape())))
            }
        };
        let (step, m, v) = (part(STEP, Dtype::I64)?, part(M, Dtype::F32)?, part(V, Dtype::F32)?);
        for view in [&m, &v] {
            if view.shape()[0] != self.m.len() {
                return Err(Error::Length { path: path.into(), file: view.shape()[0], model: self.m.len() });
            }
        }
        let step: [u8; 8] = step.data().try_into().map_err(|_| bad(format!("{STEP} is not one value")))?;
        let step = i64::from_le_bytes(step);
        let step = u64::try_from(step).map_err(|_| bad(format!("{STEP} is {step}")))?;
        let (m, v) = (floats(m.data()), floats(v.data()));
        if let Some(index) = m.iter().zip(&v).position(|(m, v)| !(m.is_finite() && v.is_finite() && *v >= 0.0)) {
            return Err(bad(format!("element {index} has moments {} and {}", m[index], v[index])));
        }
        (self.m, self.v, self.step) = (m, v, step);
        Ok(())
    }
}

fn write_floats(out: &mut dyn Write, values: &[f32]) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(1 << 16);
    for part in values.chunks(1 << 14) {
        bytes.clear();
        bytes.extend(part.iter().flat_map(|value| value.to_le_bytes()));
        out.write_all(&bytes)?;
    }
    Ok(())
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|raw| f32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]])).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{AdamWConfig, Group};
    use super::*;

    const LEN: usize = 20_011;

    fn fresh(len: usize) -> AdamW {
        AdamW::new(len, AdamWConfig::default()).expect("defaults are valid")
    }

    fn steps(optimiser: &mut AdamW, params: &mut [f32], from: usize, count: usize) {
        let groups = [Group { name: "g".to_owned(), range: 0..LEN, lr_scale: 1.0, decay: true }];
        for step in from..from + count {
            let grads: Vec<f32> = (0..LEN).map(|i| ((i * (step + 1)) as f32 * 0.37).sin()).collect();
            optimiser.update(params, &grads, &groups, 1e-3, 1.0);
        }
    }

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    #[test]
    fn a_fresh_optimiser_with_loaded_state_continues_with_equal_bits() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("optim.safetensors");
        let (mut one, mut params) = (fresh(LEN), vec![0.1; LEN]);
        steps(&mut one, &mut params, 0, 3);
        one.save(&path).expect("save");
        let mut resumed = params.clone();
        steps(&mut one, &mut params, 3, 5);
        let mut two = fresh(LEN);
        two.load(&path).expect("load");
        assert_eq!(two.step(), 3);
        steps(&mut two, &mut resumed, 3, 5);
        assert!(bits(&params) == bits(&resumed));
        assert!(bits(one.moments().0) == bits(two.moments().0) && bits(one.moments().1) == bits(two.moments().1));
        one.save(&path).expect("save over");
        let bytes = std::fs::read(&path).expect("read");
        two.save(&path).expect("save over");
        assert!(bytes == std::fs::read(&path).expect("read"), "the same state must give the same bytes");
    }

    #[test]
    fn what_is_no_state_of_this_model_is_refused_and_changes_nothing() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("optim.safetensors");
        let mut optimiser = fresh(LEN);
        let error = optimiser.load(&path).expect_err("absent").to_string();
        assert!(error.contains("cannot read"), "{error}");
        std::fs::write(&path, b"junk").expect("write");
        let error = optimiser.load(&path).expect_err("junk").to_string();
        assert!(error.contains("not a state of AdamW"), "{error}");
        fresh(7).save(&path).expect("save");
        let error = optimiser.load(&path).expect_err("another length").to_string();
        assert!(error.contains("7 parameters") && error.contains("20011"), "{error}");
        let mut broken = fresh(LEN);
        broken.v[12] = -1.0;
        broken.save(&path).expect("save");
        let error = optimiser.load(&path).expect_err("negative variance").to_string();
        assert!(error.contains("element 12"), "{error}");
        let mut layout = preco_core::nn::params::Layout::default();
        layout.add("norm.weight", &[LEN], preco_core::nn::params::Init::Constant(1.0), false, 0);
        layout.save(&layout.init(0), &path).expect("save weights");
        let error = optimiser.load(&path).expect_err("weights").to_string();
        assert!(error.contains("there is no adamw.step"), "{error}");
        assert!(optimiser.step() == 0 && optimiser.m.iter().all(|&m| m == 0.0));
    }
}
