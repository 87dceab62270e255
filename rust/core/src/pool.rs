//! Threads of our own, one pool for each process and number of threads.
//!
//! Never rayon's global pool: the user may have configured that for something else. Keyed by
//! process id, because after a fork the inherited pool has no threads: the child makes a new one
//! and leaves the old alone (dropping it would wait for threads that do not exist).

use std::num::NonZeroUsize;
use std::sync::OnceLock;

use crate::error::{Error, Result};
use crate::ieee::IeeeArithmetic;

/// Names of the threads begin with this.
pub(crate) const THREAD_NAME: &str = "bondline-";

/// A pool and what it is for, in a list that only grows. Nothing here is locked while a pool is
/// made or looked up, so a fork at any moment leaves no lock behind that nobody holds.
struct Node {
    process: u32,
    threads: usize,
    pool: rayon::ThreadPool,
    next: OnceLock<Box<Node>>,
}

static POOLS: OnceLock<Box<Node>> = OnceLock::new();

/// Threads that this process may use: affinity and cgroup quotas counted in.
#[must_use]
pub fn available_threads() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// The pool of this process with `threads` threads, made on first use.
///
/// # Errors
/// [`Error::Resource`] if the system gives no threads.
pub fn pool(threads: usize) -> Result<&'static rayon::ThreadPool> {
    let process = std::process::id();
    let mut slot = &POOLS;
    let mut fresh = None;
    loop {
        if let Some(node) = slot.get() {
            if node.process == process && node.threads == threads {
                return Ok(&node.pool);
            }
            slot = &node.next;
            continue;
        }
        let node = match fresh.take() {
            Some(node) => node,
            None => {
                Box::new(Node { process, threads, pool: build(threads)?, next: OnceLock::new() })
            }
        };
        // Another thread may have filled the slot meanwhile: then look on behind it.
        if let Err(node) = slot.set(node) {
            fresh = Some(node);
        }
    }
}

fn build(threads: usize) -> Result<rayon::ThreadPool> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("{THREAD_NAME}{index}"))
        // Threads inherit the mode of the one that made them; these keep IEEE arithmetic for good.
        .start_handler(|_| std::mem::forget(IeeeArithmetic::enter()))
        .build()
        .map_err(|cause| {
            Error::Resource(format!(
                "could not start {threads} threads ({cause}); set threads to a smaller number"
            ))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_is_made_once_for_each_number_of_threads() -> Result<()> {
        let (one, two) = (pool(1)?, pool(2)?);
        assert!(std::ptr::eq(one, pool(1)?) && std::ptr::eq(two, pool(2)?));
        assert_eq!((one.current_num_threads(), two.current_num_threads()), (1, 2));
        Ok(())
    }
}
