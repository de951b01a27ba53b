//! Nodes and licences.

use jobgate_slurm::objects::{AcctGatherEnergy, License, Node};
use jobgate_slurm::table::{Flags, Num};
use jobgate_slurm::version::Version;

use super::super::cluster::{LicenceView, NodeState, NodeView};
use super::job::given::{Amounts, mib, ranges};
use super::job::{int, time};

/// The machine that all logical nodes share, at this moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Machine {
    pub(super) architecture: String,
    pub(super) system: String,
    /// The name that it goes by, which is also its address.
    pub(super) host: String,
    /// Load of the last minute, in hundredths.
    pub(super) load: i32,
    /// MiB.
    pub(super) free: u64,
    /// When it was started, unix seconds.
    pub(super) booted: f64,
    /// When this process was, unix seconds.
    pub(super) started: f64,
}

impl Machine {
    /// What the kernel says.
    pub(super) fn look(host: &str, now: f64, started: f64) -> Self {
        let uname = rustix::system::uname();
        let info = rustix::system::sysinfo();
        let word = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
        let free = info.freeram.saturating_mul(u64::from(info.mem_unit.max(1)));
        Self {
            architecture: word(uname.machine()),
            system: format!("{} {} {}", word(uname.sysname()), word(uname.release()), word(uname.version())),
            host: host.to_owned(),
            // the kernel counts in 65536ths
            load: i32::try_from(info.loads[0] * 100 / 65_536).unwrap_or(i32::MAX),
            free: free >> 20,
            booted: now - info.uptime as f64,
            started,
        }
    }
}

/// A node as the controller shows it.
pub(super) fn node(view: &NodeView, machine: &Machine, cluster_version: Version) -> Node {
    let total = Amounts { cpus: view.cores, memory: mib(view.memory), nodes: 1, gpus: view.gpus };
    let used =
        Amounts { cpus: view.used_cores, memory: mib(view.used_memory), nodes: 1, gpus: view.used_gpus.len() as u64 };
    let idle = if view.state == NodeState::Down { 0 } else { view.cores.saturating_sub(view.used_cores) };
    Node {
        architecture: Some(machine.architecture.clone()),
        boards: Some(1),
        boot_time: Some(time(machine.booted)),
        cores: Some(int(view.cores)),
        cpu_load: Some(machine.load),
        free_mem: Some(Num::Set(machine.free)),
        cpus: Some(int(view.cores)),
        effective_cpus: Some(int(view.cores)),
        energy: Some(no_energy()),
        extra: Some(view.extra.clone()),
        features: Some(view.features.clone()),
        active_features: Some(view.features.clone()),
        gres: Some(view.gres.clone()),
        gres_drained: Some("N/A".into()),
        gres_used: Some(gres_used(view)),
        last_busy: Some(time(view.last_busy)),
        name: Some(view.name.clone()),
        next_state_after_reboot: Some(Flags::of(["INVALID"])),
        address: Some(machine.host.clone()),
        // as the original: clients take one for the other
        hostname: Some(view.name.clone()),
        state: Some(Flags::of(states(view))),
        operating_system: Some(machine.system.clone()),
        partitions: Some(view.partitions.clone()),
        real_memory: Some(mib(view.memory).cast_signed()),
        comment: Some(view.comment.clone()),
        reason: Some(view.reason.clone()),
        reason_changed_at: view.reason_at.map(time),
        reason_set_by_user: Some(view.reason_user.clone()),
        resume_after: view.resume_at.map(time),
        reservation: view.reservation.clone(),
        suspend_time: Some(Num::Infinite),
        alloc_memory: Some(mib(view.used_memory).cast_signed()),
        alloc_cpus: Some(int(view.used_cores)),
        alloc_idle_cpus: Some(int(idle)),
        tres_used: Some(used.used_text()),
        tres_weighted: Some(view.used_cores as f64),
        slurmd_start_time: Some(time(machine.started)),
        sockets: Some(1),
        threads: Some(1),
        weight: Some(int(view.weight)),
        tres: Some(total.node_text()),
        version: Some(cluster_version.release().to_string()),
        ..Node::default()
    }
}

pub(super) fn no_energy() -> AcctGatherEnergy {
    AcctGatherEnergy { current_watts: Some(Num::Set(0)), ..AcctGatherEnergy::default() }
}

fn states(view: &NodeView) -> Vec<&'static str> {
    let mut states = vec![match view.state {
        NodeState::Idle => "IDLE",
        NodeState::Mixed => "MIXED",
        NodeState::Allocated => "ALLOCATED",
        NodeState::Down => "DOWN",
    }];
    let flags = [
        (view.reservation.is_some() && !view.maintenance, "RESERVED"),
        (view.drained, "DRAIN"),
        (view.maintenance, "MAINTENANCE"),
        (view.planned, "PLANNED"),
    ];
    states.extend(flags.into_iter().filter(|(is, _)| *is).map(|(_, flag)| flag));
    states
}

/// `gpu:amd:1(IDX:0)`; of no GPU in use `gpu:amd:0(IDX:N/A)`.
fn gres_used(view: &NodeView) -> String {
    if view.gpus == 0 {
        return String::new();
    }
    let kind = view.gpu_type.as_deref().map(|kind| format!(":{kind}")).unwrap_or_default();
    let index = if view.used_gpus.is_empty() { "N/A".to_owned() } else { ranges(&view.used_gpus) };
    format!("gpu{kind}:{}(IDX:{index})", view.used_gpus.len())
}

/// A licence as the controller shows it.
pub(super) fn license(view: &LicenceView) -> License {
    License {
        license_name: Some(view.name.clone()),
        total: Some(int(view.total)),
        used: Some(int(view.used)),
        free: Some(int(view.total.saturating_sub(view.used))),
        remote: Some(false),
        reserved: Some(int(view.reserved)),
        ..License::default()
    }
}
