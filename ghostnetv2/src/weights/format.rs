//! What a file that should hold weights really is, from its first bytes.

use crate::Error;

/// In MindSpore's `.ckpt`, a protobuf message, the type of a tensor stands before its numbers.
const MINDSPORE: &[u8] = b"Float32";

/// Refuses everything that announces itself as another format than safetensors.
pub(super) fn check(origin: &str, bytes: &[u8]) -> Result<(), Error> {
    // Eight bytes of header length, then JSON: the length may begin like anything.
    if bytes.get(8) == Some(&b'{') && bytes.get(4..8) == Some(&[0; 4]) {
        return Ok(());
    }
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    let convert = || format!("convert it with: python scripts/convert.py {origin} --out FOLDER");
    let again = || "fetch the file itself again".to_string();
    let (found, remedy) = if starts(b"PK\x03\x04") {
        ("a PyTorch file (zipped pickle), which can run code when loaded", convert())
    } else if matches!(bytes, [0x80, 1..=5, ..]) {
        ("a Python pickle, which can run code when loaded", convert())
    } else if bytes.get(257..262) == Some(b"ustar") {
        ("a tar archive (an old PyTorch file?)", convert())
    } else if starts(b"\x0a") && bytes.windows(MINDSPORE.len()).any(|found| found == MINDSPORE) {
        ("a MindSpore checkpoint", convert())
    } else if starts(b"\x1f\x8b") {
        ("gzip-compressed", "unpack it first".to_string())
    } else if starts(b"\x89HDF") {
        ("an HDF5 file", "export the weights to safetensors with timm's names".to_string())
    } else if starts(b"GGUF") {
        ("a GGUF file", "use the safetensors file of the model".to_string())
    } else if starts(b"version https://git-lfs") {
        ("a Git LFS pointer", "run git lfs pull".to_string())
    } else if starts(b"<") {
        ("a web page", again())
    } else if starts(b"{") {
        ("a JSON text", "name the .safetensors file, or the folder that holds it".to_string())
    } else if bytes.is_empty() {
        ("empty", again())
    } else {
        return Ok(());
    };
    Err(Error::Format { origin: origin.into(), found, remedy })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_formats_are_named() {
        let mut tar = vec![0u8; 512];
        tar[257..262].copy_from_slice(b"ustar");
        let cases: [(&[u8], &str); 8] = [
            (b"PK\x03\x04rest", "zipped pickle"),
            (b"\x80\x02}q\x00.", "Python pickle"),
            (&tar, "tar archive"),
            (b"\x0a\x30\x0a\x09bn1.gamma\x12\x23\x08\x04\x12\x07Float32", "MindSpore"),
            (b"version https://git-lfs.github.com/spec/v1", "Git LFS"),
            (b"<!DOCTYPE html>", "web page"),
            (b"{\"architecture\": 1}", "JSON"),
            (b"", "empty"),
        ];
        for (bytes, expected) in cases {
            let error = check("w.bin", bytes).unwrap_err().to_string();
            assert!(error.starts_with("w.bin") && error.contains(expected), "{error}");
        }
        // A header of 0x280 bytes begins like a pickle.
        assert!(check("w", &[0x80, 2, 0, 0, 0, 0, 0, 0, b'{']).is_ok());
    }
}
