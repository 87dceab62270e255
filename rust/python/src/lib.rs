//! `bondline._core`: types in, arrays out, one error map. Nothing is computed here.

mod encoded;
mod errors;
mod input;
mod output;
mod overlap;
mod run;

use pyo3::prelude::*;

/// Rust engine of bondline.
#[pymodule]
mod _core {
    #[pymodule_export]
    use crate::encoded::{EncodedStates, encode, kernel_gradients, log_overlaps};
    #[pymodule_export]
    use crate::output::{GroupGradient, GroupResult};
    #[pymodule_export]
    use crate::overlap::overlap;
    #[pymodule_export]
    use crate::run::{differentiate, gate_table, plan_cache_info, run};

    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::errors::keep_panics_quiet();
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
