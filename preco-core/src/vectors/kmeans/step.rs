//! One of Lloyd's iterations: the nearest centre of each row, and the mean of each group.

use rayon::prelude::*;

use crate::vectors::unit::squared_distance;

/// Rows whose sum one task makes; sums of tasks are added in order.
const CHUNK: usize = 1024;

/// What a centre is.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Space {
    /// The mean of rows of length 1, scaled to length 1.
    Directions,
    /// The mean.
    Plain,
}

/// The nearest centre, the first of equal ones, and its squared distance.
pub(super) fn assign(row: &[f32], centres: &[f32], length: usize) -> (u32, f64) {
    let distances = centres.chunks_exact(length).map(|centre| squared_distance(row, centre));
    let nearest = distances.enumerate().min_by(|a, b| a.1.total_cmp(&b.1));
    nearest.map_or((0, 0.0), |(at, distance)| (at as u32, distance))
}

/// The centre of each group's rows; an empty group takes the row farthest from all centres, the first of equal ones.
/// `distances` are those of rows from the centres before.
pub(super) fn means(
    rows: &[f32],
    length: usize,
    labels: &[u32],
    mut distances: Vec<f64>,
    clusters: usize,
    space: Space,
) -> Vec<f32> {
    let (members, starts) = by_group(labels, clusters);
    let centre = |group: usize| mean(rows, length, &members[starts[group]..starts[group + 1]], space);
    let mut centres: Vec<f32> = (0..clusters).into_par_iter().flat_map_iter(centre).collect();
    for group in (0..clusters).filter(|&group| starts[group] == starts[group + 1]) {
        let farther = |a: &usize, b: &usize| distances[*a].total_cmp(&distances[*b]).then(b.cmp(a));
        let Some(far) = (0..labels.len()).max_by(farther) else { break };
        let row = &rows[far * length..][..length];
        centres[group * length..][..length].copy_from_slice(row);
        // Another empty group shall not take an equal row.
        let nearer = |(other, distance): (&[f32], &mut f64)| *distance = distance.min(squared_distance(other, row));
        rows.par_chunks_exact(length).zip(&mut distances).for_each(nearer);
    }
    centres
}

/// The rows of group 0, then those of group 1 and so on, each in order; and where each group starts.
fn by_group(labels: &[u32], clusters: usize) -> (Vec<usize>, Vec<usize>) {
    let mut starts = vec![0; clusters + 1];
    labels.iter().for_each(|&label| starts[label as usize + 1] += 1);
    (0..clusters).for_each(|group| starts[group + 1] += starts[group]);
    let mut next = starts.clone();
    let mut members = vec![0; labels.len()];
    for (row, &label) in labels.iter().enumerate() {
        members[next[label as usize]] = row;
        next[label as usize] += 1;
    }
    (members, starts)
}

/// The centre of some rows; zero where there is none, and where directions cancel.
fn mean(rows: &[f32], length: usize, members: &[usize], space: Space) -> Vec<f32> {
    let sum = |members: &[usize]| {
        let mut sum = vec![0.0f64; length];
        for &member in members {
            sum.iter_mut().zip(&rows[member * length..]).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        sum
    };
    let parts: Vec<Vec<f64>> = members.par_chunks(CHUNK).map(sum).collect();
    let mut total = vec![0.0f64; length];
    parts.iter().for_each(|part| total.iter_mut().zip(part).for_each(|(total, part)| *total += part));
    let divisor = match space {
        Space::Directions => total.iter().map(|value| value * value).sum::<f64>().sqrt(),
        Space::Plain => members.len() as f64,
    };
    total.iter().map(|value| if divisor > 0.0 { (value / divisor) as f32 } else { 0.0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_groups_take_different_far_rows() {
        // Group 0 has all rows; the farthest row is there twice, so groups 1 and 2 must not both take it.
        let rows = [0.0, 0.0, 1.0, 0.0, 9.0, 0.0, 9.0, 0.0, 0.0, 5.0];
        let distances = vec![0.0, 1.0, 81.0, 81.0, 25.0];
        let centres = means(&rows, 2, &[0; 5], distances, 3, Space::Plain);
        assert_eq!(centres, [3.8, 1.0, 9.0, 0.0, 0.0, 5.0]);
    }

    #[test]
    fn directions_that_cancel_have_a_centre_without_direction() {
        assert_eq!(means(&[1.0, 0.0, -1.0, 0.0], 2, &[0, 0], vec![0.0; 2], 1, Space::Directions), [0.0, 0.0]);
        assert_eq!(means(&[1.0, 0.0, 0.0, 1.0], 2, &[0, 0], vec![0.0; 2], 1, Space::Directions), [0.5f32.sqrt(); 2]);
    }
}
