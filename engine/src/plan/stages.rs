//! Ghost modules as two steps: primary features, then all that is made of them.
//!
//! Parts that compute rows of a whole module compute the rows that their neighbours need too, once
//! each; of few rows that is much. The map between the steps is small, and stays in the caches.

use super::graph::{Ghost, Op};
use super::layout::Layout;
use super::schedule::Arena;
use super::split::{CACHED, Split, Way, slowest_columns, work};
use super::step::{Action, Place, Step};
use crate::nhwc::ghost;

impl Layout<'_> {
    /// Adds the step of a ghost module, or both where that is better.
    pub(super) fn push_ghost(
        &self,
        list: &mut Vec<Step>,
        arena: &mut Arena,
        index: usize,
        step: Step,
    ) {
        let op = &self.network.nodes[index].op;
        let Op::Ghost(ghost) = op else { return };
        let Some(split) = Split::of_stages(ghost, &step, self.threads) else {
            return list.push(step);
        };
        let lanes = self.network.isa.lanes();
        let ld = ghost.primary.n.next_multiple_of(lanes);
        let len = ghost::whole_band_len(step.input.size(), ghost.window.reach().0, ld);
        let start = arena.allocate(index, len);
        let primary = Some(Place::Arena(start));
        let shape = step.input.with_channels(ghost.primary.n);
        let action = Action::Primary(index);
        let work = work(op, action, step.input, shape);
        list.push(Step {
            action,
            x: step.x,
            primary,
            scale: step.scale,
            input: step.input,
            split,
            work,
            panel_scratch: step.panel_scratch,
            ..Step::export(0, Place::Arena(start), shape, 1)
        });
        let work = step.work - work;
        list.push(Step { primary, split, work, panel_scratch: 0, band_scratch: 0, ..step });
        arena.release(start);
    }
}

impl Split {
    /// How both steps are divided, if there should be two.
    fn of_stages(ghost: &Ghost, step: &Step, threads: usize) -> Option<Self> {
        /// What another step costs, as a share.
        const ANOTHER: f64 = 0.03;
        let (height, parts) = (step.input.height, step.split.parts);
        if parts < 2 || ghost.primary.words.is_some() || step.then_scratch > 0 {
            return None;
        }
        let small = step.input.pixels() * ghost.primary.n <= 2 * CACHED;
        let whole_vectors = ghost.primary.n >= ghost.primary.isa.lanes();
        let slowest = |halo: usize| (height.div_ceil(parts) + halo).min(height) * parts;
        let halo = ghost.window.reach().0 / 2;
        let share = |rows: usize| rows as f64 / height as f64;
        let alone = match step.split.way {
            Way::Rows => share(slowest(halo)),
            Way::Channels => slowest_columns(&ghost.primary, parts),
        };
        let better = share(slowest(0)) + ANOTHER < alone;
        let parts = threads.min(height);
        (small && whole_vectors && better).then_some(Self { way: Way::Rows, parts })
    }
}
