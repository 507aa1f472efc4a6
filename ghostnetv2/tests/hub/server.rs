//! A small HTTP/1.1 server that does what a test tells it to, and records what it was asked.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request, as it arrived.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub target: String,
    headers: Vec<(String, String)>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name))?;
        Some(value)
    }

    /// The N of `Range: bytes=N-`.
    pub fn range(&self) -> Option<usize> {
        self.header("Range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }
}

/// What the server replies, byte for byte if a test wants it.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    announced: Option<String>,
    sent: usize,
    then: Then,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Close,
    Stall,
}

impl Answer {
    pub fn new(status: u16) -> Self {
        let announced = Some("0".to_owned());
        Self { status, headers: vec![], body: vec![], announced, sent: 0, then: Then::Close }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        self
    }

    pub fn body(mut self, body: &[u8]) -> Self {
        body.clone_into(&mut self.body);
        self.announced = Some(body.len().to_string());
        self.sent = body.len();
        self
    }

    /// Another `Content-Length` than the body has; with `None`, none.
    pub fn announce(mut self, length: Option<&str>) -> Self {
        self.announced = length.map(str::to_owned);
        self
    }

    /// Sends so many bytes of the body and then closes the connection.
    pub fn close_after(mut self, bytes: usize) -> Self {
        self.sent = bytes;
        self
    }

    /// Sends so many bytes of the body and then nothing, until the server is dropped.
    pub fn stall_after(mut self, bytes: usize) -> Self {
        self.sent = bytes;
        self.then = Then::Stall;
        self
    }
}

/// What the server has seen; answers can depend on it.
#[derive(Default)]
pub struct Log {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    requests: Vec<Request>,
    stalled: usize,
    stopped: bool,
}

impl Log {
    pub fn requests(&self) -> Vec<Request> {
        self.lock().requests.clone()
    }

    pub fn count(&self, method: &str) -> usize {
        self.lock().requests.iter().filter(|request| request.method == method).count()
    }

    /// Waits until so many requests with this method have arrived.
    pub fn wait_for(&self, method: &str, n: usize) {
        self.wait(|state| state.requests.iter().filter(|r| r.method == method).count() >= n);
    }

    /// Waits until so many answers have come to the point where they stall.
    pub fn wait_for_stall(&self, n: usize) {
        self.wait(|state| state.stalled >= n);
    }

    /// Waits until the server is dropped, as a server that says nothing does.
    pub fn wait_for_the_end(&self) {
        self.wait(|_| false);
    }

    fn wait(&self, done: impl Fn(&State) -> bool) {
        let start = Instant::now();
        let mut state = self.lock();
        while !done(&state) && !state.stopped {
            // Only a test that fails gets here; it must not hang.
            assert!(start.elapsed() < PATIENCE, "waited in vain: {:?}", state.requests);
            let waited = self.changed.wait_timeout(state, PATIENCE);
            (state, _) = waited.expect("no thread panics with the log");
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics with the log")
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }
}

type Script = dyn Fn(&Request, &Log) -> Answer + Send + Sync;

/// The server; it ends, and lets go of all connections, when dropped.
pub struct Server {
    port: u16,
    log: Arc<Log>,
}

impl Server {
    /// Starts on a free port. The script is told each request and the log, in which that request
    /// is the last one.
    pub fn start(script: impl Fn(&Request, &Log) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("a bound port").port();
        let log = Arc::new(Log::default());
        let (script, shared): (Arc<Script>, _) = (Arc::new(script), log.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.lock().stopped {
                    break;
                }
                let (script, log) = (script.clone(), shared.clone());
                // A client that goes away is no concern of the server.
                thread::spawn(move || serve(stream, &*script, &log).ok());
            }
        });
        Self { port, log }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn log(&self) -> &Log {
        &self.log
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.log.change(|state| state.stopped = true);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn serve(stream: TcpStream, script: &Script, log: &Log) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let Some(request) = read_request(&mut reader)? else { return Ok(()) };
    log.change(|state| state.requests.push(request.clone()));
    let answer = script(&request, log);
    write_answer(stream, &request, &answer, log)
}

fn read_request(reader: &mut impl BufRead) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(None) };
    let (method, target) = (method.to_owned(), target.to_owned());
    let mut headers = vec![];
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    Ok(Some(Request { method, target, headers }))
}

fn write_answer(
    mut stream: TcpStream,
    request: &Request,
    answer: &Answer,
    log: &Log,
) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {} Scripted\r\nConnection: close\r\n", answer.status);
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if let Some(length) = &answer.announced {
        head.push_str(&format!("Content-Length: {length}\r\n"));
    }
    stream.write_all(head.as_bytes())?;
    stream.write_all(b"\r\n")?;
    if request.method != "HEAD" {
        stream.write_all(&answer.body[..answer.sent])?;
        stream.flush()?;
        if answer.then == Then::Stall {
            log.change(|state| state.stalled += 1);
            log.wait_for_the_end();
        }
    }
    stream.shutdown(Shutdown::Both)
}
