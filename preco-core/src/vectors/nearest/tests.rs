//! Search, against a full sort of cosines in f64.

use super::*;
use crate::rng::Stream;

fn normal(rows: usize, length: usize, seed: u64) -> Vec<f32> {
    let mut stream = Stream::new(seed, "rows", 0, 0);
    (0..rows * length).map(|_| stream.normal() as f32).collect()
}

/// The rows of a full, stable sort, and their cosines.
fn sorted(rows: &[f32], query: &[f32]) -> Vec<(f64, usize)> {
    let mut all: Vec<(f64, usize)> =
        rows.chunks_exact(query.len()).map(|row| plain_cosine(row, query)).zip(0..).collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    all
}

fn plain_cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn found_rows_are_those_of_a_full_sort_with_any_number_of_threads() {
    let (rows, length) = (10_000, 24);
    let mut values = normal(rows, length, 1);
    // A row and its multiple: equal directions, the first wins.
    let copy: Vec<f32> = values[..length].iter().map(|value| value * 4.0).collect();
    values[9_000 * length..9_001 * length].copy_from_slice(&copy);
    let nearest = Nearest::new(&values, length);
    let query = &values[..length];
    let all = sorted(&values, query);
    for threads in [1, 2, 5] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("pool");
        let hits = pool.install(|| nearest.find(query, 20));
        assert_eq!([hits[0].row, hits[1].row], [0, 9_000]);
        for (hit, (cosine, row)) in hits[2..].iter().zip(&all[2..]) {
            assert_eq!(hit.row, *row);
            assert!((hit.cosine - cosine).abs() < 1e-7, "{hit:?} is not {cosine}");
        }
    }
    assert_eq!((nearest.find(query, 0).len(), nearest.find(query, 20_000).len()), (0, rows));
}

#[test]
fn many_queries_find_what_each_finds_alone() {
    let (rows, length) = (5_000, 19);
    let nearest = Nearest::new(&normal(rows, length, 2), length);
    let queries = normal(70, length, 3);
    for count in [1, 20, 4_500] {
        let alone: Vec<Vec<Hit>> = queries.chunks_exact(length).map(|query| nearest.find(query, count)).collect();
        for threads in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("pool");
            assert_eq!(pool.install(|| nearest.find_all(&queries, count)), alone);
        }
    }
    assert_eq!(nearest.find_all(&queries, 0), vec![Vec::new(); 70]);
    assert!(nearest.find_all(&[], 3).is_empty());
}

#[test]
fn cosines_that_f32_cannot_tell_apart_are_in_the_order_of_f64() {
    // Rows 1e-4 from the query: cosines lie within 1e-8 of 1, closer than one step of f32.
    let (rows, length) = (6_000, 40);
    let query = normal(1, length, 4);
    let mut stream = Stream::new(5, "near", 0, 0);
    let near = |value: f32, stream: &mut Stream| value + 1e-4 * stream.normal() as f32;
    let values: Vec<f32> = (0..rows * length).map(|at| near(query[at % length], &mut stream)).collect();
    let nearest = Nearest::new(&values, length);
    let hits = nearest.find(&query, 50);
    // Unit rows are the given ones to f32's rounding, so the witness reads those.
    let all = sorted(&nearest.unit, &directions(&query, length));
    let in_f32: std::collections::HashSet<u32> = hits
        .iter()
        .map(|hit| dot_f32(&nearest.unit[hit.row * length..][..length], &nearest.unit[..length]).to_bits())
        .collect();
    assert!(in_f32.len() < 20, "{} products in f32", in_f32.len());
    for (at, (hit, (cosine, _))) in hits.iter().zip(&all).enumerate() {
        assert!((hit.cosine - cosine).abs() < 1e-15, "{at}: {hit:?} is not {cosine}");
        assert_eq!(nearest.cosine(&query, hit.row), hit.cosine);
    }
    assert!(hits.is_sorted_by(|a, b| a.cosine > b.cosine || (a.cosine == b.cosine && a.row < b.row)));
}

#[test]
fn rows_in_another_order_are_found_as_well() {
    let (rows, length) = (5_000, 8);
    let values = normal(rows, length, 6);
    let mut order: Vec<usize> = (0..rows).collect();
    Stream::new(7, "order", 0, 0).shuffle(&mut order);
    let turned: Vec<f32> = order.iter().flat_map(|&at| &values[at * length..][..length]).copied().collect();
    let query = normal(1, length, 8);
    let straight = Nearest::new(&values, length).find(&query, 300);
    let mapped: Vec<Hit> = Nearest::new(&turned, length)
        .find(&query, 300)
        .into_iter()
        .map(|hit| Hit { row: order[hit.row], ..hit })
        .collect();
    assert_eq!(mapped, straight);
}

#[test]
fn equal_rows_come_in_their_order() {
    let nearest = Nearest::new(&[0.3, 0.4].repeat(9_000), 2);
    let rows: Vec<usize> = nearest.find(&[1.0, 0.0], 5).iter().map(|hit| hit.row).collect();
    assert_eq!(rows, [0, 1, 2, 3, 4]);
}

#[test]
fn rows_that_are_not_finite_come_last_and_such_queries_find_no_cosine() {
    let nearest = Nearest::new(&[f32::NAN, 1.0, -1.0, 0.0, 0.0, 0.0, f32::INFINITY, 0.0, 2.0, 0.0], 2);
    let hits = nearest.find(&[1.0, 0.0], 9);
    assert_eq!(hits.iter().map(|hit| hit.row).collect::<Vec<_>>(), [4, 2, 1, 0, 3]);
    assert_eq!(hits[..3].iter().map(|hit| hit.cosine).collect::<Vec<_>>(), [1.0, 0.0, -1.0]);
    assert!(hits[3..].iter().all(|hit| hit.cosine.is_nan()) && nearest.cosine(&[1.0, 0.0], 3).is_nan());
    let hits = nearest.find(&[f32::NAN, 0.0], 2);
    assert!(hits.iter().all(|hit| hit.cosine.is_nan()) && hits[0].row == 0 && hits[1].row == 1);
    assert_eq!(nearest.find(&[0.0, 0.0], 1), [Hit { row: 1, cosine: 0.0 }]);
    assert!(Nearest::new(&[], 2).find(&[1.0, 0.0], 4).is_empty());
}

/// Weighted votes of the nearest, as a classifier counts them, from a full sort and from [`Nearest`].
#[test]
fn votes_of_the_twenty_nearest_are_those_of_a_full_sort() {
    let (rows, length, classes, temperature) = (900, 12, 4, 0.07);
    let mut values = normal(rows, length, 9);
    let labels: Vec<usize> = (0..rows).map(|at| at * 7 % classes).collect();
    for (row, label) in values.chunks_exact_mut(length).zip(&labels) {
        row[*label] += 1.5;
    }
    let queries = normal(60, length, 10);
    let nearest = Nearest::new(&values, length);
    let vote = |near: &mut dyn Iterator<Item = (f64, usize)>| {
        let mut votes = vec![0.0; classes];
        near.take(20).for_each(|(cosine, row)| votes[labels[row]] += (cosine / temperature).exp());
        (0..classes).rev().max_by(|&a, &b| f64::total_cmp(&votes[a], &votes[b]))
    };
    for (query, hits) in queries.chunks_exact(length).zip(nearest.find_all(&queries, 20)) {
        let ours = vote(&mut hits.iter().map(|hit| (hit.cosine, hit.row)));
        assert_eq!(ours, vote(&mut sorted(&values, query).into_iter()));
    }
}
