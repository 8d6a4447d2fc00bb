//! Mirror images. Seen from above there is no up, so both directions are as real as the image itself.

use preco_core::imagery::Image8;

/// Left becomes right.
pub fn flip_horizontal(image: &Image8) -> Image8 {
    let rows = image.data().chunks_exact(image.bands() * image.width().max(1));
    let data = rows.flat_map(|row| row.chunks_exact(image.bands()).rev().flatten().copied()).collect();
    Image8::new(image.width(), image.height(), image.bands(), data)
}

/// Top becomes bottom.
pub fn flip_vertical(image: &Image8) -> Image8 {
    let rows = image.data().chunks_exact(image.bands() * image.width().max(1));
    Image8::new(image.width(), image.height(), image.bands(), rows.rev().flatten().copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flip_moves_each_pixel_to_its_mirror_and_twice_back() {
        let image = Image8::rgb(3, 2, (0..18).collect());
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
            let empty = Image8::rgb(width, height, vec![]);
            assert_eq!(flip_horizontal(&empty), empty);
            assert_eq!(flip_vertical(&empty), empty);
        }
    }
}
