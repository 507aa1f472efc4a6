//! Depthwise convolutions.

use engine::plan::{Activation, Window};
use proptest::prelude::*;

use crate::check::check;
use crate::model::Model;
use crate::oracle::output_size;
use crate::strategies::{activations, cases, channels, windows_that_fit};

fn depthwise(channels: usize, window: Window, activation: Activation) -> Model {
    let (mut model, x) = Model::with_map(channels);
    let y = model.depthwise(x, window, activation);
    model.outputs = vec![y];
    model
}

#[test]
fn every_kernel_stride_and_padding() {
    for kernel in [(3, 3), (5, 5), (1, 5), (5, 1), (7, 7), (2, 2), (1, 1), (4, 3)] {
        for stride in [1, 2, 3] {
            for padding in [(0, 0), (kernel.0 / 2, kernel.1 / 2), (kernel.0 - 1, kernel.1 - 1)] {
                let window = Window { kernel, stride, padding, dilation: 1 };
                for size in [(1, 1), (2, 5), (7, 7), (11, 8)] {
                    if output_size(window, size).is_some() {
                        check(&depthwise(11, window, Activation::Identity), size);
                    }
                }
            }
        }
    }
}

#[test]
fn every_width_and_number_of_channels() {
    for width in 1..=20 {
        for window in [Window::same((3, 3), 1), Window::same((5, 5), 2)] {
            check(&depthwise(2 * width, window, Activation::Relu), (4, width));
            check(&depthwise(2 * width - 1, window, Activation::Relu), (width, 5));
        }
    }
}

/// Enough channels and work that threads take vectors of channels instead of rows.
#[test]
fn many_channels() {
    for channels in [256, 203] {
        for window in [Window::same((3, 3), 1), Window::same((5, 5), 2)] {
            check(&depthwise(channels, window, Activation::HardSigmoid), (7, 7));
        }
    }
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn any_shape(
        (size, window) in windows_that_fit(),
        channels in channels(),
        activation in activations(),
    ) {
        check(&depthwise(channels, window, activation), size);
    }
}
