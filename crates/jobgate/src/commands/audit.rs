//! `jobgate audit verify` and `jobgate audit show`

use std::path::PathBuf;

use jobgate_engine::audit::{Fault, Line, Report, ago, lines, verify};

use crate::cli::Output;
use crate::cli::audit::{Action, Audit, Show, Verify};
use crate::config::{self, Purpose};
use crate::exit::Exit;
use crate::printer::Printer;
use crate::table::shown;

pub(crate) fn run(args: &Audit, printer: &mut Printer) -> anyhow::Result<Exit> {
    match &args.action {
        Action::Verify(args) => check(args, printer),
        Action::Show(args) => show(args, printer),
    }
}

/// The files that were named, or the configured one.
fn files(named: &[PathBuf], options: &crate::cli::Options) -> anyhow::Result<Vec<PathBuf>> {
    if !named.is_empty() {
        return Ok(named.to_vec());
    }
    let config = config::load(options.config.as_deref(), Purpose::Serve)?;
    Ok(vec![config.audit.usual(&config.state_dir)])
}

fn check(args: &Verify, printer: &mut Printer) -> anyhow::Result<Exit> {
    let files = files(&args.files, &args.options)?;
    let report = verify(&files)?;
    if let Some(Fault { file, line, why }) = &report.fault {
        printer.line(format_args!("{}:{line}: {why}", file.display()))?;
        printer.line(format_args!("{} lines before it are in order", report.lines))?;
        return Ok(Exit::Failed);
    }
    printer.line(whole(&report))?;
    if report.torn > 0 {
        printer.note(format_args!("{} lines were torn by a crash and closed off", report.torn));
    }
    if let Some(first) = report.first.filter(|first| *first > 1) {
        printer.note(format_args!("what comes before number {first} is in older files; name them first to check it"));
    }
    if !report.end_known {
        printer
            .note("there is no head beside the last file, so it cannot be told whether lines are missing at its end");
    }
    Ok(Exit::Ok)
}

fn whole(report: &Report) -> String {
    match (&report.first, &report.last) {
        (Some(first), Some((last, hash))) => {
            format!("{} lines are in order: {first} to {last}, {hash}", report.lines)
        }
        _ => "the log is empty".into(),
    }
}

fn show(args: &Show, printer: &mut Printer) -> anyhow::Result<Exit> {
    let since = args.since.map(ago);
    let wanted = |line: &Line| {
        args.user.as_ref().is_none_or(|user| *user == line.who)
            && args.job.as_ref().is_none_or(|job| names(line, job))
            && since.as_ref().is_none_or(|since| line.time >= *since)
    };
    if args.format.output == Output::Text {
        printer.line(HEADER)?;
    }
    for file in files(&args.files, &args.options)? {
        for line in lines(&file)?.filter(wanted) {
            match args.format.output {
                // one object a line, as in the log itself: it may be long
                Output::Json => printer.line(serde_json::to_string(&line)?)?,
                Output::Text => printer.line(row(&line))?,
            }
        }
    }
    Ok(Exit::Ok)
}

/// Whether a line is about a job, by its id or by its number in Slurm's dialect.
fn names(line: &Line, job: &str) -> bool {
    let words = line.job.as_deref().unwrap_or_default().split(' ');
    words.map(|word| word.trim_matches(['(', ')'])).any(|word| word == job)
}

const HEADER: &str = "time                        who              client           outcome what";

fn row(line: &Line) -> String {
    let job = line.job.as_deref().map(|job| format!(" [{}]", shown(job))).unwrap_or_default();
    let status = line.status.map(|status| format!(" {status}")).unwrap_or_default();
    let times = line.times.map(|times| format!(" ({times} times)")).unwrap_or_default();
    let what = if line.what.is_empty() || line.event == "request" || line.event == "command" {
        String::new()
    } else {
        format!("{} ", line.event)
    };
    let what = if line.what.is_empty() { line.event.clone() } else { format!("{what}{}", shown(&line.what)) };
    let (who, client) = (shown(&line.who), shown(&line.client));
    format!("{} {who:<16} {client:<16} {:<7} {what}{job}{status}{times}", line.time, line.outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(what: &str, event: &str) -> Line {
        Line {
            time: "2026-11-28T09:00:00.000001Z".into(),
            seq: 1,
            event: event.into(),
            who: "al\nice".into(),
            established: "jwt".into(),
            role: "user".into(),
            client: "192.0.2.1".into(),
            via: "tls".into(),
            what: what.into(),
            job: Some("1795313531.329 (10000001)".into()),
            outcome: "allowed".into(),
            status: Some(200),
            request_id: None,
            times: None,
            torn: None,
            prev: String::new(),
        }
    }

    #[test]
    fn rows_stand_under_the_header() {
        let row = row(&line("psik POST /v2/jobs", "request"));
        assert_eq!(
            row,
            "2026-11-28T09:00:00.000001Z al\\nice          192.0.2.1        allowed psik POST /v2/jobs \
             [1795313531.329 (10000001)] 200"
        );
        for (column, word) in [("who", "al"), ("client", "192"), ("outcome", "allowed"), ("what", "psik")] {
            assert_eq!(row.find(word), HEADER.find(column));
        }
    }

    #[test]
    fn both_names_of_a_job() {
        let line = line("", "started");
        assert!(names(&line, "1795313531.329") && names(&line, "10000001") && !names(&line, "1"));
        assert!(row(&line).contains("allowed started [1795313531.329"));
    }
}
