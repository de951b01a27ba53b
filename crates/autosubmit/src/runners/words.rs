//! Words that survive any shell.
//!
//! `ssh` joins what it is given with blanks and hands that to the login shell of the other side, whichever that is. So what goes
//! through it is one fixed text, and words of letters, digits, `.`, `-` and `_` alone: each other byte is written as `_` and three
//! octal digits, and before each word stands a `w`. The fixed text takes the words back into arguments.
//!
//! `autosubmit stop` finds what it is to stop by looking for the arguments `autosubmit`, `run` and the expid in all processes. What
//! watches over a run must not be found in its place, and so holds its arguments as such words, too.

use std::fmt::Write;

/// Takes words back into arguments and gives them to the script that is the first of them. Without `'`, `\` and `!`, so that it is
/// the same between single quotes in `sh`, `csh` and `fish`.
const TAKE_BACK: &str = "b=$(awk -v f=%c \"BEGIN{printf f,92}\"); n=$#; \
while [ $n -gt 0 ]; do a=$(printf %b \"$(printf %s \"$1\" | sed \"s/_/$b${b}0/g\")w\"); a=${a#w}; \
set -- \"$@\" \"${a%w}\"; shift; n=$((n-1)); done; \
s=$1; shift; exec /bin/sh -c \"$s\" jobgate \"$@\"";

/// A word that stands for a text.
pub(super) fn encode(text: &str) -> String {
    let mut word = String::with_capacity(text.len() + 1);
    word.push('w');
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' => word.push(char::from(byte)),
            _ => {
                write!(word, "_{byte:03o}").ok();
            }
        }
    }
    word
}

/// What `ssh` is to hand to the other side's shell, so that a script runs there with these arguments.
pub(super) fn command_line<'a>(script: &str, arguments: impl IntoIterator<Item = &'a str>) -> String {
    let mut line = format!("/bin/sh -c '{TAKE_BACK}' jobgate {}", encode(script));
    for argument in arguments {
        line.push(' ');
        line.push_str(&encode(argument));
    }
    line
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn words_hold_nothing_that_a_shell_knows() {
        assert_eq!(encode("a000"), "wa000");
        assert_eq!(encode("x; rm -rf '$HOME'"), "wx_073_040rm_040-rf_040_047_044HOME_047");
        assert_eq!((encode(""), encode("é")), ("w".into(), "w_303_251".into()));
        assert!(!TAKE_BACK.contains(['\'', '\\', '!', '\n']));
    }

    #[test]
    fn every_text_arrives_as_it_was() {
        let odd = [
            "",
            " ",
            "a b",
            "-x",
            "_",
            "__047",
            "$HOME `id` $(id)",
            "'\"\\",
            "line\nline\n\n",
            "é\u{7f}*?[!x]",
            "w",
            "ww%b\\0",
        ];
        let script = "for a do printf '%s|' \"$a\"; done";
        for shell in ["/bin/sh", "/bin/bash"] {
            let output = Command::new(shell).arg("-c").arg(command_line(script, odd)).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stderr), "");
            let expected: String = odd.map(|text| format!("{text}|")).concat();
            assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{shell}");
        }
    }
}
