//! The two public guides to Slurm's REST interface on a real cluster, with a gateway in slurmrestd's place.

use std::fs;

use crate::fixture::home::run;
use crate::fixture::peer::Peer;
use crate::fixture::{Cluster, Gateway, Home};
use crate::live_gateway::gateway;
use crate::slurm_guides::{all_steps, guide, runs_with_a_generated_client};

fn guided() -> Option<(Cluster, Gateway, Home)> {
    let cluster = Cluster::alone()?;
    let accounting = format!("[slurm.accounting]\nslurmrestd = \"{}\"", cluster.slurmrestd);
    let (gateway, home) = gateway(&cluster, &accounting);
    Some((cluster, gateway, home))
}

#[test]
fn the_notebook_runs_as_it_stands() {
    let (Some(guide), Some(python)) = (guide("slurm_notebook_check.py"), Peer::get("slurm")) else { return };
    let Some((cluster, gateway, home)) = guided() else { return };
    let mut command = python.command(&home, "python");
    command.arg(guide).arg(gateway.url(""));
    // the cluster knows this key by its JWKS
    all_steps(&run(command.arg(cluster.etc("rs256.pem")).arg(cluster.etc("rs256.kid"))), 15);
}

#[test]
fn a_generated_client_runs_the_guide() {
    let Some(guide) = guide("slurm_client_check.py") else { return };
    let Some((cluster, gateway, home)) = guided() else { return };
    let token = cluster.token("root");
    let guide = fs::read_to_string(guide).unwrap();
    runs_with_a_generated_client(&home, (&gateway, ""), ("v0.0.43", &guide), &token);
}

#[test]
fn a_generated_client_runs_it_at_a_further_cluster() {
    let Some(guide) = guide("slurm_client_check.py") else { return };
    let Some(cluster) = Cluster::alone() else { return };
    let home = Home::with_settings(&format!(
        "[slurm.clusters.far]\ncontroller = {{ addresses = [\"{}\"] }}\naccounting = {{ slurmrestd = \"{}\" }}\n",
        cluster.controller, cluster.slurmrestd
    ));
    let gateway = Gateway::start(&home);
    let (token, guide) = (cluster.token("root"), fs::read_to_string(guide).unwrap());
    runs_with_a_generated_client(&home, (&gateway, "/cluster/far"), ("v0.0.43", &guide), &token);
}
