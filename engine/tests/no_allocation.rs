//! A plan that runs allocates nothing: a binary of its own, because it counts for all threads.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use engine::{
    isa::AnyIsa,
    plan::{
        Activation, Calibration, Extent, Interpolation, Join, Network, NetworkBuilder,
        OperandRange, PlanError, PlanOptions, Precision, Selection, Window,
    },
};

/// The system's allocator with counters.
struct Counting;

/// Allocations of all threads.
static ALL: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Allocations of this thread.
    static OWN: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALL.fetch_add(1, Ordering::SeqCst);
        OWN.set(OWN.get() + 1);
        // SAFETY: as the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller's; all memory comes from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Every operation, a vector that scales a map, two outputs.
fn network(options: &PlanOptions) -> Result<Arc<Network>, PlanError> {
    let numbers = [0.01; 24 * 56 * 9];
    let w = |outputs: usize, factors: usize| (&numbers[..outputs * factors], &numbers[..outputs]);
    let (relu, half) = (Activation::Relu, Window::same((3, 3), 2));
    let (mut b, input) = NetworkBuilder::new(options, 3);
    let stem = b.conv(input, half, w(16, 27), relu)?;
    let small = b.avg_pool2x2(stem)?;
    let gate = b.dfc(small, w(40, 16), (5, w(40, 5)), (5, w(40, 5)))?;
    let cheap = (Window::same((3, 3), 1), w(20, 9));
    let wide = b.ghost((stem, None), 40, w(20, 16), cheap, relu, Join::Gate(gate))?;
    let wide = b.then_depthwise(wide, half, w(40, 9))?;
    let mean = b.global_pool(wide)?;
    let scale = b.linear(mean, w(40, 40), Activation::HardSigmoid)?;
    let scaled = b.ghost((wide, Some(scale)), 40, w(20, 40), cheap, relu, Join::Add(wide))?;
    let deep = b.depthwise(scaled, Window::same((3, 3), 1), w(40, 9), relu)?;
    let added = b.pointwise(deep, w(40, 40), relu, Some(scaled))?;
    let up = b.resize(added, Extent::Like(stem), Interpolation::Bilinear, None, relu)?;
    let normal = b.group_norm(up, 8, w(40, 1), 1e-5, relu)?;
    let beside = b.concat(&[normal, stem])?;
    let tower = b.conv(beside, Window::same((3, 3), 1), w(24, 56 * 9), relu)?;
    let all = b.pointwise(tower, w(56, 24), relu, None)?;
    let again = b.repeat(tower, all)?;
    let mean = b.global_pool(again)?;
    let logits = b.linear(mean, w(300, 24), Activation::Sigmoid)?;
    Ok(Arc::new(b.build(&[logits, added])))
}

/// The network in a precision; all values are small and positive.
fn options(isa: AnyIsa, precision: Precision) -> PlanOptions {
    let matrices = [(3, 16), (4, 16), (6, 40), (7, 40), (9, 40), (14, 24), (17, 24)];
    let range = |(node, channels)| OperandRange { node, channels, min: 0.0, max: 1.0 };
    let ranges = Calibration::from_ranges(18, matrices.map(range)).expect("good ranges");
    PlanOptions::default().with_isa(isa).with_precision(precision).with_calibration(ranges)
}

const RUNS: usize = 60;

/// What the starts of the test's and the team's threads may allocate: they can come late, while the
/// caller runs the plan alone. It is less than one allocation a run.
const THREAD_START: usize = RUNS / 3;

#[test]
fn a_run_allocates_nothing() {
    let before = OWN.get();
    drop(std::hint::black_box(Box::new(7)));
    assert_eq!(OWN.get(), before + 1, "the counter counts");
    let precisions = [Precision::F32, Precision::Bf16, Precision::Int8];
    let cases = AnyIsa::available().flat_map(|isa| precisions.map(|precision| (isa, precision)));
    for (isa, precision) in cases {
        let network = network(&options(isa, precision)).expect("the operands fit");
        for (batch, threads) in [(1, 1), (1, 2), (3, 1), (3, 2), (4, 2)] {
            let options = PlanOptions::default().with_threads(threads);
            let plan = network.plan([batch, 3, 70, 61], &options).expect("the shape fits");
            let mut scratch = plan.scratch().expect("there is memory");
            let input = vec![1.0; batch * 3 * 70 * 61];
            let lens = plan.output_shapes().iter().map(|shape| batch * shape.len());
            let mut outputs: Vec<Vec<f32>> = lens.map(|len| vec![0.0; len]).collect();
            let mut slices: Vec<&mut [f32]> = outputs.iter_mut().map(|o| &mut o[..]).collect();
            let highest = Selection { above: 0.0, most: 20 };
            let mut kept = plan.outputs(&[Some(highest); 2]).expect("there is memory");
            let (all, own) = (ALL.load(Ordering::SeqCst), OWN.get());
            for _ in 0..RUNS {
                plan.run(&mut scratch, &input, &mut slices).expect("all fits");
                plan.run_into(&mut scratch, &input, &mut kept).expect("all fits");
            }
            let (all, own) = (ALL.load(Ordering::SeqCst) - all, OWN.get() - own);
            let case = format!("batch {batch}, {threads} threads, {isa:?}, {precision:?}");
            assert_eq!(own, 0, "allocations of the caller in {RUNS} runs: {case}");
            assert!(all <= THREAD_START, "{all} allocations in {RUNS} runs: {case}");
            assert!(outputs.iter().flatten().all(|value| *value > 0.0), "{case}");
        }
    }
}
