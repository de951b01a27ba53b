//! The configuration.

use crate::objects::{Controller, JobDefaults, PortRange, SlurmConf, SlurmConfMeta};
use crate::rpc::codec::{Text, num16, num32, num64};
use crate::rpc::words::{self, conf};
use crate::rpc::{Protocol, records};
use crate::table::Num;
use crate::time::TimeLimit;

use super::{csv, int, wide};

/// The bit of an amount of memory that says that it is for each CPU.
const PER_CPU: u64 = 1 << 63;

/// What has to be known of a cluster before it is asked for anything else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    /// Its name (`ClusterName`).
    pub cluster: String,
    /// The release of the controller: `24.11.5`.
    pub release: String,
    /// What is not shown to everybody.
    pub private: Private,
    /// What labels jobs and nodes, so that not everybody may see all of them (`MCSPlugin`); empty: nothing does.
    pub labels: String,
    /// When the controller was started, or has read its configuration again, unix seconds: it starts itself anew for that, and keeps
    /// its jobs.
    pub boot_time: u64,
    /// When its configuration changed last, unix seconds.
    pub last_update: u64,
    /// The number that the next job will get.
    pub next_job_id: u32,
    /// Ended jobs are known for so many seconds (`MinJobAge`); 0: for good.
    pub min_job_age: u32,
}

/// What is not shown to everybody (`PrivateData`): then only to whom it belongs, and to operators and administrators.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Private(u16);

impl Private {
    /// Jobs and their steps.
    pub fn jobs(self) -> bool {
        self.has(0)
    }

    /// Nodes.
    pub fn nodes(self) -> bool {
        self.has(1)
    }

    /// Partitions.
    pub fn partitions(self) -> bool {
        self.has(2)
    }

    /// What was used, in accounting; and with it the shares of others.
    pub fn usage(self) -> bool {
        self.has(3)
    }

    /// Reservations.
    pub fn reservations(self) -> bool {
        self.has(6)
    }

    fn has(self, bit: u32) -> bool {
        self.0 >> bit & 1 == 1
    }
}

pub(in crate::rpc) fn outline(record: &records::Configuration<'_>) -> Outline {
    Outline {
        cluster: record.cluster_name.string().unwrap_or_default(),
        release: record.version.string().unwrap_or_default(),
        private: Private(record.private_data),
        labels: record.mcsplugin.string().filter(|name| name != "none" && name != "mcs/none").unwrap_or_default(),
        boot_time: record.boot_time,
        last_update: record.last_update,
        next_job_id: record.next_job_id,
        min_job_age: record.min_job_age,
    }
}

/// The configuration as the API shows it. What the protocol does not carry is not shown: keep-alive, certificates' plugins,
/// and the like.
pub(in crate::rpc) fn config(record: &records::Configuration<'_>, protocol: Protocol) -> SlurmConf {
    // before 25.11 there was one time limit for both
    let (prolog_timeout, epilog_timeout) = match protocol {
        Protocol::V24_11 => (num16(record.prolog_epilog_timeout), num16(record.prolog_epilog_timeout)),
        Protocol::V25_11 | Protocol::V26_05 => (num16(record.prolog_timeout), num16(record.epilog_timeout)),
    };
    let is_linear = record.select_type.get().is_some_and(|plugin| plugin == "select/linear");
    let selection = match record.select_type_parameters {
        bits_set if is_linear && protocol < Protocol::V25_11 => words::selection(bits_set),
        bits_set => bits_set,
    };
    let controller =
        |(name, address): (&Text<'_>, &Text<'_>)| Controller { address: address.string(), machine: name.string() };
    let controllers = record.controller_names.iter().zip(&record.controller_addresses).map(controller).collect();
    SlurmConf {
        accounting_storage_enforce: Some(conf::enforced(record.accounting_storage_enforce)),
        accounting_storage_backup_host: record.accounting_storage_backup_host.string(),
        accounting_storage_host: record.accounting_storage_host.string(),
        accounting_storage_external_host: record.accounting_storage_external_host.string(),
        accounting_storage_parameters: csv(record.accounting_storage_parameters),
        accounting_storage_port: int(record.accounting_storage_port),
        accounting_storage_tres: csv(record.accounting_storage_tres),
        accounting_storage_type: record.accounting_storage_type.string(),
        acct_gather_energy_type: csv(record.acct_gather_energy_type),
        acct_gather_filesystem_type: record.acct_gather_filesystem_type.string(),
        acct_gather_interconnect_type: record.acct_gather_interconnect_type.string(),
        acct_gather_node_freq: int(record.acct_gather_node_freq),
        acct_gather_profile_type: record.acct_gather_profile_type.string(),
        auth_alt_types: csv(record.auth_alt_types),
        auth_alt_parameters: record.auth_alt_parameters.string(),
        auth_info: record.auth_info.string(),
        auth_type: record.auth_type.string(),
        batch_start_timeout: int(record.batch_start_timeout),
        burst_buffer_type: record.burst_buffer_type.string(),
        bcast_exclude: csv(record.bcast_exclude),
        bcast_parameters: csv(record.bcast_parameters),
        certmgr_parameters: record.certmgr_parameters.string(),
        certmgr_type: record.certmgr_type.string(),
        cli_filter_parameters: csv(record.cli_filter_parameters),
        cli_filter_plugins: csv(record.cli_filter_plugins),
        cluster_name: record.cluster_name.string(),
        communication_parameters: csv(record.communication_parameters),
        complete_wait: int(record.complete_wait),
        conf_flags: Some(conf::flags(record.flags)),
        communication_parameters_flags: Some(conf::communication(record.flags)),
        accounting_store_flags: Some(conf::stored(record.flags)),
        slurmd_parameters_flags: Some(conf::node_daemons(record.flags)),
        cpu_freq_def: Some(conf::frequency(record.cpu_freq_def)),
        cpu_freq_governors: Some(conf::governors(record.cpu_freq_governors)),
        cred_type: record.cred_type.string(),
        data_parser_parameters: record.data_parser_parameters.string(),
        def_mem_per_cpu: Some(per_cpu(record.def_mem_per_cpu)),
        debug_flags: Some(conf::debug(record.debug_flags)),
        dependency_parameters: csv(record.dependency_parameters),
        eio_timeout: int(record.eio_timeout),
        enforce_part_limits: Some(conf::part_limits(record.enforce_part_limits)),
        epilog_msg_time: int(record.epilog_msg_time),
        epilog_timeout: Some(epilog_timeout),
        federation_parameters: csv(record.federation_parameters),
        first_job_id: int(record.first_job_id),
        fair_share_dampening_factor: int(record.fair_share_dampening_factor),
        gres_types: csv(record.gres_types),
        group_update_time: int(record.group_update_time),
        group_update_force: Some(record.group_update_force != 0),
        gpu_freq_def: record.gpu_freq_def.string(),
        hash_plugin: record.hash_plugin.string(),
        health_check_interval: int(record.health_check_interval),
        health_check_node_state: Some(conf::health(record.health_check_node_state)),
        health_check_program: record.health_check_program.string(),
        http_parser_type: record.http_parser_type.string(),
        inactive_limit: int(record.inactive_limit),
        interactive_step_options: record.interactive_step_options.string(),
        job_acct_gather_frequency: csv(record.job_acct_gather_frequency),
        job_acct_gather_type: record.job_acct_gather_type.string(),
        job_acct_gather_params: csv(record.job_acct_gather_params),
        job_comp_host: record.job_comp_host.string(),
        job_comp_loc: record.job_comp_loc.string(),
        job_comp_params: record.job_comp_params.string(),
        job_comp_port: int(record.job_comp_port),
        job_comp_type: record.job_comp_type.string(),
        job_comp_user: record.job_comp_user.string(),
        namespace_type: either(record.namespace_type, record.job_container_type),
        job_file_append: Some(record.job_file_append != 0),
        job_requeue: Some(record.job_requeue != 0),
        job_submit_plugins: csv(record.job_submit_plugins),
        kill_on_bad_exit: Some(record.kill_on_bad_exit != 0),
        kill_wait: int(record.kill_wait),
        launch_parameters: csv(record.launch_parameters),
        licenses: csv(record.licenses),
        log_time_format: conf::log_time(record.log_time_format),
        max_array_size: int(record.max_array_size),
        max_batch_requeue: int(record.max_batch_requeue),
        max_dbdmsgs: int(record.max_dbdmsgs),
        mail_domain: record.mail_domain.string(),
        mail_prog: record.mail_prog.string(),
        max_job_count: int(record.max_job_count),
        max_job_id: int(record.max_job_id),
        max_mem_per_cpu: Some(per_node(record.max_mem_per_cpu)),
        max_node_count: int(record.max_node_count),
        max_step_count: int(record.max_step_count),
        max_tasks_per_node: int(record.max_tasks_per_node),
        mcsplugin: record.mcsplugin.string(),
        mcsparameters: csv(record.mcsparameters),
        metrics_type: record.metrics_type.string(),
        min_job_age: int(record.min_job_age),
        mpi_default: record.mpi_default.string(),
        mpi_params: csv(record.mpi_params),
        message_timeout: int(record.message_timeout),
        node_features_plugins: csv(record.node_features_plugins),
        over_time_limit: int(record.over_time_limit),
        plugin_dir: record.plugin_dir.string(),
        plug_stack_config: record.plug_stack_config.string(),
        preempt_mode: Some(conf::preempt(record.preempt_mode)),
        preempt_parameters: csv(record.preempt_parameters),
        preempt_type: record.preempt_type.string(),
        preempt_exempt_time: Some(num32(record.preempt_exempt_time)),
        pr_ep_parameters: record.pr_ep_parameters.string(),
        pr_ep_plugins: csv(record.pr_ep_plugins),
        priority_decay_half_life: seconds(record.priority_decay_half_life),
        priority_calc_period: seconds(record.priority_calc_period),
        priority_favor_small: Some(record.priority_favor_small != 0),
        priority_flags: Some(conf::priority(record.priority_flags)),
        priority_max_age: seconds(record.priority_max_age),
        priority_parameters: record.priority_parameters.string(),
        priority_usage_reset_period: conf::reset_period(record.priority_usage_reset_period),
        priority_type: record.priority_type.string(),
        priority_weight_age: int(record.priority_weight_age),
        priority_weight_assoc: int(record.priority_weight_assoc),
        priority_weight_fairshare: int(record.priority_weight_fairshare),
        priority_weight_job_size: int(record.priority_weight_job_size),
        priority_weight_partition: int(record.priority_weight_partition),
        priority_weight_qos: int(record.priority_weight_qos),
        priority_weight_tres: record.priority_weight_tres.string(),
        private_data: Some(conf::private(record.private_data)),
        proctrack_type: record.proctrack_type.string(),
        prolog_timeout: Some(prolog_timeout),
        prolog_flags: Some(conf::prolog(record.prolog_flags)),
        propagate_prio_process: conf::propagate(record.propagate_prio_process),
        propagate_resource_limits: csv(record.propagate_resource_limits),
        propagate_resource_limits_except: csv(record.propagate_resource_limits_except),
        reboot_program: record.reboot_program.string(),
        reconfig_flags: Some(conf::reconfigure(record.reconfig_flags)),
        requeue_exit: csv(record.requeue_exit),
        requeue_exit_hold: csv(record.requeue_exit_hold),
        resume_fail_program: record.resume_fail_program.string(),
        resume_program: record.resume_program.string(),
        resume_rate: int(record.resume_rate),
        resume_timeout: int(record.resume_timeout),
        resv_epilog: record.resv_epilog.string(),
        resv_over_run: int(record.resv_over_run),
        resv_prolog: record.resv_prolog.string(),
        return_to_service: conf::return_to_service(record.return_to_service),
        scheduler_parameters: csv(record.scheduler_parameters),
        slurm_sched_log_file: record.slurm_sched_log_file.string(),
        slurm_sched_log_level: int(record.slurm_sched_log_level),
        scheduler_time_slice: int(record.scheduler_time_slice),
        scheduler_type: record.scheduler_type.string(),
        scron_parameters: csv(record.scron_parameters),
        select_type: record.select_type.string(),
        select_type_parameters: Some(conf::selection(selection)),
        slurm_user_id: int(record.slurm_user_id),
        slurm_user: record.slurm_user.string(),
        slurmd_user_id: int(record.slurmd_user_id),
        slurmd_user: record.slurmd_user.string(),
        slurmctld_addr: record.slurmctld_addr.string(),
        slurmctld_debug: conf::log_level(record.slurmctld_debug),
        slurmctld_log_file: record.slurmctld_log_file.string(),
        slurmctld_parameters: csv(record.slurmctld_parameters),
        slurmctld_pid_file: record.slurmctld_pid_file.string(),
        slurmctld_port: int(record.slurmctld_port),
        slurmctld_port_count: int(record.slurmctld_port_count),
        slurmctld_primary_off_prog: record.slurmctld_primary_off_prog.string(),
        slurmctld_primary_on_prog: record.slurmctld_primary_on_prog.string(),
        slurmctld_syslog_debug: conf::log_level(record.slurmctld_syslog_debug),
        slurmctld_timeout: int(record.slurmctld_timeout),
        slurmd_debug: conf::log_level(record.slurmd_debug),
        slurmd_log_file: record.slurmd_log_file.string(),
        slurmd_parameters: csv(record.slurmd_parameters),
        slurmd_pid_file: record.slurmd_pid_file.string(),
        slurmd_port: int(record.slurmd_port),
        slurmd_spool_dir: record.slurmd_spool_dir.string(),
        slurmd_syslog_debug: conf::log_level(record.slurmd_syslog_debug),
        slurmd_timeout: int(record.slurmd_timeout),
        srun_epilog: record.srun_epilog.string(),
        srun_prolog: record.srun_prolog.string(),
        state_save_location: record.state_save_location.string(),
        suspend_exc_nodes: csv(record.suspend_exc_nodes),
        suspend_exc_parts: csv(record.suspend_exc_parts),
        suspend_exc_states: csv(record.suspend_exc_states),
        suspend_program: record.suspend_program.string(),
        suspend_rate: int(record.suspend_rate),
        suspend_time: Some(num32(record.suspend_time)),
        suspend_timeout: int(record.suspend_timeout),
        switch_parameters: csv(record.switch_parameters),
        switch_type: record.switch_type.string(),
        task_epilog: record.task_epilog.string(),
        task_prolog: record.task_prolog.string(),
        task_plugin: csv(record.task_plugin),
        task_plugin_param: Some(conf::task_plugin(record.task_plugin_param)),
        tcptimeout: int(record.tcptimeout),
        tlsparameters: csv(record.tlsparameters),
        tlstype: record.tlstype.string(),
        tmp_fs: record.tmp_fs.string(),
        topology_param: csv(record.topology_param),
        topology_plugin: record.topology_plugin.string(),
        tree_width: int(record.tree_width),
        unkillable_step_program: record.unkillable_step_program.string(),
        unkillable_step_timeout: int(record.unkillable_step_timeout),
        url_parser_type: record.url_parser_type.string(),
        vsize_factor: int(record.vsize_factor),
        wait_time: int(record.wait_time),
        x11_parameters: csv(record.x11_parameters),
        health_check_timeout: int(record.health_check_timeout),
        license_parameters: csv(record.license_parameters),
        metrics_auth_users: csv(record.metrics_auth_users),
        metrics_parameters: csv(record.metrics_parameters),
        slurmctld_http_auth_params: csv(record.slurmctld_http_auth_params),
        slurmd_http_auth_params: csv(record.slurmd_http_auth_params),
        controllers: Some(controllers),
        epilog: texts(&record.epilog),
        epilog_slurmctld: texts(&record.epilog_slurmctld),
        prolog: texts(&record.prolog),
        prolog_slurmctld: texts(&record.prolog_slurmctld),
        job_defaults: Some(record.job_defaults.iter().flatten().map(job_default).collect()),
        srun_port_range: Some(ports(record)),
        ..SlurmConf::default()
    }
}

/// What is said about the configuration.
pub(in crate::rpc) fn config_meta(record: &records::Configuration<'_>) -> SlurmConfMeta {
    SlurmConfMeta {
        last_update: wide(record.last_update),
        boot_time: wide(record.boot_time),
        // neither version carries it
        cluster_id: Some(Num::Set(0)),
        hash_value: Some(record.hash_value),
        next_job_id: Some(num32(record.next_job_id)),
        slurm_conf: record.file.string(),
        slurm_version: record.version.string(),
    }
}

fn per_cpu(amount: u64) -> Num<u64> {
    if amount & PER_CPU == 0 { Num::Unset } else { num64(amount & !PER_CPU) }
}

fn per_node(amount: u64) -> Num<u64> {
    if amount & PER_CPU == 0 { num64(amount) } else { Num::Unset }
}

#[expect(clippy::unnecessary_wraps, reason = "as the tables have it")]
fn seconds(seconds: u32) -> Option<String> {
    let limit = if seconds == u32::MAX { TimeLimit::Unlimited } else { TimeLimit::Seconds(seconds.into()) };
    Some(limit.to_string())
}

#[expect(clippy::unnecessary_wraps, reason = "as the tables have it")]
fn texts(texts: &[Text<'_>]) -> Option<Vec<String>> {
    Some(texts.iter().map(|text| text.string().unwrap_or_default()).collect())
}

fn either(one: Text<'_>, other: Text<'_>) -> Option<String> {
    one.string().or_else(|| other.string())
}

fn job_default(record: &records::JobDefault) -> JobDefaults {
    JobDefaults { kind: Some(conf::job_default(record.kind)), value: wide(record.value) }
}

fn ports(record: &records::Configuration<'_>) -> PortRange {
    let (minimum, maximum) = (record.srun_port_minimum, record.srun_port_maximum);
    let set = minimum > 0 && maximum > 0;
    let shown = |port: u16| int(if set { port } else { 0 });
    PortRange { minimum: shown(minimum), maximum: shown(maximum), set: Some(set) }
}
