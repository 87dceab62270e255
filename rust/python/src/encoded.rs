//! Encoded states as a Python object, and their overlaps.

use std::sync::Arc;

use bondline::{C32, C64, EncodeJob, EncodedState, Entries, Error, KernelGradientJob, guarded};
use numpy::ndarray::{Array2, Array3};
use numpy::{IntoPyArray, PyArray2, PyArray3, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::errors::to_python;
use crate::input;
use crate::output::GroupResult;
use crate::run::{PLANS, finished};

/// See `_core.pyi`.
#[pyclass(frozen, module = "bondline._core")]
pub struct EncodedStates(bondline::EncodedStates);

#[pymethods]
impl EncodedStates {
    #[getter]
    fn n_points(&self) -> usize {
        self.0.states().len()
    }

    #[getter]
    fn n_wires(&self) -> usize {
        self.0.n_wires()
    }

    #[getter]
    fn largest_bond(&self) -> usize {
        self.0.largest_bond()
    }

    #[getter]
    fn single_precision(&self) -> bool {
        self.0.single_precision()
    }

    #[getter]
    fn nbytes(&self) -> usize {
        self.0.n_bytes()
    }

    fn rows(&self, py: Python<'_>, start: usize, stop: usize) -> PyResult<Self> {
        self.0.rows(start, stop).map(Self).map_err(|error| to_python(py, &error))
    }

    fn parts<'py>(&self, py: Python<'py>) -> PyResult<(Py<PyArray2<u32>>, Bound<'py, PyAny>)> {
        let states = self.0.states();
        let bonds = states.iter().flat_map(|state| state.bonds.iter().copied()).collect();
        let bonds = Array2::from_shape_vec((states.len(), self.0.n_wires() - 1), bonds)
            .map_err(|cause| PyValueError::new_err(cause.to_string()))?;
        let entries = if self.0.single_precision() {
            let mut all: Vec<C32> = Vec::new();
            for state in states {
                if let Entries::Single(entries) = &state.entries {
                    all.extend_from_slice(entries);
                }
            }
            all.into_pyarray(py).into_any()
        } else {
            let mut all: Vec<C64> = Vec::new();
            for state in states {
                if let Entries::Double(entries) = &state.entries {
                    all.extend_from_slice(entries);
                }
            }
            all.into_pyarray(py).into_any()
        };
        Ok((bonds.into_pyarray(py).unbind(), entries))
    }

    #[staticmethod]
    fn from_parts(
        py: Python<'_>,
        bonds: &Bound<'_, PyAny>,
        entries: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let Ok(bonds) = bonds.extract::<PyReadonlyArray2<'_, u32>>() else {
            return Err(unexpected(py, "bonds of uint32, shape (states, wires - 1)", bonds));
        };
        let states = if let Ok(single) = entries.extract::<PyReadonlyArray1<'_, C32>>() {
            let entries: Vec<C32> = single.as_array().iter().copied().collect();
            split(&bonds, &entries, true, |part| Entries::Single(part.into()))
        } else if let Ok(double) = entries.extract::<PyReadonlyArray1<'_, C64>>() {
            let entries: Vec<C64> = double.as_array().iter().copied().collect();
            split(&bonds, &entries, false, |part| Entries::Double(part.into()))
        } else {
            return Err(unexpected(py, "entries of complex64 or complex128 on one axis", entries));
        };
        states.map(Self).map_err(|error| to_python(py, &error))
    }

    fn tensors(&self, py: Python<'_>, row: usize) -> PyResult<Vec<Py<PyArray3<C64>>>> {
        let state = self.0.states().get(row).ok_or_else(|| {
            PyIndexError::new_err(format!("no row {row} of {} states", self.n_points()))
        })?;
        let state = state.in_double();
        let mut rest = &*state.entries;
        let tensor = |(left, right): (usize, usize)| {
            let (site, behind) = rest.split_at(2 * left * right);
            rest = behind;
            let array = Array3::from_shape_vec((left, 2, right), site.to_vec());
            let array = array.map_err(|cause| PyValueError::new_err(cause.to_string()))?;
            Ok(array.into_pyarray(py).unbind())
        };
        state.dims.iter().copied().map(tensor).collect()
    }

    #[staticmethod]
    #[allow(clippy::needless_pass_by_value)] // what pyo3 extracts a sequence into
    fn concatenate(py: Python<'_>, sets: Vec<Bound<'_, Self>>) -> PyResult<Self> {
        let Some(first) = sets.first() else {
            let error = Error::invalid("expected at least one set of encoded states, got none");
            return Err(to_python(py, &error));
        };
        let first = &first.get().0;
        for set in &sets {
            let set = &set.get().0;
            if set.n_wires() != first.n_wires()
                || set.single_precision() != first.single_precision()
            {
                let error = Error::invalid(
                    "expected sets of one width and precision; encode all of them with one feature \
                     map and the same settings",
                );
                return Err(to_python(py, &error));
            }
        }
        let states = sets.iter().flat_map(|set| set.get().0.states().iter().cloned()).collect();
        bondline::EncodedStates::new(states, first.n_wires(), first.single_precision())
            .map(Self)
            .map_err(|error| to_python(py, &error))
    }

    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let py = slf.py();
        let parts = slf.get().parts(py)?.into_pyobject(py)?;
        Ok((slf.get_type().getattr("from_parts")?, parts))
    }
}

/// The error for parts of another type or shape.
fn unexpected(py: Python<'_>, expected: &str, given: &Bound<'_, PyAny>) -> PyErr {
    let text = |name: &str| given.getattr(name).and_then(|value| Ok(value.str()?.to_string()));
    let found = match (text("dtype"), text("shape")) {
        (Ok(dtype), Ok(shape)) => format!("{dtype} of shape {shape}"),
        _ => given.get_type().to_string(),
    };
    let error = Error::invalid(format!(
        "expected {expected}, got {found}; give both as parts() returned them"
    ));
    to_python(py, &error)
}

/// The states whose entries follow each other in `entries`.
fn split<T>(
    bonds: &PyReadonlyArray2<'_, u32>,
    entries: &[T],
    single: bool,
    part: impl Fn(&[T]) -> Entries,
) -> Result<bondline::EncodedStates, Error> {
    let bonds = bonds.as_array();
    let (mut states, mut start) = (Vec::with_capacity(bonds.nrows()), 0_usize);
    let empty = || part(&[]);
    for row in bonds.rows() {
        let bonds: Box<[u32]> = row.iter().copied().collect();
        let shape = EncodedState { bonds, entries: empty() };
        let stop = shape.n_entries().and_then(|count| start.checked_add(count));
        let Some(entries) = stop.and_then(|stop| entries.get(start..stop)) else {
            return Err(Error::invalid(format!(
                "expected left·2·right entries for each site, got {} in all, too few for the bonds; \
                 give both as parts() returned them",
                entries.len()
            )));
        };
        start += entries.len();
        states.push(Arc::new(EncodedState::new(shape.bonds, part(entries))?));
    }
    if start != entries.len() {
        return Err(Error::invalid(format!(
            "expected {start} entries for these bonds, got {}; give both as parts() returned them",
            entries.len()
        )));
    }
    bondline::EncodedStates::new(states, bonds.ncols() + 1, single)
}

/// Evolves every row and keeps its state.
#[pyfunction]
pub fn encode(
    py: Python<'_>,
    group: &Bound<'_, PyAny>,
    settings: &Bound<'_, PyAny>,
) -> PyResult<(EncodedStates, GroupResult)> {
    let settings = input::settings(settings)?.map_err(|error| to_python(py, &error))?;
    let group = input::group(group)?.map_err(|error| to_python(py, &error))?;
    let job = py.detach(|| guarded(|| EncodeJob::prepare(group, settings, &PLANS)));
    let job = job.map_err(|error| to_python(py, &error))?;
    let small = job.is_small();
    let encoded = finished(py, small, move |cancel| job.execute(cancel))?;
    Ok((EncodedStates(encoded.states), GroupResult::new(py, encoded.result)?))
}

/// ln |⟨bra|ket⟩|² of all pairs.
#[pyfunction]
#[pyo3(signature = (bra, ket, threads))]
pub fn log_overlaps(
    py: Python<'_>,
    bra: &Bound<'_, EncodedStates>,
    ket: Option<&Bound<'_, EncodedStates>>,
    threads: Option<usize>,
) -> PyResult<Py<PyArray2<f64>>> {
    let (bra, ket) = (bra.get().0.clone(), ket.map(|ket| ket.get().0.clone()));
    let columns = ket.as_ref().unwrap_or(&bra).states().len();
    let shape = (bra.states().len(), columns);
    let small = shape.0 * shape.1 * bra.n_wires() < 1000;
    let work = move |cancel: &_| bondline::log_overlaps(&bra, ket.as_ref(), threads, cancel);
    let entries = finished(py, small, work)?;
    let array = Array2::from_shape_vec(shape, entries);
    let array = array.map_err(|cause| PyValueError::new_err(cause.to_string()))?;
    Ok(array.into_pyarray(py).unbind())
}

/// Derivatives of all rows; which are unsettled.
type RowGradients = (Py<PyArray2<f64>>, Vec<bool>);

/// Derivatives of weighted fidelities with encoded states by the parameters of every row.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)] // what pyo3 extracts an array into
pub fn kernel_gradients(
    py: Python<'_>,
    group: &Bound<'_, PyAny>,
    others: &Bound<'_, EncodedStates>,
    weights: PyReadonlyArray2<'_, f64>,
    differentiated: PyReadonlyArray2<'_, bool>,
    settings: &Bound<'_, PyAny>,
) -> PyResult<RowGradients> {
    let settings = input::settings(settings)?.map_err(|error| to_python(py, &error))?;
    let group = input::group(group)?.map_err(|error| to_python(py, &error))?;
    let others = others.get().0.clone();
    let weights: Vec<f64> = weights.as_array().iter().copied().collect();
    let differentiated: Vec<bool> = differentiated.as_array().iter().copied().collect();
    let shape = (group.rows, group.structure.n_parameters());
    let prepare =
        || KernelGradientJob::prepare(group, others, weights, differentiated, settings, &PLANS);
    let job = py.detach(|| guarded(prepare)).map_err(|error| to_python(py, &error))?;
    let small = job.is_small();
    let found = finished(py, small, move |cancel| job.execute(cancel))?;
    let gradients = Array2::from_shape_vec(shape, found.gradients);
    let gradients = gradients.map_err(|cause| PyValueError::new_err(cause.to_string()))?;
    Ok((gradients.into_pyarray(py).unbind(), found.unsettled))
}
