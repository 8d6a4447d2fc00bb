//! Progress on standard error: a bar on a terminal, a line every few seconds elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use preco_train::progress::{EvaluationReport, Progress, StepReport};
use preco_train::tasks::pretrain::TERMS;

use crate::output::note;

/// Between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// How far the shown speed looks back: nine parts of what was, one of what is.
const SMOOTHING: f64 = 0.9;

/// The progress of a training run.
pub(crate) struct Display {
    bar: Option<ProgressBar>,
    done: u64,
    steps: u64,
    started: Instant,
    last_line: Instant,
    images_per_s: Option<f64>,
}

impl Display {
    /// A display that has not begun.
    pub(crate) fn new() -> Self {
        Self { bar: None, done: 0, steps: 0, started: Instant::now(), last_line: Instant::now(), images_per_s: None }
    }

    /// The terms, the speed and the time left, in a few words.
    fn words(&mut self, report: &StepReport) -> String {
        let before = self.images_per_s.unwrap_or(report.images_per_s);
        let speed = SMOOTHING * before + (1.0 - SMOOTHING) * report.images_per_s;
        self.images_per_s = Some(speed);
        let each = self.started.elapsed().as_secs_f64() / (report.step - self.done) as f64;
        let left = each * (self.steps - report.step) as f64;
        let terms: String = TERMS
            .iter()
            .filter_map(|(_, name)| Some((name.trim_start_matches("loss_"), report.terms.get(*name)?)))
            .map(|(name, value)| format!(" {name} {value:.4}"))
            .collect();
        format!("loss {:.4} ={terms}, {speed:.1} images/s, {} left", report.loss, duration(left))
    }
}

impl Progress for Display {
    fn begin(&mut self, done: u64, steps: u64) {
        (self.done, self.steps) = (done, steps);
        (self.started, self.last_line) = (Instant::now(), Instant::now());
        if std::io::stderr().is_terminal() {
            let style = ProgressStyle::with_template("{bar:24} {pos}/{len} {msg}");
            self.bar = Some(ProgressBar::new(steps).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())));
        }
    }

    fn step(&mut self, report: &StepReport) {
        let words = self.words(report);
        if let Some(bar) = &self.bar {
            bar.set_message(words);
            bar.set_position(report.step);
            if report.step == self.steps {
                bar.finish();
            }
        } else if self.last_line.elapsed() >= LINE_EVERY || report.step == self.steps {
            self.last_line = Instant::now();
            note(&format!("step {}/{}: {words}", report.step, self.steps));
        }
    }

    fn evaluation(&mut self, report: &EvaluationReport) {
        let metrics: Vec<String> = report.metrics.iter().map(|(name, value)| format!("{name} {value:.4}")).collect();
        let best = if report.is_best { ", the best so far" } else { "" };
        self.message(&format!("step {}: {}{best}", report.step, metrics.join(" ")));
    }

    fn message(&mut self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => note(text),
        }
    }
}

/// `42 s`, `3 min 20 s` or `5 h 7 min`.
pub(crate) fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_the_units_people_use() {
        let shown = [0.4, 59.4, 200.0, 18_450.0].map(duration);
        assert_eq!(shown, ["0 s", "59 s", "3 min 20 s", "5 h 7 min"]);
    }
}
