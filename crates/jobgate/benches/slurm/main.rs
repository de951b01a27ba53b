//! Our figures beside those of a real slurmrestd, in the same run, with the same number of jobs.
//!
//! `cargo bench -p jobgate --bench slurm`. Options, after `--`: `--quick` shorter measurements and no 10,000 jobs;
//! `--only WORD` measurements whose name contains it; `--no-original` only ours; `--original-10000` lets slurmrestd list
//! 10,000 jobs, too (each listing takes it 20 s and 4 GB). `--site`: ours shows no embedded cluster, but the same real one as
//! slurmrestd, and it is counted how often the controller is asked while 1, 10 and 100 clients list its jobs.
//!
//! The original is a cluster of Debian's packages (24.11), made by `tests/cluster`, which takes root and `slurm-cluster` beside
//! the checkout. Both are asked in v0.0.42. Figures say what was seen; nothing is asserted. On a shared machine, look at the
//! server's CPU time per request.
#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "a program that prints figures")]

#[expect(dead_code, unused_imports, reason = "shared with the tests, which use all of it")]
#[path = "../../tests/it/fixture/mod.rs"]
mod fixture;

#[expect(dead_code, reason = "shared with the benchmark of psik, which uses all of it")]
#[path = "../peers/load.rs"]
mod load;
mod original;
mod requests;
mod server;
mod site;

use std::time::Duration;

use fixture::Cluster;
use fixture::slurm::Cluster as Embedded;
use load::memory_of;
use requests::Request;
use server::Server;
use site::Site;

/// What was asked for on the command line.
#[derive(Debug)]
struct Options {
    quick: bool,
    only: String,
    /// The original is measured, too, and lists up to so many jobs.
    original: Option<usize>,
    site: bool,
}

impl Options {
    fn time(&self) -> Duration {
        Duration::from_secs(if self.quick { 1 } else { 4 })
    }
}

/// One line of a table.
fn row(what: &str, ours: &str, theirs: &str) {
    println!("  {what:<44} {ours:<52} {theirs}");
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let only = arguments.iter().position(|argument| argument == "--only").and_then(|at| arguments.get(at + 1)).cloned();
    let options = Options {
        quick: has("--quick"),
        only: only.unwrap_or_default(),
        original: (!has("--no-original")).then_some(if has("--original-10000") { 10_000 } else { 1_000 }),
        site: has("--site"),
    };
    println!("load before: {}", std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());
    let real = if options.original.is_some() || options.site { Cluster::alone() } else { None };
    let theirs = real.as_ref().map(original::server);
    match (&real, &theirs) {
        (Some(real), Some(theirs)) if options.site => {
            let site = Site::start(real);
            compare(&options, &site.server(theirs), Some(theirs), |server, clients| {
                site.asked(server, clients, &options)
            });
        }
        _ if options.site => {}
        _ => {
            let embedded = Embedded::recorded();
            let nobody = |_: &Server, _| "-".to_owned();
            compare(&options, &Server::ours(&embedded), theirs.as_ref().filter(|_| options.original.is_some()), nobody);
        }
    }
}

/// The whole table. `asked`: how often a controller was asked while so many clients listed its jobs.
fn compare(options: &Options, ours: &Server, theirs: Option<&Server>, asked: impl Fn(&Server, usize) -> String) {
    row("", "jobgate", theirs.map_or("-", |_| "slurmrestd 24.11"));
    let counts: &[usize] = if options.quick { &[10, 1_000] } else { &[10, 1_000, 10_000] };
    for count in counts {
        stage(options, *count, ours, theirs);
        if options.site {
            for clients in [1, 10, 100] {
                // so many listings at once would take the original minutes, and all of the machine's memory
                let few = theirs.filter(|_| *count * clients <= 1_000);
                let name = format!("asked of the controller, {clients} clients");
                measure(options, &name, ours, few, |server| asked(server, clients));
            }
        }
    }
    for clients in [1, 8] {
        let name = format!("submit, {clients} clients");
        measure(options, &name, ours, theirs, |server| server.load(clients, options.time(), &Request::Submit));
    }
    memory(ours, theirs);
}

/// All measurements with so many jobs in the queue.
fn stage(options: &Options, count: usize, ours: &Server, theirs: Option<&Server>) {
    for server in std::iter::once(ours).chain(theirs) {
        server.fill(count);
    }
    println!("\n{count} held jobs");
    for (name, request, clients) in [
        ("ping", Request::Get("/ping"), 1),
        ("ping", Request::Get("/ping"), 8),
        ("nodes", Request::Get("/nodes"), 1),
        ("job", Request::OneJob, 1),
        ("job", Request::OneJob, 8),
        ("jobs/state", Request::Get("/jobs/state"), 1),
        ("jobs/state", Request::Get("/jobs/state"), 8),
    ] {
        let name = format!("{name}, {clients} clients");
        measure(options, &name, ours, theirs, |server| server.load(clients, options.time(), &request));
    }
    // a listing of 10,000 jobs takes the original 20 s: once is enough, if at all
    let listed = theirs.filter(|_| options.original.is_some_and(|most| count <= most));
    let time = |server: &Server| if server.is_ours() || count < 10_000 { options.time() } else { Duration::ZERO };
    for clients in [1, 8] {
        let eight = listed.filter(|_| clients == 1 || count < 10_000);
        measure(options, &format!("jobs, {clients} clients"), ours, eight, |server| {
            server.load(clients, time(server), &Request::Get("/jobs"))
        });
    }
    measure(options, "jobs, compressed, 1 clients", ours, None, |server| {
        server.load(1, options.time(), &Request::Compressed("/jobs"))
    });
    measure(options, "jobs, changed before each", ours, listed, |server| server.changing(time(server)));
    measure(options, "jobs, first byte", ours, listed, |server| server.first_byte(time(server)));
    memory(ours, theirs);
}

fn measure(options: &Options, name: &str, ours: &Server, theirs: Option<&Server>, how: impl Fn(&Server) -> String) {
    if name.contains(&options.only) {
        let we = how(ours);
        row(name, &we, &theirs.map_or_else(|| "-".to_owned(), how));
    }
}

fn memory(ours: &Server, theirs: Option<&Server>) {
    let show = |server: &Server| {
        let (now, most) = memory_of(server.process);
        format!("{now} MiB (most {most})")
    };
    row("memory", &show(ours), &theirs.map_or_else(|| "-".to_owned(), show));
}
