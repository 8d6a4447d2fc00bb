//! What an ablation has found so far: a table, a page and curves.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use preco_core::files::write_atomic;
use preco_core::imagery::write_png;
use preco_train::ablation::{Plan, Summary};
use preco_train::report::LossCurve;
use serde::Serialize;

use crate::interrupt;
use crate::output::Report;
use crate::progress::duration;

/// Pixels of a curve's picture.
const CURVE_PX: [usize; 2] = [840, 480];

/// What was found.
#[derive(Debug, Serialize)]
pub(crate) struct Ablation {
    title: String,
    /// Runs that are done, and of how many.
    done: usize,
    runs: usize,
    /// Of all that is done, on whatever machine.
    seconds: f64,
    /// Tables in Markdown.
    tables: String,
    file: PathBuf,
    written: Vec<PathBuf>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    interrupted: bool,
}

/// Writes `summary.md` and a picture of each curve into `out`.
pub(super) fn told(
    plan: &Plan,
    summary: &Summary<'_>,
    out: &Path,
    file: PathBuf,
    interrupted: bool,
) -> Result<Ablation> {
    let (tables, runs) = (summary.markdown(), plan.runs().len());
    let mut written = vec![out.join("summary.md")];
    write_atomic(&written[0], |to| write!(to, "# {}\n\n{tables}", plan.title))
        .with_context(|| format!("cannot write {}", written[0].display()))?;
    for (name, series) in summary.curves() {
        if series.iter().all(|(_, points)| points.len() < 2) {
            continue;
        }
        let path = out.join(format!("labels-{}.png", name.replace(' ', "-")));
        let curve = LossCurve::new(format!("{name}: top-1 accuracy, %")).x_name("known labels, %").log_x().smooth(1);
        let curve = series.into_iter().fold(curve, |curve, (arm, points)| curve.series(arm, points));
        write_png(&curve.render(CURVE_PX[0], CURVE_PX[1]), &path)?;
        written.push(path);
    }
    let done = runs - summary.missing();
    let (title, seconds) = (plan.title.clone(), summary.seconds());
    Ok(Ablation { title, done, runs, seconds, tables, file, written, interrupted })
}

impl Report for Ablation {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { title, done, runs, seconds, tables, file, written, .. } = self;
        writeln!(out, "{title}: {done} of {runs} runs are done, {} in all\n", duration(*seconds))?;
        writeln!(out, "{tables}")?;
        for path in written {
            writeln!(out, "written: {}", path.display())?;
        }
        writeln!(out, "runs: {}", file.display())?;
        if done < runs {
            writeln!(out, "next: the same command does the other {}", runs - done)?;
        }
        Ok(())
    }

    fn exit_code(&self) -> u8 {
        if self.interrupted { interrupt::EXIT_CODE } else { 0 }
    }
}
