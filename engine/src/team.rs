//! A team of threads that runs the steps of plans: rayon's tasks cost more than many steps take.
//!
//! The caller is a member. It publishes a step as parts for each member, computes its own, and
//! then takes what the others have not begun: where another program holds their cores, it goes on
//! alone. Members that find nothing wait actively for about the time between two steps, and then
//! sleep until they are woken.

use std::sync::{Arc, PoisonError, TryLockError, Weak};
use std::time::{Duration, Instant};

use crate::plan::share;
use crate::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
use crate::sync::thread::{self, JoinHandle, Thread};
use crate::sync::{Cell, Mutex, MutexGuard, hint};

/// How long a member waits actively. Loom knows no time: there it looks once, and sleeps.
const PATIENCE: Duration = Duration::from_micros(if cfg!(loom) { 0 } else { 50 });

/// Looks between two looks at the clock.
const LOOKS: usize = if cfg!(loom) { 1 } else { 64 };

/// The most members; parts are counted in 16 bits.
const MAX_MEMBERS: usize = 1024;

/// Parts of a step that one member should take, in one word: step, next part, end.
#[repr(align(128))]
struct Slot(AtomicU64);

impl Slot {
    fn publish(&self, step: u32, parts: std::ops::Range<usize>) {
        let word = u64::from(step) << 32 | (parts.start as u64) << 16 | parts.end as u64;
        self.0.store(word, Ordering::Release);
    }

    /// Takes a part. The step is in the word, so that a member that comes late can't take a part
    /// of a later step by mistake.
    fn take(&self) -> Option<usize> {
        let mut word = self.0.load(Ordering::Acquire);
        loop {
            let (next, end) = ((word >> 16) & 0xffff, word & 0xffff);
            if next >= end {
                return None;
            }
            let taken = word + (1 << 16);
            match self.0.compare_exchange_weak(word, taken, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(next as usize),
                Err(found) => word = found,
            }
        }
    }
}

/// A step: a function of part and member.
type Job<'a> = &'a (dyn Fn(usize, usize) + Sync + 'a);

struct Shared {
    slots: Vec<Slot>,
    /// Valid while a part of it is unfinished.
    job: Cell<Option<Job<'static>>>,
    unfinished: AtomicUsize,
    failed: AtomicBool,
    asleep: Vec<AtomicBool>,
    stop: AtomicBool,
}

// SAFETY: `job` is written by the one session while no part is unfinished, and read by a member
// only after it has taken a part, whose publication came after the write.
unsafe impl Sync for Shared {}

/// Members that wait for steps.
pub(crate) struct Team {
    shared: Arc<Shared>,
    threads: Vec<Thread>,
    handles: Vec<JoinHandle<()>>,
    /// The number of the last step, and the right to publish the next.
    session: Mutex<u32>,
}

/// The right to run steps on a team, or alone.
pub(crate) struct Session<'a> {
    team: Option<(&'a Team, MutexGuard<'a, u32>)>,
}

impl Team {
    /// The team of so many members that this process has, or a new one.
    pub(crate) fn of(members: usize) -> Arc<Self> {
        static TEAMS: std::sync::Mutex<Vec<(usize, Weak<Team>)>> =
            std::sync::Mutex::new(Vec::new());
        let members = members.clamp(1, MAX_MEMBERS);
        let mut teams = TEAMS.lock().unwrap_or_else(PoisonError::into_inner);
        teams.retain(|(_, team)| team.strong_count() > 0);
        let known = teams.iter().find(|(count, _)| *count == members);
        if let Some(team) = known.and_then(|(_, team)| team.upgrade()) {
            return team;
        }
        let team = Arc::new(Self::new(members));
        teams.push((members, Arc::downgrade(&team)));
        team
    }

    /// Fewer members where the system gives no more threads.
    fn new(members: usize) -> Self {
        let shared = Arc::new(Shared {
            slots: (0..members).map(|_| Slot(AtomicU64::new(0))).collect(),
            job: Cell::new(None),
            unfinished: AtomicUsize::new(0),
            failed: AtomicBool::new(false),
            asleep: (0..members).map(|_| AtomicBool::new(false)).collect(),
            stop: AtomicBool::new(false),
        });
        let handles: Vec<_> = (1..members)
            .map_while(|member| {
                let shared = shared.clone();
                let name = format!("plan-{member}");
                thread::Builder::new().name(name).spawn(move || shared.serve(member)).ok()
            })
            .collect();
        let threads = handles.iter().map(|handle| handle.thread().clone()).collect();
        Self { shared, threads, handles, session: Mutex::new(0) }
    }

    /// Members, the caller among them.
    pub(crate) fn members(&self) -> usize {
        self.handles.len() + 1
    }

    /// The team, or the caller alone where another thread has the team.
    pub(crate) fn session(&self) -> Session<'_> {
        if self.handles.is_empty() {
            return Session { team: None };
        }
        let guard = match self.session.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Session { team: None },
        };
        Session { team: Some((self, guard)) }
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        for handle in self.handles.drain(..) {
            handle.thread().unpark();
            // A member can't panic outside a job, and a job's panic has been reported.
            let _ = handle.join();
        }
    }
}

impl Session<'_> {
    /// Threads that take part.
    pub(crate) fn members(&self) -> usize {
        self.team.as_ref().map_or(1, |(team, _)| team.members())
    }

    /// Calls `job` with each part below `parts` and the number of the member that runs it.
    pub(crate) fn run(&mut self, parts: usize, job: Job) {
        let Some((team, step)) = self.team.as_mut().filter(|_| (2..=0xffff).contains(&parts))
        else {
            return (0..parts).for_each(|part| job(part, 0));
        };
        let shared = &team.shared;
        // SAFETY: only the lifetime changes. The job is called by members that have taken one of
        // its parts, and this function returns after the last of them is finished.
        let long: Job<'static> = unsafe { std::mem::transmute::<Job<'_>, Job<'static>>(job) };
        // SAFETY: no part is unfinished, so no member reads.
        unsafe { shared.job.set(Some(long)) };
        shared.unfinished.store(parts, Ordering::Relaxed);
        **step = step.wrapping_add(1);
        let members = team.members();
        for (member, slot) in shared.slots.iter().enumerate().take(members) {
            slot.publish(**step, share(parts, member, members));
        }
        // Either a member sees the parts before it sleeps, or it is seen asleep here.
        fence(Ordering::SeqCst);
        for (asleep, thread) in shared.asleep[1..].iter().zip(&team.threads) {
            if asleep.load(Ordering::Relaxed) {
                thread.unpark();
            }
        }
        // Also where a part panics here: the job must outlive the members that call it.
        let wait = Wait(shared);
        while shared.work(0) {}
        drop(wait);
        if shared.failed.swap(false, Ordering::Relaxed) {
            panic!("a thread of the team panicked, see above");
        }
    }
}

impl Shared {
    /// Runs a part, a member's own first; false if there is none.
    fn work(&self, member: usize) -> bool {
        let members = self.slots.len();
        let part = (0..members).find_map(|i| self.slots[(member + i) % members].take());
        let Some(part) = part else { return false };
        let done = Done(self);
        // SAFETY: this part is unfinished, so the job is valid and not written to.
        if let Some(job) = unsafe { self.job.get() } {
            job(part, member);
        }
        drop(done);
        true
    }

    /// A member's life.
    fn serve(&self, member: usize) {
        let mut since = Instant::now();
        while !self.stop.load(Ordering::Relaxed) {
            if (0..LOOKS).any(|_| self.look(member)) {
                since = Instant::now();
            } else if since.elapsed() >= PATIENCE {
                self.asleep[member].store(true, Ordering::Relaxed);
                fence(Ordering::SeqCst);
                if !self.work(member) && !self.stop.load(Ordering::Relaxed) {
                    thread::park();
                }
                self.asleep[member].store(false, Ordering::Relaxed);
                since = Instant::now();
            }
        }
    }

    fn look(&self, member: usize) -> bool {
        hint::spin_loop();
        self.work(member)
    }
}

/// Waits until no part is unfinished.
struct Wait<'a>(&'a Shared);

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        // The caller's own parts that nobody has taken would never be finished after a panic.
        if thread::panicking() {
            while let Some(_part) = self.0.slots.iter().find_map(Slot::take) {
                self.0.unfinished.fetch_sub(1, Ordering::Release);
            }
            self.0.failed.store(false, Ordering::Relaxed);
        }
        let mut looks = 0;
        while self.0.unfinished.load(Ordering::Acquire) > 0 {
            looks += 1;
            // A member was interrupted in the middle of a part: its core is wanted.
            if looks > 1 << 14 { thread::yield_now() } else { hint::spin_loop() }
        }
    }
}

/// Counts a part as finished, also where it panicked.
struct Done<'a>(&'a Shared);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.failed.store(true, Ordering::Relaxed);
        }
        self.0.unfinished.fetch_sub(1, Ordering::Release);
    }
}

/// Every order in which two members can meet, within as many interruptions as
/// `LOOM_MAX_PREEMPTIONS` says, else three.
#[cfg(all(test, loom))]
mod model {
    use super::*;

    fn explore(body: impl Fn() + Sync + Send + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = builder.preemption_bound.or(Some(3));
        builder.check(body);
    }

    /// Each part of every step runs once, and has run when the caller goes on: nobody sleeps
    /// through a step, and nobody takes a part of a later step by mistake.
    #[test]
    fn steps_run_once_each() {
        explore(|| {
            let team = Team::new(2);
            for parts in [2, 3] {
                let ran: Vec<_> =
                    (0..parts).map(|_| std::sync::atomic::AtomicUsize::new(0)).collect();
                team.session().run(parts, &|part, _| {
                    ran[part].fetch_add(1, Ordering::Relaxed);
                });
                assert!(ran.iter().all(|ran| ran.load(Ordering::Relaxed) == 1));
            }
        });
    }

    /// A team that has nothing to do ends, whenever its members wait.
    #[test]
    fn a_team_without_work_ends() {
        explore(|| drop(Team::new(2)));
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    /// How often each part ran.
    fn counts(team: &Team, parts: usize) -> Vec<usize> {
        let counts: Vec<AtomicUsize> = (0..parts).map(|_| AtomicUsize::new(0)).collect();
        team.session().run(parts, &|part, member| {
            assert!(member < team.members());
            counts[part].fetch_add(1, Ordering::Relaxed);
        });
        counts.into_iter().map(AtomicUsize::into_inner).collect()
    }

    #[test]
    fn every_part_runs_once() {
        for members in [1, 2, 3, 8] {
            let team = Team::of(members);
            for parts in [0, 1, 2, 3, 7, 100].repeat(50) {
                assert_eq!(counts(&team, parts), vec![1; parts], "{members} members");
            }
        }
    }

    /// Whoever runs the part that panics, the caller hears of it, nobody is left behind in the
    /// job, and the team works on.
    #[test]
    fn a_panic_reaches_the_caller_and_the_team_goes_on() {
        for members in 1..4 {
            let team = Team::new(members);
            for bad in 0..6 {
                let run = || team.session().run(6, &|part, _| assert_ne!(part, bad, "on purpose"));
                assert!(catch_unwind(AssertUnwindSafe(run)).is_err(), "{members}, {bad}");
                assert_eq!(counts(&team, 6), [1; 6], "{members} members, after part {bad}");
            }
        }
    }

    #[test]
    fn a_team_that_is_taken_leaves_the_caller_alone() {
        let team = Team::new(2);
        let taken = team.session();
        assert_eq!(team.session().members(), 1);
        assert_eq!(counts(&team, 5), [1; 5]);
        drop(taken);
        assert_eq!(team.session().members(), 2);
    }
}
