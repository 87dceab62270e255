//! Python objects to engine types. Attributes are those of `_Group` and `_Settings` in `_core.pyi`.

use std::sync::Arc;

use bondline::circuit::{CircuitArrays, Condition, Loaded, Measure, Structure};
use bondline::mps::SiteTensor;
use bondline::{
    C64, Error, GradientMethod, Group, LoadedState, LocalOperator, Method, Ordering, Outputs,
    Pauli, Precision, Readout, Requests, Sampling, Settings,
};
use numpy::ndarray::{ArrayView, Dimension};
use numpy::{PyReadonlyArray1, PyReadonlyArray2, PyReadonlyArray3, PyReadonlyArrayDyn};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// A group as the engine takes it, or the engine's reason against it.
pub fn group(source: &Bound<'_, PyAny>) -> PyResult<Result<Group, Error>> {
    let parameters: PyReadonlyArray2<'_, f64> = source.getattr("parameters")?.extract()?;
    let matrices: PyReadonlyArray2<'_, C64> = source.getattr("matrices")?.extract()?;
    let rows = parameters.as_array().nrows();
    let n_wires: usize = source.getattr("n_wires")?.extract()?;
    let gates = array::<u16>(source, "gates")?;
    let wire_counts = array::<u32>(source, "wire_counts")?;
    let wires = array::<u32>(source, "wires")?;
    let letters = array::<u8>(source, "letters")?;
    let requests = requests(&source.getattr("requests")?)?;
    let (loaded_wires, loaded) = loaded(source)?;
    let structure = Structure::new(CircuitArrays {
        n_wires,
        gates,
        wire_counts,
        wires,
        letters,
        control_counts: array(source, "control_counts")?,
        control_values: array(source, "control_values")?,
        measures: measures(source)?,
        conditions: array(source, "conditions")?,
        condition_table: conditions(source)?,
        loaded: loaded_wires,
    });
    Ok(structure.and_then(|structure| {
        Ok(Group {
            structure: Arc::new(structure),
            rows,
            parameters: parameters.as_array().iter().copied().collect(),
            matrices: matrices.as_array().iter().copied().collect(),
            loaded,
            requests: requests?,
        })
    }))
}

fn measures(source: &Bound<'_, PyAny>) -> PyResult<Vec<Measure>> {
    let resets = array::<bool>(source, "measure_resets")?;
    let outcomes = array::<i8>(source, "measure_postselects")?;
    let measures = resets.into_iter().zip(outcomes);
    Ok(measures
        .map(|(reset, code)| Measure {
            reset,
            // 0 or 1 keeps shots with this outcome; 2 or 3 brings every shot to it.
            postselect: (code >= 0).then_some(code % 2 == 1),
            fill: code >= 2,
        })
        .collect())
}

fn conditions(source: &Bound<'_, PyAny>) -> PyResult<Vec<Condition>> {
    let measurements: Vec<Vec<u32>> = source.getattr("condition_measurements")?.extract()?;
    let tables: Vec<PyReadonlyArray1<'_, bool>> = source.getattr("condition_tables")?.extract()?;
    let conditions = measurements.into_iter().zip(tables);
    Ok(conditions
        .map(|(measurements, table)| Condition {
            measurements,
            holds: table.as_array().iter().copied().collect(),
        })
        .collect())
}

/// The wires of the initial state, and the state.
fn loaded(source: &Bound<'_, PyAny>) -> PyResult<(Loaded, LoadedState)> {
    let wires: Vec<u32> = source.getattr("loaded_wires")?.extract()?;
    let vectors: Option<PyReadonlyArray2<'_, C64>> = source.getattr("loaded_vectors")?.extract()?;
    let tensors: Option<Vec<PyReadonlyArray3<'_, C64>>> =
        source.getattr("loaded_tensors")?.extract()?;
    let ordered = tensors.is_some();
    let state = match (vectors, tensors) {
        (Some(vectors), _) => LoadedState::Vectors(vectors.as_array().iter().copied().collect()),
        (None, Some(tensors)) => {
            LoadedState::Tensors(tensors.iter().map(site_tensor).collect::<Result<_, _>>()?)
        }
        (None, None) => LoadedState::None,
    };
    Ok((Loaded { wires, ordered }, state))
}

/// A tensor (left, 2, right) as the engine stores it: the left bond fastest.
pub fn site_tensor(source: &PyReadonlyArray3<'_, C64>) -> PyResult<SiteTensor<C64>> {
    let array = source.as_array();
    let (left, physical, right) = array.dim();
    if physical != 2 {
        return Err(PyValueError::new_err(format!(
            "a tensor of the state has shape (left, 2, right), got ({left}, {physical}, {right})"
        )));
    }
    let entries = array.t().iter().copied().collect();
    Ok(SiteTensor { left, right, entries })
}

fn samplings(source: &Bound<'_, PyAny>) -> PyResult<Option<Vec<Sampling>>> {
    let list: Vec<Bound<'_, PyAny>> = source.getattr("samplings")?.extract()?;
    let sampling = |source: &Bound<'_, PyAny>| -> PyResult<Option<Sampling>> {
        let letters: PyReadonlyArrayDyn<'_, u8> = source.getattr("letters")?.extract()?;
        let letters: Option<Vec<Pauli>> =
            letters.as_array().iter().map(|code| Pauli::from_code(*code)).collect();
        let Some(letters) = letters else { return Ok(None) };
        Ok(Some(Sampling {
            wires: source.getattr("wires")?.extract()?,
            letters,
            shots: source.getattr("shots")?.extract()?,
            stream: source.getattr("stream")?.extract()?,
        }))
    };
    list.iter().map(sampling).collect()
}

fn requests(source: &Bound<'_, PyAny>) -> PyResult<Result<Requests, Error>> {
    let word_counts = array::<u32>(source, "word_counts")?;
    let word_wires = array::<u32>(source, "word_wires")?;
    let word_letters = array::<u8>(source, "word_letters")?;
    let variance_counts = array::<u32>(source, "variance_counts")?;
    let variance_words = array::<u32>(source, "variance_words")?;
    let coefficients: PyReadonlyArray2<'_, f64> =
        source.getattr("variance_coefficients")?.extract()?;
    let bitstrings: PyReadonlyArray2<'_, u8> = source.getattr("bitstrings")?.extract()?;
    let seeds: PyReadonlyArray2<'_, u64> = source.getattr("seeds")?.extract()?;
    if seeds.as_array().ncols() != 2 {
        return Ok(Err(Error::invalid("seeds have two numbers for each row")));
    }
    let Some(samplings) = samplings(source)? else {
        return Ok(Err(Error::invalid("a sampled wire is measured in 1 (X), 2 (Y) or 3 (Z)")));
    };
    let total: usize = word_counts.iter().map(|count| *count as usize).sum();
    if total != word_wires.len() || total != word_letters.len() {
        return Ok(Err(Error::invalid(format!(
            "word_counts add up to {total}, but there are {} wires and {} letters",
            word_wires.len(),
            word_letters.len()
        ))));
    }
    let mut words = Vec::with_capacity(word_counts.len());
    let mut factors = word_wires.iter().zip(&word_letters);
    for count in &word_counts {
        let word: Option<Vec<(usize, LocalOperator)>> = factors
            .by_ref()
            .take(*count as usize)
            .map(|(wire, code)| Some((*wire as usize, LocalOperator::from_code(*code)?)))
            .collect();
        let Some(word) = word else {
            return Ok(Err(Error::invalid(
                "expected letters 0 (I), 1 (X), 2 (Y), 3 (Z), 4 (|0⟩⟨0|) or 5 (|1⟩⟨1|)",
            )));
        };
        words.push(word);
    }
    let mut next = 0;
    let variances = variance_counts
        .iter()
        .map(|count| {
            next += *count as usize;
            next - *count as usize..next
        })
        .collect();
    Ok(Ok(Requests {
        words,
        variances,
        variance_terms: variance_words.iter().map(|word| *word as usize).collect(),
        variance_coefficients: coefficients.as_array().iter().copied().collect(),
        probabilities: source.getattr("probabilities")?.extract()?,
        densities: source.getattr("densities")?.extract()?,
        spectra: source.getattr("spectra")?.extract()?,
        bitstrings: bitstrings.as_array().iter().copied().collect(),
        samplings,
        outcomes: source.getattr("outcomes")?.extract()?,
        seeds: seeds.as_array().rows().into_iter().map(|row| [row[0], row[1]]).collect(),
        tensors: source.getattr("tensors")?.extract()?,
        dense_state: source.getattr("dense_state")?.extract()?,
    }))
}

/// How derivatives are taken, by its name.
pub fn gradient_method(name: &str) -> Result<GradientMethod, Error> {
    match name {
        "adjoint" => Ok(GradientMethod::Adjoint),
        "two-state" => Ok(GradientMethod::TwoState),
        _ => Err(unknown("gradient", name)),
    }
}

/// Weights of outputs; those that are given once for all rows are repeated where others are not.
pub fn outputs(source: &Bound<'_, PyAny>) -> PyResult<Outputs> {
    let words: PyReadonlyArray3<'_, f64> = source.getattr("words")?.extract()?;
    let variances: PyReadonlyArray3<'_, f64> = source.getattr("variances")?.extract()?;
    let probabilities: Vec<PyReadonlyArray3<'_, f64>> =
        source.getattr("probabilities")?.extract()?;
    let densities: Vec<PyReadonlyArrayDyn<'_, C64>> = source.getattr("densities")?.extract()?;
    let first = |shape: &[usize]| shape.first().copied().unwrap_or(0);
    let lists = [&words, &variances].into_iter().chain(&probabilities);
    let given = lists.map(|list| first(list.as_array().shape()));
    let given = given.chain(densities.iter().map(|list| first(list.as_array().shape())));
    let rows = given.max().unwrap_or(1);
    Ok(Outputs {
        count: words.as_array().shape()[1],
        rows,
        words: for_rows(&words.as_array(), rows),
        variances: for_rows(&variances.as_array(), rows),
        probabilities: probabilities.iter().map(|list| for_rows(&list.as_array(), rows)).collect(),
        densities: densities.iter().map(|list| for_rows(&list.as_array(), rows)).collect(),
        differentiated: array(source, "differentiated")?,
    })
}

fn for_rows<T: Copy, D: Dimension>(list: &ArrayView<'_, T, D>, rows: usize) -> Vec<T> {
    let times = if list.shape().first() == Some(&1) { rows } else { 1 };
    (0..times).flat_map(|_| list.iter()).copied().collect()
}

/// Engine settings, or the engine's reason against them.
pub fn settings(source: &Bound<'_, PyAny>) -> PyResult<Result<Settings, Error>> {
    let ordering = source.getattr("ordering")?;
    let ordering = match ordering.extract::<String>() {
        Ok(name) => match name.as_str() {
            "given" => Ordering::Given,
            "auto" => Ordering::Auto,
            _ => return Ok(Err(unknown("ordering", &name))),
        },
        Err(_) => Ordering::Explicit(ordering.extract()?),
    };
    let readout: String = source.getattr("readout")?.extract()?;
    let readout = match readout.as_str() {
        "local" => Readout::Local,
        "state" => Readout::State,
        _ => return Ok(Err(unknown("readout", &readout))),
    };
    let method: String = source.getattr("truncation")?.extract()?;
    let method = match method.as_str() {
        "auto" => Method::Auto,
        "exact" => Method::Exact,
        "gram" => Method::Gram,
        "svd" => Method::Svd,
        _ => return Ok(Err(unknown("truncation", &method))),
    };
    let single: bool = source.getattr("single_precision")?.extract()?;
    Ok(Ok(Settings {
        max_bond_dim: source.getattr("max_bond_dim")?.extract()?,
        cutoff: source.getattr("cutoff")?.extract()?,
        precision: if single { Precision::Single } else { Precision::Double },
        readout,
        sweeps: source.getattr("sweeps")?.extract()?,
        ordering,
        method,
        threads: source.getattr("threads")?.extract()?,
        memory_limit: source.getattr("memory_limit")?.extract()?,
    }))
}

fn unknown(setting: &str, value: &str) -> Error {
    Error::invalid(format!("{setting} does not know {value:?}; see bondline.MpsConfig"))
}

fn array<T: numpy::Element + Copy>(source: &Bound<'_, PyAny>, name: &str) -> PyResult<Vec<T>> {
    let array: PyReadonlyArray1<'_, T> = source.getattr(name)?.extract()?;
    Ok(array.as_array().iter().copied().collect())
}
