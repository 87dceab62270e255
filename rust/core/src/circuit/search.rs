//! The cheapest of several ways to route a circuit.

use super::fans::Gathered;
use super::front::Dependencies;
use super::layout::{Layout, lay_out};
use super::route::{LookAhead, Routing};
use super::settings::{Ordering, PlanSettings};
use super::structure::Structure;

/// Gates that make a fan: fewer are as well routed one by one.
const LEAST_IN_FAN: usize = 3;

/// Floating-point operations in the time that one way takes for each gate: .3 microseconds, measured.
const EFFORT: f64 = 15_000.0;
/// Ways that are tried whatever they cost.
const FIRST_WAYS: usize = 2;
/// Beyond these, planning may take this share of the evolution for each order of the wires.
const PLANNING: f64 = 0.3;

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
        let mut budget = self.best.as_ref().map_or(f64::INFINITY, |best| share * best.price);
        for Candidate { gathered, dependencies } in &mut self.candidates {
            let effort = EFFORT * gathered.items.len() as f64;
            let mut tried = 0;
            for (look_ahead, nearest_first, backwards) in ways() {
                // Gates look at measurements before them.
                if (backwards && !backwards_too) || (nearest_first && measured) {
                    continue;
                }
                let worth = self.best.as_ref().map_or(f64::INFINITY, |best| PLANNING * best.price);
                if tried >= FIRST_WAYS && effort * tried as f64 > worth {
                    break;
                }
                tried += 1;
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

/// How far to look ahead, whether the nearest go first, and whether to go backwards: those that win most
/// often come first.
fn ways() -> impl Iterator<Item = (LookAhead, bool, bool)> {
    use LookAhead::{Meetings, Nothing, Partners};
    let first = [
        (Nothing, false, false),
        (Meetings(4), true, false),
        (Partners, false, false),
        (Nothing, true, false),
        (Nothing, false, true),
        (Nothing, true, true),
        (Partners, false, true),
    ];
    let rest = [2, 4, 8].into_iter().flat_map(|count| {
        [(false, false), (true, false), (false, true), (true, true)]
            .map(|(nearest_first, backwards)| (Meetings(count), nearest_first, backwards))
    });
    first.into_iter().chain(rest)
}
