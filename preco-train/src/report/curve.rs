//! Loss curves: named series over steps, raw values faint, their moving average on top.

use super::axis::Axis;
use super::canvas::{Anchor, Canvas};
use super::smooth::{averaged, significant};
use preco_core::imagery::Image8;

const INK: [u8; 3] = [38, 42, 48];
const QUIET: [u8; 3] = [110, 116, 124];
const GRID: [u8; 3] = [228, 231, 235];
const ALARM: [u8; 3] = [214, 39, 40];
/// Okabe and Ito's colours (2008), which colour-blind readers tell apart, without the yellow that white swallows.
const SERIES: [[u8; 3]; 6] =
    [[0, 114, 178], [213, 94, 0], [0, 158, 115], [204, 121, 167], [86, 180, 233], [230, 159, 0]];

/// A plot of series over steps.
///
/// # Example
/// ```
/// use preco_train::report::LossCurve;
/// let points: Vec<(f64, f64)> = (0..200).map(|step| (f64::from(step), 1.0 / f64::from(step + 1))).collect();
/// let image = LossCurve::new("pre-training").series("loss", points).log_y().render(800, 450);
/// assert_eq!((image.width(), image.height()), (800, 450));
/// ```
#[derive(Clone, Debug)]
pub struct LossCurve {
    title: String,
    x_name: String,
    series: Vec<(String, Vec<(f64, f64)>)>,
    is_log_x: bool,
    is_log: bool,
    window: Option<usize>,
}

impl LossCurve {
    /// A plot without series.
    pub fn new(title: impl Into<String>) -> Self {
        let (title, x_name) = (title.into(), "step".into());
        Self { title, x_name, series: Vec::new(), is_log_x: false, is_log: false, window: None }
    }

    /// Adds a series of (step, value). Values that are not finite leave a gap and a red mark on the step axis.
    pub fn series(mut self, name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        self.series.push((name.into(), points));
        self
    }

    /// Names the horizontal axis, `step` unless told otherwise.
    pub fn x_name(mut self, name: impl Into<String>) -> Self {
        self.x_name = name.into();
        self
    }

    /// Logarithmic values; zero and below cannot be shown and leave a gap.
    pub fn log_y(mut self) -> Self {
        self.is_log = true;
        self
    }

    /// Averages over so many points, centred; unless told, over a fortieth of a series. 1 draws the raw line alone.
    pub fn smooth(mut self, window: usize) -> Self {
        self.window = Some(window);
        self
    }

    /// Makes the axis of steps logarithmic.
    pub fn log_x(mut self) -> Self {
        self.is_log_x = true;
        self
    }

    /// Draws the plot; a size below 240 by 160 is taken as that.
    pub fn render(&self, width: usize, height: usize) -> Image8 {
        let (width, height) = (width.max(240), height.max(160));
        let points = || self.series.iter().flat_map(|(_, points)| points);
        let x = Axis::over(points().map(|p| p.0), self.is_log_x, (width / 120).max(2), 0.0);
        let y = Axis::over(points().map(|p| p.1), self.is_log, (height / 80).max(2), 0.04);
        let frame = Frame { left: 76.0, top: 64.0, right: width as f32 - 24.0, bottom: height as f32 - 52.0, x, y };
        let mut canvas = Canvas::new(width, height, [255; 3]);
        self.grid(&mut canvas, &frame);
        for (i, (_, points)) in self.series.iter().enumerate() {
            self.draw(&mut canvas, &frame, points, SERIES[i % SERIES.len()]);
        }
        self.legend(&mut canvas, &frame);
        canvas.finish()
    }

    fn grid(&self, canvas: &mut Canvas, frame: &Frame) {
        let (left, bottom) = (frame.left as i32, frame.bottom as i32);
        for (value, label) in frame.y.ticks() {
            if let Some(place) = frame.y.place(value) {
                let at = (frame.bottom - place * (frame.bottom - frame.top)) as i32;
                canvas.rectangle([left, at, frame.right as i32, at + 1], GRID);
                canvas.text(&label, [left - 8, at], Anchor::Right, 12, QUIET);
            }
        }
        for (value, label) in frame.x.ticks() {
            if let Some(place) = frame.x.place(value) {
                let at = (frame.left + place * (frame.right - frame.left)) as i32;
                canvas.rectangle([at, bottom, at + 1, bottom + 5], QUIET);
                canvas.text(&label, [at, bottom + 15], Anchor::Middle, 12, QUIET);
            }
        }
        canvas.rectangle([left, bottom, frame.right as i32 + 1, bottom + 1], QUIET);
        let middle = (0.5 * (frame.left + frame.right)) as i32;
        canvas.text(&self.x_name, [middle, bottom + 36], Anchor::Middle, 13, INK);
        canvas.text(&self.title, [left, 22], Anchor::Left, 18, INK);
    }

    fn draw(&self, canvas: &mut Canvas, frame: &Frame, points: &[(f64, f64)], colour: [u8; 3]) {
        let window = self.window.unwrap_or(points.len() / 40).max(1);
        let (raw, opacity) = if window > 1 { (1.0, 0.28) } else { (2.0, 1.0) };
        frame.stroke(canvas, points, raw, colour, opacity);
        if window > 1 {
            frame.stroke(canvas, &averaged(points, window, self.is_log), 2.2, colour, 1.0);
        }
        for &(step, _) in points.iter().filter(|(_, value)| !value.is_finite()) {
            if let Some(place) = frame.x.place(step) {
                let at = (frame.left + place * (frame.right - frame.left)) as i32;
                canvas.rectangle([at - 1, frame.bottom as i32 - 10, at + 1, frame.bottom as i32], ALARM);
            }
        }
    }

    /// Names and last values, in a row above the plot, where no curve can run into them.
    fn legend(&self, canvas: &mut Canvas, frame: &Frame) {
        let mut left = frame.left as i32;
        for (i, (name, points)) in self.series.iter().enumerate() {
            canvas.rectangle([left, 45, left + 18, 48], SERIES[i % SERIES.len()]);
            let last = points.iter().rev().find(|point| point.1.is_finite());
            let value = last.map(|point| format!("  {}", significant(point.1))).unwrap_or_default();
            left += 24 + canvas.text(&format!("{name}{value}"), [left + 24, 47], Anchor::Left, 12, INK) as i32 + 22;
        }
    }
}

/// The plot's rectangle and axes.
struct Frame {
    left: f32,
    top: f32,
    right: f32,
    bottom: f32,
    x: Axis,
    y: Axis,
}

impl Frame {
    fn place(&self, (step, value): (f64, f64)) -> Option<[f32; 2]> {
        let (x, y) = (self.x.place(step)?, self.y.place(value)?);
        Some([self.left + x * (self.right - self.left), self.bottom - y * (self.bottom - self.top)])
    }

    /// Draws the runs between gaps; a run of one point is a dot.
    fn stroke(&self, canvas: &mut Canvas, points: &[(f64, f64)], thickness: f32, colour: [u8; 3], opacity: f32) {
        let places: Vec<Option<[f32; 2]>> = points.iter().map(|&point| self.place(point)).collect();
        for run in places.split(Option::is_none) {
            let run: Vec<[f32; 2]> = run.iter().flatten().copied().collect();
            if run.is_empty() {
                continue;
            }
            canvas.line(&run, if run.len() == 1 { 3.0 * thickness } else { thickness }, colour, opacity);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coloured(image: &Image8, colour: [u8; 3]) -> usize {
        image.data().chunks_exact(3).filter(|pixel| *pixel == colour).count()
    }

    #[test]
    fn a_rising_series_rises() {
        let curve = LossCurve::new("t").series("up", (0..20).map(|i| (f64::from(i), f64::from(i))).collect());
        let image = curve.render(400, 300);
        let row = |x: usize| (70..240).find(|&y| image.get(x, y) == SERIES[0]).expect("the line crosses each column");
        assert!(row(100) > row(200) && row(200) > row(350));
    }

    #[test]
    fn series_of_one_point_none_nan_or_a_constant_are_drawn() {
        let render = |points: Vec<(f64, f64)>| LossCurve::new("t").series("a", points).render(300, 200);
        let legend_only = coloured(&render(Vec::new()), SERIES[0]);
        assert!(coloured(&render(vec![(5.0, 2.0)]), SERIES[0]) > legend_only + 9, "one point is a dot");
        assert!(coloured(&render((0..9).map(|i| (f64::from(i), 2.0)).collect()), SERIES[0]) > legend_only + 100);
        let broken = render(vec![(0.0, 1.0), (1.0, f64::NAN), (2.0, f64::INFINITY), (3.0, 1.5)]);
        assert!(coloured(&broken, ALARM) > 0, "values that are not finite are marked");
        let zeros = LossCurve::new("t").series("a", vec![(0.0, 0.0), (1.0, -1.0)]).log_y().render(0, 0);
        assert_eq!((zeros.width(), zeros.height()), (240, 160));
    }
}
