//! The facts of a card.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What a card says of a model that its files do not. Nothing may be left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Facts {
    /// What the model is, in a sentence.
    pub summary: String,
    /// The weights' licence as an SPDX expression.
    pub licence: String,
    /// What it was trained on: set, part, images.
    pub training_data: String,
    /// The licence of that.
    pub data_licence: String,
    /// The command that trained it.
    pub command: String,
    /// The commit of the code.
    pub commit: String,
    /// What it is not to be used for, and what it cannot do.
    pub limits: String,
    /// True for weights that show that the program works and nothing more.
    pub is_toy: Option<bool>,
    /// What was measured.
    pub figures: Vec<Figure>,
}

/// A measured figure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// The value with its unit.
    pub value: String,
    /// On which split, and with which seed.
    pub split: String,
}

impl Facts {
    /// Reads `card.toml`, which errors call `path`, gaps and all.
    ///
    /// # Errors
    /// [`Error::Text`] with the line.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(0, |span| text[..span.start.min(text.len())].matches('\n').count());
            Error::text(path, format!("line {}: {}", line + 1, error.message()))
        })
    }

    /// What [`Facts::parse`] reads; the same facts give the same bytes.
    ///
    /// # Errors
    /// [`Error::Card`] in the format's words.
    pub fn to_text(&self) -> Result<String> {
        toml::to_string(self).map_err(|error| Error::Card { what: format!("the card cannot be written: {error}") })
    }

    /// Refuses a card with a gap.
    ///
    /// # Errors
    /// [`Error::Card`] with the key.
    pub fn check(&self) -> Result<()> {
        let missing = |key: &str| {
            let flag = if key.ends_with("licence") { format!(" or by --{key}") } else { String::new() };
            Err(Error::Card { what: format!("the card has no {key}; give it in card.toml{flag}") })
        };
        for (key, text) in [
            ("summary", &self.summary),
            ("licence", &self.licence),
            ("training-data", &self.training_data),
            ("data-licence", &self.data_licence),
            ("command", &self.command),
            ("commit", &self.commit),
            ("limits", &self.limits),
        ] {
            if !says_something(text) {
                return missing(key);
            }
        }
        if self.is_toy.is_none() {
            return missing("is-toy");
        }
        if self.figures.is_empty() {
            return missing("figures");
        }
        for figure in &self.figures {
            if [&figure.what, &figure.value, &figure.split].iter().any(|text| !says_something(text)) {
                return missing("what, value or split of a figure");
            }
        }
        Ok(())
    }
}

/// False for blanks and for marks alone, such as `???`.
fn says_something(text: &str) -> bool {
    text.chars().any(char::is_alphanumeric) && !text.trim().eq_ignore_ascii_case("todo")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Facts without a gap.
    pub(crate) fn facts() -> Facts {
        let text = |text: &str| text.to_owned();
        Facts {
            summary: text("A test."),
            licence: text("MIT"),
            training_data: text("Nothing"),
            data_licence: text("none"),
            command: text("preco-cli pretrain"),
            commit: text("abc1234"),
            limits: text("All."),
            is_toy: Some(true),
            figures: vec![Figure { what: text("accuracy"), value: text("12.5 %"), split: text("val, seed 0") }],
        }
    }

    #[test]
    fn what_is_written_reads_back_and_a_wrong_line_is_named() {
        let text = facts().to_text().expect("text");
        assert_eq!(Facts::parse(&text, Path::new("card.toml")).expect("parse"), facts());
        for (from, to, needle) in [
            ("limits", "limit", "card.toml: line 7: unknown field `limit`"),
            ("is-toy = true", "is-toy = 3", "line 8: "),
            ("\"A test.\"", "\"A test.", "line 1: "),
        ] {
            let error = Facts::parse(&text.replace(from, to), Path::new("card.toml")).expect_err(to).to_string();
            assert!(error.contains(needle), "{error}");
        }
    }

    #[test]
    fn a_gap_is_named() {
        facts().check().expect("no gap");
        for (gap, key) in [
            (Facts { licence: String::new(), ..facts() }, "licence"),
            (Facts { limits: " ".to_owned(), ..facts() }, "limits"),
            (Facts { commit: "???".to_owned(), ..facts() }, "commit"),
            (Facts { is_toy: None, ..facts() }, "is-toy"),
            (Facts { figures: vec![], ..facts() }, "figures"),
            (Facts { figures: vec![Figure::default()], ..facts() }, "split of a figure"),
        ] {
            assert!(gap.check().expect_err(key).to_string().contains(key), "{key}");
        }
    }
}
