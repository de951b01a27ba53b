//! `jobgate show STAMP...`

use jobgate_engine::{HistoryRow, Job, Share};
use jobgate_model::{JobNdx, JobSpec, StringMap};
use serde_json::{Value, json};

use crate::cli::{Output, ShownStamps};
use crate::exit::Exit;
use crate::printer::Printer;
use crate::selector::Scope;
use crate::table::{self, shown, without_password};
use crate::wiring::Session;

/// Shown in place of what is secret.
const HIDDEN: &str = "**********";

pub(crate) fn run(args: &ShownStamps, printer: &mut Printer) -> anyhow::Result<Exit> {
    let session = Session::open(&args.options)?;
    let mut values = Vec::new();
    let exit = super::for_each(&session, printer, &args.stamps, Scope::Any, |job, printer| {
        let job = super::looked_at(&session, printer, job)?;
        let spec = without_secrets(session.engine.spec(&session.who, job.key)?);
        let history = session.engine.history(&session.who, job.key)?;
        let shares = session.engine.shares(&session.who, job.key)?;
        let reasons = reasons(&session, printer, &job);
        let known = Known { job: &job, spec: &spec, history: &history, shares: &shares, reasons: &reasons };
        match args.format.output {
            Output::Text => printer.text(text(&known))?,
            Output::Json => values.push(json(&known)?),
        }
        Ok(Exit::Ok)
    })?;
    if args.format.output == Output::Json {
        printer.json(&values)?;
    }
    Ok(exit)
}

/// A run that waits, and why.
type Waiting = (JobNdx, String);

/// All that is shown of a job.
struct Known<'a> {
    job: &'a Job,
    spec: &'a JobSpec,
    history: &'a [HistoryRow],
    shares: &'a [Share],
    reasons: &'a [Waiting],
}

/// Why the job's runs wait. That the batch system does not say hides nothing else.
fn reasons(session: &Session, printer: &mut Printer, job: &Job) -> Vec<Waiting> {
    if !job.live {
        return Vec::new();
    }
    session.engine.waits_for(&session.who, job.key).unwrap_or_else(|error| {
        printer.note(format_args!("it is not known what {} waits for: {}", job.jobid, error.chain()));
        Vec::new()
    })
}

fn without_secrets(mut spec: JobSpec) -> JobSpec {
    spec.cb_secret = spec.cb_secret.map(|_| HIDDEN.into());
    spec.callback = spec.callback.map(|url| without_password(&url).into_owned());
    spec.cb_headers = spec.cb_headers.iter().map(|(name, _)| (name.to_owned(), HIDDEN.to_owned())).collect();
    spec
}

fn json(known: &Known<'_>) -> anyhow::Result<Value> {
    let mut value = table::status_json(known.job, known.spec, known.history);
    let share = |share: &Share| (share.user.clone(), Value::from(share.access.as_str()));
    value["shares"] = known.shares.iter().map(share).collect::<Value>();
    value["waits_for"] =
        known.reasons.iter().map(|(jobndx, reason)| json!({"jobndx": jobndx, "reason": reason})).collect::<Value>();
    value["spec"] = serde_json::to_value(known.spec)?;
    Ok(value)
}

fn text(known: &Known<'_>) -> String {
    let Known { job, spec, history, shares, reasons } = *known;
    let resources = &spec.resources;
    let asks = (resources.cores(), resources.gpus(), resources.duration);
    let run = if job.jobndx > 0 { format!(", run {}", job.jobndx) } else { String::new() };
    let ending = if job.live && job.state.is_final() { ", ending" } else { "" };
    let mut fields = vec![
        ("job", job.jobid.to_string()),
        ("name", job.name.clone().unwrap_or_else(|| "-".into())),
        ("state", format!("{}{run}{ending}", job.state)),
        ("info", job.info.clone()),
        ("waits for", waits_for(reasons)),
        ("backend", job.backend.clone()),
        ("owner", job.owner.clone()),
        ("shared with", shares.iter().map(share_text).collect::<Vec<_>>().join(", ")),
        ("base", job.base.display().to_string()),
        ("work", spec.directory.clone().unwrap_or_else(|| "-".into())),
        ("asks for", format!("{} core(s), {} GPU(s), {} minute(s)", asks.0, asks.1, asks.2)),
        ("attributes", pairs(&spec.attributes)),
        ("environment", pairs(&spec.environment)),
        ("callback", spec.callback.clone().unwrap_or_default()),
    ];
    fields.retain(|(_, value)| !value.is_empty());
    let mut lines: Vec<String> = fields.iter().map(|(name, value)| format!("{name:<12}{}", shown(value))).collect();
    lines.push("history".into());
    lines.extend(history.iter().map(|HistoryRow { transition, evidence, .. }| {
        let source = format!("{evidence:?}").to_lowercase();
        let (time, jobndx, state) = (transition.time, transition.jobndx, transition.state.as_str());
        format!("  {time:>17.6} {jobndx:>4} {state:<10} {source:<9} {}", shown(&transition.info))
    }));
    lines.join("\n") + "\n\n"
}

/// `alice (read)`
fn share_text(share: &Share) -> String {
    format!("{} ({})", share.user, share.access.as_str())
}

/// `Resources`, or for the tasks of an array `Resources (run 3), JobArrayTaskLimit (runs 4 to 10)`.
fn waits_for(reasons: &[Waiting]) -> String {
    let mut groups: Vec<(&str, JobNdx, JobNdx)> = Vec::new();
    for (jobndx, reason) in reasons {
        match groups.last_mut() {
            Some((known, _, last)) if known == reason && *last + 1 == *jobndx => *last = *jobndx,
            _ => groups.push((reason, *jobndx, *jobndx)),
        }
    }
    let text = |(reason, first, last): &(&str, JobNdx, JobNdx)| match (reasons.len(), first == last) {
        (1, _) => (*reason).to_owned(),
        (_, true) => format!("{reason} (run {first})"),
        _ => format!("{reason} (runs {first} to {last})"),
    };
    groups.iter().map(text).collect::<Vec<_>>().join(", ")
}

fn pairs(map: &StringMap) -> String {
    map.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_grouped() {
        let of = |reasons: &[(JobNdx, &str)]| {
            waits_for(&reasons.iter().map(|(jobndx, reason)| (*jobndx, (*reason).to_owned())).collect::<Vec<_>>())
        };
        assert_eq!(of(&[]), "");
        assert_eq!(of(&[(7, "Dependency")]), "Dependency");
        let array = [(2, "Resources"), (3, "Limit"), (4, "Limit"), (6, "Limit")];
        assert_eq!(of(&array), "Resources (run 2), Limit (runs 3 to 4), Limit (run 6)");
    }

    #[test]
    fn secrets_are_not_shown() {
        let mut spec = JobSpec::new("x");
        spec.cb_secret = Some("sesame".into());
        spec.cb_headers.insert("X-Token", "sesame");
        let shown = without_secrets(spec).to_spec_json();
        assert!(!shown.contains("sesame") && shown.contains("X-Token"), "{shown}");
    }
}
