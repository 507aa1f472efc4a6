//! DFC attention: a pointwise convolution, one along rows, one along columns, a sigmoid.

use proptest::prelude::*;

use crate::check::check;
use crate::model::Model;
use crate::strategies::{cases, channels, sizes};

fn dfc(input: usize, n: usize, kernel: (usize, usize)) -> Model {
    let (mut model, x) = Model::with_map(input);
    let y = model.dfc(x, n, kernel);
    model.outputs = vec![y];
    model
}

#[test]
fn every_width_and_height() {
    for side in 1..=20 {
        check(&dfc(6, 13, (5, 5)), (3, side));
        check(&dfc(6, 13, (5, 5)), (side, 4));
    }
}

#[test]
fn every_number_of_channels() {
    for n in 1..=40 {
        check(&dfc(n, n, (5, 5)), (4, 3));
        check(&dfc(3, n, (5, 5)), (7, 7));
    }
}

#[test]
fn kernels_of_different_sides_also_larger_than_the_map() {
    for kernel in [(1, 1), (3, 5), (5, 3), (1, 7), (9, 1), (11, 11)] {
        for size in [(1, 1), (3, 2), (8, 9)] {
            check(&dfc(5, 19, kernel), size);
        }
    }
}

/// Maps that pass through the bands in several fillings.
#[test]
fn large_maps() {
    check(&dfc(4, 36, (5, 5)), (70, 56));
    check(&dfc(4, 36, (5, 5)), (11, 400));
}

/// A panel of one vector has shorter rows than the others, and its bands more of them.
#[test]
fn bands_of_a_narrow_last_panel() {
    for n in [20, 36, 40, 72] {
        for width in [52, 56, 59] {
            check(&dfc(1, n, (5, 5)), (80, width));
        }
    }
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn any_shape(
        size in sizes(),
        input in channels(),
        n in channels(),
        kernel in (0..5usize, 0..5usize),
    ) {
        check(&dfc(input, n, (2 * kernel.0 + 1, 2 * kernel.1 + 1)), size);
    }
}
