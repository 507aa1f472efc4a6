//! Runs a model on every instruction set and several numbers of threads, against the oracle.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::{
    isa::AnyIsa,
    plan::{Network, PlanError, PlanOptions},
};

use crate::model::Model;
use crate::oracle::{Map, numbers};

/// Elements around every slice that a plan gets.
const GUARD: usize = 64;

/// A slice between guards of NaN: what is read from there shows in the result, and what is written
/// there shows in the guards.
struct Guarded(Vec<f32>);

impl Guarded {
    fn new(values: &[f32]) -> Self {
        let guard = [f32::NAN; GUARD];
        Self([&guard, values, &guard].concat())
    }

    fn slice(&self) -> &[f32] {
        &self.0[GUARD..self.0.len() - GUARD]
    }

    fn slice_mut(&mut self) -> &mut [f32] {
        let end = self.0.len() - GUARD;
        &mut self.0[GUARD..end]
    }

    fn into_checked(self) -> Vec<f32> {
        let (before, rest) = self.0.split_at(GUARD);
        let (values, after) = rest.split_at(rest.len() - GUARD);
        assert!(before.iter().chain(after).all(|value| value.is_nan()), "wrote outside");
        values.to_vec()
    }
}

/// Only one test at a time has the team of threads: a second plan that runs meanwhile goes on with
/// its caller alone, and would not test the division of work.
pub(crate) fn whole_team() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether threads can be started; elsewhere plans run on their caller alone.
pub(crate) const THREADS: bool = !cfg!(target_family = "wasm");

/// The outputs of a plan that has run before, on NaN: nothing of that may show.
pub(crate) fn run(
    network: &Arc<Network>,
    shape: [usize; 4],
    threads: usize,
    input: &[f32],
) -> Result<Vec<Vec<f32>>, PlanError> {
    let plan = network.plan(shape, &PlanOptions::default().with_threads(threads))?;
    assert_eq!(plan.threads(), if THREADS { threads } else { 1 });
    let mut scratch = plan.scratch()?;
    let mut outputs: Vec<Guarded> = plan
        .output_shapes()
        .iter()
        .map(|output| Guarded::new(&vec![f32::NAN; shape[0] * output.len()]))
        .collect();
    for input in [Guarded::new(&vec![f32::NAN; input.len()]), Guarded::new(input)] {
        let mut slices: Vec<&mut [f32]> = outputs.iter_mut().map(Guarded::slice_mut).collect();
        plan.run(&mut scratch, input.slice(), &mut slices)?;
    }
    Ok(outputs.into_iter().map(Guarded::into_checked).collect())
}

/// Pictures for a model.
pub(crate) fn pictures(model: &Model, (height, width): (usize, usize), batch: usize) -> Vec<f32> {
    numbers(batch * model.channels[0] * height * width, 77)
}

/// The bits of all outputs, which can be compared where there is a NaN too.
pub(crate) fn bits(outputs: &[Vec<f32>]) -> Vec<Vec<u32>> {
    outputs.iter().map(|output| output.iter().map(|value| value.to_bits()).collect()).collect()
}

/// Checks the model on pictures of this size: close to the oracle on every instruction set, and
/// the same bits on 1, 2 and 3 threads.
pub(crate) fn check_batch(model: &Model, size: (usize, usize), batch: usize) {
    let channels = model.channels[0];
    let input = pictures(model, size, batch);
    let picture = |values: &[f32]| Map {
        channels,
        size,
        values: values.iter().copied().map(f64::from).collect(),
    };
    let expected: Vec<Vec<Map>> = input
        .chunks_exact(channels * size.0 * size.1)
        .map(|values| model.expected(&picture(values)))
        .collect();
    let shape = [batch, channels, size.0, size.1];
    for isa in AnyIsa::available() {
        let options = PlanOptions::default().with_isa(isa);
        let network = model.network(&options).expect("the model's operands fit");
        let name = isa.name();
        let outputs = run(&network, shape, 1, &input).expect("the input fits");
        for (index, output) in outputs.iter().enumerate() {
            let expected: Vec<&f64> =
                expected.iter().flat_map(|maps| &maps[index].values).collect();
            assert_eq!(output.len(), expected.len(), "{name}: output {index} of {model:?}");
            for (at, (found, expected)) in output.iter().zip(expected).enumerate() {
                let error = (f64::from(*found) - expected).abs();
                assert!(
                    error <= 2e-5 * (1.0 + expected.abs()),
                    "{name}: output {index} at {at}: found {found}, expected {expected}; {shape:?} \
                     into {model:?}"
                );
            }
        }
        for threads in if THREADS { &[2, 3][..] } else { &[] } {
            let _team = whole_team();
            let divided = run(&network, shape, *threads, &input).expect("the input fits");
            assert!(
                bits(&divided) == bits(&outputs),
                "{name}: other bits on {threads} threads; {shape:?} into {model:?}"
            );
        }
    }
}

/// As [`check_batch`], for one picture.
pub(crate) fn check(model: &Model, size: (usize, usize)) {
    check_batch(model, size, 1);
}

/// Every instruction set that the CPU has, with and without its tile registers and its products of
/// narrow numbers.
pub(crate) fn every_dot() -> Vec<AnyIsa> {
    let ways = |isa: AnyIsa| [isa, isa.without_tiles(), isa.without_dots()];
    let mut sets: Vec<_> = AnyIsa::available().flat_map(ways).collect();
    sets.dedup();
    sets
}

pub(crate) fn say_what_is_left_out() {
    for name in AnyIsa::missing() {
        println!("left out: this CPU has no {name}");
    }
}
