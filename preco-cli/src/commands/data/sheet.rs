//! A contact sheet: a row for each class with a few of its images, spread over the class, and their file names.

use preco_core::imagery::{Filter, Image8, resize};
use preco_train::datasets::{ImageFolder, ImageSource};
use preco_train::error::Result;
use preco_train::report::{Anchor, Canvas};

/// Images of a class.
const COLUMNS: usize = 6;
/// Classes that are drawn; the last line tells of more.
const MOST_ROWS: usize = 60;
/// Side of the square that an image is fitted into.
const TILE_PX: usize = 128;
/// Between tiles, and around all.
const GAP_PX: usize = 10;
/// Height of a line of text with its room.
const LINE_PX: usize = 18;
const LETTERS_PX: usize = 10;
const TITLE_PX: usize = 12;

const PAPER: [u8; 3] = [255; 3];
const INK: [u8; 3] = [38, 42, 48];
const QUIET: [u8; 3] = [110, 116, 124];

/// Draws the sheet; images that cannot be decoded leave their place blank.
pub(super) fn draw(images: &ImageFolder) -> Image8 {
    let rows = rows(images);
    let drawn = rows.len().min(MOST_ROWS);
    let pitch = TILE_PX + GAP_PX;
    let height = LINE_PX + TILE_PX + LINE_PX;
    let mut canvas = Canvas::new(GAP_PX + COLUMNS * pitch, 2 * GAP_PX + drawn * (height + GAP_PX) + LINE_PX, PAPER);
    for (row, (title, members)) in rows.iter().take(drawn).enumerate() {
        let top = GAP_PX + row * (height + GAP_PX);
        write(&mut canvas, title, [GAP_PX, top + LINE_PX / 2], TITLE_PX, INK);
        let shown = members.len().min(COLUMNS);
        for column in 0..shown {
            let (left, index) = (GAP_PX + column * pitch, members[column * members.len() / shown]);
            if let Ok((tile, scale)) = images.image(index).and_then(fitted) {
                canvas.paste(&tile, left, top + LINE_PX, scale);
            }
            let name = images.name(index);
            let file = name.rsplit('/').next().unwrap_or_default();
            write(&mut canvas, &short(file), [left, top + LINE_PX + TILE_PX + LINE_PX / 2], LETTERS_PX, QUIET);
        }
    }
    let more =
        if rows.len() > drawn { format!(", the first {drawn} of {} classes", rows.len()) } else { String::new() };
    let caption = format!("{} images of {}{more}", images.len(), images.root().display());
    let bottom = 2 * GAP_PX + drawn * (height + GAP_PX);
    write(&mut canvas, &caption, [GAP_PX, bottom], LETTERS_PX, QUIET);
    canvas.finish()
}

/// Titles and images: a row for each class that has some, then what has no class.
fn rows(images: &ImageFolder) -> Vec<(String, Vec<usize>)> {
    let classes = images.classes();
    let mut rows: Vec<(String, Vec<usize>)> = classes.iter().map(|name| (name.clone(), Vec::new())).collect();
    rows.push(("without a class".into(), Vec::new()));
    for index in 0..images.len() {
        rows[images.label(index).unwrap_or(classes.len())].1.push(index);
    }
    rows.retain(|(_, members)| !members.is_empty());
    for (title, members) in &mut rows {
        *title = format!("{title}, {}", members.len());
    }
    rows
}

/// An image no larger than a tile, and the whole factor that still fits.
fn fitted(image: Image8) -> Result<(Image8, usize)> {
    let longest = image.width().max(image.height());
    if longest <= TILE_PX {
        return Ok((image, TILE_PX / longest));
    }
    let side = |px: usize| (px * TILE_PX / longest).max(1);
    Ok((resize(&image, [side(image.height()), side(image.width())], Filter::Bilinear)?, 1))
}

/// The end of a name, which tells files of a class apart, as far as it fits below a tile.
fn short(name: &str) -> String {
    // Letters of this font are on average up to two thirds of their line wide.
    let most = TILE_PX * 3 / (LETTERS_PX * 2);
    let len = name.chars().count();
    if len <= most { name.into() } else { format!("..{}", name.chars().skip(len - (most - 2)).collect::<String>()) }
}

fn write(canvas: &mut Canvas, text: &str, [x, y]: [usize; 2], height: usize, colour: [u8; 3]) {
    canvas.text(text, [x as i32, y as i32], Anchor::Left, height, colour);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_fit_and_long_names_keep_their_ends() {
        for (width, height, want) in
            [(64, 64, (64, 64, 2)), (128, 3, (128, 3, 1)), (1000, 10, (128, 1, 1)), (1, 1, (1, 1, 128))]
        {
            let (tile, scale) = fitted(Image8::filled(width, height, [7; 3])).expect("tile");
            assert_eq!((tile.width(), tile.height(), scale), want);
        }
        assert_eq!(short("a.jpg"), "a.jpg");
        assert_eq!(short("HerbaceousVegetation_1004.jpg"), "..getation_1004.jpg");
    }
}
