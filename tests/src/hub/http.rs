//! Requests off a socket, and the answers back.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::ops::Range;

use serde_json::{Value, json};

/// A request that the hub received.
#[derive(Clone, Debug)]
pub struct Request {
    /// True where it went to the cdn's port.
    pub to_cdn: bool,
    /// Such as `GET`.
    pub method: String,
    /// Path and query as they were sent, not decoded.
    pub path: String,
    /// Headers by lowercase name.
    pub headers: BTreeMap<String, String>,
    /// The body; empty where there was none.
    pub body: Vec<u8>,
    /// The status it was answered with; 0 where it got no answer.
    pub status: u16,
}

impl Request {
    /// A header's value, asked for by its lowercase name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The bearer token.
    pub fn token(&self) -> Option<&str> {
        self.header("authorization")?.strip_prefix("Bearer ")
    }

    /// The next request on the socket; `None` where it ends or holds something else.
    pub(super) fn read(stream: &TcpStream, to_cdn: bool) -> Option<Self> {
        let mut reader = BufReader::new(stream);
        let mut line = || {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|&count| count > 0)?;
            Some(line.trim_end().to_owned())
        };
        let first = line()?;
        let mut words = first.split(' ');
        let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut headers = BTreeMap::new();
        loop {
            let line = line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = headers.get("content-length").and_then(|length: &String| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        Some(Self { to_cdn, method, path, headers, body, status: 0 })
    }

    /// The decoded segments of the path, without the query.
    pub(super) fn segments(&self) -> Vec<String> {
        let path = self.path.split('?').next().unwrap_or_default();
        path.split('/').filter(|segment| !segment.is_empty()).map(decode).collect()
    }

    /// A value of the query.
    pub(super) fn query(&self, key: &str) -> Option<String> {
        let (_, query) = self.path.split_once('?')?;
        form(query, key).next()
    }

    /// The values of `key` in a list of the body, be it JSON or a form.
    pub(super) fn list(&self, key: &str) -> Vec<String> {
        match self.json()[key].as_array() {
            Some(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            None => form(&String::from_utf8_lossy(&self.body), key).collect(),
        }
    }

    /// The body as JSON; null where it is none.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The bytes of `total` that a Range header asks for; `None` without one that is understood, the error where it
    /// begins behind the end.
    fn range(&self, total: usize) -> Option<Result<Range<usize>, ()>> {
        let (start, end) = self.header("range")?.strip_prefix("bytes=")?.split_once('-')?;
        let end = if end.is_empty() { None } else { Some(end.parse::<usize>().ok()?) };
        let range = match (start.is_empty(), end) {
            (true, last) => total.saturating_sub(last?)..total,
            (false, end) => start.parse().ok()?..end.map_or(total, |end| total.min(end.saturating_add(1))),
        };
        Some(if range.start < range.end { Ok(range) } else { Err(()) })
    }
}

/// What to do with a Range header.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ranges {
    Honour,
    Ignore,
    Misread,
}

/// An answer, before anything goes wrong with it.
#[derive(Debug, Default)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// True for a file, of which a part can be asked for.
    pub(super) is_file: bool,
}

impl Response {
    pub(super) fn new(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// A whole file; [`Response::cut_to_range`] makes it the part that was asked for.
    pub(super) fn file(bytes: &[u8]) -> Self {
        let response = Self { status: 200, body: bytes.to_vec(), is_file: true, ..Self::default() };
        response.with("Content-Type", "application/octet-stream").with("Accept-Ranges", "bytes")
    }

    pub(super) fn json(value: &Value) -> Self {
        Self { status: 200, body: value.to_string().into_bytes(), ..Self::default() }
            .with("Content-Type", "application/json; charset=utf-8")
    }

    /// A refusal as the hub words it: in headers, and in the body for those who read it.
    pub(super) fn error(status: u16, code: &str, message: &str) -> Self {
        let response = Self { status, ..Self::json(&json!({ "error": message })) }.with("X-Error-Message", message);
        if code.is_empty() { response } else { response.with("X-Error-Code", code) }
    }

    pub(super) fn redirect(status: u16, location: &str) -> Self {
        let body = format!("Found. Redirecting to {location}").into_bytes();
        Self { status, body, ..Self::default() }.with("Location", location)
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.set(name, Some(value));
        self
    }

    /// Replaces a header, or takes it away.
    pub(super) fn set(&mut self, name: &str, value: Option<&str>) {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self.headers.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Makes a whole file the part that `request` asks for: 206, or 416 where there is none.
    pub(super) fn cut_to_range(&mut self, request: &Request, ranges: Ranges) {
        let is_other_version = request.header("if-range").is_some_and(|etag| Some(etag) != self.header("etag"));
        if !self.is_file || request.method != "GET" || ranges == Ranges::Ignore || is_other_version {
            return;
        }
        let total = self.body.len();
        match request.range(total) {
            None => {}
            Some(Err(())) => {
                self.status = 416;
                self.body.clear();
                self.set("Content-Range", Some(&format!("bytes */{total}")));
            }
            Some(Ok(mut range)) => {
                if ranges == Ranges::Misread {
                    let start = usize::from(range.start == 0);
                    range = start..total.min(start + range.len());
                }
                self.status = 206;
                let last = range.end.saturating_sub(1);
                self.set("Content-Range", Some(&format!("bytes {}-{last}/{total}", range.start)));
                self.body = self.body[range].to_vec();
            }
        }
    }
}

/// The values of `key` in a query or a form.
fn form(text: &str, key: &str) -> impl Iterator<Item = String> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(move |(name, _)| *name == key).map(|(_, value)| decode(&value.replace('+', " ")))
}

/// Undoes percent-encoding.
fn decode(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        let escaped = hex.filter(|_| *first == b'%');
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
