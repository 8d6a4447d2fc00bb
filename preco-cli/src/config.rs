//! Settings from a TOML file under those of the command line.
//!
//! A key is a flag's name without its dashes: `batch-size = 32` is `--batch-size 32`. Flags win. What a file cannot say
//! is refused with its line and what would do.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use preco_train::checkpoint::RunFolder;
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use crate::names::{did_you_mean, quoted, unknown};

/// Letters of a file that an error repeats.
const SHOWN: usize = 40;

/// What the type of the settings does not say about their files.
pub(crate) struct Rules<'a> {
    /// Keys of which one rules out the other.
    pub exclusive: &'a [[&'a str; 2]],
    /// Flags that are no keys.
    pub flags_only: &'a [&'a str],
}

/// The file of settings: the one that is named, or that of the run to continue.
///
/// # Errors
/// Where there is no run to continue.
pub(crate) fn file_of(config: Option<&Path>, resume: Option<&Path>) -> Result<Option<PathBuf>> {
    match (config, resume) {
        (Some(file), _) => Ok(Some(file.to_path_buf())),
        (None, Some(run)) => {
            let (file, name) = (run.join(RunFolder::SETTINGS), RunFolder::SETTINGS);
            ensure!(file.exists(), "{} holds no {name}, so there is no run to continue", run.display());
            Ok(Some(file))
        }
        (None, None) => Ok(None),
    }
}

/// The settings of the file, those of `flags` over them.
///
/// # Errors
/// Where the file cannot be read or is not such a file: with the line, and what would do.
pub(crate) fn layered<T: Serialize + DeserializeOwned>(file: &Path, flags: &T, rules: &Rules<'_>) -> Result<T> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let text = String::from_utf8(bytes).map_err(|error| error.utf8_error().valid_up_to());
    let text = text.map_err(|at| anyhow::anyhow!("{} is no text: byte {at} is not UTF-8", file.display()))?;
    let source = Source { file, text: &text };
    // First as it stands, so that a mistake is shown with its line.
    let keys = DeTable::parse(&text).map_err(|error| source.no_toml(&error))?.into_inner();
    let settings: T = toml::from_str(&text).map_err(|error| source.no_settings(&keys, rules, &error))?;
    source.no_rivals(&keys, rules)?;
    let mut merged = to_table(&settings).with_context(|| format!("cannot read {}", file.display()))?;
    let flags = to_table(flags)?;
    for [one, other] in rules.exclusive {
        for (given, ruled_out) in [(one, other), (other, one)] {
            if flags.contains_key(*given) {
                merged.remove(*ruled_out);
            }
        }
    }
    merged.extend(flags);
    Value::Table(merged).try_into().with_context(|| format!("cannot use {} with these flags", file.display()))
}

/// The settings by key.
///
/// # Errors
/// Where a number is too large for a file, from which the run could not go on then.
pub(crate) fn to_table(settings: &impl Serialize) -> Result<Table> {
    let values = serde_json::to_value(settings).context("the settings as keys and values")?;
    let is_large = |value: &serde_json::Value| value.as_u64().is_some_and(|number| i64::try_from(number).is_err());
    if let Some((key, value)) = values.as_object().into_iter().flatten().find(|(_, value)| is_large(value)) {
        bail!("{key} is {value}, at most {} is wanted", i64::MAX);
    }
    Table::try_from(settings).context("the settings as keys and values")
}

/// The settings as a file.
///
/// # Errors
/// Where a setting has no TOML form, which is a defect.
pub(crate) fn to_toml(settings: &impl Serialize) -> Result<String> {
    toml::to_string(settings).context("the settings as TOML")
}

/// A file whose mistakes are explained.
struct Source<'a> {
    file: &'a Path,
    text: &'a str,
}

impl Source<'_> {
    /// `run.toml, line 3: cannot read "steps = = 3": extra =; write KEY = VALUE, with texts in quotes`
    fn no_toml(&self, error: &toml::de::Error) -> anyhow::Error {
        let at = error.span().map_or(0, |span| span.start);
        let message = error.message().split(", expected").next().unwrap_or_default().replace('`', "");
        let line = self.text.lines().nth(self.line(at) - 1).unwrap_or_default();
        let advice =
            if message.contains("duplicate") { "give each once" } else { "write KEY = VALUE, with texts in quotes" };
        self.error(at, &format!("cannot read \"{}\": {message}; {advice}", clipped(line)))
    }

    /// `run.toml, line 3: unknown key lrr. Did you mean lr?` or `run.toml, line 3: steps is -3, a whole number from 0 is
    /// wanted`
    fn no_settings(&self, keys: &DeTable<'_>, rules: &Rules<'_>, error: &toml::de::Error) -> anyhow::Error {
        let at = error.span().map_or(0, |span| span.start);
        // "unknown field `lrr`, expected one of `lr`, `min-lr`": what is quoted in the second half is what there is.
        let (what, wanted) = error.message().split_once(", expected ").unwrap_or((error.message(), ""));
        // A table begins at the bracket before its key.
        let start = |(key, value): &(&Spanned<_>, &Spanned<_>)| key.span().start.min(value.span().start);
        let Some((key, value)) = keys.iter().filter(|entry| start(entry) <= at).max_by_key(start) else {
            return self.error(at, &what.replace('`', ""));
        };
        let (key, value) = (key.get_ref(), (value.get_ref(), self.text.get(value.span()).unwrap_or_default()));
        let names = || quoted(wanted);
        let message = match value {
            _ if what.starts_with("unknown field") && rules.flags_only.contains(&key.as_ref()) => {
                format!("{key} is a flag only: --{key}")
            }
            _ if what.starts_with("unknown field") => {
                let hint = did_you_mean(key, names());
                let known = || format!(". Known are {}", names().collect::<Vec<_>>().join(", "));
                format!("unknown key {key}{}", if hint.is_empty() { known() } else { hint })
            }
            (DeValue::String(wrong), _) if what.starts_with("unknown variant") => unknown(key, wrong, names()),
            (DeValue::Table(_), _) => format!("{key} is a table, {} is wanted", kind(wanted, "")),
            (_, value) => format!("{key} is {}, {} is wanted", clipped(value), kind(wanted, value)),
        };
        self.error(at, &message)
    }

    /// `run.toml, line 3: steps and epochs (line 1) rule each other out; keep one`
    fn no_rivals(&self, keys: &DeTable<'_>, rules: &Rules<'_>) -> Result<()> {
        let place = |name: &str| keys.keys().find(|key| key.get_ref() == name).map(|key| key.span().start);
        for [one, other] in rules.exclusive {
            if let (Some(at), Some(rival)) = (place(one), place(other)) {
                let rival = self.line(rival);
                return Err(self.error(at, &format!("{one} and {other} (line {rival}) rule each other out; keep one")));
            }
        }
        Ok(())
    }

    fn error(&self, at: usize, message: &str) -> anyhow::Error {
        anyhow::anyhow!("{}, line {}: {message}", self.file.display(), self.line(at))
    }

    /// The line of a byte, counted from 1.
    fn line(&self, at: usize) -> usize {
        self.text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
    }
}

/// What serde expected, in words; `value` is what is there.
fn kind<'a>(expected: &'a str, value: &str) -> &'a str {
    match expected {
        "u64" | "usize" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => "a smaller number",
        "u64" | "usize" => "a whole number from 0",
        "f64" => "a number",
        "a boolean" => "true or false",
        // Names of enumerations: toml says what it wanted in other words, or nothing.
        "" => "a name in quotes",
        "a string" | "path string" => "a text in quotes",
        other => other,
    }
}

/// The first line of `text`, shortened and without what a terminal would obey.
fn clipped(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default().trim();
    let shown: String = line.chars().take(SHOWN).map(|letter| if letter.is_control() { '?' } else { letter }).collect();
    let is_all = line == text.trim() && line.chars().count() <= SHOWN;
    if is_all { shown } else { format!("{shown}...") }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
    struct Settings {
        lr: Option<f64>,
        steps: Option<u64>,
        epochs: Option<u64>,
        method: Option<Method>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        stop_gradient: bool,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Method {
        Preco,
        Simmim,
    }

    fn layer(text: &str, flags: &Settings) -> Result<Settings> {
        let file = tempfile::NamedTempFile::new().expect("temporary file");
        std::fs::write(file.path(), text).expect("write");
        layered(file.path(), flags, &Rules { exclusive: &[["steps", "epochs"]], flags_only: &["json"] })
    }

    #[test]
    fn flags_win_and_rule_out_their_rivals() {
        let flags = Settings { lr: Some(1e-4), steps: Some(5), ..Settings::default() };
        let got = layer("lr = 1.0\nepochs = 3\nmethod = \"simmim\"\nstop-gradient = true\n", &flags).expect("settings");
        let want = Settings { method: Some(Method::Simmim), stop_gradient: true, ..flags };
        assert_eq!(got, want);
        assert_eq!(layer(&to_toml(&want).expect("text"), &Settings::default()).expect("back"), want);
    }

    #[test]
    fn what_does_not_exist_is_answered_with_the_nearest_that_does() {
        let told = |text: &str| layer(text, &Settings::default()).expect_err(text).to_string();
        assert!(told("lr = 1.0\nstep = 3\n").ends_with("line 2: unknown key step. Did you mean steps?"));
        assert!(
            told("method = \"simim\"\n").contains("line 1") && told("method = \"simim\"\n").ends_with("mean simmim?")
        );
        let far = told("colour = 1\n");
        assert!(far.contains("unknown key colour") && far.contains("lr, steps, epochs"), "{far}");
        assert!(told("json = true\n").ends_with("line 1: json is a flag only: --json"));
    }

    #[test]
    fn a_value_of_another_kind_is_named_with_its_key_and_what_is_wanted() {
        for (text, needle) in [
            ("lr = 1.0\nsteps = -3\n", "line 2: steps is -3, a whole number from 0 is wanted"),
            ("steps = 1.5\n", "line 1: steps is 1.5, a whole number from 0 is wanted"),
            ("steps = 99999999999999999999\n", "steps is 99999999999999999999, a smaller number is wanted"),
            ("lr = \"fast\"\n", "line 1: lr is \"fast\", a number is wanted"),
            ("lr = [\n1,\n2]\n", "line 1: lr is [..., a number is wanted"),
            ("lr = 1.0\n[steps]\nnumber = 3\n", "line 2: steps is a table, a whole number from 0 is wanted"),
            ("stop-gradient = 1\n", "stop-gradient is 1, true or false is wanted"),
            ("method = 3\n", "method is 3, a name in quotes is wanted"),
        ] {
            let told = layer(text, &Settings::default()).expect_err(text).to_string();
            assert!(told.ends_with(needle), "{told}");
        }
    }

    #[test]
    fn what_is_no_toml_is_shown_and_never_guessed_at() {
        for (text, needle) in [
            ("lr = 1.0\nsteps = = 3\n", "line 2: cannot read \"steps = = 3\": extra =; write KEY = VALUE"),
            ("method = \"preco\n", "line 1: cannot read \"method = \"preco\": invalid basic string; write"),
            ("\u{0}\u{1b}[2J\n", "line 1: cannot read \"??[2J\""),
            ("steps = 1\nsteps = 2\n", "line 2: cannot read \"steps = 2\": duplicate key; give each once"),
        ] {
            let told = layer(text, &Settings::default()).expect_err(text).to_string();
            assert!(told.contains(needle) && !told.contains("mean"), "{told}");
        }
    }

    #[test]
    fn rivals_in_one_file_are_refused_with_both_lines() {
        let told = layer("epochs = 3\nlr = 1.0\nsteps = 4\n", &Settings::default()).expect_err("rivals").to_string();
        assert!(told.ends_with("line 3: steps and epochs (line 1) rule each other out; keep one"), "{told}");
    }
}
