//! Colours of the land, shared between classes on purpose: no colour alone tells what a pixel is.

use super::dice::Dice;
use super::ground::Colour;
use super::shapes::Point;

/// Green and dry vegetation: crops, pasture, lawns and crowns all draw from here.
pub(super) const GREENS: [Colour; 6] = [
    [0.23, 0.33, 0.15],
    [0.30, 0.41, 0.18],
    [0.19, 0.28, 0.14],
    [0.36, 0.43, 0.22],
    [0.42, 0.45, 0.25],
    [0.27, 0.37, 0.21],
];
/// Ripe and mown growth.
pub(super) const STRAWS: [Colour; 4] = [[0.60, 0.53, 0.32], [0.66, 0.58, 0.41], [0.52, 0.47, 0.29], [0.57, 0.55, 0.36]];
/// Ploughed soil, dirt tracks, river banks, and some roofs.
pub(super) const SOILS: [Colour; 5] =
    [[0.42, 0.33, 0.24], [0.48, 0.34, 0.25], [0.31, 0.26, 0.20], [0.53, 0.47, 0.38], [0.46, 0.41, 0.32]];
/// Asphalt and concrete: roads, yards and flat roofs.
pub(super) const GREYS: [Colour; 5] =
    [[0.38, 0.38, 0.39], [0.46, 0.46, 0.45], [0.55, 0.54, 0.52], [0.33, 0.33, 0.35], [0.62, 0.61, 0.58]];
/// Roofs of houses.
pub(super) const ROOFS: [Colour; 7] = [
    [0.52, 0.30, 0.22],
    [0.44, 0.31, 0.24],
    [0.46, 0.46, 0.45],
    [0.30, 0.30, 0.32],
    [0.56, 0.38, 0.30],
    [0.38, 0.32, 0.26],
    [0.62, 0.60, 0.56],
];
/// Roofs of halls.
pub(super) const HALLS: [Colour; 6] = [
    [0.62, 0.61, 0.58],
    [0.78, 0.78, 0.76],
    [0.46, 0.46, 0.46],
    [0.40, 0.46, 0.53],
    [0.50, 0.38, 0.32],
    [0.36, 0.37, 0.38],
];
/// Clear, green, muddy and silty water.
pub(super) const WATERS: [Colour; 6] = [
    [0.12, 0.18, 0.20],
    [0.18, 0.26, 0.18],
    [0.30, 0.29, 0.21],
    [0.15, 0.24, 0.29],
    [0.36, 0.37, 0.31],
    [0.22, 0.29, 0.21],
];

/// What all objects of a scene share: the sun, the season and the local building material.
pub(super) struct Style {
    /// Unit direction on the ground towards the sun.
    pub(super) sun: Point,
    /// Metres of shadow per metre of height.
    pub(super) shadow: f32,
    pub(super) soil: Colour,
    pub(super) leaf: Colour,
    pub(super) grass: Colour,
    pub(super) asphalt: Colour,
    pub(super) roof: Colour,
    /// How rural land is divided.
    pub(super) axis: Point,
}

impl Style {
    pub(super) fn draw(dice: &mut Dice) -> Self {
        let (green, dry) = (dice.pick(&GREENS), dice.pick(&STRAWS));
        let season = if dice.chance(0.7) { dice.between(0.0, 0.3) } else { dice.between(0.3, 0.9) };
        let (leaf, soil, asphalt, roof) = (dice.pick(&GREENS), dice.pick(&SOILS), dice.pick(&GREYS), dice.pick(&ROOFS));
        Self {
            sun: dice.direction(),
            shadow: dice.between(0.5, 1.3),
            soil: dice.near(soil, 0.15),
            leaf: dice.near(leaf, 0.2),
            grass: super::ground::mixed(green, dry, season),
            asphalt: dice.near(asphalt, 0.1),
            roof: dice.near(roof, 0.1),
            axis: dice.direction(),
        }
    }
}
