//! What the tests share: a model on a hub, a cache of its own for each test, and a watcher of the
//! progress.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ghostnetv2::hub::{Event, Hub, HubConfig, HubError, Pinned, Progress, RepoId};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::server::{Answer, Log, Request, Server};

pub const REPO: &str = "org/repo";
pub const FILE: &str = "model.safetensors";
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A file on a hub, large enough to arrive in several pieces.
#[derive(Debug, Clone)]
pub struct Model {
    pub contents: Vec<u8>,
    pub commit: String,
}

impl Model {
    pub fn new() -> Self {
        let contents = (0..200_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8);
        Self { contents: contents.collect(), commit: COMMIT.to_owned() }
    }

    pub fn sha256(&self) -> String {
        Sha256::digest(&self.contents).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub fn pinned(&self) -> Pinned {
        Pinned { sha256: self.sha256().into(), size: Some(self.contents.len() as u64) }
    }

    /// The headers by which the hub describes a large file.
    pub fn describe(&self, answer: Answer) -> Answer {
        answer
            .header("X-Repo-Commit", &self.commit)
            .header("X-Linked-Etag", &format!("\"{}\"", self.sha256()))
            .header("X-Linked-Size", &self.contents.len().to_string())
    }

    /// The whole file.
    pub fn whole(&self) -> Answer {
        self.describe(Answer::new(200)).body(&self.contents)
    }

    /// The file from this byte on.
    pub fn rest(&self, from: usize) -> Answer {
        let total = self.contents.len();
        let range = format!("bytes {from}-{}/{total}", total - 1);
        self.describe(Answer::new(206)).header("Content-Range", &range).body(&self.contents[from..])
    }

    /// What a hub in good order replies.
    pub fn answer(&self, request: &Request) -> Answer {
        match request.range() {
            Some(from) if from < self.contents.len() => self.rest(from),
            Some(_) => Answer::new(416),
            None => self.whole(),
        }
    }

    /// A hub in good order.
    pub fn serve(self) -> Server {
        Server::start(move |request, _| self.answer(request))
    }

    /// A hub whose answers to GET requests come from a script; the number counts them from zero.
    pub fn serve_with(
        self,
        script: impl Fn(&Self, &Request, usize) -> Answer + Send + Sync + 'static,
    ) -> Server {
        Server::start(move |request, log: &Log| match request.method.as_str() {
            "GET" => script(&self, request, log.count("GET") - 1),
            _ => self.answer(request),
        })
    }
}

/// A cache folder, and clients that use it.
pub struct Cache {
    folder: TempDir,
}

impl Cache {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    /// Settings that lose no time; the tests that need a time-out set a shorter one.
    pub fn config(&self, server: &Server) -> HubConfig {
        config(self.root(), &server.url())
    }

    pub fn get(&self, server: &Server) -> Result<PathBuf, HubError> {
        get(self.config(server), &mut ())
    }

    pub fn repo(&self) -> PathBuf {
        self.root().join("models--org--repo")
    }

    pub fn blob(&self, etag: &str) -> PathBuf {
        self.repo().join("blobs").join(etag)
    }

    pub fn pointer(&self, commit: &str) -> PathBuf {
        self.repo().join("snapshots").join(commit).join(FILE)
    }

    pub fn incomplete(&self, model: &Model) -> PathBuf {
        self.blob(&format!("{}.incomplete", model.sha256()))
    }

    /// Leaves an unfinished download in the cache, as a killed process does.
    pub fn leave_incomplete(&self, model: &Model, contents: &[u8]) {
        fs::create_dir_all(self.repo().join("blobs")).expect("a writable cache");
        fs::write(self.incomplete(model), contents).expect("a writable cache");
    }

    /// Fails if anything in the cache has a final name: only folders, locks and unfinished files
    /// may be there after a failure.
    pub fn assert_nothing_final(&self) {
        let finals = files(self.root())
            .into_iter()
            .filter(|path| !path.extension().is_some_and(|e| e == "incomplete" || e == "lock"))
            .collect::<Vec<_>>();
        assert!(finals.is_empty(), "{finals:?}");
    }

    /// Fails unless the cache is as Python would leave it: blob, pointer and reference, and nothing
    /// unfinished.
    pub fn assert_complete(&self, model: &Model, path: &Path) {
        assert_eq!(path, self.pointer(&model.commit));
        assert!(fs::read(path).expect("a readable file") == model.contents, "other contents");
        assert!(self.blob(&model.sha256()).is_file());
        let reference = fs::read_to_string(self.repo().join("refs/main"));
        assert_eq!(reference.expect("a reference"), model.commit);
        let unfinished = files(self.root())
            .into_iter()
            .filter(|path| path.extension().is_some_and(|e| e == "incomplete"))
            .collect::<Vec<_>>();
        assert!(unfinished.is_empty(), "{unfinished:?}");
    }
}

pub fn config(cache: &Path, endpoint: &str) -> HubConfig {
    let mut config = HubConfig::new(cache.to_owned());
    config.endpoint = endpoint.to_owned();
    config.first_pause = Duration::from_millis(1);
    config.longest_pause = Duration::from_millis(5);
    config
}

/// One [`Hub::get`] of the model.
pub fn get(config: HubConfig, progress: &mut dyn Progress) -> Result<PathBuf, HubError> {
    Hub::new(config)?.get(&repo(REPO), FILE, None, progress)
}

pub fn repo(text: &str) -> RepoId {
    RepoId::parse(text).expect("a valid name")
}

/// A port for a server that speaks no HTTP, and the endpoint that leads there.
pub fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = listener.local_addr().expect("a bound port");
    (listener, format!("http://{address}"))
}

/// Everything below a folder that is no folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let entry = entry.expect("a readable folder");
        if entry.file_type().expect("a file type").is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

/// Records what it is told.
#[derive(Debug, Default)]
pub struct Watcher {
    pub starts: Vec<(Option<u64>, u64)>,
    pub bytes: u64,
    pub finished: usize,
    pub delays: Vec<Duration>,
    pub from_cache: usize,
    pub lines: Vec<String>,
}

impl Progress for Watcher {
    fn start(&mut self, file: &str, total: Option<u64>, resumed: u64) {
        assert_eq!(file, FILE);
        self.starts.push((total, resumed));
    }

    fn advance(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    fn finish(&mut self) {
        self.finished += 1;
    }

    fn event(&mut self, event: &Event<'_>) {
        self.lines.push(event.to_string());
        match event {
            Event::Retrying { delay, .. } => self.delays.push(*delay),
            Event::UsingCache { .. } => self.from_cache += 1,
            _ => {}
        }
    }
}
