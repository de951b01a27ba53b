//! What it costs at most to compile a regular expression, told from its text.

/// What a byte costs, what digits and blanks of all alphabets do (`\d`), and what letters do (`\w`), in the steps of `cost.rs`.
const BYTE: u64 = 20;
const DIGITS: u64 = 400;
const LETTERS: u64 = 3500;

/// The steps. `None`: that cannot be told.
pub(super) fn steps(pattern: &str) -> Option<u64> {
    // in patterns with comments, brackets may mean nothing
    if pattern.contains('#') && pattern.contains("(?") {
        return None;
    }
    // of what stands before in each group that is open; of the last thing, which may be repeated
    let (mut open, mut last) = (vec![0_u64], 0_u64);
    let mut rest = pattern.chars().peekable();
    while let Some(one) = rest.next() {
        match one {
            '(' => {
                settle(&mut open, &mut last)?;
                open.push(BYTE);
            }
            ')' => {
                settle(&mut open, &mut last)?;
                last = open.pop().filter(|_| !open.is_empty())?;
            }
            '{' => last = last.saturating_mul(repetitions(&mut rest)),
            '+' | '*' | '?' => last = last.saturating_mul(2),
            '[' => {
                settle(&mut open, &mut last)?;
                last = class(&mut rest)?;
            }
            '\\' => {
                settle(&mut open, &mut last)?;
                last = escape(rest.next()?);
            }
            _ => {
                settle(&mut open, &mut last)?;
                last = BYTE;
            }
        }
    }
    settle(&mut open, &mut last)?;
    match open.as_slice() {
        [all] => Some(all.saturating_add(BYTE)),
        _ => None,
    }
}

/// What comes next is not repeated with the last thing.
fn settle(open: &mut [u64], last: &mut u64) -> Option<()> {
    let group = open.last_mut()?;
    *group = group.saturating_add(std::mem::take(last));
    Some(())
}

/// How often `{3,20}` repeats; its first bracket is gone.
fn repetitions(rest: &mut impl Iterator<Item = char>) -> u64 {
    let inside: String = rest.take_while(|one| *one != '}').collect();
    // a number that is too large for us is one that the library refuses
    inside.split(',').filter_map(|number| number.trim().parse().ok()).max().unwrap_or(1).max(1)
}

/// `[a-z\w[...]]`; its first bracket is gone.
fn class(rest: &mut std::iter::Peekable<impl Iterator<Item = char>>) -> Option<u64> {
    let (mut steps, mut depth, mut first) = (BYTE, 1, true);
    loop {
        match rest.next()? {
            // right at the start it is one of the characters
            ']' if first => steps = steps.saturating_add(BYTE),
            ']' => depth -= 1,
            '[' => depth += 1,
            '^' if first => {
                steps += BYTE;
                continue;
            }
            '\\' => steps = steps.saturating_add(escape(rest.next()?)),
            _ => steps = steps.saturating_add(BYTE),
        }
        first = false;
        if depth == 0 {
            return Some(steps);
        }
    }
}

/// `\w` is a table of all alphabets, `\.` a character.
fn escape(what: char) -> u64 {
    match what {
        'd' | 'D' | 's' | 'S' => DIGITS,
        other if other.is_ascii_alphanumeric() => LETTERS,
        _ => BYTE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_what() {
        let byte = |pattern| steps(pattern).map(|steps| steps / BYTE - 1);
        assert_eq!(byte("abc"), Some(3));
        assert_eq!(byte("a{10}b{3}"), Some(13), "beside each other");
        assert_eq!(byte("(a{10}){5}"), Some(55), "within each other");
        assert_eq!(byte("a{1,20}c"), Some(21));
        assert_eq!(byte("[{}]{7}"), Some(21));
        assert_eq!(byte("[]a]x"), Some(4));
        assert!(steps("((a{99}){99}){99}").unwrap() > 10_000_000);
        assert!(steps("\\w{50}").unwrap() >= 50 * LETTERS);
        assert!(steps("^/v[12]/jobs/\\d{10}\\.\\d{3}$").unwrap() < 20_000);
        for dark in ["(?x)(a{9} # )\n){9}", "(", ")", "a)(b", "[", "\\"] {
            assert_eq!(steps(dark), None, "{dark}");
        }
    }
}
