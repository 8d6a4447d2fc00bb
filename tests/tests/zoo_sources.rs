//! Bytes at any place: files, memory and web servers give the same ones, or an error.

use std::io::ErrorKind;
use std::sync::Arc;

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
    for _ in 0..100 {
        let from = stream.below(right.len());
        let len = stream.below((right.len() - from).min(3 * BLOCK) + 1);
        assert!(read(source, from, len).expect("read") == right[from..from + len], "{len} bytes from {from}");
    }
    assert_eq!(read(source, right.len() - 1, 1).expect("the last byte"), right[right.len() - 1..]);
    assert!(read(source, right.len(), 0).expect("nothing at the end").is_empty());
    for (from, len) in [(right.len() as u64, 1), (right.len() as u64 - 1, 2), (u64::MAX, 1), (u64::MAX - 1, 9)] {
        let error = source.read_at(from, &mut vec![0; len]).expect_err("behind the end");
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{len} bytes from {from}: {error}");
    }
}

#[test]
fn files_memory_and_servers_give_the_same_bytes() {
    let (hub, right, address, folder) = served(5 * BLOCK + 777);
    let path = folder.path().join("a.tif");
    std::fs::write(&path, &right).expect("write");
    conforms(&FileBytes::open(&path).expect("open"), &right);
    conforms(&MemoryBytes::new(right.clone()), &right);
    let settings = as_user(&settings(&hub, folder.path()), "hf_secret");
    conforms(&*sources::open(&address, &settings).expect("open"), &right);
    conforms(&*sources::open(&format!("file://{}", path.display()), &settings).expect("open"), &right);
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
    assert_eq!(hub.requests().len(), 1, "held blocks are not asked for again");
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
fn what_goes_wrong_ends_in_right_bytes_or_a_clear_error() {
    let ok = ["500 at first", "cut off at first", "hung up at first", "no ranges, small"];
    let cases = [
        ("500 at first", 0, Kind::Status(500, Vec::new()), 1, ""),
        ("cut off at first", 1, Kind::Cut(1000), 1, ""),
        ("hung up at first", 1, Kind::Hangup, 1, ""),
        ("no ranges, small", 0, Kind::IgnoreRange, 99, ""),
        ("not there", 0, Kind::Status(404, Vec::new()), 99, "check the name"),
        ("not open", 0, Kind::Status(403, Vec::new()), 99, "not open to everyone"),
        ("always 500", 0, Kind::Status(503, Vec::new()), 99, "answers 503"),
        (
            "another file",
            1,
            Kind::Header("ETag".to_owned(), Some("\"other\"".to_owned())),
            99,
            "has changed while it was read",
        ),
        (
            "another length",
            1,
            Kind::Header("Content-Range".to_owned(), Some("bytes 65536-131071/99".to_owned())),
            99,
            "has changed",
        ),
        ("no range told", 1, Kind::Header("Content-Range".to_owned(), None), 99, "has changed"),
        ("other bytes", 1, Kind::WrongRange, 99, "other bytes than those from"),
        ("ranges no more", 1, Kind::IgnoreRange, 99, "knows ranges of bytes no more"),
    ];
    for (what, after, kind, times, needle) in cases {
        let (hub, right, address, folder) = served(3 * BLOCK);
        hub.fault(Fault::hub(kind).path("/plain/scenes").after(after).times(times));
        let settings = settings(&hub, folder.path());
        let address = format!("{address}?signature=hush");
        let done = sources::open(&address, &settings)
            .map_err(|error| error.to_string())
            .and_then(|source| read(&*source, BLOCK, BLOCK).map_err(|error| error.to_string()));
        match done {
            Ok(bytes) => assert!(ok.contains(&what) && bytes == right[BLOCK..2 * BLOCK], "{what}"),
            Err(error) => {
                assert!(!ok.contains(&what) && error.contains(needle), "{what}: {error}");
                assert!(!error.contains("hush"), "{what}: a secret is shown: {error}");
            }
        }
    }
}

#[test]
fn the_network_is_left_alone_where_it_may_not_be_used() {
    let (hub, _, address, folder) = served(10);
    let mut settings = settings(&hub, folder.path());
    settings.offline = true;
    let error = sources::open(&address, &settings).err().expect("offline").to_string();
    assert!(error.contains("--offline") && hub.requests().is_empty(), "{error}");
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
