//! The only writer to the terminal. Data goes to stdout, everything else to stderr, and nothing needs colour to be understood.

use std::fmt;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};

use jobgate_model::State;

use crate::config::env;

/// Writes to stdout and stderr.
///
/// A reader that went away (`jobgate ls | head`) is an error of kind `BrokenPipe` here and success in `main`.
#[derive(Debug)]
pub(crate) struct Printer {
    out: BufWriter<Stdout>,
    colours_out: bool,
    colours_err: bool,
    progress: Option<usize>,
}

impl Printer {
    /// A printer on this process's stdout and stderr.
    pub(crate) fn new() -> Self {
        let wanted = env::NO_COLOR.get().is_none();
        Self {
            out: BufWriter::with_capacity(1 << 16, io::stdout()),
            colours_out: wanted && io::stdout().is_terminal(),
            colours_err: wanted && io::stderr().is_terminal(),
            progress: io::stderr().is_terminal().then_some(0),
        }
    }

    /// Text for stdout, as it is.
    pub(crate) fn text(&mut self, text: impl fmt::Display) -> io::Result<()> {
        write!(self.out, "{text}")
    }

    /// A line for stdout.
    pub(crate) fn line(&mut self, text: impl fmt::Display) -> io::Result<()> {
        writeln!(self.out, "{text}")
    }

    /// A value as indented JSON for stdout.
    pub(crate) fn json(&mut self, value: &impl serde::Serialize) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut self.out, value)?;
        self.out.write_all(b"\n")
    }

    /// Where bytes for stdout can be written.
    pub(crate) fn out(&mut self) -> &mut impl Write {
        &mut self.out
    }

    /// What colours a state's name on a terminal; it may be padded.
    pub(crate) fn painter(&self) -> impl Fn(&str, State) -> String + use<> {
        let colours = self.colours_out;
        move |padded, state| {
            if !colours {
                return padded.to_owned();
            }
            let colour = match state {
                State::New | State::Queued => "36",
                State::Active => "34",
                State::Completed => "32",
                State::Failed => "31",
                State::Canceled => "33",
            };
            format!("\x1b[{colour}m{padded}\x1b[0m")
        }
    }

    /// Makes everything printed so far visible.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// What went wrong.
    pub(crate) fn error(&mut self, text: impl fmt::Display) {
        self.say("31;1", "error", text);
    }

    /// What can be done about it.
    pub(crate) fn hint(&mut self, text: impl fmt::Display) {
        self.say("36;1", "hint", text);
    }

    /// What is worth knowing.
    pub(crate) fn note(&mut self, text: impl fmt::Display) {
        self.say("33;1", "note", text);
    }

    /// A line for stderr, as psik writes it.
    pub(crate) fn complain(&mut self, text: impl fmt::Display) {
        drop(self.out.flush());
        // Nobody can be told that stderr does not work.
        drop(writeln!(io::stderr(), "{text}"));
    }

    /// Shows how far a long wait has come: one line on stderr, replaced each time, and only on a terminal.
    pub(crate) fn progress(&mut self, text: &str) {
        if let Some(shown) = &mut self.progress {
            drop(write!(io::stderr(), "\r{text:<width$}", width = *shown));
            *shown = text.chars().count();
        }
    }

    /// Removes the progress line.
    pub(crate) fn end_progress(&mut self) {
        if let Some(shown) = self.progress.as_mut().filter(|shown| **shown > 0) {
            drop(write!(io::stderr(), "\r{:shown$}\r", ""));
            *shown = 0;
        }
    }

    fn say(&mut self, colour: &str, label: &str, text: impl fmt::Display) {
        self.end_progress();
        if self.colours_err {
            self.complain(format_args!("\x1b[{colour}m{label}:\x1b[0m {text}"));
        } else {
            self.complain(format_args!("{label}: {text}"));
        }
    }
}
