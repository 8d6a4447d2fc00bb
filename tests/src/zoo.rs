//! The zoo against the fake hub: settings, fetches, and what may never be in a cache.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use preco_zoo::progress::Progress;
use preco_zoo::{Settings, Token};

use crate::hub::Hub;

/// Settings for `hub` with the cache in `folder`, hasty enough for tests.
pub fn settings(hub: &Hub, folder: &Path) -> Settings {
    let mut settings = Settings::from_variables(|_| None);
    settings.endpoint = hub.endpoint();
    settings.cache = folder.join("cache");
    settings.timeout = Duration::from_secs(20);
    settings.first_pause = Duration::from_millis(1);
    settings.retries = 3;
    settings
}

/// The same for the user with this token.
pub fn as_user(settings: &Settings, token: &str) -> Settings {
    let mut settings = settings.clone();
    settings.token = Token::new(token);
    settings
}

/// Fetches all files of `name`.
///
/// # Errors
/// The zoo's, in words.
pub fn download(name: &str, settings: &Settings) -> Result<PathBuf, String> {
    preco_zoo::download(name, settings, &Heard::default()).map(|(path, _)| path).map_err(|error| error.to_string())
}

/// Keeps what it is told.
#[derive(Default)]
pub struct Heard(Mutex<Vec<String>>);

impl Heard {
    /// All notes so far.
    pub fn notes(&self) -> Vec<String> {
        self.0.lock().expect("no panic").clone()
    }
}

impl Progress for Heard {
    fn note(&self, text: &str) {
        self.0.lock().expect("no panic").push(text.to_owned());
    }
}

/// The files in `folder` and below, read through links, by path within it.
pub fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next).into_iter().flatten() {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                open.push(path);
            } else if let Ok(bytes) = std::fs::read(&path) {
                let name = path.strip_prefix(folder).expect("below it").to_string_lossy().into_owned();
                found.insert(name, bytes);
            }
        }
    }
    found
}

/// Checks that every blob and every snapshot's file in `cache` is one of `right`, whole, and under its own name where it
/// is in a snapshot.
///
/// # Panics
/// With the file, where one is not.
pub fn cache_is_right(cache: &Path, right: &[(String, Vec<u8>)]) {
    for (path, bytes) in contents(cache) {
        let parts: Vec<&str> = path.split('/').collect();
        match parts[..] {
            [_, "blobs", blob] if !blob.ends_with(".incomplete") => {
                assert!(right.iter().any(|(_, file)| *file == bytes), "{path} is no file of the model");
            }
            [_, "snapshots", _, file] => {
                let known = right.iter().find(|(name, _)| name == file);
                assert!(known.is_some_and(|(_, known)| *known == bytes), "{path} is wrong");
            }
            [_, "blobs", _] | [_, "refs", ..] | [_, ".preco", _] | [".locks", ..] | ["CACHEDIR.TAG"] => {}
            _ => panic!("{path} has no place in a cache"),
        }
    }
}
