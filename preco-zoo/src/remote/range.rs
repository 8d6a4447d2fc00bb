//! A file on a web server, read at any place: what cloud-optimised GeoTIFFs are for.
//!
//! Requests ask for ranges of bytes (RFC 9110, section 14). What has come is kept in blocks; missing neighbours come with
//! one request. The file must stay what it was: another entity tag or length ends in an error, never in mixed bytes. No
//! token is ever sent. A thread of its own speaks to the server, so that callers may be on any thread, in a runtime or not.

use std::collections::HashMap;
use std::io;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};

use preco_core::imagery::{ByteSource, MemoryBytes};
use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, LAST_MODIFIED, RANGE};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::failure::{Failure, Patience, Refusal, within};
use super::hub::{client, header, retry_after, transport};
use crate::error::{Error, Result};
use crate::progress::Silent;
use crate::settings::{Settings, shown};

/// Bytes of a block.
const BLOCK: u64 = 64 << 10;
/// Blocks that are kept: 32 MiB.
const KEPT: usize = 512;
/// Bytes of one request at most.
const MOST: u64 = 8 << 20;
/// A file that a server without ranges may send whole.
const SMALL: u64 = 64 << 20;

/// The bytes at `address`.
///
/// # Errors
/// Where the server cannot be reached, refuses, or neither knows ranges nor has a small file.
pub(crate) fn open(address: &str, settings: &Settings) -> Result<Arc<dyn ByteSource>> {
    let (sender, receiver) = unbounded_channel();
    let (address, settings) = (address.to_owned(), settings.clone());
    let (ready, opened) = mpsc::channel();
    let speak = move || serve(&address, &settings, receiver, &ready);
    let failed = |source| Error::Io { action: "start", path: "a thread for the network".into(), source };
    std::thread::Builder::new().name("preco-range".to_owned()).spawn(speak).map_err(failed)?;
    let gone = || failed(io::Error::other("it ended"));
    match opened.recv().map_err(|_| gone())?? {
        Start::Whole(bytes) => Ok(Arc::new(MemoryBytes::new(bytes))),
        Start::Ranges { len, first, tag } => {
            let blocks = Blocks { held: HashMap::from([(0, (Arc::new(first), 0))]), clock: 0 };
            Ok(Arc::new(RangeBytes { len, tag, sender, blocks: Mutex::new(blocks) }))
        }
    }
}

/// What the first answer was.
enum Start {
    Whole(Vec<u8>),
    Ranges { len: u64, first: Vec<u8>, tag: Option<String> },
}

/// Bytes `from..from + len` are wanted; the answer goes to `to`.
struct Job {
    from: u64,
    len: u64,
    to: mpsc::Sender<Result<Vec<u8>>>,
}

struct RangeBytes {
    len: u64,
    tag: Option<String>,
    sender: UnboundedSender<Job>,
    blocks: Mutex<Blocks>,
}

/// Blocks by number, with when they were last asked for.
struct Blocks {
    held: HashMap<u64, (Arc<Vec<u8>>, u64)>,
    clock: u64,
}

impl Blocks {
    fn get(&mut self, block: u64) -> Option<Arc<Vec<u8>>> {
        self.clock += 1;
        let (bytes, used) = self.held.get_mut(&block)?;
        *used = self.clock;
        Some(Arc::clone(bytes))
    }

    fn keep(&mut self, block: u64, bytes: Arc<Vec<u8>>) {
        self.clock += 1;
        self.held.insert(block, (bytes, self.clock));
        while self.held.len() > KEPT {
            let oldest = self.held.iter().min_by_key(|(_, (_, used))| *used).map(|(&block, _)| block);
            oldest.map(|block| self.held.remove(&block));
        }
    }
}

impl RangeBytes {
    fn blocks(&self) -> std::sync::MutexGuard<'_, Blocks> {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Blocks `first..end`, from the server, in one request.
    fn fetch(&self, first: u64, end: u64) -> io::Result<Vec<Arc<Vec<u8>>>> {
        let (to, answer) = mpsc::channel();
        let from = first * BLOCK;
        // A server may claim any length: the last block's end need not be a number.
        let job = Job { from, len: end.saturating_mul(BLOCK).min(self.len) - from, to };
        let gone = || io::Error::other("the thread for the network has ended");
        self.sender.send(job).map_err(|_| gone())?;
        let bytes = answer.recv().map_err(|_| gone())?.map_err(io::Error::other)?;
        let blocks: Vec<_> = bytes.chunks(BLOCK as usize).map(|block| Arc::new(block.to_vec())).collect();
        let mut kept = self.blocks();
        (first..).zip(&blocks).for_each(|(at, block)| kept.keep(at, Arc::clone(block)));
        Ok(blocks)
    }
}

impl ByteSource for RangeBytes {
    fn len(&self) -> u64 {
        self.len
    }

    /// Length, and the server's entity tag or date.
    fn version(&self) -> String {
        format!("{} bytes, {}", self.len, self.tag.as_deref().unwrap_or("of no version"))
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(out.len() as u64).filter(|&end| end <= self.len);
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        if out.is_empty() {
            return Ok(());
        }
        let mut copy = |block: u64, bytes: &[u8]| {
            let start = block * BLOCK;
            let (from, to) = (offset.max(start), end.min(start + bytes.len() as u64));
            let part = &bytes[(from - start) as usize..(to - start) as usize];
            out[(from - offset) as usize..(to - offset) as usize].copy_from_slice(part);
        };
        let (mut at, last) = (offset / BLOCK, end.div_ceil(BLOCK));
        while at < last {
            if let Some(bytes) = self.blocks().get(at) {
                copy(at, &bytes);
                at += 1;
                continue;
            }
            let missing = |blocks: &mut Blocks| (at..last).take_while(|block| !blocks.held.contains_key(block)).count();
            let missing = missing(&mut self.blocks()) as u64;
            // Another thread may have brought it meanwhile: then it comes once more.
            let until = at + missing.clamp(1, MOST / BLOCK);
            for bytes in self.fetch(at, until)? {
                copy(at, &bytes);
                at += 1;
            }
        }
        Ok(())
    }
}

/// Speaks to the server until nobody asks any more.
fn serve(address: &str, settings: &Settings, mut jobs: UnboundedReceiver<Job>, ready: &mpsc::Sender<Result<Start>>) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(source) => {
            let _ = ready.send(Err(Error::Io { action: "start", path: "a runtime for the network".into(), source }));
            return;
        }
    };
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let (file, start) = match File::open(address, settings).await {
            Ok(opened) => opened,
            Err(error) => {
                let _ = ready.send(Err(error));
                return;
            }
        };
        let is_ranges = matches!(start, Start::Ranges { .. });
        let _ = ready.send(Ok(start));
        let file = std::rc::Rc::new(file);
        while is_ranges && let Some(job) = jobs.recv().await {
            let file = std::rc::Rc::clone(&file);
            tokio::task::spawn_local(async move {
                // Who asked may have gone away.
                let _ = job.to.send(file.range(job.from, job.len).await);
            });
        }
    });
}

/// A file on a server, and what it was when it was opened.
struct File {
    client: reqwest::Client,
    url: reqwest::Url,
    place: String,
    settings: Settings,
    len: u64,
    tag: Option<String>,
}

impl File {
    async fn open(address: &str, settings: &Settings) -> Result<(Self, Start)> {
        let wrong = |reason: String| Error::Name { name: shown(address), reason };
        if settings.offline {
            return Err(wrong("the network may not be used (--offline)".to_owned()));
        }
        let url = reqwest::Url::parse(address).map_err(|error| wrong(error.to_string()))?;
        let client = client(settings).build().map_err(|error| wrong(format!("no connection can be made: {error}")))?;
        let (place, settings) = (shown(address), settings.clone());
        let mut file = Self { client, url, place, settings, len: 0, tag: None };
        let (start, len, tag) = file.patiently(async || file.first().await).await?;
        (file.len, file.tag) = (len, tag);
        Ok((file, start))
    }

    fn request(&self, from: u64, len: u64) -> reqwest::RequestBuilder {
        let range = format!("bytes={from}-{}", from + len - 1);
        // A range of compressed bytes would be of no use.
        self.client.get(self.url.clone()).header(RANGE, range).header(ACCEPT_ENCODING, "identity")
    }

    /// The answer to a request, whatever its status.
    async fn ask(&self, from: u64, len: u64) -> Result<reqwest::Response, Failure> {
        within(self.settings.timeout, async { self.request(from, len).send().await.map_err(transport) }).await
    }

    /// Repeats `request` while its failures are transient. Not [`Patience::with`]: a long body may take longer than the
    /// longest silence.
    async fn patiently<T>(&self, mut request: impl AsyncFnMut() -> Result<T, Failure>) -> Result<T> {
        let mut patience = Patience::new(&self.settings, &Silent, self.place.clone());
        loop {
            match request().await {
                Ok(answer) => return Ok(answer),
                Err(failure) => patience.bear(failure).await?,
            }
        }
    }

    fn corrupt(&self, reason: String) -> Failure {
        Failure::Final(Error::Corrupt { place: self.place.clone(), file: "the file".to_owned(), reason })
    }

    /// Asks for the first block: the answer tells whether the server knows ranges, and the file's length.
    async fn first(&self) -> Result<(Start, u64, Option<String>), Failure> {
        let answer = self.ask(0, BLOCK).await?;
        let tag = tag(&answer);
        match answer.status().as_u16() {
            206 => {
                let (from, len) = content_range(&answer)
                    .ok_or_else(|| self.corrupt("the server answers a range without saying which".to_owned()))?;
                let first = self.body(answer, BLOCK.min(len)).await?;
                if from != 0 {
                    return Err(self.corrupt(format!("the server sends bytes from {from} on, not from 0")));
                }
                Ok((Start::Ranges { len, first, tag: tag.clone() }, len, tag))
            }
            200 => {
                let len = header(answer.headers(), CONTENT_LENGTH.as_str()).and_then(|text| text.parse().ok());
                match len {
                    Some(len) if len <= SMALL => Ok((Start::Whole(self.body(answer, len).await?), len, tag)),
                    len => {
                        let size = len.map_or("of unknown length".to_owned(), |len: u64| format!("of {len} bytes"));
                        Err(self.corrupt(format!(
                            "the server sends whole files only (no ranges of bytes), and this one is {size}; fetch it \
                             first and give its path"
                        )))
                    }
                }
            }
            // An empty file has no first byte; a server that only dislikes ranges must not make a file empty.
            416 if header(answer.headers(), CONTENT_RANGE.as_str()).as_deref() == Some("bytes */0") => {
                Ok((Start::Whole(Vec::new()), 0, tag))
            }
            416 => Err(self.corrupt("the server refuses the first bytes; fetch it first and give its path".to_owned())),
            status => Err(self.refusal(&answer, status)),
        }
    }

    fn refusal(&self, answer: &reqwest::Response, status: u16) -> Failure {
        let (what, page, has_token, code) = ("the file", self.place.as_str(), None, "");
        let retry_after = retry_after(answer.headers());
        Refusal { place: &self.place, what, page, has_token, status, code, retry_after }.failure()
    }

    /// A body of exactly `len` bytes.
    async fn body(&self, mut answer: reqwest::Response, len: u64) -> Result<Vec<u8>, Failure> {
        let coding = header(answer.headers(), CONTENT_ENCODING.as_str()).unwrap_or_default();
        if !["", "identity"].contains(&coding.as_str()) {
            return Err(self.corrupt(format!("the server sends it compressed ({coding}), though asked not to")));
        }
        let mut bytes = Vec::new();
        while let Some(piece) = within(self.settings.timeout, async { answer.chunk().await.map_err(transport) }).await?
        {
            if bytes.len() + piece.len() > len as usize {
                return Err(self.corrupt(format!("the server sends more than the {len} bytes it was asked for")));
            }
            bytes.extend_from_slice(&piece);
        }
        if bytes.len() as u64 != len {
            return Err(Failure::Transient(format!("it sent {} of {len} bytes", bytes.len())));
        }
        Ok(bytes)
    }

    async fn range(&self, from: u64, len: u64) -> Result<Vec<u8>> {
        self.patiently(async || {
            let answer = self.ask(from, len).await?;
            let changed = || self.corrupt("it has changed while it was read; run again".to_owned());
            match answer.status().as_u16() {
                206 => {}
                200 => return Err(self.corrupt("the server knows ranges of bytes no more".to_owned())),
                // It had these bytes.
                416 => return Err(changed()),
                status => return Err(self.refusal(&answer, status)),
            }
            if tag(&answer) != self.tag || content_range(&answer).is_none_or(|(_, total)| total != self.len) {
                return Err(changed());
            }
            if content_range(&answer).is_none_or(|(begins, _)| begins != from) {
                return Err(self.corrupt(format!("the server sends other bytes than those from {from} on")));
            }
            self.body(answer, len).await
        })
        .await
    }
}

/// What a version of the file is known by.
fn tag(answer: &reqwest::Response) -> Option<String> {
    header(answer.headers(), ETAG.as_str()).or_else(|| header(answer.headers(), LAST_MODIFIED.as_str()))
}

/// The first byte and the file's length, of `bytes 100-199/200`.
fn content_range(answer: &reqwest::Response) -> Option<(u64, u64)> {
    let text = header(answer.headers(), CONTENT_RANGE.as_str())?;
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    Some((range.split('-').next()?.parse().ok()?, total.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    /// The address of a file of so many `a` and four `b`, for two requests.
    fn served(count: usize) -> String {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port on loopback");
        let address = format!("http://{}/a", listener.local_addr().expect("its address"));
        std::thread::spawn(move || {
            for (from, body) in [(0, vec![b'a'; count]), (count, b"bbbb".to_vec())] {
                let (mut stream, _) = listener.accept().expect("a client");
                let mut asked = Vec::new();
                while !asked.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).expect("a request");
                    asked.extend(byte);
                }
                let (len, last, total) = (body.len(), from + body.len() - 1, count + 4);
                let range = format!("Content-Range: bytes {from}-{last}/{total}\r\nContent-Length: {len}\r\n");
                let head = format!("HTTP/1.1 206 Partial Content\r\n{range}Connection: close\r\n\r\n");
                stream.write_all(&[head.into_bytes(), body].concat()).expect("an answer");
            }
        });
        address
    }

    #[test]
    fn a_caller_may_be_in_a_runtime_of_its_own() {
        let address = served(BLOCK as usize);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let mut out = [0; 6];
        runtime.block_on(async {
            let source = open(&address, &Settings::from_variables(|_| None)).expect("open");
            source.read_at(BLOCK - 2, &mut out).expect("read");
        });
        assert_eq!(&out, b"aabbbb");
    }
}
