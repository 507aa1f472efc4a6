//! Resizing by picking single source pixels.

use std::ops::Range;

use rayon::prelude::*;

/// Steps that are walked to the first target.
const LONGEST_WALK: u64 = 1 << 26;

/// Picks the source pixel under the centre of each target pixel in `rows` x `columns` of a
/// picture that would be `target` (width, height) in whole.
pub(super) fn pick(
    pixels: &[u8],
    source: (usize, usize),
    target: (u64, u64),
    columns: Range<u64>,
    rows: Range<u64>,
) -> Vec<u8> {
    let lefts = positions(source.0, target.0, columns);
    let tops = positions(source.1, target.1, rows);
    let mut out = vec![0; lefts.len() * tops.len() * 3];
    out.par_chunks_exact_mut(lefts.len() * 3).zip(tops).for_each(|(out, top)| {
        let row = &pixels[top * source.0 * 3..][..source.0 * 3];
        for (out, &left) in out.chunks_exact_mut(3).zip(&lefts) {
            out.copy_from_slice(&row[left * 3..][..3]);
        }
    });
    out
}

/// Source positions of the `targets`.
///
/// Pillow walks along the axis by repeated addition, whose rounding errors decide which of two
/// pixels is taken where the centre falls on a border. So this walks, too, from the first target
/// on, unless that is so far off that the walk would take longer than the picture is worth.
fn positions(source: usize, target: u64, targets: Range<u64>) -> Vec<usize> {
    let step = f64::from(source as f32) / target as f64;
    let mut position = step * 0.5;
    if targets.start <= LONGEST_WALK {
        (0..targets.start).for_each(|_| position += step);
    } else {
        position += step * targets.start as f64;
    }
    let mut found = Vec::with_capacity((targets.end - targets.start) as usize);
    for _ in targets {
        found.push((position as usize).min(source - 1));
        position += step;
    }
    found
}
