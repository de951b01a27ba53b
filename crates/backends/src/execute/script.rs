//! How a script's text reaches its interpreter.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};

use rustix::fs::{MemfdFlags, memfd_create};

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

/// The command that runs a script. Its text is neither in a file nor in the argument list. The returned file must stay
/// open until the command was spawned.
pub(super) fn command(script: &str) -> io::Result<(Command, File)> {
    let words = interpreter(script);
    let feed = feed(&words);
    // A sourced text must survive exec; this process starts nothing else.
    let flags = if feed == Feed::Sourced { MemfdFlags::empty() } else { MemfdFlags::CLOEXEC };
    let name = CString::new("script").expect("invariant: no NUL in a constant");
    let mut text = File::from(memfd_create(name, flags)?);
    text.write_all(script.as_bytes())?;
    text.rewind()?;
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    match feed {
        Feed::Sourced => {
            command.arg("-c").arg(format!(". /dev/fd/{}", text.as_raw_fd())).stdin(Stdio::null());
        }
        Feed::Stdin => {
            command.stdin(text.try_clone()?);
        }
        Feed::StdinAsFile => {
            command.arg("/dev/stdin").stdin(text.try_clone()?);
        }
    }
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
