//! A folder in which programs run, and what must be true of it afterwards.

use crate::program::{Ended, command, ended};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// What there is under a name: a file's bytes, a link's target, or a word for anything else.
type Content = Vec<u8>;

/// A working folder, and a hub cache beside it.
pub(crate) struct Shop {
    folder: TempDir,
    cache: TempDir,
}

impl Shop {
    pub(crate) fn new() -> Self {
        let folder = || tempfile::tempdir().unwrap();
        Self { folder: folder(), cache: folder() }
    }

    pub(crate) fn at(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn cache(&self) -> &Path {
        self.cache.path()
    }

    /// Writes a file, and the folders above it.
    pub(crate) fn write(&self, name: impl AsRef<Path>, bytes: impl AsRef<[u8]>) {
        let path = self.at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// A command that runs here: a program, and its arguments without spaces in them.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut words = line.split_whitespace();
        let mut command = command(words.next().unwrap(), self.cache());
        command.args(words).current_dir(self.folder.path());
        command
    }

    pub(crate) fn run(&self, line: &str) -> Ended {
        self.run_with(line, [""; 0])
    }

    /// Runs a command with arguments that may have spaces, or are no text.
    pub(crate) fn run_with<S: AsRef<OsStr>>(
        &self,
        line: &str,
        more: impl IntoIterator<Item = S>,
    ) -> Ended {
        ended(self.command(line).args(more).output().unwrap())
    }

    /// Runs a command that can write files of so many bytes, as on a disk with no room for more.
    #[cfg(target_os = "linux")]
    pub(crate) fn run_with_small_files(&self, line: &str, bytes: u64) -> Ended {
        let inner = self.command(line);
        let blocks = bytes / 512;
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit -f {blocks}; trap '' XFSZ; exec \"$0\" \"$@\"")]);
        shell.arg(inner.get_program()).args(inner.get_args());
        ended(shell.current_dir(self.folder.path()).stdin(Stdio::null()).output().unwrap())
    }

    /// Runs a command that ends with this code, says all of these words, and leaves every file as
    /// it was.
    pub(crate) fn refuses(&self, line: &str, code: i32, words: &[&str]) -> Ended {
        let before = self.files();
        let run = self.run(line);
        run.says(code, words);
        self.assert_only(&before, line);
        run
    }

    /// That there is nothing but this, to the byte.
    pub(crate) fn assert_only(&self, expected: &BTreeMap<PathBuf, Content>, line: &str) {
        let found = self.files();
        let names = |files: &BTreeMap<PathBuf, Content>| files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&found), names(expected), "{line}");
        assert!(found == *expected, "{line}: the content of a file has changed");
    }

    /// Everything in the folder.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, Content> {
        let mut files = BTreeMap::new();
        collect(self.folder.path(), &mut files);
        files
    }
}

fn collect(folder: &Path, files: &mut BTreeMap<PathBuf, Content>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let kind = fs::symlink_metadata(&path).unwrap().file_type();
        let content = if kind.is_dir() {
            collect(&path, files);
            b"a folder".to_vec()
        } else if kind.is_symlink() {
            fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
        } else if kind.is_file() {
            fs::read(&path).unwrap()
        } else {
            b"something else".to_vec()
        };
        files.insert(path, content);
    }
}

impl Ended {
    /// That it ended with this code and said all of these words.
    pub(crate) fn says(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{}", self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is not in: {}", self.stderr);
        }
    }
}
