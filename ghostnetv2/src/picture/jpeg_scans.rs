//! Kinds of JPEG that zune-jpeg refuses late or, worse, decodes to wrong pixels.
//!
//! # Source
//! Segments and frames: ITU-T T.81, annex B.

use super::PictureFault;

const NAME: &str = "JPEG";

/// Refuses arithmetic coding, lossless and hierarchical frames, and sequential frames whose
/// subsampled components come in scans of their own. Damage is left to the decoder to find.
pub(super) fn check(bytes: &[u8]) -> Result<(), PictureFault> {
    let mut frame = None;
    for segment in Segments(bytes) {
        match segment.marker {
            0xc0 | 0xc1 => frame = Frame::parse(segment.payload),
            0xc2 => frame = None, // progressive scans are of one component by design
            0xc9..=0xcb | 0xcd..=0xcf => return Err(unsupported("arithmetic coding")),
            0xc3 => return Err(unsupported("lossless coding")),
            0xc5..=0xc7 => return Err(unsupported("hierarchical frames")),
            0xda => {
                let (Some(frame), Some(&components)) = (frame, segment.payload.first()) else {
                    continue;
                };
                if frame.subsampled && components < frame.components {
                    return Err(unsupported("subsampled colours in scans of their own"));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn unsupported(feature: &str) -> PictureFault {
    PictureFault::Unsupported { format: NAME, feature: feature.into() }
}

/// What a sequential frame header says.
#[derive(Clone, Copy)]
struct Frame {
    components: u8,
    /// Components differ in their sampling factors.
    subsampled: bool,
}

impl Frame {
    fn parse(payload: &[u8]) -> Option<Self> {
        let components = *payload.get(5)?;
        // Of each: identifier, sampling factors, quantisation table.
        let factors = payload.get(6..)?.chunks_exact(3).take(components.into()).map(|c| c[1]);
        let first = factors.clone().next()?;
        Some(Self { components, subsampled: factors.clone().any(|f| f != first) })
    }
}

/// A marker with what belongs to it, without its length.
struct Segment<'a> {
    marker: u8,
    payload: &'a [u8],
}

/// All marker segments with a payload; coded data between them is skipped.
struct Segments<'a>(&'a [u8]);

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Segment<'a>> {
        loop {
            let at = self.0.iter().position(|&b| b == 0xff)?;
            let marker = *self.0.get(at + 1)?;
            let rest = &self.0[at + 1..];
            match marker {
                0xff => self.0 = rest, // a fill byte
                // Not markers at all, or without a payload.
                0x00 | 0x01 | 0xd0..=0xd8 => self.0 = &rest[1..],
                0xd9 => return None,
                _ => {
                    let length = usize::from(u16::from_be_bytes([*rest.get(1)?, *rest.get(2)?]));
                    let payload = rest.get(3..1 + length)?;
                    self.0 = &rest[1 + length..];
                    return Some(Segment { marker, payload });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SOI, a frame of three components with the first one's factors, and a scan of some of them.
    fn jpeg(frame_marker: u8, factors: u8, scan_components: u8) -> Vec<u8> {
        let mut bytes = vec![0xff, 0xd8, 0xff, frame_marker, 0, 17, 8, 0, 16, 0, 16, 3];
        bytes.extend([1, factors, 0, 2, 0x11, 0, 3, 0x11, 0]);
        bytes.extend([0xff, 0xda, 0, 6 + 2 * scan_components, scan_components]);
        bytes.extend(vec![0; 2 * usize::from(scan_components) + 3]);
        bytes.extend([0x12, 0xff, 0x00, 0x34, 0xff, 0xd9]);
        bytes
    }

    #[test]
    fn wrong_kinds_are_refused_and_right_ones_pass() {
        assert!(check(&jpeg(0xc0, 0x22, 3)).is_ok());
        assert!(check(&jpeg(0xc0, 0x11, 1)).is_ok(), "not subsampled");
        assert!(check(&jpeg(0xc2, 0x22, 1)).is_ok(), "progressive");
        for (bytes, expected) in [
            (jpeg(0xc0, 0x22, 1), "scans of their own"),
            (jpeg(0xc1, 0x21, 2), "scans of their own"),
            (jpeg(0xc9, 0x22, 3), "arithmetic"),
            (jpeg(0xc3, 0x11, 3), "lossless"),
            (jpeg(0xc5, 0x11, 3), "hierarchical"),
        ] {
            let text = check(&bytes).unwrap_err().to_string();
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn any_cut_is_walked_through() {
        let whole = jpeg(0xc0, 0x22, 3);
        for len in 0..whole.len() {
            assert!(check(&whole[..len]).is_ok());
        }
        assert!(check(&[0xff; 9]).is_ok());
        assert!(check(&[0xff, 0xd8, 0xff, 0xc0, 0, 0]).is_ok(), "a length below 2");
    }
}
