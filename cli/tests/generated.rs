//! The man pages and completions in the repository are those of the command line: UPDATE=1 writes them.

use std::fs;
use std::path::Path;

use clap::CommandFactory;
use clap_complete::{Shell, generate};

#[path = "../src/arguments.rs"]
#[allow(dead_code)]
mod arguments;

const EXIT_STATUS: &str = ".SH \"EXIT STATUS\"
0, or 1 if something is wrong, or 2 for a command line that is not understood.
";

const SEE_THE_COMMAND: &str = ".SH \"SEE ALSO\"
\\fBuffd\\-incoming\\fR(1)
";

const SEE_THE_LIBRARY: &str = ".SH EXAMPLES
Open a memory file of Cloud Hypervisor:
.PP
.nf
uffd\\-incoming flat memory\\-ranges \\-\\-regions state.json
uffd\\-incoming bench memory\\-ranges.flat
.fi
.SH \"SEE ALSO\"
\\fBuffd\\-incoming\\fR(7), about the library
";

#[test]
fn completions_and_man_pages_are_up_to_date() {
    let mut command = arguments::Arguments::command();
    for (shell, name) in
        [(Shell::Bash, "uffd-incoming.bash"), (Shell::Fish, "uffd-incoming.fish"), (Shell::Zsh, "_uffd-incoming")]
    {
        let mut script = Vec::new();
        generate(shell, &mut command, "uffd-incoming", &mut script);
        is_stored(&Path::new("completions").join(name), &script);
    }
    command.build();
    let mut pages = vec![("uffd-incoming".to_owned(), command.clone())];
    pages.extend(
        command
            .get_subcommands()
            .filter(|sub| sub.get_name() != "help")
            .map(|sub| (format!("uffd-incoming-{}", sub.get_name()), sub.clone())),
    );
    for (name, command) in pages {
        let mut page = Vec::new();
        let source = format!("uffd-incoming {}", env!("CARGO_PKG_VERSION"));
        let man =
            clap_mangen::Man::new(command.display_name(&name)).title(&name).source(source).manual("uffd-incoming");
        man.render(&mut page).unwrap();
        let see = if name == "uffd-incoming" { SEE_THE_LIBRARY } else { SEE_THE_COMMAND };
        page.extend([EXIT_STATUS, see].concat().bytes());
        is_stored(&Path::new("man").join(format!("{name}.1")), &page);
    }
}

fn is_stored(path: &Path, generated: &[u8]) {
    let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(stored.parent().unwrap()).unwrap();
        fs::write(&stored, generated).unwrap();
    }
    let is_same = fs::read(&stored).is_ok_and(|stored| stored == generated);
    assert!(
        is_same,
        "{} is not up to date: run `UPDATE=1 cargo test -p uffd-incoming-cli --test generated`",
        path.display()
    );
}
