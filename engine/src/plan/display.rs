//! A plan as a table: what a person reads to see what runs.

use std::fmt;

use super::run::Plan;
use super::split::Way;
use super::step::{Action, Place, Step};
use super::timing::kind;

impl fmt::Display for Plan {
    /// One line for each step: number, kind, kernel, input and output shapes, millions of
    /// multiply-adds, place of the output, division over threads; then totals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [batch, channels, height, width] = self.input_shape();
        writeln!(
            f,
            "plan for [{batch}, {channels}, {height}, {width}], {} on {} threads",
            self.network.isa.name(),
            self.threads()
        )?;
        writeln!(
            f,
            "{:>4} {:12} {:16} {:>14} {:>14} {:>8} {:>10}  threads",
            "step", "kind", "kernel", "input", "output", "MMAC", "at"
        )?;
        for (index, step) in self.steps.picture.iter().chain(&self.steps.batch).enumerate() {
            self.line(f, index, step)?;
        }
        write!(
            f,
            "{:.1} MMAC a picture; weights {:.1} MB, scratch {:.1} MB",
            self.multiply_adds() as f64 / 1e6,
            self.network.weight_bytes() as f64 / 1e6,
            self.scratch_bytes() as f64 / 1e6
        )
    }
}

impl Plan {
    fn line(&self, f: &mut fmt::Formatter<'_>, index: usize, step: &Step) -> fmt::Result {
        let place = match step.y {
            _ if matches!(step.action, Action::Export(_) | Action::Planes(..)) => "caller".into(),
            Place::Input => "caller".into(),
            Place::Arena(start) => format!("{start}"),
            Place::Batch(start) => format!("batch+{start}"),
        };
        let way = match step.split.way {
            _ if step.split.parts == 1 => String::from("1"),
            Way::Rows => format!("{} by rows", step.split.parts),
            Way::Channels => format!("{} by channels", step.split.parts),
        };
        writeln!(
            f,
            "{index:>4} {:12} {:16} {:>14} {:>14} {:>8.2} {place:>10}  {way}",
            kind(&self.network, step),
            self.kernel(step),
            step.input,
            step.output,
            step.work as f64 / 1e6
        )
    }

    /// Kernel size, stride, activation and what is fused.
    fn kernel(&self, step: &Step) -> String {
        match step.action {
            Action::Compute(node) | Action::Planes(node, _) => {
                let kernel = self.network.nodes[node].op.kernel(true);
                if step.grid.is_some() { kernel + " winograd" } else { kernel }
            }
            Action::Primary(_) => "1x1".into(),
            Action::Module(node) => self.network.nodes[node].op.kernel(false),
            Action::Then(node) => self.network.nodes[node].op.then_kernel().unwrap_or_default(),
            Action::Export(_) => String::new(),
        }
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan").field("input", &self.input_shape()).finish_non_exhaustive()
    }
}
