//! A plan's listing: every step with its kernel, shapes, work and place.

use engine::plan::{Activation, Interpolation, PlanOptions, Window};

use crate::layer::Size;
use crate::model::{INPUT, Joint, Model};

const NONE: Activation = Activation::Identity;

fn model() -> Model {
    let mut model = Model::new(3);
    let stem = model.conv(INPUT, Window::same((3, 3), 2), 16, Activation::Relu);
    let small = model.avg_pool2x2(stem);
    let gate = model.dfc(small, 24, (5, 3));
    let gated = model.ghost((stem, None), (12, 24), 3, Activation::Relu, Joint::Gate(gate));
    let mean = model.global_pool(gated);
    let scale = model.linear(mean, 24, Activation::HardSigmoid);
    let added = model.pointwise(gated, 16, Activation::Identity, Some(stem));
    let split = (9, 16);
    let last = model.ghost((gated, Some(scale)), split, 5, Activation::Identity, Joint::Add(added));
    model.then_depthwise(Window::same((5, 5), 2));
    let deep = model.depthwise(last, Window::same((3, 1), 1), Activation::Sigmoid);
    let mean = model.global_pool(deep);
    let logits = model.linear(mean, 10, Activation::Identity);
    model.outputs = vec![logits, deep];
    model
}

#[test]
fn has_a_line_for_every_step() {
    let network = model().network(&PlanOptions::default()).unwrap();
    let options = PlanOptions::default().with_threads(1);
    let plan = network.plan([2, 3, 30, 20], &options).unwrap();
    let listing = plan.to_string();
    let isa = network.isa().name();
    assert!(
        listing.starts_with(&format!("plan for [2, 3, 30, 20], {isa} on 1 threads\n")),
        "{listing}"
    );
    let columns = ["step", "kind", "kernel", "input", "output", "MMAC", "at", "threads"];
    let header: Vec<&str> = listing.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(header, columns, "{listing}");
    // Kind, kernel, input, output, millions of multiply-adds.
    let steps = [
        "conv 3x3/2 relu 30x20x3 15x10x16 0.06",
        "avg-pool 2x2/2 15x10x16 7x5x16",
        "dfc 1x1,1x3,5x1 7x5x16 7x5x24",
        "ghost 1x1,3x3 relu *gate 15x10x16 15x10x24 0.04",
        "global-pool 15x10x24 1x1x24",
        "linear hardsigmoid 1x1x24 1x1x24",
        "pointwise 1x1 +add 15x10x24 15x10x16 0.06",
        "ghost 1x1,5x5 *scale +add 15x10x24 15x10x16",
        "depthwise 5x5/2 15x10x16 8x5x16",
        "depthwise 3x1/1 sigmoid 8x5x16 8x5x16",
        "export 8x5x16 8x5x16",
        "global-pool 8x5x16 1x1x16",
        "linear 1x1x16 1x1x10",
        "export 1x1x10 1x1x10",
    ];
    let lines: Vec<String> = listing
        .lines()
        .skip(2)
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    for (index, (line, step)) in lines.iter().zip(steps).enumerate() {
        assert!(line.starts_with(&format!("{index} {step}")), "{line} is not {step}; {listing}");
    }
    assert_eq!(lines.len(), steps.len() + 1, "{listing}");
    // Places: a multiple of a cache line in the arena, one for the whole batch, or the caller's.
    let place = |index: usize| {
        let words: Vec<&str> = lines[index].split(' ').collect();
        words[words.len() - 2].to_owned()
    };
    assert_eq!(place(0), "0");
    assert!((1..10).all(|index| place(index).parse::<usize>().is_ok_and(|at| at % 16 == 0)));
    assert_eq!([place(10), place(13)], ["caller", "caller"]);
    assert!([place(11), place(12)].iter().all(|place| place.starts_with("batch+")), "{listing}");
    let totals = format!(
        "{:.1} MMAC a picture; weights {:.1} MB, scratch {:.1} MB",
        plan.multiply_adds() as f64 / 1e6,
        network.weight_bytes() as f64 / 1e6,
        plan.scratch_bytes() as f64 / 1e6
    );
    assert_eq!(lines.last(), Some(&totals));
}

#[test]
fn counts_multiply_adds() {
    let network = model().network(&PlanOptions::default()).unwrap();
    let options = PlanOptions::default().with_threads(1);
    let plan = network.plan([1, 3, 30, 20], &options).unwrap();
    let pixels = 15 * 10;
    let convolutions = [
        pixels * 16 * 27,            // the stem
        7 * 5 * 24 * (16 + 3 + 5),   // the attention
        pixels * (12 * 16 + 12 * 9), // the first ghost module
        24 * 24,                     // its scale
        pixels * 16 * 24,            // the map that is added
        pixels * (9 * 24 + 7 * 25),  // the second ghost module
        8 * 5 * 16 * 25,             // the convolution behind it
        8 * 5 * 16 * 3,              // the last one
        16 * 10,                     // the classifier
    ];
    // Poolings count as a quarter of what they read.
    let poolings = [7 * 5 * 16 * 4, pixels * 24, 8 * 5 * 16].map(|len| len / 4);
    let expected = convolutions.iter().chain(&poolings).sum::<usize>();
    assert_eq!(plan.multiply_adds(), expected);
}

#[test]
fn lists_what_heads_add() {
    let mut model = Model::new(3);
    let stem = model.conv(INPUT, Window::same((3, 3), 2), 16, Activation::Relu);
    let tower = model.conv(stem, Window::same((3, 3), 1), 16, Activation::Relu);
    let normal = model.group_norm(tower, 8, Activation::Relu);
    let again = model.repeat(tower, normal);
    let sum = model.activation(again, Some(stem), Activation::Sigmoid);
    let up = model.resize(sum, Size::Times(2), Interpolation::BilinearCorners, None, NONE);
    let down = model.resize(up, Size::Like(sum), Interpolation::Nearest, Some(sum), NONE);
    let all = model.concat(&[down, sum]);
    model.outputs = vec![all];
    let network = model.network(&PlanOptions::default()).unwrap();
    let options = PlanOptions::default().with_threads(1);
    let listing = network.plan([1, 3, 40, 32], &options).unwrap().to_string();
    let steps = [
        "conv 3x3/2 relu 40x32x3 20x16x16 0.14",
        "conv 3x3/1 relu winograd 20x16x16 20x16x16 0.74",
        "group-norm 8 relu 20x16x16 20x16x16 0.02",
        "conv 3x3/1 relu winograd 20x16x16 20x16x16 0.74",
        "resize same +add sigmoid 20x16x16 20x16x16",
        "resize corners 20x16x16 40x32x16 0.08",
        "resize nearest +add 40x32x16 20x16x16",
        "concat 20x16x16 20x16x32",
        "export 20x16x32 20x16x32",
    ];
    for (index, (line, step)) in listing.lines().skip(2).zip(steps).enumerate() {
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(line.starts_with(&format!("{index} {step}")), "{line} is not {step}; {listing}");
    }
}

/// Division over threads is shown, and a large module and its convolution are one step.
#[test]
fn shows_what_is_divided_and_what_passes_by() {
    let mut model = Model::new(3);
    let stem = model.conv(INPUT, Window::same((3, 3), 2), 16, Activation::Relu);
    let wide = model.ghost((stem, None), (24, 48), 3, Activation::Relu, Joint::None);
    model.then_depthwise(Window::same((3, 3), 2));
    model.outputs = vec![wide];
    let network = model.network(&PlanOptions::default()).unwrap();
    let threads = if crate::check::THREADS { 2 } else { 1 };
    let options = PlanOptions::default().with_threads(threads);
    let listing = network.plan([1, 3, 224, 224], &options).unwrap().to_string();
    assert_eq!(listing.lines().count(), 6, "{listing}");
    assert!(listing.contains(" 1x1,3x3 relu,3x3/2 "), "{listing}");
    model.dilate(2);
    let network = model.network(&PlanOptions::default()).unwrap();
    let listing = network.plan([1, 3, 224, 224], &options).unwrap().to_string();
    assert!(listing.contains(" 1x1,3x3*2 relu,3x3/2 "), "{listing}");
    assert_eq!(listing.contains("2 by rows"), crate::check::THREADS, "{listing}");
}
