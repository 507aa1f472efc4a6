//! Numbers as they are stored, and that no kernel is forgotten.

use crate::check::{int, on_planes, skipped};
use cuda_check::{Buffer, Stored, Value, kernels};
use half::{bf16, f16};

/// `x * scale` in one kernel that widens and rounds.
fn scaled(stored: Stored, x: &[f32], scale: f32) -> Vec<f32> {
    let (mut bx, mut bscale) = (Buffer::of(stored, x), Buffer::of(Stored::F32, &[scale]));
    let output = Buffer::unwritten(stored, x.len());
    on_planes(("channel_affine", stored), (x.len(), 1), output, |to| {
        let (shift, add, activation) = (Value::NULL, Value::NULL, int(0));
        vec![bx.at(), bscale.at(), shift, add, activation, to, int(1), int(x.len()), int(1)]
    })
}

#[test]
fn halves_are_widened_and_rounded_to_the_bit() {
    if skipped() {
        return;
    }
    type Round = fn(f32) -> f32;
    let round_f16: Round = |x| f16::from_f32(x).to_f32();
    let round_bf16: Round = |x| bf16::from_f32(x).to_f32();
    let all_f16: Vec<f32> = (0..=u16::MAX).map(|bits| f16::from_bits(bits).to_f32()).collect();
    let all_bf16: Vec<f32> = (0..=u16::MAX).map(|bits| bf16::from_bits(bits).to_f32()).collect();
    for (stored, round, all) in
        [(Stored::F16, round_f16, all_f16), (Stored::Bf16, round_bf16, all_bf16)]
    {
        // The last ones end halfway between two numbers, beyond the largest, and at zero.
        for scale in [1.0, 1.0 / 3.0, 3.0, 0.5, 1.5, 65536.0, 3e-9] {
            for (x, found) in all.iter().zip(scaled(stored, &all, scale)) {
                let expected = round(x * scale);
                let same = found.to_bits() == expected.to_bits();
                assert!(same || (found.is_nan() && expected.is_nan()), "{x} * {scale}: {found}");
            }
        }
    }
}

#[test]
fn every_kernel_is_named_in_a_test() {
    if skipped() {
        return;
    }
    let tests = concat!(
        include_str!("batch_norm.rs"),
        include_str!("dense.rs"),
        include_str!("depthwise.rs"),
        include_str!("gate.rs"),
        include_str!("ghost.rs"),
        include_str!("pool.rs"),
        include_str!("resize.rs"),
        include_str!("squeeze_excite.rs"),
    );
    let names = kernels();
    assert!(names.len() >= 3 * 20, "{names:?}");
    for name in &names {
        let (kernel, suffix) = name.rsplit_once('_').unwrap();
        assert!(Stored::ALL.iter().any(|stored| stored.suffix() == suffix), "{name}");
        assert!(tests.contains(&format!("\"{kernel}\"")), "no test launches {name}");
    }
}
