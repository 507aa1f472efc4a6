//! Ghost modules: what they are joined with, how their channels are split, and the depthwise
//! convolution that may follow.

use engine::plan::{Activation, Window};
use proptest::prelude::*;

use crate::check::check;
use crate::model::{Id, Joint, Model};
use crate::oracle::output_size;
use crate::strategies::{activations, cases, channels, sizes, windows};

/// What a ghost module is joined with, before the values are made.
#[derive(Clone, Copy, Debug)]
enum Kind {
    None,
    Add,
    /// By attention on the map, pooled where it is large enough for that.
    Gate,
}

#[derive(Clone, Copy, Debug)]
struct Case {
    input: usize,
    primary: usize,
    channels: usize,
    kernel: usize,
    /// Distance of the cheap kernel's taps.
    dilation: usize,
    activation: Activation,
    kind: Kind,
    scale: bool,
}

impl Case {
    fn model(&self, (height, width): (usize, usize)) -> (Model, Id) {
        let (mut model, x) = Model::with_map(self.input);
        let scale = self.scale.then(|| {
            let mean = model.global_pool(x);
            model.linear(mean, self.input, Activation::HardSigmoid)
        });
        let joint = match self.kind {
            Kind::None => Joint::None,
            Kind::Add => Joint::Add(model.pointwise(x, self.channels, Activation::Identity, None)),
            Kind::Gate => {
                let small = if height.min(width) < 2 { x } else { model.avg_pool2x2(x) };
                Joint::Gate(model.dfc(small, self.channels, (5, 5)))
            }
        };
        let split = (self.primary, self.channels);
        let y = model.ghost((x, scale), split, self.kernel, self.activation, joint);
        model.dilate(self.dilation);
        model.outputs = vec![y];
        (model, y)
    }

    fn check(&self, size: (usize, usize)) {
        check(&self.model(size).0, size);
    }
}

const PLAIN: Case = Case {
    input: 10,
    primary: 12,
    channels: 24,
    kernel: 3,
    dilation: 1,
    activation: Activation::Relu,
    kind: Kind::None,
    scale: false,
};

#[test]
fn every_split_of_the_channels() {
    for primary in 1..=20 {
        for channels in [primary, primary + primary / 2, 2 * primary - 1, 2 * primary] {
            for kind in [Kind::None, Kind::Add, Kind::Gate] {
                Case { primary, channels, kind, ..PLAIN }.check((5, 6));
            }
        }
    }
}

#[test]
fn every_kernel_and_width() {
    for width in 1..=20 {
        for kernel in [1, 3, 5, 7] {
            let kind = [Kind::None, Kind::Add, Kind::Gate][width % 3];
            Case { kernel, kind, ..PLAIN }.check((3, width));
            Case { kernel, kind, activation: Activation::Identity, ..PLAIN }.check((width, 2));
        }
    }
}

/// Half a vector of primary features, which go in pairs of pixels.
#[test]
fn half_a_vector() {
    for primary in [2, 4, 8] {
        for (kernel, dilation) in [(1, 1), (3, 1), (5, 1), (3, 2)] {
            for kind in [Kind::None, Kind::Add, Kind::Gate] {
                for activation in [Activation::Identity, Activation::Relu, Activation::Sigmoid] {
                    let case = Case { input: 5, primary, channels: 2 * primary, kernel, ..PLAIN };
                    for size in [(1, 1), (3, 2), (4, 7), (9, 33)] {
                        Case { dilation, kind, activation, ..case }.check(size);
                    }
                }
            }
        }
        // Many fillings of the band.
        Case { primary, channels: 2 * primary, kind: Kind::Add, ..PLAIN }.check((200, 151));
    }
}

/// Several panels, scaled weights, and enough work for several threads.
#[test]
fn wide_modules() {
    for (input, primary, channels) in [(80, 92, 184), (112, 336, 672), (33, 101, 150)] {
        for kind in [Kind::None, Kind::Add, Kind::Gate] {
            for scale in [false, true] {
                Case { input, primary, channels, kind, scale, ..PLAIN }.check((7, 8));
            }
        }
    }
}

/// Maps that are divided by rows, and pass through the band in several fillings.
#[test]
fn large_maps() {
    for kind in [Kind::None, Kind::Add, Kind::Gate] {
        Case { input: 16, primary: 24, channels: 48, kind, ..PLAIN }.check((61, 60));
        Case { input: 3, primary: 8, channels: 13, kernel: 5, kind, ..PLAIN }.check((17, 300));
    }
}

/// Taps that are farther apart than small maps are wide, and rows that come back in the band.
#[test]
fn dilated_cheap_kernels() {
    for kind in [Kind::None, Kind::Add, Kind::Gate] {
        for (kernel, dilation) in [(3, 2), (3, 4), (5, 3), (3, 7)] {
            for size in [(1, 1), (5, 3), (13, 18), (33, 8)] {
                Case { kernel, dilation, kind, ..PLAIN }.check(size);
                Case { kernel, dilation, kind, channels: 17, scale: true, ..PLAIN }.check(size);
            }
        }
        Case { input: 8, primary: 24, channels: 48, dilation: 4, kind, ..PLAIN }.check((61, 60));
    }
}

/// A panel of one vector has shorter rows than the others, and its band more of them.
#[test]
fn bands_of_a_narrow_last_panel() {
    for primary in [20, 36, 40, 72] {
        for width in [52, 55, 58, 61] {
            Case { input: 1, primary, channels: primary + 3, ..PLAIN }.check((80, width));
        }
    }
}

#[test]
fn a_depthwise_convolution_behind_a_small_module() {
    let windows = [
        Window::same((3, 3), 2),
        Window::same((5, 5), 2),
        Window::same((3, 3), 1),
        Window::dilated((3, 3), 2),
    ];
    for window in windows {
        for kind in [Kind::None, Kind::Add, Kind::Gate] {
            for (size, dilation) in [((1, 1), 1), ((4, 7), 2), ((13, 12), 1)] {
                let (mut model, _) = Case { channels: 23, dilation, kind, ..PLAIN }.model(size);
                model.then_depthwise(window);
                check(&model, size);
            }
        }
    }
}

/// The module's output is large enough to pass to the convolution through the caches.
#[test]
fn a_depthwise_convolution_behind_a_large_module() {
    let windows = [
        Window::same((3, 3), 2),
        Window::same((5, 5), 2),
        Window { kernel: (2, 3), stride: 3, padding: (1, 0), dilation: 1 },
        Window { kernel: (1, 1), stride: 3, padding: (0, 0), dilation: 1 },
    ];
    for window in windows {
        for (kind, scale) in [(Kind::None, false), (Kind::Add, false), (Kind::Gate, true)] {
            for (primary, channels, dilation) in [(24, 48, 1), (36, 61, 1), (24, 48, 2)] {
                let case = Case { input: 4, primary, channels, dilation, kind, scale, ..PLAIN };
                let (mut model, _) = case.model((59, 71));
                model.then_depthwise(window);
                check(&model, (59, 71));
            }
        }
    }
}

fn any_case() -> impl Strategy<Value = Case> {
    let kinds = prop::sample::select(vec![Kind::None, Kind::Add, Kind::Gate]);
    let kernels = prop::sample::select(vec![1, 3, 3, 3, 5]);
    let first =
        (channels(), channels(), any::<u8>(), kernels, prop_oneof![3 => Just(1), 1 => 2..5usize]);
    (first, activations(), kinds, any::<bool>()).prop_map(
        |((input, primary, cheap, kernel, dilation), activation, kind, scale)| {
            let channels = primary + usize::from(cheap) % (primary + 1);
            Case { input, primary, channels, kernel, dilation, activation, kind, scale }
        },
    )
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn any_module(case in any_case(), size in sizes()) {
        case.check(size);
    }

    #[test]
    fn any_module_with_a_convolution_behind(case in any_case(), size in sizes(), window in windows()) {
        prop_assume!(output_size(window, size).is_some());
        let (mut model, _) = case.model(size);
        model.then_depthwise(window);
        check(&model, size);
    }
}
