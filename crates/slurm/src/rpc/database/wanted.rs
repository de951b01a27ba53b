//! What an accounting database is asked for, field by field, in the order of the wire.

use super::super::codec::{Bits, Text, layout};
use super::super::records::StepId;

/// Texts, one of which has to fit; none: all do.
pub(super) type Any<'a> = Option<Vec<Text<'a>>>;

layout! {
    /// Which records of jobs.
    Jobs<'a> {
        accounts: Any<'a>;
        associations: Any<'a>;
        clusters: Any<'a>;
        constraints: Any<'a>;
        cpus_max: u32;
        cpus_min: u32;
        started: u32;
        exit_code: u32;
        flags: u32;
        format: Any<'a>;
        groups: Any<'a>;
        names: Any<'a>;
        nodes_max: u32;
        nodes_min: u32;
        partitions: Any<'a>;
        qos: Any<'a>;
        reasons: Any<'a>;
        reservations: Any<'a>;
        reservation_ids: Any<'a>;
        steps: Option<Vec<Selected<'a>>>;
        states: Any<'a>;
        minutes_max: u32;
        minutes_min: u32;
        until: u64;
        since: u64;
        nodes: Text<'a>;
        users: Any<'a>;
        wckeys: Any<'a>;
    }

    /// A job, or some of it. Tasks are named one by one.
    Selected<'a> {
        id: StepId;
        task: u32;
        component: u32;
        tasks: Bits<'a>;
    }

    /// Which trackable resources.
    Tres<'a> {
        count: u64;
        format: Any<'a>;
        ids: Any<'a>;
        names: Any<'a>;
        kinds: Any<'a>;
        deleted: u16;
    }

    /// Which qualities of service.
    Qos<'a> {
        descriptions: Any<'a>;
        flags: u16;
        format: Any<'a>;
        ids: Any<'a>;
        names: Any<'a>;
        preempt_mode: u16;
    }

    /// Which associations.
    Associations<'a> {
        accounts: Any<'a>;
        clusters: Any<'a>;
        default_qos: Any<'a>;
        flags: u32;
        format: Any<'a>;
        ids: Any<'a>;
        partitions: Any<'a>;
        parents: Any<'a>;
        qos: Any<'a>;
        until: u64;
        since: u64;
        users: Any<'a>;
    }
}

/// The flag of qualities of service and of associations: also those that were removed.
pub(super) const DELETED: u32 = 1;
