//! psik's two ways to show jobs, byte for byte, and the same things as JSON.

use std::borrow::Cow;
use std::fmt::{self, Display, Write};

use jobgate_engine::{HistoryRow, Job, JobRow};
use jobgate_model::{JobSpec, Transition};
use serde_json::{Value, json};

/// The first line of `ls`.
pub(crate) const HEADER: &str = "jobid                state jobndx info name";

/// Text of somebody else's for a terminal: a character that would end the line, move the cursor or turn the direction of reading
/// is written as its escape sequence, such as `\n`.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    let harmful = |c: char| {
        c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
    };
    // most texts, without decoding them
    let plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if plain || !text.contains(harmful) {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if harmful(c) { escaped.extend(c.escape_default()) } else { escaped.push(c) }
    }
    escaped.into()
}

/// What is written through this stands there as [`shown`] has it.
pub(crate) struct Shown<W>(pub(crate) W);

impl<W: fmt::Write> fmt::Write for Shown<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write_str(&shown(text))
    }
}

/// A URL without the name and the password that it may hold.
pub(crate) fn without_password(url: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = url.split_once("://") else { return url.into() };
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    match authority.rfind('@') {
        Some(at) => format!("{scheme}://**********{}", &rest[at..]).into(),
        None => url.into(),
    }
}

/// A line of `ls`. `paint` may colour the padded state.
pub(crate) fn row(job: &JobRow<'_>, paint: impl Fn(&str) -> String) -> String {
    let state = paint(&format!("{:<10}", job.state.as_str()));
    let (info, name) = (shown(job.info), shown(job.name.unwrap_or("None")));
    format!("{:<15} {state} {:>6} {info:>4} {name}", job.jobid, job.jobndx)
}

/// A job of `ls -o json`.
pub(crate) fn row_json(job: &JobRow<'_>) -> Value {
    json!({
        "jobid": job.jobid, "name": job.name, "state": job.state.as_str(), "jobndx": job.jobndx, "info": job.info,
        "updated": job.updated, "backend": job.backend, "owner": job.owner,
    })
}

/// The block of `status`, with its final newline.
pub(crate) fn status(
    job: &Job,
    spec: &JobSpec,
    history: &[HistoryRow],
    paint: impl Fn(&Transition, &str) -> String,
) -> String {
    let mut text = format!(
        "{}\n    base: {}\n    work: {}\n\n    time ndx state info\n",
        shown(job.name.as_deref().unwrap_or("None")),
        shown(&job.base.to_string_lossy()),
        shown(spec.directory.as_deref().unwrap_or("None")),
    );
    for HistoryRow { transition, .. } in history {
        let state = paint(transition, &format!("{:>10}", transition.state.as_str()));
        let Transition { time, jobndx, info, .. } = transition;
        let info = shown(info);
        writeln!(text, "    {time:.3} {jobndx:>3} {state} {info:>8}").expect("invariant: a String takes everything");
    }
    text
}

/// A job of `status -o json`.
pub(crate) fn status_json(job: &Job, spec: &JobSpec, history: &[HistoryRow]) -> Value {
    let rows: Vec<Value> = history
        .iter()
        .map(|HistoryRow { seq, transition, evidence, recorded }| {
            json!({
                "time": transition.time, "jobndx": transition.jobndx, "state": transition.state.as_str(),
                "info": transition.info, "seq": seq, "evidence": format!("{evidence:?}").to_lowercase(), "recorded": recorded,
            })
        })
        .collect();
    json!({
        "jobid": job.jobid.as_str(), "name": job.name, "state": job.state.as_str(), "jobndx": job.jobndx, "info": job.info,
        "updated": job.updated, "live": job.live, "backend": job.backend, "owner": job.owner,
        "base": job.base.to_string_lossy(), "work": spec.directory, "history": rows,
    })
}

/// What psik says about a line of `status.csv` that is not a row.
pub(crate) fn invalid_row(stamp: &impl Display, line: &str) -> String {
    let fields: Vec<String> = line.splitn(4, ',').map(|field| format!("'{}'", field.escape_debug())).collect();
    format!("{stamp}: Invalid row in status.csv: [{}]", fields.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jobgate_engine::JobKey;
    use jobgate_model::{Evidence, JobId, State};

    #[test]
    fn passwords_in_urls() {
        for (url, expected) in [
            ("http://h/p?a=b@c", "http://h/p?a=b@c"),
            ("https://user:pass@h:5/p", "https://**********@h:5/p"),
            ("http://a@b@[::1", "http://**********@[::1"),
            ("mailto:a@b", "mailto:a@b"),
        ] {
            assert_eq!(without_password(url), expected);
        }
    }

    #[test]
    fn rows_of_the_list_as_psik_prints_them() {
        let row = |jobid, state, jobndx, info, name| {
            let job = JobRow { jobid, name, updated: 0.0, jobndx, state, info, owner: "", backend: "" };
            super::row(&job, str::to_owned)
        };
        assert_eq!(HEADER, format!("{:<15} {:>10} jobndx info name", "jobid", "state"));
        assert_eq!(
            row("1795313531.329", State::New, 0, "{}", Some("hello")),
            "1795313531.329  new             0   {} hello"
        );
        assert_eq!(row("1795313532.193", State::Completed, 1, "", None), "1795313532.193  completed       1      None");
    }

    #[test]
    fn the_status_block_as_psik_prints_it() {
        let job = Job {
            key: JobKey(1),
            jobid: JobId::parse("5.250").unwrap(),
            base: "/p/5.250".into(),
            name: Some("nm".into()),
            owner: String::new(),
            backend: "default".into(),
            updated: 7.0,
            jobndx: 1,
            state: State::Failed,
            info: "3".into(),
            live: false,
        };
        let mut spec = JobSpec::new("exit 3");
        spec.directory = Some("/p/5.250/work".into());
        let row = |time, jobndx, state, info: &str| HistoryRow {
            seq: 1,
            transition: Transition { time, jobndx, state, info: info.into() },
            evidence: Evidence::Tree,
            recorded: time,
        };
        let history = [row(5.25, 0, State::New, "{}"), row(7.0, 1, State::Failed, "3")];
        assert_eq!(
            status(&job, &spec, &history, |_, padded| padded.to_owned()),
            "nm\n    base: /p/5.250\n    work: /p/5.250/work\n\n    time ndx state info\n    \
             5.250   0        new       {}\n    7.000   1     failed        3\n"
        );
        assert_eq!(status_json(&job, &spec, &history)["history"][1]["evidence"], "tree");
    }

    #[test]
    fn nobody_elses_text_steers_the_terminal() {
        for plain in ["", "a b", "naïve – 名前", "back\\slash", "{}"] {
            assert!(matches!(shown(plain), Cow::Borrowed(text) if text == plain));
        }
        assert_eq!(shown("a\nb\tc\r"), "a\\nb\\tc\\r");
        assert_eq!(shown("\x1b[31mred\0\u{202e}"), "\\u{1b}[31mred\\u{0}\\u{202e}");
        let mut line = String::from("x=");
        write!(Shown(&mut line), "a\n{:?}c", "b\n").unwrap();
        assert_eq!(line, "x=a\\n\"b\\n\"c");
        let job = JobRow {
            jobid: "5.250",
            name: Some("a\nb"),
            updated: 0.0,
            jobndx: 1,
            state: State::Failed,
            info: "x\x07",
            owner: "",
            backend: "",
        };
        assert_eq!(row(&job, str::to_owned), "5.250           failed          1 x\\u{7} a\\nb");
    }

    #[test]
    fn invalid_rows_as_psik_reports_them() {
        assert_eq!(invalid_row(&"5.5", "garbage"), "5.5: Invalid row in status.csv: ['garbage']");
        assert_eq!(invalid_row(&"5.5", "a,b"), "5.5: Invalid row in status.csv: ['a', 'b']");
    }
}
