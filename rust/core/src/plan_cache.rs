//! Plans of the structures seen last: a training run or a data set is planned once.

use std::collections::HashMap;
use std::ops::Range;
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
    /// Sites in whose light cone the steps are; `None` for all steps.
    cone: Option<Vec<Range<usize>>>,
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
        let key = Key { structure: Arc::clone(structure), settings: settings.clone(), cone: None };
        if let Some(plan) = self.recall(&key) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(plan);
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        Ok(self.keep(key, Plan::new(structure, settings)?))
    }

    /// The part of `plan`, the one of `structure`, that `sites` depend on; the plan itself if that is all
    /// of it. Neither a hit nor a miss: nothing is planned.
    pub(crate) fn within_light_cone(
        &self,
        plan: CachedPlan,
        structure: &Arc<Structure>,
        settings: &PlanSettings,
        sites: Vec<Range<usize>>,
    ) -> CachedPlan {
        let (structure, settings) = (Arc::clone(structure), settings.clone());
        let key = Key { structure, settings, cone: Some(sites) };
        if let Some(cone) = self.recall(&key) {
            return cone;
        }
        let sites = key.cone.as_deref().unwrap_or_default();
        let limit = key.settings.max_bond_dim;
        match plan.plan.within_light_cone(sites, &key.structure, limit) {
            Some(cone) => self.keep(key, cone),
            None => plan,
        }
    }

    fn recall(&self, key: &Key) -> Option<CachedPlan> {
        let now = self.clock.fetch_add(1, Ordering::Relaxed);
        let mut plans = self.plans.try_lock().ok()?;
        let entry = plans.get_mut(key)?;
        entry.last_used = now;
        Some(entry.plan.clone())
    }

    fn keep(&self, key: Key, plan: Plan) -> CachedPlan {
        let now = self.clock.fetch_add(1, Ordering::Relaxed);
        let plan = CachedPlan { plan: Arc::new(plan), coherence: Arc::default() };
        if let Ok(mut plans) = self.plans.try_lock() {
            while plans.len() >= CAPACITY {
                let oldest = plans.values().map(|entry| entry.last_used).min();
                plans.retain(|_, entry| Some(entry.last_used) != oldest);
            }
            plans.insert(key, Entry { plan: plan.clone(), last_used: now });
        }
        plan
    }

    /// `(hits, misses, plans held)`.
    pub fn info(&self) -> (u64, u64, usize) {
        let held = self.plans.try_lock().map_or(0, |plans| plans.len());
        (self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed), held)
    }
}
