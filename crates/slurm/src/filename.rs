//! File names of a job's output as sbatch and srun take them: `slurm-%j.out`, `slurm-%A_%a.out`, `out.%5t`.

/// Where sbatch writes without `--output`.
pub const DEFAULT: &str = "slurm-%j.out";
/// Where the tasks of an array write without `--output`.
pub const DEFAULT_ARRAY: &str = "slurm-%A_%a.out";

/// The number that stands for "no array task".
const NO_TASK: u64 = 0xffff_fffe;
/// A number is padded to at most so many digits.
const WIDEST: usize = 10;

/// What the replacement symbols stand for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// `%j`: the job.
    pub job: u64,
    /// `%A` and `%a`: the array's job id and the task's number. Without an array `%A` is the job and `%a` is 4294967294.
    pub array: Option<(u64, u64)>,
    /// `%x`: the job's name. A `/` in it becomes `_`: a name is never a path.
    pub name: String,
    /// `%u`: the user's login name.
    pub user: String,
    /// `%N`: the first node, without its domain.
    pub node: String,
    /// `%s`, and the second part of `%J`: the step's number; `None`: the batch script.
    pub step: Option<u32>,
    /// `%n`: the number of the node within the job.
    pub node_index: u64,
    /// `%t`: the number of the task.
    pub task: u64,
}

/// Whether the name is another one for each task or node of a step (`%t`, `%n`, `%N`).
pub fn is_per_task(pattern: &str) -> bool {
    symbols(pattern).any(|piece| matches!(piece, Piece::Symbol { letter: 't' | 'n' | 'N', .. }))
}

/// A pattern with its replacement symbols replaced. A number between `%` and the letter pads numbers with zeros to at most
/// ten digits; `%%` is `%`; an unknown symbol stays as it is. A pattern with a backslash is taken literally, without the
/// backslashes.
pub fn expand(pattern: &str, names: &Names) -> String {
    if pattern.contains('\\') {
        return pattern.replace('\\', "");
    }
    let mut text = String::with_capacity(pattern.len() + 16);
    for piece in symbols(pattern) {
        let (letter, width, raw) = match piece {
            Piece::Text(literal) => {
                text.push_str(literal);
                continue;
            }
            Piece::Symbol { letter, width, raw } => (letter, width, raw),
        };
        let number = |number: u64| format!("{number:0width$}");
        match letter {
            '%' => text.push('%'),
            'A' => text.push_str(&number(names.array.map_or(names.job, |(id, _)| id))),
            'a' => text.push_str(&number(names.array.map_or(NO_TASK, |(_, task)| task))),
            'b' => text.push_str(&number(names.array.map_or(NO_TASK, |(_, task)| task % 10))),
            'J' => text.extend([number(names.job), ".".to_owned(), step(names)]),
            'j' => text.push_str(&number(names.job)),
            'N' => text.push_str(names.node.split('.').next().unwrap_or_default()),
            'n' => text.push_str(&number(names.node_index)),
            's' => text.push_str(&step(names)),
            't' => text.push_str(&number(names.task)),
            'u' => text.push_str(&names.user),
            'x' => text.push_str(&names.name.replace('/', "_")),
            _ => text.push_str(raw),
        }
    }
    text
}

fn step(names: &Names) -> String {
    names.step.map_or_else(|| "batch".to_owned(), |step| step.to_string())
}

enum Piece<'a> {
    Text(&'a str),
    Symbol { letter: char, width: usize, raw: &'a str },
}

/// The pieces of a pattern: text, and `%`, digits, letter.
fn symbols(pattern: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = pattern;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let at = rest.find('%').unwrap_or(rest.len());
        if at > 0 {
            let text = &rest[..at];
            rest = &rest[at..];
            return Some(Piece::Text(text));
        }
        let letters = rest[1..].trim_start_matches(|c: char| c.is_ascii_digit());
        let digits = &rest[1..rest.len() - letters.len()];
        let Some(letter) = letters.chars().next() else {
            return Some(Piece::Text(std::mem::take(&mut rest)));
        };
        let raw = &rest[..1 + digits.len() + letter.len_utf8()];
        rest = &rest[raw.len()..];
        // Digits that are not a number are far too many.
        let width = if digits.is_empty() { 0 } else { digits.parse().unwrap_or(WIDEST).min(WIDEST) };
        Some(Piece::Symbol { letter, width, raw })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names() -> Names {
        Names {
            job: 128,
            array: Some((120, 7)),
            name: "a/b".into(),
            user: "alice".into(),
            node: "n1.example.org".into(),
            step: None,
            node_index: 0,
            task: 3,
        }
    }

    #[test]
    fn symbols_of_sbatch() {
        let of = |pattern: &str| expand(pattern, &names());
        for (pattern, text) in [
            ("slurm-%j.out", "slurm-128.out"),
            (DEFAULT_ARRAY, "slurm-120_7.out"),
            ("%J %s", "128.batch batch"),
            ("%x-%u@%N", "a_b-alice@n1"),
            ("out.%3t.%n.%05j", "out.003.0.00128"),
            ("%99j", "0000000128"),
            ("100%%_%b", "100%_7"),
            ("%q %5q é%é", "%q %5q é%é"),
            ("end%", "end%"),
            ("end%4", "end%4"),
            ("a\\%j", "a%j"),
        ] {
            assert_eq!(of(pattern), text, "{pattern}");
        }
    }

    #[test]
    fn without_an_array_and_in_a_step() {
        let names = Names { array: None, step: Some(2), ..names() };
        assert_eq!(expand("%A_%a %J", &names), "128_4294967294 128.2");
        assert!(is_per_task("o.%2t") && is_per_task("%N") && !is_per_task("%j%%t"));
    }

    proptest! {
        #[test]
        fn any_text_expands(pattern in "[%0-9a-zA-Zé\\\\]{0,30}|\\PC{0,30}") {
            let text = expand(&pattern, &names());
            prop_assert!(text.len() <= pattern.len() * 12);
            if !pattern.contains(['%', '\\']) {
                prop_assert_eq!(text, pattern);
            }
        }
    }
}
