//! Dense convolutions, of the input's planes and of maps.

use engine::plan::{Activation, Window};
use proptest::prelude::*;

use crate::check::check;
use crate::model::{INPUT, Joint, Model};
use crate::strategies::{activations, cases, channels, windows_that_fit};

fn of_input(channels: usize, window: Window, n: usize, activation: Activation) -> Model {
    let mut model = Model::new(channels);
    let y = model.conv(INPUT, window, n, activation);
    model.outputs = vec![y];
    model
}

#[test]
fn stems() {
    for size in [(1, 1), (2, 3), (7, 7), (32, 32), (33, 47), (64, 40)] {
        for stride in [1, 2, 3] {
            let window = Window::same((3, 3), stride);
            check(&of_input(3, window, 16, Activation::Relu), size);
            check(&of_input(1, Window::same((7, 7), stride), 5, Activation::Identity), size);
        }
    }
}

/// Enough channels for Winograd's filtering, which has no way to read planes.
#[test]
fn many_planes() {
    check(&of_input(20, Window::same((3, 3), 1), 18, Activation::Relu), (12, 13));
}

#[test]
fn strides_that_skip_rows() {
    for kernel in [(1, 1), (2, 2), (1, 3)] {
        let window = Window { kernel, stride: 5, padding: (0, 0), dilation: 1 };
        check(&of_input(2, window, 9, Activation::Identity), (23, 16));
    }
}

/// The branches of DeepLabV3's pyramid, also with taps that are farther apart than the map is wide.
#[test]
fn dilated() {
    for apart in [2, 3, 6, 12, 18] {
        let (mut model, x) = Model::with_map(20);
        let dense = model.conv(x, Window::dilated((3, 3), apart), 9, Activation::Relu);
        let deep = model.depthwise(x, Window::dilated((5, 3), apart), Activation::Identity);
        let ghost = model.ghost((x, None), (10, 20), 3, Activation::Relu, Joint::None);
        model.then_depthwise(Window::dilated((3, 3), apart));
        model.outputs = vec![dense, deep, ghost];
        for size in [(1, 1), (7, 9), (33, 30)] {
            check(&model, size);
        }
    }
    // A large ghost module, which a window without dilation would pass by.
    let (mut model, x) = Model::with_map(16);
    let ghost = model.ghost((x, None), (40, 80), 3, Activation::Relu, Joint::None);
    model.then_depthwise(Window::dilated((3, 3), 4));
    model.outputs = vec![ghost];
    check(&model, (48, 50));
}

#[test]
fn maps_that_need_several_bands() {
    // A row of 900 pixels of 40 channels alone is larger than a band should be.
    let (mut model, x) = Model::with_map(40);
    let y = model.conv(x, Window::same((3, 3), 1), 3, Activation::Identity);
    model.outputs = vec![y];
    check(&model, (9, 900));
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn of_the_input(
        (size, window) in windows_that_fit(),
        channels in 1..6usize,
        n in channels(),
        activation in activations(),
    ) {
        check(&of_input(channels, window, n, activation), size);
    }

    #[test]
    fn of_a_map(
        (size, window) in windows_that_fit(),
        channels in 1..20usize,
        n in channels(),
        activation in activations(),
    ) {
        let (mut model, x) = Model::with_map(channels);
        let y = model.conv(x, window, n, activation);
        model.outputs = vec![y];
        check(&model, size);
    }
}
