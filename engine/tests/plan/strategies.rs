//! What the property tests draw: sizes, windows and activations.

use engine::plan::{Activation, Interpolation, Window};
use proptest::prelude::*;

use crate::oracle::output_size;

pub(crate) const ACTIVATIONS: [Activation; 4] =
    [Activation::Identity, Activation::Relu, Activation::Sigmoid, Activation::HardSigmoid];

pub(crate) const MODES: [Interpolation; 3] =
    [Interpolation::Nearest, Interpolation::Bilinear, Interpolation::BilinearCorners];

/// So many cases, or fewer where the environment has a smaller `PROPTEST_CASES`: for emulators.
pub(crate) fn cases(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig { cases: cases.min(default.cases), failure_persistence: None, ..default }
}

/// Height and width, often very small.
pub(crate) fn sizes() -> impl Strategy<Value = (usize, usize)> {
    let side = || prop_oneof![1 => 1..4usize, 3 => 1..21usize];
    (side(), side())
}

/// Numbers of channels around those of whole vectors.
pub(crate) fn channels() -> impl Strategy<Value = usize> {
    prop_oneof![3 => 1..41usize, 1 => prop::sample::select(vec![1, 8, 16, 24, 32, 40, 48])]
}

pub(crate) fn activations() -> impl Strategy<Value = Activation> {
    prop::sample::select(ACTIVATIONS.to_vec())
}

/// Windows of all kinds, with less padding than kernel.
pub(crate) fn windows() -> impl Strategy<Value = Window> {
    let known = vec![(1, 1), (3, 3), (5, 5), (1, 5), (5, 1), (7, 7), (2, 2), (3, 1), (1, 3)];
    let kernels = prop_oneof![2 => prop::sample::select(known), 1 => (1..8usize, 1..8usize)];
    let same =
        (kernels.clone(), 1..4usize).prop_map(|(kernel, stride)| Window::same(kernel, stride));
    let any = (kernels, 1..4usize, any::<(u8, u8)>()).prop_map(|(kernel, stride, padding)| {
        let padding = (usize::from(padding.0) % kernel.0, usize::from(padding.1) % kernel.1);
        Window { kernel, stride, padding, dilation: 1 }
    });
    let sides = prop::sample::select(vec![(3, 3), (5, 5), (1, 3), (3, 1), (1, 1), (5, 3)]);
    let dilated = (sides, 2..7usize).prop_map(|(kernel, apart)| Window::dilated(kernel, apart));
    prop_oneof![2 => same, 2 => any, 1 => dilated]
}

/// A size, and a window that fits it.
pub(crate) fn windows_that_fit() -> impl Strategy<Value = ((usize, usize), Window)> {
    (sizes(), windows()).prop_filter("the kernel is larger than the map", |(size, window)| {
        output_size(*window, *size).is_some()
    })
}
