//! The configuration, in the terms of slurm.conf(5): what is true of this system, and Slurm's defaults where it has no such
//! thing.

use std::path::Path;

use jobgate_slurm::objects::{Controller, PortRange, SlurmConf};
use jobgate_slurm::table::{Flags, Num};

use super::super::cluster::{LicenceView, NodeView};
use super::ClusterSettings;
use super::job::int;
use super::users::User;
use crate::execute::supervise::GRACE;

/// Slurm's greatest job number.
pub(super) const GREATEST_JOB_ID: i32 = 0x03ff_0000;

/// The configuration of the cluster that the embedded batch system shows itself as.
pub(super) fn conf(
    settings: &ClusterSettings,
    state_dir: &Path,
    host: &str,
    own: &User,
    nodes: &[NodeView],
    licences: &[LicenceView],
) -> SlurmConf {
    let text = |text: &str| Some(text.to_owned());
    let list = |items: &[&str]| Some(items.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>());
    let gpus = nodes.iter().any(|node| node.gpus > 0);
    let uid = i32::try_from(own.uid).unwrap_or(i32::MAX);
    let mut tres = vec!["cpu", "mem", "energy", "node", "billing", "fs/disk", "vmem", "pages"];
    if gpus {
        tres.push("gres/gpu");
    }
    SlurmConf {
        accounting_storage_tres: list(&tres),
        accounting_storage_enforce: Some(Flags::of(settings.enforce.clone())),
        accounting_storage_host: text("localhost"),
        accounting_storage_type: text("accounting_storage/slurmdbd"),
        acct_gather_node_freq: Some(0),
        auth_alt_types: list(&["auth/jwt"]),
        auth_type: text("auth/jwt"),
        batch_start_timeout: Some(10),
        bcast_exclude: list(&["/lib", "/usr/lib", "/lib64", "/usr/lib64"]),
        cluster_name: Some(settings.name.clone()),
        complete_wait: Some(0),
        controllers: Some(vec![Controller { address: text(host), machine: text(host) }]),
        cpu_freq_def: text("Unknown"),
        eio_timeout: Some(60),
        enforce_part_limits: Some(Flags::of(["NO"])),
        epilog_msg_time: Some(2000),
        first_job_id: Some(1),
        fair_share_dampening_factor: Some(1),
        gres_types: Some(if gpus { vec!["gpu".to_owned()] } else { Vec::new() }),
        group_update_time: Some(600),
        group_update_force: Some(true),
        health_check_node_state: Some(Flags::of(["ANY"])),
        inactive_limit: Some(0),
        job_comp_host: text("localhost"),
        job_comp_user: text("root"),
        job_file_append: Some(false),
        job_requeue: Some(false),
        kill_on_bad_exit: Some(false),
        kill_wait: Some(int(GRACE.as_secs())),
        licenses: Some(licences.iter().map(|licence| format!("{}:{}", licence.name, licence.total)).collect()),
        log_time_format: text("iso8601_ms"),
        max_array_size: Some(int(settings.max_array_size)),
        max_batch_requeue: Some(5),
        max_dbdmsgs: Some(0),
        max_job_count: Some(i32::MAX),
        max_job_id: Some(GREATEST_JOB_ID),
        max_mem_per_cpu: Some(Num::Set(0)),
        max_node_count: Some(int(super::added::MOST_NODES as u64)),
        max_step_count: Some(40_000),
        max_tasks_per_node: Some(512),
        min_job_age: Some(int(settings.min_job_age)),
        message_timeout: Some(10),
        over_time_limit: Some(0),
        preempt_exempt_time: Some(Num::Set(0)),
        preempt_mode: Some(Flags::of(["DISABLED"])),
        priority_decay_half_life: text("7-00:00:00"),
        priority_calc_period: text("00:05:00"),
        priority_favor_small: Some(false),
        priority_max_age: text("7-00:00:00"),
        priority_usage_reset_period: text("NONE"),
        priority_type: text("priority/basic"),
        private_data: Some(if settings.private_jobs { Flags::of(["jobs"]) } else { Flags::default() }),
        proctrack_type: text("proctrack/linuxproc"),
        propagate_prio_process: text("off"),
        propagate_resource_limits: list(&["ALL"]),
        resume_rate: Some(300),
        resume_timeout: Some(60),
        return_to_service: text("all"),
        scheduler_time_slice: Some(30),
        scheduler_type: text("sched/backfill"),
        select_type: text("select/cons_tres"),
        select_type_parameters: Some(Flags::of(["CR_CORE_MEMORY"])),
        slurm_user_id: Some(uid),
        slurm_user: Some(own.login.clone()),
        slurmd_user_id: Some(uid),
        slurmd_user: Some(own.login.clone()),
        slurmctld_debug: text("info"),
        slurmctld_port_count: Some(1),
        slurmctld_timeout: Some(120),
        slurmd_debug: text("info"),
        slurmd_timeout: Some(300),
        srun_port_range: Some(PortRange { minimum: Some(0), maximum: Some(0), set: Some(false) }),
        state_save_location: Some(state_dir.to_string_lossy().into_owned()),
        suspend_rate: Some(60),
        suspend_time: Some(Num::Infinite),
        suspend_timeout: Some(30),
        tlstype: text("tls/none"),
        tcptimeout: Some(2),
        tmp_fs: text("/tmp"),
        topology_plugin: text("topology/flat"),
        tree_width: Some(16),
        unkillable_step_timeout: Some(60),
        vsize_factor: Some(0),
        wait_time: Some(0),
        ..SlurmConf::default()
    }
}
