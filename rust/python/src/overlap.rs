//! The overlap of two states given as tensors.

use bondline::mps::overlap_of_tensors;
use bondline::{Cancel, guarded};
use numpy::PyReadonlyArray3;
use pyo3::prelude::*;

use crate::errors::to_python;
use crate::input::site_tensor;

/// `(ln |<bra|ket>|, phase)`, the phase in radians; minus infinity and 0 for orthogonal states.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)] // what pyo3 extracts a sequence into
pub fn overlap(
    py: Python<'_>,
    bra: Vec<PyReadonlyArray3<'_, bondline::C64>>,
    ket: Vec<PyReadonlyArray3<'_, bondline::C64>>,
) -> PyResult<(f64, f64)> {
    let bra: Vec<_> = bra.iter().map(site_tensor).collect::<PyResult<_>>()?;
    let ket: Vec<_> = ket.iter().map(site_tensor).collect::<PyResult<_>>()?;
    let overlap = py.detach(|| guarded(|| overlap_of_tensors(&bra, &ket, &Cancel::default())));
    let overlap = overlap.map_err(|error| to_python(py, &error))?;
    Ok((overlap.log_modulus, overlap.phase.arg()))
}
