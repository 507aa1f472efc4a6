//! How many threads compute.
//!
//! Plans take the number that they are given, and pictures are decoded on rayon's pool. candle
//! takes its number from the environment, once, and keeps a pool of its own that no rayon pool
//! limits: a program that should compute on it with another number starts itself anew with the
//! environment that says so.

use anyhow::{Context, Result};
use std::env;
use std::process::{Command, ExitStatus};

/// What candle and rayon read.
const VARIABLES: [&str; 2] = ["CANDLE_NUM_THREADS", "RAYON_NUM_THREADS"];

/// Gives rayon's pool so many threads; to be called before it is used.
///
/// # Errors
/// The pool exists already, or the system gives no threads.
pub fn limit_pool(threads: u16) -> Result<()> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.into());
    pool.build_global().with_context(|| format!("can't start {threads} threads"))
}

/// Makes sure that candle computes with `threads` here: returns only in a process where it does.
///
/// # Errors
/// The program can't be started again.
pub fn ensure(threads: u16) -> Result<()> {
    let wanted = threads.to_string();
    if VARIABLES.iter().all(|name| env::var(name).is_ok_and(|value| value == wanted)) {
        return Ok(());
    }
    let mut again = this_program(threads)?;
    again.args(env::args_os().skip(1));
    replace_by(again)
}

/// This program, to be run with `threads` and other arguments.
///
/// # Errors
/// The system does not tell where the program is.
pub fn this_program(threads: u16) -> Result<Command> {
    let mut program = Command::new(env::current_exe().context("can't find this program")?);
    program.envs(VARIABLES.map(|name| (name, threads.to_string())));
    Ok(program)
}

#[cfg(unix)]
fn replace_by(mut command: Command) -> Result<()> {
    use std::os::unix::process::CommandExt;
    Err(command.exec()).context("can't start this program again")
}

#[cfg(not(unix))]
fn replace_by(mut command: Command) -> Result<()> {
    let status = command.status().context("can't start this program again")?;
    std::process::exit(code(status).into())
}

/// The exit code of a child, 1 where it has none.
pub fn code(status: ExitStatus) -> u8 {
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}
