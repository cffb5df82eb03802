#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| uffd_incoming::fuzzing::working_set(bytes));
