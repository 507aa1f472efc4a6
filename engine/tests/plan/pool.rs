//! Mean pooling: windows, and whole maps.

use std::sync::Arc;

use engine::plan::{Activation, NetworkBuilder, PlanOptions, Window};
use proptest::prelude::*;

use crate::check::{check, check_batch, run};
use crate::model::Model;
use crate::strategies::{cases, channels, sizes, windows_that_fit};

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

/// Means with the zeros of the padding and without, which are the same where there is none.
fn windows(channels: usize, window: Window) -> Model {
    let (mut model, x) = Model::with_map(channels);
    let with = model.avg_pool(x, window, true);
    let without = model.avg_pool(x, window, false);
    model.outputs = vec![with, without];
    model
}

#[test]
fn windows_of_all_kinds() {
    for (kernel, stride) in [((3, 3), 1), ((3, 3), 2), ((2, 2), 2), ((5, 1), 1), ((1, 4), 3)] {
        for padding in [(0, 0), (kernel.0 / 2, kernel.1 / 2), (kernel.0 - 1, kernel.1 - 1)] {
            let window = Window { kernel, stride, padding, dilation: 1 };
            for size in [(5, 5), (6, 9), (33, 21)] {
                check_batch(&windows(19, window), size, 2);
            }
        }
    }
}

/// What `torch.nn.functional.avg_pool2d` makes of nine numbers `[3, 3]`, in windows of 3 by 2 with
/// stride 2 and padding (1, 1): with `count_include_pad` and without.
#[test]
fn equals_pytorch() {
    let expected = [[0.8333333, 2.6666667, 1.8333333, 4.6666667], [2.5, 4.0, 5.5, 7.0]];
    let none = Activation::Identity;
    let (mut builder, x) = NetworkBuilder::new(&PlanOptions::default(), 1);
    let map = builder.conv(x, Window::same((1, 1), 1), (&[1.0], &[0.0]), none).unwrap();
    let window = Window { kernel: (3, 2), stride: 2, padding: (1, 1), dilation: 1 };
    let outputs = [true, false].map(|count| builder.avg_pool(map, window, count).unwrap());
    let network = Arc::new(builder.build(&outputs));
    let input: Vec<f32> = (1..10).map(|i| i as f32).collect();
    let found = run(&network, [1, 1, 3, 3], 1, &input).unwrap();
    for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
        assert!((found - expected).abs() < 1e-6, "found {found}, expected {expected}");
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

    #[test]
    fn any_window((size, window) in windows_that_fit(), channels in channels()) {
        let window = Window { dilation: 1, ..window };
        let fits = window.padding.0 < window.kernel.0 && window.padding.1 < window.kernel.1;
        prop_assume!(fits);
        check(&windows(channels, window), size);
    }
}
