//! Numbers and bits as words of the API's vocabularies.

pub(super) mod conf;
pub(super) mod database;
mod reasons;

pub(super) use reasons::reason;

use crate::objects::words;
use crate::table::Flags;

/// The words of the bits that are set, in the table's order.
fn bits<V>(value: u64, table: &[(u32, &'static str)]) -> Flags<V> {
    Flags::of(table.iter().filter(|(bit, _)| value >> bit & 1 == 1).map(|(_, word)| *word))
}

/// The bits of words; one that is none of the table's is the error.
fn unbits<'w>(mut given: impl Iterator<Item = &'w str>, table: &[(u32, &str)]) -> Result<u64, &'w str> {
    given.try_fold(0, |bits, word| {
        let bit = table.iter().find(|(_, name)| *name == word).map(|(bit, _)| 1 << bit);
        bit.map(|bit| bits | bit).ok_or(word)
    })
}

/// The word of a base state, and those of the bits above it.
fn stated<V>(base: Option<&&'static str>, value: u32, table: &[(u32, &'static str)]) -> Flags<V> {
    let flags = table.iter().filter(|(bit, _)| value >> bit & 1 == 1).map(|(_, word)| *word);
    Flags::of(base.copied().into_iter().chain(flags))
}

const JOB_STATES: [&str; 12] = [
    "PENDING",
    "RUNNING",
    "SUSPENDED",
    "COMPLETED",
    "CANCELLED",
    "FAILED",
    "TIMEOUT",
    "NODE_FAIL",
    "PREEMPTED",
    "BOOT_FAIL",
    "DEADLINE",
    "OUT_OF_MEMORY",
];

const JOB_STATE_BITS: [(u32, &str); 16] = [
    (8, "LAUNCH_FAILED"),
    (10, "REQUEUED"),
    (11, "REQUEUE_HOLD"),
    (12, "SPECIAL_EXIT"),
    (13, "RESIZING"),
    (14, "CONFIGURING"),
    (15, "COMPLETING"),
    (16, "STOPPED"),
    (17, "RECONFIG_FAIL"),
    (18, "POWER_UP_NODE"),
    (19, "REVOKED"),
    (20, "REQUEUE_FED"),
    (21, "RESV_DEL_HOLD"),
    (22, "SIGNALING"),
    (23, "STAGE_OUT"),
    (24, "EXPEDITING"),
];

/// The base state of a job.
pub(super) const PENDING: u32 = 0;
/// The bits of a job's state that are its base state.
pub(super) const JOB_BASE: u32 = 0xff;

/// Whether a job runs.
pub(super) fn is_running(state: u32) -> bool {
    state & JOB_BASE == 1
}

/// The states of a job, the base state first.
pub(super) fn job_states(state: u32) -> impl Iterator<Item = &'static str> {
    let base = JOB_STATES.get((state & JOB_BASE) as usize).copied();
    let flags = JOB_STATE_BITS.iter().filter(move |(bit, _)| state >> bit & 1 == 1).map(|(_, word)| *word);
    base.into_iter().chain(flags)
}

/// The states of a job, as the API shows them.
pub(super) fn job_state(state: u32) -> Flags<words::JobState> {
    Flags::of(job_states(state))
}

/// The number of a job's state by its word, in capitals or not.
pub(super) fn job_state_number(word: &str) -> Option<u32> {
    let base =
        JOB_STATES.iter().position(|known| known.eq_ignore_ascii_case(word)).and_then(|at| u32::try_from(at).ok());
    base.or_else(|| JOB_STATE_BITS.iter().find(|(_, known)| known.eq_ignore_ascii_case(word)).map(|(bit, _)| 1 << bit))
}

const NODE_STATES: [&str; 7] = ["UNKNOWN", "DOWN", "IDLE", "ALLOCATED", "ERROR", "MIXED", "FUTURE"];

const NODE_STATE_BITS: [(u32, &str); 24] = [
    (4, "EXTERNAL"),
    (5, "RESERVED"),
    (6, "UNDRAIN"),
    (7, "CLOUD"),
    (8, "RESUME"),
    (9, "DRAIN"),
    (10, "COMPLETING"),
    (11, "NOT_RESPONDING"),
    (12, "POWERED_DOWN"),
    (13, "FAIL"),
    (14, "POWERING_UP"),
    (15, "MAINTENANCE"),
    (16, "REBOOT_REQUESTED"),
    (17, "REBOOT_CANCELED"),
    (18, "POWERING_DOWN"),
    (19, "DYNAMIC_FUTURE"),
    (20, "REBOOT_ISSUED"),
    (21, "PLANNED"),
    (22, "INVALID_REG"),
    (23, "POWER_DOWN"),
    (24, "POWER_UP"),
    (25, "POWER_DRAIN"),
    (26, "DYNAMIC_NORM"),
    (27, "BLOCKED"),
];

/// The bits of a node's state that are its base state.
pub(super) const NODE_BASE: u32 = 0xf;
/// The base state of a node that has jobs on some of its CPUs.
pub(super) const NODE_MIXED: u32 = 5;

/// The states of a node, the base state first.
pub(super) fn node_state(state: u32) -> Flags<words::NodeState> {
    if state == crate::rpc::codec::NO_VAL {
        return Flags::of(["INVALID"]);
    }
    stated(NODE_STATES.get((state & NODE_BASE) as usize), state, &NODE_STATE_BITS)
}

const JOB_FLAG_BITS: [(u32, &str); 42] = [
    (0, "KILL_INVALID_DEPENDENCY"),
    (1, "NO_KILL_INVALID_DEPENDENCY"),
    (2, "HAS_STATE_DIRECTORY"),
    (3, "TESTING_BACKFILL"),
    (4, "GRES_BINDING_ENFORCED"),
    (5, "TEST_NOW_ONLY"),
    (6, "SEND_JOB_ENVIRONMENT"),
    (8, "SPREAD_JOB"),
    (9, "PREFER_MINIMUM_NODE_COUNT"),
    (10, "JOB_KILL_HURRY"),
    (11, "SKIP_TRES_STRING_ACCOUNTING"),
    (12, "SIBLING_CLUSTER_UPDATE_ONLY"),
    (13, "HETEROGENEOUS_JOB"),
    (14, "EXACT_TASK_COUNT_REQUESTED"),
    (15, "EXACT_CPU_COUNT_REQUESTED"),
    (16, "TESTING_WHOLE_NODE_BACKFILL"),
    (17, "TOP_PRIORITY_JOB"),
    (18, "ACCRUE_COUNT_CLEARED"),
    (19, "GRES_BINDING_DISABLED"),
    (20, "JOB_WAS_RUNNING"),
    (21, "JOB_ACCRUE_TIME_RESET"),
    (22, "CRON_JOB"),
    (23, "EXACT_MEMORY_REQUESTED"),
    (24, "EXTERNAL_JOB"),
    (25, "USING_DEFAULT_ACCOUNT"),
    (26, "USING_DEFAULT_PARTITION"),
    (27, "USING_DEFAULT_QOS"),
    (28, "USING_DEFAULT_WCKEY"),
    (29, "DEPENDENT"),
    (30, "MAGNETIC"),
    (31, "PARTITION_ASSIGNED"),
    (BACKFILL_TRIED, "BACKFILL_ATTEMPTED"),
    (33, "SCHEDULING_ATTEMPTED"),
    (35, "SAVE_BATCH_SCRIPT"),
    (38, "GRES_ONE_TASK_PER_SHARING"),
    (39, "GRES_MULTIPLE_TASKS_PER_SHARING"),
    (40, "GRES_ALLOW_TASK_SHARING"),
    (41, "STEPMGR_ENABLED"),
    (43, "SPREAD_SEGMENTS"),
    (44, "CONSOLIDATE_SEGMENTS"),
    (45, "EXPEDITED_REQUEUE"),
    (47, "JOB_IMPLICIT_MAX_NODES"),
];

/// The bit of a job's flags that says that the backfill scheduler has tried to start it.
pub(super) const BACKFILL_TRIED: u32 = 32;
/// The bit of a job's flags that says that it was tried in the last round.
pub(super) const BACKFILL_LAST: u32 = 33;

/// The flags of a job.
pub(super) fn job_flags(flags: u64) -> Flags<words::JobFlags> {
    bits(flags, &JOB_FLAG_BITS)
}

/// The same as bits.
pub(super) fn job_flag_bits(flags: &Flags<words::JobFlags>) -> Result<u64, &str> {
    unbits(flags.iter(), &JOB_FLAG_BITS)
}

const MAIL_BITS: [(u32, &str); 11] = [
    (0, "BEGIN"),
    (1, "END"),
    (2, "FAIL"),
    (3, "REQUEUE"),
    (4, "TIME=100%"),
    (5, "TIME=90%"),
    (6, "TIME=80%"),
    (7, "TIME=50%"),
    (8, "STAGE_OUT"),
    (9, "ARRAY_TASKS"),
    (10, "INVALID_DEPENDENCY"),
];

/// How a job was started, as the accounting database has it.
pub(super) fn record_flags(flags: u32) -> Flags<words::SlurmdbJobFlags> {
    const BITS: [(u32, &str); 6] = [
        (0, "NOT_SET"),
        (1, "STARTED_ON_SUBMIT"),
        (2, "STARTED_ON_SCHEDULE"),
        (3, "STARTED_ON_BACKFILL"),
        (4, "START_RECEIVED"),
        (5, "JOB_ALTERED"),
    ];
    match flags {
        0 => Flags::of(["NONE"]),
        flags => bits(flags.into(), &BITS),
    }
}

/// How tasks of a step were laid out: over nodes, sockets and cores.
pub(super) fn distribution(how: u32) -> String {
    let digits = [how & 0xf, how >> 4 & 0xf, how >> 8 & 0xf];
    let first = ["C", "B"].get((digits[0] as usize).wrapping_sub(1));
    let further = |digit: u32| ["", "Cyclic", "Block", "FCyclic"].get(digit as usize).copied();
    let mut text = match (how & 0xffff, first, further(digits[1]), further(digits[2])) {
        (1, ..) => "Cyclic".to_owned(),
        (2, ..) => "Block".to_owned(),
        (3, ..) => "arbitrary task distribution".to_owned(),
        (4, ..) => "Plane".to_owned(),
        // Slurm writes two of them alike
        (0x321, ..) => "CCyclicFCyclic".to_owned(),
        (..=0xfff, Some(first), Some(sockets @ ("Cyclic" | "Block" | "FCyclic")), Some(cores)) => {
            format!("{first}{sockets}{cores}")
        }
        _ => "Unknown".to_owned(),
    };
    for (bit, word) in [(0x80_0000, ",Pack"), (0x40_0000, ",NoPack")] {
        if how & bit != 0 {
            text.push_str(word);
        }
    }
    text
}

/// When mail is sent.
pub(super) fn mail(kinds: u16) -> Flags<words::JobMailFlags> {
    bits(kinds.into(), &MAIL_BITS)
}

/// The same as bits.
pub(super) fn mail_bits(kinds: &Flags<words::JobMailFlags>) -> Result<u16, &str> {
    unbits(kinds.iter(), &MAIL_BITS).map(|bits| bits as u16)
}

const PROFILE_BITS: [(u32, &str); 4] = [(1, "ENERGY"), (3, "LUSTRE"), (4, "NETWORK"), (2, "TASK")];

/// What is profiled.
pub(super) fn profile(kinds: u32) -> Flags<words::AcctGatherProfile> {
    match kinds {
        0 => Flags::of(["NOT_SET"]),
        1 => Flags::of(["NONE"]),
        kinds => bits(kinds.into(), &PROFILE_BITS),
    }
}

/// The same as bits; `NOT_SET` is none.
pub(super) fn profile_bits(kinds: &Flags<words::AcctGatherProfile>) -> Result<u32, &str> {
    const NONE: (u32, &str) = (0, "NONE");
    let table = [&[NONE][..], &PROFILE_BITS].concat();
    unbits(kinds.iter().filter(|word| *word != "NOT_SET"), &table).map(|bits| bits as u32)
}

/// Whether a job shares its nodes.
pub(super) fn shared(how: u16) -> Flags<words::JobShared> {
    const WORDS: [&str; 5] = ["none", "oversubscribe", "user", "mcs", "topo"];
    Flags::of(WORDS.get(usize::from(how)).copied())
}

/// Whether a job has its nodes for itself, in the words of the oldest versions of the API.
pub(super) fn exclusive(how: u16) -> Flags<words::JobExclusiveFlags> {
    const WORDS: [&str; 5] = ["true", "false", "user", "mcs", "topo"];
    Flags::of(WORDS.get(usize::from(how)).copied())
}

/// What is given to jobs: words of the API up to v0.0.44, and those since.
pub(super) fn select_type(bits_set: u16) -> Flags<words::CrType> {
    const OLD: [(u32, &str); 6] = [
        (3, "BOARD"),
        (4, "MEMORY"),
        (8, "ONE_TASK_PER_CORE"),
        (9, "PACK_NODES"),
        (12, "CORE_DEFAULT_DIST_BLOCK"),
        (14, "LLN"),
    ];
    let set = OLD.iter().filter(move |(bit, _)| bits_set >> bit & 1 == 1).map(|(_, word)| *word);
    let old_base = match bits_set & 0b111 {
        1 => Some("CPU"),
        2 => Some("SOCKET"),
        4 => Some("CORE"),
        _ => None,
    };
    let linear = (bits_set & SELECT_LINEAR != 0).then_some("LINEAR");
    Flags::of(old_base.into_iter().chain(set).chain(linear).chain(given(bits_set)))
}

/// What is given to jobs, in today's words.
fn given(bits_set: u16) -> impl Iterator<Item = &'static str> {
    const BITS: [(u32, &str); 9] = [
        (8, "CR_ONE_TASK_PER_CORE"),
        (12, "CR_CORE_DEFAULT_DIST_BLOCK"),
        (11, "CR_NO_DIST_TOPO_BLOCK"),
        (14, "CR_LLN"),
        (9, "CR_PACK_NODES"),
        (10, "LL_SHARED_GRES"),
        (15, "MULTIPLE_SHARING_GRES_PJ"),
        (6, "ENFORCE_BINDING_GRES"),
        (7, "ONE_TASK_PER_SHARING_GRES"),
    ];
    let base = match bits_set & 0b1_0111 {
        0b1_0001 => Some("CR_CPU_MEMORY"),
        0b0_0001 => Some("CR_CPU"),
        0b1_0100 => Some("CR_CORE_MEMORY"),
        0b0_0100 => Some("CR_CORE"),
        0b1_0010 => Some("CR_SOCKET_MEMORY"),
        0b0_0010 => Some("CR_SOCKET"),
        0b1_0000 => Some("CR_MEMORY"),
        _ => (bits_set == 0).then_some("NONE"),
    };
    base.into_iter().chain(BITS.iter().filter(move |(bit, _)| bits_set >> bit & 1 == 1).map(|(_, word)| *word))
}

/// The bit that says that whole nodes are given to jobs.
const SELECT_LINEAR: u16 = 1 << 5;
/// The same before 25.11.
const SELECT_LINEAR_ONCE: u16 = 1 << 15;

/// That bit where it is now.
pub(super) fn selection(bits_set: u16) -> u16 {
    match bits_set & SELECT_LINEAR_ONCE {
        0 => bits_set,
        _ => bits_set & !SELECT_LINEAR_ONCE | SELECT_LINEAR,
    }
}

/// How nodes were chosen.
pub(super) fn node_selection(how: u32) -> Flags<words::NodeCrType> {
    let word = match how {
        0 => Some("AVAILABLE"),
        1 => Some("ONE_ROW"),
        64_000 => Some("RESERVED"),
        _ => None,
    };
    Flags::of(word)
}

/// What a core does.
pub(super) fn core(given: bool, used: bool) -> Flags<words::JobResCoreStatus> {
    match (given, used) {
        (false, _) => Flags::of(["UNALLOCATED"]),
        (true, false) => Flags::of(["ALLOCATED"]),
        (true, true) => Flags::of(["ALLOCATED", "IN_USE"]),
    }
}

/// Whether a partition takes jobs (1) and starts them (2).
pub(super) fn partition_state(state: u16) -> Flags<words::PartitionStates> {
    let word = match state {
        0 => Some("INACTIVE"),
        1 => Some("DOWN"),
        2 => Some("DRAIN"),
        3 => Some("UP"),
        crate::rpc::codec::NO_VAL16 => Some("UNKNOWN"),
        _ => None,
    };
    Flags::of(word)
}

/// The flags of a partition.
pub(super) fn partition_flags(flags: u32) -> Flags<words::PartitionFlags> {
    const BITS: [(u32, &str); 7] =
        [(0, "DEFAULT"), (1, "HIDDEN"), (2, "NO_ROOT"), (3, "ROOT_ONLY"), (4, "REQ_RESV"), (5, "LLN"), (7, "PDOI")];
    bits(flags.into(), &BITS)
}

/// The bit of a partition's flags that says that only one user at a time has a node.
pub(super) const PARTITION_USER: u32 = 1 << 6;
/// The bit of a partition's flags that says that only one job at a time has a part of the topology.
pub(super) const PARTITION_TOPOLOGY: u32 = 1 << 16;

/// How jobs make way for others.
pub(super) fn preempt(mode: u16) -> Flags<words::PreemptMode> {
    const BITS: [(u32, &str); 4] = [(0, "SUSPEND"), (1, "REQUEUE"), (3, "CANCEL"), (13, "PRIORITY")];
    match mode {
        crate::rpc::codec::NO_VAL16 => Flags::of(["CLUSTER_GLOBAL"]),
        0 => Flags::of(["DISABLED"]),
        mode => bits(mode.into(), &BITS),
    }
}

/// What tasks are bound to.
pub(super) fn binding(how: u32) -> Flags<words::TaskBinding> {
    let word = match how & 0b1_1110 {
        0x02 => Some("CPU_BIND_TO_THREADS"),
        0x04 => Some("CPU_BIND_TO_CORES"),
        0x08 => Some("CPU_BIND_TO_SOCKETS"),
        0x10 => Some("CPU_BIND_TO_LDOMS"),
        _ => None,
    };
    let none = (how & 0x0fe0 == 0x20).then_some("CPU_BIND_NONE");
    let off = (how & 0x8_0000 != 0).then_some("CPU_BIND_OFF");
    let verbose = (how & 1 == 1).then_some("VERBOSE");
    Flags::of(word.into_iter().chain(none).chain(off).chain(verbose))
}

/// The bit of a flag of a reservation.
pub(super) fn reservation_bit(word: &str) -> Option<u32> {
    let found = RESERVATION_BITS.iter().find(|(_, name)| *name == word).map(|(bit, _)| *bit);
    found.or((word == "TRES_PER_NODE").then_some(RESERVATION_PER_NODE))
}

const RESERVATION_PER_NODE: u32 = 38;
const RESERVATION_BITS: [(u32, &str); 39] = [
    (0, "MAINT"),
    (1, "NO_MAINT"),
    (2, "DAILY"),
    (3, "NO_DAILY"),
    (4, "WEEKLY"),
    (5, "NO_WEEKLY"),
    (6, "IGNORE_JOBS"),
    (7, "NO_IGNORE_JOBS"),
    (8, "ANY_NODES"),
    (9, "NO_ANY_NODES"),
    (10, "STATIC"),
    (11, "NO_STATIC"),
    (12, "PART_NODES"),
    (13, "NO_PART_NODES"),
    (14, "OVERLAP"),
    (15, "SPEC_NODES"),
    (17, "TIME_FLOAT"),
    (18, "REPLACE"),
    (19, "ALL_NODES"),
    (20, "PURGE_COMP"),
    (21, "WEEKDAY"),
    (22, "NO_WEEKDAY"),
    (23, "WEEKEND"),
    (24, "NO_WEEKEND"),
    (25, "FLEX"),
    (26, "NO_FLEX"),
    (27, "DURATION_PLUS"),
    (28, "DURATION_MINUS"),
    (29, "NO_HOLD_JOBS_AFTER_END"),
    (30, "REPLACE_DOWN"),
    (31, "NO_PURGE_COMP"),
    (32, "MAGNETIC"),
    (33, "NO_MAGNETIC"),
    (34, "SKIP"),
    (35, "HOURLY"),
    (36, "NO_HOURLY"),
    (39, "USER_DELETE"),
    (42, "FORCE_START"),
    (40, "NO_USER_DELETE"),
];

/// The flags of a reservation.
pub(super) fn reservation_flags(flags: u64) -> Flags<words::ReservationFlags> {
    /// Hourly, daily, weekly, on weekdays, at weekends: all of them at once, which is never.
    const REPEATED: u64 = 1 << 35 | 1 << 2 | 1 << 4 | 1 << 21 | 1 << 23;
    let set = RESERVATION_BITS.iter().filter(|(bit, _)| flags >> bit & 1 == 1).map(|(_, word)| *word);
    let repeated = (flags & REPEATED == REPEATED).then_some("REOCCURRING");
    let per_node = (flags >> RESERVATION_PER_NODE & 1 == 1).then_some("TRES_PER_NODE");
    Flags::of(set.chain(repeated).chain(per_node))
}

/// Whether a share is a user's.
pub(super) fn share(user: u16) -> Flags<words::AssocSharesObjWrapType> {
    let word = match user {
        0 => Some("ASSOCIATION"),
        1 => Some("USER"),
        _ => None,
    };
    Flags::of(word)
}
