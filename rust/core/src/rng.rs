//! Counter-based random numbers: every number is a function of a key and its place, so shots can
//! be drawn in any order, on any number of threads.

/// Draw number of the first mid-circuit measurement; numbers below belong to sites.
pub const FIRST_MEASUREMENT_DRAW: u64 = 1 << 32;

/// Bits of an attempt's number that hold the number of the shot.
const SHOT_BITS: u32 = 40;

/// Number of the `n`-th attempt at a shot; that of the first is the shot's own.
pub(crate) fn attempt(shot: usize, n: u64) -> u64 {
    shot as u64 | n << SHOT_BITS
}

/// The shot that an attempt is at.
pub(crate) fn shot_of(attempt: u64) -> usize {
    (attempt & ((1 << SHOT_BITS) - 1)) as usize
}

/// Multipliers and key increments of Philox4x32 (Salmon et al., SC 2011).
const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const INCREMENTS: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;

/// The key of a stream of shots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShotKey {
    key: [u32; 2],
    offset: [u32; 2],
}

impl ShotKey {
    /// The key of stream `stream` under `seed`; all bits of both count.
    #[must_use]
    pub fn new(seed: [u64; 2], stream: u64) -> Self {
        let [a, b] = halves(seed[0]);
        let [c, d] = halves(seed[1]);
        let [k0, k1, o0, o1] = philox([a, b, c, d], halves(stream));
        Self { key: [k0, k1], offset: [o0, o1] }
    }

    /// A number in [0, 1), a multiple of 2^-53: draw `draw` of shot `shot`.
    #[must_use]
    pub fn uniform(&self, shot: u64, draw: u64) -> f64 {
        let ([s0, s1], [d0, d1]) = (halves(shot), halves(draw));
        let counter = [s0, s1 ^ self.offset[0], d0, d1 ^ self.offset[1]];
        let [low, high, ..] = philox(counter, self.key);
        let bits = u64::from(high) << 32 | u64::from(low);
        (bits >> 11) as f64 * (-53.0_f64).exp2()
    }
}

fn halves(x: u64) -> [u32; 2] {
    [x as u32, (x >> 32) as u32]
}

/// Philox4x32-10: a bijection of the counter for each key.
fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for round in 0..ROUNDS {
        if round > 0 {
            key = [key[0].wrapping_add(INCREMENTS[0]), key[1].wrapping_add(INCREMENTS[1])];
        }
        let first = u64::from(MULTIPLIERS[0]) * u64::from(counter[0]);
        let second = u64::from(MULTIPLIERS[1]) * u64::from(counter[2]);
        let ([first_low, first_high], [second_low, second_high]) = (halves(first), halves(second));
        counter = [
            second_high ^ counter[1] ^ key[0],
            second_low,
            first_high ^ counter[3] ^ key[1],
            first_low,
        ];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::{ShotKey, philox};

    /// The known answers that come with the authors' library.
    #[test]
    fn known_answers() {
        for (counter, key, expected) in [
            ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            ([u32::MAX; 4], [u32::MAX; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ] {
            assert_eq!(philox(counter, key), expected);
        }
    }

    #[test]
    fn every_bit_of_seed_stream_shot_and_draw_matters() {
        let number = |seed: [u64; 2], stream, shot, draw| {
            ShotKey::new(seed, stream).uniform(shot, draw).to_bits()
        };
        let (shot, draw) = (11, 13);
        let reference = number([3, 5], 7, shot, draw);
        for bit in 0..64 {
            let flip = 1_u64 << bit;
            for other in [
                number([3 ^ flip, 5], 7, shot, draw),
                number([3, 5 ^ flip], 7, shot, draw),
                number([3, 5], 7 ^ flip, shot, draw),
                number([3, 5], 7, shot ^ flip, draw),
                number([3, 5], 7, shot, draw ^ flip),
            ] {
                assert_ne!(other, reference);
            }
        }
    }

    #[test]
    fn numbers_are_uniform_and_independent_of_their_neighbours() {
        let key = ShotKey::new([1, 2], 3);
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
