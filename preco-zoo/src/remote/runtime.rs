//! A bridge to asynchronous code: blocking, and safe inside somebody else's runtime.

use crate::error::{Error, Result};

/// Runs what `work` returns to its end on a thread of its own, so that callers may be inside a runtime themselves.
pub(crate) fn block_on<T: Send, F: Future<Output = Result<T>>>(work: impl FnOnce() -> F + Send) -> Result<T> {
    let failed = |source| Error::Io { action: "start", path: "a thread for the network".into(), source };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("preco-zoo".to_owned()).spawn_scoped(scope, || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
            runtime.block_on(work())
        });
        match thread.map_err(failed)?.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_inside_a_runtime_is_served() {
        let outer = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        let answer = outer.block_on(async { block_on(|| async { Ok(7) }) });
        assert_eq!(answer.expect("an answer"), 7);
    }
}
