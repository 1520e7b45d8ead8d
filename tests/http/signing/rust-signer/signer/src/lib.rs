//! A signer as most of them are written: Rust, with wasm-bindgen's attribute and nothing else. What it
//! computes is simple on purpose (64-bit FNV-1a over the four strings, as hexadecimal digits); what matters
//! is that strings go in and out through wasm-bindgen's own allocator and calling convention.
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
pub fn sign(nonce: String, timestamp: String, device_id: String, content: String) -> String {
    let text = [nonce, timestamp, device_id, content].join("\n");
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}
