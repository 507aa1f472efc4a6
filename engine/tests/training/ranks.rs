//! Two ranks, each with half of a batch, compute what one does with all of it.

use crate::differences::{norm, numbers};
use crate::meeting::Threads;
use engine::PlanError;
use engine::plan::Window;
use engine::training::{Graph, GraphBuilder, Memory};
use std::sync::Arc;

/// Convolutions, batch-norms with and without ReLU, dropout of elements and of channels.
fn graph() -> Result<Graph, PlanError> {
    let (mut net, x) = GraphBuilder::new(3);
    let weight = net.parameter(8 * 3 * 9, true);
    let x = net.conv(x, Window::same((3, 3), 2), 8, weight, None)?;
    let first = norm(&mut net, x, false);
    let x = net.batch_norm(x, first, true)?;
    let x = net.dropout(x, 0.3, true)?;
    let weight = net.parameter(8 * 9, true);
    let x = net.depthwise(x, Window::same((3, 3), 1), weight, None)?;
    let second = norm(&mut net, x, false);
    let x = net.batch_norm(x, second, false)?;
    let x = net.global_pool(x)?;
    let x = net.dropout(x, 0.2, false)?;
    Ok(net.build(&[x]))
}

/// Outputs, statistics and gradients of a pass; `outer` is the gradient for the outputs.
fn passed(graph: &Graph, images: &[f32], outer: &[f32]) -> Vec<Vec<f32>> {
    let parameters: Vec<Vec<f32>> = graph
        .parameter_lens()
        .enumerate()
        .map(|(i, len)| numbers(len, 10 + i as u64).iter().map(|v| 0.5 * v + 0.6).collect())
        .collect();
    let slices: Vec<&[f32]> = parameters.iter().map(Vec::as_slice).collect();
    let memory = Memory::default();
    let shape = [images.len() / (3 * 9 * 7), 3, 9, 7];
    let pass = graph.forward(&memory, shape, images, &slices, 5).unwrap();
    let mut found = vec![pass.output(0)];
    found.extend(pass.statistics().iter().flat_map(|s| [s.mean.clone(), s.variance.clone()]));
    found.extend(pass.backward(&[outer]).unwrap().into_iter().flatten());
    found
}

#[test]
fn parts_of_a_batch_are_the_batch() -> Result<(), PlanError> {
    let graph = graph()?;
    let (images, outer) = (numbers(5 * 3 * 9 * 7, 1), numbers(5 * 8, 2));
    let whole = passed(&graph, &images, &outer);
    // Unequal parts: 2 and 3 pictures.
    let halves = [(&images[..2 * 189], &outer[..2 * 8]), (&images[2 * 189..], &outer[2 * 8..])];
    let parts: Vec<Vec<Vec<f32>>> = std::thread::scope(|scope| {
        let run = |(ranks, (images, outer)): (Arc<Threads>, (&'_ [f32], &'_ [f32]))| {
            let mut graph = graph.clone();
            graph.set_ranks(ranks);
            let (images, outer) = (images.to_vec(), outer.to_vec());
            scope.spawn(move || passed(&graph, &images, &outer))
        };
        let threads: Vec<_> = Threads::new(2).into_iter().zip(halves).map(run).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let close = |found: &[f32], expected: &[f32], what: &str| {
        assert_eq!(found.len(), expected.len(), "{what}");
        let size = expected.iter().fold(1f32, |most, v| most.max(v.abs()));
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() <= 1e-4 * size, "{what}: {found}, not {expected}");
        }
    };
    close(&[&parts[0][0][..], &parts[1][0]].concat(), &whole[0], "outputs");
    for i in 1..5 {
        close(&parts[0][i], &whole[i], "statistics");
        assert_eq!(parts[0][i], parts[1][i], "statistics of both");
    }
    for i in 5..whole.len() {
        let sum: Vec<f32> = parts[0][i].iter().zip(&parts[1][i]).map(|(a, b)| a + b).collect();
        close(&sum, &whole[i], "gradients");
    }
    Ok(())
}
