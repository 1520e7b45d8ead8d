// A signer in plain Rust, without a crate. What is signed is yours: this is the 64-bit FNV-1a of the four strings, which protects nothing.
use std::sync::atomic::AtomicU64;

fn signature(strings: [&str; 4]) -> String {
    let hash = strings.join("\n").bytes().fold(0xcbf29ce484222325_u64, |h, b| (h ^ b as u64).wrapping_mul(0x100000001b3));
    format!("{:016x}", hash)
}

#[no_mangle]
pub extern "C" fn sign(ret: *mut [usize; 2], n: *mut u8, n_len: usize, t: *mut u8, t_len: usize, d: *mut u8, d_len: usize, c: *mut u8, c_len: usize) {
    let take = |p, len| String::from_utf8(unsafe { Vec::from_raw_parts(p, len, len) }).unwrap(); // they are ours, and freed at the end
    let answer = signature([&take(n, n_len), &take(t, t_len), &take(d, d_len), &take(c, c_len)]).into_boxed_str();
    unsafe { *ret = [answer.as_ptr() as usize, answer.len()] };
    std::mem::forget(answer); // Signet frees it
}

#[no_mangle]
pub extern "C" fn __wbindgen_malloc(len: usize, _align: usize) -> *mut u8 {
    Box::into_raw(vec![0u8; len].into_boxed_slice()) as *mut u8
}

#[no_mangle]
pub extern "C" fn __wbindgen_free(p: *mut u8, len: usize, _align: usize) {
    drop(unsafe { Vec::from_raw_parts(p, len, len) });
}

#[no_mangle]
pub extern "C" fn __wbindgen_add_to_stack_pointer(_by: i32) -> *const AtomicU64 {
    static RET: AtomicU64 = AtomicU64::new(0); // eight bytes, where `sign` leaves where its answer lies
    &RET
}
