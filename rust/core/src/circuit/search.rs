//! The cheapest of several ways to route a circuit.

use super::fans::Gathered;
use super::front::Dependencies;
use super::layout::{Layout, lay_out};
use super::route::{LookAhead, Routing};
use super::settings::{Ordering, PlanSettings};
use super::structure::Structure;

/// Gates that make a fan: fewer are as well routed one by one.
const LEAST_IN_FAN: usize = 3;

/// Circuits of more gates than this are not worth every way: planning would take too long.
const MANY_GATES: usize = 20_000;

/// Where swaps have less than this share of the price, other ways to route have no more to save.
const FEW_MOVES: f64 = 0.05;

/// The cheapest layout so far, and what all ways share.
pub(super) struct Search<'a> {
    structure: &'a Structure,
    settings: &'a PlanSettings,
    /// With fans, where there are any, and gate by gate.
    candidates: Vec<Candidate>,
    pub(super) best: Option<Layout>,
}

/// A circuit's items, and what waits for what, forwards and backwards, once that is asked.
struct Candidate {
    gathered: Gathered,
    dependencies: [Option<Dependencies>; 2],
}

impl Candidate {
    fn new(gathered: Gathered) -> Self {
        Self { gathered, dependencies: [None, None] }
    }
}

impl<'a> Search<'a> {
    pub(super) fn new(structure: &'a Structure, settings: &'a PlanSettings) -> Self {
        let with_fans = Gathered::with_fans(structure, LEAST_IN_FAN);
        let fans = (!with_fans.fans.is_empty()).then_some(with_fans);
        let gathered = fans.into_iter().chain([Gathered::single(structure)]);
        let candidates = gathered.map(Candidate::new).collect();
        Self { structure, settings, candidates, best: None }
    }

    /// Routes from `order` in several ways: with and without fans, with more or less of a look ahead,
    /// gates in their own order and the nearest first, forwards and, where the start is free, backwards.
    /// What costs less than `share` of the best so far takes its place.
    pub(super) fn try_order(&mut self, order: &[u32], share: f64) {
        let (settings, structure) = (self.settings, self.structure);
        let measured = !structure.measures().is_empty();
        let start_is_free =
            settings.ordering == Ordering::Auto && structure.loaded().wires.is_empty() && !measured;
        // Backwards the given order is that of the end.
        let backwards_too = start_is_free && (!settings.restore_order || order.is_sorted());
        let all = if structure.n_gates() > MANY_GATES { 4 } else { usize::MAX };
        let mut budget = self.best.as_ref().map_or(f64::INFINITY, |best| share * best.price);
        for Candidate { gathered, dependencies } in &mut self.candidates {
            for (look_ahead, nearest_first, backwards) in ways().take(all) {
                // Gates look at measurements before them.
                if (backwards && !backwards_too) || (nearest_first && measured) {
                    continue;
                }
                let dependencies = nearest_first.then(|| {
                    &*dependencies[usize::from(backwards)]
                        .get_or_insert_with(|| Dependencies::new(structure, gathered, backwards))
                });
                let routing = Routing {
                    limit: settings.max_bond_dim,
                    look_ahead,
                    nearest_first: dependencies,
                    budget,
                    restore_order: settings.restore_order,
                    backwards,
                };
                let Some(layout) = lay_out(structure, gathered, order, routing) else { continue };
                budget = layout.price;
                let (done, few_moves) =
                    (layout.detours == 0, layout.moves < FEW_MOVES * layout.price);
                self.best = Some(layout);
                if done {
                    return;
                }
                if few_moves {
                    break;
                }
            }
        }
    }
}

/// How far to look ahead, whether the nearest go first, and whether to go backwards.
fn ways() -> impl Iterator<Item = (LookAhead, bool, bool)> {
    use LookAhead::{Meetings, Nothing, Partners};
    [Nothing, Partners, Meetings(2), Meetings(4), Meetings(8)].into_iter().flat_map(|look_ahead| {
        [(false, false), (false, true), (true, false), (true, true)]
            .map(|(nearest_first, backwards)| (look_ahead, nearest_first, backwards))
    })
}
