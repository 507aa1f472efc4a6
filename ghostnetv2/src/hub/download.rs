//! Brings the contents of one file into the cache: whole, checked, and then in one step under its
//! final name.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::Arc;

use super::asked::Asked;
use super::cache::RepoCache;
use super::checks::{Checks, Fault};
use super::error::HubError;
use super::http::{Http, Response, body_error, host};
use super::lock::Lock;
use super::progress::Progress;
use super::retry::Backoff;
use super::url::Url;

/// One file on its way into the cache.
pub(super) struct Download<'a> {
    pub http: &'a Http,
    pub asked: &'a Arc<Asked>,
    pub url: &'a Url,
    pub file: &'a str,
    pub cache: &'a RepoCache,
    pub etag: &'a str,
    pub checks: &'a Checks,
    pub backoff: Backoff,
}

impl Download<'_> {
    /// Leaves the right contents in the blob, whether it brings them itself or another process
    /// does meanwhile.
    pub fn run(&self, progress: &mut dyn Progress) -> Result<(), HubError> {
        let (blob, lock) = (self.cache.blob(self.etag), self.cache.lock(self.etag));
        self.cache.create_parent(&blob)?;
        self.cache.create_parent(&lock)?;
        let lock =
            Lock::acquire(&lock, progress).map_err(|e| self.asked.unwritable("lock", &lock, e))?;
        if blob.is_file() {
            let fault = self.checks.fault(&blob).map_err(|e| self.asked.unreadable(&blob, e))?;
            if fault.is_none() {
                return Ok(());
            }
            // Other programs would use it without looking.
            fs::remove_file(&blob).map_err(|e| self.asked.unwritable("remove", &blob, e))?;
        }
        // Without a lock, two writers of one file would spoil it, so each has a file of its own.
        let (path, keep) = match lock {
            Lock::Held { .. } => (self.cache.incomplete(self.etag), true),
            Lock::Unsupported => (self.cache.staging(), false),
        };
        let mut part = Part::open(self.asked, path)?;
        let outcome = self.transfer(&mut part, progress).and_then(|()| part.sync());
        let path = part.close();
        if let Err(error) = outcome {
            if !keep || matches!(error, HubError::Corrupt { .. }) {
                // The error that counts is the first one.
                let _ = fs::remove_file(path);
            }
            return Err(error);
        }
        self.cache.rename(&path, &blob)?;
        progress.finish();
        Ok(())
    }

    /// Fills and checks the part. Contents that are wrong get one more chance, from zero: what an
    /// earlier process has left may be at fault.
    fn transfer(&self, part: &mut Part, progress: &mut dyn Progress) -> Result<(), HubError> {
        let mut second_chance = true;
        loop {
            let outcome = self
                .backoff
                .run(progress, |progress| self.fill(part, progress))
                .and_then(|()| self.check(part));
            match outcome {
                Err(HubError::Corrupt { .. }) if second_chance => {
                    second_chance = false;
                    part.restart()?;
                }
                outcome => return outcome,
            }
        }
    }

    /// Appends what is missing, with one request.
    fn fill(&self, part: &mut Part, progress: &mut dyn Progress) -> Result<(), HubError> {
        let expected = self.checks.size;
        if expected.is_some() && expected == Some(part.len()?) {
            return Ok(());
        }
        let mut response = self.open(part)?;
        let mut found = part.len()?;
        progress.start(self.file, expected, found);
        let host = host(&response);
        let mut body = response.body_mut().as_reader();
        let mut buffer = vec![0; 1 << 16];
        loop {
            let n = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(body_error(self.asked, host, expected, found, e)),
            };
            found = found.saturating_add(n as u64);
            if let Some(expected) = expected.filter(|&expected| found > expected) {
                return Err(self.corrupt(Fault::Size { expected, found }));
            }
            part.append(&buffer[..n], expected)?;
            progress.advance(n as u64);
        }
        if expected.is_some_and(|expected| found < expected) {
            return Err(HubError::Interrupted { asked: self.asked.clone(), expected, found });
        }
        Ok(())
    }

    /// Opens the body, and cuts the part to the length at which the body goes on.
    fn open(&self, part: &mut Part) -> Result<Response, HubError> {
        let have = part.len()?;
        if have > 0 {
            let response = self.http.open(self.asked, self.url, have)?;
            let status = response.status().as_u16();
            if status == 206 && self.continues(&response, have) {
                return Ok(response);
            }
            part.restart()?;
            if status == 200 {
                return self.whole(response);
            }
        }
        let response = self.http.open(self.asked, self.url, 0)?;
        let status = response.status().as_u16();
        if status != 200 {
            let (asked, host) = (self.asked.clone(), host(&response));
            return Err(HubError::UnexpectedStatus { asked, host, status });
        }
        self.whole(response)
    }

    /// A whole file that announces another size than the hub did is not worth its transfer.
    fn whole(&self, response: Response) -> Result<Response, HubError> {
        let length = header(&response, "Content-Length").and_then(|text| text.parse().ok());
        match (self.checks.size, length) {
            (Some(expected), Some(found)) if expected != found => {
                Err(self.corrupt(Fault::Size { expected, found }))
            }
            _ => Ok(response),
        }
    }

    /// Whether `Content-Range: bytes FIRST-LAST/TOTAL` goes on where the part ends.
    fn continues(&self, response: &Response, have: u64) -> bool {
        let range = header(response, "Content-Range").and_then(|text| text.strip_prefix("bytes "));
        let Some((span, total)) = range.and_then(|range| range.split_once('/')) else {
            return false;
        };
        let first = span.split('-').next().and_then(|first| first.trim().parse().ok());
        let total: Option<u64> = total.trim().parse().ok();
        first == Some(have)
            && (total.is_none() || self.checks.size.is_none() || total == self.checks.size)
    }

    fn check(&self, part: &Part) -> Result<(), HubError> {
        let path = &part.path;
        match self.checks.fault(path).map_err(|e| self.asked.unreadable(path, e))? {
            None => Ok(()),
            Some(fault) => Err(self.corrupt(fault)),
        }
    }

    fn corrupt(&self, fault: Fault) -> HubError {
        HubError::Corrupt { asked: self.asked.clone(), fault }
    }
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok().map(str::trim)
}

/// The file in which a download grows.
struct Part<'a> {
    asked: &'a Arc<Asked>,
    path: PathBuf,
    file: File,
}

impl<'a> Part<'a> {
    /// Opens it at its end, and creates it if it is not there.
    fn open(asked: &'a Arc<Asked>, path: PathBuf) -> Result<Self, HubError> {
        let open = || {
            let mut file = File::options().create(true).write(true).truncate(false).open(&path)?;
            file.seek(SeekFrom::End(0))?;
            Ok(file)
        };
        let file = open().map_err(|e| asked.unwritable("write", &path, e))?;
        Ok(Self { asked, path, file })
    }

    fn len(&self) -> Result<u64, HubError> {
        let metadata = self.file.metadata().map_err(|e| self.asked.unreadable(&self.path, e))?;
        Ok(metadata.len())
    }

    fn append(&mut self, bytes: &[u8], needed: Option<u64>) -> Result<(), HubError> {
        self.file.write_all(bytes).map_err(|e| {
            match self.asked.unwritable("write", &self.path, e) {
                HubError::DiskFull { asked, path, cause, .. } => {
                    HubError::DiskFull { asked, path, needed, cause }
                }
                error => error,
            }
        })
    }

    fn restart(&mut self) -> Result<(), HubError> {
        let emptied = self.file.set_len(0).and_then(|()| self.file.rewind());
        emptied.map_err(|e| self.asked.unwritable("write", &self.path, e))
    }

    /// Closes the file, as some systems do not move open ones.
    fn close(self) -> PathBuf {
        self.path
    }

    fn sync(&self) -> Result<(), HubError> {
        self.file.sync_all().map_err(|e| self.asked.unwritable("write", &self.path, e))
    }
}
