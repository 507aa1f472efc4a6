//! Runs a program and looks at all that comes out.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// What a process printed and how it ended.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A program of this workspace, with no way to the network and an empty hub cache.
pub(crate) fn command(name: &str, cache: &Path) -> Command {
    let test = std::env::current_exe().unwrap(); // target/PROFILE/deps/…
    let program = test.parent().unwrap().with_file_name("examples").join(name);
    let remedy = "add --examples to cargo test, or test the --workspace";
    assert!(program.exists(), "{} is not built: {remedy}", program.display());
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).env("HF_HOME", cache).env("HF_ENDPOINT", "http://127.0.0.1:9");
    for name in ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_TOKEN", "HF_HUB_OFFLINE"] {
        command.env_remove(name);
    }
    command
}

/// Runs it to its end; a panic never is one.
pub(crate) fn run<S: AsRef<OsStr>>(name: &str, arguments: impl IntoIterator<Item = S>) -> Ended {
    let cache = tempfile::tempdir().unwrap();
    ended(command(name, cache.path()).args(arguments).output().unwrap())
}

pub(crate) fn ended(output: Output) -> Ended {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert!(!stderr.contains("panicked"), "{stderr}");
    Ended { code: output.status.code().unwrap_or(-1), stdout, stderr }
}

pub(crate) fn classify<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Ended {
    run("classify", arguments)
}

/// Something that ships.
pub(crate) fn asset(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets").join(name)
}

/// A picture that ships.
pub(crate) fn sample(name: &str) -> PathBuf {
    asset("samples").join(name)
}
