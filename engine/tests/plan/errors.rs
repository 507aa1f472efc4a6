//! What does not fit ends in a typed error that says what was expected, never in a panic.

use engine::plan::{Activation, Join, NetworkBuilder, PlanError, PlanOptions, Value, Window};

use crate::model::{INPUT, Joint, Model};

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
        |primary, cheap| b.ghost((map, None), 4, primary, ((3, 3), cheap), NONE, Join::None);
    assert_eq!(length(ghost(w(7, 2), w(18, 2))), (8, 7));
    assert_eq!(length(ghost(w(8, 2), w(17, 2))), (18, 17));
    assert_eq!(length(ghost(w(8, 2), w(18, 1))), (2, 1));
    assert_eq!(length(b.dfc(map, w(7, 2), (5, w(10, 2)), (5, w(10, 2)))), (8, 7));
    assert_eq!(length(b.dfc(map, w(8, 2), (5, w(9, 2)), (5, w(10, 2)))), (10, 9));
    assert_eq!(length(b.dfc(map, w(8, 2), (5, w(10, 2)), (5, w(10, 3)))), (2, 3));
    let made = b.ghost((map, None), 4, w(8, 2), ((3, 3), w(18, 2)), NONE, Join::None).unwrap();
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
        let ghost = b.ghost((x, None), 4, w, ((3, 3), w), NONE, Join::None);
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
        operands(b.ghost((map, scale), channels, w(8, 2), (kernel, cheap), NONE, join))
    };
    let split = "ghost: expected one to two outputs for each primary channel";
    assert_eq!(ghost(None, 1, (3, 3), Join::None), split);
    assert_eq!(ghost(None, 5, (3, 3), Join::None), split);
    let odd = "ghost: expected a square cheap kernel of odd side";
    assert_eq!(ghost(None, 4, (2, 2), Join::None), odd);
    assert_eq!(ghost(None, 4, (1, 3), Join::None), odd);
    let joined = "ghost: expected a map of the output's channels to join";
    for join in [Join::Add(map), Join::Gate(map), Join::Add(vector), Join::Gate(vector)] {
        assert_eq!(ghost(None, 3, (3, 3), join), joined);
    }
    let scaled = "ghost: expected a vector of the input's channels as scale";
    assert_eq!(ghost(Some(map), 4, (3, 3), Join::None), scaled);
    let other = b.linear(vector, w(12, 3), NONE).unwrap();
    let made = b.ghost((map, Some(other)), 4, w(8, 2), ((1, 1), w(2, 2)), NONE, Join::None);
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
    let ghost = b.ghost((map, None), 4, primary, ((1, 1), w), NONE, Join::None).unwrap();
    assert_eq!(b.then_depthwise(ghost, window, w), Ok(ghost));
    assert_eq!(operands(b.then_depthwise(ghost, window, w)), refused, "only one");
    let ghost = b.ghost((map, None), 4, primary, ((1, 1), w), NONE, Join::None).unwrap();
    b.global_pool(ghost).unwrap();
    assert_eq!(operands(b.then_depthwise(ghost, window, w)), refused);
}

#[test]
fn windows_that_are_none() {
    let (mut b, input, map, _) = builder();
    let w: (&[f32], &[f32]) = (&[0.0; 36], &[0.0; 4]);
    let windows = [
        Window { kernel: (3, 3), stride: 0, padding: (1, 1) },
        Window { kernel: (3, 3), stride: 1, padding: (3, 1) },
        Window { kernel: (3, 3), stride: 1, padding: (1, usize::MAX) },
        Window { kernel: (0, 3), stride: 1, padding: (0, 0) },
    ];
    for window in windows {
        let expected = "expected a stride, and less padding than kernel";
        assert!(operands(b.conv(input, window, w, NONE)).contains(expected));
        assert!(operands(b.depthwise(map, window, w, NONE)).contains(expected));
        assert!(operands(b.then_depthwise(map, window, w)).contains(expected));
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
    operands(b.ghost((map, Some(foreign)), 3, w, ((1, 1), w), NONE, Join::None));
    operands(b.ghost((map, None), 3, w, ((1, 1), w), NONE, Join::Gate(foreign)));
    operands(b.then_depthwise(foreign, Window::same((1, 1), 1), w));
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
    operands(b.ghost((map, None), 0, none, ((3, 3), none), NONE, Join::None));
    operands(b.dfc(map, none, (3, none), (3, none)));
}

#[test]
fn kernels_whose_size_overflows() {
    let (mut b, input, map, _) = builder();
    let side = 1 << (usize::BITS / 2);
    let w: (&[f32], &[f32]) = (&[], &[0.0; 4]);
    for kernel in [(side, side), (usize::MAX, 3), (3, usize::MAX)] {
        let window = Window { kernel, stride: 1, padding: (0, 0) };
        assert!(b.conv(input, window, w, NONE).is_err());
        assert!(b.depthwise(map, window, w, NONE).is_err());
    }
    assert!(b.dfc(map, (&[0.0; 16], &[0.0; 4]), (usize::MAX, w), (3, w)).is_err());
}

#[test]
fn inputs_that_the_network_cannot_take() {
    let mut model = Model::new(3);
    let x = model.conv(INPUT, Window::same((3, 3), 1), 4, NONE);
    let half = model.avg_pool2x2(x);
    let y = model.depthwise(half, Window { kernel: (3, 3), stride: 1, padding: (0, 0) }, NONE);
    model.outputs = vec![y];
    let network = model.network(&PlanOptions::default()).unwrap();
    let plan = |shape| network.plan(shape, &PlanOptions::default().with_threads(1)).map(|_| ());
    let refused = |shape| plan(shape).unwrap_err().to_string();
    assert_eq!(plan([1, 3, 6, 6]), Ok(()));
    assert_eq!(refused([1, 3, 0, 6]), "input [1, 3, 0, 6]: expected at least one pixel");
    assert_eq!(refused([1, 3, 6, 0]), "input [1, 3, 6, 0]: expected at least one pixel");
    assert_eq!(refused([1, 4, 6, 6]), "input [1, 4, 6, 6]: expected 3 channels");
    assert_eq!(refused([1, 3, 6, 1]), "avg-pool: the result would be empty (3x0x4)");
    assert_eq!(
        refused([1, 3, 4, 6]),
        "depthwise: a map of 2x3x4 is too small for Window { kernel: (3, 3), stride: 1, padding: \
         (0, 0) }"
    );
    let huge = usize::MAX;
    for (height, width) in
        [(huge, 1), (1, huge), (huge, huge), (1 << 31, 1 << 31), (1 << 20, 1 << 20)]
    {
        for batch in [0, 1, huge] {
            assert!(plan([batch, 3, height, width]).is_err(), "{batch}, {height}x{width}");
        }
    }
    assert!(plan([huge, 3, 6, 6]).is_err());
}

#[test]
fn maps_of_another_size() {
    for join in [false, true] {
        let (mut model, x) = Model::with_map(4);
        let half = model.avg_pool2x2(x);
        let y = if join {
            model.ghost((x, None), (2, 4), 3, NONE, Joint::Add(half))
        } else {
            model.pointwise(x, 4, NONE, Some(half))
        };
        model.outputs = vec![y];
        let network = model.network(&PlanOptions::default()).unwrap();
        let plan = network.plan([1, 3, 6, 8], &PlanOptions::default());
        let kind = if join { "ghost" } else { "pointwise" };
        assert_eq!(operands(plan), format!("{kind}: 3x4x4 is added to 6x8x4"));
    }
}

#[test]
fn slices_of_other_lengths() {
    let mut model = Model::new(3);
    let x = model.conv(INPUT, Window::same((3, 3), 2), 5, NONE);
    let mean = model.global_pool(x);
    model.outputs = vec![x, mean];
    let network = model.network(&PlanOptions::default()).unwrap();
    let plan = network.plan([2, 3, 4, 6], &PlanOptions::default().with_threads(1)).unwrap();
    let mut scratch = plan.scratch().unwrap();
    let mut run = |input: usize, lens: &[usize]| {
        let input = vec![1.0; input];
        let mut outputs: Vec<Vec<f32>> = lens.iter().map(|len| vec![7.0; *len]).collect();
        let mut slices: Vec<&mut [f32]> = outputs.iter_mut().map(|o| &mut o[..]).collect();
        let result = plan.run(&mut scratch, &input, &mut slices);
        if result.is_err() {
            assert!(outputs.iter().flatten().all(|value| *value == 7.0), "a refused call wrote");
        }
        result.map_err(|error| error.to_string())
    };
    let error = |message: &str| Err(message.to_owned());
    assert_eq!(run(144, &[60, 10]), Ok(()));
    assert_eq!(run(143, &[60, 10]), error("input: found 143 elements, expected 144"));
    assert_eq!(run(72, &[60, 10]), error("input: found 72 elements, expected 144"));
    assert_eq!(run(144, &[60]), error("list of outputs: found 1 elements, expected 2"));
    assert_eq!(run(144, &[60, 10, 10]), error("list of outputs: found 3 elements, expected 2"));
    assert_eq!(run(144, &[10, 60]), error("output: found 10 elements, expected 60"));
    assert_eq!(run(144, &[60, 0]), error("output: found 0 elements, expected 10"));
}

#[test]
fn the_scratch_of_another_plan() {
    let mut model = Model::new(3);
    let x = model.conv(INPUT, Window::same((3, 3), 2), 5, NONE);
    model.outputs = vec![x];
    let network = model.network(&PlanOptions::default()).unwrap();
    let plan = |batch, size, threads| {
        let options = PlanOptions::default().with_threads(threads);
        network.plan([batch, 3, size, 6], &options).unwrap()
    };
    let here = plan(2, 4, 1);
    let threads = if crate::check::THREADS { 2 } else { 1 };
    let others = [plan(2, 40, 1), plan(0, 4, 1), plan(2, 4, threads)];
    let different = if threads == 2 { &others[..] } else { &others[..2] };
    for other in different {
        let mut scratch = other.scratch().unwrap();
        let result = here.run(&mut scratch, &[0.0; 144], &mut [&mut [0.0; 60]]);
        let message = result.unwrap_err().to_string();
        assert!(message.starts_with("scratch of another plan: found "), "{message}");
    }
}
