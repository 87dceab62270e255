//! Encoding: every row of a group evolved, its state kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::group::{Group, Precision, Settings};
use crate::ieee::IeeeArithmetic;
use crate::mps::scaled_tensors;
use crate::overlaps::{EncodedState, EncodedStates};
use crate::plan_cache::PlanCache;
use crate::request::Requests;
use crate::result::CircuitResult;
use crate::row::Row;
use crate::run::{GroupResult, Job};
use crate::scalar::{C32, C64, Scalar};

/// States and what their circuits reported.
pub struct Encoded {
    /// One for each row, sites in the order of the plan.
    pub states: EncodedStates,
    /// The reports and the plan.
    pub result: GroupResult,
}

/// A validated group, ready to be encoded.
pub struct EncodeJob {
    job: Job,
    settings: Settings,
}

impl EncodeJob {
    /// # Errors
    /// Those of [`Job::prepare`]; [`Error::Unsupported`] for mid-circuit measurements;
    /// [`Error::Resource`] if even product states would not fit.
    pub fn prepare(mut group: Group, settings: Settings, cache: &PlanCache) -> Result<Self> {
        if !group.structure.measures().is_empty() {
            return Err(Error::Unsupported(
                "a circuit with mid-circuit measurements has no one state to encode; leave them out"
                    .to_owned(),
            ));
        }
        let entry = if settings.precision == Precision::Single { 8.0 } else { 16.0 };
        let least = entry * 2.0 * (group.rows * group.structure.n_wires()) as f64;
        if least > settings.memory_limit as f64 {
            return Err(too_much(group.rows, least, settings.memory_limit));
        }
        group.requests = Requests::default();
        let job = Job::prepare(vec![group], settings.clone(), cache)?;
        Ok(Self { job, settings })
    }

    /// Whether it is done sooner than a thread could be asked to do it.
    pub fn is_small(&self) -> bool {
        self.job.is_small()
    }

    /// # Errors
    /// Those of [`Job::execute`]; [`Error::Resource`] once the states exceed the memory limit.
    pub fn execute(self, cancel: &Cancel) -> Result<Encoded> {
        let _ieee = IeeeArithmetic::enter();
        let rows =
            self.job.on_threads(self.is_small(), |pooled| match self.settings.precision {
                Precision::Single => self.rows::<C32>(cancel, pooled),
                Precision::Double => self.rows::<C64>(cancel, pooled),
            })?;
        let (rows, states): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        let prepared = self.job.groups.into_iter().next();
        let prepared =
            prepared.ok_or_else(|| Error::Internal("no group was encoded".to_owned()))?;
        let plan = prepared.main.plan;
        let single = self.settings.precision == Precision::Single;
        let states = EncodedStates::new(states, plan.n_sites(), single)?;
        Ok(Encoded { states, result: GroupResult { plan, requests: Requests::default(), rows } })
    }

    fn rows<T: Scalar>(
        &self,
        cancel: &Cancel,
        pooled: bool,
    ) -> Result<Vec<(CircuitResult, Arc<EncodedState>)>> {
        let held = AtomicUsize::new(0);
        let limit = self.settings.memory_limit;
        let run = |row: &Row<'_, T>| {
            let (result, evolved, phase) = row.run_whole()?;
            let sites = scaled_tensors(&evolved.state, result.report.log_norm, phase);
            let state = EncodedState::pack(&sites, T::ROUNDS);
            let bytes = state.n_bytes() + held.fetch_add(state.n_bytes(), Ordering::Relaxed);
            if bytes as u64 > limit {
                return Err(too_much(row.prepared.group.rows, bytes as f64, limit));
            }
            Ok((result, Arc::new(state)))
        };
        self.job.each_row(cancel, pooled, run, |(result, _)| &mut result.report)
    }
}

fn too_much(rows: usize, needed: f64, limit: u64) -> Error {
    Error::Resource(format!(
        "the {rows} encoded states need at least {needed:.0} bytes, more than memory_limit ({limit} \
         bytes); encode fewer rows at a time, or raise memory_limit"
    ))
}
