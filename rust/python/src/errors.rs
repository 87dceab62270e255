//! The one map from the engine's errors to Python's exceptions.

use bondline::{Error, panics_are_caught};
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;

/// The exception of `bondline.errors` for an engine error.
pub fn to_python(py: Python<'_>, error: &Error) -> PyErr {
    let class = match error {
        Error::InvalidInput { .. } => "InputError",
        Error::Unsupported(_) => "UnsupportedError",
        Error::Numerical(_) | Error::Impossible { .. } => "NumericalError",
        Error::Resource(_) => "ResourceError",
        Error::Internal(_) => "InternalError",
        Error::Interrupted => return PyKeyboardInterrupt::new_err(()),
    };
    let raise = || -> PyResult<PyErr> {
        let class = py.import("bondline.errors")?.getattr(class)?;
        let exception = class.call1((error.to_string(),))?;
        if let Error::InvalidInput { gate, .. } = error {
            exception.setattr("gate", *gate)?;
        }
        if let Error::InvalidInput { row, group, .. } | Error::Impossible { row, group, .. } = error
        {
            exception.setattr("row", *row)?;
            exception.setattr("group", *group)?;
        }
        Ok(PyErr::from_value(exception))
    };
    raise().unwrap_or_else(|failure| failure)
}

/// Panics that are caught and raised as Python errors are not also printed. The hook is that of
/// this module's own copy of the standard library: no other extension is affected.
pub fn keep_panics_quiet() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !panics_are_caught() {
            print(info);
        }
    }));
}
