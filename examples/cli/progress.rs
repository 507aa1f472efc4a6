//! Progress bars: on stderr, only on a terminal, and never in the way of messages.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar over items, with rate and time left.
pub fn items(len: usize, unit: &str, quiet: bool) -> ProgressBar {
    if quiet || len < 2 {
        return ProgressBar::hidden();
    }
    let template = format!("{{bar:30}} {{pos}}/{{len}} {unit}, {{per_sec}}, {{eta}} left");
    styled(ProgressBar::new(len as u64), &template)
}

/// A bar over the steps of a training, with a message and the time left.
pub fn steps(len: u64, quiet: bool) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    styled(ProgressBar::new(len), "{bar:30} {pos}/{len} steps, {msg}, {eta} left")
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// A bar over the bytes of a download.
#[cfg(feature = "hub")]
#[derive(Debug)]
pub struct Download {
    quiet: bool,
    bar: ProgressBar,
}

#[cfg(feature = "hub")]
impl Download {
    /// Silent where `quiet`.
    pub fn new(quiet: bool) -> Self {
        Self { quiet, bar: ProgressBar::hidden() }
    }
}

#[cfg(feature = "hub")]
impl ghostnetv2::hub::Progress for Download {
    fn start(&mut self, file: &str, total: Option<u64>, resumed: u64) {
        if self.quiet {
            return;
        }
        let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new);
        let template = "{msg} {bar:30} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left";
        self.bar = styled(bar, template).with_message(file.to_owned());
        self.bar.set_position(resumed);
    }

    fn advance(&mut self, bytes: u64) {
        self.bar.inc(bytes);
    }

    fn finish(&mut self) {
        self.bar.finish_and_clear();
    }

    fn event(&mut self, event: &ghostnetv2::hub::Event<'_>) {
        if !self.quiet {
            self.bar.suspend(|| eprintln!("{event}"));
        }
    }
}
