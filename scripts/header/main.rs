//! Writes the C header to the standard output, as cbindgen makes it of the Rust sources of the C API: header CBINDGEN.TOML FILE.RS...

use std::process::ExitCode;
use std::{env, io};

fn main() -> ExitCode {
    let mut paths = env::args_os().skip(1);
    let Some(config) = paths.next() else {
        eprintln!("usage: header CBINDGEN.TOML FILE.RS...");
        return ExitCode::FAILURE;
    };
    let config = match cbindgen::Config::from_file(&config) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{}: {error}", config.display());
            return ExitCode::FAILURE;
        }
    };
    let builder = paths.fold(cbindgen::Builder::new().with_config(config), cbindgen::Builder::with_src);
    match builder.generate() {
        Ok(header) => {
            header.write(io::stdout());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
