//! A Hugging Face hub on loopback: real HTTP, small repositories, and answers that go wrong where a test wants it.
//!
//! Two ports: the hub, and the cdn to which it sends those who want large files; to a client they are two hosts. It
//! knows models, branch `main`, tags and commits. Every answer closes its connection.

mod fault;
mod http;
mod repo;
mod routes;

use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

pub use fault::{Fault, Kind};
pub use http::Request;
pub use repo::Access;

use repo::{Blob, Repo};

/// All that requests read and change.
#[derive(Default)]
struct State {
    endpoint: String,
    cdn: String,
    repos: BTreeMap<String, Repo>,
    plain: BTreeMap<String, Vec<u8>>,
    writer: Option<String>,
    faults: Vec<Fault>,
    requests: Vec<Request>,
}

#[derive(Default)]
struct Shared {
    is_stopped: AtomicBool,
    state: Mutex<State>,
    /// Connections in use by number; closing them ends their threads.
    open: Mutex<HashMap<u64, TcpStream>>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panicked with the hub's state")
    }

    fn open(&self) -> MutexGuard<'_, HashMap<u64, TcpStream>> {
        self.open.lock().expect("no thread panicked with the hub's connections")
    }
}

/// A hub that runs until it is dropped.
pub struct Hub {
    shared: Arc<Shared>,
    threads: Vec<(SocketAddr, JoinHandle<()>)>,
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.shared.is_stopped.store(true, Ordering::SeqCst);
        for (address, thread) in self.threads.drain(..) {
            // A last caller, so that the thread looks up; it is not there where it had already ended.
            drop(TcpStream::connect(address));
            drop(thread.join());
        }
        for stream in self.shared.open().values() {
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

impl Hub {
    /// Starts an empty hub.
    ///
    /// # Panics
    /// Where loopback has no port left.
    pub fn start() -> Self {
        let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port on loopback");
        let listeners = [bind(), bind()];
        let [hub, cdn] = listeners.each_ref().map(|listener| listener.local_addr().expect("its address"));
        let state = State { endpoint: format!("http://{hub}"), cdn: format!("http://{cdn}"), ..State::default() };
        let shared = Arc::new(Shared { state: Mutex::new(state), ..Shared::default() });
        let threads = listeners.into_iter().zip([hub, cdn]).map(|(listener, address)| {
            let shared = Arc::clone(&shared);
            (address, std::thread::spawn(move || accept(&shared, &listener, address == cdn)))
        });
        Self { threads: threads.collect(), shared }
    }

    /// Where the hub is: `http://127.0.0.1:PORT`, as `HF_ENDPOINT` wants it.
    pub fn endpoint(&self) -> String {
        self.shared.state().endpoint.clone()
    }

    /// Where the cdn is.
    pub fn cdn(&self) -> String {
        self.shared.state().cdn.clone()
    }

    /// Puts a commit with exactly these files on `repo`'s main, and makes the repository where there is none. The name
    /// follows from the parent and the files alone.
    pub fn commit(&self, repo: &str, files: &[(&str, Vec<u8>)]) -> String {
        let blob = |(path, bytes): &(&str, Vec<u8>)| ((*path).to_owned(), Arc::new(Blob::new(path, bytes.clone())));
        let files = files.iter().map(blob).collect();
        self.shared.state().repos.entry(repo.to_owned()).or_default().commit(files)
    }

    /// Makes or moves a tag.
    pub fn tag(&self, repo: &str, tag: &str, commit: &str) {
        let mut state = self.shared.state();
        state.repos.entry(repo.to_owned()).or_default().tags.insert(tag.to_owned(), commit.to_owned());
    }

    /// The files at a revision; `None` where it or the repository is unknown.
    pub fn files(&self, repo: &str, revision: &str) -> Option<BTreeMap<String, Vec<u8>>> {
        let state = self.shared.state();
        let (_, files) = state.repos.get(repo)?.resolve(revision)?;
        Some(files.iter().map(|(path, blob)| (path.clone(), blob.bytes.clone())).collect())
    }

    /// The commit that main, a tag or a commit's own name means.
    pub fn resolve(&self, repo: &str, revision: &str) -> Option<String> {
        Some(self.shared.state().repos.get(repo)?.resolve(revision)?.0.to_owned())
    }

    /// The repository's tags and their commits; empty where it is unknown.
    pub fn tags(&self, repo: &str) -> BTreeMap<String, String> {
        self.shared.state().repos.get(repo).map(|repo| repo.tags.clone()).unwrap_or_default()
    }

    /// Closes the repository to those without a token.
    pub fn protect(&self, repo: &str, access: Access) {
        self.shared.state().repos.entry(repo.to_owned()).or_default().access = Some(access);
    }

    /// Lets only this token write; without it any token does.
    pub fn writable_by(&self, token: &str) {
        self.shared.state().writer = Some(token.to_owned());
    }

    /// Serves `bytes` at `/plain/<path>` as a mirror would: no ETag, no `X-` headers.
    pub fn plain(&self, path: &str, bytes: &[u8]) {
        self.shared.state().plain.insert(path.to_owned(), bytes.to_vec());
    }

    /// Adds a fault; of those that befall a request the first counts.
    pub fn fault(&self, fault: Fault) {
        self.shared.state().faults.push(fault);
    }

    /// Takes all faults away.
    pub fn clear_faults(&self) {
        self.shared.state().faults.clear();
    }

    /// What was asked so far, in the order of arrival.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.state().requests.clone()
    }

    /// Forgets what was asked so far.
    pub fn forget_requests(&self) {
        self.shared.state().requests.clear();
    }
}

/// Takes connections until the hub stops; a thread for each.
fn accept(shared: &Arc<Shared>, listener: &TcpListener, is_cdn: bool) {
    for (count, stream) in (0..).zip(listener.incoming()) {
        if shared.is_stopped.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let Ok(handle) = stream.try_clone() else { continue };
        let number = 2 * count + u64::from(is_cdn);
        shared.open().insert(number, handle);
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            serve(&shared, &stream, is_cdn);
            drop(stream.shutdown(Shutdown::Both));
            shared.open().remove(&number);
        });
    }
}

/// Answers the one request of a connection.
fn serve(shared: &Shared, stream: &TcpStream, is_cdn: bool) {
    let Some(mut request) = Request::read(stream, is_cdn) else { return };
    let mut state = shared.state();
    let kind = fault::pick(&mut state.faults, &request);
    let instead = kind.as_ref().and_then(|kind| kind.instead(&request));
    let mut response = instead.unwrap_or_else(|| routes::answer(&mut state, &request));
    fault::finish(&mut response, &request, kind.as_ref());
    request.status = response.status;
    state.requests.push(request.clone());
    drop(state);
    // Where sending fails the client went away, as tests make it do.
    drop(fault::send(stream, &request, &response, kind.as_ref()));
}
