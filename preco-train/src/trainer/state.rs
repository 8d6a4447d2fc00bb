//! All that changes while a run trains, and its form in a checkpoint.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use preco_core::backend::Backend;
use preco_core::backend::cpu::Cpu;
use preco_core::nn::params::Layout;
use preco_core::rng::fnv1a64;
use serde::{Deserialize, Serialize};

use crate::VERSION;
use crate::checkpoint::file;
use crate::error::{Error, Result};
use crate::optim::{AdamW, AdamWConfig};

/// The form of a checkpoint; another number is another form. Form 1 knew no unreadable images.
const FORMAT: u32 = 2;
/// Of 64-bit FNV: odd, and its bits are spread.
const FNV_PRIME: u64 = 0x100_0000_01b3;

/// Parameters, their average, the optimiser and how far the run is. Schedule, order of images and every random stream
/// are functions of the seed and of [`State::step`], so nothing else need be saved.
pub struct State<B: Backend = Cpu> {
    /// The parameters.
    pub params: B::Buffer,
    /// Their moving average, where one is kept.
    pub average: Option<B::Buffer>,
    /// Moments and their count.
    pub optimiser: AdamW<B>,
    /// Elements of each buffer.
    pub len: usize,
    /// Updates done.
    pub step: u64,
    /// The best evaluation so far: its value and its step.
    pub best: Option<Best>,
    /// Images that turned out unreadable so far and were passed over, by index.
    pub unreadable: Vec<usize>,
}

/// The best evaluation so far.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// The value of the first metric.
    pub value: f64,
    /// Updates done when it was measured.
    pub step: u64,
    /// Evaluations since.
    pub waited: u64,
}

/// What a run must share with a checkpoint to continue from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// The task, such as `pretrain`.
    pub task: String,
    /// The model's name, for people.
    pub name: String,
    /// Names and shapes of all parameters, as one number.
    pub layout: String,
    /// How many images, and their [`fingerprints`](crate::datasets::ImageSource::fingerprint) in order as one number. What
    /// those do not see is not seen here: other pixels in a file of the same name, length and size.
    pub data: String,
    /// The same of the images that evaluations are on.
    #[serde(default)]
    pub held_out: String,
    /// The settings that an evaluation depends on: under others, values are not comparable.
    #[serde(default)]
    pub measured_under: Vec<String>,
    /// Every setting the numbers depend on, as `name = value`.
    pub settings: BTreeMap<String, serde_json::Value>,
}

/// The JSON beside the buffers.
#[derive(Serialize, Deserialize)]
struct About {
    format: u32,
    /// Version and commit of the code that wrote it.
    code: String,
    /// What it computed on.
    arithmetic: String,
    identity: Identity,
    step: u64,
    /// For people: where the run stands in its data.
    epoch: f64,
    lr: f64,
    best: Option<Best>,
    unreadable: Vec<usize>,
}

impl Identity {
    /// The identity of a run of `task` with a model called `name`, over images with these fingerprints.
    pub fn new(
        task: &str,
        name: &str,
        layout: &Layout,
        images: impl Iterator<Item = u64>,
        settings: BTreeMap<String, serde_json::Value>,
    ) -> Self {
        let shapes: String =
            layout.segments().iter().map(|segment| format!("{} {:?}\n", segment.name, segment.shape)).collect();
        Self {
            task: task.to_owned(),
            name: name.to_owned(),
            layout: format!("{} parameters, {:016x}", layout.parameters(), fnv1a64(&shapes)),
            data: digest(images),
            held_out: digest(std::iter::empty()),
            measured_under: Vec::new(),
            settings,
        }
    }

    /// Evaluated on images with these fingerprints, under those of the settings that have these names.
    pub fn evaluated_on(mut self, images: impl Iterator<Item = u64>, settings: &[&str]) -> Self {
        self.held_out = digest(images);
        self.measured_under = settings.iter().map(|&name| name.to_owned()).collect();
        self
    }

    /// True where evaluations of `saved` can be compared with those to come.
    fn measures_like(&self, saved: &Self) -> bool {
        self.held_out == saved.held_out
            && self.measured_under.iter().all(|name| self.settings.get(name) == saved.settings.get(name))
    }

    /// In what `saved` differs. Settings come first: another seed is another order of the data.
    fn differences(&self, saved: &Self) -> Vec<Difference> {
        let what = |what: &str, ours: &str, theirs: &str| {
            (ours != theirs).then(|| format!("{what} is {ours} now and was {theirs}"))
        };
        let mut found: Vec<Difference> =
            [("the task", &self.task, &saved.task), ("the model", &self.layout, &saved.layout)]
                .into_iter()
                .filter_map(|(name, ours, theirs)| what(name, ours, theirs))
                .map(Difference::Kind)
                .collect();
        let names: BTreeSet<&String> = self.settings.keys().chain(saved.settings.keys()).collect();
        let text = |from: &Self, name: &str| from.settings.get(name).map_or("absent".to_owned(), |v| v.to_string());
        let settings = names.into_iter().filter_map(|name| what(name, &text(self, name), &text(saved, name)));
        found.extend(settings.map(Difference::Setting));
        found.extend(what("the data (names, order, file sizes)", &self.data, &saved.data).map(Difference::Data));
        found.extend(what("the held-out data", &self.held_out, &saved.held_out).map(Difference::Setting));
        found
    }
}

/// How many images, and their fingerprints in order as one number.
fn digest(images: impl Iterator<Item = u64>) -> String {
    let (mut count, mut digest) = (0u64, 0u64);
    for image in images {
        count += 1;
        // Multiplied, so that order counts at any distance.
        digest = (digest ^ image).wrapping_mul(FNV_PRIME).rotate_left(29);
    }
    format!("{count} images, {digest:016x}")
}

/// A thing in which a checkpoint is not this run's, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Difference {
    /// Another task or model: its numbers mean something else.
    Kind(String),
    /// Another setting.
    Setting(String),
    /// Other images.
    Data(String),
}

impl Difference {
    fn words(&self) -> &str {
        match self {
            Self::Kind(words) | Self::Setting(words) | Self::Data(words) => words,
        }
    }
}

/// What a run may have changed since its checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Changes {
    /// Nothing that numbers depend on.
    #[default]
    Refused,
    /// Settings and data: whoever resumes has asked for it, and is told each.
    Accepted,
}

impl<B: Backend> State<B> {
    /// Before the first update.
    ///
    /// # Errors
    /// Those of [`AdamW::new`].
    pub fn new(backend: &B, params: &[f32], average: bool, optimiser: AdamWConfig) -> Result<Self> {
        Ok(Self {
            average: average.then(|| backend.parameters(params)),
            optimiser: AdamW::new(backend, params.len(), optimiser)?,
            params: backend.parameters(params),
            len: params.len(),
            step: 0,
            best: None,
            unreadable: Vec::new(),
        })
    }

    /// The parameters others should use: the average where one is kept.
    pub fn published(&self) -> &B::Slice {
        self.average.as_ref().unwrap_or(&self.params)
    }

    /// Those on the host.
    ///
    /// # Errors
    /// The device's.
    pub fn published_values(&self, backend: &B) -> Result<Cow<'_, [f32]>> {
        let values = backend.values(self.published(), self.len);
        backend.check()?;
        Ok(values)
    }

    /// Writes a checkpoint; `epoch` and `lr` are for people.
    ///
    /// # Errors
    /// [`Error::Io`] with the path.
    pub fn save(&self, backend: &B, path: &Path, identity: &Identity, epoch: f64, lr: f64) -> Result<()> {
        let about = About {
            format: FORMAT,
            code: VERSION.to_owned(),
            arithmetic: backend.arithmetic(),
            identity: identity.clone(),
            step: self.step,
            epoch,
            lr,
            best: self.best,
            unreadable: self.unreadable.clone(),
        };
        let failed = |source| Error::Io { action: "write", path: path.into(), source };
        let about = serde_json::to_value(&about).map_err(std::io::Error::other).map_err(failed)?;
        let [m, v] = self.optimiser.moments(backend);
        let params = backend.values(&self.params, self.len);
        let average = self.average.as_ref().map(|average| backend.values(average, self.len));
        backend.check()?;
        let mut buffers: Vec<(&str, &[f32])> =
            vec![("params", &params), ("adamw.exp_avg", &m), ("adamw.exp_avg_sq", &v)];
        buffers.extend(average.as_deref().map(|average| ("ema", average)));
        file::write(path, &about, &buffers).map_err(failed)
    }

    /// Continues from a checkpoint; tells in what the numbers may not be those of an uninterrupted run. On an error nothing
    /// has changed.
    ///
    /// # Errors
    /// [`Unusable`], which says whether another checkpoint of the same folder may serve.
    pub fn load(
        &mut self,
        backend: &B,
        path: &Path,
        identity: &Identity,
        changes: Changes,
    ) -> std::result::Result<Vec<String>, Unusable> {
        let (about, mut buffers) = file::read(path).map_err(Unusable::Broken)?;
        let format = about.get("format").and_then(serde_json::Value::as_u64);
        if format != Some(u64::from(FORMAT)) {
            return Err(Unusable::Broken(other_form(format)));
        }
        let about: About = serde_json::from_value(about).map_err(|error| Unusable::Broken(error.to_string()))?;
        let differences = identity.differences(&about.identity);
        if let Some(difference) = refused(&differences, Changes::Accepted) {
            return Err(Unusable::Other(difference));
        }
        if let Some(difference) = refused(&differences, changes) {
            return Err(Unusable::Foreign(difference));
        }
        let mut take = |name: &str| {
            let buffer = buffers.remove(name).filter(|buffer| buffer.len() == self.len);
            buffer.ok_or_else(|| Unusable::Broken(format!("it has no {name} of {} values", self.len)))
        };
        let (params, m, v) = (take("params")?, take("adamw.exp_avg")?, take("adamw.exp_avg_sq")?);
        let average = match &self.average {
            // A run that keeps one from here on begins with what it has.
            Some(_) if changes == Changes::Accepted => Some(take("ema").unwrap_or_else(|_| params.clone())),
            Some(_) => Some(take("ema")?),
            None => None,
        };
        self.optimiser.restore(backend, &m, &v, about.step).map_err(|error| Unusable::Broken(error.to_string()))?;
        backend.upload(&params, &mut self.params);
        if let (Some(ours), Some(saved)) = (&mut self.average, average) {
            backend.upload(&saved, ours);
        }
        (self.step, self.best, self.unreadable) = (about.step, about.best, about.unreadable);
        if differences.iter().any(|difference| matches!(difference, Difference::Data(_))) {
            // They are known by their place in the data.
            self.unreadable.clear();
        }
        let mut doubts: Vec<String> = differences.iter().map(|difference| difference.words().to_owned()).collect();
        if !identity.measures_like(&about.identity) && self.best.take().is_some() {
            doubts.push(
                "the best so far was measured on or under something else: the next evaluation is the best".to_owned(),
            );
        }
        let (then, now) = ((about.code, about.arithmetic), (VERSION.to_owned(), backend.arithmetic()));
        if then != now {
            let [then, now] = [then, now].map(|(code, arithmetic)| format!("{code} on {arithmetic}"));
            doubts.push(format!(
                "the checkpoint was written by {then}, this is {now}: numbers may differ from an uninterrupted run"
            ));
        }
        Ok(doubts)
    }
}

/// The first difference that is not to be accepted.
fn refused(differences: &[Difference], changes: Changes) -> Option<String> {
    let refused = |difference: &&Difference| changes == Changes::Refused || matches!(difference, Difference::Kind(_));
    differences.iter().find(refused).map(|difference| difference.words().to_owned())
}

/// In what the checkpoint at `path` is of another run, by its header alone; `None` also where that cannot be read.
pub(crate) fn foreign(path: &Path, identity: &Identity, changes: Changes) -> Option<String> {
    refused(&identity.differences(&saved_identity(path)?), changes)
}

/// Whose the checkpoint at `path` is, by its header alone; `None` where that cannot be read.
pub(crate) fn saved_identity(path: &Path) -> Option<Identity> {
    serde_json::from_value::<About>(file::peek(path)?).ok().map(|about| about.identity)
}

/// What is wrong with a checkpoint of a form that is not [`FORMAT`].
fn other_form(form: Option<u64>) -> String {
    match form {
        Some(form) if form < u64::from(FORMAT) => format!(
            "an older version wrote it (form {form}, this one reads form {FORMAT}); continue with that version, or start \
             again with --force"
        ),
        Some(form) => format!("a newer version wrote it (form {form}, this one reads form {FORMAT})"),
        None => "it does not say of which form it is".to_owned(),
    }
}

/// Why a checkpoint cannot be continued from.
#[derive(Debug, PartialEq)]
pub enum Unusable {
    /// Half-written, changed since, or of another version.
    Broken(String),
    /// Whole, and of another run: the setting, or the data, that differs.
    Foreign(String),
    /// Whole, and of another task or model: nothing can be continued from it.
    Other(String),
}

impl std::fmt::Display for Unusable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Broken(reason) | Self::Foreign(reason) | Self::Other(reason) => f.write_str(reason),
        }
    }
}
