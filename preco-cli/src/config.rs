//! Settings from a TOML file under those of the command line.
//!
//! A key is a flag's name without its dashes: `batch-size = 32` is `--batch-size 32`. Flags win. A key or a name that
//! does not exist is refused with the nearest that does.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// The settings of the file, those of `flags` over them; `exclusive` are keys of which one rules out the other.
///
/// # Errors
/// Where the file cannot be read or is not such a file: with the line, and the nearest valid name.
pub(crate) fn layered<T: Serialize + DeserializeOwned>(file: &Path, flags: &T, exclusive: &[[&str; 2]]) -> Result<T> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    // First as it stands, so that a mistake is shown with its line.
    if let Err(error) = toml::from_str::<T>(&text) {
        bail!("{}", explain(file, &text, &error));
    }
    let mut merged: Table = toml::from_str(&text).with_context(|| format!("cannot read {}", file.display()))?;
    let flags = Table::try_from(flags).context("flags as settings")?;
    for [one, other] in exclusive {
        for (given, ruled_out) in [(one, other), (other, one)] {
            if flags.contains_key(*given) {
                merged.remove(*ruled_out);
            }
        }
    }
    merged.extend(flags);
    Value::Table(merged).try_into().with_context(|| format!("cannot use {} with these flags", file.display()))
}

/// The settings as a file.
///
/// # Errors
/// Where a setting has no TOML form, which is a defect.
pub(crate) fn to_toml(settings: &impl Serialize) -> Result<String> {
    toml::to_string(settings).context("the settings as TOML")
}

/// `run.toml, line 3: unknown key lrr. Did you mean lr?`
fn explain(file: &Path, text: &str, error: &toml::de::Error) -> String {
    let line = error.span().map_or(String::new(), |span| {
        let before = text.get(..span.start).unwrap_or(text);
        format!(", line {}", before.matches('\n').count() + 1)
    });
    let message = error.message();
    let (what, names) = message.split_once(", expected ").unwrap_or((message, ""));
    // "unknown field `lrr`, expected one of `lr`, `min-lr`": what is quoted in the second half is what there is.
    let wrong = quoted(what).next().unwrap_or_default();
    let hint = match nearest(wrong, quoted(names)) {
        Some(name) => format!(". Did you mean {name}?"),
        None if names.is_empty() => String::new(),
        None => format!(". Known are {}", quoted(names).collect::<Vec<_>>().join(", ")),
    };
    format!("{}{line}: {}{hint}", file.display(), what.replace("unknown field", "unknown key").replace('`', ""))
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The name with the fewest letters to change, where it is at most half of them.
pub(crate) fn nearest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let (distance, name) = names.map(|name| (strsim::damerau_levenshtein(wrong, name), name)).min()?;
    (2 * distance <= wrong.chars().count().max(2)).then_some(name)
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
        layered(file.path(), flags, &[["steps", "epochs"]])
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
        assert!(told("lr = \"fast\"\n").contains("line 1"), "{}", told("lr = \"fast\"\n"));
    }
}
