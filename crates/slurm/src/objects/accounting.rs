//! The objects of the accounting database.

use super::words;
use crate::table::{Flags, Num, object};

object! {
    /// An account.
    Account = "account" {
        associations: Vec<AssociationShort> => named("assoc_short_list");
        coordinators: Vec<Coordinator> => named("coord_list");
        description: String => required(40, 45);
        name: String => required(40, 45);
        organization: String => required(40, 45);
        flags: Flags<words::AccountFlags>;
    }

    /// `accounting` of the API.
    Accounting = "accounting" {
        allocated_seconds: i64 = "allocated/seconds";
        id: i32;
        id_alt: i32 => since(42);
        start: i64;
        tres: Tres = "TRES";
    }

    /// An association: of a cluster, an account and, maybe, a user and a partition, with its limits.
    Association = "assoc" {
        accounting: Vec<Accounting> => named("accounting_list");
        account: String;
        cluster: String;
        comment: String;
        default_qos: String = "default/qos";
        flags: Flags<words::AssocFlags>;
        max_jobs_per_count: Num<u32> = "max/jobs/per/count";
        max_jobs_per_accruing: Num<u32> = "max/jobs/per/accruing";
        max_jobs_per_submitted: Num<u32> = "max/jobs/per/submitted";
        max_jobs_per_wall_clock: Num<u32> = "max/jobs/per/wall_clock";
        max_jobs_active: Num<u32> = "max/jobs/active";
        max_jobs_accruing: Num<u32> = "max/jobs/accruing";
        max_jobs_total: Num<u32> = "max/jobs/total";
        max_tres_total: Vec<Tres> = "max/tres/total" => named("tres_list");
        max_tres_group_minutes: Vec<Tres> = "max/tres/group/minutes" => named("tres_list");
        max_tres_group_active: Vec<Tres> = "max/tres/group/active" => named("tres_list");
        max_tres_minutes_total: Vec<Tres> = "max/tres/minutes/total" => named("tres_list");
        max_tres_minutes_per_job: Vec<Tres> = "max/tres/minutes/per/job" => named("tres_list");
        max_tres_per_job: Vec<Tres> = "max/tres/per/job" => named("tres_list");
        max_tres_per_node: Vec<Tres> = "max/tres/per/node" => named("tres_list");
        max_per_account_wall_clock: Num<u32> = "max/per/account/wall_clock";
        id: i32 => since(41);
        id_old: AssociationShort = "id" => until(40);
        is_default: bool;
        lineage: String;
        min_priority_threshold: Num<u32> = "min/priority_threshold";
        parent_account: String;
        partition: String;
        priority: Num<u32>;
        qos: Vec<String> => named("qos_string_id_list");
        shares_raw: i32;
        user: String => required(40, 45);
    }

    /// `assoc_short` of the API.
    AssociationShort = "assoc_short" {
        account: String;
        cluster: String;
        partition: String;
        user: String => required(40, 45);
        id: i32;
    }

    /// `assoc_rec_set` of the API.
    AssocRecSet = "assoc_rec_set" {
        comment: String;
        defaultqos: String;
        grpjobs: Num<u32>;
        grpjobsaccrue: Num<u32>;
        grpsubmitjobs: Num<u32>;
        grptres: Vec<Tres> => named("tres_list");
        grptresmins: Vec<Tres> => named("tres_list");
        grptresrunmins: Vec<Tres> => named("tres_list");
        grpwall: Num<u32>;
        maxjobs: Num<u32>;
        maxjobsaccrue: Num<u32>;
        maxsubmitjobs: Num<u32>;
        maxtresminsperjob: Vec<Tres> => named("tres_list");
        maxtresrunmins: Vec<Tres> => named("tres_list");
        maxtresperjob: Vec<Tres> => named("tres_list");
        maxtrespernode: Vec<Tres> => named("tres_list");
        maxwalldurationperjob: Num<u32>;
        minpriothresh: Num<u32>;
        parent: String;
        priority: Num<u32>;
        qoslevel: Vec<String> => named("qos_string_id_list");
        fairshare: i32;
    }

    /// A cluster.
    Cluster = "cluster_rec" {
        controller_host: String = "controller/host";
        controller_port: i32 = "controller/port";
        flags: Flags<words::ClusterRecFlags>;
        name: String;
        nodes: String;
        associations_root: AssociationShort = "associations/root";
        rpc_version: i32;
        tres: Vec<Tres> => named("tres_list");
        select_plugin: String => until(44) deprecated(41, 45) undescribed(40, 45);
    }

    /// `coord` of the API.
    Coordinator = "coord" {
        name: String => required(40, 45);
        direct: bool;
    }

    /// A cloud instance.
    Instance = "instance" {
        cluster: String;
        extra: String;
        instance_id: String;
        instance_type: String;
        node_name: String;
        time_time_end: i64 = "time/time_end";
        time_time_start: i64 = "time/time_start";
    }

    /// A quality of service.
    Qos = "qos" {
        description: String;
        flags: Flags<words::QosFlags>;
        id: i32;
        limits_grace_time: i32 = "limits/grace_time";
        limits_max_active_jobs_accruing: Num<u32> = "limits/max/active_jobs/accruing";
        limits_max_active_jobs_count: Num<u32> = "limits/max/active_jobs/count";
        limits_max_jobs_count: Num<u32> = "limits/max/jobs/count" => since(42);
        limits_max_jobs_active_jobs_per_account: Num<u32> = "limits/max/jobs/active_jobs/per/account";
        limits_max_jobs_active_jobs_per_user: Num<u32> = "limits/max/jobs/active_jobs/per/user";
        limits_max_jobs_per_account: Num<u32> = "limits/max/jobs/per/account";
        limits_max_jobs_per_user: Num<u32> = "limits/max/jobs/per/user";
        limits_max_tres_total: Vec<Tres> = "limits/max/tres/total" => named("tres_list");
        limits_max_tres_minutes_total: Vec<Tres> = "limits/max/tres/minutes/total" => since(42) named("tres_list");
        limits_max_tres_minutes_per_qos: Vec<Tres> = "limits/max/tres/minutes/per/qos" => named("tres_list");
        limits_max_tres_minutes_per_job: Vec<Tres> = "limits/max/tres/minutes/per/job" => named("tres_list");
        limits_max_tres_minutes_per_account: Vec<Tres> = "limits/max/tres/minutes/per/account" => named("tres_list");
        limits_max_tres_minutes_per_user: Vec<Tres> = "limits/max/tres/minutes/per/user" => named("tres_list");
        limits_max_tres_per_account: Vec<Tres> = "limits/max/tres/per/account" => named("tres_list");
        limits_max_tres_per_job: Vec<Tres> = "limits/max/tres/per/job" => named("tres_list");
        limits_max_tres_per_node: Vec<Tres> = "limits/max/tres/per/node" => named("tres_list");
        limits_max_tres_per_user: Vec<Tres> = "limits/max/tres/per/user" => named("tres_list");
        limits_max_wall_clock_per_qos: Num<u32> = "limits/max/wall_clock/per/qos";
        limits_max_wall_clock_per_job: Num<u32> = "limits/max/wall_clock/per/job";
        limits_max_accruing_per_account: Num<u32> = "limits/max/accruing/per/account";
        limits_max_accruing_per_user: Num<u32> = "limits/max/accruing/per/user";
        limits_factor: Num<f64> = "limits/factor";
        limits_min_priority_threshold: Num<u32> = "limits/min/priority_threshold";
        limits_min_tres_per_job: Vec<Tres> = "limits/min/tres/per/job" => named("tres_list");
        name: String;
        preempt_list: Vec<String> = "preempt/list" => named("qos_preempt_list");
        preempt_mode: Flags<words::QosPreemptModes> = "preempt/mode";
        preempt_exempt_time: Num<u32> = "preempt/exempt_time";
        priority: Num<u32>;
        usage_factor: Num<f64>;
        usage_threshold: Num<f64>;
    }

    /// A trackable resource.
    Tres = "tres" {
        kind: String = "type" => required(40, 45);
        name: String;
        id: i32;
        count: i64;
        node: String => undocumented();
        task: i32 => undocumented();
    }

    /// A user.
    User = "user" {
        administrator_level: Flags<words::AdminLvl>;
        associations: Vec<AssociationShort> => named("assoc_short_list");
        coordinators: Vec<Coordinator> => named("coord_list");
        default_qos: i32 = "default/qos" => since(44);
        default_account: String = "default/account";
        default_wckey: String = "default/wckey";
        flags: Flags<words::UserFlags>;
        name: String => required(40, 45);
        old_name: String;
        wckeys: Vec<WcKey> => named("wckey_list");
    }

    /// `user_short` of the API.
    UserShort = "user_short" {
        adminlevel: Flags<words::AdminLvl>;
        defaultqos: i32 => since(44);
        defaultaccount: String;
        defaultwckey: String;
    }

    /// `account_short` of the API.
    AccountShort = "account_short" {
        description: String;
        organization: String;
    }

    /// `users_add_cond` of the API.
    UsersAddCond = "users_add_cond" {
        accounts: Vec<String> => named("string_list");
        association: AssocRecSet;
        clusters: Vec<String> => named("string_list");
        partitions: Vec<String> => named("string_list");
        users: Vec<String> => named("string_list") required(40, 45);
        wckeys: Vec<String> => named("string_list");
    }

    /// `accounts_add_cond` of the API.
    AccountsAddCond = "accounts_add_cond" {
        accounts: Vec<String> => named("string_list") required(40, 45);
        association: AssocRecSet;
        clusters: Vec<String> => named("string_list");
    }

    /// A workload characterisation key.
    WcKey = "wckey" {
        accounting: Vec<Accounting> => named("accounting_list");
        cluster: String => required(40, 45);
        id: i32;
        name: String => required(40, 45);
        user: String => required(40, 45);
        flags: Flags<words::WckeyFlags>;
    }
}
