//! Buildings: turned rectangles and L-shapes with gabled or flat roofs; their shadows follow from their heights.

use super::dice::Dice;
use super::ground::{Colour, Ground, mixed, scaled, wave};
use super::palette::{HALLS, ROOFS, Style};
use super::shapes::{Point, add, dot, rectangle, scan, turned};

/// A building before it is drawn.
pub(super) struct Building {
    pub(super) centre: Point,
    /// Along the ridge.
    pub(super) axis: Point,
    /// Half the length and half the width in metres.
    pub(super) half: Point,
    pub(super) height: f32,
    pub(super) roof: Colour,
    pub(super) is_gabled: bool,
    /// A second arm at one end, at right angles.
    pub(super) has_wing: bool,
}

impl Building {
    /// A dwelling that fits a plot.
    pub(super) fn house(centre: Point, axis: Point, style: &Style, dice: &mut Dice) -> Self {
        let own = dice.pick(&ROOFS);
        let roof = if dice.chance(0.6) { style.roof } else { own };
        Self {
            centre,
            axis: if dice.chance(0.7) { axis } else { turned(axis) },
            half: [dice.between(4.5, 7.5), dice.between(3.5, 5.0)],
            height: dice.between(3.5, 7.0),
            roof: dice.near(roof, 0.15),
            is_gabled: dice.chance(0.85),
            has_wing: dice.chance(0.3),
        }
    }

    /// A hall with the given half sides.
    pub(super) fn hall(centre: Point, axis: Point, half: Point, dice: &mut Dice) -> Self {
        let roof = dice.pick(&HALLS);
        Self {
            centre,
            axis,
            half,
            height: dice.between(5.0, 11.0),
            roof: dice.near(roof, 0.12),
            is_gabled: dice.chance(0.3),
            has_wing: dice.chance(0.35),
        }
    }

    /// Places that must be free for it: its corners.
    pub(super) fn corners(&self) -> Vec<Point> {
        rectangle(self.centre, self.axis, self.half)
    }

    /// Draws the roof as instance `id` of `class`.
    pub(super) fn draw(&self, ground: &mut Ground, id: u16, class: u8, style: &Style, dice: &mut Dice) {
        self.arm(ground, (self.centre, self.axis, self.half), (id, class), style);
        if self.has_wing {
            let [length, width] = self.half;
            let end = add(self.centre, self.axis, length - 0.8 * width);
            let half = [width * dice.between(0.7, 1.1), 0.8 * width];
            let centre = add(end, turned(self.axis), width + 0.5 * half[0]);
            self.arm(ground, (centre, turned(self.axis), [width.max(half[0]), half[1]]), (id, class), style);
        }
        if !self.is_gabled {
            self.fittings(ground, dice);
        }
    }

    fn arm(
        &self,
        ground: &mut Ground,
        (centre, axis, half): (Point, Point, Point),
        (id, class): (u16, u8),
        style: &Style,
    ) {
        let (size, gsd, across) = (ground.size, ground.gsd, turned(axis));
        // How much more light the side facing `across` gets.
        let tilt = if self.is_gabled { 0.26 * dot(across, style.sun) } else { 0.0 };
        let rim = 0.7 * gsd.max(0.7);
        scan(size, gsd, &rectangle(centre, axis, half), |column, row| {
            let at = row * size + column;
            let place = ground.place(column, row);
            let offset = [place[0] - centre[0], place[1] - centre[1]];
            let (along, aside) = (dot(offset, axis), dot(offset, across));
            let mut gain = 1.0 + tilt * aside.signum() + 0.05 * wave(along / 2.2);
            let mut height = self.height;
            if self.is_gabled {
                height += 0.5 * (half[1] - aside.abs());
                // The ridge catches light from both sides.
                gain += if aside.abs() < 0.5 * gsd { 0.10 } else { 0.0 };
            } else if half[0] - along.abs() < rim || half[1] - aside.abs() < rim {
                gain += 0.14;
            }
            if height < ground.height[at] {
                return;
            }
            ground.colour[at] = scaled(ground.textured(at, self.roof, [0.08, 0.07]), gain);
            ground.height[at] = height;
            ground.mask[at] = class;
            ground.instance[at] = id;
        });
    }

    /// Vents and skylights of flat roofs: small, and high enough to throw a shadow.
    fn fittings(&self, ground: &mut Ground, dice: &mut Dice) {
        let (size, gsd) = (ground.size, ground.gsd);
        let count = (self.half[0] * self.half[1] / 45.0) as usize;
        for _ in 0..count.min(12) {
            let (a, b) = (dice.between(-0.8, 0.8) * self.half[0], dice.between(-0.8, 0.8) * self.half[1]);
            let place = add(add(self.centre, self.axis, a), turned(self.axis), b);
            let tone = mixed(self.roof, if dice.chance(0.5) { [0.85; 3] } else { [0.25; 3] }, 0.6);
            let half = [dice.between(0.6, 2.4), dice.between(0.6, 1.4)];
            scan(size, gsd, &rectangle(place, self.axis, half), |column, row| {
                let at = row * size + column;
                if ground.instance[at] != 0 {
                    ground.colour[at] = tone;
                    ground.height[at] = self.height + 1.2;
                }
            });
        }
    }
}
