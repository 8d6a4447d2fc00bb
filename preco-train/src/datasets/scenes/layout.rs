//! What lies where: composes a scene around its class.

use super::buildings::Building;
use super::dice::Dice;
use super::ground::{Ground, mixed};
use super::palette::{GREYS, SOILS, Style};
use super::ribbons::{self, Course, Make};
use super::shapes::{Point, Polygon, add, dot, inset, middle, parcels, rectangle, turned};
use super::trees::{Stand, Tree, crown};
use super::{CROPS, FOREST, INDUSTRIAL, LAKE, PASTURE, RESIDENTIAL, RIVER, ROAD, land, town};

/// A scene being composed: ground first, then water, roads, buildings, and trees on top.
pub(super) struct Layout<'a> {
    pub(super) ground: &'a mut Ground,
    pub(super) style: &'a Style,
    pub(super) dice: &'a mut Dice,
    pub(super) stand: Stand,
    pub(super) buildings: Vec<(Building, u8)>,
    pub(super) trees: Vec<Tree>,
}

/// Draws a scene of `class` on empty ground.
pub(super) fn compose(ground: &mut Ground, class: u8, style: &Style, dice: &mut Dice) {
    let stand = Stand::draw(style, dice);
    let mut layout = Layout { ground, style, dice, stand, buildings: Vec::new(), trees: Vec::new() };
    match class {
        RESIDENTIAL => town::streets(&mut layout),
        INDUSTRIAL => town::works(&mut layout),
        _ => layout.countryside(class),
    }
    match class {
        ROAD => layout.highways(),
        RIVER => layout.river(),
        LAKE => {
            let extent = layout.ground.extent();
            let radius = extent * layout.dice.between(0.28, 0.42);
            layout.lake(radius);
        }
        CROPS | FOREST | PASTURE => {
            if layout.dice.chance(0.35) {
                let direction = layout.dice.direction();
                layout.track(direction);
            }
            if class == PASTURE && layout.dice.chance(0.15) {
                let radius = layout.dice.between(6.0, 12.0);
                layout.lake(radius);
            }
        }
        _ => {}
    }
    layout.finish();
}

impl Layout<'_> {
    /// The scene's square with a margin, so that its edge cuts through parcels.
    pub(super) fn square(&self) -> Polygon {
        let extent = self.ground.extent();
        rectangle([0.5 * extent; 2], [1.0, 0.0], [0.5 * extent + 15.0; 2])
    }

    /// Parcels of rural land, mostly of the class's own use.
    fn countryside(&mut self, class: u8) {
        let extent = self.ground.extent();
        let (side, skew) = (self.dice.between(0.4, 0.85) * extent.clamp(90.0, 200.0), self.dice.between(0.05, 0.4));
        let own = match class {
            FOREST => 0.88,
            CROPS | PASTURE => 0.85,
            _ => 0.0,
        };
        let square = self.square();
        let pieces = parcels(square, self.style.axis, side, skew, self.dice);
        let centre = [0.5 * extent; 2];
        // The parcel in the middle always has the scene's use, so no draw can leave its class out.
        let distance = |piece: &Polygon| {
            let middle = middle(piece);
            let offset = [middle[0] - centre[0], middle[1] - centre[1]];
            dot(offset, offset)
        };
        let main = (0..pieces.len()).min_by(|&a, &b| distance(&pieces[a]).total_cmp(&distance(&pieces[b])));
        for (i, piece) in pieces.iter().enumerate() {
            let use_of_land = if own > 0.0 && (Some(i) == main || self.dice.chance(own)) {
                class
            } else {
                self.dice.pick(&[CROPS, CROPS, PASTURE, PASTURE, FOREST])
            };
            self.parcel(piece, use_of_land, class);
        }
    }

    fn parcel(&mut self, piece: &[Point], use_of_land: u8, class: u8) {
        match use_of_land {
            CROPS => land::crops(self.ground, piece, self.style, self.dice),
            FOREST => land::forest_floor(self.ground, piece, self.style),
            _ => {
                land::pasture(self.ground, piece, self.style, self.dice);
                self.lone_trees(piece, class == PASTURE);
            }
        }
        if use_of_land == FOREST {
            return;
        }
        if self.dice.chance(0.4) {
            let hedge = self.stand.hedge(piece, self.dice);
            self.trees.extend(hedge);
        }
        let is_farm = self.dice.chance(0.12);
        if is_farm {
            self.farm(piece);
        }
    }

    fn lone_trees(&mut self, piece: &[Point], is_main: bool) {
        let count = self.dice.below(if is_main { 7 } else { 4 });
        let centre = middle(piece);
        for _ in 0..count {
            let corner = piece[self.dice.below(piece.len())];
            let towards = [corner[0] - centre[0], corner[1] - centre[1]];
            let place = add(add(centre, towards, self.dice.between(0.0, 0.9)), self.dice.direction(), 5.0);
            let tree = self.stand.tree(place, self.dice.between(1.5, 4.5), self.dice);
            self.trees.push(tree);
        }
    }

    /// A house and a barn on a small yard.
    fn farm(&mut self, piece: &[Point]) {
        let (centre, axis) = (middle(piece), self.style.axis);
        let yard = mixed(self.dice.pick(&SOILS), self.style.grass, 0.4);
        land::plain(self.ground, &rectangle(centre, axis, [16.0, 12.0]), RESIDENTIAL, yard, [0.15, 0.15]);
        let house = Building::house(add(centre, axis, -7.5), axis, self.style, self.dice);
        self.buildings.push((house, RESIDENTIAL));
        if self.dice.chance(0.7) {
            let half = [self.dice.between(7.0, 10.0), self.dice.between(3.5, 5.0)];
            let mut barn = Building::hall(add(centre, axis, 9.0), turned(axis), half, self.dice);
            barn.has_wing = false;
            self.buildings.push((barn, RESIDENTIAL));
        }
    }

    fn river(&mut self) {
        let extent = self.ground.extent();
        let (swing, bend) = (extent * self.dice.between(0.12, 0.32), extent * self.dice.between(0.28, 0.5));
        let half_width = extent * self.dice.between(0.07, 0.14);
        let course = Course::through(self.ground, swing, bend, self.dice);
        ribbons::river(self.ground, &course, half_width, self.style, self.dice);
        if self.dice.chance(0.35) {
            // A bridge takes the short way over.
            self.track(turned(course.direction));
        }
    }

    /// A body of still water: an ellipse whose radius the coarse noise bends, with a shore.
    fn lake(&mut self, radius: f32) {
        let extent = self.ground.extent();
        let centre = [extent * self.dice.between(0.38, 0.62), extent * self.dice.between(0.38, 0.62)];
        let (axis, stretch) = (self.dice.direction(), self.dice.between(1.0, 1.6));
        let (lobes, shore) = (self.dice.between(0.3, 0.7), self.dice.between(1.0, 6.0));
        let water = ribbons::water_colour(self.style, self.dice);
        let bank = if self.dice.chance(0.5) { self.style.soil } else { self.style.grass };
        let (shallow, size) = (self.dice.between(0.1, 0.6), self.ground.size);
        for row in 0..size {
            for column in 0..size {
                let (at, place) = (row * size + column, self.ground.place(column, row));
                let offset = [place[0] - centre[0], place[1] - centre[1]];
                let (along, aside) = (dot(offset, axis) / stretch, dot(offset, turned(axis)));
                let grain = lobes * self.ground.coarse[at] * radius + 0.8 * self.ground.fine[at];
                let depth = radius - (along * along + aside * aside).sqrt() - grain;
                if depth > 0.0 {
                    let share = shallow * (1.0 - depth / (0.4 * radius)).max(0.0);
                    self.ground.colour[at] = ribbons::ripples(self.ground, at, mixed(water, bank, share));
                    self.ground.mask[at] = LAKE;
                } else if depth > -shore {
                    let edge = self.ground.textured(at, bank, [0.1, 0.25]);
                    self.ground.colour[at] = mixed(self.ground.colour[at], edge, 0.9 * (1.0 + depth / shore));
                }
            }
        }
    }

    /// One to three wide roads that cross near the middle.
    fn highways(&mut self) {
        let extent = self.ground.extent();
        let count = 1 + self.dice.below(2) + (extent / 250.0) as usize;
        for _ in 0..count {
            let (swing, bend) = (extent * self.dice.between(0.0, 0.25), extent * self.dice.between(0.6, 1.2));
            let course = Course::through(self.ground, swing, bend, self.dice);
            let half_width = self.dice.between(5.0, 10.0);
            let surface = self.style.asphalt;
            let make = Make {
                half_width,
                surface: self.dice.near(surface, 0.1),
                is_marked: self.dice.chance(0.85),
                has_median: half_width > 7.5 && self.dice.chance(0.6),
            };
            ribbons::road(self.ground, &course, make, self.style, self.dice);
        }
    }

    /// A narrow lane or dirt track.
    fn track(&mut self, direction: Point) {
        let extent = self.ground.extent();
        let (swing, bend) = (extent * self.dice.between(0.0, 0.2), extent * self.dice.between(0.4, 1.0));
        let course = Course { direction, ..Course::through(self.ground, swing, bend, self.dice) };
        let surface = if self.dice.chance(0.5) { self.dice.pick(&GREYS) } else { self.dice.pick(&SOILS) };
        let half_width = self.dice.between(1.3, 2.4).max(0.8 * self.ground.gsd);
        let make = Make { half_width, surface, is_marked: false, has_median: false };
        ribbons::road(self.ground, &course, make, self.style, self.dice);
    }

    /// Raises what stands: buildings where the ground is dry and no road runs, then trees.
    fn finish(self) {
        let Self { ground, style, dice, stand, buildings, trees } = self;
        let mut id = 0;
        for (building, class) in buildings {
            if id < u16::MAX && building.corners().iter().all(|&p| !is_open(ground, p)) {
                id += 1;
                building.draw(ground, id, class, style, dice);
            }
        }
        stand.plant(ground, style, dice);
        for tree in trees {
            if !is_open(ground, tree.centre) && ground.instance[ground.nearest(tree.centre)] == 0 {
                crown(ground, &tree, style);
            }
        }
    }
}

/// True on water and roads, where nothing grows and nobody builds.
fn is_open(ground: &Ground, place: Point) -> bool {
    matches!(ground.mask[ground.nearest(place)], ROAD | RIVER | LAKE)
}

/// A polygon's pieces no longer than `side`, each shrunk by `gap`, without slivers.
pub(super) fn plots(block: Polygon, axis: Point, side: f32, gap: f32, dice: &mut Dice) -> Vec<Polygon> {
    let pieces = parcels(block, axis, side, 0.05, dice);
    pieces.iter().map(|piece| inset(piece, gap)).filter(|piece| !piece.is_empty()).collect()
}
