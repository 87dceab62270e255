//! States that enter and leave the engine, against dense vectors.
#![allow(clippy::unwrap_used, clippy::panic)] // in a test a panic is the report

use std::sync::Arc;

use bondline::circuit::{CircuitArrays, GATES, Loaded, Structure};
use bondline::mps::{SiteTensor, overlap_of_tensors};
use bondline::{
    C64, Cancel, CircuitResult, Error, Group, GroupResult, Job, LoadedState, Method, Ordering,
    Pauli, PlanCache, Precision, Readout, Requests, Result, Settings,
};

struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from((self.0 >> 33) as u32) / f64::from(1_u32 << 30) - 1.0
    }

    fn vector(&mut self, wires: usize) -> Vec<C64> {
        let mut vector: Vec<C64> =
            (0..1 << wires).map(|_| C64::new(self.next(), self.next())).collect();
        let norm = vector.iter().map(C64::norm_sqr).sum::<f64>().sqrt();
        vector.iter_mut().for_each(|x| *x /= norm);
        vector
    }

    fn tensors(&mut self, bonds: &[usize]) -> Vec<SiteTensor<C64>> {
        let mut tensors: Vec<SiteTensor<C64>> = bonds
            .windows(2)
            .map(|pair| SiteTensor {
                left: pair[0],
                right: pair[1],
                entries: (0..2 * pair[0] * pair[1])
                    .map(|_| C64::new(self.next(), self.next()))
                    .collect(),
            })
            .collect();
        let norm = dense(&tensors).iter().map(C64::norm_sqr).sum::<f64>().sqrt();
        tensors[0].entries.iter_mut().for_each(|x| *x /= norm);
        tensors
    }
}

/// The amplitudes of a chain, the first site most significant.
fn dense(tensors: &[SiteTensor<C64>]) -> Vec<C64> {
    let mut rows = vec![vec![C64::ONE]];
    for site in tensors {
        rows = rows
            .iter()
            .flat_map(|row| {
                [0, 1].map(|bit| {
                    let entry = |l: usize, r: usize| site.entries[l + site.left * (bit + 2 * r)];
                    (0..site.right)
                        .map(|r| (0..site.left).map(|l| row[l] * entry(l, r)).sum())
                        .collect::<Vec<C64>>()
                })
            })
            .collect();
    }
    rows.into_iter().map(|row| row[0]).collect()
}

/// `vector` over `wires` and |0⟩ on all others of n.
fn embedded(vector: &[C64], wires: &[u32], n: usize) -> Vec<C64> {
    let mut full = vec![C64::ZERO; 1 << n];
    for (index, amplitude) in vector.iter().enumerate() {
        let bits = wires
            .iter()
            .enumerate()
            .map(|(j, &wire)| (index >> (wires.len() - 1 - j) & 1) << (n - 1 - wire as usize));
        full[bits.sum::<usize>()] = *amplitude;
    }
    full
}

fn id(name: &str) -> u16 {
    u16::try_from(GATES.iter().position(|gate| gate.name == name).unwrap()).unwrap()
}

/// `(gate, wires, parameters)`.
type Gate = (&'static str, Vec<u32>, Vec<f64>);

fn group(n: usize, gates: &[Gate], loaded: Loaded, state: LoadedState, rows: usize) -> Group {
    let structure = Structure::new(CircuitArrays {
        n_wires: n,
        gates: gates.iter().map(|gate| id(gate.0)).collect(),
        wire_counts: gates.iter().map(|gate| u32::try_from(gate.1.len()).unwrap()).collect(),
        wires: gates.iter().flat_map(|gate| gate.1.clone()).collect(),
        loaded,
        ..CircuitArrays::default()
    });
    let parameters: Vec<f64> = gates.iter().flat_map(|gate| gate.2.clone()).collect();
    Group {
        structure: Arc::new(structure.unwrap()),
        rows,
        parameters: parameters.repeat(rows),
        matrices: vec![],
        loaded: state,
        requests: Requests { dense_state: true, ..Requests::default() },
    }
}

fn plain(n: usize, gates: &[Gate]) -> Group {
    group(n, gates, Loaded::default(), LoadedState::None, 1)
}

fn settings(ordering: Ordering) -> Settings {
    Settings {
        max_bond_dim: None,
        cutoff: 0.0,
        precision: Precision::Double,
        readout: Readout::Local,
        sweeps: true,
        ordering,
        method: Method::Auto,
        threads: Some(1),
        memory_limit: 1 << 30,
    }
}

fn run(group: Group, settings: &Settings) -> Result<GroupResult> {
    let job = Job::prepare(vec![group], settings.clone(), &PlanCache::default())?;
    Ok(job.execute(&Cancel::default())?.remove(0))
}

fn row(group: Group, settings: &Settings) -> Result<CircuitResult> {
    Ok(run(group, settings)?.rows.remove(0))
}

fn assert_close(found: &[C64], expected: &[C64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    let worst = found.iter().zip(expected).map(|(x, y)| (x - y).norm()).fold(0.0, f64::max);
    assert!(worst < tolerance, "differ by {worst:e}");
}

/// Far gates, a ring, a SWAP and a global phase.
fn permuting(n: u32) -> Vec<Gate> {
    let mut gates: Vec<Gate> = vec![("GlobalPhase", vec![], vec![0.7])];
    for layer in 0..2 {
        for wire in 0..n {
            gates.push(("RX", vec![wire], vec![0.3 + 0.2 * f64::from(wire + layer)]));
            gates.push(("RZ", vec![wire], vec![0.9 - 0.1 * f64::from(wire)]));
        }
        (0..n).for_each(|wire| gates.push(("CNOT", vec![wire, (wire + 1) % n], vec![])));
        gates.push(("SWAP", vec![0, n / 2], vec![]));
        gates.push(("IsingXY", vec![n - 1, 1], vec![0.8]));
    }
    gates
}

#[test]
fn vectors_on_scattered_wires() -> Result<()> {
    let mut random = Random(3);
    for (n, wires) in [
        (1, vec![0]),
        (4, vec![2]),
        (5, vec![4, 0, 2]),
        (6, vec![5, 1, 0, 3]),
        (5, vec![0, 1, 2, 3, 4]),
        (7, vec![6, 5, 0]),
    ] {
        let vector = random.vector(wires.len());
        let expected = embedded(&vector, &wires, n);
        let loaded = Loaded { wires: wires.clone(), ordered: false };
        let explicit = (0..n as u32).map(|site| (site * 3 + 1) % n as u32).collect::<Vec<_>>();
        let shuffled = (0..n as u32).all(|wire| explicit.contains(&wire));
        let orderings = [Ordering::Given, Ordering::Auto, Ordering::Explicit(explicit)];
        for ordering in orderings.iter().take(if shuffled { 3 } else { 2 }) {
            let load = || group(n, &[], loaded.clone(), LoadedState::Vectors(vector.clone()), 1);
            let result = row(load(), &settings(ordering.clone()))?;
            assert_close(result.dense_state.as_deref().unwrap(), &expected, 1e-12);
            assert!(result.report.log_norm.abs() < 1e-12);
            assert!(result.report.discarded.iter().all(|weight| *weight == 0.0));
            let single = Settings { precision: Precision::Single, ..settings(ordering.clone()) };
            assert_close(row(load(), &single)?.dense_state.as_deref().unwrap(), &expected, 1e-5);
        }
    }
    Ok(())
}

/// A loaded state goes through a circuit as the gates that would prepare it do.
#[test]
fn gates_act_on_loaded_states() -> Result<()> {
    let n = 6;
    let prepared = row(plain(n, &permuting(6)), &settings(Ordering::Given))?;
    let middle = prepared.dense_state.unwrap();
    let more = &permuting(6)[5..];
    let expected = {
        let mut all = permuting(6);
        all.extend(more.iter().cloned());
        row(plain(n, &all), &settings(Ordering::Given))?.dense_state.unwrap()
    };
    // The vector's wires in another order: the index bits move with them.
    let wires: Vec<u32> = vec![3, 0, 5, 1, 4, 2];
    let mut vector = vec![C64::ZERO; 1 << n];
    for (index, entry) in vector.iter_mut().enumerate() {
        let bits = wires
            .iter()
            .enumerate()
            .map(|(j, &wire)| (index >> (n - 1 - j) & 1) << (n - 1 - wire as usize));
        *entry = middle[bits.sum::<usize>()];
    }
    let loaded = Loaded { wires, ordered: false };
    for ordering in [Ordering::Given, Ordering::Auto] {
        let state = LoadedState::Vectors(vector.clone());
        let result = row(group(n, more, loaded.clone(), state, 1), &settings(ordering))?;
        assert_close(result.dense_state.as_deref().unwrap(), &expected, 1e-12);
    }
    Ok(())
}

#[test]
fn rows_load_their_own_vectors() -> Result<()> {
    let mut random = Random(8);
    let vectors: Vec<Vec<C64>> = (0..5).map(|_| random.vector(3)).collect();
    let wires = vec![3, 1, 0];
    let loaded = Loaded { wires: wires.clone(), ordered: false };
    let expected: Vec<Vec<C64>> =
        vectors.iter().map(|vector| embedded(vector, &wires, 4)).collect();
    for threads in [1, 3] {
        let all = LoadedState::Vectors(vectors.concat());
        let settings = Settings { threads: Some(threads), ..settings(Ordering::Auto) };
        let rows = run(group(4, &[], loaded.clone(), all, 5), &settings)?.rows;
        for (result, expected) in rows.iter().zip(&expected) {
            assert_close(result.dense_state.as_deref().unwrap(), expected, 1e-12);
        }
        let one = LoadedState::Vectors(vectors[2].clone());
        for result in &run(group(4, &[], loaded.clone(), one, 5), &settings)?.rows {
            assert_close(result.dense_state.as_deref().unwrap(), &expected[2], 1e-12);
        }
    }
    Ok(())
}

#[test]
fn tensors_keep_their_order() -> Result<()> {
    let mut random = Random(11);
    let tensors = random.tensors(&[1, 2, 3, 5, 1]);
    let vector = dense(&tensors);
    let gates = permuting(6);
    for wires in [vec![0, 1, 2, 3], vec![1, 2, 4, 5], vec![5, 0, 3, 2]] {
        let ascending = wires.is_sorted();
        let loaded = |ordered| Loaded { wires: wires.clone(), ordered };
        let given = |gates: &[Gate]| {
            group(6, gates, loaded(true), LoadedState::Tensors(tensors.clone()), 1)
        };
        let as_vector = LoadedState::Vectors(vector.clone());
        let reference = group(6, &gates, loaded(false), as_vector, 1);
        let expected = row(reference, &settings(Ordering::Given))?.dense_state.unwrap();
        let result = row(given(&[]), &settings(Ordering::Auto))?;
        assert_close(&result.dense_state.unwrap(), &embedded(&vector, &wires, 6), 1e-12);
        let result = row(given(&gates), &settings(Ordering::Auto))?;
        assert_close(&result.dense_state.unwrap(), &expected, 1e-12);
        let mut order: Vec<u32> = (0..6).filter(|wire| !wires.contains(wire)).collect();
        order.splice(1..1, wires.iter().copied());
        let result = row(given(&gates), &settings(Ordering::Explicit(order.clone())))?;
        assert_close(&result.dense_state.unwrap(), &expected, 1e-12);
        order.reverse();
        for (ordering, good) in [(Ordering::Explicit(order), false), (Ordering::Given, ascending)] {
            let result = row(given(&gates), &settings(ordering));
            if good {
                assert_close(&result?.dense_state.unwrap(), &expected, 1e-12);
            } else {
                refused(result, &["along wires", "auto"]);
            }
        }
    }
    Ok(())
}

fn refused<T>(result: Result<T>, words: &[&str]) {
    let Err(error @ Error::InvalidInput { .. }) = result else { panic!("not refused: {words:?}") };
    let text = error.to_string();
    assert!(words.iter().all(|word| text.contains(word)), "{text}");
}

#[test]
fn wrong_states_are_refused_before_work() {
    let mut random = Random(2);
    let wires = vec![0, 2, 1];
    let loaded = |ordered| Loaded { wires: wires.clone(), ordered };
    let try_vectors = |vectors: Vec<C64>, rows| {
        row(
            group(4, &[], loaded(false), LoadedState::Vectors(vectors), rows),
            &settings(Ordering::Auto),
        )
    };
    let try_tensors = |tensors| {
        row(
            group(4, &[], loaded(true), LoadedState::Tensors(tensors), 1),
            &settings(Ordering::Auto),
        )
    };
    let vector = random.vector(3);
    let scaled = |factor: f64| vector.iter().map(|x| x * factor).collect::<Vec<_>>();
    assert!(try_vectors(scaled(1.0 + 5e-7), 1).is_ok());
    refused(try_vectors(scaled(1.001), 1), &["norm 1", "1.001", "normalise"]);
    refused(try_vectors(scaled(0.0), 1), &["norm 1", "normalise"]);
    let second = [vector.clone(), scaled(1.1)].concat();
    match try_vectors(second, 2) {
        Err(Error::InvalidInput { row: Some(1), .. }) => {}
        other => panic!("{other:?}"),
    }
    refused(try_vectors(vector[..7].to_vec(), 1), &["2^3", "got 7"]);
    refused(try_vectors(vec![C64::ZERO; 24], 2), &["2 rows", "got 24"]);
    let mut broken = vector.clone();
    broken[5] = C64::new(f64::NAN, 0.0);
    refused(try_vectors(broken, 1), &["amplitude 5", "finite"]);
    let tensors = random.tensors(&[1, 2, 2, 1]);
    assert!(try_tensors(tensors.clone()).is_ok());
    refused(try_tensors(tensors[..2].to_vec()), &["3 wires", "got 2"]);
    let mut unnormalised = tensors.clone();
    unnormalised[1].entries.iter_mut().for_each(|x| *x *= 2.0);
    refused(try_tensors(unnormalised), &["norm 1", "got 2.0"]);
    let mut apart = tensors.clone();
    apart[1].left = 3;
    refused(try_tensors(apart), &["tensor 1", "left bond"]);
    let mut open = tensors;
    open[2] = SiteTensor { left: 2, right: 2, entries: vec![C64::ONE; 8] };
    refused(try_tensors(open), &["last right bond"]);
    let no_state = group(4, &[], loaded(false), LoadedState::None, 1);
    refused(row(no_state, &settings(Ordering::Auto)), &["none is given"]);
}

/// A cut of a loaded state is reported: at its bond, in the norm, in every cone.
#[test]
fn truncated_loads_are_reported() -> Result<()> {
    let mut random = Random(21);
    let (n, wires) = (7, vec![0, 1, 3, 4, 5, 6]);
    let tensors = random.tensors(&[1, 2, 4, 8, 4, 2, 1]);
    let vector = dense(&tensors);
    let expected = embedded(&vector, &wires, n);
    for (ordered, state) in
        [(false, LoadedState::Vectors(vector)), (true, LoadedState::Tensors(tensors))]
    {
        let mut group = group(n, &[], Loaded { wires: wires.clone(), ordered }, state, 1);
        group.requests.words = vec![vec![(6, Pauli::Z.into())]];
        let settings = Settings { max_bond_dim: Some(4), ..settings(Ordering::Given) };
        let result = row(group, &settings)?;
        let report = &result.report;
        let amplitudes = result.dense_state.unwrap();
        let fidelity: C64 = expected.iter().zip(&amplitudes).map(|(x, y)| x.conj() * y).sum();
        // Only the middle bond, 8 wide, is cut, and a single cut's norm is its fidelity.
        let lost = 1.0 - fidelity.norm_sqr();
        assert!(lost > 1e-3);
        assert!((report.log_norm.exp() - fidelity.norm_sqr()).abs() < 1e-12);
        assert!((report.discarded[3] - lost).abs() < 1e-12, "{:?}", report.discarded);
        assert!((report.cones[0] - lost).abs() < 1e-12);
        assert_eq!(report.saturated, [false, false, false, true, false, false]);
        assert_eq!(report.bonds, [2, 4, 4, 4, 4, 2]);
        assert_eq!(report.largest_bond, 4);
        assert!(report.peak_bytes >= 16 * 2 * (2 + 8 + 16 + 16 + 16 + 8 + 2));
    }
    Ok(())
}

#[test]
fn tensors_are_the_state_in_the_order_of_the_wires() -> Result<()> {
    for n in [1_u32, 2, 5, 8] {
        let gates = if n > 3 { permuting(n) } else { vec![("RX", vec![0], vec![0.4])] };
        let expected = row(plain(n as usize, &gates), &settings(Ordering::Given))?;
        let expected = expected.dense_state.unwrap();
        let backwards = Ordering::Explicit((0..n).rev().collect());
        for ordering in [Ordering::Given, Ordering::Auto, backwards] {
            let mut alone = plain(n as usize, &gates);
            alone.requests = Requests { tensors: true, ..Requests::default() };
            let mut both = alone.clone();
            both.requests.words =
                vec![vec![(0, Pauli::Z.into())], vec![(n as usize - 1, Pauli::X.into())]];
            let mut words = both.clone();
            words.requests.tensors = false;
            for precision in [Precision::Double, Precision::Single] {
                let settings =
                    Settings { precision, max_bond_dim: Some(8), ..settings(ordering.clone()) };
                let double = precision == Precision::Double;
                let alone = run(alone.clone(), &settings)?;
                let order: Vec<usize> = (0..n as usize).collect();
                assert_eq!(alone.plan.wire_of_site(), order);
                let alone = &alone.rows[0];
                let tensors = alone.tensors.as_ref().unwrap();
                if alone.report.discarded.iter().sum::<f64>() < 1e-20 {
                    let tolerance = if double { 1e-12 } else { 1e-5 };
                    assert_close(&dense(tensors), &expected, tolerance);
                } else {
                    assert!(n == 8);
                }
                let norm = overlap_of_tensors(tensors, tensors, &Cancel::default())?;
                assert!(norm.log_modulus.abs() < 1e-12 && norm.phase.arg().abs() < 1e-12);
                let spectra = alone.schmidt_values.as_ref().unwrap();
                assert_eq!(spectra.len(), n as usize - 1);
                for (spectrum, bond) in spectra.iter().zip(&tensors[1..]) {
                    assert_eq!(spectrum.len(), bond.left);
                    assert!(spectrum.is_sorted_by(|a, b| a >= b));
                    assert!((spectrum.iter().map(|s| s * s).sum::<f64>() - 1.0).abs() < 1e-12);
                }
                // Neither changes the other, not in the last bit.
                let both = row(both.clone(), &settings)?;
                assert_eq!(&both.tensors, &alone.tensors);
                assert_eq!(both.words, row(words.clone(), &settings)?.words);
            }
        }
    }
    Ok(())
}

/// Out and in again: the same state, with nothing lost.
#[test]
fn tensors_come_back() -> Result<()> {
    let mut out = plain(8, &permuting(8));
    out.requests.tensors = true;
    for precision in [Precision::Double, Precision::Single] {
        let settings = Settings { precision, ..settings(Ordering::Auto) };
        let first = row(out.clone(), &settings)?;
        let loaded = Loaded { wires: (0..8).collect(), ordered: true };
        let state = LoadedState::Tensors(first.tensors.unwrap());
        let again = row(group(8, &[], loaded, state, 1), &settings)?;
        let tolerance = if precision == Precision::Double { 1e-12 } else { 1e-5 };
        assert_close(&again.dense_state.unwrap(), &first.dense_state.unwrap(), tolerance);
    }
    Ok(())
}

#[test]
fn overlaps_of_tensors() -> Result<()> {
    let mut random = Random(5);
    let (bra, ket) = (random.tensors(&[1, 2, 4, 3, 1]), random.tensors(&[1, 2, 1, 2, 1]));
    let expected: C64 = dense(&bra).iter().zip(dense(&ket)).map(|(x, y)| x.conj() * y).sum();
    let found = overlap_of_tensors(&bra, &ket, &Cancel::default())?;
    assert!((found.value() - expected).norm() < 1e-14);
    // As they are, not normalised.
    let mut scaled = ket.clone();
    scaled[2].entries.iter_mut().for_each(|x| *x *= C64::new(0.0, 3.0));
    let found = overlap_of_tensors(&bra, &scaled, &Cancel::default())?;
    assert!((found.value() - expected * C64::new(0.0, 3.0)).norm() < 1e-14);
    let product = |bits: &[usize]| -> Vec<SiteTensor<C64>> {
        let entries = |bit: usize| [1 - bit, bit].map(|x| C64::new(x as f64, 0.0)).to_vec();
        let site = |&bit: &usize| SiteTensor { left: 1, right: 1, entries: entries(bit) };
        bits.iter().map(site).collect()
    };
    let zero = overlap_of_tensors(&product(&[0, 1]), &product(&[1, 1]), &Cancel::default())?;
    assert!(zero.log_modulus == f64::NEG_INFINITY && zero.phase == C64::ONE);
    refused(overlap_of_tensors(&bra, &product(&[0, 1]), &Cancel::default()), &["equal length"]);
    refused(overlap_of_tensors(&bra[1..], &ket[1..], &Cancel::default()), &["bra", "tensor 0"]);
    let mut broken = ket;
    broken[3].entries[0] = C64::new(f64::INFINITY, 0.0);
    refused(overlap_of_tensors(&bra, &broken, &Cancel::default()), &["ket", "tensor 3", "finite"]);
    Ok(())
}

/// (|0…0⟩ + |1…1⟩)/√2 on n sites.
fn cat_state(n: usize) -> Vec<SiteTensor<C64>> {
    let (zero, one) = (C64::ZERO, C64::ONE);
    let half = one * 0.5_f64.sqrt();
    let mut tensors = vec![
        SiteTensor {
            left: 2,
            right: 2,
            entries: vec![one, zero, zero, zero, zero, zero, zero, one]
        };
        n
    ];
    tensors[0] = SiteTensor { left: 1, right: 2, entries: vec![half, zero, zero, half] };
    tensors[n - 1] = SiteTensor { left: 2, right: 1, entries: vec![one, zero, zero, one] };
    tensors
}

/// What a state may take counts from the tensors given, not from what so many wires could take.
#[test]
fn wide_tensors_need_the_memory_of_their_bonds() -> Result<()> {
    let n = 600;
    let wires: Vec<u32> = (0..n as u32).filter(|wire| wire % 3 != 1).collect();
    let tensors = cat_state(wires.len());
    let last = wires[wires.len() - 1] as usize;
    let loaded = Loaded { wires, ordered: true };
    let mut group =
        group(n, &[("CNOT", vec![0, 1], vec![])], loaded, LoadedState::Tensors(tensors), 1);
    group.requests = Requests {
        words: vec![
            vec![(0, Pauli::Z.into()), (last, Pauli::Z.into())],
            vec![(1, Pauli::Z.into())],
            vec![(4, Pauli::Z.into())],
        ],
        tensors: true,
        ..Requests::default()
    };
    for max_bond_dim in [Some(1024), None] {
        let settings = Settings { max_bond_dim, memory_limit: 1 << 22, ..settings(Ordering::Auto) };
        let result = row(group.clone(), &settings)?;
        for (value, expected) in result.words.iter().zip([1.0, 0.0, 1.0]) {
            assert!((value - expected).abs() < 1e-12, "{value}");
        }
        assert_eq!(result.report.largest_bond, 2);
        assert_eq!(result.tensors.unwrap().len(), n);
    }
    Ok(())
}
