//! Files of a bounded size.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Reads a file that has no more than so many bytes. What it says of its size
/// does not count: devices and pipes say nothing.
pub(crate) fn read(file: &Path, most: usize) -> io::Result<Vec<u8>> {
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    File::open(file)?.take(limit).read_to_end(&mut bytes)?;
    match bytes.len() > most {
        true => Err(io::Error::other(format!("it has more than {most} bytes"))),
        false => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_not_read_to_its_end() {
        assert!(read(Path::new("/dev/zero"), 100).unwrap_err().to_string().contains("100 bytes"));
        let file = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
        let whole = std::fs::read(file).unwrap();
        assert_eq!(read(file, whole.len()).unwrap(), whole);
        assert!(read(file, whole.len() - 1).is_err());
    }
}
