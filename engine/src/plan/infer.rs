//! What follows from an input size: the shapes of all values, and which of them wait for the batch.

use super::graph::{GroupNorm, Join, Network, Op, Value};
use super::window::Window;
use super::{PlanError, Shape};

/// Elements of the largest map: tables of offsets have 32 bits.
const LARGEST: usize = i32::MAX as usize;

/// Shapes of all values for an input of this size.
pub(crate) fn shapes(network: &Network, input: Shape) -> Result<Vec<Shape>, PlanError> {
    let mut shapes: Vec<Shape> = Vec::with_capacity(network.nodes.len());
    for node in &network.nodes {
        let of = |value: Value| shapes[value.0];
        let refuse = |reason: String| PlanError::Operands { operation: node.op.kind(), reason };
        let size = match &node.op {
            Op::Input => input.size(),
            Op::Conv { x, window, .. }
            | Op::Depthwise { x, window, .. }
            | Op::AvgPool { x, window, .. } => under(window, of(*x)).map_err(refuse)?,
            Op::Pointwise { x, add, .. } => {
                let size = of(*x).size();
                if let Some(add) = add.filter(|add| of(*add).size() != size) {
                    return Err(refuse(format!("{} is added to {}", of(add), of(*x))));
                }
                size
            }
            Op::Ghost(ghost) => {
                let primary = of(ghost.x).with_channels(ghost.primary.n);
                let size = under(&ghost.window, primary).map_err(refuse)?;
                match (ghost.join, &ghost.then) {
                    (Join::Add(add), _) if of(add).size() != size => {
                        return Err(refuse(format!("{} is added to {}", of(add), of(ghost.x))));
                    }
                    (_, None) => size,
                    (_, Some((_, window))) => {
                        let module = of(ghost.x).with_channels(node.channels);
                        under(window, module).map_err(refuse)?
                    }
                }
            }
            Op::Dfc { x, .. } | Op::GroupNorm(GroupNorm { x, .. }) => of(*x).size(),
            Op::Resize(resize) => resize.output(of).map_err(refuse)?,
            Op::Concat { parts } => {
                let size = of(parts[0]).size();
                if let Some(other) = parts.iter().find(|part| of(**part).size() != size) {
                    return Err(refuse(format!("{} beside {}", of(*other), of(parts[0]))));
                }
                size
            }
            Op::GlobalPool { .. } | Op::Linear { .. } => (1, 1),
        };
        let shape = Shape { channels: node.channels, height: size.0, width: size.1 };
        let len = size.0.checked_mul(size.1).and_then(|pixels| pixels.checked_mul(node.channels));
        match len {
            Some(0) => return Err(refuse(format!("the result would be empty ({shape})"))),
            Some(len) if len <= LARGEST => {}
            _ => return Err(refuse(format!("a map of {shape} is too large"))),
        }
        shapes.push(shape);
    }
    Ok(shapes)
}

/// Height and width of what a window makes of a map.
fn under(window: &Window, shape: Shape) -> Result<(usize, usize), String> {
    if window.span(shape.width, shape.channels).is_none_or(|len| len > LARGEST) {
        return Err(format!("{window:?} is too large on a map of {shape}"));
    }
    window
        .output(shape.size())
        .ok_or_else(|| format!("a map of {shape} is too small for {window:?}"))
}

/// Which values are vectors that only fully connected layers read: those of all pictures are
/// multiplied together, so that their weights are read once for a batch.
pub(super) fn batched(network: &Network) -> Vec<bool> {
    let mut batched: Vec<bool> = network.nodes.iter().map(|node| node.vector).collect();
    for (index, node) in network.nodes.iter().enumerate().rev() {
        let linear = matches!(node.op, Op::Linear { .. }) && batched[index];
        for value in node.op.operands().filter(|_| !linear) {
            batched[value.0] = false;
        }
    }
    for (index, node) in network.nodes.iter().enumerate() {
        if let Op::Linear { x, .. } = node.op {
            batched[index] &= batched[x.0];
        }
    }
    batched
}
