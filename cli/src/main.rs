//! The command `uffd-incoming`: what the library knows of snapshots and of this host, for people and scripts.

mod arguments;
mod bench;
mod files;
mod flat;
mod info;
mod output;
mod probe;
mod ram;
mod strip;
mod verify;
mod working_set;

use std::error::Error;
use std::io::{ErrorKind, Write, stderr};
use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};
use output::Report;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let failure = match run(arguments.command) {
        Ok(report) => match report.print(arguments.json) {
            // Whoever reads the output may have seen enough.
            Err(error) if error.kind() != ErrorKind::BrokenPipe => format!("standard output: {error}"),
            _ if report.is_good() => return ExitCode::SUCCESS,
            _ => return ExitCode::FAILURE,
        },
        Err(error) => error.to_string(),
    };
    // There is nobody left to tell, if that fails.
    let _ = writeln!(stderr(), "uffd-incoming: {failure}");
    ExitCode::FAILURE
}

fn run(command: Command) -> Result<Box<dyn Report>, Box<dyn Error>> {
    Ok(match command {
        Command::Probe => Box::new(probe::probe()),
        Command::Info { file } => Box::new(info::info(&file)?),
        Command::Verify { file } => Box::new(verify::verify(&file)?),
        Command::Flat { dump, block, regions, name, output, force } => {
            let layout = flat::Layout { blocks: block, regions, name };
            Box::new(flat::flat(&dump, &layout, output, force)?)
        }
        Command::WorkingSet { file, snapshot, svg, force } => {
            Box::new(working_set::working_set(&file, snapshot.as_deref(), svg.as_deref(), force)?)
        }
        Command::Bench { file, working_set, rounds, cold } => {
            Box::new(bench::bench(&file, working_set.as_deref(), rounds, cold)?)
        }
    })
}
