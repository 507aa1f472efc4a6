//! Exit codes, and the one place where errors become them.

use anyhow::Error;
#[cfg(feature = "hub")]
use ghostnetv2::hub::HubError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

/// For the end of every `--help`.
pub const CODES: &str = "Exit codes: 0 all is well, 2 wrong usage, 3 bad input (a picture, a \
checkpoint, a data set; the rest was done), 4 network or hub, 5 can't write, 6 a training whose \
numbers are none any more, 1 anything else.";

/// Arguments that don't make sense, together or at all.
#[derive(Debug)]
pub struct Usage(pub String);

/// A result that can't be written.
#[derive(Debug)]
pub struct Output(pub io::Error);

/// A program that this one has started ended with this code, and has said why.
#[derive(Debug)]
pub struct Said(pub u8);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "can't write the results: {}", self.0)
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a program that was started ended with {}", self.0)
    }
}

impl std::error::Error for Usage {}
impl std::error::Error for Output {}
impl std::error::Error for Said {}

/// How a program that did what it could ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Everything was done.
    Complete,
    /// Some inputs were bad; they were reported, and the rest was done.
    SomeFailed,
}

/// Ends a program: prints an error, if any, and gives its code.
pub fn report(result: Result<Outcome, Error>) -> ExitCode {
    match result {
        Ok(Outcome::Complete) => ExitCode::SUCCESS,
        Ok(Outcome::SomeFailed) => ExitCode::from(3),
        Err(error) => {
            let code = code(&error);
            if code != 0 && !error.is::<Said>() {
                // A closed stderr is no reason to end otherwise.
                let _ = writeln!(io::stderr(), "error: {}", sentence(&error));
            }
            ExitCode::from(code)
        }
    }
}

/// An error and its causes in one line, without those that the line says already.
fn sentence(error: &Error) -> String {
    error.chain().fold(String::new(), |line, cause| match cause.to_string() {
        first if line.is_empty() => first,
        known if line.contains(&known) => line,
        new => format!("{line}: {new}"),
    })
}

fn code(error: &Error) -> u8 {
    for cause in error.chain() {
        if let Some(Output(io)) = cause.downcast_ref() {
            return if io.kind() == io::ErrorKind::BrokenPipe { 0 } else { 5 };
        }
        if cause.is::<Usage>() {
            return 2;
        }
        if let Some(Said(code)) = cause.downcast_ref() {
            return *code;
        }
        if let Some(error) = cause.downcast_ref::<ghostnetv2::Error>() {
            return of_checkpoint(error);
        }
        if cause.is::<heads::data::DataError>() {
            return 3;
        }
        if let Some(error) = cause.downcast_ref::<train::Error>() {
            return of_training(error);
        }
    }
    1
}

fn of_checkpoint(error: &ghostnetv2::Error) -> u8 {
    match error {
        #[cfg(feature = "hub")]
        ghostnetv2::Error::Hub(HubError::InvalidName { .. } | HubError::InvalidSetting { .. }) => 2,
        #[cfg(feature = "hub")]
        ghostnetv2::Error::Hub(_) => 4,
        ghostnetv2::Error::UnknownModel { .. } => 2,
        ghostnetv2::Error::Write { .. } => 5,
        ghostnetv2::Error::Candle(_) => 1,
        _ => 3,
    }
}

fn of_training(error: &train::Error) -> u8 {
    use train::Error;
    match error {
        Error::Configuration(_) | Error::OtherRun { .. } => 2,
        Error::Write { .. } => 5,
        Error::NotFinite { .. } => 6,
        Error::Candle(_) => 1,
        Error::Model(error) => of_checkpoint(error),
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn a_cause_is_said_once() {
        let io = || io::Error::new(io::ErrorKind::NotFound, "no such thing");
        let said = Error::new(ghostnetv2::Error::Io { path: "a.json".into(), source: io() });
        assert_eq!(sentence(&said), "can't read a.json: no such thing");
        let unsaid = Err::<(), _>(io()).context("can't read b.json").unwrap_err();
        assert_eq!(sentence(&unsaid), "can't read b.json: no such thing");
    }
}
