//! Mean pooling: 2x2 windows, and whole maps.

use proptest::prelude::*;

use crate::check::check;
use crate::model::Model;
use crate::strategies::{cases, channels, sizes};

fn both(channels: usize, windows: bool) -> Model {
    let (mut model, x) = Model::with_map(channels);
    let mean = model.global_pool(x);
    model.outputs = vec![mean];
    if windows {
        let y = model.avg_pool2x2(x);
        model.outputs.push(y);
    }
    model
}

#[test]
fn every_number_of_channels() {
    for channels in 1..=40 {
        check(&both(channels, true), (7, 8));
    }
}

#[test]
fn every_number_of_pixels() {
    for pixels in 1..=30 {
        check(&both(9, false), (1, pixels));
        check(&both(9, pixels > 1), (2, pixels));
    }
}

/// Enough work for several threads.
#[test]
fn large_maps() {
    check(&both(130, true), (31, 30));
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn any_shape(size in sizes(), channels in channels()) {
        check(&both(channels, size.0.min(size.1) > 1), size);
    }
}
