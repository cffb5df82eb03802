//! The command `uffd-incoming`: what the library knows of snapshots and of this host, for people and scripts.

mod arguments;
mod bench;
mod flat;
mod info;
mod output;
mod probe;
mod ram;
mod strip;
mod verify;
mod working_set;

use std::error::Error;
use std::io::ErrorKind;
use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};
use output::Report;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let shown = run(arguments.command).and_then(|report| Ok((report.print(arguments.json)?, report.is_good())));
    match shown {
        Ok(((), true)) => ExitCode::SUCCESS,
        Ok(((), false)) => ExitCode::FAILURE,
        // Whoever read the output has seen enough.
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("uffd-incoming: {error}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
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
        Command::WorkingSet { file, snapshot, svg } => {
            Box::new(working_set::working_set(&file, snapshot.as_deref(), svg.as_deref())?)
        }
        Command::Bench { file, working_set, rounds, cold } => {
            Box::new(bench::bench(&file, working_set.as_deref(), rounds, cold)?)
        }
    })
}
