//! Which job records a query means.

use jobgate_slurm::array::{JobRef, Part, Step};
use jobgate_slurm::cluster::RecordsWanted;
use jobgate_slurm::errno::Errno;
use jobgate_slurm::hostlist::Hostlist;
use jobgate_slurm::objects::{DbdJobsQuery, JobRecord, words};
use jobgate_slurm::table::{Csv, Num, Time, Vocabulary};

use super::super::error::Failure;

/// Slurm's short words for states.
const SHORT: [(&str, &str); 18] = [
    ("BF", "BOOT_FAIL"),
    ("CA", "CANCELLED"),
    ("CD", "COMPLETED"),
    ("CF", "CONFIGURING"),
    ("CG", "COMPLETING"),
    ("DL", "DEADLINE"),
    ("F", "FAILED"),
    ("NF", "NODE_FAIL"),
    ("OOM", "OUT_OF_MEMORY"),
    ("PD", "PENDING"),
    ("PR", "PREEMPTED"),
    ("R", "RUNNING"),
    ("RQ", "REQUEUED"),
    ("RS", "RESIZING"),
    ("RV", "REVOKED"),
    ("S", "SUSPENDED"),
    ("ST", "STOPPED"),
    ("TO", "TIMEOUT"),
];

/// What a query asks for. An empty list of anything means all.
#[derive(Debug, Default)]
pub(super) struct Filter {
    accounts: Vec<String>,
    associations: Vec<String>,
    clusters: Vec<String>,
    constraints: Vec<String>,
    exit_codes: Vec<(u32, Option<u16>)>,
    groups: Vec<String>,
    names: Vec<String>,
    nodes: Option<Hostlist>,
    partitions: Vec<String>,
    qos: Vec<String>,
    reasons: Vec<String>,
    reservations: Vec<String>,
    reservation_ids: Vec<String>,
    states: Vec<String>,
    steps: Vec<JobRef>,
    users: Vec<String>,
    wckeys: Vec<String>,
    /// Flags, one of which a record has; each a question of who started it.
    flags: Vec<&'static str>,
    unscheduled: bool,
    cpus: Span,
    node_counts: Span,
    minutes: Span,
    since: Option<u64>,
    until: Option<u64>,
    submitted: Option<u64>,
    /// The times are those of the submission.
    by_submission: bool,
    /// Records come without their steps.
    pub(super) skip_steps: bool,
}

/// From, to; both ends are in it.
#[derive(Debug, Default, Clone, Copy)]
struct Span(Option<i64>, Option<i64>);

impl Span {
    fn has(self, number: i64) -> bool {
        self.0.is_none_or(|least| number >= least) && self.1.is_none_or(|most| number <= most)
    }
}

impl Filter {
    /// Reads a query. What cannot be read is named.
    pub(super) fn read(query: &DbdJobsQuery) -> Result<Self, Failure> {
        let list = |csv: &Option<Csv>| csv.clone().unwrap_or_default().0;
        let on = |flag: Option<bool>| flag == Some(true);
        let flags = [
            (on(query.scheduled_on_submit), "STARTED_ON_SUBMIT"),
            (on(query.scheduled_by_main), "STARTED_ON_SCHEDULE"),
            (on(query.scheduled_by_backfill), "STARTED_ON_BACKFILL"),
            (on(query.job_started), "START_RECEIVED"),
            (on(query.job_altered), "JOB_ALTERED"),
        ];
        let nodes = query.node.as_deref().filter(|text| !text.is_empty());
        Ok(Self {
            accounts: list(&query.account),
            associations: list(&query.association),
            clusters: list(&query.cluster),
            constraints: list(&query.constraints),
            exit_codes: exit_codes(query.exit_code.as_deref().unwrap_or_default())?,
            groups: list(&query.groups),
            names: list(&query.job_name),
            nodes: nodes
                .map(|text| Hostlist::parse(text).map_err(|error| bad("node", error.to_string())))
                .transpose()?,
            partitions: list(&query.partition),
            qos: list(&query.qos),
            reasons: list(&query.reason),
            reservations: list(&query.reservation),
            reservation_ids: list(&query.reservation_id),
            states: list(&query.state).iter().map(|word| state(word)).collect::<Result<_, _>>()?,
            steps: steps(&list(&query.step))?,
            users: list(&query.users),
            wckeys: list(&query.wckey),
            flags: flags.into_iter().filter(|(on, _)| *on).map(|(_, flag)| flag).collect(),
            unscheduled: on(query.scheduler_unset),
            cpus: span("cpus", [&query.cpus_min, &query.cpus_min_later], [&query.cpus_max, &query.cpus_max_later])?,
            node_counts: span(
                "nodes",
                [&query.nodes_min, &query.nodes_min_later],
                [&query.nodes_max, &query.nodes_max_later],
            )?,
            minutes: span(
                "timelimit",
                [&query.timelimit_min, &query.timelimit_min_later],
                [&query.timelimit_max, &query.timelimit_max_later],
            )?,
            since: query.start_time.and_then(Time::seconds),
            until: query.end_time.and_then(Time::seconds),
            submitted: query.submit_time.or(query.submit_time_later).and_then(Time::seconds),
            by_submission: on(query.usage_time_as_submit_time),
            skip_steps: on(query.skip_steps),
        })
    }

    /// What the accounting database can sort out by itself.
    pub(super) fn wanted(&self) -> RecordsWanted {
        let mut ids: Vec<i64> = self.steps.iter().map(|step| i64::from(step.job)).collect();
        ids.sort_unstable();
        ids.dedup();
        let times = !self.by_submission;
        RecordsWanted {
            ids,
            users: self.users.clone(),
            since: self.since.filter(|_| times),
            until: self.until.filter(|_| times),
        }
    }

    /// Whether a record is meant.
    pub(super) fn passes(&self, record: &JobRecord) -> bool {
        let association = record.association.as_ref().and_then(|one| one.id).unwrap_or_default();
        let wckey = record.wckey.as_ref().and_then(|wckey| wckey.wckey.clone());
        is(&self.accounts, record.account.as_ref())
            && is(&self.associations, Some(&association.to_string()))
            && is(&self.clusters, record.cluster.as_ref())
            && is(&self.groups, record.group.as_ref())
            && is(&self.names, record.name.as_ref())
            && is(&self.partitions, record.partition.as_ref())
            && is(&self.qos, record.qos.as_ref())
            && is(&self.reasons, record.state_reason.as_ref())
            && is(&self.reservations, record.reservation_name.as_ref())
            && is(&self.reservation_ids, Some(&record.reservation_id.unwrap_or_default().to_string()))
            && is(&self.users, record.user.as_ref())
            && is(&self.wckeys, wckey.as_ref())
            && self
                .constraints
                .iter()
                .all(|one| record.constraints.as_deref().is_some_and(|all| all.contains(one.as_str())))
            && self.has_state(record)
            && self.has_exit_code(record)
            && self.is_on_nodes(record)
            && self.is_named(record)
            && self.was_started_so(record)
            && self.is_of_size(record)
            && self.is_within(record)
    }

    fn has_state(&self, record: &JobRecord) -> bool {
        let states = record.state_current.clone().unwrap_or_default();
        self.states.is_empty() || self.states.iter().any(|state| states.has(state))
    }

    fn has_exit_code(&self, record: &JobRecord) -> bool {
        let code = record.exit_code.clone().unwrap_or_default();
        let (number, signal) = (code.return_code.and_then(Num::number), code.signal_id.and_then(Num::number));
        let same = |(wanted, with): &(u32, Option<u16>)| {
            number.unwrap_or(0) == *wanted && with.is_none_or(|with| signal.unwrap_or(0) == with)
        };
        self.exit_codes.is_empty() || self.exit_codes.iter().any(same)
    }

    fn is_on_nodes(&self, record: &JobRecord) -> bool {
        let Some(wanted) = &self.nodes else { return true };
        let of = record.nodes.as_deref().and_then(|text| Hostlist::parse(text).ok());
        of.is_some_and(|list| list.names().any(|name| wanted.contains(&name)))
    }

    fn is_named(&self, record: &JobRecord) -> bool {
        let id = record.job_id.unwrap_or_default();
        let array = record.array_job_id.and_then(|id| u32::try_from(id).ok()).filter(|id| *id > 0);
        let task = record.array_task_id.and_then(Num::number);
        let same = |step: &JobRef| match &step.part {
            Part::Task(wanted) => array == Some(step.job) && task == Some(*wanted),
            Part::Tasks(set) => array == Some(step.job) && task.is_some_and(|task| set.contains(task)),
            Part::AllTasks => array == Some(step.job),
            Part::Whole | Part::Component(_) => id == step.job || array == Some(step.job),
        };
        self.steps.is_empty() || self.steps.iter().any(same)
    }

    fn was_started_so(&self, record: &JobRecord) -> bool {
        let flags = record.flags.clone().unwrap_or_default();
        let scheduled = flags.iter().any(|flag| flag.starts_with("STARTED_ON_"));
        (!self.unscheduled || !scheduled) && (self.flags.is_empty() || self.flags.iter().any(|flag| flags.has(flag)))
    }

    fn is_of_size(&self, record: &JobRecord) -> bool {
        self.cpus.has(i64::from(record.required_cpus.unwrap_or_default()))
            && self.node_counts.has(i64::from(record.allocation_nodes.unwrap_or_default()))
            && self.minutes.has(record.time_limit.and_then(Num::number).map_or(i64::MAX, i64::from))
    }

    fn is_within(&self, record: &JobRecord) -> bool {
        let submission = record.time_submission.and_then(|time| u64::try_from(time).ok()).unwrap_or_default();
        let inside =
            || self.since.is_none_or(|since| submission >= since) && self.until.is_none_or(|until| submission <= until);
        (!self.by_submission || inside()) && self.submitted.is_none_or(|from| submission >= from)
    }

    /// Leaves the steps that are asked for in a record.
    pub(super) fn prune(&self, record: &mut JobRecord) {
        if self.skip_steps {
            record.steps = Some(Vec::new());
            return;
        }
        let own: Vec<&JobRef> = self.steps.iter().filter(|step| Some(step.job) == record.job_id).collect();
        if own.is_empty() || own.iter().any(|step| step.step.is_none()) {
            return;
        }
        let names: Vec<String> = own.iter().filter_map(|step| step.step).map(step_name).collect();
        if let Some(steps) = &mut record.steps {
            let name = |id: &str| id.rsplit('.').next().unwrap_or_default().to_owned();
            steps.retain(|step| names.contains(&name(step.step_id.as_deref().unwrap_or_default())));
        }
    }
}

fn step_name(step: Step) -> String {
    match step {
        Step::Number(number) => number.to_string(),
        Step::Batch => "batch".to_owned(),
        Step::Extern => "extern".to_owned(),
        Step::Interactive => "interactive".to_owned(),
    }
}

fn is(filter: &[String], value: Option<&String>) -> bool {
    filter.is_empty() || value.is_some_and(|value| filter.contains(value))
}

fn bad(parameter: &str, description: String) -> Failure {
    Failure::new(Errno::REST_INVALID_QUERY, format!("#/{parameter}/"), description)
}

/// A state by its long or short word.
fn state(word: &str) -> Result<String, Failure> {
    let short = SHORT.iter().find(|(short, _)| short.eq_ignore_ascii_case(word)).map(|(_, long)| *long);
    let long = || words::JobState::WORDS.iter().map(|known| known.text).find(|known| known.eq_ignore_ascii_case(word));
    short.or_else(long).map(str::to_owned).ok_or_else(|| {
        bad("state", format!("{word:?} is no job state: write for example COMPLETED, FAILED or PENDING"))
    })
}

fn steps(list: &[String]) -> Result<Vec<JobRef>, Failure> {
    list.iter().map(|text| JobRef::parse(text).map_err(|error| bad("step", error.to_string()))).collect()
}

/// `1`, `0:9`, several with commas between.
fn exit_codes(text: &str) -> Result<Vec<(u32, Option<u16>)>, Failure> {
    let read = |part: &str| {
        let (code, signal) = part.split_once(':').map_or((part, None), |(code, signal)| (code, Some(signal)));
        Some((code.trim().parse().ok()?, signal.map(|signal| signal.trim().parse()).transpose().ok()?))
    };
    let one = |part: &str| {
        read(part).ok_or_else(|| bad("exit_code", format!("{part:?} is no exit code: write for example 1 or 0:9")))
    };
    text.split(',').filter(|part| !part.trim().is_empty()).map(one).collect()
}

/// From, to: each is a parameter of some versions, and the same of others.
fn span(what: &str, least: [&Option<String>; 2], most: [&Option<String>; 2]) -> Result<Span, Failure> {
    let number = |end: &str, texts: [&Option<String>; 2]| {
        let text = texts.into_iter().flatten().map(|text| text.trim()).find(|text| !text.is_empty());
        let Some(text) = text else { return Ok(None) };
        text.parse().map(Some).map_err(|_| bad(&format!("{what}_{end}"), format!("{text:?} is no whole number")))
    };
    Ok(Span(number("min", least)?, number("max", most)?))
}

#[cfg(test)]
mod tests {
    use jobgate_slurm::objects::{AssociationShort, ExitCode, StepRecord, WcKeyTagStruct};
    use jobgate_slurm::table::Flags;

    use super::*;

    fn record() -> JobRecord {
        JobRecord {
            account: Some("physics".into()),
            association: Some(AssociationShort { id: Some(5), ..AssociationShort::default() }),
            cluster: Some("c".into()),
            constraints: Some("fast&big".into()),
            exit_code: Some(ExitCode { return_code: Some(Num::Set(2)), ..ExitCode::default() }),
            flags: Some(Flags::of(["STARTED_ON_BACKFILL", "START_RECEIVED"])),
            group: Some("users".into()),
            job_id: Some(13),
            array_job_id: Some(12),
            array_task_id: Some(Num::Set(1)),
            name: Some("job".into()),
            nodes: Some("n[1-2]".into()),
            partition: Some("defq".into()),
            qos: Some("normal".into()),
            reservation_name: Some("resv".into()),
            required_cpus: Some(4),
            allocation_nodes: Some(2),
            state_current: Some(Flags::of(["FAILED"])),
            state_reason: Some("None".into()),
            steps: Some(
                ["13.batch", "13.0"].map(|id| StepRecord { step_id: Some(id.into()), ..StepRecord::default() }).into(),
            ),
            time_limit: Some(Num::Set(60)),
            time_submission: Some(1000),
            user: Some("alice".into()),
            wckey: Some(WcKeyTagStruct { wckey: Some("w".into()), ..WcKeyTagStruct::default() }),
            ..JobRecord::default()
        }
    }

    fn csv(text: &str) -> Csv {
        Csv(text.split(',').map(str::to_owned).collect())
    }

    fn passes(query: &DbdJobsQuery) -> bool {
        Filter::read(query).unwrap().passes(&record())
    }

    #[test]
    fn every_parameter_lets_pass_and_holds_back() {
        let none = DbdJobsQuery::default;
        assert!(passes(&none()));
        macro_rules! lists {
            ($($field:ident: $yes:literal, $no:literal;)*) => {$(
                assert!(passes(&DbdJobsQuery { $field: Some(csv($yes)), ..none() }), stringify!($field));
                assert!(!passes(&DbdJobsQuery { $field: Some(csv($no)), ..none() }), stringify!($field));
            )*};
        }
        lists! {
            account: "chem,physics", "chem";
            association: "5", "6";
            cluster: "c", "d";
            constraints: "fast", "slow";
            groups: "users", "wheel";
            job_name: "job", "jo";
            partition: "defq", "gpu";
            qos: "normal", "sample";
            reason: "None", "Priority";
            reservation: "resv", "r";
            reservation_id: "0", "1";
            state: "failed,CD", "TO";
            step: "13", "14";
            users: "alice", "bob";
            wckey: "w", "x";
        }
        for (step, expected) in [("12", true), ("12_1", true), ("12_2", false), ("12_[0-3]", true), ("13.batch", true)]
        {
            assert_eq!(passes(&DbdJobsQuery { step: Some(csv(step)), ..none() }), expected, "{step}");
        }
        for (code, expected) in [("2", true), ("1,2", true), ("2:0", true), ("2:9", false), ("0", false)] {
            assert_eq!(passes(&DbdJobsQuery { exit_code: Some(code.into()), ..none() }), expected, "{code}");
        }
        assert!(passes(&DbdJobsQuery { node: Some("n[2-5]".into()), ..none() }));
        assert!(!passes(&DbdJobsQuery { node: Some("n3".into()), ..none() }));
        assert!(passes(&DbdJobsQuery { scheduled_by_backfill: Some(true), ..none() }));
        assert!(!passes(&DbdJobsQuery { scheduled_by_main: Some(true), ..none() }));
        assert!(!passes(&DbdJobsQuery { scheduler_unset: Some(true), ..none() }));
        assert!(passes(&DbdJobsQuery { cpus_min: Some("4".into()), cpus_max: Some("4".into()), ..none() }));
        assert!(!passes(&DbdJobsQuery { nodes_max: Some("1".into()), ..none() }));
        assert!(!passes(&DbdJobsQuery { timelimit_min: Some("61".into()), ..none() }));
        let by_submission = |from, to| DbdJobsQuery {
            usage_time_as_submit_time: Some(true),
            start_time: Some(Time::at(from)),
            end_time: Some(Time::at(to)),
            ..none()
        };
        assert!(passes(&by_submission(900, 1000)));
        assert!(!passes(&by_submission(1001, 2000)));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let none = DbdJobsQuery::default;
        for (query, source) in [
            (DbdJobsQuery { state: Some(csv("DONE")), ..none() }, "#/state/"),
            (DbdJobsQuery { step: Some(csv("abc")), ..none() }, "#/step/"),
            (DbdJobsQuery { exit_code: Some("x".into()), ..none() }, "#/exit_code/"),
            (DbdJobsQuery { node: Some("n[1-".into()), ..none() }, "#/node/"),
            (DbdJobsQuery { cpus_min: Some("many".into()), ..none() }, "#/cpus_min/"),
        ] {
            assert_eq!(Filter::read(&query).unwrap_err().problems[0].source, source);
        }
    }

    #[test]
    fn steps_are_left_out_as_asked() {
        let pruned = |query: DbdJobsQuery| {
            let mut record = record();
            Filter::read(&query).unwrap().prune(&mut record);
            record.steps.unwrap().into_iter().filter_map(|step| step.step_id).collect::<Vec<_>>()
        };
        assert_eq!(pruned(DbdJobsQuery::default()), ["13.batch", "13.0"]);
        assert!(pruned(DbdJobsQuery { skip_steps: Some(true), ..DbdJobsQuery::default() }).is_empty());
        assert_eq!(pruned(DbdJobsQuery { step: Some(csv("13.batch")), ..DbdJobsQuery::default() }), ["13.batch"]);
        assert_eq!(pruned(DbdJobsQuery { step: Some(csv("13")), ..DbdJobsQuery::default() }).len(), 2);
    }
}
