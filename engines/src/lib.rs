//! The C functions of engines.h. Each entry catches panics; nothing else lives here: the other files
//! hold the work. `wasmtime_c_api` is named so that its C symbols are in the library.

extern crate wasmtime_c_api as _;

mod address;
mod answer;
mod glob;
mod json;
mod schema;
mod toml_doc;
mod words;

use std::panic::{catch_unwind, AssertUnwindSafe};

/// `struct engine_text`.
#[repr(C)]
pub struct Text {
    p: *mut u8,
    n: usize,
}

impl Text {
    const NONE: Text = Text { p: std::ptr::null_mut(), n: 0 };

    fn new(s: String) -> Text {
        let bytes = s.into_bytes().into_boxed_slice();
        let n = bytes.len();
        Text { p: Box::into_raw(bytes) as *mut u8, n }
    }
}

/// # Safety
/// `text` is NULL or points to a text that an engine made or that is {NULL, 0}.
#[no_mangle]
pub unsafe extern "C" fn engine_text_free(text: *mut Text) {
    if text.is_null() || (*text).p.is_null() {
        return;
    }
    drop(Box::from_raw(std::ptr::slice_from_raw_parts_mut((*text).p, (*text).n)));
    *text = Text::NONE;
}

/// The bytes that C gave; an empty slice for NULL.
unsafe fn bytes<'a>(p: *const u8, n: usize) -> &'a [u8] {
    if p.is_null() || n == 0 {
        &[]
    } else {
        std::slice::from_raw_parts(p, n)
    }
}

/// Runs `f`, turning a panic into its text.
fn guarded<T>(f: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<&str>()
            .map(|s| s.to_string())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_default();
        Err(format!("the engine panicked: {text}"))
    })
}

/// Stores a text for C, if it wants it; there is none without one.
unsafe fn put(out: *mut Text, text: Option<String>) {
    if !out.is_null() {
        *out = text.map_or(Text::NONE, Text::new);
    }
}

/// 0, or -1 with the error's text.
unsafe fn status(result: Result<(), String>, error: *mut Text) -> i32 {
    let code = if result.is_ok() { 0 } else { -1 };
    put(error, result.err());
    code
}

unsafe fn boxed<T>(result: Result<T, String>, error: *mut Text) -> *mut T {
    match result {
        Ok(value) => {
            put(error, None);
            Box::into_raw(Box::new(value))
        }
        Err(message) => {
            put(error, Some(message));
            std::ptr::null_mut()
        }
    }
}

unsafe fn unboxed<T>(p: *mut T) {
    if !p.is_null() {
        let _ = catch_unwind(AssertUnwindSafe(|| drop(Box::from_raw(p))));
    }
}

/// # Safety
/// `text` holds `n` bytes; `error` is NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn engine_toml_parse(
    text: *const u8,
    n: usize,
    error: *mut Text,
) -> *mut toml_doc::Document {
    let text = bytes(text, n);
    boxed(guarded(|| Ok(toml_doc::Document::parse(text))), error)
}

/// # Safety
/// `doc` came from engine_toml_parse.
#[no_mangle]
pub unsafe extern "C" fn engine_toml_nodes(
    doc: *const toml_doc::Document,
    n: *mut usize,
) -> *const toml_doc::Node {
    *n = (*doc).nodes.len();
    (*doc).nodes.as_ptr()
}

/// # Safety
/// `doc` came from engine_toml_parse.
#[no_mangle]
pub unsafe extern "C" fn engine_toml_errors(
    doc: *const toml_doc::Document,
    n: *mut usize,
) -> *const toml_doc::SyntaxError {
    *n = (*doc).errors.len();
    (*doc).errors.as_ptr()
}

/// # Safety
/// `doc` is NULL or came from engine_toml_parse and is not used again.
#[no_mangle]
pub unsafe extern "C" fn engine_toml_free(doc: *mut toml_doc::Document) {
    unboxed(doc);
}

/// # Safety
/// `data` holds `n` bytes, `out` has room for 32.
#[no_mangle]
pub unsafe extern "C" fn engine_blake3(data: *const u8, n: usize, out: *mut u8) {
    let hash = blake3::hash(bytes(data, n));
    std::ptr::copy_nonoverlapping(hash.as_bytes().as_ptr(), out, 32);
}

/// # Safety
/// `json` holds `n` bytes; `error` is NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn engine_schema_compile(
    json: *const u8,
    n: usize,
    error: *mut Text,
) -> *mut schema::Schema {
    let json = bytes(json, n);
    boxed(guarded(|| schema::Schema::compile(json)), error)
}

/// # Safety
/// `schema` came from engine_schema_compile, `json` holds `n` bytes, `error` is NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn engine_schema_validate(
    schema: *const schema::Schema,
    json: *const u8,
    n: usize,
    error: *mut Text,
) -> i32 {
    let json = bytes(json, n);
    status(guarded(|| (*schema).validate(json)), error)
}

/// # Safety
/// `schema` is NULL or came from engine_schema_compile and is not used again.
#[no_mangle]
pub unsafe extern "C" fn engine_schema_free(schema: *mut schema::Schema) {
    unboxed(schema);
}

/// # Safety
/// `json` holds `n` bytes; `path` and `error` are NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn engine_json_check(
    json: *const u8,
    n: usize,
    path: *mut Text,
    error: *mut Text,
) -> i32 {
    let json = bytes(json, n);
    let fault = guarded(|| Ok(json::check(json).err()));
    put(path, fault.as_ref().ok().and_then(|f| f.as_ref()).map(|f| f.path.clone()));
    status(fault.and_then(|f| f.map_or(Ok(()), |f| Err(f.message))), error)
}

/// # Safety
/// `pattern` holds `n` bytes; `error` is NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn engine_glob_compile(
    pattern: *const u8,
    n: usize,
    error: *mut Text,
) -> *mut glob::Glob {
    let pattern = bytes(pattern, n);
    boxed(guarded(|| glob::Glob::compile(pattern)), error)
}

/// # Safety
/// `glob` came from engine_glob_compile, `path` holds `n` bytes.
#[no_mangle]
pub unsafe extern "C" fn engine_glob_match(
    glob: *const glob::Glob,
    path: *const u8,
    n: usize,
) -> bool {
    let path = bytes(path, n);
    guarded(|| Ok((*glob).matches(path))).unwrap_or(false)
}

/// # Safety
/// `glob` is NULL or came from engine_glob_compile and is not used again.
#[no_mangle]
pub unsafe extern "C" fn engine_glob_free(glob: *mut glob::Glob) {
    unboxed(glob);
}

/// # Safety
/// `text` holds `n` bytes; `url` is writable, `error` is NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn engine_url_parse(
    text: *const u8,
    n: usize,
    url: *mut address::Address,
    error: *mut Text,
) -> i32 {
    let text = bytes(text, n);
    let parsed = guarded(|| address::Address::parse(text));
    status(parsed.map(|parts| url.write(parts)), error)
}

/// # Safety
/// `mime` holds `n` bytes; `extension` is NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn engine_mime_extension(mime: *const u8, n: usize, extension: *mut Text) {
    let mime = String::from_utf8_lossy(bytes(mime, n));
    put(extension, guarded(|| Ok(words::extension(&mime))).ok().flatten());
}

/// # Safety
/// `text` holds `n` bytes; `fault` is NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn engine_uuid_fault(text: *const u8, n: usize, fault: *mut Text) {
    let text = String::from_utf8_lossy(bytes(text, n));
    put(fault, guarded(|| Ok(words::uuid_fault(&text))).ok().flatten());
}

/// # Safety
/// `text` holds `n` bytes; `quoted` is NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn engine_quote(text: *const u8, n: usize, quoted: *mut Text) {
    let text = String::from_utf8_lossy(bytes(text, n));
    put(quoted, guarded(|| Ok(words::quote(&text))).ok());
}

/// # Safety
/// `json` holds `n` bytes; `fault` is NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn engine_answer_fault(
    json: *const u8,
    n: usize,
    chunk: bool,
    fault: *mut Text,
) {
    let json = String::from_utf8_lossy(bytes(json, n));
    put(fault, guarded(|| Ok(answer::fault(&json, chunk))).ok().flatten());
}

/// # Safety
/// `body` holds `n` bytes, `label` holds `label_n`; `text` is NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn engine_decode(
    body: *const u8,
    n: usize,
    label: *const u8,
    label_n: usize,
    text: *mut Text,
) {
    let (body, label) = (bytes(body, n), bytes(label, label_n));
    put(text, guarded(|| Ok(words::decode(body, label))).ok());
}
