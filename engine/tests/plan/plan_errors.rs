//! Shapes and slices that a plan can't take end in a typed error, never in a panic.

use engine::plan::{Activation, Interpolation, PlanError, PlanOptions, Window};

use crate::check::THREADS;
use crate::layer::Size;
use crate::model::{INPUT, Id, Joint, Model};

const NONE: Activation = Activation::Identity;

#[test]
fn inputs_that_the_network_cannot_take() {
    let mut model = Model::new(3);
    let x = model.conv(INPUT, Window::same((3, 3), 1), 4, NONE);
    let half = model.avg_pool2x2(x);
    let y = model.depthwise(
        half,
        Window { kernel: (3, 3), stride: 1, padding: (0, 0), dilation: 1 },
        NONE,
    );
    model.outputs = vec![y];
    let network = model.network(&PlanOptions::default()).unwrap();
    let plan = |shape| network.plan(shape, &PlanOptions::default().with_threads(1)).map(|_| ());
    let refused = |shape| plan(shape).unwrap_err().to_string();
    assert_eq!(plan([1, 3, 6, 6]), Ok(()));
    assert_eq!(refused([1, 3, 0, 6]), "input [1, 3, 0, 6]: expected at least one pixel");
    assert_eq!(refused([1, 3, 6, 0]), "input [1, 3, 6, 0]: expected at least one pixel");
    assert_eq!(refused([1, 4, 6, 6]), "input [1, 4, 6, 6]: expected 3 channels");
    assert_eq!(
        refused([1, 3, 6, 1]),
        "avg-pool: a map of 6x1x4 is too small for Window { kernel: (2, 2), stride: 2, padding: \
         (0, 0), dilation: 1 }"
    );
    assert_eq!(
        refused([1, 3, 4, 6]),
        "depthwise: a map of 2x3x4 is too small for Window { kernel: (3, 3), stride: 1, padding: \
         (0, 0), dilation: 1 }"
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

/// Input and output could be addressed, the vectors between them could not.
#[test]
fn batches_whose_hidden_vectors_overflow() {
    let (mut model, x) = Model::with_map(1);
    let mean = model.global_pool(x);
    let hidden = model.linear(mean, 1000, NONE);
    let logits = model.linear(hidden, 1, NONE);
    model.outputs = vec![logits];
    let network = model.network(&PlanOptions::default()).unwrap();
    let plan = network.plan([isize::MAX as usize / 3, 3, 1, 1], &PlanOptions::default());
    assert!(matches!(plan, Err(PlanError::Input { .. } | PlanError::Memory { .. })), "{plan:?}");
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
        let message = plan.unwrap_err().to_string();
        assert_eq!(message, format!("{kind}: 3x4x4 is added to 6x8x4"));
    }
}

#[test]
fn maps_beside_or_added_to_others() {
    let message = |grow: fn(&mut Model, Id, Id) -> Id| {
        let (mut model, x) = Model::with_map(4);
        let half = model.avg_pool2x2(x);
        let y = grow(&mut model, x, half);
        model.outputs = vec![y];
        let network = model.network(&PlanOptions::default()).unwrap();
        let plan = network.plan([1, 3, 6, 8], &PlanOptions::default());
        plan.unwrap_err().to_string()
    };
    let concat = message(|model, x, half| model.concat(&[x, half]));
    assert_eq!(concat, "concat: 3x4x4 beside 6x8x4");
    let sum = message(|model, x, half| model.activation(x, Some(half), NONE));
    assert_eq!(sum, "resize: 3x4x4 is added to a map of 6x8");
    let huge = message(|model, x, _| {
        model.resize(x, Size::Times(usize::MAX / 8), Interpolation::Bilinear, None, NONE)
    });
    assert!(huge.ends_with("is too large"), "{huge}");
}

/// Windows whose padded rows could not be counted in 32 bits, on maps that are small.
#[test]
fn windows_that_reach_too_far() {
    type Grow = fn(&mut Model, Id, [Window; 2]) -> Id;
    let far = Window::dilated((3, 3), 20_000);
    let wide =
        Window { kernel: (1 << 16, 1 << 16), stride: 1, padding: (0xffff, 0xffff), dilation: 1 };
    let grow: [Grow; 4] = [
        |model, x, [far, _]| model.conv(x, far, 1, NONE),
        |model, x, [far, _]| model.depthwise(x, far, NONE),
        |model, x, [_, wide]| model.avg_pool(x, wide, true),
        |model, x, [far, _]| {
            let ghost = model.ghost((x, None), (2, 4), 3, NONE, Joint::None);
            model.then_depthwise(far);
            ghost
        },
    ];
    for grow in grow {
        let (mut model, x) = Model::with_map(4);
        let y = grow(&mut model, x, [far, wide]);
        model.outputs = vec![y];
        let network = model.network(&PlanOptions::default()).unwrap();
        let plan = network.plan([1, 3, 6, 8], &PlanOptions::default());
        let message = plan.unwrap_err().to_string();
        assert!(message.ends_with("is too large on a map of 6x8x4"), "{message}");
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
    let threads = if THREADS { 2 } else { 1 };
    let others = [plan(2, 40, 1), plan(0, 4, 1), plan(2, 4, threads)];
    let different = if threads == 2 { &others[..] } else { &others[..2] };
    for other in different {
        let mut scratch = other.scratch().unwrap();
        let result = here.run(&mut scratch, &[0.0; 144], &mut [&mut [0.0; 60]]);
        let message = result.unwrap_err().to_string();
        assert!(message.starts_with("scratch of another plan: found "), "{message}");
    }
}
