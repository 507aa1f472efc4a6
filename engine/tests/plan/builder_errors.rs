//! Networks that can't be built end in a typed error that says what was expected, never in a panic.

use std::sync::Arc;

use engine::plan::{
    Activation, Extent, Interpolation, Join, NetworkBuilder, PlanError, PlanOptions, Value, Window,
};

const NONE: Activation = Activation::Identity;

/// A builder with the input, a map of 4 channels, and a vector of 4.
fn builder() -> (NetworkBuilder, Value, Value, Value) {
    let (mut builder, input) = NetworkBuilder::new(&PlanOptions::default(), 3);
    let window = Window::same((1, 1), 1);
    let map = builder.conv(input, window, (&[1.0; 12], &[0.0; 4]), NONE).unwrap();
    let vector = builder.global_pool(map).unwrap();
    (builder, input, map, vector)
}

fn operands<T: std::fmt::Debug>(result: Result<T, PlanError>) -> String {
    match result {
        Err(error @ PlanError::Operands { .. }) => error.to_string(),
        other => panic!("expected operands to be refused, got {other:?}"),
    }
}

fn length<T: std::fmt::Debug>(result: Result<T, PlanError>) -> (usize, usize) {
    match result {
        Err(PlanError::Length { expected, found, .. }) => (expected, found),
        other => panic!("expected a length to be refused, got {other:?}"),
    }
}

#[test]
fn weights_of_other_lengths() {
    let (mut b, input, map, vector) = builder();
    let zeros = [0.0; 64];
    let w = |weights: usize, bias: usize| (&zeros[..weights], &zeros[..bias]);
    let window = Window::same((3, 3), 1);
    assert_eq!(length(b.conv(input, window, w(53, 2), NONE)), (54, 53));
    assert_eq!(length(b.pointwise(map, w(9, 2), NONE, None)), (8, 9));
    assert_eq!(length(b.depthwise(map, window, w(35, 4), NONE)), (36, 35));
    assert_eq!(length(b.depthwise(map, window, w(36, 3), NONE)), (4, 3));
    assert_eq!(length(b.linear(vector, w(11, 3), NONE)), (12, 11));
    let mut ghost =
        |primary, cheap| b.ghost((map, None), 4, primary, (window, cheap), NONE, Join::None);
    assert_eq!(length(ghost(w(7, 2), w(18, 2))), (8, 7));
    assert_eq!(length(ghost(w(8, 2), w(17, 2))), (18, 17));
    assert_eq!(length(ghost(w(8, 2), w(18, 1))), (2, 1));
    assert_eq!(length(b.dfc(map, w(7, 2), (5, w(10, 2)), (5, w(10, 2)))), (8, 7));
    assert_eq!(length(b.dfc(map, w(8, 2), (5, w(9, 2)), (5, w(10, 2)))), (10, 9));
    assert_eq!(length(b.dfc(map, w(8, 2), (5, w(10, 2)), (5, w(10, 3)))), (2, 3));
    let made = b
        .ghost((map, None), 4, w(8, 2), (Window::same((3, 3), 1), w(18, 2)), NONE, Join::None)
        .unwrap();
    assert_eq!(length(b.then_depthwise(made, window, w(35, 4))), (36, 35));
}

#[test]
fn operands_of_another_kind() {
    let (mut b, input, map, vector) = builder();
    let w: (&[f32], &[f32]) = (&[0.0; 16], &[0.0; 4]);
    let window = Window::same((2, 2), 1);
    for x in [input, vector] {
        assert_eq!(operands(b.pointwise(x, w, NONE, None)), "pointwise: expected a map");
        assert_eq!(operands(b.depthwise(x, window, w, NONE)), "depthwise: expected a map");
        assert_eq!(operands(b.dfc(x, w, (5, w), (5, w))), "dfc: expected a map");
        assert_eq!(operands(b.avg_pool2x2(x)), "avg-pool: expected a map");
        assert_eq!(operands(b.global_pool(x)), "global-pool: expected a map");
        assert_eq!(operands(b.group_norm(x, 1, w, 0.0, NONE)), "group-norm: expected a map");
        assert_eq!(operands(b.concat(&[map, x])), "concat: expected one map or more");
        let again = operands(b.repeat(map, x));
        assert_eq!(again, "repeat: expected a map of the same channels");
        let sum = operands(b.activation(map, Some(x), NONE));
        assert_eq!(sum, "resize: expected a map of the same channels to add");
        let ghost = b.ghost((x, None), 4, w, (Window::same((3, 3), 1), w), NONE, Join::None);
        assert_eq!(operands(ghost), "ghost: expected a map");
    }
    assert_eq!(operands(b.conv(vector, window, w, NONE)), "conv: expected a map");
    for x in [input, map] {
        assert_eq!(operands(b.linear(x, w, NONE)), "linear: expected a vector");
    }
}

#[test]
fn maps_and_vectors_that_do_not_fit_together() {
    let (mut b, _, map, vector) = builder();
    let zeros = [0.0; 64];
    let w = |weights: usize, bias: usize| (&zeros[..weights], &zeros[..bias]);
    for add in [map, vector] {
        let error = operands(b.pointwise(map, w(12, 3), NONE, Some(add)));
        assert_eq!(error, "pointwise: expected a map of the output's channels to add");
    }
    let mut ghost = |scale, channels, kernel: (usize, usize), join| {
        let cheap = w(2 * kernel.0 * kernel.1, 2);
        operands(b.ghost(
            (map, scale),
            channels,
            w(8, 2),
            (Window::same(kernel, 1), cheap),
            NONE,
            join,
        ))
    };
    let split = "ghost: expected one to two outputs for each primary channel";
    assert_eq!(ghost(None, 1, (3, 3), Join::None), split);
    assert_eq!(ghost(None, 5, (3, 3), Join::None), split);
    let odd = "ghost: expected a square cheap kernel of odd side, with padding that keeps the size";
    assert_eq!(ghost(None, 4, (2, 2), Join::None), odd);
    assert_eq!(ghost(None, 4, (1, 3), Join::None), odd);
    let joined = "ghost: expected a map of the output's channels to join";
    for join in [Join::Add(map), Join::Gate(map), Join::Add(vector), Join::Gate(vector)] {
        assert_eq!(ghost(None, 3, (3, 3), join), joined);
    }
    let scaled = "ghost: expected a vector of the input's channels as scale";
    assert_eq!(ghost(Some(map), 4, (3, 3), Join::None), scaled);
    let other = b.linear(vector, w(12, 3), NONE).unwrap();
    let made = b.ghost(
        (map, Some(other)),
        4,
        w(8, 2),
        (Window::same((1, 1), 1), w(2, 2)),
        NONE,
        Join::None,
    );
    assert_eq!(operands(made), scaled);
    for (kw, kh) in [(2, 3), (3, 2), (0, 1)] {
        let made = b.dfc(map, w(8, 2), (kw, w(2 * kw, 2)), (kh, w(2 * kh, 2)));
        assert_eq!(operands(made), "dfc: expected odd kernels");
    }
}

#[test]
fn a_convolution_behind_something_else_than_the_last_ghost_module() {
    let (mut b, _, map, _) = builder();
    let w: (&[f32], &[f32]) = (&[0.0; 4], &[0.0; 4]);
    let window = Window::same((1, 1), 2);
    let refused = "depthwise: expected a ghost module that was made last";
    assert_eq!(operands(b.then_depthwise(map, window, w)), refused);
    let primary: (&[f32], &[f32]) = (&[0.0; 16], &[0.0; 4]);
    let ghost =
        b.ghost((map, None), 4, primary, (Window::same((1, 1), 1), w), NONE, Join::None).unwrap();
    assert_eq!(b.then_depthwise(ghost, window, w), Ok(ghost));
    assert_eq!(operands(b.then_depthwise(ghost, window, w)), refused, "only one");
    let ghost =
        b.ghost((map, None), 4, primary, (Window::same((1, 1), 1), w), NONE, Join::None).unwrap();
    b.global_pool(ghost).unwrap();
    assert_eq!(operands(b.then_depthwise(ghost, window, w)), refused);
}

#[test]
fn what_heads_cannot_have() {
    let (mut b, input, map, vector) = builder();
    let resize = |b: &mut NetworkBuilder, x, extent| {
        operands(b.resize(x, extent, Interpolation::Nearest, None, NONE))
    };
    let like = Extent::Like(map);
    assert_eq!(resize(&mut b, input, like), "resize: expected a map or a vector");
    let none = Extent::Times(0);
    assert_eq!(resize(&mut b, map, none), "resize: expected a factor of at least one");
    let (ones, many): (&[f32], &[f32]) = (&[1.0; 4], &[1.0; 5]);
    for groups in [0, 3, 5, 8] {
        let error = operands(b.group_norm(map, groups, (ones, ones), 1e-5, NONE));
        assert_eq!(error, "group-norm: expected groups that divide the channels");
    }
    assert_eq!(length(b.group_norm(map, 2, (many, ones), 1e-5, NONE)), (4, 5));
    assert_eq!(length(b.group_norm(map, 2, (ones, many), 1e-5, NONE)), (4, 5));
    assert_eq!(operands(b.concat(&[])), "concat: expected one map or more");
    let same = Window::same((3, 3), 1);
    assert_eq!(operands(b.avg_pool(vector, same, true)), "avg-pool: expected a map");
    let error = operands(b.avg_pool(map, Window::dilated((3, 3), 2), true));
    assert_eq!(error, "avg-pool: expected a window without dilation");
    let pooled = b.avg_pool2x2(map).unwrap();
    let added = b.pointwise(map, (&[0.0; 16], &[0.0; 4]), NONE, Some(map)).unwrap();
    for value in [vector, pooled, added] {
        let error = operands(b.repeat(value, map));
        assert_eq!(error, "repeat: expected a value that a convolution or a group-norm made");
    }
    let wide = b.pointwise(map, (&[0.0; 20], &[0.0; 5]), NONE, None).unwrap();
    assert_eq!(operands(b.repeat(wide, wide)), "repeat: expected a map of the same channels");
}

#[test]
fn windows_that_are_none() {
    let (mut b, input, map, _) = builder();
    let w: (&[f32], &[f32]) = (&[0.0; 36], &[0.0; 4]);
    let windows = [
        Window { kernel: (3, 3), stride: 0, padding: (1, 1), dilation: 1 },
        Window { kernel: (3, 3), stride: 1, padding: (3, 1), dilation: 1 },
        Window { kernel: (3, 3), stride: 1, padding: (1, usize::MAX), dilation: 1 },
        Window { kernel: (0, 3), stride: 1, padding: (0, 0), dilation: 1 },
        Window { dilation: 0, ..Window::same((3, 3), 1) },
        Window { dilation: 2, ..Window::same((3, 3), 1) },
        Window { stride: 2, ..Window::dilated((3, 3), 2) },
        Window { padding: (4, 2), ..Window::dilated((3, 3), 2) },
        Window::dilated((2, 3), 2),
        Window::dilated((3, 3), usize::MAX),
        Window::dilated((3, 3), 1 << 30),
        Window::same((3, 3), usize::MAX),
        Window::same((usize::MAX, 3), 1),
    ];
    for window in windows {
        let expected = "expected a stride, and less padding than kernel";
        assert!(operands(b.conv(input, window, w, NONE)).contains(expected));
        assert!(operands(b.depthwise(map, window, w, NONE)).contains(expected));
        assert!(operands(b.then_depthwise(map, window, w)).contains(expected));
        assert!(operands(b.avg_pool(map, window, true)).contains(expected));
    }
}

#[test]
fn values_of_another_network() {
    let (_, _, _, foreign) = builder();
    let (mut b, input) = NetworkBuilder::new(&PlanOptions::default(), 3);
    let w: (&[f32], &[f32]) = (&[0.0; 9], &[0.0; 3]);
    operands(b.conv(foreign, Window::same((1, 1), 1), w, NONE));
    let map = b.conv(input, Window::same((1, 1), 1), w, NONE).unwrap();
    operands(b.pointwise(map, w, NONE, Some(foreign)));
    operands(b.ghost((map, Some(foreign)), 3, w, (Window::same((1, 1), 1), w), NONE, Join::None));
    operands(b.ghost((map, None), 3, w, (Window::same((1, 1), 1), w), NONE, Join::Gate(foreign)));
    operands(b.then_depthwise(foreign, Window::same((1, 1), 1), w));
    operands(b.resize(map, Extent::Like(foreign), Interpolation::Nearest, None, NONE));
    operands(b.resize(foreign, Extent::Times(1), Interpolation::Nearest, None, NONE));
    operands(b.concat(&[map, foreign]));
    operands(b.avg_pool(foreign, Window::same((1, 1), 1), true));
    operands(b.repeat(foreign, map));
    operands(b.repeat(map, foreign));
}

#[test]
fn networks_without_channels() {
    let none: (&[f32], &[f32]) = (&[], &[]);
    let (mut b, input) = NetworkBuilder::new(&PlanOptions::default(), 0);
    let window = Window::same((3, 3), 1);
    let made = b.conv(input, window, (&[], &[0.0; 4]), NONE);
    assert!(matches!(made, Err(PlanError::Operands { .. })), "{made:?}");
    let (mut b, input, map, vector) = builder();
    operands(b.conv(input, window, none, NONE));
    operands(b.pointwise(map, none, NONE, None));
    operands(b.linear(vector, none, NONE));
    operands(b.ghost((map, None), 0, none, (Window::same((3, 3), 1), none), NONE, Join::None));
    operands(b.dfc(map, none, (3, none), (3, none)));
}

#[test]
fn kernels_whose_size_overflows() {
    let (mut b, input, map, _) = builder();
    let side = 1 << (usize::BITS / 2);
    let w: (&[f32], &[f32]) = (&[], &[0.0; 4]);
    for kernel in [(side, side), (usize::MAX, 3), (3, usize::MAX)] {
        let window = Window { kernel, stride: 1, padding: (0, 0), dilation: 1 };
        assert!(b.conv(input, window, w, NONE).is_err());
        assert!(b.depthwise(map, window, w, NONE).is_err());
    }
    assert!(b.dfc(map, (&[0.0; 16], &[0.0; 4]), (usize::MAX, w), (3, w)).is_err());
}

#[test]
fn outputs_that_are_not_computed() {
    let (_, _, _, foreign) = builder();
    let (mut b, input) = NetworkBuilder::new(&PlanOptions::default(), 3);
    let w: (&[f32], &[f32]) = (&[0.0; 3], &[0.0; 1]);
    b.conv(input, Window::same((1, 1), 1), w, NONE).unwrap();
    let network = Arc::new(b.build(&[foreign]));
    operands(network.plan([1, 3, 2, 2], &PlanOptions::default()));
    let (b, input) = NetworkBuilder::new(&PlanOptions::default(), 3);
    let network = Arc::new(b.build(&[input]));
    operands(network.plan([1, 3, 2, 2], &PlanOptions::default()));
}
