//! Which records of jobs are wanted: parameters of the API as a condition of the database's.

use std::fmt::Display;

use super::names::People;
use super::wanted::{Any, Jobs, Selected};
use crate::array::{JobRef, Part, Step};
use crate::cluster::{Answer, Fault};
use crate::errno::Errno;
use crate::objects::DbdJobsQuery;
use crate::rpc::codec::{Bits, NO_VAL, Text};
use crate::rpc::records::StepId;
use crate::rpc::words;
use crate::table::{Csv, Problem, Time};

/// Also runs of a job before it was put back into the queue.
const DUPLICATES: u32 = 1 << 0;
const NO_STEPS: u32 = 1 << 1;
/// Times are not cut at the ends of the time that is asked for.
const WHOLE_TIMES: u32 = 1 << 2;
const AS_SUBMITTED: u32 = 1 << 7;
/// How a job was started is not asked.
const STARTED_ANYHOW: u32 = 1;
/// So many tasks of arrays may be named; each is a part of what the database looks for.
const MOST_TASKS: usize = 4096;

/// Whose records are wanted.
#[derive(Debug, Clone, Copy)]
pub enum RecordsOf<'a> {
    /// All jobs of all clusters.
    All,
    /// Those of the cluster that these parameters mean.
    Query(&'a DbdJobsQuery),
    /// This job of the cluster's.
    Job(&'a JobRef),
}

/// When something is asked, in unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Now.
    pub now: u64,
    /// When this day began, where whoever asks is.
    pub midnight: u64,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Unanswered {
    /// The question cannot be put: a parameter that cannot be read, or names what is not known.
    Question(Problem),
    /// The database refuses, or cannot be asked.
    Database(Fault),
}

impl From<Problem> for Unanswered {
    fn from(problem: Problem) -> Self {
        Self::Question(problem)
    }
}

impl From<Fault> for Unanswered {
    fn from(fault: Fault) -> Self {
        Self::Database(fault)
    }
}

impl From<Unanswered> for Fault {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Question(problem) => Self::new(problem.errno, problem.description),
            Unanswered::Database(fault) => fault,
        }
    }
}

/// A condition, with the texts that are on the wire.
#[derive(Debug, Default)]
pub(super) struct Condition<'a> {
    query: Option<&'a DbdJobsQuery>,
    clusters: Option<Vec<String>>,
    users: Option<Vec<String>>,
    groups: Option<Vec<String>>,
    states: Option<Vec<String>>,
    steps: Option<Vec<Selected<'static>>>,
    /// Cores, nodes, minutes: greatest and least.
    spans: [u32; 6],
    exit_code: u32,
    started: u32,
    flags: u32,
    since: u64,
    until: u64,
}

impl<'a> Condition<'a> {
    /// The condition. What cannot be read, or is not known, is a fault.
    pub(super) fn of(
        wanted: &RecordsOf<'a>,
        moment: Moment,
        cluster: &str,
        people: &dyn People,
    ) -> Result<Self, Unanswered> {
        let plain = Self { started: STARTED_ANYHOW, ..Self::default() };
        match wanted {
            RecordsOf::All => Ok(plain),
            RecordsOf::Job(job) => Ok(Self {
                clusters: Some(vec![named(cluster)?]),
                steps: Some(selected(std::slice::from_ref(job))?),
                flags: DUPLICATES | WHOLE_TIMES,
                ..plain
            }),
            RecordsOf::Query(query) => {
                let mut condition = Self::of_query(query, people)?;
                if query.cluster.as_ref().is_none_or(|csv| csv.0.is_empty()) {
                    condition.clusters = Some(vec![named(cluster)?]);
                }
                condition.set_times(moment);
                Ok(condition)
            }
        }
    }

    fn of_query(query: &'a DbdJobsQuery, people: &dyn People) -> Result<Self, Problem> {
        let list = |csv: &Option<Csv>| csv.clone().filter(|csv| !csv.0.is_empty()).map(|csv| csv.0);
        let all = |csv: &Option<Csv>, number: &dyn Fn(&str, usize) -> Result<u32, Problem>| {
            let one = |(place, text): (usize, &String)| number(text, place).map(|number| number.to_string());
            list(csv).map(|list| list.iter().enumerate().map(one).collect()).transpose()
        };
        let user = |login: &str, place: usize| {
            let unknown = || {
                problem(Errno::USER_ID_UNKNOWN, &format!("users[{place}]"), format!("Unable to resolve user: {login}"))
            };
            login.parse().ok().or_else(|| people.user_number(login)).ok_or_else(unknown)
        };
        let group = |name: &str, place: usize| {
            let unknown = || {
                problem(
                    Errno::GROUP_ID_UNKNOWN,
                    &format!("groups[{place}]"),
                    format!("Unable to resolve group: {name}"),
                )
            };
            name.parse().ok().or_else(|| people.group_number(name)).ok_or_else(unknown)
        };
        let state = |word: &str, place: usize| {
            let unknown =
                || problem(Errno::DATA_INVALID_FLAG, &format!("state[{place}][0]"), format!("Unknown flag \"{word}\""));
            words::job_state_number(word).ok_or_else(unknown)
        };
        let job = |text: &String| JobRef::parse(text).map_err(|error| bad("step", error));
        let jobs = list(&query.step).map(|list| list.iter().map(job).collect::<Result<Vec<_>, _>>()).transpose()?;
        let steps = jobs.map(|jobs| selected(&jobs.iter().collect::<Vec<_>>())).transpose()?;
        let spans = [
            ("cpus_max", query.cpus_max.as_ref().or(query.cpus_max_later.as_ref())),
            ("cpus_min", query.cpus_min.as_ref().or(query.cpus_min_later.as_ref())),
            ("nodes_max", query.nodes_max.as_ref().or(query.nodes_max_later.as_ref())),
            ("nodes_min", query.nodes_min.as_ref().or(query.nodes_min_later.as_ref())),
            ("timelimit_max", query.timelimit_max.as_ref().or(query.timelimit_max_later.as_ref())),
            ("timelimit_min", query.timelimit_min.as_ref().or(query.timelimit_min_later.as_ref())),
        ];
        let mut numbers = [0; 6];
        for (number, (name, text)) in numbers.iter_mut().zip(spans) {
            *number = whole(name, text.map(String::as_str))?;
        }
        let exit_code: i32 = whole("exit_code", query.exit_code.as_deref())?;
        let submitted = query.submit_time.or(query.submit_time_later).and_then(Time::seconds);
        let flags = flags(query) | if submitted.is_some() { AS_SUBMITTED } else { 0 };
        Ok(Self {
            query: Some(query),
            clusters: list(&query.cluster),
            users: all(&query.users, &user)?,
            groups: all(&query.groups, &group)?,
            states: all(&query.state, &state)?,
            steps,
            spans: numbers,
            exit_code: exit_code.cast_unsigned(),
            started: started(query),
            flags: if flags == 0 { DUPLICATES | WHOLE_TIMES } else { flags },
            since: submitted.or_else(|| query.start_time.and_then(Time::seconds)).unwrap_or(0),
            until: query.end_time.and_then(Time::seconds).unwrap_or(0),
        })
    }

    /// What is asked for where no time is said, as `sacct` has it: of jobs in a state, now; of jobs that are named, ever; otherwise
    /// since midnight. The end is no part of the time.
    fn set_times(&mut self, Moment { now, midnight }: Moment) {
        if self.flags & AS_SUBMITTED != 0 {
            return;
        }
        if self.states.is_some() {
            if self.since == 0 && self.steps.is_none() {
                self.since = now;
            }
            if self.until == 0 {
                self.until = self.since;
            }
        } else if self.steps.is_none() && self.since == 0 {
            self.since = midnight;
        }
        if self.until == 0 {
            self.until = now;
        }
        if self.until == self.since || self.until == now {
            self.until = self.until.saturating_add(1);
        }
    }

    /// As it is on the wire.
    pub(super) fn record(&self) -> Jobs<'_> {
        let [cpus_max, cpus_min, nodes_max, nodes_min, minutes_max, minutes_min] = self.spans;
        let of = |field: fn(&DbdJobsQuery) -> &Option<Csv>| {
            self.query.and_then(|query| field(query).as_ref()).and_then(|csv| any(&csv.0))
        };
        let node = self.query.and_then(|query| query.node.as_deref()).filter(|text| !text.is_empty());
        Jobs {
            accounts: of(|query| &query.account),
            associations: of(|query| &query.association),
            clusters: self.clusters.as_deref().and_then(any),
            constraints: of(|query| &query.constraints),
            cpus_max,
            cpus_min,
            started: self.started,
            exit_code: self.exit_code,
            flags: self.flags,
            format: None,
            groups: self.groups.as_deref().and_then(any),
            names: of(|query| &query.job_name),
            nodes_max,
            nodes_min,
            partitions: of(|query| &query.partition),
            qos: of(|query| &query.qos),
            reasons: of(|query| &query.reason),
            reservations: of(|query| &query.reservation),
            reservation_ids: of(|query| &query.reservation_id),
            steps: self.steps.clone(),
            states: self.states.as_deref().and_then(any),
            minutes_max,
            minutes_min,
            until: self.until,
            since: self.since,
            nodes: node.map_or(Text::NONE, Text::of),
            users: self.users.as_deref().and_then(any),
            wckeys: of(|query| &query.wckey),
        }
    }
}

/// Texts as they are on the wire; an empty list asks for nothing.
pub(super) fn any(texts: &[String]) -> Any<'_> {
    (!texts.is_empty()).then(|| texts.iter().map(|text| Text::of(text)).collect())
}

fn started(query: &DbdJobsQuery) -> u32 {
    let bits = bits(&[
        (0, query.scheduler_unset),
        (1, query.scheduled_on_submit),
        (2, query.scheduled_by_main),
        (3, query.scheduled_by_backfill),
        (4, query.job_started),
        (5, query.job_altered),
    ]);
    if bits == 0 { STARTED_ANYHOW } else { bits }
}

fn flags(query: &DbdJobsQuery) -> u32 {
    let others = bits(&[
        (0, query.show_duplicates),
        (2, query.disable_truncate_usage_time),
        (4, query.whole_hetjob),
        (5, query.disable_whole_hetjob),
        (6, query.disable_wait_for_result),
        (7, query.usage_time_as_submit_time),
        (8, query.show_batch_script),
        (9, query.show_job_environment),
    ]);
    others | if query.skip_steps == Some(true) { NO_STEPS } else { 0 }
}

fn bits(flags: &[(u32, Option<bool>)]) -> u32 {
    flags.iter().filter(|(_, on)| *on == Some(true)).map(|(bit, _)| 1 << bit).sum()
}

/// Jobs, tasks, components and steps, one by one.
fn selected(jobs: &[&JobRef]) -> Result<Vec<Selected<'static>>, Problem> {
    let mut all = Vec::with_capacity(jobs.len());
    for job in jobs {
        let step = job.step.map_or(NO_VAL, step_number);
        let one = Selected {
            id: StepId { step, ..StepId::job(job.job) },
            task: NO_VAL,
            component: NO_VAL,
            tasks: Bits(None),
        };
        match &job.part {
            Part::Whole | Part::AllTasks => all.push(one),
            Part::Task(task) => all.push(Selected { task: *task, ..one }),
            Part::Component(component) => all.push(Selected { component: *component, ..one }),
            Part::Tasks(tasks) => {
                all.extend(tasks.iter().take(MOST_TASKS + 1).map(|task| Selected { task, ..one.clone() }));
            }
        }
    }
    if all.len() > MOST_TASKS {
        return Err(bad("step", format!("more than {MOST_TASKS} jobs and tasks are named: name the array")));
    }
    Ok(all)
}

fn step_number(step: Step) -> u32 {
    match step {
        Step::Number(number) => number,
        Step::Batch => 0xffff_fffb,
        Step::Extern => 0xffff_fffc,
        Step::Interactive => 0xffff_fffa,
    }
}

/// A whole number; 0 where nothing is said.
fn whole<T: std::str::FromStr + Default>(name: &str, text: Option<&str>) -> Result<T, Problem> {
    match text.map(str::trim).filter(|text| !text.is_empty()) {
        None => Ok(T::default()),
        Some(text) => text.parse().map_err(|_| bad(name, format!("{text:?} is no whole number"))),
    }
}

/// The cluster that is meant where none is named. Without a name, jobs of other clusters would be shown as this one's.
fn named(cluster: &str) -> Answer<String> {
    if cluster.is_empty() {
        let why =
            "the name of the cluster is not known as long as its controller has not answered: set `cluster` in [slurm]";
        return Err(Fault::new(Errno::DB_CONNECTION, why));
    }
    Ok(cluster.to_owned())
}

fn bad(parameter: &str, why: impl Display) -> Problem {
    problem(Errno::REST_INVALID_QUERY, parameter, why.to_string())
}

fn problem(errno: Errno, place: &str, description: String) -> Problem {
    Problem { description, errno, source: format!("#/{place}/") }
}
