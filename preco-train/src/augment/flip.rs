//! Mirror images. Seen from above there is no up, so both directions are as real as the image itself.

use preco_core::imagery::Rgb8;

/// Left becomes right.
pub fn flip_horizontal(image: &Rgb8) -> Rgb8 {
    let rows = image.data().chunks_exact(3 * image.width().max(1));
    let data = rows.flat_map(|row| row.chunks_exact(3).rev().flatten().copied()).collect();
    Rgb8::new(image.width(), image.height(), data)
}

/// Top becomes bottom.
pub fn flip_vertical(image: &Rgb8) -> Rgb8 {
    let rows = image.data().chunks_exact(3 * image.width().max(1));
    Rgb8::new(image.width(), image.height(), rows.rev().flatten().copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flip_moves_each_pixel_to_its_mirror_and_twice_back() {
        let image = Rgb8::new(3, 2, (0..18).collect());
        let (across, over) = (flip_horizontal(&image), flip_vertical(&image));
        for (x, y) in [(0, 0), (1, 0), (2, 1)] {
            assert_eq!(across.get(x, y), image.get(2 - x, y));
            assert_eq!(over.get(x, y), image.get(x, 1 - y));
        }
        assert_eq!(flip_horizontal(&across), image);
        assert_eq!(flip_vertical(&over), image);
    }

    #[test]
    fn no_pixels_flip_to_none() {
        for (width, height) in [(0, 0), (0, 3), (3, 0)] {
            let empty = Rgb8::new(width, height, vec![]);
            assert_eq!(flip_horizontal(&empty), empty);
            assert_eq!(flip_vertical(&empty), empty);
        }
    }
}
