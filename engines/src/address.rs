//! URLs by the crate that TensorZero uses: the text as it prints it, and offsets into that.

use crate::Text;
use url::{Position, Url};

/// `struct engine_url`.
#[repr(C)]
pub struct Address {
    text: Text,
    scheme_end: usize,
    user: usize,
    host: usize,
    host_end: usize,
    path: usize,
    path_end: usize,
    query_end: usize,
}

impl Address {
    pub fn parse(text: &[u8]) -> Result<Address, String> {
        let text = std::str::from_utf8(text).map_err(|_| "it is not UTF-8".to_string())?;
        let url = Url::parse(text).map_err(|e| e.to_string())?;
        let at = |position| url[..position].len();
        Ok(Address {
            scheme_end: at(Position::AfterScheme),
            user: at(Position::BeforeUsername),
            host: at(Position::BeforeHost),
            host_end: at(Position::AfterHost),
            path: at(Position::BeforePath),
            path_end: at(Position::AfterPath),
            query_end: at(Position::AfterQuery),
            text: Text::new(url.into()),
        })
    }
}
