//! Small things that TensorZero takes from crates and that clients see: the ending it gives a file without a name, why a text
//! is no UUID, how Rust's Debug prints a text, and how the bytes of a body become one.

use uuid::Uuid;

/// The last of the endings that files of this type have; parameters of the type do not matter.
pub fn extension(mime: &str) -> Option<String> {
    mime_guess::get_mime_extensions_str(mime)?.last().map(|e| e.to_string())
}

/// None: it is one.
pub fn uuid_fault(text: &str) -> Option<String> {
    Uuid::parse_str(text).err().map(|e| e.to_string())
}

/// With quotes; what cannot be seen is escaped (a joiner, a combining mark, a space that is none).
pub fn quote(text: &str) -> String {
    format!("{text:?}")
}

/// A byte order mark counts more than the label; a label that is none is UTF-8.
pub fn decode(body: &[u8], label: &[u8]) -> String {
    let encoding = encoding_rs::Encoding::for_label(label).unwrap_or(encoding_rs::UTF_8);
    encoding.decode(body).0.into_owned()
}
