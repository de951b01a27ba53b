//! From the domain's words to the dialects' and back. Plain functions.

use jiff::Timestamp;
use jobgate_engine::{HistoryRow, Job, JobRow, ListQuery, Order, Place};
use jobgate_model::{Access, JobSpec, Loc, State, Violation, lax_int, parse_state_name, query_int};
use serde_json::Value;

use super::Dialect;
use super::model::{Callback, FileStat, JobStepInfo, SystemStatus};
use super::request::QueryValues;
use crate::files::Entry;

/// A row of a listing.
pub(super) fn step_of_row<'a>(row: &JobRow<'a>) -> JobStepInfo<'a> {
    JobStepInfo {
        jobid: row.jobid,
        name: row.name.unwrap_or_default(),
        updated: row.updated,
        jobndx: row.jobndx,
        state: row.state,
        info: info_number(row.state, row.info),
    }
}

/// A row of a job's history.
pub(super) fn step_of_history<'a>(job: &'a Job, row: &HistoryRow) -> JobStepInfo<'a> {
    let transition = &row.transition;
    JobStepInfo {
        jobid: job.jobid.as_str(),
        name: job.name.as_deref().unwrap_or_default(),
        updated: transition.time,
        jobndx: transition.jobndx,
        state: transition.state,
        info: info_number(transition.state, &transition.info),
    }
}

/// The info as psik 1 and 2 give it. The rule is that of [`jobgate_model::Transition::info_number`], for borrowed texts.
fn info_number(state: State, info: &str) -> i64 {
    match info.trim().parse() {
        Ok(number) => number,
        Err(_) if state == State::Failed && !info.is_empty() => 1,
        Err(_) => 0,
    }
}

/// A configured place, as it is now.
pub(super) fn status_of(place: &Place, now: Timestamp) -> SystemStatus<'_> {
    let (kind, prefix) = (&place.config.kind, place.prefix.display());
    SystemStatus {
        name: &place.name,
        full_name: &place.name,
        description: format!("psik:{kind} job manager at {prefix}"),
        system_type: kind,
        notes: [],
        status: "active",
        updated_at: now.strftime("%Y-%m-%dT%H:%M:%S.%6f+00:00").to_string(),
    }
}

/// An entry of a directory.
pub(super) fn stat_of(entry: &Entry, dialect: Dialect) -> FileStat {
    FileStat {
        size: entry.size,
        atime: entry.atime,
        mtime: entry.mtime,
        children: (dialect == Dialect::V2).then_some(entry.directory),
    }
}

/// What `GET /jobs` asks for, except for the backend. All violations are found.
pub(super) fn parse_list_query(query: &QueryValues) -> Result<ListQuery, Vec<Violation>> {
    let mut wrong = Vec::new();
    let mut note = |result: Result<i64, Violation>| result.map_err(|violation| wrong.push(violation)).ok();
    let index = query.get("index").and_then(|text| note(query_int("index", text))).unwrap_or(0);
    let limit = query.get("limit").and_then(|text| note(query_int("limit", text).and_then(not_negative)));
    let state = query.get("state").and_then(|name| {
        let loc = vec!["query".into(), "state".into()];
        parse_state_name(&Value::from(name), loc).map_err(|violation| wrong.push(violation)).ok()
    });
    if !wrong.is_empty() {
        return Err(wrong);
    }
    // an index of zero or less is ignored, as in the originals
    let index = u64::try_from(index).unwrap_or(0);
    Ok(ListQuery { state, index, limit: limit.map(i64::unsigned_abs), order: Order::Newest, ..ListQuery::default() })
}

/// psik_api counts a negative limit from the end, which nobody can have meant.
fn not_negative(limit: i64) -> Result<i64, Violation> {
    if limit >= 0 {
        return Ok(limit);
    }
    let loc = vec!["query".into(), "limit".into()];
    let input = Value::from(limit.to_string());
    Err(Violation::new("greater_than_equal", loc, "Input should be greater than or equal to 0", input))
}

/// What a job is shared for: `"read"` or `"write"`.
pub(super) fn parse_access(value: &Value) -> Result<Access, Vec<Violation>> {
    [Access::Read, Access::Write]
        .into_iter()
        .find(|access| value == access.as_str())
        .ok_or_else(|| vec![Violation::new("enum", Vec::new(), "Input should be 'read' or 'write'", value.clone())])
}

/// A reported transition. Unknown keys are ignored.
pub(super) fn parse_callback(value: &Value, dialect: Dialect) -> Result<Callback, Vec<Violation>> {
    let Some(object) = value.as_object() else {
        let msg = "Input should be a valid dictionary or object to extract fields from";
        return Err(vec![Violation::new("model_attributes_type", Vec::new(), msg, value.clone())]);
    };
    let mut wrong = Vec::new();
    let mut required = |key: &str| {
        let found = object.get(key);
        if found.is_none() {
            wrong.push(Violation::new("missing", vec![key.into()], "Field required", value.clone()));
        }
        found
    };
    let (jobid, jobndx, state) = (required("jobid"), required("jobndx"), required("state"));
    let mut note = |violation: Violation| wrong.push(violation);
    let jobid = jobid.and_then(|value| parse_jobid(value, dialect).map_err(&mut note).ok());
    let jobndx = jobndx.and_then(|value| parse_int("jobndx", value).map_err(&mut note).ok());
    let state = state.and_then(|value| parse_state_name(value, vec!["state".into()]).map_err(&mut note).ok());
    let info = object.get("info").and_then(|value| parse_int("info", value).map_err(&mut note).ok());
    match (jobid, jobndx, state) {
        (Some(jobid), Some(jobndx), Some(state)) if wrong.is_empty() => Ok(Callback { jobid, jobndx, state, info }),
        _ => Err(wrong),
    }
}

fn parse_int(key: &str, value: &Value) -> Result<i64, Violation> {
    lax_int(value).map_err(|(kind, msg)| Violation::new(kind, vec![key.into()], msg, value.clone()))
}

/// psik_api 1 takes any text here and judges it later; psik_api 2 knows the pattern.
fn parse_jobid(value: &Value, dialect: Dialect) -> Result<String, Violation> {
    let loc = || vec![Loc::from("jobid")];
    let Some(text) = value.as_str() else {
        return Err(Violation::new("string_type", loc(), "Input should be a valid string", value.clone()));
    };
    if dialect == Dialect::V2 && jobgate_model::JobId::parse(text).is_err() {
        let msg = "String should match pattern '^[0-9]+(\\.[0-9]+)?$'";
        return Err(Violation::new("string_pattern_mismatch", loc(), msg, value.clone()));
    }
    Ok(text.to_owned())
}

/// The script as psik 1 keeps it in `scripts/run`: with the interpreter that runs it, and a final newline.
pub(super) fn run_script(spec: &JobSpec) -> String {
    let shebang = if spec.script.starts_with("#!") { "" } else { "#!/bin/bash\n" };
    let newline = if spec.script.ends_with('\n') { "" } else { "\n" };
    format!("{shebang}{}{newline}", spec.script)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jobgate_model::Transition;
    use serde_json::json;

    #[test]
    fn the_info_rule_is_the_models() {
        for state in State::ALL {
            for info in ["", "0", "4711", "-9", " 5 ", "{}", "lost: rebooted", "99999999999999999999"] {
                let transition = Transition { time: 0.0, jobndx: 1, state, info: info.into() };
                assert_eq!(info_number(state, info), transition.info_number(), "{state} {info:?}");
            }
        }
    }

    fn list(query: &str) -> Result<ListQuery, String> {
        let values = QueryValues::of(&format!("/jobs?{query}").parse().unwrap());
        parse_list_query(&values).map_err(|wrong| {
            let line = |v: &Violation| format!("{} {}", v.kind, v.line().split(':').next().unwrap_or_default());
            wrong.iter().map(line).collect::<Vec<_>>().join(", ")
        })
    }

    #[test]
    fn list_queries() {
        let plain = ListQuery::default();
        assert_eq!(list(""), Ok(plain.clone()));
        assert_eq!(list("index=-3&nosuch=1"), Ok(plain.clone()));
        assert_eq!(list("index=1.0&limit=%202"), Ok(ListQuery { index: 1, limit: Some(2), ..plain.clone() }));
        assert_eq!(list("limit=0&state=failed"), Ok(ListQuery { limit: Some(0), state: Some(State::Failed), ..plain }));
        assert_eq!(list("limit=-1").unwrap_err(), "greater_than_equal query.limit");
        assert_eq!(
            list("index=x&limit=&state=").unwrap_err(),
            "int_parsing query.index, int_parsing query.limit, enum query.state"
        );
    }

    fn callback(value: &Value, dialect: Dialect) -> Result<Callback, String> {
        parse_callback(value, dialect).map_err(|wrong| {
            let line = |v: &Violation| format!("{} {}", v.kind, v.line().split(':').next().unwrap_or_default());
            wrong.iter().map(line).collect::<Vec<_>>().join(", ")
        })
    }

    #[test]
    fn callbacks() {
        let full = json!({"jobid": "1.5", "jobndx": "2", "state": "failed", "info": 9.0, "bogus": 1});
        let expected = Callback { jobid: "1.5".into(), jobndx: 2, state: State::Failed, info: Some(9) };
        assert_eq!(callback(&full, Dialect::V2), Ok(expected));
        assert_eq!(callback(&json!({}), Dialect::V1).unwrap_err(), "missing jobid, missing jobndx, missing state");
        let wrong = json!({"jobid": 5, "jobndx": "x", "state": "bogus", "info": "abc"});
        assert_eq!(
            callback(&wrong, Dialect::V1).unwrap_err(),
            "string_type jobid, int_parsing jobndx, enum state, int_parsing info"
        );
        let odd = json!({"jobid": "abc", "jobndx": 1, "state": "new"});
        assert_eq!(callback(&odd, Dialect::V1).unwrap().jobid, "abc");
        assert_eq!(callback(&odd, Dialect::V2).unwrap_err(), "string_pattern_mismatch jobid");
        assert_eq!(callback(&json!([]), Dialect::V2).unwrap_err().split(' ').next(), Some("model_attributes_type"));
    }

    #[test]
    fn scripts_as_psik_1_keeps_them() {
        assert_eq!(run_script(&JobSpec::new("echo")), "#!/bin/bash\necho\n");
        assert_eq!(run_script(&JobSpec::new("#!/bin/sh\necho\n")), "#!/bin/sh\necho\n");
    }
}
