//! The inverse discrete cosine transform: libjpeg's accurate integer one.
//!
//! The algorithm is that of Loeffler, Ligtenberg and Moschytz with 12 multiplications per row or
//! column, in 13 bits of fixed point. Words are 16 bits wide and wrap or saturate where they do
//! in libjpeg-turbo's SIMD code, so that even damaged files give the same samples.

use std::num::Wrapping;

use super::frame::{BLOCK, BLOCK_SIZE};
use super::tables::Quantisation;

/// Bits behind the binary point of the constants.
const CONSTANT_BITS: usize = 13;

/// Bits behind the binary point between the two passes.
const PASS_BITS: usize = 2;

/// What the second pass takes away: the two above, and the 8 of the transform.
const LAST_SHIFT: usize = CONSTANT_BITS + PASS_BITS + 3;

/// Eight rows of eight words.
type Words = [[i16; BLOCK]; BLOCK];

/// The samples of a block of quantised coefficients. `last` is the highest position, in coding
/// order, of a coefficient that is not zero.
pub(super) fn samples(
    coefficients: &[i16; BLOCK_SIZE],
    last: usize,
    steps: &Quantisation,
) -> [[u8; BLOCK]; BLOCK] {
    if last == 0 {
        let dc = coefficients[0].wrapping_mul(steps[0] as i16) << PASS_BITS;
        let half = 1 << (LAST_SHIFT - 1);
        let sample = ((i32::from(dc) << CONSTANT_BITS) + half) >> LAST_SHIFT;
        return [[to_sample(saturate(sample)); BLOCK]; BLOCK];
    }
    let mut words = Words::default();
    for ((word, &coefficient), &step) in
        words.as_flattened_mut().iter_mut().zip(coefficients).zip(steps)
    {
        *word = coefficient.wrapping_mul(step as i16);
    }
    let rows = columns_pass(&words);
    let done = pass::<LAST_SHIFT>(&transposed(&rows));
    transposed(&done).map(|row| row.map(to_sample))
}

/// The pass over the columns, which is a shift where all rows but the first are zero.
fn columns_pass(words: &Words) -> Words {
    if words[1..].as_flattened().iter().all(|&word| word == 0) {
        return [words[0].map(|word| word << PASS_BITS); BLOCK];
    }
    pass::<{ CONSTANT_BITS - PASS_BITS }>(words)
}

/// A constant of the transform; they are cosines of multiples of pi / 16, times the root of 2.
const fn fixed(value: f64) -> Wrapping<i32> {
    Wrapping((value * (1 << CONSTANT_BITS) as f64 + 0.5) as i32)
}

const C6: Wrapping<i32> = fixed(0.541_196_100);
const C2_MINUS_C6: Wrapping<i32> = fixed(0.765_366_865);
const C2_PLUS_C6: Wrapping<i32> = fixed(1.847_759_065);
const C3: Wrapping<i32> = fixed(1.175_875_602);
const C3_PLUS_C5: Wrapping<i32> = fixed(1.961_570_560);
const C3_MINUS_C5: Wrapping<i32> = fixed(0.390_180_644);
const C3_MINUS_C7: Wrapping<i32> = fixed(0.899_976_223);
const C1_PLUS_C3: Wrapping<i32> = fixed(2.562_915_447);
const C3_C5_MINUS_C1_C7: Wrapping<i32> = fixed(0.298_631_336);
const C1_C3_C7_MINUS_C5: Wrapping<i32> = fixed(2.053_119_869);
const C1_C3_C5_MINUS_C7: Wrapping<i32> = fixed(3.072_711_026);
const C1_C3_MINUS_C5_C7: Wrapping<i32> = fixed(1.501_321_110);

/// Transforms eight columns at once; results lose `SHIFT` bits.
fn pass<const SHIFT: usize>(words: &Words) -> Words {
    let mut out = Words::default();
    for lane in 0..BLOCK {
        let wide = |word: i16| Wrapping(i32::from(word));
        let word = |row: usize| wide(words[row][lane]);
        // Sums of two words are words again.
        let sum = |a: usize, b: usize| wide(words[a][lane].wrapping_add(words[b][lane]));

        let outer = sum(0, 4) << CONSTANT_BITS;
        let inner = wide(words[0][lane].wrapping_sub(words[4][lane])) << CONSTANT_BITS;
        let two_six = word(2) * (C6 + C2_MINUS_C6) + word(6) * C6;
        let six_two = word(2) * C6 + word(6) * (C6 - C2_PLUS_C6);
        let even = [outer + two_six, inner + six_two, inner - six_two, outer - two_six];

        let (z3, z4) = (sum(7, 3), sum(5, 1));
        let y3 = z3 * (C3 - C3_PLUS_C5) + z4 * C3;
        let y4 = z3 * C3 + z4 * (C3 - C3_MINUS_C5);
        let odd = [
            word(1) * (C1_C3_MINUS_C5_C7 - C3_MINUS_C7) - word(7) * C3_MINUS_C7 + y4,
            word(3) * (C1_C3_C5_MINUS_C7 - C1_PLUS_C3) - word(5) * C1_PLUS_C3 + y3,
            word(5) * (C1_C3_C7_MINUS_C5 - C1_PLUS_C3) - word(3) * C1_PLUS_C3 + y4,
            word(7) * (C3_C5_MINUS_C1_C7 - C3_MINUS_C7) - word(1) * C3_MINUS_C7 + y3,
        ];
        let round =
            |value: Wrapping<i32>| saturate(((value + Wrapping(1 << (SHIFT - 1))) >> SHIFT).0);
        for row in 0..BLOCK / 2 {
            out[row][lane] = round(even[row] + odd[row]);
            out[BLOCK - 1 - row][lane] = round(even[row] - odd[row]);
        }
    }
    out
}

fn transposed(words: &Words) -> Words {
    std::array::from_fn(|row| std::array::from_fn(|column| words[column][row]))
}

fn saturate(value: i32) -> i16 {
    value.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

fn to_sample(word: i16) -> u8 {
    (word.clamp(-128, 127) + 128) as u8
}
