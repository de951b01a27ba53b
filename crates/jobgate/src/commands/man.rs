//! `jobgate man DIR`

use std::path::Path;

use anyhow::Context;

use crate::exit::Exit;
use crate::printer::Printer;

pub(crate) fn run(dir: &Path, printer: &mut Printer) -> anyhow::Result<Exit> {
    clap_mangen::generate_to(super::grammar("jobgate"), dir)
        .with_context(|| format!("cannot write man pages into {}", dir.display()))?;
    printer.note(format_args!("man pages written; read one with `man -l {}`", dir.join("jobgate.1").display()));
    Ok(Exit::Ok)
}
