//! The crossing: a whole batch in, with the GIL released and Ctrl-C watched while it runs.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bondline::circuit::GATES;
use bondline::{Cancel, Error, Job, PlanCache, guarded};
use pyo3::prelude::*;

use crate::errors::to_python;
use crate::input;
use crate::output::GroupResult;

/// How often a running batch looks for Ctrl-C.
const POLL: Duration = Duration::from_millis(50);

static PLANS: LazyLock<PlanCache> = LazyLock::new(PlanCache::default);

/// Evolves every row of every group and reads what was asked.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)] // what pyo3 extracts a sequence into
pub fn run(
    py: Python<'_>,
    groups: Vec<Bound<'_, PyAny>>,
    settings: &Bound<'_, PyAny>,
) -> PyResult<Vec<GroupResult>> {
    let settings = input::settings(settings)?.map_err(|error| to_python(py, &error))?;
    let mut batch = Vec::with_capacity(groups.len());
    for (index, group) in groups.iter().enumerate() {
        let group = input::group(group)?.map_err(|error| to_python(py, &error.in_group(index)))?;
        batch.push(group);
    }
    let job = py.detach(|| guarded(|| Job::prepare(batch, settings, &PLANS)));
    let job = job.map_err(|error| to_python(py, &error))?;
    let results = if job.is_small() {
        py.detach(|| guarded(|| job.execute(&Cancel::default())))
    } else {
        watched(py, job)?
    };
    let results = results.map_err(|error| to_python(py, &error))?;
    results.into_iter().map(|result| GroupResult::new(py, result)).collect()
}

/// Runs the job on a thread of its own, because Python tells only its main thread of a signal, and
/// that thread must look for it. On Ctrl-C the job stops between two steps, and this waits for it.
fn watched(py: Python<'_>, job: Job) -> PyResult<Result<Vec<bondline::GroupResult>, Error>> {
    let cancel = Arc::new(Cancel::default());
    let (sender, mut receiver) = channel();
    let seen = Arc::clone(&cancel);
    let spawned = std::thread::Builder::new().name("bondline-run".to_owned()).spawn(move || {
        // The receiver waits for this message and for nothing else.
        let _ = sender.send(guarded(|| job.execute(&seen)));
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
