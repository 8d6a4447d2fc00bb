//! Built-up land: streets of houses with gardens, and works with halls and yards.

use super::buildings::Building;
use super::ground::mixed;
use super::land::{longest_side, plain};
use super::layout::{Layout, plots};
use super::palette::{GREENS, GREYS, SOILS, STRAWS};
use super::shapes::{Polygon, add, inset, middle, parcels, reach, turned};
use super::trees::Tree;
use super::{INDUSTRIAL, PASTURE, RESIDENTIAL, ROAD, land};

/// Blocks of gardens and houses between streets; here and there a park.
pub(super) fn streets(layout: &mut Layout<'_>) {
    let (block, street) = (layout.dice.between(46.0, 80.0), layout.dice.between(2.6, 4.2));
    let (plot, green) = (layout.dice.between(17.0, 26.0), layout.dice.between(0.2, 1.0));
    let (asphalt, axis, square) = (layout.style.asphalt, layout.style.axis, layout.square());
    plain(layout.ground, &square, ROAD, asphalt, [0.08, 0.08]);
    for outer in parcels(square, axis, block, 0.15, layout.dice) {
        let inner = inset(&outer, street);
        if inner.is_empty() {
            continue;
        }
        if layout.dice.chance(0.07) {
            land::pasture(layout.ground, &inner, layout.style, layout.dice);
            continue;
        }
        // The pavement shows as a thin light rim around the gardens.
        plain(layout.ground, &inner, ROAD, mixed(asphalt, [0.62, 0.61, 0.58], 0.6), [0.05, 0.05]);
        let gardens = inset(&inner, 1.2);
        if !gardens.is_empty() {
            for piece in plots(gardens, axis, plot, 0.0, layout.dice) {
                garden(layout, &piece, green);
            }
        }
    }
}

/// Lawn or bare yard, a house, a drive and some trees.
fn garden(layout: &mut Layout<'_>, plot: &Polygon, green: f32) {
    let lawn = if layout.dice.chance(green) { layout.dice.pick(&GREENS) } else { layout.dice.pick(&SOILS) };
    let lawn = mixed(lawn, layout.style.grass, layout.dice.between(0.2, 0.7));
    plain(layout.ground, plot, RESIDENTIAL, layout.dice.near(lawn, 0.15), [0.15, 0.2]);
    let (centre, axis) = (middle(plot), longest_side(plot));
    let (length, width) = (reach(plot, axis), reach(plot, turned(axis)));
    let half = [0.5 * (length.1 - length.0), 0.5 * (width.1 - width.0)];
    let place = add(centre, axis, half[0] * layout.dice.between(-0.15, 0.15));
    if half[0] > 6.0 && half[1] > 5.0 && layout.dice.chance(0.94) {
        let mut house = Building::house(place, axis, layout.style, layout.dice);
        // Both arms stay clear of the fence.
        let room = half[0].min(half[1]) - 1.0;
        house.half = [house.half[0].min(room.max(4.0)), house.half[1].min(0.75 * room)];
        house.has_wing &= room > 7.5;
        layout.buildings.push((house, RESIDENTIAL));
    }
    for _ in 0..layout.dice.below(4) {
        let corner = plot[layout.dice.below(plot.len())];
        let inward = [centre[0] - corner[0], centre[1] - corner[1]];
        let place = add(corner, inward, layout.dice.between(0.08, 0.4));
        let leaf = mixed(layout.style.leaf, layout.dice.pick(&GREENS), 0.5);
        let tree = Tree {
            centre: place,
            radius: layout.dice.between(1.1, 3.0),
            colour: layout.dice.near(leaf, 0.2),
            is_wood: false,
        };
        layout.trees.push(tree);
    }
}

/// Large plots with halls on paved or bare yards.
pub(super) fn works(layout: &mut Layout<'_>) {
    let (block, street) = (layout.dice.between(60.0, 110.0), layout.dice.between(3.5, 5.5));
    let (asphalt, axis, square) = (layout.style.asphalt, layout.style.axis, layout.square());
    plain(layout.ground, &square, ROAD, asphalt, [0.08, 0.08]);
    for outer in parcels(square, axis, block, 0.05, layout.dice) {
        let inner = inset(&outer, street);
        if inner.is_empty() {
            continue;
        }
        if layout.dice.chance(0.08) {
            plain(layout.ground, &inner, PASTURE, layout.style.grass, [0.2, 0.2]);
            continue;
        }
        let paving = if layout.dice.chance(0.7) { layout.dice.pick(&GREYS) } else { layout.dice.pick(&SOILS) };
        plain(layout.ground, &inner, INDUSTRIAL, layout.dice.near(paving, 0.15), [0.16, 0.1]);
        let side = layout.dice.between(28.0, 62.0);
        for lot in plots(inner, axis, side, 1.5, layout.dice) {
            yard(layout, &lot);
        }
    }
}

/// One lot: a hall, a lawn, or stacked goods.
fn yard(layout: &mut Layout<'_>, lot: &Polygon) {
    let (centre, axis) = (middle(lot), longest_side(lot));
    let (length, width) = (reach(lot, axis), reach(lot, turned(axis)));
    let half = [0.5 * (length.1 - length.0), 0.5 * (width.1 - width.0)];
    let kind = layout.dice.between(0.0, 1.0);
    if half[0].min(half[1]) < 6.0 || kind < 0.1 {
        let lawn = mixed(layout.style.grass, layout.dice.pick(&STRAWS), 0.2);
        plain(layout.ground, lot, INDUSTRIAL, lawn, [0.15, 0.2]);
    } else if kind < 0.25 {
        goods(layout, lot, half);
    } else {
        let (length, width) = (half[0] * layout.dice.between(0.65, 0.9), half[1] * layout.dice.between(0.55, 0.85));
        let mut hall = Building::hall(centre, axis, [length, width], layout.dice);
        hall.has_wing &= width > 8.0;
        if hall.has_wing {
            // The two arms of the L share the lot's width.
            hall.half[1] = 0.45 * width;
            hall.centre = add(centre, turned(axis), -0.45 * width);
        }
        layout.buildings.push((hall, INDUSTRIAL));
    }
}

/// Containers and parked lorries in rows: small bright and dark boxes that are no buildings.
fn goods(layout: &mut Layout<'_>, lot: &Polygon, half: [f32; 2]) {
    let (centre, axis) = (middle(lot), longest_side(lot));
    let (size, gsd) = (layout.ground.size, layout.ground.gsd);
    let (columns, rows) = ((half[0] / 4.2) as i32, (half[1] / 2.2) as i32);
    for i in -columns + 1..columns {
        for j in -rows + 1..rows {
            if layout.dice.chance(0.45) {
                continue;
            }
            let tone = layout.dice.pick(&[[0.50, 0.30, 0.24], [0.33, 0.42, 0.52], [0.72, 0.72, 0.70], [0.36; 3]]);
            let tone = layout.dice.near(tone, 0.15);
            let place = add(add(centre, axis, i as f32 * 4.0), turned(axis), j as f32 * 2.1);
            let ground = &mut *layout.ground;
            super::shapes::scan(size, gsd, &super::shapes::rectangle(place, axis, [1.6, 0.8]), |column, row| {
                let at = row * size + column;
                if ground.mask[at] == INDUSTRIAL {
                    ground.colour[at] = tone;
                    ground.height[at] = 1.5;
                }
            });
        }
    }
}
