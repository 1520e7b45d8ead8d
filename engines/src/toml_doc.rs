//! A TOML document as a flat list of nodes with spans.
//!
//! The trees of the `toml` crate drop by recursion, so they are taken apart here with a work list and
//! never dropped deep; what is nested deeper than MAX_DEPTH becomes a syntax error.

use std::ops::Range;
use toml::de::{DeTable, DeValue};
use toml::Spanned;

const MAX_BYTES: usize = 16 << 20;
const MAX_DEPTH: usize = 128;
const MAX_ERRORS: usize = 20;

/// `struct engine_toml_node`.
#[repr(C)]
pub struct Node {
    kind: u32,
    child: u32,
    next: u32,
    key_from: u32,
    key_to: u32,
    from: u32,
    to: u32,
    key: *const u8,
    key_n: usize,
    text: *const u8,
    text_n: usize,
}

/// `struct engine_toml_error`.
#[repr(C)]
pub struct SyntaxError {
    line: usize,
    column: usize,
    from: usize,
    to: usize,
    message: *const u8,
    message_n: usize,
}

/// `struct engine_toml`. The texts are boxed, so the pointers in nodes and errors stay valid.
pub struct Document {
    pub nodes: Vec<Node>,
    pub errors: Vec<SyntaxError>,
    texts: Vec<Box<str>>,
}

// The pointers lead into `texts`, which nobody changes once the document is made.
unsafe impl Send for Document {}
unsafe impl Sync for Document {}

#[derive(Clone, Copy)]
enum Kind {
    Table,
    Array,
    String,
    Integer,
    Float,
    Bool,
    Datetime,
}

struct Work<'i> {
    node: usize,
    depth: usize,
    children: Vec<(Option<(String, Range<usize>)>, Spanned<DeValue<'i>>)>,
}

impl Document {
    pub fn parse(text: &[u8]) -> Document {
        let mut doc = Document { nodes: Vec::new(), errors: Vec::new(), texts: Vec::new() };
        doc.push_node(Kind::Table, None, 0..text.len().min(u32::MAX as usize), None);
        if text.len() > MAX_BYTES {
            doc.push_error(&[], 0..0, "the file is larger than 16 MiB".into());
            return doc;
        }
        match std::str::from_utf8(text) {
            Ok(text) => doc.read(text),
            Err(e) => {
                let at = e.valid_up_to();
                doc.push_error(text, at..at + 1, "stream did not contain valid UTF-8".into());
            }
        }
        doc
    }

    fn read(&mut self, text: &str) {
        let (table, errors) = DeTable::parse_recoverable(text);
        let mut errors: Vec<_> = errors.iter().map(|e| (e.span().unwrap_or(0..0), e)).collect();
        errors.sort_by_key(|(span, _)| span.start);
        for (span, e) in errors.into_iter().take(MAX_ERRORS) {
            self.push_error(text.as_bytes(), span, e.message().replace('\n', " "));
        }
        self.take_apart(text, table.into_inner());
    }

    /// Moves the tree into nodes, level by level.
    fn take_apart(&mut self, text: &str, root: DeTable<'_>) {
        let mut work = vec![Work { node: 0, depth: 0, children: entries(root) }];
        while let Some(Work { node, depth, children }) = work.pop() {
            let mut last = 0;
            for (key, value) in children {
                let span = value.span();
                let child = self.nodes.len();
                let nested = match value.into_inner() {
                    DeValue::Table(t) => {
                        self.push_node(Kind::Table, key, span.clone(), None);
                        entries(t)
                    }
                    DeValue::Array(a) => {
                        self.push_node(Kind::Array, key, span.clone(), None);
                        a.into_iter().map(|v| (None, v)).collect()
                    }
                    plain => {
                        let (kind, value_text) = plain_text(&plain, &text[clamp(&span, text)]);
                        self.push_node(kind, key, span.clone(), Some(value_text));
                        Vec::new()
                    }
                };
                if last == 0 {
                    self.nodes[node].child = child as u32;
                } else {
                    self.nodes[last].next = child as u32;
                }
                last = child;
                if !nested.is_empty() {
                    if depth + 1 == MAX_DEPTH {
                        let message = format!("tables are nested deeper than {MAX_DEPTH}");
                        self.push_error(text.as_bytes(), span, message);
                    }
                    work.push(Work { node: child, depth: depth + 1, children: nested });
                }
            }
        }
    }

    fn keep(&mut self, s: String) -> (*const u8, usize) {
        let s = s.into_boxed_str();
        let at = (s.as_ptr(), s.len());
        self.texts.push(s);
        at
    }

    fn push_node(
        &mut self,
        kind: Kind,
        key: Option<(String, Range<usize>)>,
        span: Range<usize>,
        text: Option<String>,
    ) {
        let (key, key_span) = match key {
            Some((k, span)) => (self.keep(k), span),
            None => ((std::ptr::null(), 0), 0..0),
        };
        let text = text.map_or((std::ptr::null(), 0), |t| self.keep(t));
        self.nodes.push(Node {
            kind: kind as u32,
            child: 0,
            next: 0,
            key_from: key_span.start as u32,
            key_to: key_span.end as u32,
            from: span.start as u32,
            to: span.end as u32,
            key: key.0,
            key_n: key.1,
            text: text.0,
            text_n: text.1,
        });
    }

    fn push_error(&mut self, text: &[u8], span: Range<usize>, message: String) {
        let before = &text[..span.start.min(text.len())];
        let line_start = before.iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1);
        let message = self.keep(message);
        self.errors.push(SyntaxError {
            line: before.iter().filter(|&&b| b == b'\n').count() + 1,
            column: before[line_start..].iter().filter(|&&b| b & 0xC0 != 0x80).count() + 1,
            from: span.start.min(text.len()),
            to: span.end.min(text.len()),
            message: message.0,
            message_n: message.1,
        });
    }
}

fn entries<'i>(table: DeTable<'i>) -> Vec<(Option<(String, Range<usize>)>, Spanned<DeValue<'i>>)> {
    table
        .into_iter()
        .map(|(k, v)| {
            let span = k.span();
            (Some((k.into_inner().into_owned(), span)), v)
        })
        .collect()
}

fn clamp(span: &Range<usize>, text: &str) -> Range<usize> {
    if text.get(span.clone()).is_some() {
        span.clone()
    } else {
        0..0
    }
}

/// Kind and text of a value that is neither table nor array; `source` is what was written.
fn plain_text(value: &DeValue<'_>, source: &str) -> (Kind, String) {
    match value {
        DeValue::String(s) => (Kind::String, s.to_string()),
        DeValue::Integer(i) => (Kind::Integer, decimal(i.as_str(), i.radix(), source)),
        DeValue::Float(f) => (Kind::Float, f.as_str().to_string()),
        DeValue::Boolean(b) => (Kind::Bool, b.to_string()),
        DeValue::Datetime(d) => (Kind::Datetime, d.to_string()),
        DeValue::Array(_) | DeValue::Table(_) => (Kind::String, String::new()),
    }
}

/// Decimal digits; what does not fit 128 bits stays as it was written.
fn decimal(digits: &str, radix: u32, source: &str) -> String {
    if radix == 10 {
        let digits = digits.strip_prefix('+').unwrap_or(digits);
        return if digits == "-0" { "0".into() } else { digits.to_string() };
    }
    match u128::from_str_radix(digits, radix) {
        Ok(n) => n.to_string(),
        Err(_) => source.to_string(),
    }
}
