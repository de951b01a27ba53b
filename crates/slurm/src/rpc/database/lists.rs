//! Accounts, users, clusters, workload keys and instances as a database packs them, and the conditions by which they are asked for.

use super::records::{Accounting, Association, Tres};
use super::wanted::{Any, Associations};
use crate::rpc::codec::{Flagged, Text, layout};

layout! {
    /// Whom an account has as coordinator, or which account a user coordinates.
    Coordinator<'a> {
        name: Text<'a>;
        direct: u16;
    }

    /// An account.
    Account<'a> {
        associations: Option<Vec<Association<'a>>>;
        coordinators: Option<Vec<Coordinator<'a>>>;
        description: Text<'a>;
        flags: u32;
        name: Text<'a>;
        organization: Text<'a>;
    }

    /// A user.
    User<'a> {
        level: u16;
        associations: Option<Vec<Association<'a>>>;
        coordinators: Option<Vec<Coordinator<'a>>>;
        default_qos: u32 => since(V25_11);
        default_account: Text<'a>;
        default_wckey: Text<'a>;
        flags: u32;
        name: Text<'a>;
        old_name: Text<'a>;
        number: u32;
        wckeys: Option<Vec<WcKey<'a>>>;
    }

    /// A workload key.
    WcKey<'a> {
        accounting: Option<Vec<Accounting<'a>>>;
        cluster: Text<'a>;
        flags: u32;
        id: u32;
        is_default: u16;
        name: Text<'a>;
        number: u32;
        user: Text<'a>;
    }

    /// What a cluster's resources did in a time.
    ClusterAccounting<'a> {
        allocated: u64;
        tres: Tres<'a>;
        down: u64;
        idle: u64;
        over: u64;
        planned_down: u64;
        start: u64;
        planned: u64;
    }

    /// A cluster.
    Cluster<'a> {
        accounting: Option<Vec<ClusterAccounting<'a>>>;
        classification: u16;
        host: Text<'a>;
        port: u32;
        dimensions: u16;
        features: Option<Vec<Text<'a>>>;
        federation: Text<'a>;
        federation_id: u32;
        federation_state: u32;
        synchronized_in: u8;
        synchronized_out: u8;
        flags: u32;
        id: u16;
        name: Text<'a>;
        nodes: Text<'a>;
        root: Association<'a>;
        protocol: u16;
        receives: u8;
        sends: u8;
        tres: Text<'a>;
    }

    /// An instance in a cloud.
    Instance<'a> {
        cluster: Text<'a>;
        extra: Text<'a>;
        id: Text<'a>;
        kind: Text<'a>;
        node: Text<'a>;
        end: u64;
        start: u64;
    }

    /// Which accounts.
    AccountsOf<'a> {
        associations: Flagged<Associations<'a>>;
        descriptions: Any<'a>;
        flags: u32;
        organizations: Any<'a>;
    }

    /// Which users.
    UsersOf<'a> {
        level: u16;
        associations: Flagged<Associations<'a>>;
        default_accounts: Any<'a>;
        default_wckeys: Any<'a>;
        with_associations: u16;
        with_coordinators: u16;
        with_deleted: u16;
        with_wckeys: u16;
    }

    /// Which clusters.
    ClustersOf<'a> {
        classification: u16;
        names: Any<'a>;
        federations: Any<'a>;
        flags: u32;
        format: Any<'a>;
        protocols: Any<'a>;
        until: u64;
        since: u64;
        with_usage: u16;
        with_deleted: u16;
    }

    /// Which workload keys.
    WcKeysOf<'a> {
        clusters: Any<'a>;
        format: Any<'a>;
        ids: Any<'a>;
        names: Any<'a>;
        only_defaults: u16;
        until: u64;
        since: u64;
        users: Any<'a>;
        with_usage: u16;
        with_deleted: u16;
    }

    /// Which instances.
    InstancesOf<'a> {
        clusters: Any<'a>;
        extras: Any<'a>;
        format: Any<'a>;
        ids: Any<'a>;
        kinds: Any<'a>;
        nodes: Text<'a>;
        until: u64;
        since: u64;
    }
}
