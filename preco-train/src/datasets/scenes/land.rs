//! Flat land: crops in rows, pasture, lawns, bare and paved ground.

use super::dice::Dice;
use super::ground::{Ground, mixed, scaled, wave};
use super::palette::{GREENS, SOILS, STRAWS, Style};
use super::shapes::{Point, dot, turned, unit};
use super::{CROPS, FOREST, PASTURE};

/// One crop in rows, thin where the ground is poor, with tramlines on some fields.
pub(super) fn crops(ground: &mut Ground, polygon: &[Point], style: &Style, dice: &mut Dice) {
    let kind = dice.between(0.0, 1.0);
    let plant = if kind < 0.5 {
        dice.pick(&GREENS)
    } else if kind < 0.75 {
        dice.pick(&STRAWS)
    } else {
        dice.pick(&SOILS)
    };
    let plant = dice.near(plant, 0.15);
    let soil = mixed(style.soil, plant, dice.between(0.0, 0.4));
    // Rows follow the parcel's longest side, as tractors do.
    let across = turned(longest_side(polygon));
    let spacing = dice.between(3.0, 8.0).max(2.4 * ground.gsd);
    let (contrast, patches) = (dice.between(0.35, 0.85), dice.between(0.1, 0.6));
    let tramline = if dice.chance(0.5) { dice.between(16.0, 28.0) } else { f32::MAX };
    let grain = [dice.between(0.03, 0.16), dice.between(0.06, 0.18)];
    ground.cover(polygon, CROPS, |ground, at, place| {
        let lateral = dot(place, across) + 0.6 * ground.coarse[at];
        let row = 0.5 + 0.5 * wave(lateral / spacing);
        let bare = (contrast * row + patches * (ground.coarse[at] - 0.2).max(0.0)).min(1.0);
        let colour = ground.textured(at, mixed(plant, soil, bare), grain);
        let track = lateral - (lateral / tramline).floor() * tramline;
        if track < 1.3 * ground.gsd.max(0.8) { mixed(colour, style.soil, 0.55) } else { colour }
    });
}

/// Grass without rows: mottled, worn, sometimes with mowing swaths too faint to be a crop.
pub(super) fn pasture(ground: &mut Ground, polygon: &[Point], style: &Style, dice: &mut Dice) {
    let second = if dice.chance(0.5) { dice.pick(&GREENS) } else { dice.pick(&STRAWS) };
    let grass = mixed(style.grass, second, dice.between(0.0, 0.5));
    let grass = dice.near(grass, 0.12);
    let worn = mixed(style.soil, grass, dice.between(0.3, 0.6));
    let (wear, mottle) = (dice.between(0.2, 0.9), dice.between(0.15, 0.4));
    let grain = [dice.between(0.06, 0.2), dice.between(0.08, 0.22)];
    ground.cover(polygon, PASTURE, |ground, at, _| {
        let bare = (mottle * (ground.coarse[at] * 1.4 + ground.fine[at] * 0.7).max(0.0) * wear).min(0.8);
        ground.textured(at, mixed(grass, worn, bare), grain)
    });
}

/// The dark floor under trees; the crowns come last.
pub(super) fn forest_floor(ground: &mut Ground, polygon: &[Point], style: &Style) {
    let floor = scaled(mixed(style.leaf, style.soil, 0.35), 0.6);
    ground.cover(polygon, FOREST, |ground, at, _| ground.textured(at, floor, [0.1, 0.35]));
}

/// Ground of one colour and class with wear: a yard, a garden, a street.
pub(super) fn plain(ground: &mut Ground, polygon: &[Point], class: u8, colour: [f32; 3], grain: [f32; 2]) {
    ground.cover(polygon, class, |ground, at, _| ground.textured(at, colour, grain));
}

/// The direction of the longest edge.
pub(super) fn longest_side(polygon: &[Point]) -> Point {
    let mut longest = [1.0, 0.0];
    for (i, &from) in polygon.iter().enumerate() {
        let to = polygon[(i + 1) % polygon.len()];
        let edge = [to[0] - from[0], to[1] - from[1]];
        if i == 0 || dot(edge, edge) > dot(longest, longest) {
            longest = edge;
        }
    }
    unit(longest)
}
