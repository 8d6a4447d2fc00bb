//! JSON files read field by field, with the file and the field in every error.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, Result};

/// A JSON file in memory.
pub(super) struct Document<'a> {
    path: &'a Path,
    root: Value,
}

impl<'a> Document<'a> {
    /// Reads `path`.
    pub(super) fn read(path: &'a Path) -> Result<Self> {
        let text =
            std::fs::read_to_string(path).map_err(|source| Error::Io { action: "read", path: path.into(), source })?;
        Self::parse(&text, path)
    }

    /// The document in `text`, which errors call `path`.
    pub(super) fn parse(text: &str, path: &'a Path) -> Result<Self> {
        let root = serde_json::from_str(text).map_err(|error| Error::Spec {
            path: path.into(),
            field: "the file".to_owned(),
            reason: format!("is not JSON: {error}"),
        })?;
        Ok(Self { path, root })
    }

    /// The value at `field`, a path of keys joined by dots.
    pub(super) fn get<T: DeserializeOwned>(&self, field: &str) -> Result<T> {
        let value = self.find(field).ok_or_else(|| self.wrong(field, "is missing"))?;
        T::deserialize(value).map_err(|error| self.wrong(field, format!("{value} cannot be used: {error}")))
    }

    /// The value at `field`, or `None` where there is none or it is null.
    pub(super) fn find(&self, field: &str) -> Option<&Value> {
        field.split('.').try_fold(&self.root, |value, key| value.get(key)).filter(|value| !value.is_null())
    }

    /// Checks that `field` says `expected`, which another field has said already.
    pub(super) fn agree(&self, field: &str, expected: &Value, with: &str) -> Result<()> {
        match self.find(field) {
            Some(value) if same(value, expected) => Ok(()),
            Some(value) => Err(self.wrong(field, format!("is {value}, but {with} says {expected}"))),
            None => Err(self.wrong(field, "is missing")),
        }
    }

    /// Refuses keys of the object at `field` other than `known`: a newer format, or a misspelt name.
    pub(super) fn only(&self, field: &str, known: &[&str]) -> Result<()> {
        let object = self.find(field).and_then(Value::as_object).into_iter().flatten();
        match object.map(|(key, _)| key).find(|key| !known.contains(&key.as_str())) {
            Some(key) => {
                Err(self.wrong(&format!("{field}.{key}"), format!("is unknown; known are {}", known.join(", "))))
            }
            None => Ok(()),
        }
    }

    /// An error about `field`.
    pub(super) fn wrong(&self, field: &str, reason: impl Into<String>) -> Error {
        Error::Spec { path: self.path.into(), field: field.to_owned(), reason: reason.into() }
    }
}

/// Equality in which 4 and 4.0 are one number.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        _ => a == b,
    }
}

/// Values as people wrote them: 0.485 and not the nearest f32's 0.4850000143051147.
pub(super) fn decimals(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| value.to_string().parse().unwrap_or_else(|_| f64::from(value))).collect()
}

/// `value` with line breaks.
pub(super) fn text(value: &Value) -> String {
    format!("{value:#}\n")
}

/// Writes `value` with line breaks; the file is whole or absent.
pub(super) fn write(value: &Value, path: &Path) -> Result<()> {
    crate::files::write_atomic(path, |out| out.write_all(text(value).as_bytes())).map_err(|source| Error::Io {
        action: "write",
        path: path.into(),
        source,
    })
}
