//! Ranks that are threads of one process, for tests.

use engine::training::Ranks;
use std::sync::{Arc, Barrier, Mutex};

/// Ranks that are threads of one process.
#[derive(Debug)]
pub(crate) struct Threads {
    rank: usize,
    meeting: Arc<Meeting>,
}

#[derive(Debug)]
struct Meeting {
    barrier: Barrier,
    values: Mutex<Vec<Vec<f64>>>,
}

impl Threads {
    /// So many.
    pub(crate) fn new(count: usize) -> Vec<Arc<Self>> {
        let values = Mutex::new(vec![Vec::new(); count]);
        let meeting = Arc::new(Meeting { barrier: Barrier::new(count), values });
        (0..count).map(|rank| Arc::new(Self { rank, meeting: meeting.clone() })).collect()
    }
}

impl Ranks for Threads {
    fn rank(&self) -> usize {
        self.rank
    }

    fn count(&self) -> usize {
        self.meeting.values.lock().unwrap().len()
    }

    fn sum(&self, values: &mut [f64]) {
        self.meeting.values.lock().unwrap()[self.rank] = values.to_vec();
        self.meeting.barrier.wait();
        let all = self.meeting.values.lock().unwrap().clone();
        for (i, value) in values.iter_mut().enumerate() {
            *value = all.iter().map(|own| own[i]).sum();
        }
        // Nobody writes anew before everybody has read.
        self.meeting.barrier.wait();
    }
}
