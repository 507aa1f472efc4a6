//! Threads: the same bits for any number of them, and plans that run side by side.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use engine::{
    isa::AnyIsa,
    plan::{Activation, Interpolation, Network, Plan, PlanOptions, Precision, Timings, Window},
};

use crate::check::{THREADS, bits, every_dot, pictures, run, say_what_is_left_out, whole_team};
use crate::int8::calibrated;
use crate::layer::Size;
use crate::model::{INPUT, Joint, Model};

/// All operations, with enough work that each is divided.
fn model() -> Model {
    let mut model = Model::new(3);
    let stem = model.conv(INPUT, Window::same((3, 3), 2), 16, Activation::Relu);
    let ghost = model.ghost((stem, None), (30, 60), 3, Activation::Relu, Joint::None);
    model.then_depthwise(Window::same((3, 3), 2));
    let mean = model.global_pool(ghost);
    let scale = model.linear(mean, 60, Activation::HardSigmoid);
    let small = model.avg_pool2x2(ghost);
    let gate = model.dfc(small, 90, (5, 5));
    let split = (47, 90);
    let gated = model.ghost((ghost, Some(scale)), split, 3, Activation::Relu, Joint::Gate(gate));
    let deep = model.depthwise(gated, Window::same((5, 5), 1), Activation::Sigmoid);
    let wide = model.pointwise(deep, 100, Activation::Identity, None);
    let added = model.pointwise(wide, 90, Activation::Relu, Some(gated));
    let dense = model.conv(added, Window::same((3, 3), 2), 33, Activation::Identity);
    let up =
        model.resize(dense, Size::Like(added), Interpolation::Bilinear, None, Activation::Relu);
    let normal = model.group_norm(up, 11, Activation::Identity);
    let beside = model.concat(&[normal, added]);
    let tower = model.conv(beside, Window::same((3, 3), 1), 123, Activation::Relu);
    let dense = model.repeat(tower, tower);
    let mean = model.global_pool(dense);
    let hidden = model.linear(mean, 700, Activation::Relu);
    let logits = model.linear(hidden, 301, Activation::Identity);
    model.outputs = vec![logits, dense, gate];
    model
}

const SIZE: (usize, usize) = (65, 58);

fn network(model: &Model) -> Arc<Network> {
    model.network(&PlanOptions::default()).unwrap()
}

fn plan(network: &Arc<Network>, batch: usize, threads: usize) -> Plan {
    let options = PlanOptions::default().with_threads(threads);
    network.plan([batch, 3, SIZE.0, SIZE.1], &options).unwrap()
}

#[test]
fn the_same_bits_with_any_number_of_threads() {
    say_what_is_left_out();
    let model = model();
    for isa in every_dot() {
        for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
            check_threads(&model, isa, precision);
        }
    }
}

fn check_threads(model: &Model, isa: AnyIsa, precision: Precision) {
    let options = PlanOptions::default().with_isa(isa);
    let single = model.network(&options).unwrap();
    let ranges = calibrated(&single, [1, 3, SIZE.0, SIZE.1], &pictures(model, SIZE, 1));
    let options = options.with_precision(precision).with_calibration(ranges);
    let network = model.network(&options).unwrap();
    let mut before: Option<Vec<Vec<u32>>> = None;
    for batch in [1, 4] {
        let shape = [batch, 3, SIZE.0, SIZE.1];
        let input = pictures(model, SIZE, batch);
        let alone = run(&network, shape, 1, &input).unwrap();
        assert!(alone.iter().flatten().all(|value| value.is_finite()));
        for threads in if THREADS { 2..=5 } else { 1..=1 } {
            let _team = whole_team();
            let together = run(&network, shape, threads, &input).unwrap();
            let case = format!("{threads} threads, {isa:?}, {precision:?}");
            assert!(bits(&alone) == bits(&together), "{case}");
        }
        let first: Vec<Vec<u32>> =
            bits(&alone).iter().map(|output| output[..output.len() / batch].to_vec()).collect();
        let known = before.get_or_insert_with(|| first.clone());
        assert!(*known == first, "a batch of {batch}, {isa:?}, {precision:?}");
    }
}

#[test]
fn threads_follow_the_ambient_pool() {
    let network = network(&model());
    for threads in if THREADS { 1..=3 } else { 1..=1 } {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let count = || network.plan([1, 3, 20, 20], &PlanOptions::default()).unwrap().threads();
        if THREADS {
            assert_eq!(pool.unwrap().install(count), threads);
        }
        let none = PlanOptions::default().with_threads(0);
        assert_eq!(network.plan([1, 3, 20, 20], &none).unwrap().threads(), 1);
    }
}

/// Runs `plan` once with its own scratch and gives its outputs' bits.
fn outputs_of(plan: &Plan, input: &[f32]) -> Vec<Vec<u32>> {
    let mut scratch = plan.scratch().unwrap();
    let batch = plan.input_shape()[0];
    let mut outputs: Vec<_> =
        plan.output_shapes().iter().map(|shape| vec![f32::NAN; batch * shape.len()]).collect();
    let mut slices: Vec<&mut [f32]> = outputs.iter_mut().map(|output| &mut output[..]).collect();
    plan.run(&mut scratch, input, &mut slices).unwrap();
    bits(&outputs)
}

#[test]
fn many_callers_share_plans_of_several_teams() {
    if !THREADS {
        return println!("left out: this platform starts no threads");
    }
    let model = model();
    let network = network(&model);
    let inputs = [1, 3].map(|batch| pictures(&model, SIZE, batch));
    let plans: Vec<(Plan, usize)> = [1, 2, 5]
        .into_iter()
        .flat_map(|threads| [(plan(&network, 1, threads), 0), (plan(&network, 3, threads), 1)])
        .collect();
    let expected =
        [1, 3].map(|batch| outputs_of(&plan(&network, batch, 1), &inputs[usize::from(batch == 3)]));
    thread::scope(|scope| {
        for caller in 0..8 {
            let (plans, inputs, expected) = (&plans, &inputs, &expected);
            scope.spawn(move || {
                for round in 0..6 {
                    let (plan, batch) = &plans[(caller + round) % plans.len()];
                    assert!(outputs_of(plan, &inputs[*batch]) == expected[*batch]);
                }
            });
        }
    });
}

/// Teams end with their last plan, and start again with the next, while others come and go.
#[test]
fn plans_are_made_and_dropped_side_by_side() {
    if !THREADS {
        return println!("left out: this platform starts no threads");
    }
    let model = model();
    let network = network(&model);
    let input = pictures(&model, SIZE, 1);
    let expected = outputs_of(&plan(&network, 1, 1), &input);
    thread::scope(|scope| {
        for caller in 0..4 {
            let (network, input, expected) = (&network, &input, &expected);
            scope.spawn(move || {
                for round in 0..8 {
                    let threads = [1, 2, 5][(caller + round) % 3];
                    let plan = plan(network, 1, threads);
                    if round % 4 > 0 {
                        assert!(outputs_of(&plan, input) == *expected);
                    }
                }
            });
        }
    });
}

/// The members sleep after a while without work; the next run must wake them or do without.
#[test]
fn a_team_that_sleeps_is_woken() {
    let model = model();
    let network = network(&model);
    let plan = plan(&network, 1, if THREADS { 3 } else { 1 });
    let input = pictures(&model, SIZE, 1);
    let expected = outputs_of(&plan, &input);
    for pause in [0, 1, 20, 100, 1000, 20_000] {
        thread::sleep(std::time::Duration::from_micros(pause));
        assert!(outputs_of(&plan, &input) == expected, "after {pause} microseconds");
    }
}

/// Threads that compute without end must not keep a plan from its results.
#[test]
fn a_busy_machine_only_slows_plans_down() {
    if !THREADS {
        return println!("left out: this platform starts no threads");
    }
    let model = model();
    let network = network(&model);
    let input = pictures(&model, SIZE, 1);
    let expected = outputs_of(&plan(&network, 1, 1), &input);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let plan = plan(&network, 1, 3);
        let right = (0..3).all(|_| outputs_of(&plan, &input) == expected);
        done.store(true, Ordering::Relaxed);
        assert!(right);
    });
}

#[test]
fn a_timed_run_gives_the_same_bits_and_counts_every_step() {
    let model = model();
    let network = network(&model);
    let input = pictures(&model, SIZE, 2);
    for threads in if THREADS { 1..=2 } else { 1..=1 } {
        let plan = plan(&network, 2, threads);
        let mut scratch = plan.scratch().unwrap();
        let mut outputs: Vec<_> =
            plan.output_shapes().iter().map(|shape| vec![f32::NAN; 2 * shape.len()]).collect();
        let mut slices: Vec<&mut [f32]> =
            outputs.iter_mut().map(|output| &mut output[..]).collect();
        let mut timings = Timings::default();
        plan.run_timed(&mut scratch, &input, &mut slices, &mut timings).unwrap();
        assert!(bits(&outputs) == outputs_of(&plan, &input));
        assert!(timings.kinds().iter().all(|timing| timing.calls > 0));
        let work: usize = timings.kinds().iter().map(|timing| timing.multiply_adds).sum();
        assert!(work >= plan.multiply_adds(), "{work} for two pictures of {plan}");
    }
}
