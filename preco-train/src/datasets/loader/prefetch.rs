//! Background threads that make the batches of coming steps, handed out in step order.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::Made;
use crate::error::{Error, Result};

/// Threads, and the batches they have made.
pub(super) struct Prefetch {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// Batches that may be made and not yet taken.
    ahead: u64,
}

#[derive(Default)]
struct State {
    /// The step that is taken next; `None` until the first is asked for, so that no work is done for a wrong start.
    wanted: Option<u64>,
    /// The step that a free thread makes next.
    next: u64,
    /// Counts the jumps: what was begun before one is thrown away after it.
    jumps: u64,
    made: BTreeMap<u64, Result<Made>>,
    stop: bool,
}

impl Prefetch {
    /// Starts `threads` threads that call `make` with the steps to come.
    pub(super) fn start(threads: usize, make: impl Fn(u64) -> Result<Made> + Send + Sync + 'static) -> Result<Self> {
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new(), ahead: threads as u64 + 1 });
        let make = Arc::new(make);
        let mut started = Self { shared, threads: Vec::with_capacity(threads) };
        for _ in 0..threads {
            let (shared, make) = (Arc::clone(&started.shared), Arc::clone(&make));
            let thread = std::thread::Builder::new()
                .name("preco-loader".into())
                .spawn(move || work(&shared, &*make))
                .map_err(|error| Error::config(format!("cannot start {threads} loader threads: {error}")))?;
            started.threads.push(thread);
        }
        Ok(started)
    }

    /// The batch of `step`, waiting for it where it is not yet made.
    pub(super) fn take(&mut self, step: u64) -> Result<Made> {
        let mut state = self.shared.lock();
        if state.wanted != Some(step) {
            state.wanted = Some(step);
            state.next = step;
            state.jumps += 1;
            state.made.clear();
            self.shared.changed.notify_all();
        }
        loop {
            if let Some(batch) = state.made.remove(&step) {
                // After an error the same step may be asked for again; it is then made again.
                state.wanted = batch.is_ok().then(|| step.saturating_add(1));
                self.shared.changed.notify_all();
                return batch;
            }
            state = self.shared.wait(state);
        }
    }
}

impl Drop for Prefetch {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            // A panic was already handed out as an error.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes batches until told to stop.
fn work(shared: &Shared, make: &(impl Fn(u64) -> Result<Made> + ?Sized)) {
    let mut state = shared.lock();
    loop {
        if state.stop {
            return;
        }
        let may_begin = state.wanted.is_some_and(|wanted| state.next - wanted < shared.ahead);
        if !may_begin {
            state = shared.wait(state);
            continue;
        }
        let (step, jumps) = (state.next, state.jumps);
        state.next = state.next.saturating_add(1);
        drop(state);
        // A waiting caller must learn of a panic, or it would wait for ever.
        let batch = catch_unwind(AssertUnwindSafe(|| make(step))).unwrap_or_else(|panic| Err(panicked(step, &*panic)));
        state = shared.lock();
        if state.jumps == jumps {
            state.made.insert(step, batch);
            shared.changed.notify_all();
        }
    }
}

fn panicked(step: u64, panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Error::Loader { step, reason: text.unwrap_or("no message").to_owned() }
}
