//! Models from a hub that goes wrong: the right file or a clear error, never a wrong or a half file.

use std::time::Duration;

use preco_core::rng::Stream;
use preco_tests::hub::{Fault, Hub, Kind};
use preco_tests::models::{borrowed, published};
use preco_tests::zoo::{cache_is_right, contents, download, settings};

const REPOSITORY: &str = "org/preco-test";
/// How often each fault is tried, at other places each time.
const TIMES: u64 = 100;

/// Cases at once.
const THREADS: usize = 4;

/// What a fetch may end with.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// Right files.
    Right,
    /// Right files, or an error with this in its text.
    Or(&'static str),
    /// An error with this in its text.
    Error(&'static str),
}

/// One way of going wrong: `make` draws where and how often, and says what may come of it.
struct Case {
    name: &'static str,
    make: fn(&mut Stream, usize) -> (Vec<Fault>, End),
}

/// Requests for bytes of the weights, which lie on the other host.
fn weights(kind: Kind) -> Fault {
    Fault::cdn(kind).method("GET").path("model.safetensors")
}

/// Requests for a small file, which the hub serves itself.
fn config(kind: Kind) -> Fault {
    Fault::hub(kind).method("GET").path("/config.json")
}

/// Some of the requests only: one, two or three of them; those that the settings' three retries outlive.
fn few(fault: Fault, stream: &mut Stream) -> Fault {
    fault.times(1 + stream.below(3))
}

fn status(stream: &mut Stream, code: u16) -> Fault {
    let headers = if code == 429 { vec![("Retry-After".to_owned(), "0".to_owned())] } else { Vec::new() };
    let paths = ["/api/models/org/preco-test/revision", "/tree/", "/resolve/", "config.json"];
    Fault::hub(Kind::Status(code, headers)).path(paths[stream.below(4)])
}

const CASES: [Case; 26] = [
    Case {
        name: "5xx for a while",
        make: |s, _| {
            let code = [500, 502, 503, 504][s.below(4)];
            let fault = status(s, code);
            (vec![few(fault, s)], End::Right)
        },
    },
    Case { name: "5xx for ever", make: |s, _| (vec![status(s, 503)], End::Error("answers 503")) },
    Case {
        name: "429 for a while",
        make: |s, _| {
            let fault = status(s, 429);
            (vec![few(fault, s)], End::Right)
        },
    },
    Case { name: "429 for ever", make: |s, _| (vec![status(s, 429)], End::Error("takes no more requests")) },
    Case { name: "401", make: |s, _| (vec![status(s, 401)], End::Error("HF_TOKEN")) },
    Case { name: "403", make: |s, _| (vec![status(s, 403)], End::Error("set HF_TOKEN to a token that has the right")) },
    Case { name: "404", make: |s, _| (vec![status(s, 404)], End::Error(" has no ")) },
    Case {
        name: "the other host's 403",
        make: |_, _| {
            (vec![weights(Kind::Status(403, vec![]))], End::Error("set HF_TOKEN to a token that has the right"))
        },
    },
    Case { name: "the other host's 500", make: |s, _| (vec![few(weights(Kind::Status(500, vec![])), s)], End::Right) },
    Case {
        name: "cut once or twice",
        make: |s, bytes| {
            let cut = weights(Kind::Cut(s.below(bytes)));
            (vec![few(cut, s)], End::Right)
        },
    },
    Case {
        name: "cut always, but each time later",
        make: |s, bytes| (vec![weights(Kind::Cut(1 + bytes / 9 + s.below(99)))], End::Right),
    },
    Case {
        name: "cut at once, always",
        make: |_, _| (vec![weights(Kind::Cut(0))], End::Error("Check the connection")),
    },
    Case {
        name: "a small file cut",
        make: |s, _| {
            let cut = config(Kind::Cut(s.below(200)));
            (vec![few(cut, s)], End::Right)
        },
    },
    Case {
        name: "hung up",
        make: |s, _| {
            let hangup = if s.below(2) == 0 { Fault::hub(Kind::Hangup) } else { weights(Kind::Hangup) };
            (vec![few(hangup, s)], End::Right)
        },
    },
    Case {
        name: "longer than it is",
        make: |s, _| {
            let longer = weights(Kind::Longer(1 + s.below(9)));
            (vec![longer], End::Or("cannot be trusted with model.safetensors"))
        },
    },
    Case {
        name: "shorter than it is",
        make: |s, _| {
            let shorter = weights(Kind::Shorter(1 + s.below(9)));
            (vec![shorter], End::Error("cannot be trusted with model.safetensors"))
        },
    },
    Case {
        name: "truncated",
        make: |s, _| {
            let truncated = weights(Kind::Truncate(1 + s.below(9999)));
            (vec![truncated], End::Error("cannot be trusted with model.safetensors"))
        },
    },
    Case {
        name: "truncated once",
        make: |s, _| (vec![weights(Kind::Truncate(1 + s.below(9999))).times(1)], End::Right),
    },
    Case {
        name: "a wrong bit, once",
        make: |s, _| {
            let fault = if s.below(2) == 0 { weights(Kind::Garble) } else { config(Kind::Garble) };
            (vec![fault.times(1)], End::Right)
        },
    },
    Case {
        name: "a wrong bit, always",
        make: |s, _| {
            let fault = if s.below(2) == 0 { weights(Kind::Garble) } else { config(Kind::Garble) };
            (vec![fault], End::Error("promised is"))
        },
    },
    Case {
        name: "a wrong tag",
        make: |s, _| {
            let tags =
                ["\"\"", "\"../../../x\"", "\"0000000000000000000000000000000000000000\"", "W/\"a b\"", "\"c:\\x\""];
            let sha = format!("\"{}\"", preco_zoo::sha256(b"another file"));
            let tag = tags.get(s.below(6)).map_or(sha, |tag| (*tag).to_owned());
            (vec![Fault::hub(Kind::WrongEtag(tag)).method("HEAD")], End::Error("cannot be trusted with"))
        },
    },
    Case {
        name: "no tag, length or commit",
        make: |s, _| {
            let name = ["ETag", "X-Linked-Etag", "X-Linked-Size", "X-Repo-Commit"][s.below(4)];
            (vec![Fault::hub(Kind::Header(name.to_owned(), None)).method("HEAD")], End::Or("cannot be trusted with"))
        },
    },
    Case {
        name: "another commit",
        make: |_, _| {
            let other = Kind::Header("X-Repo-Commit".to_owned(), Some("f".repeat(40)));
            (vec![Fault::hub(other).method("HEAD")], End::Error("another commit"))
        },
    },
    Case {
        name: "ranges ignored or wrong after a cut",
        make: |s, bytes| {
            let cut = weights(Kind::Cut(1 + s.below(bytes - 1))).times(1);
            let kind = if s.below(2) == 0 { Kind::IgnoreRange } else { Kind::WrongRange };
            let times = 1 + s.below(2);
            (vec![cut, weights(kind).times(times)], End::Right)
        },
    },
    Case {
        name: "redirected without end, or elsewhere",
        make: |s, _| {
            let kind = if s.below(2) == 0 { Kind::Loop } else { Kind::Redirect("http://127.0.0.1:9/x".to_owned()) };
            (vec![Fault::hub(kind).method("HEAD")], End::Error("cannot be trusted with"))
        },
    },
    Case {
        name: "no JSON",
        make: |s, _| {
            let body = ["", "{", "[]", "null", "{\"sha\": \"../..\"}", "{\"sha\": 3}", "<html>"][s.below(7)];
            let path = ["/revision/", "/tree/"][s.below(2)];
            (vec![Fault::hub(Kind::Json(body.to_owned())).path(path)], End::Error(""))
        },
    },
];

#[test]
fn each_fault_ends_in_right_files_or_a_clear_error() {
    let files = published("preco-test", 3, None);
    // A hub for each thread; they wait most of the time.
    std::thread::scope(|scope| {
        for first in 0..THREADS {
            let files = &files;
            scope.spawn(move || {
                let hub = Hub::start();
                hub.commit(REPOSITORY, &borrowed(files));
                for (number, case) in CASES.iter().enumerate().skip(first).step_by(THREADS) {
                    try_case(&hub, files, case, Stream::new(5, "faults", 0, number as u64));
                }
            });
        }
    });
}

fn try_case(hub: &Hub, files: &[(String, Vec<u8>)], case: &Case, mut stream: Stream) {
    let bytes = files.iter().find(|(name, _)| name == "model.safetensors").expect("weights").1.len();
    let mut right = 0;
    for time in 0..TIMES {
        let folder = in_memory();
        let settings = settings(hub, folder.path());
        let (faults, end) = (case.make)(&mut stream, bytes);
        let told = format!("{}, time {time}: {faults:?}", case.name);
        faults.into_iter().for_each(|fault| hub.fault(fault));
        let outcome = download(REPOSITORY, &settings);
        cache_is_right(&settings.cache, files);
        match (outcome, end) {
            (Ok(path), End::Right | End::Or(_)) => {
                assert_eq!(contents(&path), files.iter().cloned().collect(), "{told}");
                right += 1;
            }
            (Err(error), End::Error(words) | End::Or(words)) => {
                assert!(error.contains(words) && error.contains(&hub.endpoint()), "{told}\n{error}");
            }
            (outcome, end) => panic!("{told}\n{outcome:?} instead of {end:?}"),
        }
        // What went wrong leaves nothing behind that hinders.
        hub.clear_faults();
        let path = download(REPOSITORY, &settings).unwrap_or_else(|error| panic!("{told}\nthen {error}"));
        assert_eq!(contents(&path), files.iter().cloned().collect(), "{told}");
    }
    eprintln!("{:40} {right} of {TIMES} right at once", case.name);
}

/// A temporary folder, in memory where the system has such: thousands of files are synced here.
fn in_memory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("temporary folder")
}

/// A model of some megabytes, so that a fetch can be interrupted within it.
fn large() -> Vec<(String, Vec<u8>)> {
    let mut files = published("preco-test", 3, None);
    let licence: Vec<u8> =
        (0..3_000_000u32).flat_map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()[2..3].to_vec()).collect();
    files.push(("LICENSE".to_owned(), licence));
    files
}

#[test]
fn a_fetch_goes_on_where_it_stopped() {
    let (hub, folder) = (Hub::start(), tempfile::tempdir().expect("temporary folder"));
    let files = large();
    hub.commit(REPOSITORY, &borrowed(&files));
    let mut settings = settings(&hub, folder.path());
    settings.retries = 0;
    hub.fault(Fault::cdn(Kind::Cut(2_000_000)).method("GET").path("LICENSE"));
    download(REPOSITORY, &settings).expect_err("cut");
    hub.clear_faults();
    hub.forget_requests();
    let path = download(REPOSITORY, &settings).expect("the rest");
    assert_eq!(contents(&path), files.iter().cloned().collect());
    let requests = hub.requests();
    let rest =
        requests.iter().find(|request| request.to_cdn && request.method == "GET" && request.path.contains("LICENSE"));
    let range = rest.and_then(|request| request.header("range")).expect("a part was asked for").to_owned();
    let from: u64 = range.trim_start_matches("bytes=").split('-').next().expect("a start").parse().expect("a number");
    assert!((1_000_000..=2_000_000).contains(&from), "{range}");
}

#[test]
fn what_an_earlier_fetch_left_of_another_file_does_no_harm() {
    let hub = Hub::start();
    let files = published("preco-test", 3, None);
    hub.commit(REPOSITORY, &borrowed(&files));
    let weights = &files.iter().find(|(name, _)| name == "model.safetensors").expect("weights").1;
    for left in [vec![7; 1000], vec![7; weights.len()], vec![7; weights.len() + 1], Vec::new(), weights.clone()] {
        let folder = tempfile::tempdir().expect("temporary folder");
        let settings = settings(&hub, folder.path());
        let blobs = settings.cache.join("models--org--preco-test/blobs");
        std::fs::create_dir_all(&blobs).expect("create");
        let part = blobs.join(format!("{}.incomplete", preco_zoo::sha256(weights)));
        std::fs::write(&part, &left).expect("write");
        let path = download(REPOSITORY, &settings).expect("download");
        assert_eq!(contents(&path), files.iter().cloned().collect(), "{} bytes were left", left.len());
        assert!(!part.exists());
    }
}

#[test]
fn a_side_that_is_silent_or_slow_is_given_up_or_waited_for() {
    let (hub, files) = (Hub::start(), published("preco-test", 3, None));
    hub.commit(REPOSITORY, &borrowed(&files));
    let hasty = |folder: &std::path::Path| {
        let mut settings = settings(&hub, folder);
        (settings.timeout, settings.retries) = (Duration::from_millis(300), 1);
        settings
    };
    for fault in
        [Fault::hub(Kind::Stall).path("/revision/"), Fault::hub(Kind::Stall).method("HEAD"), weights(Kind::Stall)]
    {
        let folder = tempfile::tempdir().expect("temporary folder");
        hub.fault(fault.clone());
        let told = download(REPOSITORY, &hasty(folder.path())).expect_err("silent");
        assert!(told.contains("no answer for 0.3 s") || told.contains("timed out"), "{fault:?}: {told}");
        hub.clear_faults();
        // Silent once, then there.
        hub.fault(fault.times(1));
        download(REPOSITORY, &hasty(folder.path())).expect("the second attempt");
        hub.clear_faults();
    }
    // Slower altogether than the timeout, and never silent so long.
    let folder = tempfile::tempdir().expect("temporary folder");
    hub.fault(weights(Kind::Slow(40_000, Duration::from_millis(60))));
    let path = download(REPOSITORY, &hasty(folder.path())).expect("slow");
    assert_eq!(contents(&path), files.iter().cloned().collect());
}
