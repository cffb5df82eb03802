#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| uffd_incoming::fuzzing::c_calls(bytes));
