//! The process of a row: loads its network, runs it once, and then as often as it is told to.
//!
//! It writes a line of JSON when it is ready. Then it reads a number of seconds from each line of
//! stdin, computes for so long, and answers with a line of JSON. It ends when stdin does.

use crate::memory;
use crate::network::Network;
use crate::row::Row;
use anyhow::{Context, Result};
use cli::exit::Output;
use cli::timing;
use ghostnetv2::Timings;
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, Write};
use std::time::{Duration, Instant};

/// Runs whose steps are timed for `--timing`.
const TIMED: usize = 30;

/// What a worker says first.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Ready {
    pub(crate) isa: Option<String>,
    pub(crate) first_result_ms: f64,
}

/// What it says after each turn.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Turn {
    pub(crate) times_ms: Vec<f64>,
    pub(crate) peak_rss_mb: Option<f64>,
}

/// Serves until the end of stdin; `start` is when the process began.
pub(crate) fn serve(row: &Row, start: Instant) -> Result<()> {
    let mut network = Network::load(row)?;
    network.run()?;
    let first_result_ms = ms(start.elapsed());
    say(&Ready { isa: network.isa().map(str::to_owned), first_result_ms })?;
    for line in io::stdin().lock().lines() {
        let seconds = line.context("can't read from stdin")?.parse()?;
        let times_ms = turn(&mut network, Duration::try_from_secs_f64(seconds)?)?;
        say(&Turn { times_ms, peak_rss_mb: memory::peak_mb() })?;
    }
    if row.timing {
        let mut timings = Timings::default();
        (0..TIMED).try_for_each(|_| network.run_timed(&mut timings))?;
        eprint!("{}", timing::table(&timings));
    }
    Ok(())
}

/// Runs for so long, at least three times.
fn turn(network: &mut Network, duration: Duration) -> Result<Vec<f64>> {
    // Not counted: what ran meanwhile has the caches.
    network.run()?;
    let mut times = Vec::new();
    let begin = Instant::now();
    while times.len() < 3 || begin.elapsed() < duration {
        let start = Instant::now();
        network.run()?;
        times.push(ms(start.elapsed()));
    }
    Ok(times)
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn say(answer: &impl Serialize) -> Result<()> {
    let line = serde_json::to_string(answer)?;
    let mut out = io::stdout().lock();
    Ok(writeln!(out, "{line}").and_then(|()| out.flush()).map_err(Output)?)
}
