//! Plans of the structures seen last: a training run or a data set is planned once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::circuit::{Plan, PlanSettings, Structure};
use crate::coherence::CoherenceMemory;
use crate::error::Result;

/// Plans kept; a plan of 3,000 steps takes about half a megabyte.
const CAPACITY: usize = 64;

/// A bounded cache of plans, least recently used out first.
///
/// Best effort: where another thread holds it (or held it when this process was forked), the plan
/// is simply made again.
#[derive(Default)]
pub struct PlanCache {
    plans: Mutex<HashMap<Key, Entry>>,
    clock: AtomicU64,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// A plan and what its runs have shown.
#[derive(Clone)]
pub(crate) struct CachedPlan {
    pub plan: Arc<Plan>,
    pub coherence: Arc<CoherenceMemory>,
}

#[derive(PartialEq, Eq, Hash)]
struct Key {
    structure: Arc<Structure>,
    settings: PlanSettings,
}

struct Entry {
    plan: CachedPlan,
    last_used: u64,
}

impl PlanCache {
    /// The plan of `structure`, from the cache or made now.
    ///
    /// # Errors
    /// Those of [`Plan::new`].
    pub(crate) fn plan(
        &self,
        structure: &Arc<Structure>,
        settings: &PlanSettings,
    ) -> Result<CachedPlan> {
        let now = self.clock.fetch_add(1, Ordering::Relaxed);
        let key = Key { structure: Arc::clone(structure), settings: settings.clone() };
        if let Ok(mut plans) = self.plans.try_lock()
            && let Some(entry) = plans.get_mut(&key)
        {
            entry.last_used = now;
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(entry.plan.clone());
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        let plan = CachedPlan {
            plan: Arc::new(Plan::new(structure, settings)?),
            coherence: Arc::default(),
        };
        if let Ok(mut plans) = self.plans.try_lock() {
            while plans.len() >= CAPACITY {
                let oldest = plans.values().map(|entry| entry.last_used).min();
                plans.retain(|_, entry| Some(entry.last_used) != oldest);
            }
            plans.insert(key, Entry { plan: plan.clone(), last_used: now });
        }
        Ok(plan)
    }

    /// `(hits, misses, plans held)`.
    pub fn info(&self) -> (u64, u64, usize) {
        let held = self.plans.try_lock().map_or(0, |plans| plans.len());
        (self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed), held)
    }
}
