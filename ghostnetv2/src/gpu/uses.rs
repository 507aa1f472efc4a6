//! Who reads what: which launches can do the work of others besides.

use engine::plan::{Activation, Layer, Operation, Window};

/// What is done with the value of a layer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Uses {
    /// The last layer that reads it; none of an output, which stays.
    pub(super) last: Option<usize>,
    /// Of a product: its one reader adds the bias and does the activation.
    pub(super) finished_by_reader: bool,
    /// Of a ghost module: the layer of its 2x2 means, which it writes; of these: the module.
    pub(super) beside: Option<usize>,
    /// Of a layer on vectors: a squeeze-and-excitation does it.
    pub(super) absorbed: bool,
    /// Of the second layer of a squeeze-and-excitation: the first, and the means.
    pub(super) squeezed_by: Option<(usize, usize)>,
}

/// That of all layers.
pub(super) fn uses(layers: &[Layer], outputs: &[usize]) -> Vec<Uses> {
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); layers.len()];
    for (index, layer) in layers.iter().enumerate() {
        for value in operands(&layer.operation) {
            readers[value].push(index);
        }
    }
    let mut uses = vec![Uses::default(); layers.len()];
    for (index, layer) in layers.iter().enumerate() {
        match layer.operation {
            Operation::Pointwise { add: None, activation, .. } => {
                let [reader] = readers[index][..] else { continue };
                let reader = &layers[reader].operation;
                let shortcut =
                    matches!(reader, Operation::Ghost { add, .. } if *add == Some(index));
                let identity = activation == Activation::Identity;
                let pooled = matches!(reader, Operation::GlobalPool { .. });
                uses[index].finished_by_reader =
                    !outputs.contains(&index) && (pooled || shortcut && identity);
            }
            Operation::AvgPool { x, window, .. } => {
                let halves = Window { padding: (0, 0), ..Window::same((2, 2), 2) };
                let behind = matches!(layers[x].operation, Operation::Ghost { then: None, .. });
                if window == halves && behind && uses[x].beside.is_none() {
                    uses[x].beside = Some(index);
                    uses[index].beside = Some(x);
                }
            }
            Operation::Ghost { x, scale: Some(scale), .. } => {
                if let Some((reduce, means)) = squeeze_excite(layers, &readers, x, scale)
                    && [x, reduce, scale].iter().all(|layer| !outputs.contains(layer))
                {
                    uses[scale].squeezed_by = Some((reduce, means));
                    uses[reduce].absorbed = true;
                    uses[scale].absorbed = true;
                    // The scaling reads the means, when this module is written.
                    readers[means].push(index);
                }
            }
            _ => {}
        }
    }
    for (index, uses) in uses.iter_mut().enumerate() {
        // What nobody reads is let go of at once.
        let last = readers[index].iter().copied().max().unwrap_or(index);
        uses.last = (!outputs.contains(&index)).then_some(last);
    }
    uses
}

/// The first layer and the means of a squeeze-and-excitation of `x`, whose second layer is `scale`;
/// if it is one, and nothing else reads any of it, so that `x` may be scaled in place.
fn squeeze_excite(
    layers: &[Layer],
    readers: &[Vec<usize>],
    x: usize,
    scale: usize,
) -> Option<(usize, usize)> {
    let &Operation::Linear { x: reduce, activation: Activation::HardSigmoid } =
        &layers[scale].operation
    else {
        return None;
    };
    let &Operation::Linear { x: means, activation: Activation::Relu } = &layers[reduce].operation
    else {
        return None;
    };
    let pooled = matches!(layers[means].operation, Operation::GlobalPool { x: of } if of == x);
    let alone = [(x, 2), (means, 1), (reduce, 1), (scale, 1)];
    let alone = alone.iter().all(|&(layer, count)| readers[layer].len() == count);
    (pooled && alone).then_some((reduce, means))
}

/// The layers that a layer reads.
fn operands(operation: &Operation) -> impl Iterator<Item = usize> {
    let values = match *operation {
        Operation::Input | Operation::Other(_) => [None; 4],
        Operation::Conv { x, .. }
        | Operation::Depthwise { x, .. }
        | Operation::Dfc { x, .. }
        | Operation::AvgPool { x, .. }
        | Operation::GlobalPool { x }
        | Operation::Linear { x, .. } => [Some(x), None, None, None],
        Operation::Pointwise { x, add, .. } => [Some(x), add, None, None],
        Operation::Ghost { x, scale, add, gate, .. } => [Some(x), scale, add, gate],
    };
    values.into_iter().flatten()
}
