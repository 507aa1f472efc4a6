//! Maps of a batch, with the channels innermost.

use std::fmt;

/// The shape of a batch of maps; a vector is a map of one pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapShape {
    /// Pictures.
    pub batch: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channels, innermost in memory.
    pub channels: usize,
}

impl MapShape {
    /// Elements.
    pub fn len(&self) -> usize {
        self.batch * self.picture_len()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Elements of a picture.
    pub(crate) fn picture_len(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Pixels of all pictures.
    pub(crate) fn pixels(&self) -> usize {
        self.batch * self.height * self.width
    }

    pub(crate) fn size(&self) -> (usize, usize) {
        (self.height, self.width)
    }

    /// Another size.
    pub(crate) fn with_size(self, (height, width): (usize, usize)) -> Self {
        Self { height, width, ..self }
    }

    /// Other channels.
    pub(crate) fn with_channels(self, channels: usize) -> Self {
        Self { channels, ..self }
    }
}

impl fmt::Display for MapShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}x{}x{}", self.batch, self.height, self.width, self.channels)
    }
}
