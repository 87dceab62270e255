//! The one map from the engine's errors to Python's exceptions, and from panics to errors.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bondline::Error;
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;

thread_local! {
    /// Set while this thread runs engine code whose panics are caught.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// The exception of `bondline.errors` for an engine error.
pub fn to_python(py: Python<'_>, error: Error) -> PyErr {
    let class = match &error {
        Error::InvalidInput { .. } => "InputError",
        Error::Unsupported(_) => "UnsupportedError",
        Error::Numerical(_) => "NumericalError",
        Error::Resource(_) => "ResourceError",
        Error::Internal(_) => "InternalError",
        Error::Interrupted => return PyKeyboardInterrupt::new_err(()),
    };
    let raise = || -> PyResult<PyErr> {
        let class = py.import("bondline.errors")?.getattr(class)?;
        let exception = class.call1((error.to_string(),))?;
        if let Error::InvalidInput { gate, row, group, .. } = &error {
            exception.setattr("gate", *gate)?;
            exception.setattr("row", *row)?;
            exception.setattr("group", *group)?;
        }
        Ok(PyErr::from_value(exception))
    };
    raise().unwrap_or_else(|failure| failure)
}

/// Runs engine code; a panic becomes [`Error::Internal`].
pub fn guarded<R>(work: impl FnOnce() -> Result<R, Error>) -> Result<R, Error> {
    GUARDED.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(false);
    outcome.unwrap_or_else(|payload| Err(Error::Internal(message(&*payload))))
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}

/// Panics that are caught and raised as Python errors are not also printed. The hook is that of
/// this module's own copy of the standard library: no other extension is affected.
pub fn keep_panics_quiet() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let ours = std::thread::current().name().is_some_and(|name| name.starts_with("bondline-"));
        if !(ours || GUARDED.get()) {
            print(info);
        }
    }));
}
