//! Ranks that are the processes of an MPI job, on one machine or many.

use crate::Error;
use ghostnetv2::training::Ranks;
use mpi::collective::SystemOperation;
use mpi::environment::Universe;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, CommunicatorCollectives};
use mpi::{Threading, environment};
use std::sync::Arc;

/// Values that are sent at once: MPI counts in 31 bits.
const CHUNK: usize = 1 << 24;

/// A process of an MPI job. Dropped, it leaves the job: it must live as long as its ranks are used.
pub struct Job {
    _universe: Universe,
    processes: Arc<Processes>,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.processes.fmt(f)
    }
}

impl Job {
    /// Joins the job that `mpirun` has started this process in; without `mpirun`, a job of one.
    ///
    /// # Errors
    /// A second job of one process, an MPI that can't be called from any thread but the first.
    pub fn join() -> Result<Self, Error> {
        let fail = |text: &str| Error::Configuration(format!("MPI: {text}"));
        let (universe, threading) = environment::initialize_with_threading(Threading::Serialized)
            .ok_or_else(|| fail("this process is in a job already"))?;
        if threading < Threading::Serialized {
            return Err(fail("expected an MPI that was built for threads (MPI_THREAD_SERIALIZED)"));
        }
        let world = SimpleCommunicator::world();
        let number = |n: i32| usize::try_from(n).unwrap_or(0);
        let processes = Processes { rank: number(world.rank()), count: number(world.size()) };
        Ok(Self { _universe: universe, processes: Arc::new(processes) })
    }

    /// The processes of the job.
    pub fn ranks(&self) -> Arc<dyn Ranks> {
        self.processes.clone()
    }

    /// Ends all processes of the job: the others wait for this one otherwise.
    pub fn abort(&self, code: i32) -> ! {
        SimpleCommunicator::world().abort(code)
    }
}

/// The processes of a job, which end together where a message between them fails.
#[derive(Debug)]
struct Processes {
    rank: usize,
    count: usize,
}

impl Ranks for Processes {
    fn rank(&self) -> usize {
        self.rank
    }

    fn count(&self) -> usize {
        self.count
    }

    fn sum(&self, values: &mut [f64]) {
        let world = SimpleCommunicator::world();
        for values in values.chunks_mut(CHUNK) {
            let own = values.to_vec();
            world.all_reduce_into(&own[..], values, SystemOperation::sum());
        }
    }
}
