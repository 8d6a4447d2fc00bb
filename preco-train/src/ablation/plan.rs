//! What an ablation trains and measures.

use std::collections::BTreeSet;

use preco_core::rng::fnv1a64;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::error::{Error, Result};

/// Keys and values of a command's settings file.
pub type Settings = Map<String, Value>;

/// Arms, measures and seeds.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Plan {
    /// For people.
    pub title: String,
    /// The arm that the others are compared with.
    pub reference: String,
    /// The seeds of arms that name none.
    pub seeds: Vec<u64>,
    /// Folder of train.txt, val.txt and test.txt, as this file's folder sees it.
    pub split: String,
    /// The part that is measured on.
    #[serde(default)]
    pub part: Part,
    /// Settings of pre-training that all arms share.
    #[serde(default)]
    pub pretrain: Settings,
    /// What is compared.
    pub arms: Vec<Arm>,
    /// By what.
    pub measures: Vec<Measure>,
}

/// A part of the split.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// To choose settings by.
    Val,
    /// Looked at once.
    #[default]
    Test,
}

/// A variant of the recipe.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Arm {
    /// In records and folders.
    pub name: String,
    /// In tables.
    #[serde(default)]
    pub title: Option<String>,
    /// Settings of pre-training over the plan's.
    #[serde(default)]
    pub pretrain: Settings,
    /// Random weights: nothing is pre-trained.
    #[serde(default)]
    pub random: bool,
    /// Its own seeds.
    #[serde(default)]
    pub seeds: Option<Vec<u64>>,
    /// The measures that are taken of it; all where none is named.
    #[serde(default)]
    pub measures: Option<Vec<String>>,
}

/// How a model is measured.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Frozen features by their neighbours.
    Knn,
    /// One label for each image, learnt.
    Classify,
    /// Several labels, learnt.
    Multilabel,
    /// Masked pixels.
    Reconstruction,
}

/// One way to measure a model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Measure {
    /// In records.
    pub name: String,
    /// In tables.
    #[serde(default)]
    pub title: Option<String>,
    /// What is done.
    pub kind: Kind,
    /// Measures of one name here are a curve over the share of the labels.
    #[serde(default)]
    pub curve: Option<String>,
    /// The settings of that command.
    #[serde(default)]
    pub settings: Settings,
}

impl Arm {
    /// For people.
    pub fn title(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.name)
    }
}

impl Measure {
    /// For people.
    pub fn title(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.name)
    }

    /// The share of the labels that are known; 1 where nothing is said.
    pub fn label_fraction(&self) -> f64 {
        self.settings.get("label-fraction").and_then(Value::as_f64).unwrap_or(1.0)
    }
}

impl Kind {
    /// The figures of a measure that tables show, by their names in records, with what they are called and whether a
    /// share is meant.
    pub fn figures(self) -> &'static [(&'static str, &'static str, bool)] {
        match self {
            Self::Knn | Self::Classify => &[("top1", "top-1 accuracy", true)],
            Self::Multilabel => &[("map", "mAP", true)],
            Self::Reconstruction => &[
                ("l1", "L1 on masked pixels", false),
                ("detailed", "L1 on the most detailed quarter of masked cells", false),
                ("flat", "L1 on the flattest quarter", false),
            ],
        }
    }
}

impl Part {
    /// The list's name in the split's folder.
    pub fn file(self) -> &'static str {
        match self {
            Self::Val => "val.txt",
            Self::Test => "test.txt",
        }
    }
}

/// A piece of the work: an arm with a seed is pre-trained, or a measure is taken of it.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// Whose.
    pub arm: &'a Arm,
    /// Of pre-training and of the measure.
    pub seed: u64,
    /// `None` for pre-training.
    pub measure: Option<&'a Measure>,
}

impl Run<'_> {
    /// What is done, in records.
    pub fn step(&self) -> &str {
        self.measure.map_or("pretrain", |measure| &measure.name)
    }
}

impl Plan {
    /// Checks what the file's form does not say.
    ///
    /// # Errors
    /// [`Error::Config`] for names that occur twice or mean nothing, and for a plan without work.
    pub fn validate(&self) -> Result<()> {
        let names = |names: Vec<&str>, what: &str| -> Result<BTreeSet<String>> {
            let mut seen = BTreeSet::new();
            for name in names {
                let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
                if name.is_empty() || name == "pretrain" || name.starts_with('.') || !name.chars().all(plain) {
                    return Err(Error::config(format!("{what} \"{name}\": write letters, digits, - and _")));
                }
                if !seen.insert(name.to_owned()) {
                    return Err(Error::config(format!("{what} {name} occurs twice; names tell runs apart")));
                }
            }
            match seen.is_empty() {
                true => Err(Error::config(format!("the plan has no {what}"))),
                false => Ok(seen),
            }
        };
        let arms = names(self.arms.iter().map(|arm| arm.name.as_str()).collect(), "arm")?;
        let measures = names(self.measures.iter().map(|measure| measure.name.as_str()).collect(), "measure")?;
        if !arms.contains(&self.reference) {
            let known: Vec<&str> = arms.iter().map(String::as_str).collect();
            return Err(Error::config(format!(
                "reference {} is no arm; there are {}",
                self.reference,
                known.join(", ")
            )));
        }
        for arm in &self.arms {
            if let Some(unknown) = arm.measures.iter().flatten().find(|name| !measures.contains(*name)) {
                let known: Vec<&str> = measures.iter().map(String::as_str).collect();
                let (arm, known) = (&arm.name, known.join(", "));
                return Err(Error::config(format!("arm {arm}: {unknown} is no measure; there are {known}")));
            }
            if self.seeds(arm).is_empty() {
                return Err(Error::config(format!("arm {} has no seed", arm.name)));
            }
        }
        Ok(())
    }

    /// The seeds of an arm.
    pub fn seeds<'a>(&'a self, arm: &'a Arm) -> &'a [u64] {
        match &arm.seeds {
            Some(own) => own,
            None => &self.seeds,
        }
    }

    /// The measures that are taken of an arm.
    pub fn measures<'a>(&'a self, arm: &'a Arm) -> impl Iterator<Item = &'a Measure> {
        let is_taken = |name: &String| arm.measures.as_ref().is_none_or(|names| names.contains(name));
        self.measures.iter().filter(move |measure| is_taken(&measure.name))
    }

    /// All runs, one seed after the other: a plan that is half done has whole comparisons.
    pub fn runs(&self) -> Vec<Run<'_>> {
        let all: BTreeSet<u64> = self.arms.iter().flat_map(|arm| self.seeds(arm)).copied().collect();
        let mut runs = Vec::new();
        for seed in all {
            for arm in self.arms.iter().filter(|arm| self.seeds(arm).contains(&seed)) {
                runs.push(Run { arm, seed, measure: None });
                runs.extend(self.measures(arm).map(|measure| Run { arm, seed, measure: Some(measure) }));
            }
        }
        runs
    }

    /// The settings that pre-training of an arm has: the arm's over the plan's.
    pub fn pretraining(&self, arm: &Arm) -> Settings {
        let mut settings = self.pretrain.clone();
        for (key, value) in &arm.pretrain {
            // One length rules out the other.
            match key.as_str() {
                "steps" => settings.remove("epochs"),
                "epochs" => settings.remove("steps"),
                _ => None,
            };
            settings.insert(key.clone(), value.clone());
        }
        settings
    }

    /// By what a run is known: all that its figures depend on, `split` being the lists' contents. A plan that changes
    /// elsewhere keeps its lines.
    pub fn key(&self, run: &Run<'_>, split: &str) -> String {
        let measure = run.measure.map(|measure| {
            json!({ "kind": format!("{:?}", measure.kind), "settings": measure.settings, "part": self.part.file() })
        });
        let told = json!({
            "pretrain": self.pretraining(run.arm),
            "random": run.arm.random,
            "seed": run.seed,
            "measure": measure,
            "split": split,
        });
        format!("{:016x}", fnv1a64(&told.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(change: impl FnOnce(&mut Value)) -> Plan {
        let mut told = json!({
            "title": "t", "reference": "a", "seeds": [0, 1], "split": "s",
            "pretrain": { "steps": 10, "model": "pico" },
            "arms": [
                { "name": "a" },
                { "name": "b", "pretrain": { "epochs": 2 } },
                { "name": "c", "random": true, "seeds": [1], "measures": ["knn"] },
            ],
            "measures": [{ "name": "knn", "kind": "knn" }, { "name": "all", "kind": "classify" }],
        });
        change(&mut told);
        serde_json::from_value(told).expect("a plan")
    }

    #[test]
    fn runs_come_seed_by_seed_with_their_measures_behind_them() {
        let plan = plan(|_| {});
        plan.validate().expect("valid");
        let runs = plan.runs();
        let told: Vec<String> = runs.iter().map(|run| format!("{}{} {}", run.arm.name, run.seed, run.step())).collect();
        let wanted = [
            "a0 pretrain",
            "a0 knn",
            "a0 all",
            "b0 pretrain",
            "b0 knn",
            "b0 all",
            "a1 pretrain",
            "a1 knn",
            "a1 all",
            "b1 pretrain",
            "b1 knn",
            "b1 all",
            "c1 pretrain",
            "c1 knn",
        ];
        assert_eq!(told, wanted);
        assert_eq!(Value::Object(plan.pretraining(&plan.arms[1])), json!({ "epochs": 2, "model": "pico" }));
    }

    #[test]
    fn keys_change_with_what_figures_depend_on_and_with_nothing_else() {
        let key = |plan: &Plan| plan.key(&plan.runs()[1], "lists");
        let same = plan(|_| {});
        for change in ["/title", "/arms/0/name"] {
            assert_eq!(key(&same), key(&plan(|told| *told.pointer_mut(change).expect("there") = json!("x"))));
        }
        let other = plan(|told| told["pretrain"]["steps"] = json!(11));
        assert_ne!(key(&same), key(&other));
        let other = plan(|told| told["part"] = json!("val"));
        assert_ne!(key(&same), key(&other));
        assert_ne!(same.key(&same.runs()[1], "lists"), same.key(&same.runs()[1], "other lists"));
        assert_ne!(same.key(&same.runs()[1], ""), same.key(&same.runs()[0], ""));
    }

    #[test]
    fn names_that_mean_nothing_are_refused() {
        for (change, value, needle) in [
            ("/reference", json!("z"), "reference z is no arm; there are a, b, c"),
            ("/arms/1/name", json!("a"), "arm a occurs twice"),
            ("/arms/1/name", json!("../x"), "arm \"../x\": write letters"),
            ("/arms/2/measures", json!(["zz"]), "arm c: zz is no measure; there are all, knn"),
            ("/measures", json!([]), "the plan has no measure"),
            ("/seeds", json!([]), "arm a has no seed"),
        ] {
            let told = plan(|told| *told.pointer_mut(change).expect("there") = value).validate();
            let told = told.expect_err(needle).to_string();
            assert!(told.contains(needle), "{told}");
        }
    }
}
