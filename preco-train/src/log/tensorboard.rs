//! TensorBoard's event files: a run's numbers and pictures while it goes on, without TensorFlow.
//!
//! A file is a row of records ([`event`]), each an event in protobuf. TensorBoard reads the files of a folder by name, and
//! names begin with the second in which a file was made; one that says `START` takes back what earlier files said of its
//! step and later ones. Values are stored as f32. Never reads what it wrote, and never deletes a file.

mod clock;
mod crc32c;
mod event;
mod protobuf;

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use preco_core::imagery::{Image8, encode_png};

use crate::error::{Error, Result};
use clock::Clock;
use event::Event;

const PREFIX: &str = "events.out.tfevents.";

/// A file that TensorBoard shows while it grows.
///
/// # Example
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = std::env::temp_dir().join(format!("preco-events-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// let mut events = preco_train::log::EventFile::create(&folder, None)?;
/// events.scalars(1, &[("loss/total", 0.75), ("train/lr", 1e-4)])?;
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    file: File,
    /// Bytes of whole records.
    whole: u64,
    clock: Clock,
}

impl EventFile {
    /// A new file in `folder`, which must exist. What TensorBoard shows of earlier files there is what they say of the
    /// steps up to `resume_at`, the updates that are done; of none where the run starts afresh.
    ///
    /// # Errors
    /// [`Error::Io`] with the path.
    pub fn create(folder: &Path, resume_at: Option<u64>) -> Result<Self> {
        Self::create_at(folder, resume_at, SystemTime::now())
    }

    /// Records values by tag. Those beyond the range of f32 become infinite.
    ///
    /// # Errors
    /// [`Error::Io`] with the path; the file then ends with its last whole record.
    pub fn scalars(&mut self, step: u64, values: &[(&str, f64)]) -> Result<()> {
        self.write(step, &Event::Scalars(values))
    }

    /// Records a picture.
    ///
    /// # Errors
    /// [`Error::Io`] with the path, also for an image without pixels; the file then ends with its last whole record.
    pub fn image(&mut self, step: u64, tag: &str, image: &Image8) -> Result<()> {
        let mut png = Vec::new();
        encode_png(image, &mut png).map_err(|source| failed(&self.path, source))?;
        self.write(step, &Event::Image { tag, size: [image.width(), image.height()], png: &png })
    }

    /// Returns once all that was recorded lies on the disk. TensorBoard sees it without that, and a killed process loses
    /// nothing; this is against a loss of power.
    ///
    /// # Errors
    /// [`Error::Io`] with the path.
    pub fn flush(&mut self) -> Result<()> {
        self.file.sync_data().map_err(|source| failed(&self.path, source))
    }

    /// Where the file lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn create_at(folder: &Path, resume_at: Option<u64>, now: SystemTime) -> Result<Self> {
        // The name decides what is read first, so a clock that was set back must not put this file before an older one.
        let after = newest(folder).map_err(|source| Error::read(folder, source))?.map_or(0, |second| second + 1);
        let mut clock = Clock::starting_at(after as f64);
        let second = clock.at(now) as u64;
        let (path, file) = unused(folder, second)?;
        let mut events = Self { path, file, whole: 0, clock };
        events.write(0, &Event::Version)?;
        events.write(resume_at.map_or(0, |done| done.saturating_add(1)), &Event::Start)?;
        Ok(events)
    }

    fn write(&mut self, step: u64, event: &Event<'_>) -> Result<()> {
        let record = event.record(self.clock.at(SystemTime::now()), step);
        // One write call a record: no buffer to lose.
        if let Err(source) = self.file.write_all(&record) {
            // Half a record would hide all later ones. Where even this fails, the first reason is the one to tell.
            let _ = self.file.set_len(self.whole);
            return Err(failed(&self.path, source));
        }
        self.whole += record.len() as u64;
        Ok(())
    }
}

/// The latest second in the names of the event files of `folder`.
fn newest(folder: &Path) -> io::Result<Option<u64>> {
    let mut newest = None;
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let second = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('.').next()?.parse::<u32>().ok());
        newest = newest.max(second.map(u64::from));
    }
    Ok(newest)
}

/// A file that was not there before. Another process may take a name in the same second.
fn unused(folder: &Path, second: u64) -> Result<(PathBuf, File)> {
    let mut number = 0;
    loop {
        // Ten digits, so that the order of names is the order of seconds.
        let path = folder.join(format!("{PREFIX}{second:010}.preco.{}.{number}", std::process::id()));
        match File::options().append(true).create_new(true).open(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(failed(&path, error)),
        }
    }
}

fn failed(path: &Path, source: io::Error) -> Error {
    Error::Io { action: "write", path: path.into(), source }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn name(events: &EventFile) -> String {
        events.path().file_name().expect("a name").to_string_lossy().into_owned()
    }

    #[test]
    fn a_file_begins_with_its_version_and_the_first_step_that_counts() {
        let folder = tempfile::tempdir().expect("temporary folder");
        for (resume_at, first) in [(None, 0), (Some(0), 1), (Some(41), 42)] {
            let mut events = EventFile::create(folder.path(), resume_at).expect("create");
            events.clock = Clock::starting_at(1e12);
            events.scalars(43, &[("a", 0.5)]).expect("write");
            let bytes = std::fs::read(events.path()).expect("read");
            // Records differ in their times only, which are eight bytes after the tag.
            let start = Event::Version.record(0.0, 0).len();
            let version = &bytes[12..start - 4];
            assert_eq!(&version[9..], b"\x10\x00\x1A\x0Dbrain.Event:2");
            assert_eq!(bytes[start + 12 + 9..start + 12 + 15], [0x10, first, 0x3A, 0x02, 0x08, 0x01]);
            assert!(bytes.ends_with(&Event::Scalars(&[("a", 0.5)]).record(1e12, 43)));
        }
    }

    #[test]
    fn later_files_have_later_names_whatever_the_clock_says() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let clock = [100, 100, 40].map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds));
        let early = UNIX_EPOCH - Duration::from_secs(5);
        let files = clock.into_iter().chain([early]).map(|now| {
            let file = EventFile::create_at(folder.path(), None, now).expect("create");
            name(&file).strip_prefix(PREFIX).expect("the prefix").split('.').take(2).collect::<Vec<_>>().join(".")
        });
        let names: Vec<String> = files.collect();
        assert_eq!(names, ["0000000100.preco", "0000000101.preco", "0000000102.preco", "0000000103.preco"]);
    }

    #[test]
    fn strange_names_in_the_folder_do_not_matter() {
        let folder = tempfile::tempdir().expect("temporary folder");
        for name in ["events.out.tfevents.", "events.out.tfevents.99999999999999999999.a", "events.out.tfevents.x.y"] {
            std::fs::write(folder.path().join(name), "").expect("write");
        }
        let events = EventFile::create_at(folder.path(), None, UNIX_EPOCH).expect("create");
        assert!(name(&events).starts_with("events.out.tfevents.0000000000.preco."), "{}", name(&events));
    }

    #[test]
    fn a_missing_folder_and_an_image_without_pixels_are_named() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let missing = folder.path().join("missing");
        let error = EventFile::create(&missing, None).expect_err("no folder").to_string();
        assert!(error.starts_with(&format!("cannot read {}: ", missing.display())), "{error}");
        let mut events = EventFile::create(folder.path(), None).expect("create");
        let before = std::fs::read(events.path()).expect("read");
        let error = events.image(1, "a", &Image8::filled(0, 2, [0; 3])).expect_err("no pixels").to_string();
        assert!(error.contains("tfevents") && error.ends_with("a PNG cannot hold 0x2 pixels"), "{error}");
        assert_eq!(std::fs::read(events.path()).expect("read"), before);
    }
}
