//! Short names for long data, by which two machines tell whether they have the same.

use anyhow::Result;
use ghostnetv2::weights::Checkpoint;

/// What `config.json` says that may change a result.
const TOLD: [&str; 5] = ["architecture", "head", "label_names", "num_classes", "pretrained_cfg"];

/// FNV-1a of 64 bits: against mistakes, not against malice.
#[derive(Clone, Copy, Debug)]
pub struct Fingerprint(u64);

impl Default for Fingerprint {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fingerprint {
    /// Of some bytes alone.
    pub fn of(bytes: &[u8]) -> String {
        let mut fingerprint = Self::default();
        fingerprint.add(bytes);
        fingerprint.text()
    }

    /// Of tensors, their names, and what is known of them.
    ///
    /// # Errors
    /// Tensors that can't be read or trusted.
    pub fn of_checkpoint(checkpoint: &Checkpoint) -> Result<String> {
        let mut fingerprint = Self::default();
        for name in checkpoint.names() {
            fingerprint.add(name.as_bytes());
            if let Some(tensor) = checkpoint.tensor(name)? {
                let values: Vec<f32> = tensor.flatten_all()?.to_vec1()?;
                let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                fingerprint.add(&bytes);
            }
        }
        for told in TOLD.map(|key| checkpoint.timm_config().and_then(|config| config.get(key))) {
            fingerprint.add(told.map(ToString::to_string).unwrap_or_default().as_bytes());
        }
        Ok(fingerprint.text())
    }

    /// Adds bytes, and where they end: `ab` and `c` are others than `a` and `bc`.
    pub fn add(&mut self, bytes: &[u8]) {
        let step = |h: u64, &b: &u8| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3);
        self.0 = bytes.iter().fold(self.0, step);
        self.0 = (bytes.len() as u64).to_le_bytes().iter().fold(self.0, step);
    }

    /// Of all that was added, in 16 hexadecimal digits.
    pub fn text(self) -> String {
        format!("{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_and_where_it_ended() {
        let of = |parts: &[&str]| {
            let mut fingerprint = Fingerprint::default();
            parts.iter().for_each(|part| fingerprint.add(part.as_bytes()));
            fingerprint.text()
        };
        assert_eq!(of(&["ab"]), Fingerprint::of(b"ab"));
        assert_eq!(of(&["ab"]).len(), 16);
        let all = [of(&[]), of(&[""]), of(&["ab", "c"]), of(&["a", "bc"]), of(&["abc"])];
        let different: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
    }
}
