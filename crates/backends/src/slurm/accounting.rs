//! A real cluster's accounting by Slurm's own programs, where a site has no slurmrestd: `sacct` and `sacctmgr` say what they know in
//! the JSON of the REST API. It can be read and not changed. They are started with the caller's token in their environment
//! (`SLURM_JWT`), so that the database itself decides who sees what.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jobgate_slurm::cluster::{Answer, Fault};
use jobgate_slurm::errno::Errno;
use jobgate_slurm::ledger::{Ledger, Question, Told};
use jobgate_slurm::operations::Call;
use jobgate_slurm::rpc::Credential;
use jobgate_slurm::version::Version;

use crate::command::{Output, Programs, run_within};

/// What is asked for is looked at once in so long: another release may have been installed.
const KNOWN_FOR: Duration = Duration::from_mins(5);
/// A program may take so long.
const TIME: Duration = Duration::from_secs(60);
/// A program may say so much, in bytes.
const MOST: u64 = 256 << 20;

/// Slurm's accounting programs.
#[derive(Debug, Default)]
pub struct AccountingPrograms {
    programs: Programs,
    /// The versions that they speak, and when that was found out.
    versions: Mutex<Option<(Instant, Vec<Version>)>>,
}

impl AccountingPrograms {
    /// Those in this directory (`None`: in the PATH), of the cluster of this configuration (`None`: that which they find).
    pub fn new(dir: Option<PathBuf>, conf: Option<PathBuf>) -> Self {
        Self { programs: Programs { dir, conf }, versions: Mutex::default() }
    }

    /// The versions that `sacct` can write.
    fn versions(&self) -> Answer<Vec<Version>> {
        let mut known = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, versions)) = known.as_ref().filter(|(since, _)| since.elapsed() < KNOWN_FOR) {
            return Ok(versions.clone());
        }
        let output = self.run("sacct", &["--json=list".into()], None)?;
        let versions: Vec<Version> = Version::ALL
            .into_iter()
            .filter(|version| {
                let name = format!("data_parser/{version}");
                output.stdout.lines().chain(output.stderr.lines()).any(|line| line.trim() == name)
            })
            .collect();
        if versions.is_empty() {
            let why = "sacct knows no version of the API that is known here: it must be of Slurm 24.11 or later";
            return Err(Fault::new(Errno::DB_CONNECTION, why));
        }
        *known = Some((Instant::now(), versions.clone()));
        Ok(versions)
    }

    fn run(&self, program: &str, arguments: &[String], who: Option<&Credential>) -> Answer<Output> {
        let mut command = self.programs.command(program);
        command.args(arguments);
        environment(&mut command, who);
        self.programs.point(&mut command);
        run_within(&mut command, b"", TIME, MOST).map_err(|error| Fault::new(Errno::DB_CONNECTION, error.to_string()))
    }
}

/// Nothing of ours but what Slurm's programs need to find their cluster. Dates are in UTC.
fn environment(command: &mut Command, who: Option<&Credential>) {
    command.env_clear().env("TZ", "UTC").env("LC_ALL", "C.UTF-8");
    for name in ["PATH", "SLURM_CONF", "LD_LIBRARY_PATH"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    if let Some(token) = who.and_then(Credential::token) {
        command.env("SLURM_JWT", token);
    }
}

impl Ledger for AccountingPrograms {
    fn ask(&self, who: &Credential, question: &Question) -> Answer<Told> {
        let Some((program, mut arguments)) = words(question)? else {
            let why = "cannot be asked of Slurm's programs: it needs a slurmrestd (`slurmrestd` in [slurm.accounting])";
            return Err(Fault::new(Errno::NOT_SUPPORTED, format!("{:?} {why}", question.call)));
        };
        if who.user().is_some() {
            let why = "Slurm's programs act as the token's user only: come with that user's own token";
            return Err(Fault::new(Errno::NOT_SUPPORTED, why));
        }
        let versions = self.versions()?;
        let newer = versions.iter().filter(|version| **version >= question.version);
        let older = versions.iter().rev().filter(|version| **version < question.version);
        let put = newer.chain(older).find_map(|version| Some((*version, question.put(*version)?)));
        let Some((version, put)) = put else {
            return Err(Fault::new(Errno::NOT_SUPPORTED, format!("{program} is too old for {:?}", question.call)));
        };
        arguments.insert(0, format!("--json={version}"));
        let output = self.run(program, &arguments, Some(who))?;
        // what is said besides the JSON comes before it, or in the other stream
        let json = output.stdout.find('{').map_or("", |start| &output.stdout[start..]);
        if json.is_empty() {
            let said = [output.stderr.trim(), output.stdout.trim()].into_iter().find(|said| !said.is_empty());
            let said: String = said.unwrap_or("nothing").chars().take(300).collect();
            let denied = said.contains("privilege") || said.contains("denied");
            let errno = if denied { Errno::ACCESS_DENIED } else { Errno::DB_CONNECTION };
            return Err(Fault::new(errno, format!("{program} says {said}")));
        }
        put?.told(program, 200, json.as_bytes().to_vec())
    }
}

/// A program, and what to tell it.
type Words = (&'static str, Vec<String>);

/// What a question is in a program's words; `None`: there are none.
fn words(question: &Question) -> Answer<Option<Words>> {
    let name = decoded(&question.name);
    let show = |what: &str, rest: Vec<String>| {
        let mut words = vec!["--readonly".to_owned(), "show".to_owned(), what.to_owned()];
        words.extend(rest);
        Ok(Some(("sacctmgr", words)))
    };
    let one = |filters: Vec<String>| filters.into_iter().chain([format!("name={name}")]).collect();
    match question.call {
        Call::DbdGetJobs => Ok(Some(("sacct", jobs(question)?))),
        Call::DbdGetJob => Ok(Some(("sacct", vec!["--allusers".into(), format!("--jobs={name}")]))),
        Call::DbdGetUsers => show("user", filters(question, USERS)?),
        Call::DbdGetUser => show("user", one(filters(question, USERS)?)),
        Call::DbdGetAccounts => show("account", filters(question, ACCOUNTS)?),
        Call::DbdGetAccount => show("account", one(filters(question, ACCOUNTS)?)),
        Call::DbdGetAssociations | Call::DbdGetAssociation => show("association", filters(question, ASSOCIATIONS)?),
        Call::DbdGetQos => show("qos", filters(question, QOS)?),
        Call::DbdGetSingleQos => show("qos", one(filters(question, QOS)?)),
        Call::DbdGetClusters => show("cluster", filters(question, NONE)?),
        Call::DbdGetCluster => show("cluster", one(filters(question, NONE)?)),
        Call::DbdGetWckeys => show("wckey", filters(question, WCKEYS)?),
        Call::DbdGetTres => show("tres", filters(question, NONE)?),
        Call::DbdGetDiag => show("stats", filters(question, NONE)?),
        Call::DbdGetConf => show("config", filters(question, NONE)?),
        Call::DbdGetPing => Ok(Some(("sacctmgr", vec!["ping".to_owned()]))),
        _ => Ok(None),
    }
}

/// What a parameter becomes in `sacctmgr`'s words.
type Filter = (&'static str, As);

#[derive(Debug, Clone, Copy)]
enum As {
    /// `word=value`
    Pair(&'static str),
    /// `word`, if it is true.
    Word(&'static str),
}

const NONE: &[Filter] = &[];
const USERS: &[Filter] = &[
    ("with_assocs", As::Word("withassoc")),
    ("with_coords", As::Word("withcoord")),
    ("with_deleted", As::Word("withdeleted")),
    ("with_wckeys", As::Word("wckeys")),
    ("admin_level", As::Pair("adminlevel")),
    ("default_account", As::Pair("defaultaccount")),
    ("default_wckey", As::Pair("defaultwckey")),
];
const ACCOUNTS: &[Filter] = &[
    ("with_assocs", As::Word("withassoc")),
    ("WithAssociations", As::Word("withassoc")),
    ("with_coords", As::Word("withcoord")),
    ("WithCoordinators", As::Word("withcoord")),
    ("with_deleted", As::Word("withdeleted")),
    ("DELETED", As::Word("withdeleted")),
    ("description", As::Pair("description")),
];
const ASSOCIATIONS: &[Filter] = &[
    ("account", As::Pair("account")),
    ("cluster", As::Pair("cluster")),
    ("user", As::Pair("user")),
    ("partition", As::Pair("partition")),
    ("parent_account", As::Pair("parent")),
    ("qos", As::Pair("qos")),
    ("default_qos", As::Pair("defaultqos")),
    ("id", As::Pair("id")),
    ("with_deleted", As::Word("withdeleted")),
    ("Include deleted associations", As::Word("withdeleted")),
    ("only_defaults", As::Word("onlydefaults")),
    ("Filter to only defaults", As::Word("onlydefaults")),
    ("with_sub_accts", As::Word("withsubaccounts")),
    ("Include sub acct information", As::Word("withsubaccounts")),
    ("without_parent_limits", As::Word("wopl")),
    ("Exclude limits from parents", As::Word("wopl")),
    ("without_parent_info", As::Word("wopi")),
    ("Exclude parent id/name", As::Word("wopi")),
];
const QOS: &[Filter] = &[
    ("with_deleted", As::Word("withdeleted")),
    ("Include deleted QOS", As::Word("withdeleted")),
    ("name", As::Pair("name")),
    ("id", As::Pair("id")),
    ("description", As::Pair("description")),
];
const WCKEYS: &[Filter] = &[
    ("with_deleted", As::Word("withdeleted")),
    ("name", As::Pair("name")),
    ("user", As::Pair("user")),
    ("cluster", As::Pair("cluster")),
    ("id", As::Pair("id")),
];

/// The parameters in `sacctmgr`'s words. One that has none is refused: an answer to another question would be worse.
fn filters(question: &Question, known: &[Filter]) -> Answer<Vec<String>> {
    let mut words = Vec::new();
    for (name, value) in &question.query {
        let name = name.strip_suffix("[]").unwrap_or(name);
        match known.iter().find(|(known, _)| *known == name) {
            Some((_, As::Pair(_))) if value.is_empty() => {}
            Some((_, As::Pair(word))) => words.push(format!("{word}={value}")),
            Some((_, As::Word(word))) if is_true(value) => words.push((*word).to_owned()),
            Some(_) => {}
            None => return Err(inexpressible("sacctmgr", name)),
        }
    }
    Ok(words)
}

/// What a parameter becomes in `sacct`'s options.
const JOBS: &[(&str, &str)] = &[
    ("account", "accounts"),
    ("cluster", "clusters"),
    ("job_name", "name"),
    ("node", "nodelist"),
    ("partition", "partition"),
    ("qos", "qos"),
    ("state", "state"),
    ("step", "jobs"),
    ("users", "user"),
    ("groups", "group"),
    ("wckey", "wckeys"),
];

fn jobs(question: &Question) -> Answer<Vec<String>> {
    let mut words = Vec::new();
    let (mut since, mut of_somebody) = ("1970-01-01".to_owned(), false);
    for (name, value) in question.query.iter().filter(|(_, value)| !value.is_empty()) {
        let name = name.strip_suffix("[]").unwrap_or(name);
        match name {
            "start_time" => since = moment(value),
            "end_time" => words.push(format!("--endtime={}", moment(value))),
            "skip_steps" if is_true(value) => words.push("--allocations".into()),
            "show_duplicates" if is_true(value) => words.push("--duplicates".into()),
            "disable_truncate_usage_time" | "skip_steps" | "show_duplicates" => {}
            _ => match JOBS.iter().find(|(known, _)| *known == name) {
                Some((_, option)) => {
                    of_somebody |= *option == "user";
                    words.push(format!("--{option}={value}"));
                }
                None => return Err(inexpressible("sacct", name)),
            },
        }
    }
    if !of_somebody {
        words.push("--allusers".into());
    }
    words.push(format!("--starttime={since}"));
    Ok(words)
}

/// A point in time for `sacct`: unix seconds as a date, other words as they are.
fn moment(value: &str) -> String {
    let date = value.trim().parse().ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    date.map_or_else(|| value.to_owned(), |date| date.strftime("%Y-%m-%dT%H:%M:%S").to_string())
}

fn inexpressible(program: &str, name: &str) -> Fault {
    let why =
        format!("{program} has no word for the parameter {name:?}: leave it out, or let the site give a slurmrestd");
    Fault::new(Errno::NOT_SUPPORTED, why)
}

fn is_true(value: &str) -> bool {
    !matches!(value.to_ascii_lowercase().as_str(), "false" | "f" | "no" | "n" | "0")
}

/// A part of a path as the text that it stands for.
fn decoded(name: &str) -> String {
    let mut bytes: Vec<u8> = percent_encoding::percent_decode_str(name).collect();
    // no argument has one
    bytes.retain(|byte| *byte != 0);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(call: Call, name: &str, query: &[(&str, &str)]) -> String {
        let mut question = Question::new(call, Version::V45);
        question.name = name.into();
        question.query = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        match words(&question) {
            Ok(Some((program, words))) => format!("{program} {}", words.join(" ")),
            Ok(None) => "nothing".into(),
            Err(fault) => fault.to_string(),
        }
    }

    #[test]
    fn questions_become_words() {
        assert_eq!(
            said(Call::DbdGetJobs, "", &[("users", "alice"), ("start_time", "1796003378"), ("skip_steps", "true")]),
            "sacct --user=alice --allocations --starttime=2026-11-30T01:49:38"
        );
        assert_eq!(said(Call::DbdGetJob, "12_3", &[]), "sacct --allusers --jobs=12_3");
        assert_eq!(
            said(Call::DbdGetUser, "alice%20b", &[("with_assocs", "true"), ("with_coords", "false")]),
            "sacctmgr --readonly show user withassoc name=alice b"
        );
        assert_eq!(
            said(Call::DbdGetAssociations, "", &[("Include deleted associations", ""), ("account", "a")]),
            "sacctmgr --readonly show association withdeleted account=a"
        );
        assert_eq!(said(Call::DbdPostUsers, "", &[]), "nothing");
        assert!(said(Call::DbdGetJobs, "", &[("constraints", "x")]).contains("has no word for the parameter"));
    }

    #[test]
    fn programs_get_the_token_in_their_environment_only() {
        let home = tempfile::tempdir().unwrap();
        let script = "#!/bin/sh\nif [ \"$1\" = --json=list ]; then echo data_parser/v0.0.42; exit; fi\n\
             printf '{\"users\":[{\"name\":\"%s\"}],\"errors\":[]}' \"$SLURM_JWT $*\"\n";
        for name in ["sacct", "sacctmgr"] {
            let path = home.path().join(name);
            std::fs::write(&path, script).unwrap();
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        }
        let programs = AccountingPrograms::new(Some(home.path().to_owned()), None);
        let who = Credential::jwt("a.b.c").unwrap();
        let told = programs.ask(&who, &Question::new(Call::DbdGetUsers, Version::V45)).unwrap();
        assert_eq!(told.way.to_string(), "sacctmgr v0.0.42");
        let said = String::from_utf8(told.body).unwrap();
        assert!(said.contains("\"a.b.c --json=v0.0.42 --readonly show user\""), "{said}");
        let refused = programs.ask(&who, &Question::new(Call::DbdPostUsers, Version::V45)).unwrap_err();
        assert!(refused.description.contains("needs a slurmrestd"), "{refused}");
        let nowhere = AccountingPrograms::new(Some("/no/such/dir".into()), None);
        let missing = nowhere.ask(&who, &Question::new(Call::DbdGetUsers, Version::V45)).unwrap_err();
        assert!(missing.description.contains("cannot start /no/such/dir/sacct"), "{missing}");
    }
}
