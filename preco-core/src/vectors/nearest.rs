//! The nearest rows by cosine, exactly: every row is looked at.
//!
//! A product in f32 of each row with the query leaves those that can be among the nearest, given its rounding; their
//! cosines in f64 decide. So the answer is that of f64, at the price of f32, and does not depend on threads or blocks.
//! Shapes: rows `(rows, length)`, queries `(queries, length)`. No index, nothing approximate.

mod possible;

use rayon::prelude::*;

use super::unit::{cosine, dot_f32, dot_f32_error, scale_rows};
use possible::{Candidate, Possible};

/// Rows that one task looks at.
const CHUNK: usize = 4096;
/// Queries that one task looks for.
const BLOCK: usize = 16;
/// Values that a task reads for all its queries before it goes on: 64 KiB of rows stay in the nearest caches.
const TILE: usize = 1 << 14;
/// Rows left after the f32 pass that are kept at a time, in about as many: bounds the memory of many queries.
const KEPT: usize = 1 << 22;

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
    /// The cosine between it and what was looked for, -1 to 1; NaN where one of the two is not finite.
    pub cosine: f64,
}

impl Nearest {
    /// Keeps the directions of `rows`, each of `length` values.
    ///
    /// # Panics
    /// Where the rows are not whole.
    pub fn new(rows: &[f32], length: usize) -> Self {
        Self { unit: directions(rows, length), length }
    }

    /// Rows.
    pub fn len(&self) -> usize {
        self.unit.len() / self.length
    }

    /// True where there is none.
    pub fn is_empty(&self) -> bool {
        self.unit.is_empty()
    }

    /// The cosine between `query` and a row; 0 where one is all zero, NaN where one is not finite.
    ///
    /// # Panics
    /// Where the query is of another length, or there is no such row.
    pub fn cosine(&self, query: &[f32], row: usize) -> f64 {
        assert_eq!(query.len(), self.length, "a query of the rows' length");
        self.exact(&directions(query, self.length), row)
    }

    /// The `count` rows nearest to `query`, or all where there are fewer, the nearest first; of equal ones the one that
    /// comes first. An all-zero row or query has cosine 0 with everything. Rows with values that are not finite come
    /// last, with cosine NaN; such a query has cosine NaN with every row, and finds them in their order.
    ///
    /// # Panics
    /// Where the query is of another length.
    pub fn find(&self, query: &[f32], count: usize) -> Vec<Hit> {
        assert_eq!(query.len(), self.length, "a query of the rows' length");
        self.find_all(query, count).pop().unwrap_or_default()
    }

    /// What [`Nearest::find`] finds for each of `queries`, in less time than one by one.
    ///
    /// # Panics
    /// Where the queries are not whole.
    pub fn find_all(&self, queries: &[f32], count: usize) -> Vec<Vec<Hit>> {
        let queries = directions(queries, self.length);
        let count = count.min(self.len());
        if count == 0 {
            return vec![Vec::new(); queries.len() / self.length];
        }
        let left = self.len().min(self.len().div_ceil(CHUNK).saturating_mul(count));
        let group = (KEPT / left).clamp(1, 32 * BLOCK);
        queries.chunks(group * self.length).flat_map(|queries| self.find_group(queries, count)).collect()
    }

    fn find_group(&self, queries: &[f32], count: usize) -> Vec<Vec<Hit>> {
        let blocks: Vec<&[f32]> = queries.chunks(BLOCK * self.length).collect();
        let chunks = self.len().div_ceil(CHUNK);
        let scan = |task: usize| self.scan(blocks[task / chunks], task % chunks, count);
        let found: Vec<Vec<Vec<Candidate>>> = (0..blocks.len() * chunks).into_par_iter().map(scan).collect();
        let decide = |(at, query): (usize, &[f32])| {
            let of_block = &found[at / BLOCK * chunks..][..chunks];
            let mut possible = Possible::new(count, 2.0 * dot_f32_error(self.length));
            of_block
                .iter()
                .flat_map(|queries| &queries[at % BLOCK])
                .for_each(|&(product, row)| possible.add(product, row));
            self.decide(query, possible.candidates(), count)
        };
        queries.par_chunks_exact(self.length).enumerate().map(decide).collect()
    }

    /// For each of a block of queries, the rows of a chunk that may be among the nearest.
    fn scan(&self, queries: &[f32], chunk: usize, count: usize) -> Vec<Vec<Candidate>> {
        let rows = &self.unit[chunk * CHUNK * self.length..];
        let rows = &rows[..rows.len().min(CHUNK * self.length)];
        let slack = 2.0 * dot_f32_error(self.length);
        let mut found: Vec<Possible> = queries.chunks_exact(self.length).map(|_| Possible::new(count, slack)).collect();
        let tile = (TILE / self.length).max(1);
        for (tile_at, tile_rows) in rows.chunks(tile * self.length).enumerate() {
            let first = chunk * CHUNK + tile_at * tile;
            for (query, found) in queries.chunks_exact(self.length).zip(&mut found) {
                for (row, at) in tile_rows.chunks_exact(self.length).zip(first..) {
                    found.add(dot_f32(row, query), at);
                }
            }
        }
        found.into_iter().map(Possible::candidates).collect()
    }

    fn decide(&self, query: &[f32], candidates: Vec<Candidate>, count: usize) -> Vec<Hit> {
        let hit = |(_, row): Candidate| Hit { row, cosine: self.exact(query, row) };
        let mut hits: Vec<Hit> = candidates.into_par_iter().with_min_len(256).map(hit).collect();
        let order = |a: &Hit, b: &Hit| {
            a.cosine.is_nan().cmp(&b.cosine.is_nan()).then(b.cosine.total_cmp(&a.cosine)).then(a.row.cmp(&b.row))
        };
        if hits.len() > count {
            hits.select_nth_unstable_by(count - 1, order);
            hits.truncate(count);
        }
        hits.sort_unstable_by(order);
        hits
    }

    fn exact(&self, query: &[f32], row: usize) -> f64 {
        let row = &self.unit[row * self.length..][..self.length];
        if row[0].is_nan() || query[0].is_nan() { f64::NAN } else { cosine(row, query) }
    }
}

/// Unit rows, all NaN where a value is not finite.
fn directions(rows: &[f32], length: usize) -> Vec<f32> {
    scale_rows(rows, length, f32::NAN)
}

#[cfg(test)]
mod tests;
