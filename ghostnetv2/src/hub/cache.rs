//! The cache folder, in the layout that Python's `huggingface_hub` and hf-hub share:
//! `models--org--repo/{blobs/ETAG, snapshots/COMMIT/FILE -> ../../blobs/ETAG, refs/REVISION}`.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hf_hub::{Cache, CacheRepo, Repo, RepoType};

use super::asked::Asked;
use super::checks::{Checks, Pinned};
use super::error::HubError;
use super::names::is_safe;
use super::repo_id::RepoId;

/// The folder of one repository in the cache.
pub(super) struct RepoCache {
    asked: Arc<Asked>,
    layout: CacheRepo,
    folder: PathBuf,
    locks: PathBuf,
}

impl RepoCache {
    pub fn new(root: &Path, repo: &RepoId, asked: &Arc<Asked>) -> Self {
        let repo =
            Repo::with_revision(repo.id().to_owned(), RepoType::Model, repo.revision().to_owned());
        let name = repo.folder_name();
        Self {
            asked: asked.clone(),
            folder: root.join(&name),
            locks: root.join(".locks").join(&name),
            layout: Cache::new(root.to_owned()).repo(repo),
        }
    }

    /// Where the contents of the file with this ETag are.
    pub fn blob(&self, etag: &str) -> PathBuf {
        self.layout.blob_path(etag)
    }

    /// Where they are while they arrive; Python uses the same name, under the same lock.
    pub fn incomplete(&self, etag: &str) -> PathBuf {
        self.layout.blob_path(&format!("{etag}.incomplete"))
    }

    /// The lock of [`RepoCache::incomplete`].
    pub fn lock(&self, etag: &str) -> PathBuf {
        self.locks.join(format!("{etag}.lock"))
    }

    /// The name under which users see the file at a commit.
    pub fn pointer(&self, commit: &str, file: &str) -> PathBuf {
        self.layout.pointer_path(commit).join(file)
    }

    /// A new name in the folder of the blobs, which no program reads unasked.
    pub fn staging(&self) -> PathBuf {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let n = COUNTER.fetch_add(1, Ordering::Relaxed);
        self.layout.blob_path(&format!("{}-{n}.incomplete", process::id()))
    }

    /// Finds a file without asking the hub; otherwise tells which path is missing.
    pub fn find(&self, repo: &RepoId, file: &str) -> Result<PathBuf, PathBuf> {
        let commit = if repo.is_pinned() {
            repo.revision().to_owned()
        } else {
            let path = self.reference(repo.revision());
            let commit = fs::read_to_string(&path).unwrap_or_default();
            if !is_safe(commit.trim()) {
                return Err(path);
            }
            commit.trim().to_owned()
        };
        let pointer = self.pointer(&commit, file);
        if pointer.is_file() { Ok(pointer) } else { Err(pointer) }
    }

    /// The checks that a file in the cache can be put to without asking the hub.
    pub fn checks(&self, pointer: &Path, pinned: Option<&Pinned>) -> Checks {
        let target = fs::read_link(pointer).unwrap_or_default();
        let etag = target.file_name().unwrap_or_default().to_string_lossy();
        Checks::new(&etag, None, pinned)
    }

    /// Makes the pointer of a file lead to its blob.
    pub fn point(&self, commit: &str, file: &str, etag: &str) -> Result<PathBuf, HubError> {
        let pointer = self.pointer(commit, file);
        let target = relative_target(file, etag);
        if fs::read_link(&pointer).is_ok_and(|found| found == target) {
            return Ok(pointer);
        }
        let blob = self.blob(etag);
        self.replace(&pointer, |new| symlink(&target, new).or_else(|_| copy(&blob, new)))?;
        Ok(pointer)
    }

    /// Records which commit the revision stands for, for the times without a network.
    pub fn write_reference(&self, repo: &RepoId, commit: &str) -> Result<(), HubError> {
        let path = self.reference(repo.revision());
        if repo.is_pinned() || fs::read_to_string(&path).is_ok_and(|found| found == commit) {
            return Ok(());
        }
        self.replace(&path, |new| fs::write(new, commit))
    }

    /// Creates the folder that a path is in.
    pub fn create_parent(&self, path: &Path) -> Result<(), HubError> {
        let Some(folder) = path.parent() else { return Ok(()) };
        fs::create_dir_all(folder).map_err(|e| self.asked.unwritable("create", folder, e))
    }

    /// Moves a finished file to its place, in one step.
    pub fn rename(&self, from: &Path, to: &Path) -> Result<(), HubError> {
        fs::rename(from, to).map_err(|e| self.asked.unwritable("write", to, e))?;
        sync_folder(to);
        Ok(())
    }

    /// Makes a small file under another name first, so that no reader ever sees a part of it.
    fn replace(
        &self,
        path: &Path,
        make: impl FnOnce(&Path) -> io::Result<()>,
    ) -> Result<(), HubError> {
        let new = self.staging();
        self.create_parent(path)?;
        self.create_parent(&new)?;
        let made = make(&new).map_err(|e| self.asked.unwritable("write", &new, e));
        let outcome = made.and_then(|()| self.rename(&new, path));
        if outcome.is_err() {
            // The error that counts is the first one.
            let _ = fs::remove_file(&new);
        }
        outcome
    }

    fn reference(&self, revision: &str) -> PathBuf {
        self.folder.join("refs").join(revision)
    }
}

/// From a pointer to its blob, so that the cache can be moved as a whole.
fn relative_target(file: &str, etag: &str) -> PathBuf {
    // Up through the folders of the file, the commit and `snapshots`.
    let mut target: PathBuf = file.split('/').skip(1).map(|_| "..").collect();
    target.extend(["..", "..", "blobs", etag]);
    target
}

#[cfg(unix)]
fn symlink(target: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(windows)]
fn symlink(target: &Path, link: &Path) -> io::Result<()> {
    std::os::windows::fs::symlink_file(target, link)
}

#[cfg(not(any(unix, windows)))]
fn symlink(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The way of file systems without symbolic links, as Python does it.
fn copy(blob: &Path, to: &Path) -> io::Result<()> {
    fs::copy(blob, to)?;
    File::options().write(true).open(to)?.sync_all()
}

/// Makes a rename survive a power failure, where folders can be synchronised at all.
fn sync_folder(path: &Path) {
    if let Some(folder) = path.parent()
        && let Ok(folder) = File::open(folder)
    {
        let _ = folder.sync_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_are_relative() {
        let join = |parts: &[&str]| parts.iter().collect::<PathBuf>();
        assert_eq!(relative_target("a", "e"), join(&["..", "..", "blobs", "e"]));
        assert_eq!(relative_target("x/y/a", "e"), join(&["..", "..", "..", "..", "blobs", "e"]));
    }

    #[test]
    fn a_copy_stands_in_for_a_link() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (blob, to) = (folder.path().join("blob"), folder.path().join("copy"));
        fs::write(&blob, "abc").expect("room for a temporary file");
        copy(&blob, &to).expect("a copy");
        assert_eq!(fs::read_to_string(&to).expect("a readable copy"), "abc");
    }
}
