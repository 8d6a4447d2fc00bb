//! Answers that go wrong.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use super::http::{Ranges, Request, Response};

/// What goes wrong. Where nothing else is said, the rest of the answer is the right one.
#[derive(Clone, Debug)]
pub enum Kind {
    /// This status with these headers, and nothing is done.
    Status(u16, Vec<(String, String)>),
    /// 307 to this location.
    Redirect(String),
    /// 307 to the request's own path, for ever.
    Loop,
    /// The request is read, and the socket closed.
    Hangup,
    /// The request is read, and nothing happens until the client goes or the hub is dropped.
    Stall,
    /// The socket is closed after so many bytes of the body.
    Cut(usize),
    /// The body in pieces of so many bytes with a pause after each.
    Slow(usize, Duration),
    /// Content-Length says so many bytes more than the body has; then the socket is closed.
    Longer(usize),
    /// Content-Length says so many bytes less than the body has; all of it is sent.
    Shorter(usize),
    /// The body and so many zeros behind it, and a Content-Length that agrees.
    Pad(usize),
    /// The body without its last so many bytes, and a Content-Length that agrees.
    Truncate(usize),
    /// One bit in the middle of the body is flipped.
    Garble,
    /// This ETag, and X-Linked-Etag where there is one; quotes are the caller's.
    WrongEtag(String),
    /// This header is given this value, or left out.
    Header(String, Option<String>),
    /// 200 with the whole file, whatever Range asks for.
    IgnoreRange,
    /// 206 with as many bytes as Range asks for from elsewhere, and a Content-Range that admits it.
    WrongRange,
    /// 200 with this body in place of JSON.
    Json(String),
}

/// A [`Kind`] and the requests it befalls.
#[derive(Clone, Debug)]
pub struct Fault {
    kind: Kind,
    to_cdn: bool,
    method: Option<String>,
    path: String,
    after: usize,
    times: usize,
}

impl Fault {
    /// Befalls every request to the hub.
    pub fn hub(kind: Kind) -> Self {
        Self { kind, to_cdn: false, method: None, path: String::new(), after: 0, times: usize::MAX }
    }

    /// Befalls every request to the cdn.
    pub fn cdn(kind: Kind) -> Self {
        Self { to_cdn: true, ..Self::hub(kind) }
    }

    /// Only requests with this method.
    pub fn method(self, method: &str) -> Self {
        Self { method: Some(method.to_owned()), ..self }
    }

    /// Only requests whose path and query, as sent, contain `part`.
    pub fn path(self, part: &str) -> Self {
        Self { path: part.to_owned(), ..self }
    }

    /// Only after so many requests it would have befallen.
    pub fn after(self, after: usize) -> Self {
        Self { after, ..self }
    }

    /// Only so many times.
    pub fn times(self, times: usize) -> Self {
        Self { times, ..self }
    }

    fn befalls(&self, request: &Request) -> bool {
        self.times > 0
            && self.to_cdn == request.to_cdn
            && self.method.as_ref().is_none_or(|method| *method == request.method)
            && request.path.contains(&self.path)
    }
}

/// The first fault that befalls the request; counts it.
pub(super) fn pick(faults: &mut [Fault], request: &Request) -> Option<Kind> {
    let fault = faults.iter_mut().find(|fault| fault.befalls(request))?;
    if fault.after > 0 {
        fault.after -= 1;
        return None;
    }
    fault.times -= 1;
    Some(fault.kind.clone())
}

impl Kind {
    /// The answer in place of the right one; its status is 0 where there is none to be sent.
    pub(super) fn instead(&self, request: &Request) -> Option<Response> {
        match self {
            Self::Hangup | Self::Stall => Some(Response::new(0)),
            Self::Redirect(location) => Some(Response::redirect(307, location)),
            Self::Loop => Some(Response::redirect(307, &request.path)),
            Self::Status(status, headers) => {
                let response = Response { status: *status, ..Response::json(&json!({ "error": "fault" })) };
                Some(headers.iter().fold(response, |response, (name, value)| response.with(name, value)))
            }
            _ => None,
        }
    }

    fn ranges(&self) -> Ranges {
        match self {
            Self::IgnoreRange => Ranges::Ignore,
            Self::WrongRange => Ranges::Misread,
            _ => Ranges::Honour,
        }
    }

    /// Bends the right answer's body.
    fn bend_body(&self, response: &mut Response) {
        match self {
            Self::Truncate(count) => response.body.truncate(response.body.len().saturating_sub(*count)),
            Self::Pad(count) => response.body.resize(response.body.len() + count, 0),
            Self::Garble => {
                let middle = response.body.len() / 2;
                response.body.iter_mut().skip(middle).take(1).for_each(|byte| *byte ^= 1);
            }
            Self::Json(body) => {
                *response = Response { body: body.clone().into_bytes(), ..Response::json(&Value::Null) }
            }
            _ => {}
        }
    }

    /// Bends the right answer's headers.
    fn bend_headers(&self, response: &mut Response) {
        let length = response.body.len();
        match self {
            Self::Longer(count) => response.set("Content-Length", Some(&(length + count).to_string())),
            Self::Shorter(count) => response.set("Content-Length", Some(&length.saturating_sub(*count).to_string())),
            Self::Header(name, value) => response.set(name, value.as_deref()),
            Self::WrongEtag(etag) => {
                response.set("ETag", Some(etag));
                if response.header("x-linked-etag").is_some() {
                    response.set("X-Linked-Etag", Some(etag));
                }
            }
            _ => {}
        }
    }
}

/// Makes the whole answer the one that goes out: the part asked for, its length, and what the fault does to them.
pub(super) fn finish(response: &mut Response, request: &Request, kind: Option<&Kind>) {
    response.cut_to_range(request, kind.map_or(Ranges::Honour, Kind::ranges));
    kind.into_iter().for_each(|kind| kind.bend_body(response));
    if response.status != 304 {
        let length = response.body.len().to_string();
        response.set("Content-Length", Some(&length));
    }
    kind.into_iter().for_each(|kind| kind.bend_headers(response));
}

/// Sends the answer as the fault wants it; an error is a client that went away.
pub(super) fn send(
    mut stream: &TcpStream,
    request: &Request,
    response: &Response,
    kind: Option<&Kind>,
) -> std::io::Result<()> {
    match kind {
        Some(Kind::Hangup) => return Ok(()),
        Some(Kind::Stall) => return stream.read(&mut [0]).map(|_| ()),
        _ => {}
    }
    let mut head = format!("HTTP/1.1 {} {}\r\n", response.status, reason(response.status));
    for (name, value) in &response.headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes())?;
    let has_body = request.method != "HEAD" && response.status != 304;
    let body = if has_body { response.body.as_slice() } else { &[] };
    let (most, piece, pause) = match kind {
        Some(Kind::Cut(count)) => (*count, usize::MAX, Duration::ZERO),
        Some(Kind::Slow(piece, pause)) => (usize::MAX, (*piece).max(1), *pause),
        _ => (usize::MAX, usize::MAX, Duration::ZERO),
    };
    for piece in body[..body.len().min(most)].chunks(piece) {
        stream.write_all(piece)?;
        std::thread::sleep(pause);
    }
    Ok(())
}

fn reason(status: u16) -> &'static str {
    match status {
        200..300 => "OK",
        300..400 => "Redirect",
        400..500 => "Refused",
        _ => "Broken",
    }
}
