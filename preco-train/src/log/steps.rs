//! The records of a log, one at a time: a run of a million steps is read in the memory of one line.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// The records of a file of JSON lines, in its order.
pub struct Steps<R> {
    path: PathBuf,
    file: BufReader<File>,
    line: Vec<u8>,
    number: usize,
    is_over: bool,
    kind: PhantomData<R>,
}

/// The records of kind `R` in the log at `path`, read as they are asked for.
///
/// A line that is JSON of another kind (an evaluation among steps) is passed over, and so is a last line without its
/// end, which a killed run leaves.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read; an item is [`Error::Data`] with its number where a line is no JSON. Nothing
/// follows an error.
///
/// # Example
/// ```
/// #[derive(serde::Deserialize)]
/// struct Step { loss: f64 }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = std::env::temp_dir().join(format!("preco-steps-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// let path = folder.join("log.jsonl");
/// std::fs::write(&path, "{\"loss\":2.5}\n{\"accuracy\":0.5}\n{\"loss\":1.5}\n{\"lo")?;
/// let losses = preco_train::log::read_steps::<Step>(&path)?.map(|step| step.map(|step| step.loss));
/// assert_eq!(losses.collect::<preco_train::error::Result<Vec<f64>>>()?, [2.5, 1.5]);
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok(())
/// # }
/// ```
pub fn read_steps<R: DeserializeOwned>(path: &Path) -> Result<Steps<R>> {
    let file = File::open(path).map_err(|source| Error::read(path, source))?;
    let file = BufReader::with_capacity(1 << 16, file);
    Ok(Steps { path: path.into(), file, line: Vec::new(), number: 0, is_over: false, kind: PhantomData })
}

impl<R: DeserializeOwned> Iterator for Steps<R> {
    type Item = Result<R>;

    fn next(&mut self) -> Option<Result<R>> {
        while !self.is_over {
            self.line.clear();
            self.number += 1;
            match self.file.read_until(b'\n', &mut self.line) {
                Ok(_) if self.line.ends_with(b"\n") => {}
                Ok(_) => break,
                Err(source) => {
                    self.is_over = true;
                    return Some(Err(Error::read(&self.path, source)));
                }
            }
            match serde_json::from_slice(&self.line) {
                Ok(record) => return Some(Ok(record)),
                Err(error) if error.is_data() => {}
                Err(error) => {
                    self.is_over = true;
                    let reason = format!("line {} is no JSON: {error}. Remove the line", self.number);
                    return Some(Err(Error::data(&self.path, reason)));
                }
            }
        }
        self.is_over = true;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Step {
        step: u64,
        loss: Option<f64>,
    }

    fn read(text: &[u8]) -> Vec<std::result::Result<(u64, Option<f64>), String>> {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("log.jsonl");
        std::fs::write(&path, text).expect("write");
        let steps = read_steps::<Step>(&path).expect("open");
        steps.map(|step| step.map(|s| (s.step, s.loss)).map_err(|error| error.to_string())).collect()
    }

    #[test]
    fn records_come_in_order_and_other_kinds_are_passed_over() {
        let text = b"{\"step\":1,\"loss\":0.5}\n{\"accuracy\":1}\n{\"step\":2,\"loss\":null}\n";
        assert_eq!(read(text), [Ok((1, Some(0.5))), Ok((2, None))]);
        assert_eq!(read(b""), []);
    }

    #[test]
    fn half_a_line_at_the_end_is_no_record() {
        assert_eq!(read(b"{\"step\":1}\n{\"step\":2,\"lo"), [Ok((1, None))]);
        // Whole as JSON, but who knows whether more digits were to come.
        assert_eq!(read(b"{\"step\":1}\n{\"step\":2}"), [Ok((1, None))]);
    }

    #[test]
    fn a_broken_line_before_the_end_is_named_and_ends_the_reading() {
        let found = read(b"{\"step\":1}\n\0\0\0\n{\"step\":3}\n");
        assert_eq!((found.len(), &found[0]), (2, &Ok((1, None))));
        let message = found[1].as_ref().expect_err("line 2 is broken");
        assert!(message.contains("log.jsonl: line 2 is no JSON"), "{message}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read_steps::<Step>(Path::new("/nowhere/log.jsonl")).err().expect("no file").to_string();
        assert!(error.starts_with("cannot read /nowhere/log.jsonl: "), "{error}");
    }
}
