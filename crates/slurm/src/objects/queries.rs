//! Parameters of URLs.

use super::words;
use crate::table::{Csv, Flags, Time, object};

object! {
    /// Parameters of a URL.
    ConfQuery = "conf_query" {
        update_time: Time;
    }

    /// Parameters of a URL.
    DeleteJobQuery = "delete_job_query" {
        signal: String;
        flags: Flags<words::WarnFlags>;
    }

    /// Parameters of a URL.
    JobQuery = "job_query" {
        update_time: Time;
        flags: Flags<words::JobShowFlags>;
    }

    /// Parameters of a URL.
    JobRequeueQuery = "job_requeue_query" {
        incomplete: bool = "Incomplete";
        hold: bool = "Hold";
        special_exit: bool = "SpecialExit";
    }

    /// Parameters of a URL.
    JobsStateQuery = "jobs_state_query" {
        job_id: Csv;
    }

    /// Parameters of a URL.
    SharesQuery = "shares_query" {
        accounts: Csv;
        users: Csv;
    }

    /// Parameters of a URL.
    DbdAccountQuery = "dbd_account_query" {
        with_assocs: bool;
        with_coords: bool;
        with_deleted: bool;
    }

    /// Parameters of a URL.
    DbdAccountsQuery = "dbd_accounts_query" {
        description: Csv;
        with_assocs: bool => until(40);
        with_coords: bool => until(40);
        with_deleted: bool => until(40);
        deleted: bool = "DELETED" => since(41);
        with_associations: bool = "WithAssociations" => since(41);
        with_coordinators: bool = "WithCoordinators" => since(41);
        no_users_are_coords: bool = "NoUsersAreCoords" => since(41);
        users_are_coords: bool = "UsersAreCoords" => since(41);
    }

    /// Parameters of a URL.
    DbdDeleteAssociationQuery = "dbd_delete_association_query" {
        account: Csv;
        cluster: Csv;
        default_qos: Csv;
        include_deleted_associations: bool = "Include deleted associations" => since(42) undescribed(40, 45);
        include_usage: bool = "Include usage" => since(42) undescribed(40, 45);
        filter_to_only_defaults: bool = "Filter to only defaults" => since(42) undescribed(40, 45);
        include_the_raw_qos_or_delta_qos: bool = "Include the raw QOS or delta_qos" => since(42) undescribed(40, 45);
        include_sub_acct_information: bool = "Include sub acct information" => since(42) undescribed(40, 45);
        exclude_parent_id_name: bool = "Exclude parent id/name" => since(42) undescribed(40, 45);
        exclude_limits_from_parents: bool = "Exclude limits from parents" => since(42) undescribed(40, 45);
        format: String => until(44) deprecated(43, 44);
        id: Csv;
        only_defaults: bool => until(41);
        parent_account: Csv;
        partition: Csv;
        qos: Csv;
        usage_end: Time;
        usage_start: Time;
        user: Csv;
        with_usage: bool => until(41);
        with_deleted: bool => until(41);
        with_raw_qos: bool => until(41);
        with_sub_accts: bool => until(41);
        without_parent_info: bool => until(41);
        without_parent_limits: bool => until(41);
    }

    /// Parameters of a URL.
    DbdDeleteClusterQuery = "dbd_delete_cluster_query" {
        classification: Flags<words::ClusterClassification>;
        cluster: Csv;
        federation: Csv;
        flags: Flags<words::ClusterRecFlags>;
        format: String => until(44) deprecated(43, 44);
        rpc_version: Csv;
        usage_end: Time;
        usage_start: Time;
        with_deleted: bool;
        with_usage: bool;
    }

    /// Parameters of a URL.
    DbdInstanceQuery = "dbd_instance_query" {
        cluster: Csv;
        extra: Csv;
        format: String => until(44) deprecated(43, 44);
        instance_id: Csv;
        instance_type: Csv;
        node_list: String;
        time_end: Time;
        time_start: Time;
    }

    /// Parameters of a URL.
    DbdJobsQuery = "dbd_jobs_query" {
        account: Csv;
        association: Csv;
        cluster: Csv;
        constraints: Csv;
        cpus_max: String => until(40);
        cpus_max_later: String = "cpus_max" => since(41) undocumented();
        cpus_min: String => until(40);
        cpus_min_later: String = "cpus_min" => since(41) undocumented();
        scheduler_unset: bool;
        scheduled_on_submit: bool;
        scheduled_by_main: bool;
        scheduled_by_backfill: bool;
        job_started: bool;
        job_altered: bool => since(44);
        exit_code: String;
        show_duplicates: bool;
        skip_steps: bool;
        disable_truncate_usage_time: bool;
        whole_hetjob: bool;
        disable_whole_hetjob: bool;
        disable_wait_for_result: bool;
        usage_time_as_submit_time: bool;
        show_batch_script: bool;
        show_job_environment: bool;
        format: String => until(44) deprecated(43, 44);
        groups: Csv;
        job_name: Csv;
        nodes_max: String => until(40);
        nodes_max_later: String = "nodes_max" => since(41) undocumented();
        nodes_min: String => until(40);
        nodes_min_later: String = "nodes_min" => since(41) undocumented();
        partition: Csv;
        qos: Csv;
        reason: Csv;
        reservation: Csv;
        reservation_id: Csv;
        state: Csv;
        step: Csv;
        timelimit_max: String => until(40);
        timelimit_max_later: String = "timelimit_max" => since(41) undocumented();
        timelimit_min: String => until(40);
        timelimit_min_later: String = "timelimit_min" => since(41) undocumented();
        end_time: Time;
        start_time: Time;
        submit_time: Time => until(40);
        submit_time_later: Time = "submit_time" => since(41) undocumented();
        node: String;
        users: Csv;
        wckey: Csv;
    }

    /// Parameters of a URL.
    DbdQosQuery = "dbd_qos_query" {
        description: Csv;
        include_deleted_qos: bool = "Include deleted QOS" => since(42) undescribed(40, 45);
        id: Csv;
        format: String => until(44) deprecated(43, 44);
        name: Csv;
        preempt_mode: Flags<words::QosPreemptModes>;
        with_deleted: bool => until(41);
    }

    /// Parameters of a URL.
    DbdSingleQosQuery = "dbd_single_qos_query" {
        with_deleted: bool;
    }

    /// Parameters of a URL.
    DbdUserQuery = "dbd_user_query" {
        with_deleted: bool;
        with_assocs: bool;
        with_coords: bool;
        with_wckeys: bool;
    }

    /// Parameters of a URL.
    DbdUsersQuery = "dbd_users_query" {
        admin_level: Flags<words::AdminLvl>;
        default_account: Csv;
        default_wckey: Csv;
        with_assocs: bool;
        with_coords: bool;
        with_deleted: bool;
        with_wckeys: bool;
        without_defaults: bool;
    }

    /// Parameters of a URL.
    DbdWckeysQuery = "dbd_wckeys_query" {
        cluster: Csv;
        format: String => until(44) deprecated(43, 44);
        id: Csv;
        name: Csv;
        only_defaults: bool;
        usage_end: Time;
        usage_start: Time;
        user: Csv;
        with_usage: bool;
        with_deleted: bool;
    }
}
