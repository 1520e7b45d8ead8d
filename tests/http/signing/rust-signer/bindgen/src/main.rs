//! What the command `wasm-bindgen` does, from its library: bindgen IN.wasm OUT_DIR.
use wasm_bindgen_cli_support::Bindgen;

fn main() {
    let mut args = std::env::args().skip(1);
    let (Some(input), Some(out)) = (args.next(), args.next()) else {
        eprintln!("usage: bindgen IN.wasm OUT_DIR");
        std::process::exit(2);
    };
    let made = Bindgen::new()
        .input_path(&input)
        .out_name("sign")
        .web(true)
        .and_then(|b| b.typescript(false).generate(&out));
    if let Err(e) = made {
        eprintln!("bindgen: {e:#}");
        std::process::exit(1);
    }
}
