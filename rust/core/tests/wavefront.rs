//! Laws of steps on several threads: the same state, the same log and the same errors as one by one.
#![allow(clippy::unwrap_used, clippy::panic)] // in a test a panic is the report

mod steps;

use std::ops::Range;

use bondline::mps::{Evolution, EvolutionLog, Mps, Parallelism, Scratches, Step, evolve};
use bondline::{C32, C64, Cancel, Error, Result, Scalar, pool};
use steps::{brickwall, evolution, ladders};

fn run<T: Scalar>(
    n: usize,
    (steps, levels): &(Vec<Step>, Vec<Range<usize>>),
    evolution: &Evolution,
    threads: Option<usize>,
) -> Result<(Mps<T>, EvolutionLog)> {
    let mode = threads.map_or(Parallelism::Sequential, |_| Parallelism::Pool);
    let mut state = Mps::zeros(n)?;
    let cancel = Cancel::default();
    let run = || {
        let log =
            evolve(&mut state, steps, levels, evolution, mode, &Scratches::default(), &cancel)?;
        Ok((state, log))
    };
    match threads {
        None => run(),
        Some(threads) => pool(threads)?.install(run),
    }
}

fn threads_change_nothing<T: Scalar + PartialEq>() -> Result<()> {
    let n = 24;
    let empty = || vec![0..0; 6].into_iter();
    let (steps, levels) = brickwall(n, 10, Some(24), 3);
    let behind_nothing = (steps, empty().chain(levels).collect());
    for program in [ladders(n, 6, 24), brickwall(n, 10, Some(24), 3), behind_nothing] {
        for sweep_threshold in [None, Some(0.05)] {
            let evolution = evolution(1e-12, sweep_threshold);
            let expected = run::<T>(n, &program, &evolution, None)?;
            assert!(expected.1.is_lossy() && expected.1.largest_bond == 24);
            assert_eq!(expected.1.sweeps > 0, sweep_threshold.is_some());
            for threads in [1, 2, 3, 8] {
                let found = run::<T>(n, &program, &evolution, Some(threads))?;
                assert!(found == expected, "{threads} threads");
            }
        }
    }
    Ok(())
}

#[test]
fn state_and_log_do_not_depend_on_threads() -> Result<()> {
    threads_change_nothing::<C64>()?;
    threads_change_nothing::<C32>()
}

#[test]
fn a_state_that_grows_too_large_is_refused_on_any_number_of_threads() -> Result<()> {
    let n = 24;
    let program = ladders(n, 6, 24);
    let peak = run::<C64>(n, &program, &evolution(0.0, None), None)?.1.peak_entries;
    for (max_entries, fits) in [(peak, true), (peak - 1, false)] {
        let evolution = Evolution { max_entries, ..evolution(0.0, None) };
        for threads in [None, Some(1), Some(2), Some(5)] {
            match run::<C64>(n, &program, &evolution, threads) {
                Ok(_) => assert!(fits),
                Err(Error::Resource(text)) => assert!(!fits && text.contains("memory_limit")),
                Err(other) => panic!("{other}"),
            }
        }
    }
    Ok(())
}
