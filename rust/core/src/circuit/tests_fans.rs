//! Fans are what their gates are, wherever they are gathered and routed to.

use super::fans::{Gathered, Item};
use super::tests::{Circuit, Random, check_against_gates, id};
use super::tests_tangents::check_everywhere;
use super::{ADJOINT_BIT, CircuitArrays, Measure, Structure};
use crate::error::Result;

/// Gates on two wires, and how often each leaves something on its first wire alone.
const PAIRS: [&str; 10] = [
    "CNOT",
    "CZ",
    "CY",
    "CH",
    "CRX",
    "CRot",
    "ControlledPhaseShift",
    "IsingXX",
    "IsingYY",
    "IsingZZ",
];

/// Adds gates that share wire `hub`, with others of one wire between them.
fn add_fan(circuit: &mut Circuit, hub: u32, random: &mut Random) {
    let kind = random.below(PAIRS.len() + 3);
    let hub_first = random.below(2) == 0;
    for _ in 0..3 + random.below(4) {
        let other = (hub + 1 + random.below(circuit.n_wires - 1) as u32) % circuit.n_wires as u32;
        let wires = if hub_first { [hub, other] } else { [other, hub] };
        let angles = [random.angle(), random.angle(), random.angle()];
        if let Some(name) = PAIRS.get(kind) {
            let count = match *name {
                "CNOT" | "CZ" | "CY" | "CH" => 0,
                "CRot" => 3,
                _ => 1,
            };
            circuit.add(name, &wires, &angles[..count]);
        } else if kind == PAIRS.len() {
            // The same letter on the hub every time, any on the other wire.
            let letters = [1 + (hub % 3) as u8, 1 + random.below(3) as u8];
            let idle = (0..circuit.n_wires as u32).find(|wire| !wires.contains(wire));
            circuit.letters.extend(letters);
            circuit.letters.extend(idle.map(|_| 0));
            let wires: Vec<u32> = [hub, other].into_iter().chain(idle).collect();
            circuit.add("PauliRot", &wires, &angles[..1]);
        } else if kind == PAIRS.len() + 1 {
            circuit.add_controlled("Rot", &[random.below(2) as u8], &wires, &angles);
        } else {
            let values = [random.below(2) as u8, random.below(2) as u8];
            circuit.add_controlled("GlobalPhase", &values, &wires, &angles[..1]);
        }
        if let Some(last) = circuit.gates.last_mut() {
            *last |= [0, 0, ADJOINT_BIT][random.below(3)];
        }
        let single = ["RZ", "RX", "Hadamard", "T"][random.below(4)];
        let wire = random.below(circuit.n_wires) as u32;
        let angle = [random.angle()];
        circuit.add(single, &[wire], if single.len() == 2 { &angle } else { &[] });
    }
}

fn random_fans(random: &mut Random) -> Circuit {
    let mut circuit = Circuit::new(3 + random.below(4));
    for _ in 0..=random.below(4) {
        let hub = random.below(circuit.n_wires) as u32;
        add_fan(&mut circuit, hub, random);
        if random.below(3) == 0 {
            let wires = random.distinct(2, circuit.n_wires);
            circuit.add("SWAP", &wires, &[]);
        }
    }
    circuit
}

#[test]
fn fans_are_their_gates() -> Result<()> {
    let mut random = Random(11);
    let mut fans = 0;
    for _ in 0..150 {
        let circuit = random_fans(&mut random);
        fans += Gathered::with_fans(&circuit.structure()?, 3).fans.len();
        check_against_gates(&circuit, &mut random)?;
    }
    assert!(fans > 150, "only {fans} fans were tried");
    Ok(())
}

#[test]
fn fans_have_the_derivatives_of_their_gates() -> Result<()> {
    let mut random = Random(12);
    for _ in 0..25 {
        let circuit = random_fans(&mut random);
        check_everywhere(&circuit, &mut random)?;
    }
    Ok(())
}

#[test]
fn every_gate_is_in_one_item_and_fans_share_their_hub() -> Result<()> {
    let mut random = Random(13);
    for _ in 0..200 {
        let structure = random_fans(&mut random).structure()?;
        let gathered = Gathered::with_fans(&structure, 3);
        let mut seen = vec![0; structure.n_gates()];
        for item in &gathered.items {
            match *item {
                Item::Gate(position) => seen[position] += 1,
                Item::Fan(fan) => {
                    let fan = &gathered.fans[fan];
                    assert!(fan.gates.len() >= 3);
                    for &gate in &fan.gates {
                        seen[gate as usize] += 1;
                        let mut wires = structure.gate(gate as usize).interacting_wires();
                        assert!(wires.any(|wire| wire == fan.hub));
                    }
                }
            }
        }
        assert!(seen.iter().all(|times| *times == 1));
    }
    Ok(())
}

#[test]
fn no_fan_reaches_over_a_measurement() -> Result<()> {
    let (cz, measure) = (id("CZ"), id("MidMeasureMP"));
    let fans = |between: &[u16]| -> Result<usize> {
        let gates = [&[cz, cz][..], between, &[cz, cz]].concat();
        let wires = [&[0, 1, 0, 2][..], &vec![5; between.len()], &[0, 3, 0, 4]].concat();
        let structure = Structure::new(CircuitArrays {
            n_wires: 6,
            wire_counts: gates.iter().map(|gate| if *gate == cz { 2 } else { 1 }).collect(),
            gates,
            wires,
            measures: vec![
                Measure { reset: false, postselect: None, fill: false };
                usize::from(between == [measure])
            ],
            ..CircuitArrays::default()
        })?;
        Ok(Gathered::with_fans(&structure, 4).fans.len())
    };
    assert_eq!(fans(&[])?, 1);
    assert_eq!(fans(&[id("Hadamard")])?, 1);
    assert_eq!(fans(&[measure])?, 0);
    Ok(())
}
