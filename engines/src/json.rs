//! What TensorZero's reader (axum's Json over serde_json) says of a text that is no JSON, and where.
//! It reads as serde_json's Value does, limits and all, but keeps nothing: a body may be 100 MB.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_path_to_error::{Path, Segment};
use std::fmt;

pub struct Fault {
    /// "messages[0].content"; empty: the document as a whole.
    pub path: String,
    /// "expected value at line 1 column 1"
    pub message: String,
}

struct Nothing;

impl<'de> Deserialize<'de> for Nothing {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Nothing, D::Error> {
        d.deserialize_any(Nothing)
    }
}

impl<'de> Visitor<'de> for Nothing {
    type Value = Nothing;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("any valid JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Nothing, E> {
        Ok(Nothing)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Nothing, E> {
        Ok(Nothing)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Nothing, E> {
        Ok(Nothing)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Nothing, E> {
        Ok(Nothing)
    }

    fn visit_str<E>(self, _: &str) -> Result<Nothing, E> {
        Ok(Nothing)
    }

    fn visit_unit<E>(self) -> Result<Nothing, E> {
        Ok(Nothing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Nothing, A::Error> {
        while seq.next_element::<Nothing>()?.is_some() {}
        Ok(Nothing)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Nothing, A::Error> {
        while map.next_entry::<Nothing, Nothing>()?.is_some() {}
        Ok(Nothing)
    }
}

fn path_of(path: &Path) -> String {
    if path.iter().all(|s| matches!(s, Segment::Unknown)) {
        String::new()
    } else {
        path.to_string()
    }
}

pub fn check(text: &[u8]) -> Result<(), Fault> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    serde_path_to_error::deserialize::<_, Nothing>(&mut reader).map_err(|e| Fault {
        path: path_of(e.path()),
        message: e.inner().to_string(),
    })?;
    reader.end().map_err(|e| Fault { path: String::new(), message: e.to_string() })
}
