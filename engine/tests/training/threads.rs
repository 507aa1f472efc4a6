//! Results do not depend on the number of threads, to the bit, nor on memory that was used before.

use super::differences::{norm, numbers};
use engine::PlanError;
use engine::plan::{Activation, Window};
use engine::training::{Graph, GraphBuilder, Memory};

/// A network with one of each kind that sums over pixels.
fn network() -> Result<Graph, PlanError> {
    let (mut net, x) = GraphBuilder::new(3);
    let weight = net.parameter(24 * 27, true);
    let y = net.conv(x, Window::same((3, 3), 2), 24, weight, None)?;
    let first = norm(&mut net, y, false);
    let y = net.batch_norm(y, first, true)?;
    let weight = net.parameter(24 * 25, true);
    let z = net.depthwise(y, Window::same((5, 5), 1), weight, None)?;
    let z = net.add(y, z)?;
    let second = norm(&mut net, z, false);
    let z = net.batch_norm(z, second, false)?;
    let z = net.dropout(z, 0.2, true)?;
    let means = net.global_pool(z)?;
    let means = net.activation(means, Activation::Sigmoid)?;
    let (weight, bias) = (net.parameter(100 * 24, true), net.parameter(100, true));
    let scores = net.linear(means, 100, weight, Some(bias))?;
    Ok(net.build(&[scores, z]))
}

#[test]
fn bits_are_the_same_for_any_number_of_threads() -> Result<(), PlanError> {
    let graph = network()?;
    let shape = [16, 3, 33, 47];
    let images = numbers(shape.iter().product(), 1);
    let lens = graph.parameter_lens();
    let parameters: Vec<Vec<f32>> = lens.map(|len| numbers(len, len as u64)).collect();
    let slices: Vec<&[f32]> = parameters.iter().map(Vec::as_slice).collect();
    let memory = Memory::default();
    let run = || {
        let pass = graph.forward(&memory, shape, &images, &slices, 3).unwrap();
        let outputs = [pass.output(0), pass.output(1)];
        let statistics: Vec<_> =
            pass.statistics().iter().flat_map(|s| [s.mean.clone(), s.variance.clone()]).collect();
        let outer = outputs.each_ref().map(|y| numbers(y.len(), 5));
        let gradients = pass.backward(&[&outer[0], &outer[1]]).unwrap();
        (outputs, statistics, gradients)
    };
    let on = |threads| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(run)
    };
    let one = on(1);
    for threads in [1, 2, 3, 7] {
        assert_eq!(on(threads), one, "{threads} threads");
    }
    Ok(())
}
