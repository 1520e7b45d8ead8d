//! Small things that TensorZero takes from crates and that clients see: the ending it gives a file without a name, why a text
//! is no UUID, and how Rust's Debug prints a text.

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
