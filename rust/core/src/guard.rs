//! Panics become errors: none unwinds into the caller.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{Error, Result};
use crate::pool::THREAD_NAME;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`; a panic in it, or in what it runs on the pool, becomes [`Error::Internal`].
///
/// # Errors
/// Those of `work`, and [`Error::Internal`] for a panic.
pub fn guarded<R>(work: impl FnOnce() -> Result<R>) -> Result<R> {
    let outer = GUARDED.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(outer);
    outcome.unwrap_or_else(|payload| Err(Error::Internal(message(&*payload))))
}

/// Whether a panic on this thread will be caught by [`guarded`]: a panic hook need not print it.
#[must_use]
pub fn panics_are_caught() -> bool {
    let ours = |name: &str| name.starts_with(THREAD_NAME);
    GUARDED.get() || std::thread::current().name().is_some_and(ours)
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::pool;

    #[test]
    fn a_panic_is_an_error_here_and_on_the_pool() -> Result<()> {
        let here = guarded(|| -> Result<()> { panic!("first of {}", 2) });
        assert_eq!(here, Err(Error::Internal("first of 2".to_owned())));
        let threads = pool(2)?;
        let there = guarded(|| threads.install(|| -> Result<()> { panic!("second") }));
        assert_eq!(there, Err(Error::Internal("second".to_owned())));
        // The pool serves on.
        assert_eq!(threads.install(|| 7), 7);
        assert!(!panics_are_caught());
        assert!(threads.install(panics_are_caught));
        Ok(())
    }
}
