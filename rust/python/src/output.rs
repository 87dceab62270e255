//! Engine results to NumPy arrays over the rows of a group.

use bondline::linalg::MethodCounts;
use bondline::mps::SiteTensor;
use bondline::{C64, CircuitResult, Derivatives, Report, Sampling};
use numpy::ndarray::{Array1, Array2, Array3, ShapeBuilder, ShapeError};
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
    spectra: Vec<Py<PyArray2<f64>>>,
    log_probabilities: Py<PyArray2<f64>>,
    samples: Vec<Py<PyArray3<u8>>>,
    sample_outcomes: Vec<Py<PyArray3<u8>>>,
    outcomes: Vec<Py<PyArray2<f64>>>,
    dense_state: Option<Py<PyArray2<C64>>>,
    tensors: Option<Vec<Vec<Py<PyArray3<C64>>>>>,
    schmidt_values: Option<Vec<Vec<Py<PyArray1<f64>>>>>,
    norm: Py<PyArray1<f64>>,
    log_norm: Py<PyArray1<f64>>,
    coherence: Py<PyArray1<f64>>,
    branches: Py<PyArray1<u32>>,
    dropped_branches: Py<PyArray1<f64>>,
    peak_bytes: Py<PyArray1<u64>>,
    discarded: Py<PyArray2<f64>>,
    bonds: Py<PyArray2<u32>>,
    largest_bond: Py<PyArray1<u32>>,
    saturated: Py<PyArray2<bool>>,
    cone_words: Py<PyArray2<f64>>,
    cone_variances: Py<PyArray2<f64>>,
    cone_probabilities: Py<PyArray2<f64>>,
    cone_densities: Py<PyArray2<f64>>,
    cone_spectra: Py<PyArray2<f64>>,
    methods: Py<PyDict>,
    sweeps: Py<PyArray1<u32>>,
    smallest_gap: Py<PyArray1<f64>>,
    shifted_cuts: Py<PyArray1<u32>>,
    seconds: Py<PyArray1<f64>>,
    n_steps: usize,
    n_steps_left_out: usize,
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
            requests.spectra.len(),
        ];
        let n_measures = plan.n_measures();
        let cones = |place: usize| {
            let start: usize = counts[..place].iter().sum();
            let range = start..start + counts[place];
            table(py, &rows, counts[place], |row| &row.report.cones[range.clone()])
        };
        let mut methods = MethodCounts::default();
        rows.iter().for_each(|row| methods.add(row.report.methods));
        let by_method = PyDict::new(py);
        by_method.set_item("sketch", methods.sketch)?;
        by_method.set_item("gram", methods.gram)?;
        by_method.set_item("svd", methods.svd)?;
        by_method.set_item("fallback", methods.fallbacks)?;
        Ok(Self {
            words: table(py, &rows, counts[0], |row| &row.words)?,
            variances: table(py, &rows, counts[1], |row| &row.variances)?,
            probabilities: each(counts[2], |at| {
                let width = 1 << requests.probabilities[at].len();
                table(py, &rows, width, |row| &row.probabilities[at])
            })?,
            densities: (0..counts[3])
                .map(|at| {
                    let dim = 1 << requests.densities[at].len();
                    let flat = rows.iter().flat_map(|row| &row.densities[at]).copied().collect();
                    let array = Array3::from_shape_vec((rows.len(), dim, dim), flat);
                    Ok(array.map_err(|cause| wrong_shape(&cause))?.into_pyarray(py).unbind())
                })
                .collect::<PyResult<_>>()?,
            spectra: spectra(py, &rows, counts[4])?,
            log_probabilities: {
                let width = requests.bitstrings.len() / plan.n_sites();
                table(py, &rows, width, |row| &row.log_probabilities)?
            },
            samples: each(requests.samplings.len(), |at| {
                let Sampling { shots, wires, .. } = &requests.samplings[at];
                cube(py, &rows, (*shots, wires.len()), |row| &row.samples[at].bits)
            })?,
            sample_outcomes: each(requests.samplings.len(), |at| {
                let shape = (requests.samplings[at].shots, n_measures);
                cube(py, &rows, shape, |row| &row.samples[at].outcomes)
            })?,
            outcomes: each(requests.outcomes.len(), |at| {
                table(py, &rows, 1 << requests.outcomes[at].len(), |row| &row.outcomes[at])
            })?,
            tensors: requests.tensors.then(|| tensors(py, &rows)).transpose()?,
            schmidt_values: requests.tensors.then(|| schmidt_values(py, &rows)),
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
            norm: column(py, &rows, |report| report.log_norm.exp()),
            log_norm: column(py, &rows, |report| report.log_norm),
            coherence: column(py, &rows, |report| report.coherence),
            branches: column(py, &rows, |report| report.branches as u32),
            dropped_branches: column(py, &rows, |report| report.dropped_branches),
            peak_bytes: column(py, &rows, |report| report.peak_bytes),
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
            cone_spectra: cones(4)?,
            methods: by_method.unbind(),
            sweeps: column(py, &rows, |report| report.sweeps as u32),
            smallest_gap: column(py, &rows, |report| report.smallest_gap),
            shifted_cuts: column(py, &rows, |report| report.shifted_cuts as u32),
            seconds: column(py, &rows, |report| report.seconds),
            n_steps: plan.n_truncating_steps(),
            n_steps_left_out: plan.n_left_out(),
            wire_of_site: Array1::from_iter(plan.wire_of_site().iter().map(|wire| *wire as u32))
                .into_pyarray(py)
                .unbind(),
        })
    }
}

/// Derivatives of the outputs of one group; see `_core.pyi`.
#[pyclass(frozen, get_all, module = "bondline._core")]
pub struct GroupGradient {
    result: Py<GroupResult>,
    gradients: Py<PyArray3<f64>>,
    variance_coefficients: Py<PyArray3<f64>>,
    guarded: Py<PyArray1<bool>>,
    checkpoints: Py<PyArray1<u32>>,
    tape_bytes: Py<PyArray1<u64>>,
}

impl GroupGradient {
    pub fn new(py: Python<'_>, gradient: bondline::GroupGradient) -> PyResult<Self> {
        let bondline::GroupGradient { result, sizes: [outputs, parameters, terms], rows } =
            gradient;
        let table = |width, entries: &dyn Fn(&Derivatives) -> &[f64]| -> PyResult<_> {
            let flat: Vec<f64> = rows.iter().flat_map(entries).copied().collect();
            let array = Array3::from_shape_vec((rows.len(), outputs, width), flat);
            Ok(array.map_err(|cause| wrong_shape(&cause))?.into_pyarray(py).unbind())
        };
        Ok(Self {
            gradients: table(parameters, &|row| &row.gradients)?,
            variance_coefficients: table(terms, &|row| &row.variance_coefficients)?,
            guarded: each_row(py, &rows, |row| row.guarded),
            checkpoints: each_row(py, &rows, |row| row.checkpoints as u32),
            tape_bytes: each_row(py, &rows, |row| row.tape_bytes),
            result: Py::new(py, GroupResult::new(py, result)?)?,
        })
    }
}

fn each_row<T: numpy::Element>(
    py: Python<'_>,
    rows: &[Derivatives],
    figure: impl Fn(&Derivatives) -> T,
) -> Py<PyArray1<T>> {
    Array1::from_iter(rows.iter().map(figure)).into_pyarray(py).unbind()
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

fn each<T>(count: usize, make: impl FnMut(usize) -> PyResult<T>) -> PyResult<Vec<T>> {
    (0..count).map(make).collect()
}

/// Spectra of the rows of a group may differ in length.
fn spectra(
    py: Python<'_>,
    rows: &[CircuitResult],
    count: usize,
) -> PyResult<Vec<Py<PyArray2<f64>>>> {
    each(count, |at| {
        let width = rows.iter().map(|row| row.spectra[at].len()).max().unwrap_or(0);
        owned_table(py, rows, width, |row| {
            let mut spectrum = row.spectra[at].clone();
            spectrum.resize(width, 0.0);
            spectrum
        })
    })
}

fn cube<'r>(
    py: Python<'_>,
    rows: &'r [CircuitResult],
    (height, width): (usize, usize),
    entries: impl Fn(&'r CircuitResult) -> &'r [u8],
) -> PyResult<Py<PyArray3<u8>>> {
    let flat = rows.iter().flat_map(entries).copied().collect();
    let array = Array3::from_shape_vec((rows.len(), height, width), flat);
    Ok(array.map_err(|cause| wrong_shape(&cause))?.into_pyarray(py).unbind())
}

/// The site tensors of each row, as (left, 2, right).
fn tensors(py: Python<'_>, rows: &[CircuitResult]) -> PyResult<Vec<Vec<Py<PyArray3<C64>>>>> {
    let tensor = |site: &SiteTensor<C64>| {
        let shape = (site.left, 2, site.right).f();
        let array = Array3::from_shape_vec(shape, site.entries.clone());
        let array = array.map_err(|cause| wrong_shape(&cause))?;
        Ok(array.as_standard_layout().into_owned().into_pyarray(py).unbind())
    };
    let rows = rows.iter().map(|row| row.tensors.as_deref().unwrap_or_default());
    rows.map(|sites| sites.iter().map(tensor).collect()).collect()
}

fn schmidt_values(py: Python<'_>, rows: &[CircuitResult]) -> Vec<Vec<Py<PyArray1<f64>>>> {
    let rows = rows.iter().map(|row| row.schmidt_values.as_deref().unwrap_or_default());
    rows.map(|bonds| bonds.iter().map(|s| s.clone().into_pyarray(py).unbind()).collect()).collect()
}

fn wrong_shape(cause: &ShapeError) -> PyErr {
    PyValueError::new_err(format!("the engine returned an array of another shape: {cause}"))
}
