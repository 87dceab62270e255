//! Steps that truncate by a sketch: as faithful as exact cuts, and honest about what they lose.
#![allow(clippy::unwrap_used)] // in a test a panic is the report

mod steps;

use bondline::linalg::Method;
use bondline::mps::word_expectations;
use bondline::mps::{Evolution, Mps, Parallelism, Readout, Word, log_norm_squared, overlap};
use bondline::{C32, C64, Cancel, Pauli, Result, Scalar};
use steps::{brickwall, evolution, run};

fn evolved<T: Scalar>(method: Method) -> Result<(Mps<T>, bondline::mps::EvolutionLog)> {
    let (steps, levels) = brickwall(16, 20, Some(64), 5);
    run(16, &steps, &levels, &Evolution { method, ..evolution(1e-20, None) })
}

fn fidelity<T: Scalar>(state: &Mps<T>) -> Result<f64> {
    let (steps, levels) = brickwall(16, 20, None, 5);
    let (exact, _) = run::<C64>(16, &steps, &levels, &evolution(0.0, None))?;
    let ours = state.cast::<C64>();
    let cancel = Cancel::default();
    let log_norms = log_norm_squared(&exact, &cancel)? + log_norm_squared(&ours, &cancel)?;
    Ok((2.0 * overlap(&exact, &ours)?.log_modulus - log_norms).exp())
}

#[test]
fn sketches_are_as_faithful_as_exact_cuts() -> Result<()> {
    let (exact, exact_log) = evolved::<C64>(Method::Exact)?;
    let (sketched, log) = evolved::<C64>(Method::Auto)?;
    assert_eq!(exact_log.methods.sketch, 0);
    assert!(log.methods.sketch > 15, "{:?}", log.methods);
    assert!(log.methods.fallbacks < 4, "{:?}", log.methods);
    let (best, found) = (fidelity(&exact)?, fidelity(&sketched)?);
    assert!(best < 0.95, "nothing was lost: {best}");
    assert!(found > best - 3e-3, "{found} {best}");
    let (single, log) = evolved::<C32>(Method::Auto)?;
    assert!(log.methods.sketch > 15, "{:?}", log.methods);
    assert!(fidelity(&single)? > best - 3e-3);
    Ok(())
}

#[test]
fn the_weights_that_sketches_leave_read_values_as_well_as_exact_ones() -> Result<()> {
    let words: Vec<Word> = (0..16).map(|site| Word::new(&[(site, Pauli::Z)])).collect();
    let read = |state: &Mps<C64>| {
        let mode = Parallelism::Sequential;
        word_expectations(state, &words, Readout::Local, mode, &Cancel::default())
    };
    let (steps, levels) = brickwall(16, 20, None, 5);
    let exact = read(&run(16, &steps, &levels, &evolution(0.0, None))?.0)?;
    let error = |method| -> Result<f64> {
        let values = read(&evolved(method)?.0)?;
        let squares = values.iter().zip(&exact).map(|(a, b)| (a - b).powi(2));
        Ok((squares.sum::<f64>() / 16.0_f64).sqrt())
    };
    let (plain, sketched) = (error(Method::Exact)?, error(Method::Auto)?);
    assert!(sketched < 1.3 * plain, "{sketched:e} {plain:e}");
    Ok(())
}
