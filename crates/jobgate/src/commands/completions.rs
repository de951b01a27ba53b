//! `jobgate completions SHELL`

use clap_complete::Shell;

use crate::exit::Exit;
use crate::printer::Printer;

pub(crate) fn run(shell: Shell, printer: &mut Printer) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut super::grammar("jobgate"), "jobgate", &mut script);
    printer.text(String::from_utf8_lossy(&script))?;
    Ok(Exit::Ok)
}
