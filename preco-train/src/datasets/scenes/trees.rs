//! Crowns: domes lit from the sun's side, the higher one hiding the lower.

use super::FOREST;
use super::dice::Dice;
use super::ground::{Colour, Ground, mixed, scaled};
use super::palette::{GREENS, SOILS, Style};
use super::shapes::{Point, add, dot, pixels};

/// One tree.
#[derive(Clone, Copy)]
pub(super) struct Tree {
    pub(super) centre: Point,
    /// Metres; the height follows.
    pub(super) radius: f32,
    pub(super) colour: Colour,
    /// A tree of a wood or hedge turns the ground under it into forest; one in a garden leaves it a garden.
    pub(super) is_wood: bool,
}

/// Draws a crown over everything lower.
pub(super) fn crown(ground: &mut Ground, tree: &Tree, style: &Style) {
    let (size, gsd, radius) = (ground.size, ground.gsd, tree.radius);
    let [x, y] = tree.centre;
    let columns = pixels((x - radius) / gsd, (x + radius) / gsd, size);
    let rows = pixels((y - radius) / gsd, (y + radius) / gsd, size);
    let top = 2.2 * radius;
    for row in rows.0..rows.1 {
        for column in columns.0..columns.1 {
            let at = row * size + column;
            let place = ground.place(column, row);
            let (east, south) = ((place[0] - x) / radius, (place[1] - y) / radius);
            let square = (east * east + south * south) * (1.15 + 0.5 * ground.fine[at]);
            if square >= 1.0 {
                continue;
            }
            let dome = (1.0 - square).sqrt();
            let height = top * (0.55 + 0.45 * dome);
            if height <= ground.height[at] {
                continue;
            }
            let light = 0.62 + 0.30 * dome + 0.34 * (east * style.sun[0] + south * style.sun[1]);
            ground.colour[at] = scaled(tree.colour, light * (1.0 + 0.3 * ground.fine[at]));
            ground.height[at] = height;
            ground.instance[at] = 0;
            if tree.is_wood {
                ground.mask[at] = FOREST;
            }
        }
    }
}

/// The mix of species in a scene's woods.
pub(super) struct Stand {
    colours: [Colour; 3],
    /// Metres between trunks.
    spacing: f32,
    /// Plantations stand in rows.
    jitter: f32,
    axis: Point,
}

impl Stand {
    pub(super) fn draw(style: &Style, dice: &mut Dice) -> Self {
        let autumn = if dice.chance(0.2) { dice.between(0.2, 0.6) } else { 0.0 };
        let other = dice.pick(&GREENS);
        let colours = [style.leaf, mixed(style.leaf, other, 0.6), mixed(style.leaf, dice.pick(&SOILS), autumn)];
        let jitter = if dice.chance(0.25) { 0.15 } else { 0.75 };
        Self { colours, spacing: dice.between(3.6, 7.0), jitter, axis: style.axis }
    }

    /// A tree of this stand.
    pub(super) fn tree(&self, centre: Point, radius: f32, dice: &mut Dice) -> Tree {
        let colour = dice.pick(&self.colours);
        Tree { centre, radius, colour: dice.near(colour, 0.2), is_wood: true }
    }

    /// Plants every pixel whose class is forest.
    pub(super) fn plant(&self, ground: &mut Ground, style: &Style, dice: &mut Dice) {
        let spacing = self.spacing.max(2.2 * ground.gsd);
        let (extent, mut trees) = (ground.extent(), Vec::new());
        // The grid is turned with the land, so it must reach the far corners.
        let count = (0.75 * extent / spacing) as i32 + 2;
        for i in -count..=count {
            for j in -count..=count {
                let (a, b) = (dice.between(-0.5, 0.5) * self.jitter, dice.between(-0.5, 0.5) * self.jitter);
                let (a, b) = ((i as f32 + a) * spacing, (j as f32 + b) * spacing);
                let axis = self.axis;
                let centre = [0.5 * extent + axis[0] * a - axis[1] * b, 0.5 * extent + axis[1] * a + axis[0] * b];
                let is_near = centre.iter().all(|&v| v > -spacing && v < extent + spacing);
                if is_near && ground.mask[ground.nearest(centre)] == FOREST {
                    trees.push(self.tree(centre, spacing * dice.between(0.45, 0.85), dice));
                }
            }
        }
        for tree in &trees {
            crown(ground, tree, style);
        }
    }

    /// Trees along a polygon's edges: a hedge with gaps.
    pub(super) fn hedge(&self, polygon: &[Point], dice: &mut Dice) -> Vec<Tree> {
        let (mut trees, cover) = (Vec::new(), dice.between(0.3, 0.95));
        for (i, &from) in polygon.iter().enumerate() {
            let to = polygon[(i + 1) % polygon.len()];
            let edge = [to[0] - from[0], to[1] - from[1]];
            let length = dot(edge, edge).sqrt();
            if dice.chance(0.4) {
                continue;
            }
            let mut t = 0.0;
            while t < length {
                if dice.chance(cover) {
                    let centre = add(from, edge, t / length);
                    let centre = [centre[0] + dice.between(-0.7, 0.7), centre[1] + dice.between(-0.7, 0.7)];
                    trees.push(self.tree(centre, dice.between(1.3, 3.2), dice));
                }
                t += dice.between(1.6, 3.4);
            }
        }
        trees
    }
}
