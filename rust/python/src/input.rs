//! Python objects to engine types. Attributes are those of `_Group` and `_Settings` in `_core.pyi`.

use std::sync::Arc;

use bondline::circuit::Structure;
use bondline::{
    C64, Error, Group, Method, Ordering, Pauli, Precision, Readout, Requests, Settings,
};
use numpy::{PyReadonlyArray1, PyReadonlyArray2};
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
    let structure = Structure::new(n_wires, gates, wire_counts, wires, letters);
    Ok(structure.and_then(|structure| {
        Ok(Group {
            structure: Arc::new(structure),
            rows,
            parameters: parameters.as_array().iter().copied().collect(),
            matrices: matrices.as_array().iter().copied().collect(),
            requests: requests?,
        })
    }))
}

fn requests(source: &Bound<'_, PyAny>) -> PyResult<Result<Requests, Error>> {
    let word_counts = array::<u32>(source, "word_counts")?;
    let word_wires = array::<u32>(source, "word_wires")?;
    let word_letters = array::<u8>(source, "word_letters")?;
    let variance_counts = array::<u32>(source, "variance_counts")?;
    let variance_words = array::<u32>(source, "variance_words")?;
    let coefficients: PyReadonlyArray2<'_, f64> =
        source.getattr("variance_coefficients")?.extract()?;
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
        let word: Option<Vec<(usize, Pauli)>> = factors
            .by_ref()
            .take(*count as usize)
            .map(|(wire, code)| Some((*wire as usize, Pauli::from_code(*code)?)))
            .collect();
        let Some(word) = word else {
            return Ok(Err(Error::invalid("expected letters 0 (I), 1 (X), 2 (Y) or 3 (Z)")));
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
        dense_state: source.getattr("dense_state")?.extract()?,
    }))
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
