//! One golden case: its configuration, its tensors, and what has been compared so far.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::Value;

use crate::formula::{self, Formula};

pub(crate) struct Tensor {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Values,
    pub(crate) atol: Option<f64>,
}

pub(crate) enum Values {
    F32(Vec<f32>),
    I64(Vec<i64>),
    U8(Vec<u8>),
}

/// A golden case. Expected are the tensors that carry a tolerance and are neither inputs (`in.`) nor weights (`w.`).
pub struct Case {
    /// The folder, such as `swin`.
    pub family: String,
    /// The file's stem, such as `pad_w4`.
    pub name: String,
    /// The JSON's `config`; null where the file has none.
    pub config: Value,
    /// The whole JSON, for families that are tables.
    pub json: Value,
    /// Files of other kinds whose names begin with the case's, such as pictures.
    pub files: Vec<PathBuf>,
    tensors: BTreeMap<String, Tensor>,
    compared: RefCell<BTreeSet<String>>,
    failures: RefCell<Vec<String>>,
    finished: Cell<bool>,
}

impl Drop for Case {
    /// A case that nobody finished would pass whatever was found.
    fn drop(&mut self) {
        assert!(
            self.finished.get() || std::thread::panicking(),
            "{}/{} was dropped without finish()",
            self.family,
            self.name
        );
    }
}

impl Case {
    pub(crate) fn new(family: &str, name: &str, json: Value, tensors: BTreeMap<String, Tensor>) -> Self {
        Self {
            family: family.to_owned(),
            name: name.to_owned(),
            config: json.get("config").cloned().unwrap_or_default(),
            json,
            files: Vec::new(),
            tensors,
            compared: RefCell::default(),
            failures: RefCell::default(),
            finished: Cell::new(false),
        }
    }

    /// The f32 values of a tensor.
    pub fn tensor(&self, name: &str) -> &[f32] {
        match &self.entry(name).values {
            Values::F32(values) => values,
            _ => panic!("{name} of {}/{} is not f32", self.family, self.name),
        }
    }

    /// The bytes of a tensor: masks and booleans.
    pub fn bytes(&self, name: &str) -> &[u8] {
        match &self.entry(name).values {
            Values::U8(values) => values,
            _ => panic!("{name} of {}/{} is not u8", self.family, self.name),
        }
    }

    /// The integers of a tensor: indices and labels.
    pub fn integers(&self, name: &str) -> &[i64] {
        match &self.entry(name).values {
            Values::I64(values) => values,
            _ => panic!("{name} of {}/{} is not i64", self.family, self.name),
        }
    }

    /// The shape of a tensor.
    pub fn shape(&self, name: &str) -> &[usize] {
        &self.entry(name).shape
    }

    /// Whether there is a tensor of this name.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// The tensors called `<prefix>.<something>`, by name; the prefix ends at the name's first point.
    pub fn names(&self, prefix: &str) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str).filter(move |name| first_part(name) == prefix)
    }

    /// The weight `name` (without `w.`): by formula where `config.weights` is `F1` or `F2`, else the file's.
    pub fn weight(&self, name: &str, shape: &[usize]) -> Vec<f32> {
        match self.config.get("weights").and_then(Value::as_str) {
            Some("F1") => formula::weight(Formula::F1, name, shape),
            Some("F2") => formula::weight(Formula::F2, name, shape),
            None | Some("shipped") => {
                let name = format!("w.{name}");
                assert_eq!(self.shape(&name), shape, "{name} of {}/{}: golden and ours", self.family, self.name);
                self.tensor(&name).to_vec()
            }
            Some(other) => self.unknown(&format!("weights {other:?}")),
        }
    }

    /// The input `in.image` of `len` values, or the formula's of name `config.input_name` where it is not in the file.
    pub fn image(&self, len: usize) -> Vec<f32> {
        if self.has("in.image") {
            let image = self.tensor("in.image");
            assert_eq!(image.len(), len, "in.image of {}/{}: golden and ours", self.family, self.name);
            return image.to_vec();
        }
        let kind = if self.text("weights") == "F1" { Formula::F1 } else { Formula::F2 };
        formula::wave(kind, self.text("input_name"), len, 0.0, 1.0)
    }

    /// Compares f32 values with a tensor of the file and remembers that it was compared.
    pub fn check(&self, name: &str, ours: &[f32]) {
        self.check_values(name, ours.iter().map(|&value| f64::from(value)));
    }

    /// The same for anything that becomes f64 (bytes, indices, f64 results).
    pub fn check_values(&self, name: &str, ours: impl ExactSizeIterator<Item = f64>) {
        let tensor = self.entry(name);
        let Some(atol) = tensor.atol else { panic!("{name} of {}/{} has no tolerance", self.family, self.name) };
        let outcome = match &tensor.values {
            Values::F32(golden) => crate::compare::within(name, ours, golden.iter().map(|&v| f64::from(v)), atol),
            Values::I64(golden) => crate::compare::within(name, ours, golden.iter().map(|&v| v as f64), atol),
            Values::U8(golden) => crate::compare::within(name, ours, golden.iter().map(|&v| f64::from(v)), atol),
        };
        self.compared.borrow_mut().insert(name.to_owned());
        if let Err(report) = outcome {
            self.fail(report);
        }
    }

    /// Compares the first and last 64 values of a formula tensor with `formula_head.<name>` and `formula_tail.<name>`,
    /// where the file has them.
    pub fn check_formula(&self, name: &str, values: &[f32]) {
        let ends = 64.min(values.len());
        for (part, values) in [("head", &values[..ends]), ("tail", &values[values.len() - ends..])] {
            let name = format!("formula_{part}.{name}");
            if self.has(&name) {
                self.check(&name, values);
            }
        }
    }

    /// Says loudly that the tensors with this name or prefix are not compared, and why.
    pub fn leave_out(&self, name_or_prefix: &str, why: &str) {
        let names: Vec<String> =
            self.expected().filter(|name| *name == name_or_prefix || first_part(name) == name_or_prefix).collect();
        assert!(!names.is_empty(), "{}/{} has no {name_or_prefix} to leave out", self.family, self.name);
        crate::folder::say(&format!(
            "golden {}/{}: {} tensors of {name_or_prefix} are NOT COMPARED: {why}",
            self.family,
            self.name,
            names.len()
        ));
        self.compared.borrow_mut().extend(names);
    }

    /// Fails the case where a tensor's first part is not known to the test.
    pub fn only_prefixes(&self, known: &[&str]) {
        let prefixes: BTreeSet<&str> = self.tensors.keys().map(|name| first_part(name)).collect();
        for prefix in prefixes.into_iter().filter(|prefix| !known.contains(prefix)) {
            self.fail(format!("tensors {prefix}.* are not understood by this test"));
        }
    }

    /// Records a failure and goes on, so that a run reports every tensor that is off.
    pub fn fail(&self, report: String) {
        self.failures.borrow_mut().push(report);
    }

    /// Ends the case.
    ///
    /// # Errors
    /// All failures, and the expected tensors that were never compared.
    pub fn finish(self) -> Result<(), String> {
        self.finished.set(true);
        let mut failures = self.failures.take();
        let compared = self.compared.borrow();
        let forgotten: Vec<String> = self.expected().filter(|name| !compared.contains(name)).collect();
        if !forgotten.is_empty() {
            failures.push(format!("{} expected tensors were never compared: {}", forgotten.len(), forgotten.join(" ")));
        }
        if failures.is_empty() { Ok(()) } else { Err(failures.join("\n")) }
    }

    /// After a panic the tensors not reached are no news.
    pub(crate) fn forgive_uncompared(&self) {
        self.compared.borrow_mut().extend(self.expected());
    }

    fn expected(&self) -> impl Iterator<Item = String> {
        self.tensors
            .iter()
            .filter(|(name, tensor)| tensor.atol.is_some() && !["in", "w"].contains(&first_part(name)))
            .map(|(name, _)| name.clone())
    }

    fn entry(&self, name: &str) -> &Tensor {
        self.tensors.get(name).unwrap_or_else(|| panic!("{}/{} has no tensor {name}", self.family, self.name))
    }
}

fn first_part(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

/// Two expected tensors and an input: enough to test the harness.
#[cfg(test)]
pub(crate) fn toy() -> Case {
    let tensor = |values: &[f32], atol| Tensor { shape: vec![values.len()], values: Values::F32(values.into()), atol };
    let tensors = [
        ("in.x", tensor(&[5.0], Some(0.0))),
        ("out.a", tensor(&[1.0, 2.0], Some(1e-6))),
        ("out.b", tensor(&[3.0], Some(0.0))),
    ];
    let json = serde_json::json!({"config": {"embed": 16, "edge_policy": "timm", "depths": [2, 2]}});
    Case::new("toy", "toy", json, tensors.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect())
}

#[cfg(test)]
mod tests {
    use super::toy;

    #[test]
    fn a_wrong_value_fails_the_case() {
        let case = toy();
        case.check("out.a", &[1.0, 2.1]);
        case.check("out.b", &[3.0]);
        let report = case.finish().expect_err("out.a is off");
        assert!(report.contains("out.a") && report.contains("[1]"), "{report}");
    }

    #[test]
    #[should_panic(expected = "without finish")]
    fn a_case_nobody_finished_panics() {
        drop(toy());
    }

    #[test]
    fn what_the_test_does_not_know_fails_the_case() {
        let case = toy();
        case.only_keys(&["embed", "depths"]);
        case.only_prefixes(&["in"]);
        case.leave_out("out", "this test is about keys");
        let report = case.finish().expect_err("unknown key and prefix");
        assert!(report.contains("config.edge_policy") && report.contains("out.*"), "{report}");
    }
}
