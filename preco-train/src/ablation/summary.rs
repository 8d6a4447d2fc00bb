//! What the finished runs of a plan say, as tables.

use std::collections::HashMap;
use std::fmt::Write;

use super::{Arm, Measure, Paired, Plan, Record, Run};

/// The records of a plan.
pub struct Summary<'a> {
    plan: &'a Plan,
    /// By arm, seed and step.
    found: HashMap<(&'a str, u64, &'a str), &'a Record>,
    missing: usize,
}

/// Curves over the share of the labels: its name, and for each arm the points (per cent, mean).
pub type Curves = Vec<(String, Vec<(String, Vec<(f64, f64)>)>)>;

impl<'a> Summary<'a> {
    /// Of the records that are the plan's, with the contents of its lists as in [`Plan::key`].
    pub fn new(plan: &'a Plan, split: &str, records: &'a [Record]) -> Self {
        let by_key: HashMap<&str, &Record> = records.iter().map(|record| (record.key.as_str(), record)).collect();
        let (mut found, mut missing) = (HashMap::new(), 0);
        for Run { arm, seed, measure } in plan.runs() {
            let run = Run { arm, seed, measure };
            match by_key.get(plan.key(&run, split).as_str()) {
                Some(record) => drop(found.insert((arm.name.as_str(), seed, step(measure)), *record)),
                None => missing += 1,
            }
        }
        Self { plan, found, missing }
    }

    /// Runs that are still to be done.
    pub fn missing(&self) -> usize {
        self.missing
    }

    /// Seconds of all that is done.
    pub fn seconds(&self) -> f64 {
        self.found.values().map(|record| record.seconds).sum()
    }

    fn value(&self, arm: &Arm, seed: u64, measure: &Measure, figure: &str) -> Option<f64> {
        self.found.get(&(arm.name.as_str(), seed, measure.name.as_str()))?.figures.get(figure).copied()
    }

    fn values(&self, arm: &Arm, measure: &Measure, figure: &str) -> Vec<f64> {
        self.plan.seeds(arm).iter().filter_map(|&seed| self.value(arm, seed, measure, figure)).collect()
    }

    /// The reference arm minus `other`, over the seeds that both have.
    pub fn paired(&self, other: &Arm, measure: &Measure, figure: &str) -> Option<Paired> {
        let reference = self.reference();
        let pair = |&seed: &u64| {
            Some((self.value(reference, seed, measure, figure)?, self.value(other, seed, measure, figure)?))
        };
        Paired::of(&self.plan.seeds(other).iter().filter_map(pair).collect::<Vec<_>>())
    }

    fn reference(&self) -> &'a Arm {
        let plan = self.plan;
        plan.arms.iter().find(|arm| arm.name == plan.reference).unwrap_or(&plan.arms[0])
    }

    /// Tables in Markdown: each figure of each arm with its mean and every value, then the reference minus each other arm
    /// with an interval of 95 %; last, arms of one seed beside the reference's same seed.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        let (compared, swept): (Vec<&Arm>, Vec<&Arm>) =
            self.plan.arms.iter().partition(|arm| self.plan.seeds(arm).len() > 1 || arm.name == self.plan.reference);
        self.table_of_means(&compared, &mut text);
        self.table_of_differences(&compared, &mut text);
        if !swept.is_empty() {
            self.table_of_single_seeds(&swept, &mut text);
        }
        text
    }

    fn table_of_means(&self, arms: &[&Arm], text: &mut String) {
        let heads: Vec<&str> = arms.iter().map(|arm| arm.title()).collect();
        head(text, &[&["measure"], &heads[..]].concat());
        self.each_figure(|measure, figure, name, is_share| {
            let cells = arms.iter().map(|arm| {
                let values = self.values(arm, measure, figure);
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                match values.is_empty() {
                    true => "–".to_owned(),
                    false => format!("{} ({})", number(mean, is_share), list(&values, is_share)),
                }
            });
            row(text, &label(measure, name, is_share), cells);
        });
    }

    fn table_of_differences(&self, arms: &[&Arm], text: &mut String) {
        let reference = self.reference();
        let others: Vec<&Arm> = arms.iter().copied().filter(|arm| arm.name != reference.name).collect();
        if others.is_empty() {
            return;
        }
        let heads: Vec<String> =
            others.iter().map(|arm| format!("{} minus {}", reference.title(), arm.title())).collect();
        text.push('\n');
        head(text, &[&["measure"], &heads.iter().map(String::as_str).collect::<Vec<_>>()[..]].concat());
        self.each_figure(|measure, figure, name, is_share| {
            let cells = others.iter().map(|arm| {
                let Some(paired) = self.paired(arm, measure, figure) else { return "–".to_owned() };
                let interval = paired.interval.map_or(String::new(), |[low, high]| {
                    format!(" [{} {}]", signed(low, is_share), signed(high, is_share))
                });
                let each: Vec<String> = paired.differences.iter().map(|value| signed(*value, is_share)).collect();
                format!("{}{interval} ({})", signed(paired.mean, is_share), each.join(" "))
            });
            row(text, &label(measure, name, is_share), cells);
        });
    }

    /// The other way round: there are more variants than measures.
    fn table_of_single_seeds(&self, arms: &[&Arm], text: &mut String) {
        let reference = self.reference();
        let mut columns = Vec::new();
        self.each_figure(|measure, figure, name, is_share| {
            let is_taken = arms.iter().any(|arm| !self.values(arm, measure, figure).is_empty());
            if is_taken {
                columns.push((measure, figure, label(measure, name, is_share), is_share));
            }
        });
        text.push('\n');
        let heads: Vec<&str> = columns.iter().map(|(.., head, _)| head.as_str()).collect();
        head(text, &[&["one seed"], &heads[..]].concat());
        let seed = self.plan.seeds(arms[0])[0];
        for arm in std::iter::once(&reference).chain(arms) {
            let seed = if arm.name == reference.name { seed } else { self.plan.seeds(arm)[0] };
            let cell = |&(measure, figure, _, is_share): &(&Measure, &str, String, bool)| {
                self.value(arm, seed, measure, figure).map_or("–".to_owned(), |value| number(value, is_share))
            };
            row(text, arm.title(), columns.iter().map(cell));
        }
    }

    fn each_figure(&self, mut tell: impl FnMut(&'a Measure, &'static str, &'static str, bool)) {
        for measure in &self.plan.measures {
            for (figure, name, is_share) in measure.kind.figures() {
                tell(measure, figure, name, *is_share);
            }
        }
    }

    /// The plan's curves, of arms with several seeds.
    pub fn curves(&self) -> Curves {
        let mut names: Vec<&str> = Vec::new();
        for name in self.plan.measures.iter().filter_map(|measure| measure.curve.as_deref()) {
            // Measures of one curve need not stand together.
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let arms = || self.plan.arms.iter().filter(|arm| self.plan.seeds(arm).len() > 1);
        let points = |arm: &Arm, name: &str| {
            let mut points: Vec<(f64, f64)> = Vec::new();
            for measure in self.plan.measures.iter().filter(|measure| measure.curve.as_deref() == Some(name)) {
                let values = self.values(arm, measure, measure.kind.figures()[0].0);
                if !values.is_empty() {
                    let mean = values.iter().sum::<f64>() / values.len() as f64;
                    points.push((100.0 * measure.label_fraction(), 100.0 * mean));
                }
            }
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            points
        };
        let series = |name: &str| arms().map(|arm| (arm.title().to_owned(), points(arm, name))).collect();
        names.into_iter().map(|name| (name.to_owned(), series(name))).collect()
    }
}

fn step(measure: Option<&Measure>) -> &str {
    measure.map_or("pretrain", |measure| &measure.name)
}

/// `1 % of labels, linear probe: top-1 accuracy, %`
fn label(measure: &Measure, figure: &str, is_share: bool) -> String {
    format!("{}: {figure}{}", measure.title(), if is_share { ", %" } else { "" })
}

fn number(value: f64, is_share: bool) -> String {
    if is_share { format!("{:.1}", 100.0 * value) } else { format!("{value:.4}") }
}

fn signed(value: f64, is_share: bool) -> String {
    if is_share { format!("{:+.1}", 100.0 * value) } else { format!("{value:+.4}") }
}

fn list(values: &[f64], is_share: bool) -> String {
    values.iter().map(|value| number(*value, is_share)).collect::<Vec<_>>().join(" ")
}

fn head(text: &mut String, names: &[&str]) {
    let _ = writeln!(text, "| {} |\n|{}", names.join(" | "), "---|".repeat(names.len()));
}

fn row(text: &mut String, name: &str, cells: impl Iterator<Item = String>) {
    let _ = writeln!(text, "| {name} | {} |", cells.collect::<Vec<_>>().join(" | "));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pairs_are_of_one_seed_and_every_value_is_shown() {
        let plan: Plan = serde_json::from_value(json!({
            "title": "t", "reference": "a", "seeds": [0, 1], "split": "s",
            "arms": [
                { "name": "b", "title": "B", "pretrain": { "lr": 0.1 } },
                { "name": "a" },
                { "name": "s", "seeds": [1], "pretrain": { "lr": 0.2 } },
            ],
            "measures": [
                { "name": "one", "kind": "knn", "settings": { "label-fraction": 0.01 }, "curve": "neighbours" },
                { "name": "rec", "kind": "reconstruction" },
            ],
        }))
        .expect("a plan");
        let values = [("a", 0, 0.5), ("a", 1, 0.75), ("b", 0, 0.25), ("b", 1, 0.75), ("s", 1, 0.7)];
        let records: Vec<Record> = plan
            .runs()
            .iter()
            .filter(|run| run.step() == "one")
            .map(|run| Record {
                key: plan.key(run, "lists"),
                arm: run.arm.name.clone(),
                seed: run.seed,
                step: "one".into(),
                figures: values
                    .iter()
                    .filter(|(arm, seed, _)| (*arm, *seed) == (run.arm.name.as_str(), run.seed))
                    .map(|(.., value)| ("top1".to_owned(), *value))
                    .collect(),
                seconds: 2.0,
                program: String::new(),
                machine: String::new(),
            })
            .collect();
        let summary = Summary::new(&plan, "lists", &records);
        assert_eq!((summary.missing(), summary.seconds()), (10, 10.0));
        let text = summary.markdown();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "| measure | B | a |");
        assert_eq!(lines[2], "| one: top-1 accuracy, % | 50.0 (25.0 75.0) | 62.5 (50.0 75.0) |");
        assert!(text.contains("| measure | a minus B |"), "{text}");
        // Differences of 25 and 0: 12.5 ± 12.706 × 12.5.
        assert!(text.contains("| one: top-1 accuracy, % | +12.5 [-146.3 +171.3] (+25.0 +0.0) |"), "{text}");
        assert!(text.contains("| a | 75.0 |") && text.contains("| s | 70.0 |"), "{text}");
        assert_eq!(
            summary.curves(),
            [("neighbours".to_owned(), vec![("B".to_owned(), vec![(1.0, 50.0)]), ("a".to_owned(), vec![(1.0, 62.5)])])]
        );
        // Lists that changed: nothing of it was measured.
        assert_eq!(Summary::new(&plan, "other", &records).missing(), 15);
    }

    #[test]
    fn a_curve_is_drawn_once_wherever_its_measures_stand() {
        let measure = |name: &str, curve: &str| json!({ "name": name, "kind": "knn", "curve": curve });
        let plan: Plan = serde_json::from_value(json!({
            "title": "t", "reference": "a", "seeds": [0, 1], "split": "s", "arms": [{ "name": "a" }],
            "measures": [measure("1", "x"), measure("2", "y"), measure("3", "x")],
        }))
        .expect("a plan");
        let curves = Summary::new(&plan, "", &[]).curves();
        assert_eq!(curves.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["x", "y"]);
    }
}
