//! Polygons in metres: splitting, shrinking and scanning them into pixels.

use super::dice::Dice;

/// A place or a direction, metres east and south of the scene's upper left corner.
pub(super) type Point = [f32; 2];

/// A closed outline.
pub(super) type Polygon = Vec<Point>;

pub(super) fn add(a: Point, b: Point, scale: f32) -> Point {
    [a[0] + b[0] * scale, a[1] + b[1] * scale]
}

pub(super) fn dot(a: Point, b: Point) -> f32 {
    a[0] * b[0] + a[1] * b[1]
}

/// The direction a quarter turn on.
pub(super) fn turned(a: Point) -> Point {
    [-a[1], a[0]]
}

pub(super) fn unit(a: Point) -> Point {
    let length = dot(a, a).sqrt().max(1e-6);
    [a[0] / length, a[1] / length]
}

/// The rectangle around `centre` that reaches `half[0]` along `axis` and `half[1]` across it.
pub(super) fn rectangle(centre: Point, axis: Point, half: Point) -> Polygon {
    let corner = |a: f32, b: f32| add(add(centre, axis, a * half[0]), turned(axis), b * half[1]);
    vec![corner(-1.0, -1.0), corner(1.0, -1.0), corner(1.0, 1.0), corner(-1.0, 1.0)]
}

/// The mean of the corners.
pub(super) fn middle(polygon: &[Point]) -> Point {
    let sum = polygon.iter().fold([0.0, 0.0], |sum, &corner| add(sum, corner, 1.0));
    let n = polygon.len().max(1) as f32;
    [sum[0] / n, sum[1] / n]
}

/// Least and greatest coordinate along `axis`.
pub(super) fn reach(polygon: &[Point], axis: Point) -> (f32, f32) {
    polygon.iter().fold((f32::MAX, f32::MIN), |(low, high), &corner| {
        let at = dot(corner, axis);
        (low.min(at), high.max(at))
    })
}

/// The part of a convex polygon where `normal · p >= level` (Sutherland and Hodgman).
pub(super) fn clip(polygon: &[Point], normal: Point, level: f32) -> Polygon {
    let mut kept = Vec::with_capacity(polygon.len() + 1);
    for (i, &from) in polygon.iter().enumerate() {
        let to = polygon[(i + 1) % polygon.len()];
        let (a, b) = (dot(from, normal) - level, dot(to, normal) - level);
        if a >= 0.0 {
            kept.push(from);
        }
        if (a >= 0.0) != (b >= 0.0) {
            kept.push(add(from, [to[0] - from[0], to[1] - from[1]], a / (a - b)));
        }
    }
    kept
}

/// A convex polygon with every edge moved inwards; empty where nothing is left.
pub(super) fn inset(polygon: &[Point], distance: f32) -> Polygon {
    let centre = middle(polygon);
    let mut rest = polygon.to_vec();
    for (i, &from) in polygon.iter().enumerate() {
        let to = polygon[(i + 1) % polygon.len()];
        let mut normal = unit(turned([to[0] - from[0], to[1] - from[1]]));
        if dot(normal, centre) < dot(normal, from) {
            normal = [-normal[0], -normal[1]];
        }
        rest = clip(&rest, normal, dot(normal, from) + distance);
    }
    if rest.len() < 3 { Vec::new() } else { rest }
}

/// Cuts a convex polygon across its longer side until no side exceeds `side`; `skew` tilts the cuts.
pub(super) fn parcels(polygon: Polygon, axis: Point, side: f32, skew: f32, dice: &mut Dice) -> Vec<Polygon> {
    let (mut open, mut done) = (vec![polygon], Vec::new());
    while let Some(piece) = open.pop() {
        let (east, south) = (reach(&piece, axis), reach(&piece, turned(axis)));
        let (length, width) = (east.1 - east.0, south.1 - south.0);
        if piece.len() < 3 || length.max(width) <= side * dice.between(0.8, 1.25) {
            done.push(piece);
            continue;
        }
        let along = if length >= width { axis } else { turned(axis) };
        let normal = unit(add(along, turned(along), dice.between(-skew, skew)));
        let (low, high) = reach(&piece, normal);
        let level = low + (high - low) * dice.between(0.38, 0.62);
        open.push(clip(&piece, normal, level));
        open.push(clip(&piece, [-normal[0], -normal[1]], -level));
    }
    done.retain(|piece| piece.len() >= 3);
    done
}

/// Calls `paint(column, row)` for every pixel whose centre lies inside the polygon (even-odd rule).
pub(super) fn scan(size: usize, gsd: f32, polygon: &[Point], mut paint: impl FnMut(usize, usize)) {
    let (top, bottom) = reach(polygon, [0.0, 1.0]);
    let (first, last) = pixels(top / gsd, bottom / gsd, size);
    let mut crossings = Vec::with_capacity(8);
    for row in first..last {
        let y = (row as f32 + 0.5) * gsd;
        crossings.clear();
        for (i, &from) in polygon.iter().enumerate() {
            let to = polygon[(i + 1) % polygon.len()];
            if (from[1] <= y) != (to[1] <= y) {
                crossings.push(from[0] + (to[0] - from[0]) * ((y - from[1]) / (to[1] - from[1])));
            }
        }
        crossings.sort_unstable_by(f32::total_cmp);
        for pair in crossings.chunks_exact(2) {
            let (from, to) = pixels(pair[0] / gsd, pair[1] / gsd, size);
            for column in from..to {
                paint(column, row);
            }
        }
    }
}

/// The pixels whose centres lie in `[low, high)`, cut at the image's edge.
pub(super) fn pixels(low: f32, high: f32, size: usize) -> (usize, usize) {
    // A float beyond the range of `usize` saturates in the cast.
    (((low - 0.5).ceil().max(0.0) as usize).min(size), ((high - 0.5).ceil().max(0.0) as usize).min(size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parcels_cover_every_pixel_once() {
        let mut dice = Dice::new(3, 0);
        let axis = dice.direction();
        let square = vec![[-9.0, -9.0], [73.0, -9.0], [73.0, 73.0], [-9.0, 73.0]];
        let mut count = vec![0; 64 * 64];
        for parcel in parcels(square, axis, 20.0, 0.3, &mut dice) {
            scan(64, 1.0, &parcel, |x, y| count[y * 64 + x] += 1);
        }
        let wrong = count.iter().filter(|&&n| n != 1).count();
        // Neighbours compute their shared corner apart, so a centre on the very edge may go to both or to none.
        assert!(wrong <= 4, "{wrong} of 4096");
    }

    #[test]
    fn a_scan_is_half_open() {
        let mut seen = Vec::new();
        scan(8, 1.0, &[[1.5, 2.0], [3.5, 2.0], [3.5, 4.0], [1.5, 4.0]], |x, y| seen.push((x, y)));
        assert_eq!(seen, [(1, 2), (2, 2), (1, 3), (2, 3)]);
    }

    #[test]
    fn an_inset_square_loses_the_distance_on_each_side() {
        let square = [[0.0, 0.0], [10.0, 0.0], [10.0, 10.0], [0.0, 10.0]];
        assert_eq!(reach(&inset(&square, 2.0), [1.0, 0.0]), (2.0, 8.0));
        assert!(inset(&square, 5.5).is_empty());
    }
}
