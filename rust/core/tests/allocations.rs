//! How often and how much memory five small circuits ask for: figures that do not depend on the
//! machine's load. A new copy or a new pass over the tensors shows up here; slower arithmetic does not.
//!
//! After a change that is meant to cost more, or that saves much: put the new figures, which the
//! message of a failure names, into the table.
#![allow(unsafe_code)] // an allocator is an unsafe trait; this one hands everything on
#![allow(clippy::unwrap_used, clippy::panic)] // in a test a panic is the report

mod measured;
mod steps;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bondline::{LocalOperator, Pauli, Requests, Sampling, Settings};

use measured::{Circuit, settings};
use steps::Random;

static CALLS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

struct Counting;

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.fetch_add(1, Relaxed);
        BYTES.fetch_add(layout.size() as u64, Relaxed);
        // SAFETY: the caller's promise is handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is handed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Layers of random unitaries on neighbours.
fn brickwall(n: usize, depth: usize) -> Circuit {
    let (mut circuit, mut random) = (Circuit::new(n), Random(17));
    for layer in 0..depth {
        for wire in (layer % 2..n - 1).step_by(2) {
            circuit.random(&[wire, wire + 1], &mut random);
        }
    }
    circuit
}

/// Layers of rotations and a chain of CNOTs.
fn chain(n: usize, layers: usize) -> Circuit {
    let mut circuit = Circuit::new(n);
    for layer in 0..layers {
        for wire in 0..n {
            circuit.ry(wire, 0.1 + 0.37 * (layer + wire) as f64);
        }
        for wire in 0..n - 1 {
            circuit.cnot(wire, wire + 1);
        }
    }
    circuit
}

fn words(words: Vec<Vec<(usize, Pauli)>>) -> Requests {
    let word = |word: Vec<(usize, Pauli)>| {
        word.into_iter().map(|(wire, letter)| (wire, LocalOperator::Pauli(letter))).collect()
    };
    Requests { words: words.into_iter().map(word).collect(), ..Requests::default() }
}

fn every_z(n: usize) -> Requests {
    words((0..n).map(|wire| vec![(wire, Pauli::Z)]).collect())
}

fn ising(n: usize) -> Requests {
    let pairs = (0..n - 1).map(|wire| vec![(wire, Pauli::Z), (wire + 1, Pauli::Z)]);
    words(pairs.chain((0..n).map(|wire| vec![(wire, Pauli::X)])).collect())
}

fn all_pairs(n: usize) -> Requests {
    let pairs = (0..n).flat_map(|i| (i + 1..n).map(move |j| vec![(i, Pauli::Z), (j, Pauli::Z)]));
    words(pairs.collect())
}

fn shots(n: usize) -> Requests {
    let sampling =
        Sampling { wires: (0..n).collect(), letters: vec![Pauli::Z; n], shots: 500, stream: 0 };
    Requests { samplings: vec![sampling], seeds: vec![[1, 2]], ..Requests::default() }
}

#[test]
fn no_circuit_asks_for_a_tenth_more_memory_than_it_did() {
    let settings = |chi| Settings { max_bond_dim: Some(chi), ..settings() };
    let mut worse = Vec::new();
    for (name, circuit, requests, chi, calls, bytes) in [
        ("brickwall, every Z", brickwall(12, 8), every_z(12), 16, 2_765, 1_629_454),
        ("brickwall, truncated hard", brickwall(20, 10), every_z(20), 8, 5_269, 1_752_973),
        ("chain, Ising energy", chain(30, 4), ising(30), 16, 5_006, 2_624_511),
        ("chain, all pairs", chain(20, 3), all_pairs(20), 16, 4_700, 746_309),
        ("brickwall, shots", brickwall(16, 6), shots(16), 16, 3_872, 4_486_368),
    ] {
        // The first run starts threads and finds out what the CPU can do.
        circuit.run(requests.clone(), settings(chi)).unwrap();
        let before = (CALLS.load(Relaxed), BYTES.load(Relaxed));
        circuit.run(requests, settings(chi)).unwrap();
        let found = (CALLS.load(Relaxed) - before.0, BYTES.load(Relaxed) - before.1);
        if found.0 * 10 > calls * 11 || found.1 * 10 > bytes * 11 {
            worse.push(format!("{name}: {} calls, {} bytes ({calls}, {bytes})", found.0, found.1));
        }
    }
    assert!(worse.is_empty(), "circuits ask for more memory than before: {worse:#?}");
}
