//! Where models come from: the flags of it, and what people see while they come.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use preco_core::simd::Level;
use preco_zoo::progress::Progress;
use preco_zoo::{Encoder, ModelFolder, Settings, Token};

use crate::output::note;

/// Between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// A file below this is here before a bar could be read.
const SMALL_BYTES: u64 = 1 << 20;

/// Where models come from; without these, where the environment says.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Models by name")]
pub(crate) struct Hub {
    /// Use no network: the cache, the program's own models and folders only [env: HF_HUB_OFFLINE]
    #[arg(long)]
    offline: bool,
    /// The hub's address [default: huggingface.co] [env: HF_ENDPOINT]
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// Who you are; sent to the endpoint only [env: HF_TOKEN]
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// The folder of models, shared with Python's huggingface_hub [env: HF_HUB_CACHE]
    #[arg(long, value_name = "DIR")]
    cache_dir: Option<PathBuf>,
    /// An address that has published models as folders of their names, asked before the hub [env: PRECO_MIRROR]
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
}

impl Hub {
    /// The flags over the environment.
    pub(crate) fn settings(&self) -> Settings {
        let mut settings = Settings::from_env();
        settings.offline |= self.offline;
        if let Some(endpoint) = &self.endpoint {
            settings.endpoint = endpoint.trim_end_matches('/').to_owned();
        }
        if let Some(token) = &self.token {
            settings.token = Token::new(token);
        }
        if let Some(cache) = &self.cache_dir {
            settings.cache = cache.clone();
        }
        settings.mirror = self.mirror.clone().or(settings.mirror);
        settings
    }

    /// The encoder of the model called `name`, computing with `level`.
    pub(crate) fn encoder(&self, name: &str, level: Level) -> Result<Encoder> {
        let display = Display::default();
        Ok(preco_zoo::from_pretrained(name).settings(self.settings()).level(level).progress(&display).encoder()?)
    }

    /// The model called `name`, or the one in this folder, here and compared with its digests.
    pub(crate) fn fetch(&self, name: &Path) -> Result<ModelFolder> {
        Ok(preco_zoo::fetch(&name.to_string_lossy(), &self.settings(), &Display::default())?.folder)
    }
}

/// What people see: a bar on a terminal, a line now and then elsewhere.
#[derive(Default)]
pub(crate) struct Display(Mutex<Option<File>>);

/// The file that is coming.
struct File {
    name: String,
    bytes: u64,
    have: u64,
    bar: Option<ProgressBar>,
    last_line: Instant,
}

impl Display {
    fn with(&self, change: impl FnOnce(&mut Option<File>)) {
        // A panic elsewhere leaves nothing half-told that matters.
        change(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }
}

impl Progress for Display {
    fn begin(&self, file: &str, bytes: u64, have: u64) {
        let quiet = std::env::var("HF_HUB_DISABLE_PROGRESS_BARS").unwrap_or_default().to_lowercase();
        let quiet = ["1", "on", "yes", "true"].contains(&quiet.as_str());
        let bar = (bytes >= SMALL_BYTES && !quiet && std::io::stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template("{msg} {bar:24} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
            let bar = ProgressBar::new(bytes).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_message(file.to_owned());
            bar.set_position(have);
            bar
        });
        if have > 0 {
            self.note(&format!("{file}: going on behind the first {}", megabytes(have)));
        }
        let file = File { name: file.to_owned(), bytes, have, bar, last_line: Instant::now() };
        self.with(|current| *current = Some(file));
    }

    fn advance(&self, bytes: u64) {
        self.with(|current| {
            let Some(file) = current else { return };
            file.have += bytes;
            match &file.bar {
                Some(bar) => bar.set_position(file.have),
                None if file.last_line.elapsed() >= LINE_EVERY => {
                    file.last_line = Instant::now();
                    let of = if file.bytes > 0 { format!(" of {}", megabytes(file.bytes)) } else { String::new() };
                    note(&format!("{}: {}{of}", file.name, megabytes(file.have)));
                }
                None => {}
            }
        });
    }

    fn end(&self) {
        self.with(|current| {
            if let Some(bar) = current.take().and_then(|file| file.bar) {
                bar.finish_and_clear();
            }
        });
    }

    fn note(&self, text: &str) {
        note(text);
    }
}

/// `12.3 MB`
pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
