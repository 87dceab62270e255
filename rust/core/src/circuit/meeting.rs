//! Where two wires that are apart meet: what the way costs by the bounds of the bonds, and what later
//! meetings will cost from there.

use super::bonds::{BondBounds, after_step, two_site_flops};

/// Two wires on sites a and b > a + 1 that a gate awaits.
pub(super) struct FarPair {
    pub(super) a: usize,
    pub(super) b: usize,
    /// Bound of the gate's operator rank.
    pub(super) rank: usize,
    pub(super) limit: Option<usize>,
    /// Where the wires of the meetings that count are now.
    pub(super) later: Vec<[usize; 2]>,
    /// Whether they are the next ones of the two wires themselves.
    pub(super) partners: bool,
}

impl FarPair {
    /// Where what is on `site` now will be if the two meet on `meeting` and the site after it: wires
    /// that the two pass make room, by one site to the left or to the right.
    fn moved(&self, meeting: usize, site: usize) -> usize {
        match site {
            _ if site < self.a || site > self.b => site,
            _ if site == self.a => meeting,
            _ if site == self.b => meeting + 1,
            _ if site <= meeting => site - 1,
            _ => site + 1,
        }
    }

    /// Sites between the wires of the next meetings if the two meet on `meeting` and the site after it;
    /// the farther off, the less they count.
    fn later_moves(&self, meeting: usize) -> f64 {
        // A move for each of them beside one now.
        let (mut weight, farther_off) =
            if self.partners { (PARTNER_MOVE, 1.0) } else { (LATER_MOVE, FARTHER_OFF) };
        let mut sum = 0.0;
        for pair in &self.later {
            let [one, two] = pair.map(|site| self.moved(meeting, site));
            sum += weight * (one.abs_diff(two) - 1) as f64;
            weight *= farther_off;
        }
        sum
    }
}

/// What a later move costs, in units of the gate's step now: more than a move now, since bonds grow.
const LATER_MOVE: f64 = 3.0;
/// The same where only the next meeting of either wire counts.
const PARTNER_MOVE: f64 = 0.3;
/// The price of the moves for one meeting beside that of the meeting before it.
const FARTHER_OFF: f64 = 0.9;

/// Costs of bringing the wires of a far pair together, by the number of moves on each side.
///
/// The moves of the left wire and those of the right wire share no bond, so the cost of a meeting
/// point is a sum of two running sums and the gate itself: O(b − a) for all meeting points.
#[derive(Debug, Default)]
pub(super) struct MoveCosts {
    /// Entry j: cost of moving the left wire j sites to the right, and the bond left of it then.
    left: Vec<(f64, f64)>,
    /// Entry j: cost of moving the right wire j sites to the left, and the bond right of it then.
    right: Vec<(f64, f64)>,
}

impl MoveCosts {
    /// The site m in a..b for which moving the wires to m and m + 1 and applying the gate there
    /// costs least; of equal ones the leftmost.
    pub(super) fn cheapest_meeting(&mut self, bounds: &BondBounds, pair: &FarPair) -> usize {
        let &FarPair { a, b, .. } = pair;
        let step = |around: [f64; 3], rank: usize| {
            let bond = after_step(around, rank, pair.limit);
            (two_site_flops(around, bond), bond)
        };
        self.left.clear();
        self.left.push((0.0, bounds.at(a)));
        for site in a..b - 1 {
            let (so_far, l) = self.left[site - a];
            let [_, m, r] = bounds.around(site);
            let (cost, bond) = step([l, m, r], 4);
            self.left.push((so_far + cost, bond));
        }
        self.right.clear();
        self.right.push((0.0, bounds.at(b + 1)));
        for site in (a + 1..b).rev() {
            let (so_far, r) = self.right[b - 1 - site];
            let [l, m, _] = bounds.around(site);
            let (cost, bond) = step([l, m, r], 4);
            self.right.push((so_far + cost, bond));
        }
        let mut best = (f64::INFINITY, a);
        for meeting in a..b {
            let (left_cost, l) = self.left[meeting - a];
            let (right_cost, r) = self.right[b - 1 - meeting];
            let (gate_cost, _) = step([l, bounds.at(meeting + 1), r], pair.rank);
            let later = gate_cost * pair.later_moves(meeting);
            let cost = left_cost + right_cost + gate_cost + later;
            if cost < best.0 {
                best = (cost, meeting);
            }
        }
        best.1
    }
}
