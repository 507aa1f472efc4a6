//! Batches that are made ready on threads of their own while the network computes.

use super::Options;
use super::order::Order;
use crate::Error;
use crate::checkpoint::Position;
use crate::task::{Place, Task};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;

/// A batch and how many examples are in it.
pub(super) struct Ready<B> {
    pub(super) batch: B,
    pub(super) examples: usize,
}

/// The batches of a run in their order. Dropped, it stops the threads.
pub(super) struct Ahead<B>(Receiver<Result<Ready<B>, Error>>);

impl<B: Send> Ahead<B> {
    /// Starts at a position.
    pub(super) fn start<'scope, T>(
        scope: &'scope Scope<'scope, '_>,
        task: &'scope T,
        order: Order,
        position: Position,
        options: &Options,
    ) -> Result<Self, Error>
    where
        T: Task<Batch = B>,
        B: 'scope,
    {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(options.workers.max(1))
            .thread_name(|i| format!("pictures-{i}"))
            .build()
            .map_err(|error| Error::Configuration(format!("can't start threads: {error}")))?;
        let (sender, receiver) = sync_channel(options.ahead.max(1));
        scope.spawn(move || make(task, order, position, &pool, &sender));
        Ok(Self(receiver))
    }

    /// The next batch, waited for.
    pub(super) fn next(&self) -> Result<Ready<B>, Error> {
        self.0.recv().unwrap_or_else(|_| {
            Err(Error::Configuration("the thread that makes batches ready has ended".into()))
        })
    }
}

fn make<T: Task>(
    task: &T,
    order: Order,
    from: Position,
    pool: &rayon::ThreadPool,
    sender: &SyncSender<Result<Ready<T::Batch>, Error>>,
) {
    for epoch in from.epoch..order.epochs() {
        let first = if epoch == from.epoch { from.step } else { 0 };
        for (batch, examples) in order.batches(epoch, first) {
            let place = Place { seed: order.seed(), epoch, batch };
            let made = pool.install(|| task.batch(&examples, place));
            let failed = made.is_err();
            let ready = made.map(|batch| Ready { batch, examples: examples.len() });
            // Nobody listens where the run has ended.
            if sender.send(ready).is_err() || failed {
                return;
            }
        }
    }
}
