//! The job that a process is part of, if `mpirun` has started it.

use anyhow::Result;
use cli::exit::Outcome;
use ghostnetv2::training::Ranks;
use std::process::ExitCode;
use std::sync::Arc;

/// What launchers set to the number of processes: Open MPI, MPICH, Slurm.
#[cfg(not(feature = "mpi"))]
const COUNTS: [&str; 3] = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"];

/// A process of a job, or one by itself.
pub(crate) struct Job {
    #[cfg(feature = "mpi")]
    mpi: train::mpi::Job,
}

impl Job {
    /// Joins the job.
    ///
    /// # Errors
    /// Several processes of a program that was built without MPI: each would train by itself, into
    /// the same folder.
    #[cfg(not(feature = "mpi"))]
    pub(crate) fn join() -> Result<Self> {
        let count = |name| std::env::var(name).ok()?.parse::<usize>().ok();
        match COUNTS.into_iter().filter_map(count).max() {
            Some(2..) => Err(cli::exit::Usage(
                "started as several processes, but built without MPI: build with --features mpi"
                    .into(),
            )
            .into()),
            _ => Ok(Self {}),
        }
    }

    /// Joins the job.
    ///
    /// # Errors
    /// As [`train::mpi::Job::join`].
    #[cfg(feature = "mpi")]
    pub(crate) fn join() -> Result<Self> {
        Ok(Self { mpi: train::mpi::Job::join()? })
    }

    /// All processes, where there are others.
    pub(crate) fn ranks(&self) -> Option<Arc<dyn Ranks>> {
        #[cfg(feature = "mpi")]
        return Some(self.mpi.ranks()).filter(|ranks| ranks.count() > 1);
        #[cfg(not(feature = "mpi"))]
        None
    }

    /// Ends the process, and where it failed those that wait for it too.
    pub(crate) fn end(self, result: Result<Outcome>) -> ExitCode {
        #[cfg(feature = "mpi")]
        if result.is_err() && self.ranks().is_some() {
            cli::exit::report(result);
            self.mpi.abort(1);
        }
        cli::exit::report(result)
    }
}
