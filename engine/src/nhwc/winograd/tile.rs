//! Winograd's transforms in one dimension, for four outputs of a kernel of three taps.
//!
//! Such a piece is a product of polynomials, evaluated at six points: 0, `±√½`, `±√2` and infinity.
//! Points in pairs halve the work: what is even and what is odd in them is summed once for both.
//! The usual points 0, ±1, ±2 have rounder factors, which cost as much and err further: the
//! powers of these stay nearer to one.
//!
//! # Source
//! Lavin and Gray, Fast Algorithms for Convolutional Neural Networks (arXiv 1509.09308); the
//! factors follow from the points as in the Toom-Cook algorithm.

use std::f32::consts::{FRAC_1_SQRT_2, SQRT_2};

use crate::isa::Isa;

/// Outputs of a tile in each direction.
pub(crate) const OUT: usize = 4;

/// Inputs and points of a tile in each direction.
pub(crate) const IN: usize = OUT + 2;

/// The kernel's three taps at each point, in the order of [`to_points`].
pub(crate) const KERNEL: [[f64; 3]; IN] = {
    const A: f64 = std::f64::consts::FRAC_1_SQRT_2;
    const B: f64 = std::f64::consts::SQRT_2;
    [
        [1.0, 0.0, 0.0],
        [-2.0 / 3.0, -2.0 / 3.0 * A, -1.0 / 3.0],
        [-2.0 / 3.0, 2.0 / 3.0 * A, -1.0 / 3.0],
        [1.0 / 6.0, 1.0 / 6.0 * B, 1.0 / 3.0],
        [1.0 / 6.0, -1.0 / 6.0 * B, 1.0 / 3.0],
        [0.0, 0.0, 1.0],
    ]
};

/// Six inputs at each point.
#[inline(always)]
pub(super) fn to_points<I: Isa>(isa: I, d: &[I::F32; IN]) -> [I::F32; IN] {
    let zero = scaled(isa, -2.5, d[2], isa.add(d[0], d[4]));
    let infinity = scaled(isa, -2.5, d[3], isa.add(d[1], d[5]));
    let (even, odd) = (scaled(isa, -2.0, d[2], d[4]), scaled(isa, -2.0, d[1], d[3]));
    let (near, minus_near) =
        (scaled(isa, FRAC_1_SQRT_2, odd, even), scaled(isa, -FRAC_1_SQRT_2, odd, even));
    let (even, odd) = (scaled(isa, -0.5, d[2], d[4]), scaled(isa, -0.5, d[1], d[3]));
    let (far, minus_far) = (scaled(isa, SQRT_2, odd, even), scaled(isa, -SQRT_2, odd, even));
    [zero, near, minus_near, far, minus_far, infinity]
}

/// Four outputs from what the points gave.
#[inline(always)]
pub(super) fn from_points<I: Isa>(isa: I, m: &[I::F32; IN]) -> [I::F32; OUT] {
    let (even_near, odd_near) = (isa.add(m[1], m[2]), isa.sub(m[1], m[2]));
    let (even_far, odd_far) = (isa.add(m[3], m[4]), isa.sub(m[3], m[4]));
    [
        isa.add(m[0], isa.add(even_near, even_far)),
        scaled(isa, FRAC_1_SQRT_2, odd_near, isa.mul(odd_far, isa.splat(SQRT_2))),
        scaled(isa, 0.5, even_near, isa.add(even_far, even_far)),
        scaled(isa, FRAC_1_SQRT_2 / 2.0, odd_near, scaled(isa, 2.0 * SQRT_2, odd_far, m[5])),
    ]
}

/// `factor · x + to`.
#[inline(always)]
fn scaled<I: Isa>(isa: I, factor: f32, x: I::F32, to: I::F32) -> I::F32 {
    isa.fma(x, isa.splat(factor), to)
}
