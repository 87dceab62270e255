//! The crossing: a whole batch in, with the GIL released and Ctrl-C watched while it runs.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bondline::circuit::GATES;
use bondline::{Cancel, Error, GradientJob, Group, Job, Outputs, PlanCache, guarded};
use pyo3::prelude::*;

use crate::errors::to_python;
use crate::input;
use crate::output::{GroupGradient, GroupResult};

/// How often a running batch looks for Ctrl-C.
const POLL: Duration = Duration::from_millis(50);

pub(crate) static PLANS: LazyLock<PlanCache> = LazyLock::new(PlanCache::default);

/// Evolves every row of every group and reads what was asked.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)] // what pyo3 extracts a sequence into
pub fn run(
    py: Python<'_>,
    groups: Vec<Bound<'_, PyAny>>,
    settings: &Bound<'_, PyAny>,
) -> PyResult<Vec<GroupResult>> {
    let settings = input::settings(settings)?.map_err(|error| to_python(py, &error))?;
    let batch = batch(py, &groups)?;
    let job = py.detach(|| guarded(|| Job::prepare(batch, settings, &PLANS)));
    let job = job.map_err(|error| to_python(py, &error))?;
    let small = job.is_small();
    let results = finished(py, small, move |cancel| job.execute(cancel))?;
    results.into_iter().map(|result| GroupResult::new(py, result)).collect()
}

/// Evolves every row of every group, reads what was asked, and differentiates the outputs that
/// `cotangents` describes for each group.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)] // what pyo3 extracts a sequence into
pub fn differentiate(
    py: Python<'_>,
    groups: Vec<Bound<'_, PyAny>>,
    cotangents: Vec<Bound<'_, PyAny>>,
    settings: &Bound<'_, PyAny>,
    method: &str,
) -> PyResult<Vec<GroupGradient>> {
    let settings = input::settings(settings)?.map_err(|error| to_python(py, &error))?;
    let method = input::gradient_method(method).map_err(|error| to_python(py, &error))?;
    let batch = batch(py, &groups)?;
    let outputs: Vec<Outputs> = cotangents.iter().map(input::outputs).collect::<PyResult<_>>()?;
    let prepare = || GradientJob::prepare(batch, outputs, settings, method, &PLANS);
    let job = py.detach(|| guarded(prepare)).map_err(|error| to_python(py, &error))?;
    let small = job.is_small();
    let results = finished(py, small, move |cancel| job.execute(cancel))?;
    results.into_iter().map(|result| GroupGradient::new(py, result)).collect()
}

fn batch(py: Python<'_>, groups: &[Bound<'_, PyAny>]) -> PyResult<Vec<Group>> {
    let groups = groups.iter().enumerate();
    groups
        .map(|(index, group)| {
            input::group(group)?.map_err(|error| to_python(py, &error.in_group(index)))
        })
        .collect()
}

/// What `work` returns; done here if it is small, else on a thread that Ctrl-C stops.
pub(crate) fn finished<R: Send + 'static>(
    py: Python<'_>,
    small: bool,
    work: impl FnOnce(&Cancel) -> Result<R, Error> + Send + 'static,
) -> PyResult<R> {
    let result =
        if small { py.detach(|| guarded(|| work(&Cancel::default()))) } else { watched(py, work)? };
    result.map_err(|error| to_python(py, &error))
}

/// Runs the job on a thread of its own, because Python tells only its main thread of a signal, and
/// that thread must look for it. On Ctrl-C the job stops between two steps, and this waits for it.
fn watched<R: Send + 'static>(
    py: Python<'_>,
    work: impl FnOnce(&Cancel) -> Result<R, Error> + Send + 'static,
) -> PyResult<Result<R, Error>> {
    let cancel = Arc::new(Cancel::default());
    let (sender, mut receiver) = channel();
    let seen = Arc::clone(&cancel);
    let spawned = std::thread::Builder::new().name("bondline-run".to_owned()).spawn(move || {
        // The receiver waits for this message and for nothing else.
        let _ = sender.send(guarded(|| work(&seen)));
    });
    if let Err(cause) = spawned {
        return Ok(Err(Error::Resource(format!("could not start a thread: {cause}"))));
    }
    let mut interrupt = None;
    loop {
        let waiting = &mut receiver;
        match py.detach(move || waiting.recv_timeout(POLL)) {
            Ok(result) => return interrupt.map_or(Ok(result), Err),
            Err(RecvTimeoutError::Disconnected) => {
                return Ok(Err(Error::Internal("the run ended without a result".to_owned())));
            }
            Err(RecvTimeoutError::Timeout) => {
                if interrupt.is_none()
                    && let Err(signal) = py.check_signals()
                {
                    cancel.set();
                    interrupt = Some(signal);
                }
            }
        }
    }
}

/// `(name, wires, parameters)` of each gate, its id being the position; 0 wires = any number.
#[pyfunction]
pub fn gate_table() -> Vec<(&'static str, usize, usize)> {
    GATES.iter().map(|gate| (gate.name, gate.wires, gate.parameters)).collect()
}

/// `(hits, misses, size)` of the cache of plans.
#[pyfunction]
pub fn plan_cache_info() -> (u64, u64, usize) {
    PLANS.info()
}
