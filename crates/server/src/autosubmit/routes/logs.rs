//! Logs of Autosubmit's commands and of jobs.

use std::io::{self, Read};
use std::path::Path;

use jobgate_autosubmit::basis;
use jobgate_autosubmit::expid::Expid;
use jobgate_autosubmit::logs::{
    LogFile, Packing, last_lines, last_of, newest_run_log, packing, recovery_logs, run_log,
};
use jobgate_autosubmit::texts::instant;
use serde::Serialize;
use serde_json::{Value, json};

use crate::autosubmit::answer::{Answer, json};
use crate::autosubmit::call::Call;
use crate::autosubmit::model::{LogLine, Told, numbered};

/// So many lines of a log are shown.
const LINES: usize = 150;
/// What is unpacked of a file, in bytes, at most.
const UNPACKED: u64 = 256 << 20;
/// Of what was unpacked, the last so many bytes are kept.
const KEPT: usize = 4 << 20;
/// So many seconds after the last line was written, a run still counts as going on.
const LATELY: i64 = 300;

/// The end of a log.
#[derive(Debug, Serialize)]
struct Shown {
    logfile: String,
    found: bool,
    #[serde(rename = "lastModified")]
    last_modified: String,
    #[serde(rename = "timeStamp")]
    time_stamp: Value,
    logcontent: Vec<LogLine>,
}

impl Shown {
    fn nothing(logfile: String) -> Self {
        Self { logfile, found: false, last_modified: String::new(), time_stamp: json!(""), logcontent: Vec::new() }
    }
}

/// `GET /v3/exprun/{expid}`
pub(in crate::autosubmit) fn show_run(call: &Call) -> Answer {
    let file = call.expid().ok().and_then(|expid| {
        let places = call.site().places(&expid);
        newest_run_log(&places.command_logs, &places.tmp)
    });
    match file {
        Some(file) => show(call, &file, file.name.clone()),
        None => json(&Told::well(Shown::nothing(String::new()))),
    }
}

/// `GET /v3/joblog/{logfile}`
pub(in crate::autosubmit) fn show_job(call: &Call) -> Answer {
    let name = call.part("logfile");
    let refused = || json(&Told::badly(Shown::nothing(name.to_owned()), "Unsafe log file path"));
    let Ok(expid) = Expid::of_name(name) else { return refused() };
    let Some(path) = call.site().places(&expid).log(name) else { return refused() };
    let shown = path.to_string_lossy().into_owned();
    match LogFile::at(&path).filter(|_| is_inside(&path)) {
        Some(file) => show(call, &file, shown),
        None => json(&Told::well(Shown::nothing(shown))),
    }
}

/// Whether a file in a folder of logs really is there, and not somewhere else by a symbolic link.
fn is_inside(path: &Path) -> bool {
    path.parent().into_iter().for_each(basis::note);
    let (Ok(real), Some(Ok(folder))) = (path.canonicalize(), path.parent().map(Path::canonicalize)) else {
        return false;
    };
    real.starts_with(folder)
}

fn show(call: &Call, file: &LogFile, logfile: String) -> Answer {
    let view = |logcontent| Shown {
        logfile,
        found: true,
        last_modified: instant(file.modified, call.moment.zone).unwrap_or_default(),
        time_stamp: json!(file.modified),
        logcontent,
    };
    match tail(call, &file.path) {
        Ok(lines) => json(&Told::well(view(numbered(lines)))),
        Err(why) => json(&Told::badly(view(Vec::new()), format!("cannot read {}: {why}", file.name))),
    }
}

/// The last lines of a file, packed or not.
fn tail(call: &Call, path: &Path) -> io::Result<Vec<String>> {
    // what cannot be read now, perhaps can be later
    unpacked(call, path).inspect_err(|_| basis::unfounded())
}

fn unpacked(call: &Call, path: &Path) -> io::Result<Vec<String>> {
    match packing(path)? {
        Packing::Plain => last_lines(path, LINES),
        Packing::Gzip => {
            let unpacked = flate2::read::MultiGzDecoder::new(std::fs::File::open(path)?);
            Ok(last_of(&end_of(unpacked)?, LINES))
        }
        Packing::Xz => {
            let unpacked = (call.autosubmit().draw.xz)(path, UNPACKED).map_err(io::Error::other)?;
            Ok(last_of(&unpacked[unpacked.len().saturating_sub(KEPT)..], LINES))
        }
    }
}

/// The last bytes of what can be read.
fn end_of(unpacked: impl Read) -> io::Result<Vec<u8>> {
    let mut unpacked = unpacked.take(UNPACKED);
    let (mut end, mut part) = (Vec::new(), vec![0; 1 << 16]);
    loop {
        let read = unpacked.read(&mut part)?;
        if read == 0 {
            break;
        }
        end.extend_from_slice(&part[..read]);
        if end.len() > 2 * KEPT {
            end.drain(..end.len() - KEPT);
        }
    }
    if unpacked.limit() == 0 {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "more than 256 MiB when unpacked"));
    }
    Ok(end)
}

/// `GET /v3/exp-recovery-logs/{expid}`
pub(in crate::autosubmit) fn list_recovery(call: &Call) -> Answer {
    let expid = match call.expid() {
        Ok(expid) => expid,
        Err(failure) => return json(&Told::badly(json!({"platform_recovery_logs": []}), failure.message)),
    };
    match recovery_logs(&call.site().places(&expid).command_logs) {
        Ok(found) => {
            let logs: Vec<Value> = found.iter().map(|(platform, file)| recovery(call, platform, file)).collect();
            json(&Told::well(json!({"platform_recovery_logs": logs})))
        }
        Err(why) => {
            let message = format!("cannot list the logs of {expid}: {why}");
            json(&Told::badly(json!({"platform_recovery_logs": []}), message))
        }
    }
}

fn recovery(call: &Call, platform: &str, file: &LogFile) -> Value {
    // its name begins with `YYYYMMDD_HHMMSS`
    let at = |from: usize, to: usize| file.name.get(from..to).unwrap_or_default();
    let datetime = format!("{}-{}-{}T{}:{}:{}", at(0, 4), at(4, 6), at(6, 8), at(9, 11), at(11, 13), at(13, 15));
    let lines = tail(call, &file.path).unwrap_or_default();
    json!({
        "datetime": datetime, "filename": file.name, "platform": platform,
        "modified_date": instant(file.modified, call.moment.zone), "content": numbered(lines),
    })
}

/// `GET /v3/logrun/{expid}`
pub(in crate::autosubmit) fn is_logging(call: &Call) -> Answer {
    let file = call.expid().ok().and_then(|expid| {
        let version = call.site().configuration(&expid).ok().map(|configuration| configuration.version());
        run_log(&call.site().places(&expid), version.as_deref())
    });
    let Some(file) = file else {
        return json(&Told::well(json!({"is_running": false, "timediff": 0, "log_path": null})));
    };
    let age = call.moment.now() - file.modified;
    json(&Told::well(json!({"is_running": age < LATELY, "timediff": age, "log_path": file.path})))
}
