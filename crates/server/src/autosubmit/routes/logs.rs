//! Logs of Autosubmit's commands and of jobs.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::path::Path;

use jobgate_autosubmit::basis;
use jobgate_autosubmit::expid::{Expid, Places};
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
        let file = newest_run_log(&places.command_logs, &places.tmp)?;
        Some((places, file))
    });
    match file {
        Some((places, file)) => show(call, &places, &file, file.name.clone()),
        None => json(&Told::well(Shown::nothing(String::new()))),
    }
}

/// `GET /v3/joblog/{logfile}`
pub(in crate::autosubmit) fn show_job(call: &Call) -> Answer {
    let name = call.part("logfile");
    let refused = || json(&Told::badly(Shown::nothing(name.to_owned()), "Unsafe log file path"));
    let Ok(expid) = Expid::of_name(name) else { return refused() };
    let places = call.site().places(&expid);
    let Some(path) = places.log(name) else { return refused() };
    let shown = path.to_string_lossy().into_owned();
    match LogFile::at(&path) {
        Some(file) => show(call, &places, &file, shown),
        None => json(&Told::well(Shown::nothing(shown))),
    }
}

/// A log of an experiment; a link to what is not that experiment's is as good as none.
fn show(call: &Call, places: &Places, file: &LogFile, logfile: String) -> Answer {
    let view = |logcontent| Shown {
        logfile: logfile.clone(),
        found: true,
        last_modified: instant(file.modified, call.moment.zone).unwrap_or_default(),
        time_stamp: json!(file.modified),
        logcontent,
    };
    match tail(call, places, file) {
        Ok(Some(lines)) => json(&Told::well(view(numbered(lines)))),
        Ok(None) => json(&Told::well(Shown::nothing(logfile))),
        Err(why) => json(&Told::badly(view(Vec::new()), format!("cannot read {}: {why}", file.name))),
    }
}

/// The last lines of a file, packed or not. `None`: it is not the experiment's.
fn tail(call: &Call, places: &Places, file: &LogFile) -> io::Result<Option<Vec<String>>> {
    let opened = file.open(places).and_then(|opened| opened.map(|opened| unpacked(call, &opened)).transpose());
    // what cannot be read now, perhaps can be later
    opened.inspect_err(|_| basis::unfounded())
}

fn unpacked(call: &Call, file: &File) -> io::Result<Vec<String>> {
    match packing(file)? {
        Packing::Plain => last_lines(file, LINES),
        Packing::Gzip => Ok(last_of(&end_of(flate2::read::MultiGzDecoder::new(file))?, LINES)),
        Packing::Xz => {
            // what is at the path may be another file by now
            let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
            let unpacked = (call.autosubmit().draw.xz)(Path::new(&path), UNPACKED).map_err(io::Error::other)?;
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
    let places = call.site().places(&expid);
    match recovery_logs(&places.command_logs) {
        Ok(found) => {
            let one = |(platform, file): &(String, LogFile)| recovery(call, &places, platform, file);
            let logs: Vec<Value> = found.iter().filter_map(one).collect();
            json(&Told::well(json!({"platform_recovery_logs": logs})))
        }
        Err(why) => {
            let message = format!("cannot list the logs of {expid}: {why}");
            json(&Told::badly(json!({"platform_recovery_logs": []}), message))
        }
    }
}

fn recovery(call: &Call, places: &Places, platform: &str, file: &LogFile) -> Option<Value> {
    // its name begins with `YYYYMMDD_HHMMSS`
    let at = |from: usize, to: usize| file.name.get(from..to).unwrap_or_default();
    let datetime = format!("{}-{}-{}T{}:{}:{}", at(0, 4), at(4, 6), at(6, 8), at(9, 11), at(11, 13), at(13, 15));
    let lines = tail(call, places, file).unwrap_or_else(|_| Some(Vec::new()))?;
    Some(json!({
        "datetime": datetime, "filename": file.name, "platform": platform,
        "modified_date": instant(file.modified, call.moment.zone), "content": numbered(lines),
    }))
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
