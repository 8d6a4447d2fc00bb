//! From a `.json` and a `.safetensors` of the same stem to a [`Case`].

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

use crate::case::{Case, Tensor, Values};

/// Reads case `name` in `folder`. Anything odd about the files is a panic with their path: a golden set that is damaged
/// must not look like one that passed.
pub(crate) fn case(folder: &Path, family: &str, name: &str) -> Case {
    let path = folder.join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let json: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let path = folder.join(format!("{name}.safetensors"));
    let listed = json.get("tensors").and_then(Value::as_object);
    let mut tensors = BTreeMap::new();
    if path.exists() {
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let file =
            SafeTensors::deserialize(&bytes).unwrap_or_else(|error| panic!("{} is damaged: {error}", path.display()));
        for (tensor, view) in file.iter() {
            let entry = listed
                .and_then(|listed| listed.get(tensor))
                .unwrap_or_else(|| panic!("{} holds {tensor}, which its JSON does not describe", path.display()));
            let shape = sizes(&entry["shape"]);
            assert_eq!(view.shape(), shape, "{tensor} of {}: file and JSON differ", path.display());
            let atol = entry.get("atol").and_then(Value::as_f64);
            let values = values(view.dtype(), view.data())
                .unwrap_or_else(|| panic!("{tensor} of {} has type {:?}", path.display(), view.dtype()));
            tensors.insert(tensor.to_owned(), Tensor { shape, values, atol });
        }
    }
    let described = listed.map_or(0, serde_json::Map::len);
    assert_eq!(tensors.len(), described, "{family}/{name}: tensors present and tensors described");
    Case::new(family, name, json, tensors)
}

fn sizes(value: &Value) -> Vec<usize> {
    let sizes = value.as_array().expect("a shape is an array");
    sizes.iter().map(|size| size.as_u64().expect("a shape holds sizes") as usize).collect()
}

fn values(dtype: Dtype, bytes: &[u8]) -> Option<Values> {
    let f32_of = |raw: &[u8]| f32::from_le_bytes(raw.try_into().expect("4 bytes"));
    let i64_of = |raw: &[u8]| i64::from_le_bytes(raw.try_into().expect("8 bytes"));
    match dtype {
        Dtype::F32 => Some(Values::F32(bytes.chunks_exact(4).map(f32_of).collect())),
        Dtype::I64 => Some(Values::I64(bytes.chunks_exact(8).map(i64_of).collect())),
        Dtype::U8 => Some(Values::U8(bytes.to_vec())),
        _ => None,
    }
}
