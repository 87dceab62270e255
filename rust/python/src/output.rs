//! Engine results to NumPy arrays over the rows of a group.

use bondline::linalg::MethodCounts;
use bondline::{C64, CircuitResult, Report};
use numpy::ndarray::{Array1, Array2, Array3, ShapeError};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArray3};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Arrays over the rows of one group; see `_core.pyi`.
#[pyclass(frozen, get_all, module = "bondline._core")]
pub struct GroupResult {
    words: Py<PyArray2<f64>>,
    variances: Py<PyArray2<f64>>,
    probabilities: Vec<Py<PyArray2<f64>>>,
    densities: Vec<Py<PyArray3<C64>>>,
    dense_state: Option<Py<PyArray2<C64>>>,
    norm: Py<PyArray1<f64>>,
    discarded: Py<PyArray2<f64>>,
    bonds: Py<PyArray2<u32>>,
    largest_bond: Py<PyArray1<u32>>,
    saturated: Py<PyArray2<bool>>,
    cone_words: Py<PyArray2<f64>>,
    cone_variances: Py<PyArray2<f64>>,
    cone_probabilities: Py<PyArray2<f64>>,
    cone_densities: Py<PyArray2<f64>>,
    methods: Py<PyDict>,
    sweeps: Py<PyArray1<u32>>,
    seconds: Py<PyArray1<f64>>,
    n_steps: usize,
    wire_of_site: Py<PyArray1<u32>>,
}

impl GroupResult {
    pub fn new(py: Python<'_>, result: bondline::GroupResult) -> PyResult<Self> {
        let bondline::GroupResult { plan, rows, requests } = result;
        let n_bonds = plan.n_sites() - 1;
        let counts = [
            requests.words.len(),
            requests.variances.len(),
            requests.probabilities.len(),
            requests.densities.len(),
        ];
        let cones = |place: usize| {
            let start: usize = counts[..place].iter().sum();
            let range = start..start + counts[place];
            table(py, &rows, counts[place], |row| &row.report.cones[range.clone()])
        };
        let mut methods = MethodCounts::default();
        rows.iter().for_each(|row| methods.add(row.report.methods));
        let by_method = PyDict::new(py);
        by_method.set_item("gram", methods.gram)?;
        by_method.set_item("svd", methods.svd)?;
        by_method.set_item("fallback", methods.fallbacks)?;
        Ok(Self {
            words: table(py, &rows, counts[0], |row| &row.words)?,
            variances: table(py, &rows, counts[1], |row| &row.variances)?,
            probabilities: (0..counts[2])
                .map(|at| {
                    let width = 1 << requests.probabilities[at].len();
                    table(py, &rows, width, |row| &row.probabilities[at])
                })
                .collect::<PyResult<_>>()?,
            densities: (0..counts[3])
                .map(|at| {
                    let dim = 1 << requests.densities[at].len();
                    let flat = rows.iter().flat_map(|row| &row.densities[at]).copied().collect();
                    let array = Array3::from_shape_vec((rows.len(), dim, dim), flat);
                    Ok(array.map_err(|cause| wrong_shape(&cause))?.into_pyarray(py).unbind())
                })
                .collect::<PyResult<_>>()?,
            dense_state: if requests.dense_state {
                let width = 1 << plan.n_sites();
                let amplitudes = |row| -> &[C64] {
                    let row: &CircuitResult = row;
                    row.dense_state.as_deref().unwrap_or_default()
                };
                Some(table(py, &rows, width, amplitudes)?)
            } else {
                None
            },
            norm: column(py, &rows, |report| report.norm),
            discarded: table(py, &rows, n_bonds, |row| &row.report.discarded)?,
            bonds: owned_table(py, &rows, n_bonds, |row| {
                row.report.bonds.iter().map(|bond| *bond as u32).collect()
            })?,
            largest_bond: column(py, &rows, |report| report.largest_bond as u32),
            saturated: table(py, &rows, n_bonds, |row| &row.report.saturated)?,
            cone_words: cones(0)?,
            cone_variances: cones(1)?,
            cone_probabilities: cones(2)?,
            cone_densities: cones(3)?,
            methods: by_method.unbind(),
            sweeps: column(py, &rows, |report| report.sweeps as u32),
            seconds: column(py, &rows, |report| report.seconds),
            n_steps: plan.n_two_site_steps(),
            wire_of_site: Array1::from_iter(plan.wire_of_site().iter().map(|wire| *wire as u32))
                .into_pyarray(py)
                .unbind(),
        })
    }
}

fn column<T: numpy::Element>(
    py: Python<'_>,
    rows: &[CircuitResult],
    figure: impl Fn(&Report) -> T,
) -> Py<PyArray1<T>> {
    Array1::from_iter(rows.iter().map(|row| figure(&row.report))).into_pyarray(py).unbind()
}

fn table<'r, T: numpy::Element + Copy + 'r>(
    py: Python<'_>,
    rows: &'r [CircuitResult],
    width: usize,
    entries: impl Fn(&'r CircuitResult) -> &'r [T],
) -> PyResult<Py<PyArray2<T>>> {
    owned_table(py, rows, width, |row| entries(row).to_vec())
}

fn owned_table<'r, T: numpy::Element>(
    py: Python<'_>,
    rows: &'r [CircuitResult],
    width: usize,
    entries: impl Fn(&'r CircuitResult) -> Vec<T>,
) -> PyResult<Py<PyArray2<T>>> {
    let flat = rows.iter().flat_map(entries).collect();
    let array = Array2::from_shape_vec((rows.len(), width), flat);
    Ok(array.map_err(|cause| wrong_shape(&cause))?.into_pyarray(py).unbind())
}

fn wrong_shape(cause: &ShapeError) -> PyErr {
    PyValueError::new_err(format!("the engine returned an array of another shape: {cause}"))
}
