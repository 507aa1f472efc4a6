//! Outputs of which only the highest values are kept.

use std::sync::Arc;

use engine::plan::{
    Activation, Network, Output, Plan, PlanError, PlanOptions, Precision, Selection, Window,
};

use crate::check::{THREADS, every_dot, pictures, whole_team};
use crate::model::{INPUT, Model};

/// Outputs of all kinds: wide ones that a product writes by itself, one that is read on, a vector.
fn scores() -> Model {
    let mut model = Model::new(3);
    let stem = model.conv(INPUT, Window::same((3, 3), 2), 21, Activation::Relu);
    let wide = model.pointwise(stem, 103, Activation::Identity, None);
    let narrow = model.pointwise(stem, 5, Activation::Relu, None);
    let half = model.depthwise(stem, Window::same((3, 3), 2), Activation::Identity);
    let mean = model.global_pool(half);
    let logits = model.linear(mean, 70, Activation::Identity);
    model.outputs = vec![wide, narrow, stem, half, logits, mean];
    model
}

fn plan(network: &Arc<Network>, shape: [usize; 4], threads: usize) -> Plan {
    network.plan(shape, &PlanOptions::default().with_threads(threads)).expect("the input fits")
}

/// Checks the lists of each output against its values.
fn check(plan: &Plan, whole: &[Vec<f32>], outputs: &[Output], selection: Selection, case: &str) {
    let batch = plan.input_shape()[0];
    for ((shape, values), output) in plan.output_shapes().iter().zip(whole).zip(outputs) {
        let Output::Above(found) = output else { panic!("{case}: a whole output") };
        let (channels, cells) = (shape.channels, shape.pixels());
        for picture in 0..batch {
            let values = &values[picture * shape.len()..][..shape.len()];
            let mut sorted: Vec<f32> =
                values.iter().copied().filter(|value| *value > selection.above).collect();
            sorted.sort_by(|a, b| b.total_cmp(a));
            // What must be there, if not all.
            let last = selection.most.min(sorted.len()).checked_sub(1);
            let least = last.map_or(f32::INFINITY, |last| sorted[last]);
            let kept = found.picture(picture);
            assert_eq!((kept.channels(), kept.cells()), (channels, cells));
            assert_eq!(kept.iter().count(), cells);
            for (cell, kept) in kept.iter().enumerate() {
                assert!(kept.is_sorted_by(|a, b| a.channel < b.channel), "{case}: {kept:?}");
                for kept in kept {
                    assert_eq!(kept.value, values[kept.channel as usize * cells + cell], "{case}");
                    assert!(kept.value > selection.above, "{case}: {kept:?}");
                }
                let wanted = |channel: &usize| values[channel * cells + cell] >= least;
                for channel in (0..channels).filter(wanted) {
                    let there = kept.iter().any(|kept| kept.channel as usize == channel);
                    assert!(there, "{case}: cell {cell} without channel {channel}");
                }
            }
        }
    }
}

#[test]
fn what_is_kept_is_the_highest_of_whole_outputs() {
    let model = scores();
    for isa in every_dot() {
        for precision in [Precision::F32, Precision::Bf16] {
            let options = PlanOptions::default().with_isa(isa).with_precision(precision);
            let network = model.network(&options).expect("the model's operands fit");
            for (size, batch) in [((37, 22), 1), ((16, 16), 3), ((9, 8), 2), ((16, 16), 0)] {
                let input = pictures(&model, size, batch);
                let shape = [batch, 3, size.0, size.1];
                let alone = plan(&network, shape, 1);
                let whole = alone.run_to_vecs(&mut alone.scratch().unwrap(), &input).unwrap();
                for threads in if THREADS { 1..4 } else { 1..2 } {
                    let _team = whole_team();
                    let plan = plan(&network, shape, threads);
                    let mut scratch = plan.scratch().unwrap();
                    let floors = [0.3, 0.0, f32::NEG_INFINITY, 1e9, f32::NAN];
                    let all = floors.map(|above| Selection { above, most: usize::MAX });
                    let few = [(0.0, 3), (f32::NEG_INFINITY, 40), (0.1, 1), (0.0, 0)];
                    let few = few.map(|(above, most)| Selection { above, most });
                    for selection in [&all[..], &few].concat() {
                        let case = format!("{isa:?}, {precision:?}, {shape:?}, {selection:?}");
                        let mut outputs =
                            plan.outputs(&vec![Some(selection); whole.len()]).unwrap();
                        // Twice, as what another input left must not show.
                        for input in [&vec![7.0; input.len()], &input] {
                            plan.run_into(&mut scratch, input, &mut outputs).unwrap();
                        }
                        check(&plan, &whole, &outputs, selection, &case);
                    }
                }
            }
        }
    }
}

#[test]
fn some_whole_and_some_not() {
    let model = scores();
    let network = model.network(&PlanOptions::default()).unwrap();
    let plan = plan(&network, [2, 3, 20, 24], 1);
    let input = pictures(&model, (20, 24), 2);
    let mut scratch = plan.scratch().unwrap();
    let whole = plan.run_to_vecs(&mut scratch, &input).unwrap();
    let selection = Some(Selection { above: 0.5, most: 10 });
    let mut outputs = plan.outputs(&[selection, None, selection]).unwrap();
    plan.run_into(&mut scratch, &input, &mut outputs).unwrap();
    for (number, (output, whole)) in outputs.iter().zip(&whole).enumerate() {
        match number {
            0 | 2 => assert!(output.values().is_none()),
            _ => assert_eq!(output.values().unwrap(), whole),
        }
    }
}

#[test]
fn outputs_of_another_plan_are_refused() {
    let network = scores().network(&PlanOptions::default()).unwrap();
    let plans = [[1, 3, 16, 16], [1, 3, 16, 18], [2, 3, 16, 16], [0, 3, 16, 16]];
    let plans = plans.map(|shape| plan(&network, shape, 1));
    let input = vec![0.0; 3 * 16 * 16];
    for selections in [&[][..], &[Some(Selection { above: 0.0, most: 10 }); 6]] {
        for (number, other) in plans.iter().enumerate() {
            let mut outputs = other.outputs(selections).unwrap();
            let plan = &plans[0];
            let run = plan.run_into(&mut plan.scratch().unwrap(), &input, &mut outputs);
            assert_eq!(run.is_ok(), number == 0, "{number}: {run:?}");
            if let Err(error) = run {
                assert!(matches!(error, PlanError::Length { .. }), "{error}");
            }
            let fewer = plan.run_into(&mut plan.scratch().unwrap(), &input, &mut outputs[1..]);
            assert!(fewer.is_err());
        }
    }
}
