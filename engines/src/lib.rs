extern crate wasmtime_c_api as _;
