//! Roads and rivers: bands of varying width along a winding line.

use super::dice::Dice;
use super::ground::{Colour, Ground, mixed, scaled, wave};
use super::noise;
use super::palette::{SOILS, Style, WATERS};
use super::shapes::{Point, add, dot, pixels, turned};
use super::{RIVER, ROAD};

/// A line that winds about a straight one: `origin + direction t + turned(direction) · swing · noise(t / bend)`.
pub(super) struct Course {
    pub(super) origin: Point,
    pub(super) direction: Point,
    /// Metres to either side.
    pub(super) swing: f32,
    /// Metres from one bend to the next.
    pub(super) bend: f32,
}

impl Course {
    /// A course through the middle part of the scene.
    pub(super) fn through(ground: &Ground, swing: f32, bend: f32, dice: &mut Dice) -> Self {
        let extent = ground.extent();
        let origin = [extent * dice.between(0.3, 0.7), extent * dice.between(0.3, 0.7)];
        Self { origin, direction: dice.direction(), swing, bend }
    }

    fn at(&self, t: f32, seed: u32) -> Point {
        let aside = noise::along(t / self.bend, seed) + 0.3 * noise::along(2.7 * t / self.bend, !seed);
        // At t = 0 the line passes its origin, so a road or river always crosses the scene.
        let zero = noise::along(0.0, seed) + 0.3 * noise::along(0.0, !seed);
        add(add(self.origin, self.direction, t), turned(self.direction), self.swing * (aside - zero))
    }
}

/// How far a pixel is from a course, and how far along it.
#[derive(Clone, Copy)]
struct Beside {
    /// Signed: negative to the left.
    lateral: f32,
    along: f32,
    half_width: f32,
}

/// Visits every pixel within `margin` of the band's edge, each once.
fn sweep(
    ground: &mut Ground,
    course: &Course,
    (half_width, variation, margin): (f32, f32, f32),
    seed: u32,
    paint: impl Fn(&mut Ground, usize, Beside),
) {
    let (size, gsd, extent) = (ground.size, ground.gsd, ground.extent());
    let mut nearest = vec![Beside { lateral: f32::MAX, along: 0.0, half_width: 0.0 }; size * size];
    let step = (course.bend / 9.0).clamp(2.0 * gsd, extent.max(2.0 * gsd) / 6.0);
    let reach = 1.5 * extent;
    let count = (2.0 * reach / step) as usize;
    let mut from = course.at(-reach, seed);
    for i in 1..=count {
        let t = -reach + i as f32 * step;
        let to = course.at(t, seed);
        let width = half_width * (1.0 + variation * noise::along(t / course.bend, seed ^ 0x5bd1_e995));
        let limit = width + margin;
        let columns = pixels((from[0].min(to[0]) - limit) / gsd, (from[0].max(to[0]) + limit) / gsd, size);
        let rows = pixels((from[1].min(to[1]) - limit) / gsd, (from[1].max(to[1]) + limit) / gsd, size);
        let edge = [to[0] - from[0], to[1] - from[1]];
        let inverse = 1.0 / dot(edge, edge).max(1e-6);
        for row in rows.0..rows.1 {
            for column in columns.0..columns.1 {
                let place = ground.place(column, row);
                let offset = [place[0] - from[0], place[1] - from[1]];
                let share = (dot(offset, edge) * inverse).clamp(0.0, 1.0);
                let aside = add(offset, edge, -share);
                let distance = dot(aside, aside).sqrt();
                let best = &mut nearest[row * size + column];
                if distance < limit && distance < best.lateral.abs() {
                    let side = if dot(offset, turned(edge)) < 0.0 { -1.0 } else { 1.0 };
                    *best = Beside { lateral: side * distance, along: t + (share - 1.0) * step, half_width: width };
                }
            }
        }
        from = to;
    }
    for (at, beside) in nearest.into_iter().enumerate() {
        if beside.lateral != f32::MAX {
            paint(ground, at, beside);
        }
    }
}

/// A road's make.
#[derive(Clone, Copy)]
pub(super) struct Make {
    pub(super) half_width: f32,
    pub(super) surface: Colour,
    /// Lane markings and a shoulder.
    pub(super) is_marked: bool,
    /// A planted strip between the carriageways.
    pub(super) has_median: bool,
}

/// Draws a road; where it meets water it is a bridge.
pub(super) fn road(ground: &mut Ground, course: &Course, make: Make, style: &Style, dice: &mut Dice) {
    let seed = dice.seed();
    let verge = mixed(style.soil, style.grass, 0.5);
    let (dash, lane) = (dice.between(6.0, 10.0), make.half_width / if make.half_width > 6.5 { 2.0 } else { 1.0 });
    let line = 0.22f32.max(0.35 * ground.gsd);
    sweep(ground, course, (make.half_width, 0.03, 1.5), seed, |ground, at, beside| {
        let distance = beside.lateral.abs();
        if distance > beside.half_width {
            let share = 1.0 - (distance - beside.half_width) / 1.5;
            ground.colour[at] = mixed(ground.colour[at], ground.textured(at, verge, [0.1, 0.2]), 0.7 * share);
            return;
        }
        // Wheels polish two strips of each lane.
        let wear = 0.04 * wave(distance / lane);
        let mut colour = scaled(ground.textured(at, make.surface, [0.07, 0.08]), 1.0 + wear);
        if make.has_median && distance < 1.2 {
            colour = ground.textured(at, style.grass, [0.1, 0.25]);
        } else if make.is_marked {
            let to_divider = (distance - (distance / lane).floor() * lane).min(lane - distance % lane);
            let is_dash = beside.along - (beside.along / dash).floor() * dash < 0.5 * dash;
            let is_rim = beside.half_width - distance < 0.6 + line && beside.half_width - distance > 0.6 - line;
            if is_rim || (to_divider < line && is_dash && distance < make.half_width - 0.7 * lane.min(2.0)) {
                colour = mixed(colour, [0.82, 0.82, 0.78], 0.75);
            }
        }
        ground.colour[at] = colour;
        ground.mask[at] = ROAD;
    });
}

/// Draws a river with sandy or overgrown banks; it is lighter where it is shallow.
pub(super) fn river(ground: &mut Ground, course: &Course, half_width: f32, style: &Style, dice: &mut Dice) {
    let seed = dice.seed();
    let water = water_colour(style, dice);
    let bank = dice.pick(&[style.soil, style.grass, SOILS[3]]);
    let (margin, shallow) = (dice.between(1.5, 5.0), dice.between(0.1, 0.5));
    sweep(ground, course, (half_width, 0.3, margin + 2.5), seed, |ground, at, beside| {
        // Noise frays the shore; it never reaches farther than the swept margin.
        let distance = beside.lateral.abs() + 1.6 * ground.fine[at].clamp(-1.0, 1.0);
        if distance > beside.half_width {
            let share = 1.0 - ((distance - beside.half_width) / margin).min(1.0);
            ground.colour[at] = mixed(ground.colour[at], ground.textured(at, bank, [0.1, 0.25]), 0.9 * share);
            return;
        }
        // Slower water drops its silt along the inner side of a bend, which the coarse noise stands for.
        let depth = 1.0 - (beside.lateral / beside.half_width).abs().min(1.0);
        let silt = shallow * (1.0 - depth) * (1.0 + ground.coarse[at]);
        ground.colour[at] = ripples(ground, at, mixed(water, bank, silt.clamp(0.0, 0.7)));
        ground.mask[at] = RIVER;
    });
}

/// Water of the region: a body's own colour, tinted by the soil around.
pub(super) fn water_colour(style: &Style, dice: &mut Dice) -> Colour {
    let water = dice.pick(&WATERS);
    let water = dice.near(water, 0.2);
    mixed(water, style.soil, dice.between(0.0, 0.2))
}

/// Water's faint texture.
pub(super) fn ripples(ground: &Ground, at: usize, water: Colour) -> Colour {
    ground.textured(at, water, [0.07, 0.035])
}
