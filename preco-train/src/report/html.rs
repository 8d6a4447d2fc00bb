//! One page about a run that needs nothing else: no scripts, no other files, light or dark as the reader likes.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::axis::Axis;
use super::smooth::{averaged, significant};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 280.0;
/// Room for the labels of the axes.
const LEFT: f64 = 64.0;
const BELOW: f64 = 44.0;
const BESIDE: f64 = 24.0;
/// Points a curve is thinned to: the least and the most of each stretch stay, so peaks do.
const POINTS: usize = 1000;
/// Up to so many points are shown one by one; a single one would be no line.
const DOTTED: usize = 40;
const COLOURS: [&str; 5] = ["#3b7dd8", "#d9622b", "#2f9e62", "#9a5fc7", "#8a8a8a"];

/// What the page says.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The heading.
    pub title: String,
    /// Names and values.
    pub facts: Vec<(String, String)>,
    /// Curves.
    pub charts: Vec<Chart>,
    /// Rows of values.
    pub tables: Vec<Table>,
    /// Counts of pairs of names.
    pub grids: Vec<Grid>,
    /// Captions and PNG files.
    pub pictures: Vec<(String, Vec<u8>)>,
    /// The settings as text.
    pub settings: String,
}

/// Curves over one axis of steps.
#[derive(Clone, Debug, Default)]
pub struct Chart {
    /// The heading.
    pub title: String,
    /// Names and points (step, value); a value that is no finite number leaves a gap.
    pub series: Vec<(String, Vec<(f64, f64)>)>,
    /// True for a logarithmic scale of values.
    pub log_y: bool,
}

/// Rows of values below a heading.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// The heading.
    pub title: String,
    /// Names of the columns.
    pub head: Vec<String>,
    /// Values.
    pub rows: Vec<Vec<String>>,
}

/// Counts of pairs of names, darker where more of a row are.
#[derive(Clone, Debug, Default)]
pub struct Grid {
    /// The heading.
    pub title: String,
    /// Names of rows and columns.
    pub names: Vec<String>,
    /// A row of counts for each name.
    pub cells: Vec<Vec<u64>>,
}

impl Page {
    /// The page as HTML.
    pub fn to_html(&self) -> String {
        let mut html = String::new();
        let title = escape(&self.title);
        let _ = write!(
            html,
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\n<style>{STYLE}</style>\
             </head>\n<body>\n<h1>{title}</h1>\n<table>\n"
        );
        for (name, value) in &self.facts {
            let _ = writeln!(html, "<tr><th>{}</th><td>{}</td></tr>", escape(name), escape(value));
        }
        html.push_str("</table>\n");
        for chart in self.charts.iter().filter(|chart| chart.series.iter().any(|(_, points)| !points.is_empty())) {
            chart.draw(&mut html);
        }
        self.tables.iter().for_each(|table| table.draw(&mut html));
        self.grids.iter().for_each(|grid| grid.draw(&mut html));
        for (caption, png) in &self.pictures {
            let _ = writeln!(
                html,
                "<h2>{0}</h2>\n<img alt=\"{0}\" src=\"data:image/png;base64,{1}\">",
                escape(caption),
                STANDARD.encode(png)
            );
        }
        let _ = write!(html, "<h2>Settings</h2>\n<pre>{}</pre>\n</body></html>\n", escape(&self.settings));
        html
    }
}

impl Table {
    fn draw(&self, html: &mut String) {
        let row = |cell: &str, values: &[String]| {
            values.iter().map(|value| format!("<{cell}>{}</{cell}>", escape(value))).collect::<String>()
        };
        let _ = writeln!(html, "<h2>{}</h2>\n<div class=\"wide\"><table class=\"rows\">", escape(&self.title));
        let _ = writeln!(html, "<tr>{}</tr>", row("th", &self.head));
        self.rows.iter().for_each(|values| {
            let _ = writeln!(html, "<tr>{}</tr>", row("td", values));
        });
        html.push_str("</table></div>\n");
    }
}

impl Grid {
    fn draw(&self, html: &mut String) {
        let _ = writeln!(html, "<h2>{}</h2>\n<div class=\"wide\"><table class=\"grid-of\">", escape(&self.title));
        let names: String = self.names.iter().map(|name| format!("<th><i>{}</i></th>", escape(name))).collect();
        let _ = writeln!(html, "<tr><td></td>{names}</tr>");
        for (name, cells) in self.names.iter().zip(&self.cells) {
            let total = cells.iter().sum::<u64>().max(1);
            let cell = |&count: &u64| {
                let share = (100.0 * count as f64 / total as f64).round();
                let style = format!("background:color-mix(in srgb,{} {share}%,transparent)", COLOURS[0]);
                format!("<td style=\"{style}\">{}</td>", if count > 0 { count.to_string() } else { String::new() })
            };
            let cells: String = cells.iter().map(cell).collect();
            let _ = writeln!(html, "<tr><th>{}</th>{cells}</tr>", escape(name));
        }
        html.push_str("</table></div>\n");
    }
}

impl Chart {
    fn draw(&self, html: &mut String) {
        let all = || self.series.iter().flat_map(|(_, points)| points.iter());
        let x = Axis::over(all().map(|(step, _)| *step), false, 8, 0.0);
        let y = Axis::over(all().map(|(_, value)| *value), self.log_y, 5, 0.05);
        let (right, base) = (WIDTH - BESIDE, HEIGHT - BELOW);
        let across = |step| x.place(step).map(|at| LEFT + f64::from(at) * (right - LEFT));
        let down = |value| y.place(value).map(|at| base - f64::from(at) * (base - 8.0));
        let _ = writeln!(html, "<h2>{}</h2>\n<p class=\"legend\">", escape(&self.title));
        for (at, (name, points)) in self.series.iter().enumerate() {
            let last = points.iter().rev().find(|(_, value)| value.is_finite());
            let last = last.map(|(_, value)| format!(" <b>{}</b>", significant(*value))).unwrap_or_default();
            let _ = writeln!(html, "<span><i style=\"background:{}\"></i>{}{last}</span>", colour(at), escape(name));
        }
        let title = escape(&self.title);
        let _ = writeln!(html, "</p>\n<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\">");
        for (value, label) in y.ticks() {
            if let Some(at) = down(value) {
                let _ = writeln!(
                    html,
                    "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{right}\"/><text x=\"{:.1}\" y=\"{:.1}\" \
                     text-anchor=\"end\">{label}</text>",
                    LEFT - 6.0,
                    at + 4.0
                );
            }
        }
        for (value, label) in x.ticks() {
            if let Some(at) = across(value) {
                let _ = writeln!(
                    html,
                    "<text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>",
                    base + 17.0
                );
            }
        }
        let _ = writeln!(html, "<path class=\"axis\" d=\"M{LEFT} {base}H{right}\"/>");
        let (middle, low) = ((LEFT + right) / 2.0, HEIGHT - 8.0);
        let _ = writeln!(html, "<text x=\"{middle}\" y=\"{low}\" text-anchor=\"middle\">step</text>");
        let place = |&(step, value): &(f64, f64)| across(step).zip(down(value));
        for (at, (_, points)) in self.series.iter().enumerate() {
            let window = points.len() / 40;
            let thin = thinned(points);
            let places: Vec<_> = thin.iter().map(place).collect();
            let class = if window > 1 { "curve raw" } else { "curve" };
            let _ = writeln!(html, "<path class=\"{class}\" stroke=\"{}\" d=\"{}\"/>", colour(at), path(&places));
            for (x, y) in places.iter().flatten().filter(|_| points.len() <= DOTTED) {
                let _ = writeln!(html, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.5\" fill=\"{}\"/>", colour(at));
            }
            if window > 1 {
                let mean: Vec<_> = averaged(points, window, self.log_y).iter().map(place).collect();
                let _ = writeln!(html, "<path class=\"curve\" stroke=\"{}\" d=\"{}\"/>", colour(at), path(&mean));
            }
        }
        html.push_str("</svg>\n");
    }
}

/// Strokes through the places, broken where there is none.
fn path(places: &[Option<(f64, f64)>]) -> String {
    let mut path = String::new();
    let mut pen_is_down = false;
    for place in places {
        if let Some((x, y)) = place {
            let _ = write!(path, "{}{x:.1} {y:.1}", if pen_is_down { 'L' } else { 'M' });
        }
        pen_is_down = place.is_some();
    }
    path
}

fn colour(at: usize) -> &'static str {
    COLOURS[at % COLOURS.len()]
}

/// At most [`POINTS`] of the points: of each stretch the first that is no number, the least and the most.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= POINTS {
        return points.to_vec();
    }
    let stretch = points.len().div_ceil(POINTS / 3);
    let mut kept = Vec::with_capacity(POINTS);
    for part in points.chunks(stretch) {
        let numbers = || part.iter().enumerate().filter(|(_, (_, value))| value.is_finite());
        let least = numbers().min_by(|a, b| a.1.1.total_cmp(&b.1.1)).map(|(at, _)| at);
        let most = numbers().max_by(|a, b| a.1.1.total_cmp(&b.1.1)).map(|(at, _)| at);
        let gap = part.iter().position(|(_, value)| !value.is_finite());
        let mut places: Vec<usize> = [least, most, gap].into_iter().flatten().collect();
        places.sort_unstable();
        places.dedup();
        kept.extend(places.into_iter().map(|at| part[at]));
    }
    kept
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1d2329;--soft:#68727d;--line:#dfe3e8;--paper:#fff}\
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ec;--soft:#98a2ad;--line:#343b43;--paper:#16191d}}\
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:760px;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.5rem}h2{font-size:1.05rem;margin:2rem 0 .4rem}\
table{border-collapse:collapse}th{text-align:left;font-weight:500;color:var(--soft);padding:.15rem 1.5rem .15rem 0;vertical-align:top}\
td{font-variant-numeric:tabular-nums}svg,img{width:100%;height:auto}svg text{font-size:11px;fill:var(--soft)}\
.wide{overflow-x:auto}.rows th,.rows td{padding:.15rem 1.2rem .15rem 0;text-align:right}.rows th:first-child,.rows td:first-child{text-align:left}\
.grid-of{font-size:12px}.grid-of td{min-width:2.2rem;text-align:center;padding:.25rem .2rem}.grid-of tr:first-child th{vertical-align:bottom;padding:0 .2rem}.grid-of tr:first-child i{writing-mode:vertical-rl;transform:rotate(180deg);font-style:normal}\
.grid{stroke:var(--line)}.axis{stroke:var(--soft)}\
.curve{fill:none;stroke-width:1.6;stroke-linejoin:round}.raw{stroke-width:1;opacity:.3}\
.legend{margin:0;color:var(--soft)}.legend span{margin-right:1.2rem}.legend b{color:var(--ink);font-weight:500;font-variant-numeric:tabular-nums}.legend i{display:inline-block;width:.8rem;height:.2rem;margin-right:.4rem;vertical-align:middle}\
pre{background:color-mix(in srgb,var(--ink) 6%,transparent);padding:.8rem;overflow:auto;font-size:13px}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_users_write_stays_text() {
        let page = Page {
            title: "<script>a</script>".to_owned(),
            facts: vec![("a & b".to_owned(), "\"'".to_owned())],
            settings: "out = \"</pre>\"".to_owned(),
            ..Page::default()
        };
        let html = page.to_html();
        assert!(!html.contains("<script>") && html.contains("&lt;script&gt;a&lt;/script&gt;"), "{html}");
        assert!(
            html.contains("<th>a &amp; b</th><td>&quot;&#39;</td>") && html.matches("</pre>").count() == 1,
            "{html}"
        );
        assert!(!html.contains("http"), "the page asks for another file");
    }

    #[test]
    fn tables_and_counts_stand_in_their_rows() {
        let texts = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let table = Table { title: "t".to_owned(), head: texts(&["a", "<b>"]), rows: vec![texts(&["1", "2"])] };
        let grid = Grid { title: "g".to_owned(), names: texts(&["x", "y"]), cells: vec![vec![3, 1], vec![0, 0]] };
        let html = Page { tables: vec![table], grids: vec![grid], ..Page::default() }.to_html();
        assert!(html.contains("<tr><th>a</th><th>&lt;b&gt;</th></tr>\n<tr><td>1</td><td>2</td></tr>"), "{html}");
        // Three quarters and one of the row; a row of nothing is pale.
        assert!(
            html.contains("75%,transparent)\">3</td>") && html.contains("25%,transparent)\">1</td></tr>"),
            "{html}"
        );
        assert_eq!(html.matches(" 0%,transparent)\"></td>").count(), 2, "{html}");
    }

    #[test]
    fn thinning_keeps_the_peaks_and_the_gaps() {
        let mut points: Vec<(f64, f64)> = (0..100_000).map(|i| (f64::from(i), (f64::from(i) * 1e-3).sin())).collect();
        points[54_321].1 = 99.0;
        points[12_345].1 = f64::NAN;
        let thin = thinned(&points);
        assert!(thin.len() <= POINTS, "{}", thin.len());
        assert!(thin.contains(&(54_321.0, 99.0)));
        assert_eq!(thin.iter().filter(|(_, value)| value.is_nan()).count(), 1);
        assert!(thin.windows(2).all(|pair| pair[0].0 < pair[1].0), "the order is lost");
    }

    #[test]
    fn a_curve_is_drawn_where_its_values_are_and_broken_where_they_are_not() {
        let series = vec![("loss".to_owned(), vec![(0.0, 1.0), (1.0, 0.0), (2.0, f64::NAN), (3.0, 1.0), (4.0, 0.5)])];
        let chart = Chart { title: "t".to_owned(), series, log_y: false };
        let html = Page { charts: vec![chart], ..Page::default() }.to_html();
        let path = html.split("class=\"curve\"").nth(1).and_then(|rest| rest.split("d=\"").nth(1)).expect("a curve");
        let path = path.split('"').next().expect("a path");
        // Two strokes; left to right from 64 to 696; 1.0 above 0.0, with 5 % of the range free: 18.4 and 225.6.
        assert_eq!(path, "M64.0 18.4L222.0 225.6M538.0 18.4L696.0 122.0");
        assert_eq!(html.matches("<circle").count(), 4);
        assert!(html.contains("loss <b>0.5000</b>"), "{html}");
        let empty = Page { charts: vec![Chart::default()], ..Page::default() }.to_html();
        assert!(!empty.contains("<svg"), "an empty chart is drawn");
    }

    #[test]
    fn a_long_series_has_its_average_before_it_and_a_single_point_is_seen() {
        let long = (0..400).map(|i| (f64::from(i), if i % 2 == 0 { 0.0 } else { 2.0 })).collect();
        let series = vec![("long".to_owned(), long), ("short".to_owned(), vec![(200.0, 1.0)])];
        let html =
            Page { charts: vec![Chart { title: "t".to_owned(), series, log_y: false }], ..Page::default() }.to_html();
        assert_eq!((html.matches("\"curve raw\"").count(), html.matches("\"curve\"").count()), (1, 2));
        // The middle of the axis of values, and step 200 of 399.
        assert!(html.contains("<circle cx=\"380.8\" cy=\"122.0\""), "{html}");
    }
}
