//! How a script's text reaches its interpreter.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::Errno;

use super::Way;

/// What a script without a shebang line runs under.
const DEFAULT_INTERPRETER: &str = "/bin/bash";
/// Shells that read a script with `.` exactly as they would read it from their standard input.
const SHELLS: [&str; 6] = ["sh", "bash", "dash", "ash", "ksh", "zsh"];

/// The words of the interpreter's command line: the shebang line split on blanks (psik passes all of them on), or bash.
pub(super) fn interpreter(script: &str) -> Vec<&str> {
    let first = script.lines().next().unwrap_or_default();
    let words: Vec<&str> = first.strip_prefix("#!").unwrap_or_default().split_whitespace().collect();
    if words.is_empty() { vec![DEFAULT_INTERPRETER] } else { words }
}

/// How the interpreter is given the text.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Feed {
    /// A shell reads it from an extra descriptor, so that commands which read their standard input cannot swallow it.
    Sourced,
    /// It is the standard input, seekable.
    Stdin,
    /// It is the standard input, and `-f` is told so: `#!/usr/bin/awk -f`.
    StdinAsFile,
    /// Its name is the last argument, as if the script were a program: its standard input is something else.
    File,
}

/// Why a script cannot be started in Slurm's way: the kernel's error, which becomes the exit code, and words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoProgram(pub(super) Errno, pub(super) &'static str);

/// Refuses what the kernel would not run as a program: Slurm takes such scripts, and they fail when they are started.
pub(super) fn check(script: &str) -> Result<(), NoProgram> {
    let first = script.split('\n').next().unwrap_or_default();
    let Some(words) = first.strip_prefix("#!") else {
        return Err(NoProgram(
            Errno::NOEXEC,
            "the script must begin with the line of its interpreter, such as #!/bin/bash",
        ));
    };
    if words.ends_with('\r') {
        let words = "the script has DOS line ends (CR LF), so the name of its interpreter ends with a carriage return";
        return Err(NoProgram(Errno::NOENT, words));
    }
    if words.trim().is_empty() {
        return Err(NoProgram(Errno::NOEXEC, "the first line of the script names no interpreter after #!"));
    }
    Ok(())
}

fn feed(words: &[&str]) -> Feed {
    let base = |word: &str| word.rsplit('/').next().unwrap_or_default().to_owned();
    let mut rest = words;
    if rest.first().is_some_and(|word| base(word) == "env") {
        let program = rest[1..].iter().position(|word| !word.starts_with('-') && !word.contains('='));
        rest = program.map_or(&[], |at| &rest[1 + at..]);
    }
    if rest.first().is_some_and(|word| SHELLS.contains(&base(word).as_str())) && only_options(&rest[1..]) {
        Feed::Sourced
    } else if words.len() > 1 && words.last() == Some(&"-f") {
        Feed::StdinAsFile
    } else {
        Feed::Stdin
    }
}

/// Whether a shell's arguments are options alone, none of which says where to read commands.
fn only_options(words: &[&str]) -> bool {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let letters = match word.strip_prefix(['-', '+']) {
            Some(letters) if !letters.is_empty() && *word != "--" => letters,
            _ => return false,
        };
        if word.starts_with("--") {
            continue;
        }
        if letters.contains(['c', 's']) {
            return false;
        }
        if letters.ends_with(['o', 'O']) && words.next().is_none() {
            return false;
        }
    }
    true
}

/// The command that runs a script, with its standard input. The script's text is neither in a file nor in the argument list.
/// The returned file must stay open until the command was spawned.
pub(super) fn command(script: &str, way: Way, input: Option<File>) -> io::Result<(Command, File)> {
    let words = interpreter(script);
    let feed = match feed(&words) {
        Feed::Sourced => Feed::Sourced,
        _ if way == Way::Slurm || input.is_some() => Feed::File,
        feed => feed,
    };
    // A text that is opened by its name must survive exec; this process starts nothing else.
    let named = matches!(feed, Feed::Sourced | Feed::File);
    let flags = if named { MemfdFlags::empty() } else { MemfdFlags::CLOEXEC };
    let name = CString::new("script").expect("invariant: no NUL in a constant");
    let mut text = File::from(memfd_create(name, flags)?);
    text.write_all(script.as_bytes())?;
    text.rewind()?;
    let path = format!("/dev/fd/{}", text.as_raw_fd());
    let input = || input.map_or_else(Stdio::null, Stdio::from);
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    match feed {
        Feed::Sourced if way == Way::Psik => command.arg("-c").arg(format!(". {path}")).stdin(input()),
        // Only the process itself knows its number.
        Feed::Sourced => command.arg("-c").arg(format!("export SLURM_TASK_PID=$$; . {path}")).stdin(input()),
        Feed::File => command.arg(path).stdin(input()),
        Feed::Stdin => command.stdin(text.try_clone()?),
        Feed::StdinAsFile => command.arg("/dev/stdin").stdin(text.try_clone()?),
    };
    Ok((command, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpreters() {
        assert_eq!(interpreter("echo"), ["/bin/bash"]);
        assert_eq!(interpreter(""), ["/bin/bash"]);
        assert_eq!(interpreter("#!  \necho"), ["/bin/bash"]);
        assert_eq!(interpreter("#! /bin/sh -e  -u\nx"), ["/bin/sh", "-e", "-u"]);
        assert_eq!(interpreter("#!/usr/bin/env python3\r\nx"), ["/usr/bin/env", "python3"]);
    }

    #[test]
    fn what_the_kernel_would_not_run() {
        assert_eq!(check("#!/bin/sh\ntrue\n"), Ok(()));
        assert_eq!(check("#! /usr/bin/env -S python3 -u"), Ok(()));
        for (script, errno, word) in [
            ("true\n", Errno::NOEXEC, "begin with"),
            ("", Errno::NOEXEC, "begin with"),
            ("\n#!/bin/sh\n", Errno::NOEXEC, "begin with"),
            ("#! \ntrue", Errno::NOEXEC, "no interpreter"),
            ("#!/bin/sh\r\ntrue\r\n", Errno::NOENT, "CR LF"),
        ] {
            let NoProgram(found, words) = check(script).unwrap_err();
            assert!(found == errno && words.contains(word), "{script:?}: {found} {words}");
        }
    }

    #[test]
    fn only_shells_are_told_to_source() {
        let of = |line: &str| feed(&line.split_whitespace().collect::<Vec<_>>());
        for shell in [
            "/bin/sh",
            "/bin/bash -e",
            "/bin/bash --login -eu",
            "/bin/bash -eo pipefail",
            "/usr/bin/env bash",
            "/usr/bin/env -S A=1 zsh -f",
        ] {
            assert_eq!(of(shell), Feed::Sourced, "{shell}");
        }
        for other in
            ["/usr/bin/python3", "/bin/true", "/bin/sh -s x", "/bin/sh /opt/wrapper", "/bin/csh", "/usr/bin/env"]
        {
            assert_eq!(of(other), Feed::Stdin, "{other}");
        }
        assert_eq!(of("/usr/bin/awk -f"), Feed::StdinAsFile);
        assert_eq!(of("/bin/sed -n -f"), Feed::StdinAsFile);
    }
}
