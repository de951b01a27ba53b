//! Numbers and bits of the accounting database as words.

use super::bits;
use crate::objects::words;
use crate::table::Flags;

/// How jobs make way for those of another quality of service.
pub(in crate::rpc) const PREEMPT_MODES: [(u32, &str); 4] =
    [(0, "SUSPEND"), (1, "REQUEUE"), (3, "CANCEL"), (15, "GANG")];

/// The same.
pub(in crate::rpc) fn preempt_modes(modes: u16) -> Flags<words::QosPreemptModes> {
    match modes {
        0 => Flags::of(["DISABLED"]),
        modes => bits(modes.into(), &PREEMPT_MODES),
    }
}

/// The flags of a quality of service.
pub(in crate::rpc) fn qos_flags(flags: u32) -> Flags<words::QosFlags> {
    const BITS: [(u32, &str); 16] = [
        (28, "NOT_SET"),
        (29, "ADD"),
        (30, "REMOVE"),
        (13, "DELETED"),
        (0, "PARTITION_MINIMUM_NODE"),
        (1, "PARTITION_MAXIMUM_NODE"),
        (2, "PARTITION_TIME_LIMIT"),
        (3, "ENFORCE_USAGE_THRESHOLD"),
        (4, "NO_RESERVE"),
        (5, "REQUIRED_RESERVATION"),
        (6, "DENY_LIMIT"),
        (7, "OVERRIDE_PARTITION_QOS"),
        (12, "PARTITION_QOS"),
        (8, "NO_DECAY"),
        (9, "USAGE_FACTOR_SAFE"),
        (10, "RELATIVE"),
    ];
    bits(flags.into(), &BITS)
}

/// The flags of an association.
pub(in crate::rpc) fn association_flags(flags: u32) -> Flags<words::AssocFlags> {
    const BITS: [(u32, &str); 5] =
        [(0, "DELETED"), (1, "NoUpdate"), (2, "Exact"), (3, "NoUsersAreCoords"), (16, "UsersAreCoords")];
    bits(flags.into(), &BITS)
}

/// The flags of an account.
pub(in crate::rpc) fn account_flags(flags: u32) -> Flags<words::AccountFlags> {
    const BITS: [(u32, &str); 5] = [
        (0, "DELETED"),
        (1, "WithAssociations"),
        (2, "WithCoordinators"),
        (3, "NoUsersAreCoords"),
        (16, "UsersAreCoords"),
    ];
    bits(flags.into(), &BITS)
}

/// What a user may do.
pub(in crate::rpc) fn level(level: u16) -> Flags<words::AdminLvl> {
    const WORDS: [&str; 4] = ["Not Set", "None", "Operator", "Administrator"];
    Flags::of(WORDS.get(usize::from(level)).copied())
}

/// The flags of a user.
pub(in crate::rpc) fn user_flags(flags: u32) -> Flags<words::UserFlags> {
    match flags {
        0 => Flags::of(["NONE"]),
        flags => bits(flags.into(), &[(0, "DELETED")]),
    }
}

/// The flags of a workload key.
pub(in crate::rpc) fn wckey_flags(flags: u32) -> Flags<words::WckeyFlags> {
    bits(flags.into(), &[(0, "DELETED")])
}

/// The flags of a cluster.
pub(in crate::rpc) fn cluster_flags(flags: u32) -> Flags<words::ClusterRecFlags> {
    const BITS: [(u32, &str); 6] = [
        (1, "DELETED"),
        (0, "REGISTERING"),
        (7, "MULTIPLE_SLURMD"),
        (9, "FRONT_END"),
        (11, "FEDERATION"),
        (12, "EXTERNAL"),
    ];
    bits(flags.into(), &BITS)
}
