//! An encoder's parameters for another input size or window.

use super::config::SwinConfig;
use super::model::Swin;
use super::table::{TableResize, resize_table};
use crate::error::{Error, Result};
use crate::nn::params::Layout;
use crate::ops::window_attention::effective_window;

/// The parameters of encoder `from` as encoder `to` wants them: relative-position tables are resized where the windows
/// differ (a window may also differ because it is clipped at another input size), everything else is copied.
///
/// # Errors
/// [`Error::Config`] where the encoders differ in more than input and window, and those of [`resize_table`].
pub fn transfer(parameters: &[f32], from: &SwinConfig, to: &SwinConfig, rule: TableResize) -> Result<Vec<f32>> {
    let (mut source, mut target) = (Layout::default(), Layout::default());
    Swin::new(from, &mut source)?;
    Swin::new(to, &mut target)?;
    if parameters.len() != source.len() {
        return Err(Error::config(format!("{} values are not the encoder's {}", parameters.len(), source.len())));
    }
    let mut values = vec![0.0; target.len()];
    for segment in target.segments() {
        let Some(own) = source.get(&segment.name) else {
            return Err(Error::config(format!(
                "the encoder to start from has no {}: use its own preset",
                segment.name
            )));
        };
        let (part, to_part) = (&parameters[own.range.clone()], &mut values[segment.range.clone()]);
        if own.shape == segment.shape {
            to_part.copy_from_slice(part);
        } else if let Some(stage) = table_stage(&segment.name).filter(|_| own.shape[1] == segment.shape[1]) {
            let window = |config: &SwinConfig| {
                effective_window(config.grid(config.input, stage), config.window, config.edge_policy)
            };
            to_part.copy_from_slice(&resize_table(part, segment.shape[1], window(from), window(to), rule)?);
        } else {
            return Err(Error::config(format!(
                "{} is {:?} in the encoder to start from, {:?} here: use its own preset",
                segment.name, own.shape, segment.shape
            )));
        }
    }
    Ok(values)
}

/// The stage of a relative-position table, from its name; `None` for any other parameter.
fn table_stage(name: &str) -> Option<usize> {
    let path = name.strip_suffix(".attn.relative_position_bias_table")?;
    path.strip_prefix("layers.")?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(input: usize, window: usize) -> SwinConfig {
        let preset = SwinConfig::preset("pico").expect("preset");
        SwinConfig { input: [input, input], window: [window, window], depths: vec![1, 1], heads: vec![2, 4], ..preset }
    }

    fn init(config: &SwinConfig) -> (Layout, Vec<f32>) {
        let mut layout = Layout::default();
        Swin::new(config, &mut layout).expect("encoder");
        let values = layout.init(5);
        (layout, values)
    }

    #[test]
    fn tables_are_resized_and_all_else_is_copied() {
        let (from, to) = (config(64, 8), config(64, 4));
        let ((source, values), (target, _)) = (init(&from), init(&to));
        let moved = transfer(&values, &from, &to, TableResize::Bicubic).expect("transfer");
        assert_eq!(moved.len(), target.len());
        for segment in target.segments() {
            let own = source.get(&segment.name).expect("same names");
            let (old, new) = (&values[own.range.clone()], &moved[segment.range.clone()]);
            if table_stage(&segment.name).is_none() {
                assert_eq!(old, new, "{}", segment.name);
            } else {
                assert_eq!(
                    new,
                    resize_table(old, segment.shape[1], [8, 8], [4, 4], TableResize::Bicubic).expect("table")
                );
            }
        }
    }

    #[test]
    fn a_window_clipped_by_a_smaller_input_is_resized_too() {
        let (from, to) = (config(64, 8), config(32, 8));
        let moved = transfer(&init(&from).1, &from, &to, TableResize::Bicubic).expect("transfer");
        assert_eq!(moved.len(), init(&to).0.len());
    }

    #[test]
    fn another_preset_is_refused_by_name() {
        let (from, to) = (config(64, 8), SwinConfig { embed: 64, ..config(64, 8) });
        let error = transfer(&init(&from).1, &from, &to, TableResize::Bicubic).expect_err("differs").to_string();
        assert!(error.contains("patch_embed.proj.weight"), "{error}");
    }
}
