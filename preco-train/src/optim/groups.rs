//! Which parameters are decayed, which learn more slowly, and which not at all.
//!
//! A group is a contiguous range of the flat buffer with one answer to all three; neighbours with the same answers are
//! one group. Layer-wise decay: `scale = layer_decay^(depths - 1 - depth)`, so the patch embedding learns slowest.

use std::ops::Range;

use preco_core::nn::params::{Layout, Segment};
use serde::{Deserialize, Serialize};

use super::Error;

/// A range of parameters that are updated alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// For logs: `layer_7_decay`, `layer_7_no_decay` or `frozen`.
    pub name: String,
    /// Where in the flat buffer.
    pub range: Range<usize>,
    /// Multiplies the learning rate; 0 leaves parameters and moments untouched.
    pub lr_scale: f64,
    /// Whether weight decay acts here.
    pub decay: bool,
}

impl Group {
    /// True where nothing is learnt.
    pub fn is_frozen(&self) -> bool {
        self.lr_scale == 0.0
    }
}

/// How groups are made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GroupOptions {
    /// Factor per layer from the head towards the input; 1 treats all layers alike.
    pub layer_decay: f64,
    /// True to decay relative-position tables as well. SimMIM's pre-training does, by a prefix that never matches its
    /// exemption; its fine-tuning does not.
    pub decay_tables: bool,
    /// Parameters whose names begin so stay as they are.
    pub frozen: Vec<String>,
}

impl Default for GroupOptions {
    fn default() -> Self {
        Self { layer_decay: 1.0, decay_tables: false, frozen: Vec::new() }
    }
}

/// The groups of a model, in buffer order, covering every parameter once.
#[derive(Clone, Debug)]
pub struct Groups {
    groups: Vec<Group>,
    pub(super) segments: Vec<(String, Range<usize>)>,
}

impl Groups {
    /// The groups of `layout`.
    ///
    /// # Errors
    /// [`Error::Setting`] for a factor outside (0, 1], [`Error::Frozen`] for a prefix that names nothing.
    pub fn new(layout: &Layout, options: &GroupOptions) -> Result<Self, Error> {
        let factor = options.layer_decay;
        if !(factor > 0.0 && factor <= 1.0) {
            return Err(Error::Setting { name: "layer_decay", value: factor, range: "(0, 1]" });
        }
        for prefix in &options.frozen {
            if !layout.segments().iter().any(|segment| segment.name.starts_with(prefix)) {
                let first = layout.segments().first().map(|segment| segment.name.clone()).unwrap_or_default();
                return Err(Error::Frozen { prefix: prefix.clone(), first });
            }
        }
        let mut groups: Vec<Group> = Vec::new();
        for segment in layout.segments() {
            let group = group(segment, layout.depths(), options);
            match groups.last_mut() {
                Some(last) if last.name == group.name => last.range.end = group.range.end,
                _ => groups.push(group),
            }
        }
        let segments = layout.segments().iter().map(|segment| (segment.name.clone(), segment.range.clone())).collect();
        Ok(Self { groups, segments })
    }

    /// The groups in buffer order.
    pub fn as_slice(&self) -> &[Group] {
        &self.groups
    }
}

impl std::ops::Deref for Groups {
    type Target = [Group];

    fn deref(&self) -> &[Group] {
        &self.groups
    }
}

fn group(segment: &Segment, depths: usize, options: &GroupOptions) -> Group {
    let range = segment.range.clone();
    if options.frozen.iter().any(|prefix| segment.name.starts_with(prefix)) {
        return Group { name: "frozen".to_owned(), range, lr_scale: 0.0, decay: false };
    }
    let is_table = segment.name.ends_with("relative_position_bias_table");
    let decay = segment.decay || (options.decay_tables && is_table);
    let below_the_head = (depths - 1 - segment.depth) as f64;
    // Without layer decay all depths are one group, so neighbours merge across layers.
    let layer = if options.layer_decay == 1.0 { "all".to_owned() } else { format!("layer_{}", segment.depth) };
    let name = format!("{layer}_{}", if decay { "decay" } else { "no_decay" });
    Group { name, range, lr_scale: options.layer_decay.powf(below_the_head), decay }
}

#[cfg(test)]
mod tests {
    use preco_core::nn::params::Init;

    use super::*;

    fn layout() -> Layout {
        let mut layout = Layout::default();
        for (name, len, decay, depth) in [
            ("patch_embed.proj.weight", 4, true, 0),
            ("patch_embed.proj.bias", 2, false, 0),
            ("blocks.0.norm.weight", 2, false, 1),
            ("blocks.0.attn.relative_position_bias_table", 3, false, 1),
            ("blocks.0.attn.qkv.weight", 5, true, 1),
            ("head.weight", 6, true, 2),
        ] {
            layout.add(name, &[len], Init::Constant(0.0), decay, depth);
        }
        layout
    }

    fn ranges(options: &GroupOptions) -> Vec<(Range<usize>, f64, bool)> {
        let groups = Groups::new(&layout(), options).expect("groups");
        groups.iter().map(|group| (group.range.clone(), group.lr_scale, group.decay)).collect()
    }

    #[test]
    fn neighbours_that_are_updated_alike_are_one_group() {
        let groups = ranges(&GroupOptions::default());
        assert_eq!(groups, [(0..4, 1.0, true), (8..27, 1.0, false), (32..46, 1.0, true)]);
    }

    #[test]
    fn layers_near_the_input_learn_more_slowly() {
        let groups = ranges(&GroupOptions { layer_decay: 0.5, ..GroupOptions::default() });
        let expected =
            [(0..4, 0.25, true), (8..10, 0.25, false), (16..27, 0.5, false), (32..37, 0.5, true), (40..46, 1.0, true)];
        assert_eq!(groups, expected);
    }

    #[test]
    fn simmims_quirk_decays_the_tables() {
        let groups = ranges(&GroupOptions { decay_tables: true, ..GroupOptions::default() });
        assert_eq!(groups, [(0..4, 1.0, true), (8..18, 1.0, false), (24..46, 1.0, true)]);
    }

    #[test]
    fn frozen_prefixes_have_scale_zero() {
        let groups = ranges(&GroupOptions { frozen: vec!["patch_embed.".to_owned()], ..GroupOptions::default() });
        assert_eq!(groups, [(0..10, 0.0, false), (16..27, 1.0, false), (32..46, 1.0, true)]);
    }

    #[test]
    fn settings_that_mean_nothing_are_refused() {
        let options = GroupOptions { frozen: vec!["encoder.".to_owned()], ..GroupOptions::default() };
        let error = Groups::new(&layout(), &options).expect_err("no such name").to_string();
        assert!(error.contains("encoder.*") && error.contains("patch_embed.proj.weight"), "{error}");
        let options = GroupOptions { layer_decay: 0.0, ..GroupOptions::default() };
        let error = Groups::new(&layout(), &options).expect_err("factor 0").to_string();
        assert!(error.contains("layer_decay 0"), "{error}");
    }
}
