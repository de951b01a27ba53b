//! Answers: what each operation gives, around its objects.

use super::accounting::{
    Account, AccountShort, AccountsAddCond, Association, Cluster, Instance, Qos, Tres, User, UserShort, UsersAddCond,
    WcKey,
};
use super::conf::{SlurmConf, SlurmConfMeta, SlurmdbdConf};
use super::desc::{JobArrayResponseMsgEntry, JobSubmitResponseMsg, KillJobsRespJob};
use super::diag::{DbdPing, Diag, StatsRec};
use super::job::{Job, NodeResourceLayout};
use super::node::{ControllerPing, License, Node};
use super::outcomes::JobArrayResponseArray;
use super::partition::Partition;
use super::record::JobRecord;
use super::reservation::{Reservation, ReservationDesc};
use super::shares::SharesRespMsg;
use crate::table::{Time, object};

object! {
    /// `openapi_shares_resp` of the API.
    SharesResp = "openapi_shares_resp" {
        shares: SharesRespMsg => required(40, 45);
        meta: Meta;
        errors: Vec<ErrorEntry> => named("openapi_errors");
        warnings: Vec<WarningEntry> => named("openapi_warnings");
    }

    /// What is said about an answer and who asked.
    Meta = "openapi_meta" {
        plugin_type: String = "plugin/type";
        plugin_name: String = "plugin/name";
        plugin_data_parser: String = "plugin/data_parser";
        plugin_accounting_storage: String = "plugin/accounting_storage";
        client_source: String = "client/source";
        client_user: String = "client/user";
        client_group: String = "client/group";
        command: Vec<String> => named("string_array");
        slurm_version_major: String = "slurm/version/major";
        slurm_version_micro: String = "slurm/version/micro";
        slurm_version_minor: String = "slurm/version/minor";
        slurm_release: String = "slurm/release";
        slurm_cluster: String = "slurm/cluster";
    }

    /// One entry of `errors`.
    ErrorEntry = "openapi_error" {
        description: String;
        error_number: i32;
        error: String;
        source: String;
    }

    /// One entry of `warnings`.
    WarningEntry = "openapi_warning" {
        description: String;
        source: String;
    }

    /// An answer that says nothing but whether it worked.
    Plain = "openapi_resp" {
        removed_users: Vec<String> => undocumented();
        meta: Meta;
        errors: Vec<ErrorEntry> => named("openapi_errors");
        warnings: Vec<WarningEntry> => named("openapi_warnings");
    }

    /// `openapi_diag_resp` of the API.
    DiagResp = "openapi_diag_resp" {
        statistics: Diag => required(40, 45);
        meta: Meta;
        errors: Vec<ErrorEntry> => named("openapi_errors");
        warnings: Vec<WarningEntry> => named("openapi_warnings");
    }

    /// `openapi_ping_array_resp` of the API.
    PingArrayResp = "openapi_ping_array_resp" {
        pings: Vec<ControllerPing> => named("controller_ping_array") required(40, 45);
        meta: Meta;
        errors: Vec<ErrorEntry> => named("openapi_errors");
        warnings: Vec<WarningEntry> => named("openapi_warnings");
    }

    /// `openapi_licenses_resp` of the API.
    LicensesResp = "openapi_licenses_resp" {
        licenses: Vec<License> => named("licenses") required(40, 45);
        last_update: Time => required(40, 45);
        meta: Meta;
        errors: Vec<ErrorEntry> => named("openapi_errors");
        warnings: Vec<WarningEntry> => named("openapi_warnings");
    }

    /// `openapi_job_submit_response` of the API.
    JobSubmitResponse = "openapi_job_submit_response" {
        job_id: u32;
        step_id: String;
        job_submit_user_msg: String;
        meta: Meta;
        errors: Vec<ErrorEntry> => named("openapi_errors");
        warnings: Vec<WarningEntry> => named("openapi_warnings");
        result: JobSubmitResponseMsg => until(41) deprecated(41, 45);
    }

    /// `openapi_job_alloc_resp` of the API.
    JobAllocResp = "openapi_job_alloc_resp" {
        job_id: u32 => since(41);
        job_submit_user_msg: String => since(41);
        meta: Meta => since(41);
        errors: Vec<ErrorEntry> => since(41) named("openapi_errors");
        warnings: Vec<WarningEntry> => since(41) named("openapi_warnings");
    }

    /// `openapi_job_info_resp` of the API.
    JobInfoResp = "openapi_job_info_resp" {
        jobs: Vec<Job> => named("job_info_msg") required(40, 45);
        last_backfill: Time => required(40, 45);
        last_update: Time => required(40, 45);
        meta: Meta;
        errors: Vec<ErrorEntry> => named("openapi_errors");
        warnings: Vec<WarningEntry> => named("openapi_warnings");
    }

    /// `openapi_kill_jobs_resp` of the API.
    KillJobsResp = "openapi_kill_jobs_resp" {
        status: Vec<KillJobsRespJob> => named("kill_jobs_resp_msg") required(40, 45);
        meta: Meta;
        errors: Vec<ErrorEntry> => named("openapi_errors");
        warnings: Vec<WarningEntry> => named("openapi_warnings");
    }

    /// `openapi_job_post_response` of the API.
    JobPostResponse = "openapi_job_post_response" {
        results: Vec<JobArrayResponseMsgEntry> => named("job_array_response_array") nullable();
        meta: Meta;
        errors: Vec<ErrorEntry> => named("openapi_errors");
        warnings: Vec<WarningEntry> => named("openapi_warnings");
        job_id: String => until(41) deprecated(41, 45);
        step_id: String => until(41) deprecated(41, 45);
        job_submit_user_msg: String => until(41) deprecated(41, 45);
    }

    /// `openapi_kill_job_resp` of the API.
    KillJobResp = "openapi_kill_job_resp" {
        status: Vec<KillJobsRespJob> => since(42) named("kill_jobs_resp_msg") required(40, 45);
        meta: Meta => since(42);
        errors: Vec<ErrorEntry> => since(42) named("openapi_errors");
        warnings: Vec<WarningEntry> => since(42) named("openapi_warnings");
    }

    /// `openapi_job_requeue_resp` of the API.
    JobRequeueResp = "openapi_job_requeue_resp" {
        status: Vec<JobArrayResponseMsgEntry> => since(45) named("job_array_response_array") required(40, 45);
        meta: Meta => since(45);
        errors: Vec<ErrorEntry> => since(45) named("openapi_errors");
        warnings: Vec<WarningEntry> => since(45) named("openapi_warnings");
    }

    /// `openapi_jobs_requeue_resp` of the API.
    JobsRequeueResp = "openapi_jobs_requeue_resp" {
        status: Vec<JobArrayResponseArray> => since(45) named("job_array_response_msg_ptr_list") required(40, 45);
        meta: Meta => since(45);
        errors: Vec<ErrorEntry> => since(45) named("openapi_errors");
        warnings: Vec<WarningEntry> => since(45) named("openapi_warnings");
    }

    /// `openapi_nodes_resp` of the API.
    NodesResp = "openapi_nodes_resp" {
        nodes: Vec<Node> => named("nodes") required(40, 45);
        last_update: Time => required(40, 45);
        meta: Meta;
        errors: Vec<ErrorEntry> => named("openapi_errors");
        warnings: Vec<WarningEntry> => named("openapi_warnings");
    }

    /// `openapi_partition_resp` of the API.
    PartitionResp = "openapi_partition_resp" {
        partitions: Vec<Partition> => named("partition_info_msg") required(40, 45);
        last_update: Time => required(40, 45);
        meta: Meta;
        errors: Vec<ErrorEntry> => named("openapi_errors");
        warnings: Vec<WarningEntry> => named("openapi_warnings");
    }

    /// `openapi_reservation_resp` of the API.
    ReservationResp = "openapi_reservation_resp" {
        reservations: Vec<Reservation> => named("reservation_info_msg") required(40, 45);
        last_update: Time => required(40, 45);
        meta: Meta;
        errors: Vec<ErrorEntry> => named("openapi_errors");
        warnings: Vec<WarningEntry> => named("openapi_warnings");
    }

    /// `openapi_reservation_mod_resp` of the API.
    ReservationModResp = "openapi_reservation_mod_resp" {
        reservations: Vec<ReservationDesc> => since(43) named("reservation_desc_msg_list") required(40, 45);
        meta: Meta => since(43);
        errors: Vec<ErrorEntry> => since(43) named("openapi_errors");
        warnings: Vec<WarningEntry> => since(43) named("openapi_warnings");
    }

    /// `openapi_resource_layout_resp` of the API.
    ResourceLayoutResp = "openapi_resource_layout_resp" {
        nodes: Vec<NodeResourceLayout> => since(44) named("node_resource_layout_list") required(40, 45);
        meta: Meta => since(44);
        errors: Vec<ErrorEntry> => since(44) named("openapi_errors");
        warnings: Vec<WarningEntry> => since(44) named("openapi_warnings");
    }

    /// `openapi_conf_resp` of the API.
    ConfResp = "openapi_conf_resp" {
        slurm_conf: SlurmConf => since(45);
        slurm_conf_meta: SlurmConfMeta => since(45);
        meta: Meta => since(45);
        errors: Vec<ErrorEntry> => since(45) named("openapi_errors");
        warnings: Vec<WarningEntry> => since(45) named("openapi_warnings");
    }

    /// `openapi_slurmdbd_jobs_resp` of the API.
    DbdJobsResp = "openapi_slurmdbd_jobs_resp" {
        jobs: Vec<JobRecord> => named("job_list") required(40, 45);
        meta: Meta;
        errors: Vec<ErrorEntry> => named("openapi_errors");
        warnings: Vec<WarningEntry> => named("openapi_warnings");
    }

    /// `openapi_job_modify_resp` of the API.
    JobModifyResp = "openapi_job_modify_resp" {
        results: Vec<String> => since(44) named("string_list") required(40, 45);
        meta: Meta => since(44);
        errors: Vec<ErrorEntry> => since(44) named("openapi_errors");
        warnings: Vec<WarningEntry> => since(44) named("openapi_warnings");
    }

    /// `openapi_slurmdbd_config_resp` of the API.
    DbdConfigResp = "openapi_slurmdbd_config_resp" {
        clusters: Vec<Cluster> => named("cluster_rec_list");
        tres: Vec<Tres> => named("tres_list");
        accounts: Vec<Account> => named("account_list");
        users: Vec<User> => named("user_list");
        qos: Vec<Qos> => named("qos_list");
        wckeys: Vec<WcKey> => named("wckey_list");
        associations: Vec<Association> => named("assoc_list");
        meta: Meta;
        errors: Vec<ErrorEntry> => named("openapi_errors");
        warnings: Vec<WarningEntry> => named("openapi_warnings");
        instances: Vec<Instance> => until(44) named("instance_list") deprecated(43, 45) undescribed(43, 45);
    }

    /// `openapi_slurmdbd_conf_resp` of the API.
    DbdConfResp = "openapi_slurmdbd_conf_resp" {
        slurmdbd_conf: SlurmdbdConf => since(45) required(40, 45);
        meta: Meta => since(45);
        errors: Vec<ErrorEntry> => since(45) named("openapi_errors");
        warnings: Vec<WarningEntry> => since(45) named("openapi_warnings");
    }

    /// `openapi_tres_resp` of the API.
    TresResp = "openapi_tres_resp" {
        tres: Vec<Tres> = "TRES" => named("tres_list") required(40, 45);
        meta: Meta;
        errors: Vec<ErrorEntry> => named("openapi_errors");
        warnings: Vec<WarningEntry> => named("openapi_warnings");
    }

    /// `openapi_slurmdbd_qos_resp` of the API.
    DbdQosResp = "openapi_slurmdbd_qos_resp" {
        qos: Vec<Qos> => named("qos_list") required(40, 45);
        meta: Meta;
        errors: Vec<ErrorEntry> => named("openapi_errors");
        warnings: Vec<WarningEntry> => named("openapi_warnings");
    }

    /// `openapi_slurmdbd_qos_removed_resp` of the API.
    DbdQosRemovedResp = "openapi_slurmdbd_qos_removed_resp" {
        removed_qos: Vec<String> => named("string_list") required(40, 45);
        meta: Meta;
        errors: Vec<ErrorEntry> => named("openapi_errors");
        warnings: Vec<WarningEntry> => named("openapi_warnings");
    }

    /// `openapi_assocs_resp` of the API.
    AssocsResp = "openapi_assocs_resp" {
        associations: Vec<Association> => named("assoc_list") required(40, 45);
        meta: Meta;
        errors: Vec<ErrorEntry> => named("openapi_errors");
        warnings: Vec<WarningEntry> => named("openapi_warnings");
    }

    /// `openapi_assocs_removed_resp` of the API.
    AssocsRemovedResp = "openapi_assocs_removed_resp" {
        removed_associations: Vec<String> => named("string_list") required(40, 45);
        meta: Meta;
        errors: Vec<ErrorEntry> => named("openapi_errors");
        warnings: Vec<WarningEntry> => named("openapi_warnings");
    }

    /// `openapi_instances_resp` of the API.
    InstancesResp = "openapi_instances_resp" {
        instances: Vec<Instance> => named("instance_list") required(40, 45);
        meta: Meta;
        errors: Vec<ErrorEntry> => named("openapi_errors");
        warnings: Vec<WarningEntry> => named("openapi_warnings");
    }

    /// `openapi_users_resp` of the API.
    UsersResp = "openapi_users_resp" {
        users: Vec<User> => named("user_list") required(40, 45);
        meta: Meta;
        errors: Vec<ErrorEntry> => named("openapi_errors");
        warnings: Vec<WarningEntry> => named("openapi_warnings");
    }

    /// `openapi_users_add_cond_resp_str` of the API.
    UsersAddCondRespStr = "openapi_users_add_cond_resp_str" {
        added_users: String => required(40, 45);
        meta: Meta;
        errors: Vec<ErrorEntry> => named("openapi_errors");
        warnings: Vec<WarningEntry> => named("openapi_warnings");
    }

    /// `openapi_users_add_cond_resp` of the API.
    UsersAddCondResp = "openapi_users_add_cond_resp" {
        association_condition: UsersAddCond => required(40, 45);
        user: UserShort => required(40, 45);
        meta: Meta;
        errors: Vec<ErrorEntry> => named("openapi_errors");
        warnings: Vec<WarningEntry> => named("openapi_warnings");
    }

    /// `openapi_clusters_removed_resp` of the API.
    ClustersRemovedResp = "openapi_clusters_removed_resp" {
        deleted_clusters: Vec<String> => named("string_list") required(40, 45);
        meta: Meta;
        errors: Vec<ErrorEntry> => named("openapi_errors");
        warnings: Vec<WarningEntry> => named("openapi_warnings");
    }

    /// `openapi_clusters_resp` of the API.
    ClustersResp = "openapi_clusters_resp" {
        clusters: Vec<Cluster> => named("cluster_rec_list") required(40, 45);
        meta: Meta;
        errors: Vec<ErrorEntry> => named("openapi_errors");
        warnings: Vec<WarningEntry> => named("openapi_warnings");
    }

    /// `openapi_wckey_removed_resp` of the API.
    WcKeyRemovedResp = "openapi_wckey_removed_resp" {
        deleted_wckeys: Vec<String> => named("string_list") required(40, 45);
        meta: Meta;
        errors: Vec<ErrorEntry> => named("openapi_errors");
        warnings: Vec<WarningEntry> => named("openapi_warnings");
    }

    /// `openapi_wckey_resp` of the API.
    WcKeyResp = "openapi_wckey_resp" {
        wckeys: Vec<WcKey> => named("wckey_list") required(40, 45);
        meta: Meta;
        errors: Vec<ErrorEntry> => named("openapi_errors");
        warnings: Vec<WarningEntry> => named("openapi_warnings");
    }

    /// `openapi_accounts_removed_resp` of the API.
    AccountsRemovedResp = "openapi_accounts_removed_resp" {
        removed_accounts: Vec<String> => named("string_list") required(40, 45);
        meta: Meta;
        errors: Vec<ErrorEntry> => named("openapi_errors");
        warnings: Vec<WarningEntry> => named("openapi_warnings");
    }

    /// `openapi_accounts_resp` of the API.
    AccountsResp = "openapi_accounts_resp" {
        accounts: Vec<Account> => named("account_list") required(40, 45);
        meta: Meta;
        errors: Vec<ErrorEntry> => named("openapi_errors");
        warnings: Vec<WarningEntry> => named("openapi_warnings");
    }

    /// `openapi_accounts_add_cond_resp_str` of the API.
    AccountsAddCondRespStr = "openapi_accounts_add_cond_resp_str" {
        added_accounts: String => required(40, 45);
        meta: Meta;
        errors: Vec<ErrorEntry> => named("openapi_errors");
        warnings: Vec<WarningEntry> => named("openapi_warnings");
    }

    /// `openapi_accounts_add_cond_resp` of the API.
    AccountsAddCondResp = "openapi_accounts_add_cond_resp" {
        association_condition: AccountsAddCond => required(44, 45);
        account: AccountShort;
        meta: Meta;
        errors: Vec<ErrorEntry> => named("openapi_errors");
        warnings: Vec<WarningEntry> => named("openapi_warnings");
    }

    /// `openapi_slurmdbd_stats_resp` of the API.
    DbdStatsResp = "openapi_slurmdbd_stats_resp" {
        statistics: StatsRec => required(40, 45);
        meta: Meta;
        errors: Vec<ErrorEntry> => named("openapi_errors");
        warnings: Vec<WarningEntry> => named("openapi_warnings");
    }

    /// `openapi_slurmdbd_ping_resp` of the API.
    DbdPingResp = "openapi_slurmdbd_ping_resp" {
        pings: Vec<DbdPing> => since(42) named("slurmdbd_ping_array") required(40, 45);
        meta: Meta => since(42);
        errors: Vec<ErrorEntry> => since(42) named("openapi_errors");
        warnings: Vec<WarningEntry> => since(42) named("openapi_warnings");
    }

    /// `openapi_hostnames_req_resp` of the API.
    HostnamesReqResp = "openapi_hostnames_req_resp" {
        hostnames: Vec<String> => since(44) named("hostlist_string") required(40, 45);
        meta: Meta => since(44);
        errors: Vec<ErrorEntry> => since(44) named("openapi_errors");
        warnings: Vec<WarningEntry> => since(44) named("openapi_warnings");
    }

    /// `openapi_hostlist_req_resp` of the API.
    HostlistReqResp = "openapi_hostlist_req_resp" {
        hostlist: String => since(44) required(40, 45);
        meta: Meta => since(44);
        errors: Vec<ErrorEntry> => since(44) named("openapi_errors");
        warnings: Vec<WarningEntry> => since(44) named("openapi_warnings");
    }
}
