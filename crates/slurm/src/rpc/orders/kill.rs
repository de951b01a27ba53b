//! Signals for many jobs.

use super::{Unsendable, nothing_else};
use crate::hostlist::Hostlist;
use crate::objects::KillJobs;
use crate::rpc::codec::Text;
use crate::rpc::records::KillMany;
use crate::signal;

/// Any state.
const ANY: u32 = 12;
/// Nobody; the credential's user is not meant.
const NOBODY: u32 = 99;
const STATES: [(&str, u32); 3] = [("PENDING", 0), ("RUNNING", 1), ("SUSPENDED", 2)];
/// Flags of a signal.
pub(super) const SIGNAL_FLAGS: [(&str, u16); 7] = [
    ("BATCH_JOB", 1 << 0),
    ("ARRAY_TASK", 1 << 1),
    ("FULL_STEPS_ONLY", 1 << 2),
    ("FULL_JOB", 1 << 3),
    ("HURRY", 1 << 5),
    ("VERBOSE", 1 << 11),
    ("CRON_JOBS", 1 << 12),
];

/// Texts that live as long as what is sent.
#[derive(Debug, Default)]
pub(in crate::rpc) struct Joined {
    nodes: Option<String>,
}

impl Joined {
    pub(in crate::rpc) fn of(wanted: &KillJobs) -> Result<Self, Unsendable> {
        let Some(nodes) = wanted.nodes.as_ref().filter(|nodes| !nodes.is_empty()) else { return Ok(Self::default()) };
        let all = Hostlist::of(nodes).map_err(|_| Unsendable::Value { field: "nodes", value: nodes.join(",") })?;
        Ok(Self { nodes: Some(all.to_string()) })
    }
}

/// Which jobs get which signal, in the wire's terms. `number_of` knows the numbers of users.
pub(in crate::rpc) fn kill_many<'a>(
    wanted: &'a KillJobs,
    joined: &'a Joined,
    number_of: &dyn Fn(&str) -> Option<u32>,
) -> Result<KillMany<'a>, Unsendable> {
    let mut rest = wanted.clone();
    let mut order = KillMany { signal: 9, state: ANY, user_id: NOBODY, ..KillMany::default() };
    macro_rules! texts {
        ($($to:ident = $from:ident;)*) => {$(
            rest.$from = None;
            order.$to = wanted.$from.as_deref().filter(|text| !text.is_empty()).map_or(Text::NONE, Text::of);
        )*};
    }
    texts! {
        account = account;
        name = job_name;
        partition = partition;
        qos = qos;
        reservation = reservation;
        user_name = user_name;
        wckey = wckey;
    }
    rest.nodes = None;
    order.nodes = joined.nodes.as_deref().map_or(Text::NONE, Text::of);
    rest.jobs = None;
    order.jobs = wanted.jobs.iter().flatten().map(|job| named(job)).collect::<Result<_, _>>()?;
    let unknown = |field, value: &str| Unsendable::Value { field, value: value.to_owned() };
    if let Some(name) = rest.signal.take().filter(|name| !name.is_empty()) {
        let number = signal::number(&name).and_then(|number| u16::try_from(number).ok());
        order.signal = number.ok_or_else(|| unknown("signal", &name))?;
    }
    for word in rest.flags.take().iter().flat_map(crate::table::Flags::iter) {
        let flag = SIGNAL_FLAGS.iter().find(|(name, _)| *name == word).map(|(_, flag)| flag);
        order.flags |= flag.ok_or_else(|| unknown("flags", word))?;
    }
    if let Some(states) = rest.job_state.take() {
        let words: Vec<&str> = states.iter().collect();
        order.state = match words[..] {
            [] => ANY,
            [word] => {
                let state = STATES.iter().find(|(name, _)| *name == word).map(|(_, state)| *state);
                state.ok_or_else(|| unknown("job_state", word))?
            }
            _ => return Err(unknown("job_state", &words.join(","))),
        };
    }
    if let Some(user) = rest.user_id.take().filter(|user| !user.is_empty()) {
        let number = user.parse().ok().or_else(|| number_of(&user));
        order.user_id = number.ok_or_else(|| unknown("user_id", &user))?;
    }
    // the controller compares numbers, where a name is given
    if let Some(name) = wanted.user_name.as_deref().filter(|name| !name.is_empty()) {
        order.user_id = number_of(name).ok_or_else(|| unknown("user_name", name))?;
    }
    nothing_else(&rest)?;
    let all = [order.account, order.name, order.partition, order.qos, order.reservation, order.user_name, order.wckey];
    let all_jobs = order.jobs.is_empty() && order.nodes.is_empty() && order.state == ANY;
    if all_jobs && all.iter().all(|text| text.is_empty()) {
        return Err(Unsendable::Missing("what says which jobs"));
    }
    Ok(order)
}

/// A job's number; with it a task or some of an array (`7_3`, `7_[1-5]`), or a component (`7+1`).
fn named(job: &str) -> Result<Text<'_>, Unsendable> {
    let rest = job.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let is_number = |text: &str| !text.is_empty() && text.len() <= 10 && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_list =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || b",-:".contains(&byte));
    let fits = if let Some(component) = rest.strip_prefix('+') {
        is_number(component)
    } else if let Some(tasks) = rest.strip_prefix('_') {
        let listed = tasks.strip_prefix('[').map(|tasks| tasks.strip_suffix(']').is_some_and(is_list));
        listed.unwrap_or_else(|| is_number(tasks))
    } else {
        rest.is_empty()
    };
    if fits && is_number(&job[..job.len() - rest.len()]) {
        Ok(Text::of(job))
    } else {
        Err(Unsendable::Value { field: "jobs", value: job.to_owned() })
    }
}
