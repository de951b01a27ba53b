//! Words of the configuration.

use super::{bits, given};
use crate::objects::words;
use crate::table::Flags;

/// The word at this place, if there is one.
fn at(words: &[&'static str], place: u16) -> Option<String> {
    words.get(usize::from(place)).map(|word| (*word).to_owned())
}

/// What accounting limits.
pub(in crate::rpc) fn enforced(how: u16) -> Flags<words::AccountingStorageEnforce> {
    const BITS: [(u32, &str); 7] =
        [(0, "associations"), (1, "limits"), (2, "wckeys"), (3, "qos"), (4, "safe"), (5, "nojobs"), (6, "nosteps")];
    bits(how.into(), &BITS)
}

/// The flags that have no key of their own.
pub(in crate::rpc) fn flags(flags: u32) -> Flags<words::ConfFlags> {
    const BITS: [(u32, &str); 4] =
        [(2, "DisableRootJobs"), (3, "AllowSpecResourcesUsage"), (4, "UsePam"), (5, "TrackWCKey")];
    bits(flags.into(), &BITS)
}

/// Those of communication.
pub(in crate::rpc) fn communication(flags: u32) -> Flags<words::CommunicationParametersFlags> {
    bits(flags.into(), &[(6, "IPv4"), (7, "IPv6"), (17, "disable_http")])
}

/// What of a job is kept in accounting.
pub(in crate::rpc) fn stored(flags: u32) -> Flags<words::AccountingStoreFlags> {
    const BITS: [(u32, &str); 5] =
        [(1, "job_comment"), (8, "job_extra"), (9, "job_script"), (10, "job_env"), (16, "no_stdio")];
    bits(flags.into(), &BITS)
}

/// Those of the nodes' daemons.
pub(in crate::rpc) fn node_daemons(flags: u32) -> Flags<words::SlurmdParametersFlags> {
    const BITS: [(u32, &str); 6] = [
        (0, "config_overrides"),
        (11, "l3cache_as_socket"),
        (12, "numa_node_as_socket"),
        (13, "allow_ecores"),
        (14, "shutdown_on_reboot"),
        (15, "contain_spank"),
    ];
    bits(flags.into(), &BITS)
}

/// A frequency of CPUs that stands for itself has this bit.
pub(in crate::rpc) const RANGE: u32 = 1 << 31;
const FREQUENCIES: [(u32, &str); 10] = [
    (RANGE | 8 << 24, "Conservative"),
    (RANGE | 4 << 24, "OnDemand"),
    (RANGE | 2 << 24, "Performance"),
    (RANGE | 1 << 24, "PowerSave"),
    (RANGE | 4 << 20, "SchedUtil"),
    (RANGE | 8 << 20, "UserSpace"),
    (RANGE | 1, "Low"),
    (RANGE | 2, "Medium"),
    (RANGE | 4, "Highm1"),
    (RANGE | 3, "High"),
];

/// A frequency of CPUs: a word, or kilohertz in greater units.
pub(in crate::rpc) fn frequency(frequency: u32) -> String {
    if let Some((_, word)) = FREQUENCIES.iter().find(|(number, _)| *number == frequency) {
        return (*word).to_owned();
    }
    match frequency {
        0 => "0".to_owned(),
        range if range & RANGE != 0 => "Unknown".to_owned(),
        kilohertz => {
            let (mut number, mut unit) = (f64::from(kilohertz), "KMGTP".chars());
            let mut shown = unit.next();
            while number >= 1000.0 {
                number /= 1000.0;
                shown = unit.next();
            }
            let decimals = if number.fract() == 0.0 { 0 } else { 2 };
            format!("{number:.decimals$}{}", shown.unwrap_or('?'))
        }
    }
}

/// What may decide on frequencies of CPUs; shown is a single one only.
pub(in crate::rpc) fn governors(governors: u32) -> Flags<words::CpuFreqGovernors> {
    let unset = (governors == crate::rpc::codec::NO_VAL).then_some("Unset");
    Flags::of(unset.into_iter().chain(FREQUENCIES.iter().filter(|(one, _)| *one == governors).map(|(_, word)| *word)))
}

/// What is logged in detail.
pub(in crate::rpc) fn debug(flags: u64) -> Flags<words::DebugFlags> {
    const BITS: [(u32, &str); 58] = [
        (50, "Accrue"),
        (52, "Agent"),
        (25, "AuditRPCs"),
        (15, "AuditTLS"),
        (12, "Backfill"),
        (27, "BackfillMap"),
        (40, "BurstBuffer"),
        (55, "Cgroup"),
        (9, "ConMgr"),
        (41, "CpuFrequency"),
        (3, "CPU_Bind"),
        (8, "Data"),
        (51, "DBD_Agent"),
        (44, "DB_Archive"),
        (30, "DB_Assoc"),
        (31, "DB_Event"),
        (32, "DB_Job"),
        (33, "DB_QOS"),
        (34, "DB_Query"),
        (35, "DB_Reservation"),
        (36, "DB_Resource"),
        (37, "DB_Step"),
        (45, "DB_TRES"),
        (38, "DB_Usage"),
        (39, "DB_WCKey"),
        (53, "Dependency"),
        (18, "Energy"),
        (48, "Federation"),
        (13, "Gang"),
        (23, "GLOB_SILENCE"),
        (6, "Gres"),
        (49, "Hetjob"),
        (22, "Interconnect"),
        (54, "JobAccountGather"),
        (46, "JobComp"),
        (24, "Namespace"),
        (47, "NodeFeatures"),
        (20, "License"),
        (57, "Metrics"),
        (7, "MPI"),
        (10, "Network"),
        (4, "NetworkRaw"),
        (5, "NO_CONF_HASH"),
        (42, "Power"),
        (11, "Priority"),
        (21, "Profile"),
        (26, "Protocol"),
        (14, "Reservation"),
        (29, "Route"),
        (16, "Sack"),
        (56, "Script"),
        (0, "SelectType"),
        (1, "Steps"),
        (17, "Switch"),
        (43, "thread"),
        (19, "TLS"),
        (28, "TraceJobs"),
        (2, "Triggers"),
    ];
    bits(flags, &BITS)
}

/// Whether a job is refused that no partition of its will ever take.
pub(in crate::rpc) fn part_limits(how: u16) -> Flags<words::EnforcePartLimits> {
    const WORDS: [&str; 3] = ["NO", "ALL", "ANY"];
    Flags::of(WORDS.get(usize::from(how)).copied())
}

/// On which nodes health is checked. Releases before 25.11 have other bits for "any" and "in turns".
pub(in crate::rpc) fn health(state: u16) -> Flags<words::HealthCheckNodeState> {
    const BITS: [(u32, &str); 4] = [(0, "IDLE"), (1, "ALLOC"), (2, "MIXED"), (3, "NONDRAINED_IDLE")];
    const ALONE: [(u16, &str); 2] = [(1 << 9, "START_ONLY"), (1 << 10, "REBOOT_ONLY")];
    let base = state & 0x06ff;
    if let Some((_, word)) = ALONE.iter().find(|(state, _)| *state == base) {
        return Flags::of([*word]);
    }
    let any = matches!(state & 0xff, 0x0f | 0xff);
    let some = BITS.iter().filter(|(bit, _)| !any && state >> bit & 1 == 1).map(|(_, word)| *word);
    let cycle = (state & (1 << 8 | 1 << 15) != 0).then_some("CYCLE");
    Flags::of(any.then_some("ANY").into_iter().chain(some).chain(cycle))
}

/// What the default of something is for.
pub(in crate::rpc) fn job_default(kind: u16) -> Flags<words::JobDefaultsType> {
    Flags::of(kind.checked_sub(1).and_then(|place| ["DefCpuPerGPU", "DefMemPerGPU"].get(usize::from(place)).copied()))
}

/// How times are written in logs.
pub(in crate::rpc) fn log_time(format: u16) -> Option<String> {
    const WORDS: [&str; 8] =
        ["iso8601_ms", "iso8601", "rfc5424_ms", "rfc5424", "clock", "short", "thread_id", "rfc3339"];
    at(&WORDS, format & 0x7fff)
}

/// How much is logged.
pub(in crate::rpc) fn log_level(level: u16) -> Option<String> {
    const WORDS: [&str; 10] =
        ["quiet", "fatal", "error", "info", "verbose", "debug", "debug2", "debug3", "debug4", "debug5"];
    at(&WORDS, level)
}

/// What becomes of jobs that have to make room.
pub(in crate::rpc) fn preempt(mode: u16) -> Flags<words::SlurmConfPreemptMode> {
    const BITS: [(u32, &str); 6] =
        [(0, "SUSPEND"), (1, "REQUEUE"), (3, "CANCEL"), (15, "GANG"), (14, "WITHIN"), (13, "PRIORITY")];
    if mode == 0 { Flags::of(["DISABLED"]) } else { bits(mode.into(), &BITS) }
}

/// How priorities are computed.
pub(in crate::rpc) fn priority(flags: u16) -> Flags<words::PriorityFlags> {
    const BITS: [(u32, &str); 12] = [
        (0, "ACCRUE_ALWAYS"),
        (2, "SMALL_RELATIVE_TO_TIME"),
        (4, "CALCULATE_RUNNING"),
        (3, "DEPTH_OBLIVIOUS"),
        (5, "FAIR_TREE"),
        (6, "INCR_ONLY"),
        (1, "MAX_TRES"),
        (11, "MAX_TRES_GRES"),
        (7, "NO_NORMAL_ASSOC"),
        (8, "NO_NORMAL_PART"),
        (9, "NO_NORMAL_QOS"),
        (10, "NO_NORMAL_TRES"),
    ];
    bits(flags.into(), &BITS)
}

/// When usage is forgotten.
pub(in crate::rpc) fn reset_period(period: u16) -> Option<String> {
    at(&["NONE", "NOW", "DAILY", "WEEKLY", "MONTHLY", "QUARTERLY", "YEARLY"], period)
}

/// What is not shown to everybody.
pub(in crate::rpc) fn private(what: u16) -> Flags<words::PrivateData> {
    const BITS: [(u32, &str); 8] = [
        (5, "accounts"),
        (8, "events"),
        (0, "jobs"),
        (1, "nodes"),
        (2, "partitions"),
        (6, "reservations"),
        (3, "usage"),
        (4, "users"),
    ];
    bits(what.into(), &BITS)
}

/// How prologs are run.
pub(in crate::rpc) fn prolog(flags: u16) -> Flags<words::PrologFlags> {
    const BITS: [(u32, &str); 8] = [
        (0, "Alloc"),
        (1, "NoHold"),
        (2, "Contain"),
        (3, "Serial"),
        (4, "X11"),
        (5, "DeferBatch"),
        (6, "ForceRequeueOnFail"),
        (7, "RunInJob"),
    ];
    bits(flags.into(), &BITS)
}

/// Whether processes get the niceness of who submitted them.
pub(in crate::rpc) fn propagate(how: u16) -> Option<String> {
    at(&["off", "on", "nicer"], how)
}

/// What stays when the configuration is read again.
pub(in crate::rpc) fn reconfigure(flags: u16) -> Flags<words::ReconfigFlags> {
    bits(flags.into(), &[(0, "KeepPartInfo"), (1, "KeepPartState"), (2, "KeepPowerSaveSettings")])
}

/// Which nodes come back by themselves.
pub(in crate::rpc) fn return_to_service(which: u16) -> Option<String> {
    at(&["none", "non_responsive_only", "all"], which)
}

/// What is given to jobs.
pub(in crate::rpc) fn selection(bits_set: u16) -> Flags<words::SelectTypeParameters> {
    Flags::of(given(bits_set))
}

/// How tasks are bound.
pub(in crate::rpc) fn task_plugin(flags: u32) -> Flags<words::TaskPluginParam> {
    const BITS: [(u32, &str); 4] =
        [(0, "Verbose"), (18, "SlurmdOffSpec"), (20, "OOMKillStep"), (21, "SlurmdSpecOverride")];
    let none = (flags & 0x0fe0 == 0x20).then_some("None");
    let to = match flags & 0x1e {
        0x2 => Some("Threads"),
        0x4 => Some("Cores"),
        0x8 => Some("Sockets"),
        _ => None,
    };
    let automatic = match flags & 0x3_4000 {
        0x0_4000 => Some("autobind=threads"),
        0x1_0000 => Some("autobind=cores"),
        0x2_0000 => Some("autobind=sockets"),
        _ => None,
    };
    // a word that says all leaves no room for words that say one thing
    let single = [none, to, automatic].iter().all(Option::is_none);
    let words = BITS.iter().filter(|(bit, _)| flags >> bit & 1 == 1 && (*bit == 0 || single)).map(|(_, word)| *word);
    Flags::of(none.into_iter().chain(to).chain(automatic).chain(words))
}
