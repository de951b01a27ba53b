//! What Autosubmit is asked to do, as arguments of its command line.

use serde::Deserialize;

use super::RunnerError;
use crate::expid::Expid;

/// Bytes that a text of a user may have; more than any description, filter or list of jobs has, and less than an argument may.
const LONGEST: usize = 100_000;

/// A new experiment, as the bodies of requests say it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[expect(missing_docs, clippy::struct_excessive_bools, reason = "names of the request")]
pub struct NewExperiment {
    pub description: Option<String>,
    pub git_repo: Option<String>,
    pub git_branch: Option<String>,
    pub minimal: bool,
    pub config_path: Option<String>,
    pub hpc: Option<String>,
    pub use_local_minimal: bool,
    pub operational: bool,
    pub testcase: bool,
    pub copy: Option<String>,
}

/// A change of the states of jobs, as the bodies of requests say it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "names of the request")]
pub struct StatusChange {
    pub job_names_list: Option<Vec<String>>,
    pub final_status: Option<String>,
    pub filter_chunks: Option<String>,
    pub filter_status: Option<String>,
    pub filter_type: Option<String>,
    pub filter_type_chunk: Option<String>,
    pub filter_type_chunk_split: Option<String>,
    pub check_wrapper: bool,
    pub update_version: bool,
}

/// How a list of jobs is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "names of the request")]
pub struct NewJobList {
    pub check_wrapper: bool,
    pub update_version: bool,
    pub force: bool,
}

/// An expid that may be acted on: as Autosubmit makes them, so that it is no option and nothing else.
pub(super) fn acted_on(expid: &Expid) -> Result<&str, RunnerError> {
    let text = expid.as_str();
    let right = text.len() >= 4
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if right { Ok(text) } else { Err(RunnerError::Expid(text.to_owned())) }
}

pub(super) fn run(expid: &str) -> Vec<String> {
    vec!["run".into(), expid.into()]
}

pub(super) fn stop(expid: &str, force: bool) -> Vec<String> {
    let force = force.then(|| "--force".to_owned());
    ["stop".to_owned()].into_iter().chain(force).chain([expid.to_owned()]).collect()
}

pub(super) fn create_job_list(expid: &str, how: NewJobList) -> Vec<String> {
    let mut argv = vec!["create".to_owned(), "-np".to_owned()];
    flag(&mut argv, "--check_wrapper", how.check_wrapper);
    flag(&mut argv, "--update_version", how.update_version);
    flag(&mut argv, "--force", how.force);
    argv.push(expid.to_owned());
    argv
}

pub(super) fn create_experiment(new: &NewExperiment) -> Result<Vec<String>, RunnerError> {
    let mut argv = vec!["expid".to_owned()];
    let description = new.description.as_deref().filter(|text| !text.is_empty()).ok_or(RunnerError::NoDescription)?;
    option(&mut argv, "--description", "description", Some(description))?;
    option(&mut argv, "--git_repo", "git_repo", new.git_repo.as_deref())?;
    option(&mut argv, "--git_branch", "git_branch", new.git_branch.as_deref())?;
    flag(&mut argv, "--minimal_configuration", new.minimal);
    option(&mut argv, "-conf", "config_path", new.config_path.as_deref())?;
    option(&mut argv, "--HPC", "hpc", new.hpc.as_deref())?;
    flag(&mut argv, "--use_local_minimal", new.use_local_minimal);
    flag(&mut argv, "--operational", new.operational);
    flag(&mut argv, "--testcase", new.testcase);
    option(&mut argv, "--copy", "copy", new.copy.as_deref())?;
    Ok(argv)
}

pub(super) fn set_status(expid: &str, change: &StatusChange) -> Result<Vec<String>, RunnerError> {
    let mut argv: Vec<String> = ["setstatus", expid, "-np", "-nt", "-s"].map(str::to_owned).into();
    let names = change.job_names_list.as_deref().unwrap_or_default().join(" ");
    option(&mut argv, "--list", "job_names_list", Some(&names))?;
    option(&mut argv, "--status_final", "final_status", change.final_status.as_deref())?;
    option(&mut argv, "--filter_chunks", "filter_chunks", change.filter_chunks.as_deref())?;
    option(&mut argv, "--filter_status", "filter_status", change.filter_status.as_deref())?;
    option(&mut argv, "--filter_type", "filter_type", change.filter_type.as_deref())?;
    option(&mut argv, "--filter_type_chunk", "filter_type_chunk", change.filter_type_chunk.as_deref())?;
    option(
        &mut argv,
        "--filter_type_chunk_split",
        "filter_type_chunk_split",
        change.filter_type_chunk_split.as_deref(),
    )?;
    flag(&mut argv, "--check_wrapper", change.check_wrapper);
    flag(&mut argv, "--update_version", change.update_version);
    Ok(argv)
}

/// The description is an argument of its own, and may begin with a dash.
pub(super) fn describe(expid: &str, description: &str) -> Result<Vec<String>, RunnerError> {
    let description = checked("description", description)?;
    let end_of_options = description.starts_with('-').then_some("--");
    let all = ["updatedescrip"].into_iter().chain(end_of_options).chain([expid, description]);
    Ok(all.map(str::to_owned).collect())
}

fn flag(argv: &mut Vec<String>, name: &str, given: bool) {
    if given {
        argv.push(name.to_owned());
    }
}

/// An empty text is as none.
fn option(argv: &mut Vec<String>, name: &str, field: &'static str, value: Option<&str>) -> Result<(), RunnerError> {
    if let Some(value) = value.filter(|value| !value.is_empty()) {
        argv.push(format!("{name}={}", checked(field, value)?));
    }
    Ok(())
}

fn checked<'a>(field: &'static str, value: &'a str) -> Result<&'a str, RunnerError> {
    if value.len() > LONGEST || value.contains('\0') { Err(RunnerError::Text(field)) } else { Ok(value) }
}

/// The expid in what `autosubmit expid` says: `Experiment <expid> created`.
pub(super) fn created(said: &str) -> Option<&str> {
    said.match_indices("Experiment ").find_map(|(at, text)| {
        let rest = &said[at + text.len()..];
        let (expid, _) = rest.split_once(" created")?;
        Some(expid).filter(|expid| Expid::parse(expid).is_ok())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_users_stay_single_arguments() {
        let evil = "x\"; touch F; echo \"";
        let new = NewExperiment { description: Some(evil.into()), testcase: true, ..NewExperiment::default() };
        assert_eq!(
            create_experiment(&new).unwrap(),
            ["expid".to_owned(), format!("--description={evil}"), "--testcase".to_owned()]
        );
        assert_eq!(describe("a000", "x y").unwrap(), ["updatedescrip", "a000", "x y"]);
        assert_eq!(describe("a000", "-x; y").unwrap(), ["updatedescrip", "--", "a000", "-x; y"]);
        assert!(matches!(create_experiment(&NewExperiment::default()), Err(RunnerError::NoDescription)));
        assert!(matches!(describe("a000", "a\0b"), Err(RunnerError::Text("description"))));
        let change = StatusChange {
            job_names_list: Some(vec!["a000_SIM".into(), "a000_INI".into()]),
            final_status: Some("READY".into()),
            check_wrapper: true,
            ..StatusChange::default()
        };
        assert_eq!(
            set_status("a000", &change).unwrap(),
            [
                "setstatus",
                "a000",
                "-np",
                "-nt",
                "-s",
                "--list=a000_SIM a000_INI",
                "--status_final=READY",
                "--check_wrapper"
            ]
        );
    }

    #[test]
    fn only_expids_that_autosubmit_makes_are_acted_on() {
        for wrong in ["a00", "A000", "0aaa", "a_00", "a000_"] {
            assert!(acted_on(&Expid::parse(wrong).unwrap()).is_err(), "{wrong}");
        }
        assert_eq!(acted_on(&Expid::parse("t0abc").unwrap()), Ok("t0abc"));
    }

    #[test]
    fn the_new_expid_is_found_in_what_is_said() {
        assert_eq!(created("Folder made\nExperiment a00f created\n"), Some("a00f"));
        assert_eq!(created("Experiment is being created; Experiment a00g created"), Some("a00g"));
        assert_eq!(created("nothing"), None);
    }
}
