//! Matrix-product states for quantum machine-learning circuits that are too wide for a statevector
//! and little entangled.
//!
//! ```text
//!  Group (structure, rows of parameters, requests)
//!     │  Job::prepare: validate, plan (cached by structure), check memory
//!     ▼
//!  Job::execute ──▶ mps::evolve ──▶ two-site step ──▶ linalg::truncate
//!     │
//!     ▼
//!  values and a report for every row
//! ```
//!
//! # Example
//!
//! A Bell pair on wires 0 and 1 of three, and ⟨Z₀Z₁⟩:
//!
//! ```
//! use std::sync::Arc;
//! use bondline::circuit::{CircuitArrays, GATES, Ordering, Structure};
//! use bondline::{Cancel, Group, Job, LoadedState, Method, Pauli, PlanCache, Precision, Readout};
//! use bondline::{Requests, Settings};
//!
//! let id = |name| GATES.iter().position(|gate| gate.name == name).map(|id| id as u16);
//! let gates = vec![id("Hadamard").unwrap(), id("CNOT").unwrap()];
//! let structure = Structure::new(CircuitArrays {
//!     n_wires: 3,
//!     gates,
//!     wire_counts: vec![1, 2],
//!     wires: vec![0, 0, 1],
//!     ..CircuitArrays::default()
//! })?;
//! let requests = Requests {
//!     words: vec![vec![(0, Pauli::Z.into()), (1, Pauli::Z.into())]],
//!     ..Requests::default()
//! };
//! let group = Group {
//!     structure: Arc::new(structure),
//!     rows: 1,
//!     parameters: vec![],
//!     matrices: vec![],
//!     loaded: LoadedState::None,
//!     requests,
//! };
//! let settings = Settings {
//!     max_bond_dim: Some(16),
//!     cutoff: 1e-20,
//!     precision: Precision::Double,
//!     readout: Readout::Local,
//!     sweeps: true,
//!     ordering: Ordering::Auto,
//!     method: Method::Auto,
//!     threads: Some(1),
//!     memory_limit: 1 << 30,
//! };
//! let job = Job::prepare(vec![group], settings, &PlanCache::default())?;
//! let results = job.execute(&Cancel::default())?;
//! assert!((results[0].rows[0].words[0] - 1.0).abs() < 1e-12);
//! # Ok::<(), bondline::Error>(())
//! ```

mod cancel;
pub mod circuit;
mod coherence;
mod error;
mod gradient;
mod group;
mod guard;
mod histories;
mod ieee;
mod initial;
pub mod linalg;
mod local_operator;
mod memory;
pub mod mps;
mod operator;
mod overlaps;
mod pauli;
mod plan_cache;
mod pool;
mod prepared;
mod program;
mod report;
mod request;
mod result;
mod rng;
mod row;
mod run;
mod scalar;
mod values;

pub use cancel::Cancel;
pub use circuit::Ordering;
pub use error::{Error, Result};
pub use gradient::{
    Derivatives, GradientJob, GradientMethod, GroupGradient, KernelGradient, KernelGradientJob,
    Outputs,
};
pub use group::{Group, LoadedState, Precision, Settings};
pub use guard::{guarded, panics_are_caught};
pub use linalg::Method;
pub use local_operator::LocalOperator;
pub use mps::Readout;
pub use operator::{Block, ChainOperator, OperatorSite};
pub use overlaps::{EncodeJob, Encoded, EncodedState, EncodedStates, Entries, log_overlaps};
pub use pauli::Pauli;
pub use plan_cache::PlanCache;
pub use pool::{available_threads, pool};
pub use report::Report;
pub use request::{Requests, Sampling};
pub use result::{CircuitResult, SampleResult};
pub use rng::{FIRST_MEASUREMENT_DRAW, ShotKey};
pub use run::{GroupResult, Job};
pub use scalar::{C32, C64, Double, Scalar};
