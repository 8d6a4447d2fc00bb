//! Rings of longitudes and latitudes: unwrapped, cut at the antimeridian, turned counter-clockwise.

/// Degrees from a pole within which a point lies on it: a hundredth of a millimetre.
const POLE: f64 = 1e-10;

/// Degrees that are rounding and no land.
const SLIVER: f64 = 1e-9;

/// A closed ring, its last point the first.
pub(super) type Ring = Vec<[f64; 2]>;

/// The rings, within 180 degrees west and east, of an open one that may cross the antimeridian or go round a pole.
///
/// Between two points the shorter way round the Earth is meant. A ring that goes round a pole is led along the pole.
pub(super) fn split(ring: Ring) -> Vec<Ring> {
    let mut ring = beside_poles(&ring);
    for at in 1..ring.len() {
        ring[at][0] = near(ring[at][0], ring[at - 1][0]);
    }
    let (Some(&first), Some(&last)) = (ring.first(), ring.last()) else { return Vec::new() };
    let closing = near(first[0], last[0]);
    if (closing - first[0]).abs() > 180.0 {
        ring = round_pole(&ring, closing - first[0]);
    }
    let west = ring.iter().map(|point| point[0]).fold(f64::INFINITY, f64::min);
    let east = ring.iter().map(|point| point[0]).fold(f64::NEG_INFINITY, f64::max);
    // All the way round along two parallels: one polygon, wherever it was cut.
    let (south, north) = ring.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(s, n), p| (s.min(p[1]), n.max(p[1])));
    let is_end = |value: f64, ends: [f64; 2]| ends.iter().any(|end| (value - end).abs() < SLIVER);
    let is_band = ring.iter().all(|&[lon, lat]| is_end(lat, [south, north]) || is_end(lon, [west, east]));
    if is_band && (east - west - 360.0).abs() < SLIVER {
        return close(vec![[-180.0, south], [180.0, south], [180.0, north], [-180.0, north]]).into_iter().collect();
    }
    let turn = |lon: f64| ((lon + 180.0) / 360.0).floor() as i32;
    let part = |turn: i32| {
        let from = 360.0 * f64::from(turn) - 180.0;
        let inside = clip(&clip(&ring, from, 1.0), from + 360.0, -1.0);
        close(inside.into_iter().map(|[lon, lat]| [lon - from - 180.0, lat]).collect())
    };
    (turn(west + SLIVER)..=turn(east - SLIVER)).filter_map(part).collect()
}

/// A point on a pole has every longitude: it becomes a way along the pole, from the point before to the one behind.
fn beside_poles(ring: &[[f64; 2]]) -> Ring {
    let is_pole = |point: &[f64; 2]| point[1].abs() >= 90.0 - POLE;
    let mut out = Vec::with_capacity(ring.len() + 1);
    for (at, point) in ring.iter().enumerate() {
        let around = [&ring[(at + ring.len() - 1) % ring.len()], &ring[(at + 1) % ring.len()]];
        if is_pole(point) && !around.iter().any(|other| is_pole(other)) {
            out.extend(around.map(|other| [other[0], point[1].signum() * 90.0]));
        } else {
            out.push(*point);
        }
    }
    out
}

/// A ring that goes once round a pole, `turn` degrees of longitude, begun at the antimeridian and closed along the pole.
fn round_pole(ring: &[[f64; 2]], turn: f64) -> Ring {
    let count = ring.len();
    let point = |at: usize| [ring[at % count][0] + if at < count { 0.0 } else { turn }, ring[at % count][1]];
    // Half turns that lie behind a longitude: another number behind the next point tells of a crossing.
    let behind = |lon: f64| ((lon - 180.0) / 360.0).floor();
    let crosses = |at: &usize| behind(point(*at)[0]) != behind(point(at + 1)[0]);
    let start = (0..count).find(crosses).unwrap_or(0);
    let ([x0, y0], [x1, y1]) = (point(start), point(start + 1));
    let meridian = 180.0 + 360.0 * behind(x0.max(x1));
    let lat = if x0 == x1 { y0 } else { y0 + (meridian - x0) / (x1 - x0) * (y1 - y0) };
    let pole = if ring.iter().map(|point| point[1]).sum::<f64>() < 0.0 { -90.0 } else { 90.0 };
    let mut whole = vec![[meridian, lat]];
    whole.extend((start + 1..=start + count).map(point));
    whole.extend([[meridian + turn, lat], [meridian + turn, pole], [meridian, pole]]);
    whole
}

/// `lon` turned by whole turns to lie within half a turn of `other`.
fn near(lon: f64, other: f64) -> f64 {
    lon - 360.0 * ((lon - other) / 360.0).round()
}

/// The part of an open ring on one side of a meridian: where `side * (lon - meridian)` is not below 0.
fn clip(ring: &[[f64; 2]], meridian: f64, side: f64) -> Ring {
    let depth = |point: &[f64; 2]| side * (point[0] - meridian);
    let mut out = Vec::with_capacity(ring.len() + 4);
    for (at, point) in ring.iter().enumerate() {
        let before = &ring[(at + ring.len() - 1) % ring.len()];
        let (from, to) = (depth(before), depth(point));
        if (from < 0.0) != (to < 0.0) {
            let share = from / (from - to);
            out.push([meridian, before[1] + share * (point[1] - before[1])]);
        }
        if to >= 0.0 {
            out.push(*point);
        }
    }
    out
}

/// Closed and counter-clockwise; nothing where it encloses nothing.
fn close(mut ring: Ring) -> Option<Ring> {
    ring.dedup();
    let area = signed_area(&ring);
    if area == 0.0 || !area.is_finite() {
        return None;
    }
    if area < 0.0 {
        ring.reverse();
    }
    if ring.first() != ring.last() {
        ring.push(ring[0]);
    }
    Some(ring)
}

fn signed_area(ring: &[[f64; 2]]) -> f64 {
    let origin = ring.first().copied().unwrap_or_default();
    let next = ring.iter().cycle().skip(1);
    let cross = |(a, b): (&[f64; 2], &[f64; 2])| {
        (a[0] - origin[0]) * (b[1] - origin[1]) - (b[0] - origin[0]) * (a[1] - origin[1])
    };
    ring.iter().zip(next).map(cross).sum::<f64>() / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_over_the_antimeridian_becomes_two() {
        let rings = split(vec![[179.0, 1.0], [-179.0, 1.0], [-179.0, 0.0], [179.0, 0.0]]);
        assert_eq!(rings.len(), 2);
        assert_eq!(rings.iter().map(|ring| signed_area(ring)).collect::<Vec<_>>(), [1.0, 1.0]);
        assert!(rings[0].iter().all(|point| point[0] >= 179.0) && rings[1].iter().all(|point| point[0] <= -179.0));
    }

    #[test]
    fn a_ring_round_a_pole_covers_it() {
        for start in [-170.0, 30.0, 180.0, -180.0] {
            for turn in [45.0, -45.0] {
                a_pole_is_covered(split((0..8).map(|at| [turn * f64::from(at) + start, -80.0]).collect()));
            }
        }
    }

    fn a_pole_is_covered(rings: Vec<Ring>) {
        assert_eq!(rings.len(), 1, "one polygon: two would share an edge");
        let area: f64 = rings.iter().map(|ring| signed_area(ring)).sum();
        assert!((area - 3600.0).abs() < 1e-9, "{rings:?}");
        assert!(rings.iter().flatten().all(|point| point[0].abs() <= 180.0 && point[1] <= -80.0));
    }

    #[test]
    fn rings_are_closed_and_counter_clockwise() {
        let rings = split(vec![[0.0, 1.0], [1.0, 1.0], [1.0, 0.0], [0.0, 0.0]]);
        assert_eq!(rings, [vec![[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0]]]);
        assert!(split(vec![[0.0, 1.0], [1.0, 1.0]]).is_empty());
    }
}
