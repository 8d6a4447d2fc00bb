//! The nearest rows by cosine, exactly: every row is looked at.

use rayon::prelude::*;

use super::unit::{dot, unit_rows};

/// Rows that one task looks at.
const CHUNK: usize = 4096;

/// Rows to be found.
pub struct Nearest {
    unit: Vec<f32>,
    length: usize,
}

/// A row that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// Its number.
    pub row: usize,
    /// The cosine between it and what was looked for.
    pub cosine: f64,
}

impl Nearest {
    /// Keeps the directions of `rows`, each of `length` values.
    ///
    /// # Panics
    /// Where the rows are not whole.
    pub fn new(rows: &[f32], length: usize) -> Self {
        Self { unit: unit_rows(rows, length), length }
    }

    /// Rows.
    pub fn len(&self) -> usize {
        self.unit.len() / self.length
    }

    /// True where there is none.
    pub fn is_empty(&self) -> bool {
        self.unit.is_empty()
    }

    /// The `count` rows nearest to `query`, the nearest first; of equal ones the one that comes first. A row or a query
    /// without a direction has cosine 0 with everything.
    ///
    /// # Panics
    /// Where the query is of another length.
    pub fn find(&self, query: &[f32], count: usize) -> Vec<Hit> {
        assert_eq!(query.len(), self.length, "a query of the rows' length");
        let query = unit_rows(query, self.length);
        let of_chunk = |(chunk, rows): (usize, &[f32])| {
            let hit = |(at, row)| Hit { row: chunk * CHUNK + at, cosine: dot(row, &query).clamp(-1.0, 1.0) };
            best(rows.chunks_exact(self.length).enumerate().map(hit).collect(), count)
        };
        let chunks = self.unit.par_chunks(CHUNK * self.length).enumerate();
        let found: Vec<Vec<Hit>> = chunks.map(of_chunk).collect();
        best(found.concat(), count)
    }
}

fn best(mut hits: Vec<Hit>, count: usize) -> Vec<Hit> {
    let order = |a: &Hit, b: &Hit| b.cosine.total_cmp(&a.cosine).then(a.row.cmp(&b.row));
    if count == 0 {
        return Vec::new();
    }
    if hits.len() > count {
        hits.select_nth_unstable_by(count - 1, order);
        hits.truncate(count);
    }
    hits.sort_unstable_by(order);
    hits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    #[test]
    fn found_rows_are_those_of_a_full_sort_with_any_number_of_threads() {
        let (rows, length) = (10_000, 24);
        let mut stream = Stream::new(1, "rows", 0, 0);
        let mut values: Vec<f32> = (0..rows * length).map(|_| stream.normal() as f32).collect();
        // A row and its multiple: equal directions, the first wins.
        let copy: Vec<f32> = values[..length].iter().map(|value| value * 4.0).collect();
        values[9_000 * length..9_001 * length].copy_from_slice(&copy);
        let nearest = Nearest::new(&values, length);
        let query = &values[..length];
        let mut all: Vec<(f64, usize)> =
            values.chunks_exact(length).map(|row| crate::vectors::cosine(row, query)).zip(0..).collect();
        all.sort_by(|a, b| b.0.total_cmp(&a.0));
        for threads in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("pool");
            let hits = pool.install(|| nearest.find(query, 20));
            assert_eq!([hits[0].row, hits[1].row], [0, 9_000]);
            for (hit, (cosine, row)) in hits[2..].iter().zip(&all[2..]) {
                assert_eq!(hit.row, *row);
                assert!((hit.cosine - cosine).abs() < 1e-6, "{hit:?} is not {cosine}");
            }
        }
        assert_eq!((nearest.find(query, 0).len(), nearest.find(query, 20_000).len()), (0, rows));
    }
}
