//! Several outputs, and batches.

use std::sync::Arc;

use engine::plan::{Activation, PlanOptions, Window};

use crate::check::{check_batch, pictures, run};
use crate::model::{INPUT, Joint, Model};

/// A small pyramid with a classifier: outputs of all kinds, some of which are read on.
fn pyramid() -> Model {
    let mut model = Model::new(3);
    let stem = model.conv(INPUT, Window::same((3, 3), 2), 12, Activation::Relu);
    let wide = model.ghost((stem, None), (18, 36), 3, Activation::Relu, Joint::None);
    let half = model.depthwise(wide, Window::same((3, 3), 2), Activation::Identity);
    let mean = model.global_pool(half);
    let hidden = model.linear(mean, 50, Activation::Relu);
    let logits = model.linear(hidden, 10, Activation::Identity);
    let small = model.pointwise(half, 7, Activation::Identity, None);
    model.outputs = vec![logits, stem, small, half, mean];
    model
}

#[test]
fn outputs_that_are_read_on() {
    for batch in [1, 2, 3, 5] {
        check_batch(&pyramid(), (23, 30), batch);
    }
}

#[test]
fn the_same_value_as_two_outputs() {
    let mut model = pyramid();
    model.outputs = [&model.outputs[..], &model.outputs[..]].concat();
    for batch in [1, 3] {
        check_batch(&model, (11, 12), batch);
    }
}

#[test]
fn no_picture_and_no_output() {
    let mut model = pyramid();
    check_batch(&model, (11, 12), 0);
    model.outputs.clear();
    check_batch(&model, (11, 12), 0);
    check_batch(&model, (11, 12), 2);
}

#[test]
fn a_batch_gives_what_its_pictures_give() {
    let model = pyramid();
    let network = model.network(&PlanOptions::default()).unwrap();
    let input = pictures(&model, (14, 9), 7);
    for threads in [1, 2, 3] {
        let together = run(&network, [7, 3, 14, 9], threads, &input).unwrap();
        for (picture, input) in input.chunks_exact(3 * 14 * 9).enumerate() {
            let alone = run(&network, [1, 3, 14, 9], 1, input).unwrap();
            for (together, alone) in together.iter().zip(&alone) {
                assert_eq!(together[picture * alone.len()..][..alone.len()], alone[..]);
            }
        }
    }
}

#[test]
fn memory_of_its_own_gets_the_same() {
    let model = pyramid();
    let network = model.network(&PlanOptions::default()).unwrap();
    for batch in [0, 1, 3] {
        let shape = [batch, 3, 20, 21];
        let input = pictures(&model, (20, 21), batch);
        let plan = network.plan(shape, &PlanOptions::default()).unwrap();
        let mut scratch = plan.scratch().unwrap();
        let expected = run(&network, shape, 1, &input).unwrap();
        assert_eq!(plan.run_to_vecs(&mut scratch, &input).unwrap(), expected);
        assert!(plan.run_to_vecs(&mut scratch, &[0.0; 5]).is_err());
    }
}

#[test]
fn one_network_plans_several_shapes() {
    let model = pyramid();
    let network = model.network(&PlanOptions::default()).unwrap();
    let shapes = [[1, 3, 9, 9], [2, 3, 32, 5], [1, 3, 1, 1], [1, 3, 9, 9]];
    let plans = shapes.map(|shape| network.plan(shape, &PlanOptions::default()).unwrap());
    for (plan, shape) in plans.iter().zip(shapes) {
        assert_eq!(plan.input_shape(), shape);
        assert!(Arc::ptr_eq(plan.network(), &network));
        let fresh = model.network(&PlanOptions::default()).unwrap();
        let input = pictures(&model, (shape[2], shape[3]), shape[0]);
        assert_eq!(run(&network, shape, 1, &input), run(&fresh, shape, 1, &input));
    }
    let sizes = plans[1].output_shapes().iter().map(|shape| shape.to_string());
    assert_eq!(sizes.collect::<Vec<_>>(), ["1x1x10", "16x3x12", "8x2x7", "8x2x36", "1x1x36"]);
    let vectors: Vec<bool> = network.output_vectors().collect();
    assert_eq!(vectors, [true, false, false, false, true]);
}

/// A plan's result is the network's, whatever was planned or run with the same scratch before.
#[test]
fn what_ran_before_does_not_show() {
    let model = pyramid();
    let network = model.network(&PlanOptions::default()).unwrap();
    let plan = network.plan([1, 3, 15, 15], &PlanOptions::default().with_threads(1)).unwrap();
    let mut scratch = plan.scratch().unwrap();
    let run = |scratch: &mut _, input: &[f32]| {
        let mut outputs =
            plan.output_shapes().iter().map(|s| vec![0.0; s.len()]).collect::<Vec<_>>();
        let mut slices: Vec<&mut [f32]> = outputs.iter_mut().map(|o| &mut o[..]).collect();
        plan.run(scratch, input, &mut slices).unwrap();
        outputs
    };
    let input = pictures(&model, (15, 15), 1);
    let first = run(&mut scratch, &input);
    for poison in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX] {
        run(&mut scratch, &vec![poison; input.len()]);
        assert_eq!(run(&mut scratch, &input), first, "after {poison}");
    }
    assert_eq!(run(&mut plan.scratch().unwrap(), &input), first);
}
