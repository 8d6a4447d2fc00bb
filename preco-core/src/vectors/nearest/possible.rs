//! Rows that may be among the nearest, given how far a product in f32 may be from the cosine.

/// Rows that are kept before the first are dropped, at least.
const LEAST: usize = 128;

/// A row's product in f32, and its number.
pub(super) type Candidate = (f32, usize);

/// What is left of the rows that were added: those that `count` others do not beat whatever the rounding.
pub(super) struct Possible {
    candidates: Vec<Candidate>,
    count: usize,
    /// Twice the error of a product: a row may be that much too low while another is too high.
    slack: f32,
    /// Rows below this are out.
    enough: f32,
    /// Candidates at which some are dropped; twice those left, so equal rows cost no more than others.
    limit: usize,
}

impl Possible {
    pub(super) fn new(count: usize, slack: f32) -> Self {
        let limit = count.saturating_mul(2).max(LEAST);
        Self { candidates: Vec::new(), count, slack, enough: f32::NEG_INFINITY, limit }
    }

    /// Adds a row; one without a product (NaN) is the last of all.
    pub(super) fn add(&mut self, product: f32, row: usize) {
        let product = if product.is_nan() { f32::NEG_INFINITY } else { product };
        if product >= self.enough {
            self.candidates.push((product, row));
            if self.candidates.len() >= self.limit {
                self.drop_beaten();
                self.limit = self.limit.max(2 * self.candidates.len());
            }
        }
    }

    /// The rows that are left.
    pub(super) fn candidates(mut self) -> Vec<Candidate> {
        self.drop_beaten();
        self.candidates.shrink_to_fit();
        self.candidates
    }

    fn drop_beaten(&mut self) {
        if self.candidates.len() > self.count {
            let at = self.count - 1;
            let (_, (least, _), _) = self.candidates.select_nth_unstable_by(at, |a, b| b.0.total_cmp(&a.0));
            self.enough = *least - self.slack;
            self.candidates.retain(|(product, _)| *product >= self.enough);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rows_beyond_the_slack_are_dropped() {
        let mut possible = Possible::new(2, 0.25);
        (0..1000).for_each(|row| possible.add((row * 37 % 1000) as f32 / 8.0, row));
        possible.add(f32::NAN, 1000);
        let mut products: Vec<f32> = possible.candidates().iter().map(|(product, _)| *product).collect();
        products.sort_by(f32::total_cmp);
        // The second is 998 / 8; 996 / 8 is lower by the slack, 995 / 8 by more.
        assert_eq!(products, [996.0 / 8.0, 997.0 / 8.0, 998.0 / 8.0, 999.0 / 8.0]);
        let mut few = Possible::new(3, 0.25);
        few.add(f32::NAN, 7);
        assert_eq!(few.candidates(), [(f32::NEG_INFINITY, 7)]);
    }
}
