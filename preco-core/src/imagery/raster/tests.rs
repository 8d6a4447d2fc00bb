//! TIFFs that lie: an error within bounded memory and time. Each is what its name says, and nothing else is wrong with it.

use std::sync::Arc;

use super::*;
use crate::imagery::MemoryBytes;

/// Tag, type (3 is short, 4 long), count, value.
type Entry = (u16, u16, u32, u32);

/// A little-endian TIFF of one directory, and what follows it at [`DATA`].
fn tiff(entries: &[Entry], data: &[u8]) -> Vec<u8> {
    let mut bytes = b"II*\0\x08\0\0\0".to_vec();
    bytes.extend((entries.len() as u16).to_le_bytes());
    for (tag, kind, count, value) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend([0; 4]);
    bytes.resize(DATA as usize, 0);
    bytes.extend_from_slice(data);
    bytes
}

/// Where pixels begin.
const DATA: u32 = 200;

/// An eight-bit grey image in one strip.
fn entries(width: u32, height: u32, compression: u32, offset: u32, bytes: u32) -> Vec<Entry> {
    vec![
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, 8),
        (259, 3, 1, compression),
        (262, 3, 1, 1),
        (273, 4, 1, offset),
        (277, 3, 1, 1),
        (278, 4, 1, height),
        (279, 4, 1, bytes),
    ]
}

/// All of a raster, or why not.
fn whole(bytes: Vec<u8>) -> Result<Vec<u8>> {
    let raster = open(Arc::new(MemoryBytes::new(bytes)), "lying.tif", 0)?;
    let window = raster.info().window();
    raster.read(window).map(|block| block.bytes)
}

#[test]
fn an_honest_file_is_read() {
    let pixels: Vec<u8> = (0..64).collect();
    assert_eq!(whole(tiff(&entries(8, 8, 1, DATA, 64), &pixels)).expect("read"), pixels);
}

#[test]
fn files_that_lie_are_refused_by_name() {
    let pixels = [7; 64];
    let with = |change: &dyn Fn(&mut Vec<Entry>)| {
        let mut entries = entries(8, 8, 1, DATA, 64);
        change(&mut entries);
        tiff(&entries, &pixels)
    };
    let mut cyclic = with(&|_| {});
    let next = 8 + 2 + 12 * 9;
    cyclic[next..next + 4].copy_from_slice(&8u32.to_le_bytes());
    // 64 zeros deflate to a stored block; 300 do not fit 64 pixels.
    let stored = |len: u16| {
        let mut block = vec![0x78, 0x01, 0x01];
        block.extend(len.to_le_bytes());
        block.extend((!len).to_le_bytes());
        block.resize(block.len() + usize::from(len), 0);
        block.extend((u32::from(len) << 16 | 1).to_be_bytes());
        block
    };
    let deflated = |len: u16| {
        let data = stored(len);
        tiff(&entries(8, 8, 8, DATA, data.len() as u32), &data)
    };
    assert_eq!(whole(deflated(64)).expect("a stored block"), [0; 64]);
    let cases: [(&str, Vec<u8>, &str); 17] = [
        ("nothing", Vec::new(), "is empty"),
        ("a head alone", b"II*\0".to_vec(), "cannot be read as a TIFF"),
        ("a directory that leads to itself", cyclic, "loop"),
        ("a directory behind the end", b"II*\0\xff\xff\xff\x7f".to_vec(), "truncated"),
        ("an offset behind the end", with(&|all| all[5].3 = u32::MAX - 9), "out of bounds"),
        ("more bytes than there are", with(&|all| all[8].3 = u32::MAX), "cannot be read as a TIFF"),
        (
            "two billion strips",
            with(&|all| (all[5].2, all[8].2) = (i32::MAX as u32, i32::MAX as u32)),
            "cannot be read",
        ),
        ("no pixels", with(&|all| (all[0].3, all[1].3) = (0, 0)), "cannot be read as a TIFF"),
        (
            "a strip of a terabyte",
            with(&|all| (all[0].3, all[1].3, all[7].3) = (1 << 20, 1 << 20, 1 << 20)),
            "rewrite it in tiles",
        ),
        ("tiles without a side", with(&|all| all.extend([(322, 4, 1, 0), (323, 4, 1, 0)])), "pieces of 0x0 pixels"),
        ("strips without a row", with(&|all| all[7].3 = 0), "pieces of 8x0 pixels"),
        ("an unknown compression", with(&|all| all[3].3 = 34_712), "that is JPEG 2000; rewrite it"),
        ("LZMA", with(&|all| all[3].3 = 34_925), "that is LZMA; rewrite it"),
        ("a fax", with(&|all| all[3].3 = 4), "that is CCITT fax 4; rewrite it"),
        (
            "half floats",
            with(&|all| {
                (all[2].3, all[0].3) = (16, 4);
                all.push((339, 3, 1, 3));
            }),
            "half floats; integers of 8",
        ),
        (
            "complex numbers",
            with(&|all| {
                (all[2].3, all[0].3) = (32, 2);
                all.push((339, 3, 1, 6));
            }),
            "complex numbers; integers of 8",
        ),
        ("a bomb", deflated(300), "exceeds"),
    ];
    for (what, bytes, needle) in cases {
        let error = whole(bytes).expect_err(what).to_string();
        assert!(error.starts_with("lying.tif") && error.contains(needle), "{what}: {error}");
    }
}

#[test]
fn every_cut_of_a_file_is_refused_or_read_as_what_it_was() {
    let whole_file = tiff(&entries(8, 8, 1, DATA, 64), &[9; 64]);
    for len in 0..whole_file.len() {
        assert!(whole(whole_file[..len].to_vec()).is_err(), "cut to {len} of {}", whole_file.len());
    }
}

#[test]
fn a_window_outside_is_refused_wherever_it_lies() {
    let bytes = tiff(&entries(8, 8, 1, DATA, 64), &[9; 64]);
    let raster = open(Arc::new(MemoryBytes::new(bytes)), "small.tif", 0).expect("raster");
    let most = usize::MAX;
    for (window, place) in [
        (Window::new(8, 0, 1, 1), "8,0 to 9,1".to_owned()),
        (Window::new(most, 0, 1, 1), format!("{most},0 to {most},1")),
        (Window::new(1, 2, most, most), format!("1,2 to {most},{most}")),
    ] {
        let error = raster.read(window).expect_err("outside").to_string();
        assert!(error.contains(&format!("pixels {place}:")), "{error}");
    }
}

/// An 8 by 8 image of 16-bit samples with two bands, in four tiles of 4 by 4; the second tile is not stored.
fn sparse(nodata: Option<&str>, planar: bool) -> Vec<u8> {
    const TABLES: u32 = 400;
    let planes: u32 = if planar { 2 } else { 1 };
    let pieces = 4 * planes;
    let bytes = 64 / planes;
    let mut entries = vec![
        (256, 4, 1, 8),
        (257, 4, 1, 8),
        (258, 3, 2, 16 << 16 | 16),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (277, 3, 1, 2),
        (284, 3, 1, planes),
        (322, 3, 1, 4),
        (323, 3, 1, 4),
        (324, 4, pieces, TABLES),
        (325, 4, pieces, TABLES + 4 * pieces),
        (338, 3, 1, 0),
    ];
    if let Some(text) = nodata {
        let mut packed = [0; 4];
        packed[..text.len()].copy_from_slice(text.as_bytes());
        entries.push((42_113, 2, text.len() as u32 + 1, u32::from_le_bytes(packed)));
    }
    let mut file = tiff(&entries, &[]);
    file.resize(TABLES as usize, 0);
    let first = TABLES + 8 * pieces;
    // In planar files it is missing from the first band only.
    let stored = |piece: u32| piece != 1;
    for piece in 0..pieces {
        file.extend(if stored(piece) { first + piece * bytes } else { 0 }.to_le_bytes());
    }
    for piece in 0..pieces {
        file.extend(if stored(piece) { bytes } else { 0 }.to_le_bytes());
    }
    // Every stored sample is 5.
    file.extend([5, 0].repeat(pieces as usize * bytes as usize / 2));
    file
}

#[test]
fn tiles_that_are_not_stored_hold_no_data_where_the_file_has_a_value_for_that() {
    for (nodata, planar) in [(Some("77"), false), (Some("77"), true), (None, false), (Some("0"), false)] {
        let raster = open(Arc::new(MemoryBytes::new(sparse(nodata, planar))), "sparse.tif", 0).expect("raster");
        for window in [Window::new(0, 0, 8, 8), Window::new(3, 2, 4, 3), Window::new(5, 1, 1, 1)] {
            for bands in [&[0][..], &[1], &[1, 0], &[0, 1]] {
                let pixels = Pixels::read(&*raster, window, bands).expect("read");
                for at in 0..window.area() {
                    let (x, y) = (window.x + at % window.width, window.y + at / window.width);
                    let missing = |band: usize| x >= 4 && y < 4 && (!planar || band == 0);
                    for (plane, &band) in pixels.values.chunks_exact(window.area()).zip(bands) {
                        let value = if nodata == Some("77") { 77.0 } else { 0.0 };
                        assert_eq!(plane[at], if missing(band) { value } else { 5.0 }, "{nodata:?} {planar} {x},{y}");
                    }
                    let held = nodata.is_none() || !bands.iter().all(|&band| missing(band));
                    assert_eq!(pixels.valid[at], held, "{nodata:?} {planar} {bands:?} {x},{y}");
                }
            }
        }
    }
}

#[test]
fn bands_that_are_read_alone_are_those_of_a_whole_read() {
    for planar in [false, true] {
        let raster = open(Arc::new(MemoryBytes::new(sparse(Some("77"), planar))), "two.tif", 0).expect("raster");
        let window = Window::new(1, 2, 6, 5);
        let whole = raster.read(window).expect("read");
        for bands in [&[0][..], &[1], &[1, 0], &[1, 1, 0]] {
            assert_eq!(raster.read_bands(window, bands).expect("bands"), whole.clone().select(bands));
        }
    }
}
