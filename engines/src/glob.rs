//! Globs by the crate that TensorZero uses, with its option: `*` stays within a folder.

use globset::{GlobBuilder, GlobMatcher};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

pub struct Glob {
    matcher: GlobMatcher,
}

impl Glob {
    pub fn compile(pattern: &[u8]) -> Result<Glob, String> {
        let pattern = std::str::from_utf8(pattern).map_err(|_| "it is not UTF-8".to_string())?;
        let glob = GlobBuilder::new(pattern).literal_separator(true).build();
        Ok(Glob { matcher: glob.map_err(|e| e.to_string())?.compile_matcher() })
    }

    pub fn matches(&self, path: &[u8]) -> bool {
        self.matcher.is_match(OsStr::from_bytes(path))
    }
}
