//! Overlaps of all pairs of encoded states, against dense vectors and plain loops.
#![allow(clippy::unwrap_used, clippy::panic)] // in a test a panic is the report

mod packed;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bondline::{
    C32, C64, Cancel, EncodedState, EncodedStates, Entries, Error, Result, Scalar, log_overlaps,
};
use packed::{Plain, Random, alike, assert_dense, bits, overlaps, set, strays};

#[test]
fn every_entry_is_the_dense_overlap_whatever_the_bonds() -> Result<()> {
    let mut random = Random(1);
    for n in 1..=10 {
        let (bra, ket) = (strays(n, 4, 20, &mut random), strays(n, 5, 20, &mut random));
        let found = overlaps(&set(&bra, false)?, Some(&set(&ket, false)?))?;
        assert_dense(&found, &bra, &ket, 1e-9);
    }
    Ok(())
}

#[test]
fn sets_of_one_bond_give_the_dense_overlap_in_any_number() -> Result<()> {
    let mut random = Random(2);
    for bond in 1..=20 {
        for (other, real) in [(bond, false), (bond, true), (21 - bond, false), (2, false)] {
            // Numbers that no width of a batch divides, and one state alone.
            for count in [1, 5, 19] {
                let bra = alike(5, 3, bond, real, &mut random);
                let ket = alike(5, count, other, real, &mut random);
                let found = overlaps(&set(&bra, false)?, Some(&set(&ket, false)?))?;
                assert_dense(&found, &bra, &ket, 1e-9);
            }
        }
    }
    Ok(())
}

#[test]
fn single_precision_is_right_to_1e4() -> Result<()> {
    let mut random = Random(3);
    for n in [1, 2, 6, 10] {
        let mut bra = strays(n, 3, 20, &mut random);
        bra.extend(alike(n, 9, 2, false, &mut random));
        let ket = alike(n, 11, 4, true, &mut random);
        let (narrow, other) = (set(&bra, true)?, set(&ket, true)?);
        assert!(narrow.single_precision() && narrow.n_bytes() < set(&bra, false)?.n_bytes());
        assert_dense(&overlaps(&narrow, Some(&other))?, &bra, &ket, 1e-4);
        assert_dense(&overlaps(&narrow, Some(&set(&ket, false)?))?, &bra, &ket, 1e-4);
        assert_dense(&overlaps(&narrow, None)?, &bra, &bra, 1e-4);
    }
    Ok(())
}

#[test]
fn orthogonal_states_have_minus_infinity_and_spoil_no_other() -> Result<()> {
    let mut random = Random(4);
    for single in [false, true] {
        for bond in [1, 2, 3, 4, 9] {
            let (n, site) = (9, 4);
            // On wire 4 the first kind is |0⟩, the second |1⟩.
            let kind = |bit: usize, random: &mut Random| {
                let mut state = Plain::random(&vec![bond; n - 1], false, random);
                let start = 2 * bond + 2 * bond * bond * (site - 1);
                for l in 0..bond {
                    let gone = start + (2 * l + 1 - bit) * bond;
                    state.entries[gone..gone + bond].fill(C64::ZERO);
                }
                state.normalised()
            };
            let kinds = [0, 1, 1, 0, 0, 1, 0, 1, 1, 1, 0];
            let states: Vec<Plain> = kinds.iter().map(|bit| kind(*bit, &mut random)).collect();
            let states = set(&states, single)?;
            for found in [overlaps(&states, None)?, overlaps(&states, Some(&states))?] {
                for (index, found) in found.iter().enumerate() {
                    let (i, j) = (index / kinds.len(), index % kinds.len());
                    assert_eq!(kinds[i] != kinds[j], *found == f64::NEG_INFINITY, "{i} {j}");
                    assert!(!found.is_nan());
                }
            }
        }
    }
    Ok(())
}

/// |0…0⟩ + sign |1…1⟩
fn ghz(n: usize, sign: f64) -> Plain {
    let mut state = Plain { bonds: vec![2; n - 1], entries: Vec::new() };
    for (site, (left, right)) in state.dims().into_iter().enumerate() {
        for (l, s, r) in
            (0..left).flat_map(|l| (0..2).flat_map(move |s| (0..right).map(move |r| (l, s, r))))
        {
            let kept = (left == 1 || l == s) && (right == 1 || r == s);
            let value = if site == 0 && s == 1 { sign } else { 1.0 };
            state.entries.push(C64::new(if kept { value } else { 0.0 }, 0.0));
        }
    }
    state.entries.iter_mut().for_each(|x| *x *= 0.5_f64.powf(0.5 / n as f64));
    state
}

#[test]
fn what_cancels_is_nearly_nothing() -> Result<()> {
    let states = set(&[ghz(12, 1.0), ghz(12, -1.0), ghz(12, 1.0)], false)?;
    let found = overlaps(&states, None)?;
    assert!(found[1] < -60.0 && found[5] < -60.0, "{found:?}");
    assert!(found[2].abs() < 1e-12, "{found:?}");
    Ok(())
}

#[test]
fn logarithms_of_784_wires_keep_their_digits() -> Result<()> {
    let n = 784;
    let mut random = Random(5);
    // Each wire costs about half a unit, or more where the angles lie further apart.
    let mut angles = |spread: f64| -> Vec<(f64, f64)> {
        (0..n).map(|_| (0.8 + spread * random.next(), 0.4 + spread * random.next())).collect()
    };
    let list: Vec<Vec<(f64, f64)>> = [0.1, 0.9, 1.0, 1.1, 3.0].map(&mut angles).to_vec();
    let products: Vec<Plain> = list.iter().map(|angles| Plain::product(angles)).collect();
    let found = overlaps(&set(&products, false)?, None)?;
    let mut near_400 = 0;
    for (i, a) in list.iter().enumerate() {
        for (j, b) in list.iter().enumerate().skip(i + 1) {
            let wire = |(&(t, p), &(u, q)): (&(f64, f64), &(f64, f64))| {
                let inner = t.cos() * u.cos() + C64::from_polar(t.sin() * u.sin(), q - p);
                inner.norm_sqr().ln()
            };
            let exact: f64 = a.iter().zip(b).map(wire).sum();
            near_400 += usize::from((-500.0..-300.0).contains(&exact));
            let found = found[i * list.len() + j];
            assert!((found - exact).abs() < 1e-9, "{i} {j}: {found} {exact}");
        }
    }
    assert!(near_400 > 0, "{found:?}");
    // With bonds, beside plain loops; these lie near 2^-784.
    for bond in [2, 4, 7] {
        let mut states = alike(n, 3, bond, false, &mut Random(6));
        states.push(strays(n, 1, bond + 2, &mut Random(7)).remove(0));
        let found = overlaps(&set(&states, false)?, None)?;
        for (i, j) in [(0, 1), (0, 2), (1, 2), (0, 3), (2, 3)] {
            let (found, exact) = (found[i * 4 + j], states[i].log_overlap(&states[j]));
            assert!(exact < -300.0 && (found - exact).abs() < 1e-8, "{found} {exact}");
        }
    }
    Ok(())
}

/// |1…1⟩
fn ones(n: usize) -> Plain {
    Plain { bonds: vec![1; n - 1], entries: [C64::ZERO, C64::ONE].repeat(n) }
}

#[test]
fn logarithms_go_on_where_numbers_end() -> Result<()> {
    // Each wire costs 2 ln sin of the angle: the whole is far below the smallest number.
    for (angle, n) in [(0.01_f64, 784), (1e-17, 784), (1e-40, 39)] {
        let states = set(
            &[
                Plain::product(&vec![(0.0, 0.0); n]),
                ones(n),
                Plain::product(&vec![(angle, 0.3); n]),
            ],
            false,
        )?;
        let found = overlaps(&states, None)?;
        assert!(found[1] == f64::NEG_INFINITY, "{}", found[1]);
        let exact = 2.0 * n as f64 * angle.sin().ln();
        assert!((found[5] / exact - 1.0).abs() < 1e-12, "{} {exact}", found[5]);
    }
    Ok(())
}

/// Some that share their bonds, real and complex, and some that share them with nobody.
fn mixed(n: usize, random: &mut Random) -> Vec<Plain> {
    let mut states = alike(n, 7, 2, false, random);
    states.extend(strays(n, 3, 6, random));
    states.extend(alike(n, 6, 4, true, random));
    states.extend(alike(n, 5, 1, false, random));
    states.extend(alike(n, 2, 17, false, random));
    states.extend(alike(n, 4, 2, true, random));
    states
}

#[test]
fn of_a_set_with_itself_the_matrix_is_symmetric_with_zeros_on_the_diagonal() -> Result<()> {
    for single in [false, true] {
        let states = set(&mixed(12, &mut Random(8)), single)?;
        let n = states.states().len();
        let (half, whole) = (overlaps(&states, None)?, overlaps(&states, Some(&states))?);
        for i in 0..n {
            assert_eq!(half[i * n + i].to_bits(), 0, "{i}");
            assert!(whole[i * n + i].abs() < if single { 1e-4 } else { 1e-9 }, "{i}");
            for j in i + 1..n {
                let found = half[i * n + j];
                assert!(found < 0.0);
                assert_eq!(found.to_bits(), half[j * n + i].to_bits(), "{i} {j}");
                assert_eq!(found.to_bits(), whole[i * n + j].to_bits(), "{i} {j}");
                assert!((found - whole[j * n + i]).abs() < 1e-8, "{i} {j}");
            }
        }
    }
    Ok(())
}

#[test]
fn no_value_is_above_nought() -> Result<()> {
    let states = mixed(8, &mut Random(9));
    let twice: Vec<Plain> =
        states.iter().flat_map(|state| [state.clone(), state.clone()]).collect();
    for single in [false, true] {
        let twice = set(&twice, single)?;
        let found = [overlaps(&twice, None)?, overlaps(&twice, Some(&twice))?].concat();
        assert!(found.iter().all(|log| *log <= 0.0));
    }
    Ok(())
}

#[test]
fn an_entry_depends_on_its_two_states_alone() -> Result<()> {
    for single in [false, true] {
        let bra = mixed(9, &mut Random(10));
        let mut ket = mixed(9, &mut Random(11));
        ket.truncate(23);
        let (bra, ket) = (set(&bra, single)?, set(&ket, single)?);
        let (rows, columns) = (bra.states().len(), ket.states().len());
        let whole = overlaps(&bra, Some(&ket))?;
        // In tiles.
        for (tall, wide) in [(1, 1), (4, 5), (8, 3), (27, 2), (3, 23)] {
            for top in (0..rows).step_by(tall) {
                for start in (0..columns).step_by(wide) {
                    let (end, stop) = ((top + tall).min(rows), (start + wide).min(columns));
                    let tile = overlaps(&bra.rows(top, end)?, Some(&ket.rows(start, stop)?))?;
                    let part: Vec<f64> = (top..end)
                        .flat_map(|i| whole[i * columns + start..i * columns + stop].to_vec())
                        .collect();
                    assert_eq!(bits(&tile), bits(&part), "{top} {start} of {tall}×{wide}");
                }
            }
        }
        // In another order.
        let reversed = |set: &EncodedStates| {
            let states = set.states().iter().rev().cloned().collect();
            EncodedStates::new(states, set.n_wires(), single)
        };
        let mut found = overlaps(&reversed(&bra)?, Some(&reversed(&ket)?))?;
        found.reverse();
        assert_eq!(bits(&found), bits(&whole));
    }
    Ok(())
}

#[test]
fn the_number_of_threads_changes_no_bit() -> Result<()> {
    for single in [false, true] {
        let bra = set(&mixed(16, &mut Random(12)), single)?;
        let ket = set(&mixed(16, &mut Random(13)), single)?;
        for ket in [None, Some(&ket)] {
            let one = overlaps(&bra, ket)?;
            for threads in [Some(2), Some(8), None] {
                let found = log_overlaps(&bra, ket, threads, &Cancel::default())?;
                assert_eq!(bits(&found), bits(&one), "{threads:?}");
            }
        }
    }
    Ok(())
}

#[test]
fn empty_sets_have_empty_matrices() -> Result<()> {
    let some = set(&mixed(4, &mut Random(14)), false)?;
    let none = some.rows(3, 3)?;
    assert_eq!((none.states().len(), none.n_wires(), none.largest_bond()), (0, 4, 1));
    assert!(overlaps(&none, None)?.is_empty());
    assert!(overlaps(&none, Some(&some))?.is_empty());
    assert!(overlaps(&some, Some(&none))?.is_empty());
    Ok(())
}

fn refusal<T>(result: Result<T>) -> String {
    match result {
        Err(error @ Error::InvalidInput { .. }) => error.to_string(),
        Err(error) => panic!("another error: {error}"),
        Ok(_) => panic!("accepted"),
    }
}

#[test]
fn what_is_no_set_of_states_is_refused() -> Result<()> {
    let double = |count: usize| Entries::Double(vec![C64::new(0.5, 0.0); count].into());
    let state = |bonds: &[u32], entries| EncodedState::new(bonds.into(), entries);
    assert!(refusal(state(&[2, 0], double(8))).contains("bonds of at least 1"));
    for count in [0, 7, 9] {
        assert!(refusal(state(&[2], double(count))).contains(&format!("got {count}")));
    }
    assert!(refusal(state(&[u32::MAX; 3], double(8))).contains("entries"));
    for bad in [f64::NAN, f64::INFINITY] {
        let mut entries = vec![C64::ONE; 8];
        entries[5] = C64::new(0.0, bad);
        let narrow = entries.iter().map(|x| C32::from_c64(*x)).collect();
        let wide = Entries::Double(entries.into());
        assert!(refusal(state(&[2], wide)).contains("not finite"));
        assert!(refusal(state(&[2], Entries::Single(narrow))).contains("not finite"));
    }
    let (two, three) = (Arc::new(state(&[2], double(8))?), Arc::new(state(&[1, 1], double(6))?));
    let both = || vec![Arc::clone(&two), Arc::clone(&three)];
    assert!(refusal(EncodedStates::new(both(), 2, false)).contains("one width"));
    assert!(refusal(EncodedStates::new(vec![Arc::clone(&two)], 2, true)).contains("precision"));
    assert!(refusal(EncodedStates::new(vec![], 0, false)).contains("at least one wire"));
    let set = EncodedStates::new(vec![Arc::clone(&two); 3], 2, false)?;
    assert!(refusal(set.rows(1, 4)).contains("within 0 to 3"));
    assert!(refusal(set.rows(2, 1)).contains("2 to 1"));
    let other = EncodedStates::new(vec![three], 3, false)?;
    assert!(refusal(overlaps(&set, Some(&other))).contains("got 2 and 3 wires"));
    let none = log_overlaps(&set, None, Some(0), &Cancel::default());
    assert!(refusal(none).contains("at least 1"));
    Ok(())
}

#[test]
fn overlaps_stop_when_told() -> Result<()> {
    let states = alike(200, 2, 12, false, &mut Random(15));
    let states: Vec<_> = states.iter().map(|state| state.encoded(false)).collect::<Result<_>>()?;
    // Far more work than anyone waits for.
    let many = states.iter().cycle().take(3000).cloned().collect();
    let many = EncodedStates::new(many, 200, false)?;
    for threads in [1, 2] {
        let cancel = Cancel::default();
        let started = Instant::now();
        let found = thread::scope(|scope| {
            let run = scope.spawn(|| log_overlaps(&many, None, Some(threads), &cancel));
            thread::sleep(Duration::from_millis(100));
            cancel.set();
            run.join().unwrap()
        });
        assert!(matches!(found, Err(Error::Interrupted)));
        assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    }
    Ok(())
}
