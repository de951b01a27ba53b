//! What became of jobs that a controller does not know any more.

use std::collections::HashMap;

use jobgate_model::Phase;
use jobgate_slurm::table::Flags;

use super::super::super::commands::{merge, phase};
use super::{Described, exit_of};

impl Described {
    /// How jobs ended that are not in the queue any more, as far as the accounting database knows: by Slurm's own programs, and for
    /// what those do not know by the configured way to it.
    pub(super) fn accounted(&self, login: &str, ids: &[String]) -> HashMap<String, Phase> {
        let mut seen = self.accounting.as_ref().map(|programs| programs.phases(ids)).unwrap_or_default();
        let rest: Vec<i64> = ids.iter().filter(|id| !seen.contains_key(*id)).filter_map(|id| id.parse().ok()).collect();
        let Some(caller) = self.remote.caller_for(login).filter(|_| !rest.is_empty()) else { return seen };
        let mut told = HashMap::new();
        for record in self.remote.records(&caller, &rest).unwrap_or_default() {
            let whole = [record.array_job_id, record.het_job_id].into_iter().flatten().find(|id| *id != 0);
            let Some(id) = whole.and_then(|id| u32::try_from(id).ok()).or(record.job_id) else { continue };
            let state = record.state_current.iter().flat_map(Flags::iter).next().unwrap_or_default();
            merge(&mut told, &id.to_string(), phase(state, &exit_of(record.exit_code.as_ref())));
        }
        // it is told of beginnings and ends: what has no end there may have been lost on the way
        seen.extend(told.into_iter().filter(|(_, phase)| matches!(phase, Phase::Ended(..))));
        seen
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jobgate_model::State;
    use jobgate_slurm::cluster::Answer;
    use jobgate_slurm::jwt::SharedKey;
    use jobgate_slurm::ledger::{Ledger, Question, Told, Way};
    use jobgate_slurm::rpc::{Credential, Limits, Protocol};
    use jobgate_slurm::version::Version;

    use super::super::super::{Remote, RemoteSettings, SlurmPrograms};
    use super::*;

    /// An accounting database with a job, an array and a heterogeneous job that have ended, and one that runs.
    #[derive(Debug)]
    struct Book;

    impl Ledger for Book {
        fn ask(&self, _: &Credential, question: &Question) -> Answer<Told> {
            assert_eq!(question.query[0], ("step".to_owned(), "5,6,7,8".to_owned()));
            let job = |id, array, het, state: &str, code| {
                serde_json::json!({
                    "job_id": id, "array": { "job_id": array }, "het": { "job_id": het }, "state": { "current": [state] },
                    "exit_code": { "return_code": { "set": true, "number": code } },
                })
            };
            let jobs = [
                job(5, 0, 0, "COMPLETED", 0),
                job(6, 6, 0, "COMPLETED", 0),
                job(9, 6, 0, "FAILED", 3),
                job(7, 0, 7, "COMPLETED", 0),
                job(10, 0, 7, "CANCELLED", 0),
                job(8, 0, 0, "RUNNING", 0),
            ];
            let body = serde_json::json!({ "jobs": jobs }).to_string().into();
            Ok(Told { status: 200, body, way: Way { by: "book", version: Version::V45 } })
        }
    }

    #[test]
    fn a_cluster_without_programs_is_asked_for_by_its_own_way() {
        let remote = Remote::new(RemoteSettings {
            name: Some("far".into()),
            controllers: Vec::new(),
            protocol: Protocol::V24_11,
            limits: Limits::default(),
            freshness: std::time::Duration::ZERO,
            key: Some(SharedKey::new(b"0123456789abcdef0123456789abcdef").unwrap()),
            munge: None,
            programs: SlurmPrograms::Others,
            users: std::collections::BTreeMap::new(),
            ledger: Some(Arc::new(Book)),
        });
        let described = Described::new(remote, "gate".into());
        let seen = described.accounted("alice", &["5", "6", "7", "8"].map(str::to_owned));
        let is = |id: &str| seen.get(id).cloned();
        assert_eq!(is("5"), Some(Phase::Ended(State::Completed, String::new())));
        assert_eq!(is("6"), Some(Phase::Ended(State::Failed, "3".into())), "an array ends with its worst task");
        assert_eq!(is("7"), Some(Phase::Ended(State::Canceled, String::new())));
        assert_eq!(is("8"), None, "its end may have been lost on the way");
    }
}
