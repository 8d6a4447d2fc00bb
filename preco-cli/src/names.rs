//! Names that do not exist, answered with the nearest that does.

use anyhow::{Result, bail};
use preco_core::backbones::swin::SwinConfig;

/// The encoder called `name`.
///
/// # Errors
/// Where there is none: with those there are, and the nearest.
pub(crate) fn encoder(name: &str) -> Result<SwinConfig> {
    if !SwinConfig::preset_names().any(|known| known == name) {
        bail!("{}", unknown("model", name, SwinConfig::preset_names()));
    }
    Ok(SwinConfig::preset(name)?)
}

/// `there is no recipe papr; there are paper, simmim. Did you mean paper?`
pub(crate) fn unknown<'a>(kind: &str, wrong: &str, names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    let hint = did_you_mean(wrong, names.iter().copied());
    format!("there is no {kind} {wrong}; there are {}{hint}", names.join(", "))
}

/// `. Did you mean paper?`, or nothing where no name is near.
pub(crate) fn did_you_mean<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> String {
    nearest(wrong, names).map(|name| format!(". Did you mean {name}?")).unwrap_or_default()
}

/// The name with the fewest letters to change, where it is at most half of them.
pub(crate) fn nearest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let (distance, name) = names.map(|name| (strsim::damerau_levenshtein(wrong, name), name)).min()?;
    (2 * distance <= wrong.chars().count().max(2)).then_some(name)
}

/// What stands between backticks: in serde's messages the wrong name, then those that are expected.
pub(crate) fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_near_where_at_most_half_its_letters_are_wrong() {
        let near = |wrong| nearest(wrong, ["pico", "nano", "tiny"].into_iter());
        assert_eq!(
            ["pic", "naon", "tinny", "huge", ""].map(near),
            [Some("pico"), Some("nano"), Some("tiny"), None, None]
        );
    }

    #[test]
    fn an_unknown_encoder_is_answered_with_the_nearest() {
        let error = encoder("pic").expect_err("unknown").to_string();
        assert_eq!(error, "there is no model pic; there are pico, nano, tiny, small, base, large. Did you mean pico?");
        assert_eq!(encoder("pico").expect("known"), SwinConfig::preset("pico").expect("known"));
    }
}
