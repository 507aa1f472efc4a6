//! How a step is divided over threads.
//!
//! Only what is computed by whom depends on it, never a result: no sum is divided.

use std::ops::Range;

use super::Shape;
use super::graph::Op;
use super::step::Action;
use crate::pack::{Filters, Matrix};

/// The direction in which a step is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Rows of the map (pixels, where rows do not matter).
    Rows,
    /// Channels of the output: panels of weights or vectors.
    Channels,
}

/// How a step is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Split {
    pub(crate) way: Way,
    /// Parts, at most one for each thread.
    pub(crate) parts: usize,
}

/// Multiply-adds below which a step is not worth a second thread.
const WORTHWHILE: usize = 12_000;

/// What it is worth that a step is divided by rows, as a share of its cost: most are, and what a
/// thread has written lies in its own cache for the next step.
const NEAR: f64 = 0.15;

/// Elements of a map that stay in the nearest caches while panel after panel reads it.
pub(super) const CACHED: usize = 48 << 10;

/// A part, and how many there are.
pub(crate) type Part = (usize, usize);

impl Split {
    /// What a part computes of so many rows, pixels or tiles.
    pub(super) fn rows_of(self, count: usize, (part, parts): Part) -> Range<usize> {
        match self.way {
            Way::Rows => share(count, part, parts),
            Way::Channels => 0..count,
        }
    }

    /// What a part computes of so many vectors of channels.
    pub(super) fn vectors_of(self, count: usize, (part, parts): Part) -> Range<usize> {
        match self.way {
            Way::Rows => 0..count,
            Way::Channels => share(count, part, parts),
        }
    }

    /// Of which panels a part computes the columns.
    pub(super) fn panels_of(self, matrix: &Matrix, (part, parts): Part) -> Range<usize> {
        match self.way {
            Way::Rows => 0..matrix.panels.len(),
            Way::Channels => panels(matrix, part, parts),
        }
    }

    /// By channels, where nothing else matters.
    pub(crate) fn channels(channels: usize, threads: usize) -> Self {
        Self { way: Way::Channels, parts: threads.min(channels).max(1) }
    }

    /// By vectors of pixels.
    pub(crate) fn vectors(vectors: usize, threads: usize) -> Self {
        Self { way: Way::Rows, parts: threads.min(vectors).max(1) }
    }

    /// By tiles of a map, or by panels where there are few tiles: each part reads all weights then.
    pub(crate) fn tiles(tiles: usize, matrix: &Matrix, threads: usize) -> Self {
        let few = tiles < 32 * threads && matrix.panels.len() >= threads;
        let (way, units) =
            if few { (Way::Channels, matrix.panels.len()) } else { (Way::Rows, tiles) };
        Self { way, parts: threads.min(units).max(1) }
    }

    /// The cheaper way for this operation, whose cost is that of the slowest part.
    pub(crate) fn new(
        op: &Op,
        action: Action,
        input: Shape,
        output: Shape,
        threads: usize,
    ) -> Self {
        let parts = if work(op, action, input, output) < WORTHWHILE { 1 } else { threads };
        let rows = |rows: usize, halo: usize| {
            let slowest = (rows.div_ceil(parts) + if parts > 1 { halo } else { 0 }).min(rows);
            (slowest * parts) as f64 / rows as f64
        };
        let columns = |matrix: &Matrix| slowest_columns(matrix, parts);
        let choose = |by_rows: f64, by_columns: f64, prefer_rows: bool| {
            // A tie goes to the way that reads less.
            let slack = if prefer_rows { 0.02 } else { -0.02 };
            if by_rows <= by_columns + NEAR + slack { Way::Rows } else { Way::Channels }
        };
        let by_vectors = if output.channels >= 64 * parts && output.height < 8 * parts {
            (Way::Channels, output.channels.div_ceil(16))
        } else {
            (Way::Rows, output.height)
        };
        let large = input.len() > CACHED;
        let (way, units) = match op {
            Op::Input => (Way::Rows, 1),
            Op::Conv { weights, .. } => {
                let weights = &weights.direct;
                let way = choose(rows(output.height, 0), columns(weights), true);
                (way, if way == Way::Rows { output.height } else { weights.panels.len() })
            }
            Op::AvgPool { .. } | Op::Resize(_) | Op::Concat { .. } => (Way::Rows, output.height),
            Op::GroupNorm(norm) => (Way::Channels, norm.groups),
            Op::GlobalPool { .. } => (Way::Channels, output.channels.div_ceil(16)),
            Op::Depthwise { .. } => by_vectors,
            Op::Pointwise { weights, .. } => {
                let prefer = input.len() > weights.n * weights.k;
                let way = choose(rows(output.pixels(), 0), columns(weights), prefer);
                (way, if way == Way::Rows { output.pixels() } else { weights.panels.len() })
            }
            Op::Linear { weights, .. } => (Way::Channels, weights.panels.len()),
            Op::Ghost(_) if matches!(action, Action::Then(_)) => by_vectors,
            Op::Ghost(ghost) if ghost.then.is_some() && matches!(action, Action::Compute(_)) => {
                (Way::Rows, output.height)
            }
            Op::Ghost(ghost) => {
                let halo = ghost.window.padding.0;
                let by_columns = columns(&ghost.primary);
                let way = if large && ghost.scale.is_none() {
                    Way::Rows
                } else {
                    choose(rows(output.height, halo), by_columns, false)
                };
                let panels = ghost.primary.panels.len();
                (way, if way == Way::Rows { output.height } else { panels })
            }
            Op::Dfc { weights, vertical, .. } => {
                let halo = vertical.kernel.0 / 2 * 2;
                let way = choose(rows(output.height, halo), columns(weights), false);
                (way, if way == Way::Rows { output.height } else { weights.panels.len() })
            }
        };
        Self { way, parts: parts.min(units).max(1) }
    }
}

/// Multiply-adds for one picture.
pub(super) fn work(op: &Op, action: Action, input: Shape, output: Shape) -> usize {
    match op {
        Op::Conv { weights, .. } => output.pixels() * weights.direct.n * weights.direct.k,
        Op::Pointwise { weights, .. } => output.pixels() * weights.n * weights.k,
        Op::Linear { weights, .. } => weights.n * weights.k,
        Op::Depthwise { filters, .. } => output.len() * filters.kernel.0 * filters.kernel.1,
        Op::Ghost(ghost) => {
            let cheap = ghost.cheap.kernel.0 * ghost.cheap.kernel.1;
            let cheap = (output.channels - ghost.primary.n) * cheap;
            let module = input.pixels() * (ghost.primary.n * ghost.primary.k + cheap);
            let taps = |(filters, _): &(Filters, _)| filters.kernel.0 * filters.kernel.1;
            let then = output.len() * ghost.then.as_ref().map_or(0, taps);
            match action {
                Action::Module(_) => module,
                Action::Then(_) => then,
                Action::Primary(_) => input.pixels() * ghost.primary.n * ghost.primary.k,
                _ => module + then,
            }
        }
        Op::Dfc { weights, horizontal, vertical, .. } => {
            output.len() * (weights.k + horizontal.kernel.1 + vertical.kernel.0)
        }
        Op::Resize(resize) => resize.work(output.len()),
        Op::GroupNorm(_) => 3 * output.len(),
        Op::Concat { .. } => output.len() / 4,
        Op::AvgPool { window, .. } => output.len() * window.kernel.0 * window.kernel.1 / 4,
        Op::Input | Op::GlobalPool { .. } => input.len() / 4,
    }
}

/// Part `part` of `parts` of `count` things.
pub(crate) fn share(count: usize, part: usize, parts: usize) -> Range<usize> {
    count * part / parts..count * (part + 1) / parts
}

/// The panels of a part: those whose first column lies in its share of the columns.
fn panels(matrix: &Matrix, part: usize, parts: usize) -> Range<usize> {
    let first = |part: usize| {
        let column = matrix.n * part / parts;
        // The boundary between panels that is nearest to the share's.
        matrix.panels.partition_point(|(start, panel)| {
            start + panel.vectors * matrix.isa.lanes() / 2 < column
        })
    };
    let last = if part + 1 == parts { matrix.panels.len() } else { first(part + 1) };
    (if part == 0 { 0 } else { first(part) })..last
}

/// The cost of the slowest of `parts` parts with whole panels, as a share of an even one's.
pub(super) fn slowest_columns(matrix: &Matrix, parts: usize) -> f64 {
    let columns = (0..parts).map(|part| columns_of(matrix, &panels(matrix, part, parts)));
    (columns.max().unwrap_or(0) * parts) as f64 / matrix.n as f64
}

fn columns_of(matrix: &Matrix, panels: &Range<usize>) -> usize {
    let end = matrix.panels.get(panels.end).map_or(matrix.n, |(column, _)| *column);
    let start = matrix.panels.get(panels.start).map_or(matrix.n, |(column, _)| *column);
    end - start
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_follow_each_other() {
        for (count, parts) in [(0, 1), (1, 3), (7, 3), (100, 16)] {
            let mut next = 0;
            for part in 0..parts {
                let share = share(count, part, parts);
                assert_eq!(share.start, next);
                next = share.end;
            }
            assert_eq!(next, count);
        }
    }
}
