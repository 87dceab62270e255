//! Upper bounds of the bond dimensions while steps are applied, and what the steps cost.
//!
//! Nothing here knows a parameter: a step with operator rank at most R, between bonds l and r, on
//! a bond m, leaves a bond of at most min(R·m, 2l, 2r, limit). The true dimensions are often
//! smaller, never larger.

use super::structure::Loaded;

/// Bounds are counted up to 2^100 and no further: far past any memory, and products of a few of
/// them still fit an f64.
const LARGEST: f64 = 1_267_650_600_228_229_401_496_703_205_376.0;

/// Running bound of every bond; bond `b` is left of site `b`, so bonds 0 and n are 1 always.
#[derive(Debug, Clone)]
pub(super) struct BondBounds {
    bonds: Vec<f64>,
}

impl BondBounds {
    /// Those of the initial state with wire `order[site]` on each site: k loaded wires left of a
    /// bond and k' right of it span at most 2^min(k, k').
    pub(super) fn initial(loaded: &Loaded, order: &[u32], limit: Option<usize>) -> Self {
        let count = loaded.wires.len();
        let widest = |left: usize| (left.min(count - left).min(100) as f64).exp2();
        let limit = limit.map_or(LARGEST, |limit| limit as f64);
        Self { bonds: by_loaded_wires(loaded, order, |left| widest(left).min(limit)) }
    }

    /// The same where the loaded state has the bond `dims[k]` after its first k wires, if that is
    /// less.
    pub(super) fn tightened(mut self, loaded: &Loaded, order: &[u32], dims: &[usize]) -> Self {
        let given = by_loaded_wires(loaded, order, |left| {
            dims.get(left).map_or(LARGEST, |dim| *dim as f64)
        });
        self.bonds.iter_mut().zip(given).for_each(|(bond, given)| *bond = bond.min(given));
        self
    }

    /// Σ 2·l·r over all sites.
    pub(super) fn elements(&self) -> f64 {
        self.bonds.windows(2).map(|pair| 2.0 * pair[0] * pair[1]).sum()
    }

    /// The largest bond.
    pub(super) fn largest(&self) -> f64 {
        self.bonds.iter().copied().fold(1.0, f64::max)
    }

    /// The bound of bond `bond`.
    pub(super) fn at(&self, bond: usize) -> f64 {
        self.bonds[bond]
    }

    /// The bounds (l, m, r) around the sites `site`, `site + 1`.
    pub(super) fn around(&self, site: usize) -> [f64; 3] {
        [self.bonds[site], self.bonds[site + 1], self.bonds[site + 2]]
    }

    /// Projects `site` onto one outcome: what is left of its tensor is a matrix between its bonds.
    pub(super) fn project(&mut self, site: usize) {
        let rank = self.bonds[site].min(self.bonds[site + 1]);
        self.bonds[site] = rank;
        self.bonds[site + 1] = rank;
    }

    /// Applies a two-site step on `site`, `site + 1`.
    pub(super) fn apply(&mut self, site: usize, rank: usize, limit: Option<usize>) {
        self.bonds[site + 1] = after_step(self.around(site), rank, limit);
    }
}

/// `bond(k)` for every bond that has k loaded wires left of it.
fn by_loaded_wires(loaded: &Loaded, order: &[u32], bond: impl Fn(usize) -> f64) -> Vec<f64> {
    let mut is_loaded = vec![false; order.len()];
    loaded.wires.iter().for_each(|&wire| is_loaded[wire as usize] = true);
    let mut left = 0;
    let bonds = order.iter().map(|&wire| {
        left += usize::from(is_loaded[wire as usize]);
        bond(left)
    });
    std::iter::once(bond(0)).chain(bonds).collect()
}

/// What a step on many sites costs.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChainCost {
    /// Rough bound of the floating-point operations.
    pub(super) flops: f64,
    /// Numbers that it holds at once besides the state.
    pub(super) working: f64,
    /// By how much the number of tensor elements grows.
    pub(super) growth: f64,
    /// Bound of the largest bond that it leaves.
    pub(super) max_bond: f64,
}

impl BondBounds {
    /// Applies a step on the sites from `site` with operator bonds of at most `operator`: a bond m
    /// grows to at most min(w·m, 2l, 2r, limit).
    ///
    /// A complex multiply-add counts 8. The flops are those of the products of `mps/chain.rs` in
    /// their order, 16 multiply-adds for each entry and column of the QR and five products for the
    /// eigenproblem of a cut.
    pub(super) fn apply_chain(
        &mut self,
        site: usize,
        operator: &[u32],
        limit: Option<usize>,
    ) -> ChainCost {
        let sites = operator.len() + 1;
        let elements =
            |bonds: &[f64]| bonds.windows(2).map(|pair| 2.0 * pair[0] * pair[1]).sum::<f64>();
        let old = self.bonds[site..=site + sites].to_vec();
        let w = |bond: usize| match bond.checked_sub(1) {
            Some(inner) => operator.get(inner).map_or(1.0, |w| f64::from(*w)),
            None => 1.0,
        };
        let (mut flops, mut kept, mut largest) = (0.0, 0.0, 0.0_f64);
        // rows[i]: of what is left of site i, made orthogonal.
        let mut rows = vec![old[0]];
        for i in 0..sites {
            let (from, columns) = (old[i] * w(i), old[i + 1] * w(i + 1));
            let above = 2.0 * rows[i];
            kept += rows[i] * from;
            largest = largest.max(above * columns);
            flops += 8.0 * above * (from * old[i + 1] + 2.0 * columns * above.min(columns));
            rows.push(above.min(columns).min(LARGEST));
        }
        let limit = limit.map_or(LARGEST, |limit| (limit as f64).min(LARGEST));
        let mut max_bond = 1.0_f64;
        for i in (1..sites).rev() {
            let x = self.bonds[site + i + 1];
            let (left, right) = (old[i] * w(i), old[i + 1] * w(i + 1));
            let bond = rows[i].min(2.0 * x).min(limit);
            flops += 16.0 * x * (old[i] * right + rows[i] * left + left * bond);
            flops += 80.0 * rows[i] * x * rows[i].min(2.0 * x);
            self.bonds[site + i] = bond;
            max_bond = max_bond.max(bond);
        }
        let growth = elements(&self.bonds[site..=site + sites]) - elements(&old);
        ChainCost { flops, working: kept + 3.0 * largest, growth, max_bond }
    }
}

/// The bound of the middle bond after a step of operator rank `rank` between bonds l, m, r.
pub(super) fn after_step([l, m, r]: [f64; 3], rank: usize, limit: Option<usize>) -> f64 {
    let limit = limit.map_or(LARGEST, |limit| (limit as f64).min(LARGEST));
    (rank as f64 * m).min(2.0 * l).min(2.0 * r).min(limit)
}

/// Rough bound of the floating-point operations of a two-site step that turns the middle bond from
/// m to k: 32·l·r·(m + k + 10·min(l, r)).
///
/// A complex multiply-add counts 8. The merged matrix is 2l × 2r: 4·l·r·m multiply-adds make it,
/// 4·l·r·k give the new left tensor, and its Gram matrix with the eigenproblem of that is about ten
/// products with the smaller side.
pub(super) fn two_site_flops([l, m, r]: [f64; 3], k: f64) -> f64 {
    32.0 * l * r * (m + k + 10.0 * l.min(r))
}

/// Floating-point operations of a one-site step between bonds l and r: 4·l·r multiply-adds.
pub(super) fn one_site_flops(l: f64, r: f64) -> f64 {
    32.0 * l * r
}
