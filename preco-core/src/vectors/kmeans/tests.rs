//! Groups: planted ones, fixed points, the best of all partitions, and what is refused.

use super::*;

/// Rows around `groups` axes, the first axis with most of them.
fn planted(groups: usize, length: usize) -> (Vec<f32>, Vec<usize>) {
    let mut stream = Stream::new(9, "planted", 0, 0);
    let (mut rows, mut truth) = (Vec::new(), Vec::new());
    for group in 0..groups {
        for _ in 0..40 * (groups - group) {
            let scale = stream.between(0.5, 20.0);
            let value = |axis: usize| scale * (if axis == group { 1.0 } else { 0.0 } + 0.15 * stream.normal());
            rows.extend((0..length).map(value).map(|value| value as f32).collect::<Vec<_>>());
            truth.push(group);
        }
    }
    (rows, truth)
}

fn plain_distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum()
}

#[test]
fn planted_groups_are_found_largest_first_whatever_the_threads() {
    let (rows, truth) = planted(5, 12);
    let asked = KMeans { clusters: 5, iterations: 100, seed: 0 };
    let found = asked.fit(&rows, 12).expect("groups");
    assert_eq!(found.labels.iter().map(|&label| label as usize).collect::<Vec<_>>(), truth);
    assert_eq!(found.sizes, [200, 160, 120, 80, 40]);
    // More rows than one task sums, and groups that do not part by themselves.
    let mut stream = Stream::new(2, "noise", 0, 0);
    let noise: Vec<f32> = (0..7_000 * 5).map(|_| stream.normal() as f32).collect();
    let asked_noise = KMeans { clusters: 3, iterations: 12, seed: 1 };
    let of_noise = [asked_noise.fit(&noise, 5).expect("groups"), asked_noise.fit_plain(&noise, 5).expect("groups")];
    for threads in [1, 2, 5] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("pool");
        assert_eq!(pool.install(|| asked.fit(&rows, 12)).expect("groups"), found);
        assert_eq!(pool.install(|| asked_noise.fit(&noise, 5)).expect("groups"), of_noise[0]);
        assert_eq!(pool.install(|| asked_noise.fit_plain(&noise, 5)).expect("groups"), of_noise[1]);
    }
}

#[test]
fn no_row_is_nearer_to_another_centre_and_centres_are_means() {
    let (rows, _) = planted(4, 6);
    let unit = unit_rows(&rows, 6);
    let asked = KMeans { clusters: 7, iterations: 500, seed: 3 };
    for (found, rows, is_unit) in [
        (asked.fit(&rows, 6).expect("groups"), &unit, true),
        (asked.fit_plain(&rows, 6).expect("groups"), &rows, false),
    ] {
        assert!(found.iterations < 500 && found.sizes.iter().all(|&size| size > 0));
        let mut inertia = 0.0;
        for (row, &label) in rows.chunks_exact(6).zip(&found.labels) {
            let all: Vec<f64> = found.centres.chunks_exact(6).map(|centre| plain_distance(row, centre)).collect();
            assert!(all.iter().all(|other| *other >= all[label as usize] - 1e-9));
            inertia += all[label as usize];
        }
        assert!((inertia - found.inertia).abs() < 1e-9 * inertia, "{inertia} is not {}", found.inertia);
        for (group, centre) in found.centres.chunks_exact(6).enumerate() {
            let members = || rows.chunks_exact(6).zip(&found.labels).filter(|(_, label)| **label as usize == group);
            assert_eq!(members().count(), found.sizes[group]);
            let mut mean = [0.0f64; 6];
            members().for_each(|(row, _)| (0..6).for_each(|axis| mean[axis] += f64::from(row[axis])));
            let norm = mean.iter().map(|value| value * value).sum::<f64>().sqrt();
            let divisor = if is_unit { norm } else { found.sizes[group] as f64 };
            for (mean, centre) in mean.iter().zip(centre) {
                assert!((mean / divisor - f64::from(*centre)).abs() < 1e-6 * (1.0 + centre.abs() as f64));
            }
        }
    }
}

#[test]
fn few_rows_are_parted_as_the_best_of_all_partitions() {
    // Two clouds of four and three rows; of all 64 partitions in two the one with the least inertia.
    let rows: [f32; 14] = [1.0, 1.0, 1.5, 2.0, 1.2, 0.8, 0.7, 1.4, 6.0, 5.5, 5.8, 6.1, 6.4, 5.2];
    let inertia = |mask: usize| -> f64 {
        let of_side = |side: usize| {
            let members: Vec<&[f32]> =
                (0..7).filter(|at| mask >> at & 1 == side).map(|at| &rows[2 * at..][..2]).collect();
            let mean = |axis: usize| members.iter().map(|row| f64::from(row[axis])).sum::<f64>() / members.len() as f64;
            let centre = [mean(0), mean(1)];
            members
                .iter()
                .map(|row| (0..2).map(|axis| (f64::from(row[axis]) - centre[axis]).powi(2)).sum::<f64>())
                .sum::<f64>()
        };
        of_side(0) + of_side(1)
    };
    let best = (1..64).map(inertia).fold(f64::INFINITY, f64::min);
    for seed in 0..20 {
        let found = KMeans { clusters: 2, iterations: 50, seed }.fit_plain(&rows, 2).expect("groups");
        assert_eq!(found.labels, [0, 0, 0, 0, 1, 1, 1]);
        assert!((found.inertia - best).abs() < 1e-6, "{} is not {best}", found.inertia);
    }
}

#[test]
fn rows_in_another_order_fall_into_the_same_groups() {
    let (rows, _) = planted(4, 9);
    let asked = KMeans { clusters: 4, iterations: 100, seed: 5 };
    let straight = asked.fit(&rows, 9).expect("groups");
    let mut order: Vec<usize> = (0..rows.len() / 9).collect();
    Stream::new(7, "order", 0, 0).shuffle(&mut order);
    let turned: Vec<f32> = order.iter().flat_map(|&at| &rows[at * 9..][..9]).copied().collect();
    let found = asked.fit(&turned, 9).expect("groups");
    assert!(order.iter().zip(&found.labels).all(|(&at, label)| straight.labels[at] == *label));
    assert!((found.inertia - straight.inertia).abs() < 1e-9 * straight.inertia);
}

#[test]
fn as_many_groups_as_different_rows_leave_nothing() {
    let rows = [1.0, 0.0, 0.0, 3.0, 1.0, 0.0, -2.0, 0.0, 0.0, 3.0, 1.0, 0.0];
    let found = KMeans { clusters: 3, iterations: 9, seed: 0 }.fit_plain(&rows, 2).expect("groups");
    assert_eq!(found.labels, [0, 1, 0, 2, 1, 0]);
    assert_eq!((found.sizes, found.inertia), (vec![3, 2, 1], 0.0));
    assert_eq!(found.centres, [1.0, 0.0, 0.0, 3.0, -2.0, 0.0]);
    // Of equal groups the one whose first row comes first.
    let found = KMeans { clusters: 2, iterations: 9, seed: 4 }.fit(&[0.0, 1.0, 5.0, 0.0, 1.0, 0.0, 0.0, 2.0], 2);
    assert_eq!(found.expect("groups").labels, [0, 1, 1, 0]);
}

#[test]
fn what_cannot_be_grouped_is_refused() {
    let rows = [1.0, 3.0, 0.3, 0.9, 0.0, 1.0];
    for (clusters, needle) in [(0, "0 groups of 3"), (4, "4 groups of 3"), (3, "2 different directions")] {
        let error = KMeans { clusters, iterations: 9, seed: 0 }.fit(&rows, 2).expect_err(needle).to_string();
        assert!(error.contains(needle), "{error}");
    }
    let three = KMeans { clusters: 3, iterations: 9, seed: 0 };
    assert_eq!(three.fit_plain(&rows, 2).expect("groups").inertia, 0.0);
    let error = three.fit_plain(&[4.0; 6], 2).expect_err("equal rows").to_string();
    assert!(error.contains("1 different values"), "{error}");
    let one = KMeans { clusters: 1, iterations: 9, seed: 0 };
    for (rows, length, needle) in [
        (&[1.0, f32::NAN][..], 2, "embedding 0 holds NaN"),
        (&[1.0, 2.0, f32::INFINITY, 0.0], 2, "embedding 1 holds inf"),
        (&[], 2, "of 0 embeddings"),
        (&[1.0, 2.0, 3.0], 2, "3 values are no rows of 2"),
        (&[1.0], 0, "1 values are no rows of 0"),
    ] {
        let error = one.fit(rows, length).expect_err(needle).to_string();
        assert!(error.contains(needle), "{error}");
    }
}
