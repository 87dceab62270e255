//! Random numbers by counter: number `draw` of shot `shot` is a function of the seed alone, so that
//! shots may be drawn in any order, in any number of calls and on any thread.
//!
//! Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3, 2011).

/// Draw number of the first mid-circuit measurement; numbers below belong to sites.
pub const FIRST_MEASUREMENT_DRAW: u64 = 1 << 32;

const ROUNDS: usize = 10;
const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
/// Added to the key after each round: the golden ratio and √3 - 1.
const KEY_STEPS: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// Keys the random numbers of the shots of one circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShotKey {
    /// The seed of the circuit.
    pub seed: [u64; 2],
    /// Tells apart the draws that share a seed.
    pub stream: u64,
}

impl ShotKey {
    /// Number `draw` of shot `shot`: uniform in [0, 1), a multiple of 2^-53.
    #[must_use]
    pub fn uniform(&self, shot: u64, draw: u64) -> f64 {
        // For a given stream the first block is a one-to-one image of the seed. Half of it keys the
        // second block and half shifts its counter: no bit of the seed is lost.
        let [a, b, c, d] = philox(words(self.seed), halves(self.stream));
        let [shot_low, shot_high] = halves(shot);
        let [draw_low, draw_high] = halves(draw);
        let [low, high, ..] = philox([shot_low ^ c, shot_high ^ d, draw_low, draw_high], [a, b]);
        let bits = u64::from(high) << 32 | u64::from(low);
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }
}

fn halves(word: u64) -> [u32; 2] {
    [word as u32, (word >> 32) as u32]
}

fn words(pair: [u64; 2]) -> [u32; 4] {
    let ([a, b], [c, d]) = (halves(pair[0]), halves(pair[1]));
    [a, b, c, d]
}

fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..ROUNDS {
        let [low_0, high_0] = halves(u64::from(MULTIPLIERS[0]) * u64::from(counter[0]));
        let [low_1, high_1] = halves(u64::from(MULTIPLIERS[1]) * u64::from(counter[2]));
        counter = [high_1 ^ counter[1] ^ key[0], low_1, high_0 ^ counter[3] ^ key[1], low_0];
        key = [key[0].wrapping_add(KEY_STEPS[0]), key[1].wrapping_add(KEY_STEPS[1])];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers published with the generator (Random123, `kat_vectors`).
    #[test]
    fn known_answers() {
        let cases = [
            ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            ([u32::MAX; 4], [u32::MAX; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ];
        for (counter, key, answer) in cases {
            assert_eq!(philox(counter, key), answer);
        }
    }

    #[test]
    fn every_bit_of_seed_stream_shot_and_draw_matters() {
        let key = ShotKey { seed: [3, 5], stream: 7 };
        let (shot, draw) = (11, 13);
        let first = key.uniform(shot, draw);
        for bit in 0..64 {
            let flip = 1_u64 << bit;
            for other in [
                ShotKey { seed: [3 ^ flip, 5], ..key },
                ShotKey { seed: [3, 5 ^ flip], ..key },
                ShotKey { stream: 7 ^ flip, ..key },
            ] {
                assert_ne!(other.uniform(shot, draw).to_bits(), first.to_bits());
            }
            assert_ne!(key.uniform(shot ^ flip, draw).to_bits(), first.to_bits());
            assert_ne!(key.uniform(shot, draw ^ flip).to_bits(), first.to_bits());
        }
    }

    #[test]
    fn numbers_are_uniform_and_independent_of_their_neighbours() {
        let key = ShotKey { seed: [1, 2], stream: 3 };
        let (shots, draws) = (200_u64, 200_u64);
        let mut cells = [0_u32; 64];
        for shot in 0..shots {
            for draw in 0..draws {
                let cell = |x: f64| (x * 8.0) as usize;
                let (here, next) = (key.uniform(shot, draw), key.uniform(shot, draw + 1));
                assert!((0.0..1.0).contains(&here));
                cells[8 * cell(here) + cell(next)] += 1;
            }
        }
        let expected = (shots * draws) as f64 / 64.0;
        let chi_square: f64 =
            cells.iter().map(|n| (f64::from(*n) - expected).powi(2) / expected).sum();
        // 63 degrees of freedom: below 118 with probability 1 - 3e-5.
        assert!(chi_square < 118.0, "{chi_square}");
    }
}
