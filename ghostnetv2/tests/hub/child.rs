//! The library in a process of its own: this test binary, run again with one "test" selected.

use std::env;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use crate::fixture::{config, get};

const ENDPOINT: &str = "HUB_TEST_ENDPOINT";
const CACHE: &str = "HUB_TEST_CACHE";

/// A command that downloads the model and prints `OK PATH` or `ERROR ...`.
pub fn command(program: &Path, endpoint: &str, cache: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .args(["child::process", "--exact", "--ignored", "--nocapture"])
        .env(ENDPOINT, endpoint)
        .env(CACHE, cache)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

pub fn spawn(endpoint: &str, cache: &Path) -> Child {
    let program = env::current_exe().expect("a running program");
    command(&program, endpoint, cache).spawn().expect("a second process")
}

/// The line that the child has printed.
pub fn line(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| {
        // The name of the test stands before it, on the same line.
        let at = line.find("OK ").into_iter().chain(line.find("ERROR ")).min()?;
        Some(line[at..].to_owned())
    });
    line.unwrap_or_else(|| panic!("neither OK nor ERROR: {text}"))
}

#[test]
#[ignore = "the body of the child processes, which other tests start"]
fn process() {
    let (Some(endpoint), Some(cache)) = (env::var_os(ENDPOINT), env::var_os(CACHE)) else { return };
    let endpoint = endpoint.into_string().expect("a URL");
    match get(config(Path::new(&cache), &endpoint), &mut ()) {
        Ok(path) => println!("OK {}", path.display()),
        Err(error) => println!("ERROR {error:?}"),
    }
}
