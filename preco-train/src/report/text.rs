//! Letters: the 8 by 8 bitmaps of `font8x8`, made smooth and proportional at any height.
//!
//! A bitmap is enlarged eightfold by the rule of Scale2x, which rounds its stairs into slopes, and averaged down to the
//! size asked for. Verticals of that font are two pixels wide and horizontals one, so letters are drawn narrower.

use font8x8::{BASIC_FONTS, GREEK_FONTS, LATIN_FONTS, UnicodeFonts};

/// Width of a bitmap column relative to a row's height.
const NARROW: f32 = 0.74;

/// Side of an enlarged bitmap.
const FINE: usize = 64;

/// A letter's coverage, row by row, from 0 to 1.
pub(super) struct Glyph {
    pub(super) width: usize,
    pub(super) coverage: Vec<f32>,
}

/// The letter at a height in pixels; its width includes the gap to the next one. Unknown letters become `?`.
pub(super) fn glyph(letter: char, height: usize) -> Glyph {
    let known = [BASIC_FONTS.get(letter), LATIN_FONTS.get(letter), GREEK_FONTS.get(letter)];
    let rows = known.into_iter().flatten().next().or(BASIC_FONTS.get('?')).unwrap_or([0; 8]);
    let used = rows.iter().fold(0u8, |all, row| all | row);
    // Digits share one width, so that numbers below each other line up.
    let (first, columns) = match used {
        0 => (0, 4),
        _ if letter.is_ascii_digit() => (0, 7),
        // A point right after a digit would melt into it.
        _ if ".,:".contains(letter) => ((used.trailing_zeros() as usize).saturating_sub(1), 3),
        _ => (used.trailing_zeros() as usize, 8 - (used.leading_zeros() + used.trailing_zeros()) as usize),
    };
    let fine = enlarge(&rows);
    let advance = (columns + 1) as f32;
    let scale = height as f32 / 8.0;
    let width = ((advance * NARROW * scale + 0.5) as usize).max(1);
    let mut coverage = vec![0.0; width * height];
    for (y, row) in coverage.chunks_exact_mut(width).enumerate() {
        for (x, value) in row.iter_mut().enumerate() {
            let columns = (first as f32 + x as f32 * advance / width as f32, advance / width as f32);
            *value = mean(&fine, columns, (y as f32 / scale, 1.0 / scale));
        }
    }
    Glyph { width, coverage }
}

/// Width of a line of text in pixels.
pub(super) fn width(text: &str, height: usize) -> usize {
    text.chars().map(|letter| glyph(letter, height).width).sum()
}

/// The mean of the enlarged bitmap over a rectangle given in bitmap units as (start, length).
fn mean(fine: &[bool], columns: (f32, f32), rows: (f32, f32)) -> f32 {
    let range = |(start, length): (f32, f32)| {
        let from = (start * 8.0) as usize;
        from..(((start + length) * 8.0).ceil() as usize).max(from + 1)
    };
    let (mut set, mut all) = (0usize, 0usize);
    for y in range(rows) {
        for x in range(columns) {
            set += usize::from(x < FINE && y < FINE && fine[y * FINE + x]);
            all += 1;
        }
    }
    set as f32 / all as f32
}

/// Scale2x (Mazzoleni, 2001), three times.
fn enlarge(rows: &[u8; 8]) -> Vec<bool> {
    let mut side = 8;
    let mut bits: Vec<bool> = (0..64).map(|i| rows[i / 8] >> (i % 8) & 1 == 1).collect();
    while side < FINE {
        let at = |x: i32, y: i32| {
            let is_inside = x >= 0 && y >= 0 && x < side as i32 && y < side as i32;
            is_inside && bits[y as usize * side + x as usize]
        };
        let mut double = vec![false; 4 * side * side];
        for y in 0..side as i32 {
            for x in 0..side as i32 {
                let (here, up, down) = (at(x, y), at(x, y - 1), at(x, y + 1));
                let (left, right) = (at(x - 1, y), at(x + 1, y));
                let corner = |a: bool, b: bool, c: bool, d: bool| if a == b && a != c && b != d { a } else { here };
                let quarters = [
                    corner(left, up, down, right),
                    corner(up, right, left, down),
                    corner(left, down, up, right),
                    corner(down, right, left, up),
                ];
                for (i, quarter) in quarters.into_iter().enumerate() {
                    double[(2 * y as usize + i / 2) * 2 * side + 2 * x as usize + i % 2] = quarter;
                }
            }
        }
        (bits, side) = (double, 2 * side);
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_have_ink_and_blanks_have_none() {
        let ink = |letter| glyph(letter, 16).coverage.iter().sum::<f32>();
        assert!(ink('m') > 20.0 && ink('é') > 20.0);
        assert_eq!(ink(' '), 0.0);
        assert_eq!(ink('\u{1F600}'), ink('?'), "an unknown letter is a question mark");
    }

    #[test]
    fn digits_share_one_width() {
        let widths: Vec<usize> = "0123456789".chars().map(|digit| glyph(digit, 15).width).collect();
        assert!(widths.iter().all(|&width| width == widths[0]), "{widths:?}");
        assert_eq!(width("00", 15), 2 * widths[0]);
    }
}
