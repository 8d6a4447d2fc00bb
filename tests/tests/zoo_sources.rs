//! Bytes at any place: files, memory and web servers give the same ones, or an error.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use preco_core::geo::{RasterOut, Samples, write_geotiff};
use preco_core::imagery::{ByteSource, FileBytes, MemoryBytes};
use preco_core::rng::Stream;
use preco_tests::binary::preco;
use preco_tests::hub::{Fault, Hub, Kind};
use preco_tests::zoo::{as_user, settings};
use preco_train::datasets::scenes::SceneGenerator;
use preco_zoo::embeddings::Embeddings;
use preco_zoo::sources;

/// Bytes of a block, as the source asks for them.
const BLOCK: usize = 64 << 10;

fn bytes(len: usize) -> Vec<u8> {
    let mut stream = Stream::new(1, "bytes", 0, 0);
    (0..len).map(|_| stream.below(256) as u8).collect()
}

/// A server with `len` bytes at the address.
fn served(len: usize) -> (Hub, Vec<u8>, String, tempfile::TempDir) {
    let (hub, bytes) = (Hub::start(), bytes(len));
    hub.plain("scenes/a.tif", &bytes);
    let address = format!("{}/plain/scenes/a.tif", hub.endpoint());
    (hub, bytes, address, tempfile::tempdir().expect("temporary folder"))
}

fn read(source: &dyn ByteSource, from: usize, len: usize) -> std::io::Result<Vec<u8>> {
    let mut out = vec![0; len];
    source.read_at(from as u64, &mut out).map(|()| out)
}

/// What every source must do.
fn conforms(source: &dyn ByteSource, right: &[u8]) {
    assert_eq!((source.len(), source.is_empty()), (right.len() as u64, false));
    let mut stream = Stream::new(2, "windows", 0, 0);
    for _ in 0..300 {
        let from = stream.below(right.len());
        let len = stream.below((right.len() - from).min(3 * BLOCK) + 1);
        assert!(read(source, from, len).expect("read") == right[from..from + len], "{len} bytes from {from}");
    }
    assert_eq!(read(source, right.len() - 1, 1).expect("the last byte"), right[right.len() - 1..]);
    for at in [0, 1, right.len() / 2, right.len()] {
        assert!(read(source, at, 0).expect("nothing").is_empty(), "no bytes from {at}");
    }
    for (from, len) in
        [(right.len() as u64, 1), (right.len() as u64 - 1, 2), (u64::MAX, 0), (u64::MAX, 1), (u64::MAX - 1, 9)]
    {
        let error = source.read_at(from, &mut vec![0; len]).expect_err("behind the end");
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{len} bytes from {from}: {error}");
    }
}

#[test]
fn files_memory_and_servers_give_the_same_bytes() {
    let (hub, right, address, folder) = served(5 * BLOCK + 777);
    let path = folder.path().join("a b.tif");
    std::fs::write(&path, &right).expect("write");
    conforms(&FileBytes::open(&path).expect("open"), &right);
    conforms(&MemoryBytes::new(right.clone()), &right);
    let settings = as_user(&settings(&hub, folder.path()), "hf_secret");
    conforms(&*sources::open(&address, &settings).expect("open"), &right);
    let file = format!("file://{}/a%20b.tif", folder.path().display());
    conforms(&*sources::open(&file, &settings).expect("open"), &right);
    assert!(hub.requests().iter().all(|request| request.header("authorization").is_none()), "no token goes out");
}

#[test]
fn neighbours_come_with_one_request_and_what_is_here_with_none() {
    let (hub, right, address, folder) = served(40 * BLOCK);
    let source = sources::open(&address, &settings(&hub, folder.path())).expect("open");
    hub.forget_requests();
    assert!(read(&*source, 3 * BLOCK + 5, 20 * BLOCK).expect("read") == right[3 * BLOCK + 5..23 * BLOCK + 5]);
    let asked: Vec<_> = hub.requests().iter().map(|request| request.header("range").map(str::to_owned)).collect();
    assert_eq!(asked, [Some(format!("bytes={}-{}", 3 * BLOCK, 24 * BLOCK - 1))]);
    read(&*source, 4 * BLOCK, 19 * BLOCK).expect("read");
    read(&*source, 30 * BLOCK + 1, 0).expect("nothing");
    assert_eq!(hub.requests().len(), 1, "held blocks are not asked for again, and nothing costs nothing");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (source, right) = (Arc::clone(&source), &right);
            scope.spawn(move || {
                for at in 0..10 {
                    let from = (thread * 10 + at) * BLOCK;
                    assert!(read(&*source, from, BLOCK).expect("read") == right[from..from + BLOCK]);
                }
            });
        }
    });
}

#[test]
fn a_long_read_comes_in_requests_of_eight_mebibytes_and_not_all_of_it_is_kept() {
    let (hub, _, address, folder) = served(1);
    let right: Vec<u8> = (0..34usize << 20).map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8).collect();
    hub.plain("scenes/a.tif", &right);
    let source = sources::open(&address, &settings(&hub, folder.path())).expect("open");
    hub.forget_requests();
    assert!(read(&*source, BLOCK, right.len() - BLOCK).expect("read") == right[BLOCK..]);
    assert_eq!(hub.requests().len(), 5, "34 MiB");
    assert!(read(&*source, right.len() - BLOCK, BLOCK).expect("read") == right[right.len() - BLOCK..]);
    assert_eq!(hub.requests().len(), 5, "the last block is held");
    assert!(read(&*source, BLOCK, 9).expect("read") == right[BLOCK..BLOCK + 9]);
    assert_eq!(hub.requests().len(), 6, "the first ones made room");
}

fn header(name: &str, value: &str) -> Kind {
    Kind::Header(name.to_owned(), Some(value.to_owned()))
}

#[test]
fn what_goes_wrong_ends_in_right_bytes_or_a_clear_error() {
    let status = |status| Kind::Status(status, Vec::new());
    // What happens, to which request, how often, and the words of the error; none where it ends well.
    let cases = [
        ("500 at first", 0, status(500), 1, ""),
        ("500 later", 1, status(500), 1, ""),
        ("busy at first", 0, Kind::Status(429, vec![("Retry-After".to_owned(), "0".to_owned())]), 1, ""),
        ("the first block cut off", 0, Kind::Cut(1000), 1, ""),
        ("a block cut off", 1, Kind::Cut(1000), 1, ""),
        ("a block too short", 1, Kind::Truncate(5), 1, ""),
        ("hung up at first", 1, Kind::Hangup, 1, ""),
        ("no ranges, small", 0, Kind::IgnoreRange, 99, ""),
        ("not there", 0, status(404), 99, "check the name"),
        ("not open", 0, status(403), 99, "not open to everyone"),
        ("who asks?", 0, status(401), 99, "not open to everyone"),
        ("gone later", 1, status(404), 99, "check the name"),
        ("always 500", 0, status(503), 99, "answers 503"),
        ("always too short", 1, Kind::Truncate(5), 99, "it sent 131067 of 131072 bytes"),
        ("led in circles", 0, Kind::Loop, 99, "redirect"),
        ("another file", 1, header("ETag", "\"other\""), 99, "has changed while it was read"),
        ("another length", 1, header("Content-Range", "bytes 65536-196607/99"), 99, "has changed"),
        ("no range told", 1, Kind::Header("Content-Range".to_owned(), None), 99, "has changed"),
        ("shorter now", 1, status(416), 99, "has changed"),
        ("other bytes", 1, Kind::WrongRange, 99, "other bytes than those from"),
        ("other first bytes", 0, Kind::WrongRange, 99, "the server sends bytes from 1 on"),
        ("no first range told", 0, Kind::Header("Content-Range".to_owned(), None), 99, "without saying which"),
        ("unknown length", 0, header("Content-Range", "bytes 0-65535/*"), 99, "without saying which"),
        ("too short a length", 0, header("Content-Range", "bytes 0-65535/10"), 99, "more than the 10 bytes"),
        ("too long a length", 0, header("Content-Range", "bytes 0-65535/999999"), 1, "has changed"),
        ("too many first bytes", 0, Kind::Pad(1), 99, "more than the 65536 bytes"),
        ("too many bytes", 1, Kind::Pad(1), 99, "more than the 131072 bytes"),
        ("compressed", 1, header("Content-Encoding", "gzip"), 99, "compressed (gzip)"),
        ("refused first bytes", 0, status(416), 99, "refuses the first bytes"),
        ("ranges no more", 1, Kind::IgnoreRange, 99, "knows ranges of bytes no more"),
    ];
    for (what, after, kind, times, needle) in cases {
        let (hub, right, address, folder) = served(4 * BLOCK);
        hub.fault(Fault::hub(kind).path("/plain/scenes").after(after).times(times));
        let settings = settings(&hub, folder.path());
        let address = format!("{}?signature=hush", address.replace("://", "://user:hush@"));
        let done = sources::open(&address, &settings)
            .map_err(|error| error.to_string())
            .and_then(|source| read(&*source, BLOCK, 2 * BLOCK).map_err(|error| error.to_string()));
        match done {
            Ok(bytes) => assert!(needle.is_empty() && bytes == right[BLOCK..3 * BLOCK], "{what}"),
            Err(error) => {
                assert!(!needle.is_empty() && error.contains(needle), "{what}: {error}");
                assert!(!error.contains("hush"), "{what}: a secret is shown: {error}");
            }
        }
    }
}

#[test]
fn a_file_that_changes_is_never_read_as_a_mixture() {
    let (hub, right, address, folder) = served(4 * BLOCK);
    let settings = settings(&hub, folder.path());
    for tag in ["ETag", "Last-Modified"] {
        hub.clear_faults();
        hub.plain("scenes/a.tif", &right);
        hub.fault(Fault::hub(header(tag, "\"one\"")).times(2));
        hub.fault(Fault::hub(header(tag, "\"two\"")));
        let source = sources::open(&address, &settings).expect("open");
        assert!(read(&*source, BLOCK, BLOCK).expect("still the same") == right[BLOCK..2 * BLOCK]);
        hub.plain("scenes/a.tif", &vec![0; right.len()]);
        let error = read(&*source, BLOCK, 2 * BLOCK).expect_err("changed").to_string();
        assert!(error.contains("has changed while it was read"), "{tag}: {error}");
        assert!(read(&*source, 0, 2 * BLOCK).expect("held") == right[..2 * BLOCK], "{tag}: as it was");
    }
}

#[test]
fn a_length_near_the_largest_number_is_no_panic() {
    let (hub, _, address, folder) = served(4 * BLOCK);
    hub.fault(Fault::hub(header("Content-Range", &format!("bytes 0-65535/{}", u64::MAX))).times(1));
    let source = sources::open(&address, &settings(&hub, folder.path())).expect("open");
    assert_eq!(source.len(), u64::MAX);
    let error = source.read_at(u64::MAX - 9, &mut [0; 9]).expect_err("not there").to_string();
    assert!(error.contains("has changed"), "{error}");
    assert!(source.read_at(u64::MAX - 9, &mut [0; 10]).is_err(), "behind the end");
}

#[test]
fn whole_files_are_taken_up_to_64_mebibytes() {
    let (hub, _, address, folder) = served(1);
    let settings = settings(&hub, folder.path());
    hub.fault(Fault::hub(Kind::IgnoreRange));
    let most = 64 << 20;
    for (len, is_taken) in [(0, true), (most, true), (most + 1, false)] {
        hub.plain("scenes/a.tif", &vec![7; len]);
        hub.forget_requests();
        match sources::open(&address, &settings) {
            Ok(source) => {
                assert!(is_taken && source.len() == len as u64, "{len}");
                assert!(len == 0 || read(&*source, len - 1, 1).expect("the last byte") == [7]);
            }
            Err(error) => {
                let error = error.to_string();
                assert!(!is_taken && error.contains(&format!("{len} bytes")), "{error}");
                assert!(error.contains("fetch it first and give its path"), "{error}");
            }
        }
        assert_eq!(hub.requests().len(), 1, "{len}");
    }
    // An empty file where ranges are known.
    hub.clear_faults();
    hub.plain("scenes/a.tif", &[]);
    let empty = sources::open(&address, &settings).expect("open");
    assert!(empty.is_empty() && read(&*empty, 0, 0).is_ok() && read(&*empty, 0, 1).is_err());
}

#[test]
fn only_silence_is_too_long_not_a_slow_body() {
    let (hub, right, address, folder) = served(3 * BLOCK);
    let mut settings = settings(&hub, folder.path());
    (settings.timeout, settings.retries) = (Duration::from_millis(1500), 0);
    // 16 pieces: 3.2 s in all.
    hub.fault(Fault::hub(Kind::Slow(4 << 10, Duration::from_millis(200))));
    let source = sources::open(&address, &settings).expect("a slow first block");
    assert!(read(&*source, BLOCK, BLOCK).expect("a slow block") == right[BLOCK..2 * BLOCK]);
    hub.clear_faults();
    hub.fault(Fault::hub(Kind::Stall));
    let error = read(&*source, 2 * BLOCK, BLOCK).expect_err("silence").to_string();
    assert!(error.contains("no answer for 1.5 s") || error.contains("timed out"), "{error}");
}

#[test]
fn a_redirect_is_followed_and_neither_tokens_nor_signatures_leak() {
    let (hub, right, address, folder) = served(3 * BLOCK);
    let settings = as_user(&settings(&hub, folder.path()), "hf_secret");
    hub.fault(Fault::cdn(Kind::Redirect(format!("{address}?signature=hush"))));
    let source = sources::open(&format!("{}/moved.tif", hub.cdn()), &settings).expect("open");
    assert!(read(&*source, BLOCK, BLOCK).expect("read") == right[BLOCK..2 * BLOCK]);
    assert!(hub.requests().iter().any(|request| request.path.contains("signature=hush")), "it was followed");
    for kind in [Kind::Hangup, Kind::Cut(9), Kind::Status(403, Vec::new()), Kind::Status(500, Vec::new())] {
        hub.fault(Fault::hub(kind.clone()).times(4));
        let error = read(&*source, 2 * BLOCK, BLOCK).expect_err("fails").to_string();
        assert!(!error.contains("hush") && error.contains("/moved.tif"), "{kind:?}: {error}");
        hub.clear_faults();
        hub.fault(Fault::cdn(Kind::Redirect(format!("{address}?signature=hush"))));
    }
    assert!(hub.requests().iter().all(|request| request.header("authorization").is_none()), "no token goes out");
}

#[test]
fn the_network_is_left_alone_where_it_may_not_be_used() {
    let (hub, _, address, folder) = served(10);
    let mut settings = settings(&hub, folder.path());
    let error = sources::open(&format!("file://{address}"), &settings).err().expect("no path").to_string();
    assert!(error.contains("three slashes") && hub.requests().is_empty(), "{error}");
    settings.offline = true;
    let error = sources::open(&address, &settings).err().expect("offline").to_string();
    assert!(error.contains("--offline") && hub.requests().is_empty(), "{error}");
    preco(folder.path(), &format!("embed {address} --out a.npy --offline")).refused("--offline");
    assert!(hub.requests().is_empty());
}

#[test]
fn a_scene_on_a_server_has_the_vectors_of_the_same_file_and_comes_in_parts() {
    let (hub, _, _, folder) = served(1);
    let image = SceneGenerator::new(4, 1024, 1).scene(0).image;
    let out = RasterOut { width: 1024, height: 1024, bands: 3, affine: None, crs: None, nodata: None, palette: None };
    let path = folder.path().join("scene.tif");
    write_geotiff(&path, &out, Samples::U8(image.data())).expect("scene");
    let bytes = std::fs::read(&path).expect("read");
    hub.plain("scene.tif", &bytes);
    let address = format!("{}/plain/scene.tif", hub.endpoint());
    for (input, out) in [("scene.tif", "a.npy"), (address.as_str(), "b.npy")] {
        preco(folder.path(), &format!("embed {input} --out {out} --tile 128")).succeeded();
    }
    let [here, there] = ["a.npy", "b.npy"].map(|name| Embeddings::open(&folder.path().join(name)).expect(name));
    assert!(here.vectors == there.vectors && here.len() == 64);
    let asked = hub.requests().iter().filter(|request| request.path.contains("scene.tif")).count();
    assert!(asked > 1 && asked <= 2 * bytes.len().div_ceil(BLOCK), "{asked} requests for {} bytes", bytes.len());
}

/// A TIFF of grey pixels, stored as they are: the whole, of `side` pixels, and a smaller copy of `small`.
fn with_overview(side: u32, small: u32) -> Vec<u8> {
    let mut stream = Stream::new(3, "pixels", 0, 0);
    let mut bytes = b"II*\0\x08\0\0\0".to_vec();
    let directory = 2 + 10 * 12 + 4;
    let mut data = 8 + 2 * directory;
    for (side, kind, next) in [(side, 0, 8 + directory), (small, 1, 0)] {
        bytes.extend(10u16.to_le_bytes());
        let (rows, len) = (side, side * side);
        let tags = [(254, kind), (256, side), (257, side), (258, 8), (259, 1), (262, 1), (273, data), (277, 1)];
        for (tag, value) in tags.into_iter().chain([(278, rows), (279, len)]) {
            bytes.extend([tag as u16, 4].map(u16::to_le_bytes).concat());
            bytes.extend([1u32, value].map(u32::to_le_bytes).concat());
        }
        bytes.extend(u32::to_le_bytes(next));
        data += len;
    }
    bytes.extend((8 + 2 * directory..data).map(|_| stream.below(256) as u8));
    bytes
}

#[test]
fn an_overview_asks_for_its_own_bytes_and_little_else() {
    let (hub, _, _, folder) = served(1);
    let bytes = with_overview(2048, 256);
    std::fs::write(folder.path().join("scene.tif"), &bytes).expect("write");
    hub.plain("scene.tif", &bytes);
    let address = format!("{}/plain/scene.tif", hub.endpoint());
    let settings = "--overview 1 --bands 1,1,1 --tile 128";
    for (input, out) in [("scene.tif", "a.npy"), (address.as_str(), "b.npy")] {
        preco(folder.path(), &format!("embed {input} --out {out} {settings}")).succeeded();
    }
    let [here, there] = ["a.npy", "b.npy"].map(|name| Embeddings::open(&folder.path().join(name)).expect(name));
    assert!(here.vectors == there.vectors && here.len() == 4);
    let asked = hub.requests().into_iter().map(|request| {
        let range = request.header("range").and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
        let (from, last) = range.expect("every request is one for a range");
        last.parse::<usize>().expect("number") + 1 - from.parse::<usize>().expect("number")
    });
    let asked: usize = asked.sum();
    assert!(asked < bytes.len() / 8, "{asked} of {} bytes were asked for", bytes.len());
}

#[test]
fn a_signature_in_an_address_is_not_shown_where_the_file_is_no_scene() {
    let (hub, _, _, folder) = served(1);
    hub.plain("scene.tif", b"no scene at all");
    hub.plain("cut.tif", &with_overview(64, 32)[..200]);
    for name in ["scene.tif", "cut.tif", "none.tif"] {
        let address = format!("{}/plain/{name}?signature=hush", hub.endpoint());
        let done = preco(folder.path(), &format!("embed {address} --out a.npy"));
        assert!(!done.stderr.contains("hush"), "{name}: {}", done.stderr);
        done.refused(name);
    }
}
