//! One run of a plan, by the commands that people have.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use preco_core::preco::Preco;
use preco_core::spec::Labelling;
use preco_train::ablation::{Arm, Kind, Measure, Plan, Run, Settings};
use preco_train::checkpoint::write_model;
use preco_train::datasets::split::Split;
use preco_train::run::Outcome;
use preco_train::tasks::classify::Figures;
use preco_train::trainer::Ending;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::models::Models;
use crate::cli::{Machine, Processor};
use crate::commands::{evaluate, finetune, knn, pretrain};
use crate::outputs::remove_folder;

/// Images whose masked pixels are filled.
const RECONSTRUCTED: usize = 1000;

/// What runs have in common.
pub(super) struct Step<'a> {
    pub(super) plan: &'a Plan,
    pub(super) data: &'a Path,
    pub(super) split: &'a Path,
    pub(super) models: Models,
    pub(super) processor: &'a Processor,
}

/// The settings that a measure by neighbours knows.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Neighbours {
    label_fraction: f64,
}

impl Default for Neighbours {
    fn default() -> Self {
        Self { label_fraction: 1.0 }
    }
}

/// The settings that a measure of masked pixels knows.
#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Nothing {}

/// Refuses settings that its command would refuse.
pub(super) fn check(plan: &Plan, run: &Run<'_>) -> Result<()> {
    match run.measure {
        None => pretraining(plan, run.arm).map(|_| ()),
        Some(measure) => match measure.kind {
            Kind::Knn => read::<Neighbours>(measure).map(|_| ()),
            Kind::Classify | Kind::Multilabel => read::<finetune::Args>(measure).map(|_| ()),
            Kind::Reconstruction => read::<Nothing>(measure).map(|_| ()),
        },
    }
}

fn read<T: DeserializeOwned>(measure: &Measure) -> Result<T> {
    let settings = Value::Object(measure.settings.clone());
    serde_json::from_value(settings).with_context(|| format!("the settings of measure {}", measure.name))
}

fn pretraining(plan: &Plan, arm: &Arm) -> Result<pretrain::Args> {
    let settings: Settings = plan.pretraining(arm);
    serde_json::from_value(Value::Object(settings)).with_context(|| format!("the settings of arm {}", arm.name))
}

impl Step<'_> {
    /// Does it and returns what was measured; nothing where it was interrupted.
    pub(super) fn execute(&self, run: &Run<'_>) -> Result<Option<BTreeMap<String, f64>>> {
        let model = self.models.pretrained(run);
        let Some(measure) = run.measure else { return self.pretrain(run, &model) };
        // On another machine, or after folders were cleared: the same again, without a record.
        if !Models::has(&model) && self.pretrain(run, &model)?.is_none() {
            return Ok(None);
        }
        match measure.kind {
            Kind::Knn => self.neighbours(run, measure, &model).map(Some),
            Kind::Classify => self.finetune(run, measure, &model, Labelling::Single),
            Kind::Multilabel => self.finetune(run, measure, &model, Labelling::Multi),
            Kind::Reconstruction => self.reconstruct(&model).map(Some),
        }
    }

    fn list(&self, name: &str) -> PathBuf {
        self.split.join(name)
    }

    fn pretrain(&self, run: &Run<'_>, out: &Path) -> Result<Option<BTreeMap<String, f64>>> {
        let args = pretrain::Args {
            data: Some(self.data.to_path_buf()),
            list: Some(self.list(Split::LISTS[0])),
            seed: Some(run.seed),
            out: Some(out.to_path_buf()),
            keep: Some(1),
            ..pretraining(self.plan, run.arm)?
        };
        if run.arm.random {
            let plan = pretrain::Plan::new(&args)?;
            let model = Preco::new(&plan.config.model)?;
            std::fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
            write_model(out, &plan.name, &model, &model.layout().init(run.seed), &plan.config.preprocess())?;
            return Ok(Some(BTreeMap::new()));
        }
        let has_run = out.join("checkpoints").is_dir();
        let args = if has_run {
            let going_on = pretrain::Args { resume: Some(out.to_path_buf()), ..pretrain::Args::default() };
            pretrain::settings(&going_on, &Machine::default())?
        } else {
            pretrain::Args { force: out.exists(), ..args }
        };
        let outcome = pretrain::execute(&args, self.processor)?.outcome;
        if outcome.ending == Ending::Interrupted {
            return Ok(None);
        }
        // They are several times the model, and nothing goes on from them.
        remove_folder(&out.join("checkpoints"))?;
        Ok(Some(losses(&outcome)))
    }

    fn neighbours(&self, run: &Run<'_>, measure: &Measure, model: &Path) -> Result<BTreeMap<String, f64>> {
        let Neighbours { label_fraction } = read(measure)?;
        let lists = [self.list(Split::LISTS[0]), self.list(self.plan.part.file())];
        let args = knn::Args::of(model, self.data, lists, label_fraction, run.seed);
        Ok(figures(&knn::execute(&args, self.processor)?.figures))
    }

    fn finetune(
        &self,
        run: &Run<'_>,
        measure: &Measure,
        model: &Path,
        labelling: Labelling,
    ) -> Result<Option<BTreeMap<String, f64>>> {
        let out = self.models.passing(run);
        remove_folder(&out)?;
        let args = finetune::Args {
            data: Some(self.data.to_path_buf()),
            list: Some(self.list(Split::LISTS[0])),
            val_list: Some(self.list(Split::LISTS[1])),
            init_from: Some(model.to_path_buf()),
            seed: Some(run.seed),
            save_every: Some(0),
            keep: Some(1),
            out: Some(out.clone()),
            ..read(measure)?
        };
        let report = finetune::execute(&args, labelling, self.processor)?;
        if report.outcome.ending == Ending::Interrupted {
            return Ok(None);
        }
        let args = evaluate::Args::of_labels(&out, self.data, &self.list(self.plan.part.file()));
        let evaluate::Evaluation::Labels(measured) = evaluate::execute(&args, self.processor)? else {
            bail!("{} is no classifier", out.display());
        };
        remove_folder(&out)?;
        Ok(Some(figures(&measured.figures)))
    }

    fn reconstruct(&self, model: &Path) -> Result<BTreeMap<String, f64>> {
        let list = self.list(self.plan.part.file());
        let args = evaluate::Args::of_masked_pixels(model, self.data, &list, RECONSTRUCTED);
        let Some(measured) = evaluate::inpainting(&args, self.processor)? else {
            bail!("{} has no decoder to fill masked pixels with", model.display());
        };
        let mut figures = BTreeMap::new();
        for filling in &measured.fillings {
            // The model's own under plain names; those of its peers beside them.
            let name = |figure: &str| match filling.name {
                "model" => figure.to_owned(),
                peer => format!("{peer}_{figure}"),
            };
            let told = [("l1", filling.l1), ("detailed", filling.detailed), ("flat", filling.flat)];
            figures.extend(told.map(|(figure, value)| (name(figure), value)));
        }
        Ok(figures)
    }
}

/// The mean of each loss over the last tenth of the steps.
fn losses(outcome: &Outcome) -> BTreeMap<String, f64> {
    outcome.last.iter().map(|(name, value)| (name.clone(), *value)).collect()
}

fn figures(figures: &Figures) -> BTreeMap<String, f64> {
    let told = match figures {
        Figures::Single(single) => vec![
            ("top1", Some(single.top1)),
            ("top5", Some(single.top5)),
            ("macro_f1", single.macro_f1),
            ("calibration_error", single.calibration.error),
        ],
        Figures::Several(several) => {
            vec![("map", several.average_precision.macro_), ("map_micro", several.average_precision.micro)]
        }
    };
    told.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}
