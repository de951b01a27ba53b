//! Our gateway in front of a real cluster.

use crate::Options;
use crate::fixture::{Cluster, Gateway, Home};
use crate::original::day_token;
use crate::requests::Request;
use crate::server::Server;

/// The gateway, and the cluster that it shows.
#[derive(Debug)]
pub(crate) struct Site<'a> {
    cluster: &'a Cluster,
    gateway: Gateway,
    /// Where it keeps its state.
    _home: Home,
}

impl<'a> Site<'a> {
    /// Starts it. Whose tokens count is asked of the controller.
    pub(crate) fn start(cluster: &'a Cluster) -> Self {
        let toml = format!(
            "[server]\nauthz = \"tokens\"\n[slurm]\ncluster = \"testcl\"\n[slurm.controller]\naddresses = [\"{}\"]\n\
             [slurm.accounting]\nslurmrestd = \"http://{}\"\n\
             [slurm.users]\nalice = {{ uid = 2001, gid = 2001 }}\n",
            cluster.controller, cluster.slurmrestd
        );
        let home = Home::with_settings(&toml);
        Self { cluster, gateway: Gateway::start(&home), _home: home }
    }

    /// As it is measured: with the same jobs as the original.
    pub(crate) fn server(&self, original: &Server) -> Server {
        let token = day_token(self.cluster);
        Server::new(true, self.gateway.address, token, self.gateway.child.id()).beside(original)
    }

    /// How often the controller was asked while so many clients listed all jobs.
    pub(crate) fn asked(&self, server: &Server, clients: usize, options: &Options) -> String {
        let before = self.requests();
        let figures = server.load(clients, options.time(), &Request::Get("/jobs"));
        format!("{:>7} times in {:?}; {}", self.requests() - before, options.time(), figures.trim())
    }

    /// The requests that the controller has counted, but for those of the one who asks for the number.
    fn requests(&self) -> u64 {
        let said = self.cluster.ok("root", &["sdiag"]);
        let kinds =
            said.split("by message type").nth(1).and_then(|rest| rest.split("by user").next()).unwrap_or_default();
        let count = |line: &str| line.split("count:").nth(1)?.split_whitespace().next()?.parse::<u64>().ok();
        kinds.lines().filter(|line| !line.contains("REQUEST_STATS_INFO")).filter_map(count).sum()
    }
}
