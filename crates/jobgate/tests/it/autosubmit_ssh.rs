//! What Autosubmit is told over SSH: by the original's runners and by ours, through the same `sshd`, with a virtual environment and
//! with real environment modules.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use jobgate_autosubmit::expid::Expid;
use jobgate_autosubmit::runners::{Loader, NewExperiment, NewJobList, Runner, StatusChange};
use serde_json::json;

use crate::fixture::experiments::Experiments;
use crate::fixture::skip;
use crate::fixture::sshd::{Sshd, user};

/// Where Debian has what makes `module` known to a shell.
const MODULES: &str = "/usr/share/modules/init/bash";
/// In Autosubmit's place: it notes its arguments, each in brackets, and runs until it is stopped, or begins again.
const STAND_IN: &str = r#"#!/bin/sh
for argument; do printf '<%s>' "$argument"; done >>"$NOTED"
echo >>"$NOTED"
case $1 in
  expid) echo 'Experiment a007 created' ;;
  run) kill "$(cat "$NOTED.pid")" 2>/dev/null; echo $$ >"$NOTED.pid"; exec sleep 600 ;;
  stop) read answer; echo "$answer" >"$NOTED.answer"; kill "$(cat "$NOTED.pid")" ;;
esac
"#;
/// What no shell may take apart: our words, and the original's `shlex.quote`.
const TRICKY: &str = r#"it's "x"; $(id) `id` \ *"#;
const THEIRS: &str = r#"
import asyncio, json, sys
from autosubmit_api.config.basicConfig import APIBasicConfig
APIBasicConfig.read()
from autosubmit_api.runners.module_loaders import get_module_loader
from autosubmit_api.runners.ssh_runner import SSHRunner
loader, modules, port, user, tricky = sys.argv[1:]
async def main():
    runner = SSHRunner(get_module_loader(loader, json.loads(modules)), "127.0.0.1", user, int(port))
    await runner.version()
    await runner.create_experiment("a test")
    await runner.create_experiment("a test", "https://example.org/m.git", "trunk", True, "conf/x.yml", "MN5", True, True, True, "a000")
    await runner.create_job_list("a000")
    await runner.create_job_list("a000", True, True, True)
    await runner.set_job_status("a000", ["a000_SIM", "a000_POST"], "READY")
    await runner.set_job_status("a000", None, "READY", "[ 20000101 [ fc0 [1 2] ] ]", "FAILED", "SIM", "x", "y", True, True)
    await runner.update_description("a000", "in words")
    await runner.update_description("a000", tricky)
    for force in [False, True]:
        await runner.run("a000")
        await runner.stop("a000", force)
asyncio.run(main())
print("ANSWER0")
"#;

/// The same by our runners.
fn ours(site: &Experiments, sshd: &Sshd, loader: Loader) {
    let runners = site.runners_with(sshd.options.clone());
    let far = Runner::ssh(loader, "127.0.0.1", Some(&user()), Some(sshd.port)).unwrap();
    let expid = Expid::parse("a000").unwrap();
    let text = |text: &str| Some(text.to_owned());
    runners.version(&far).unwrap();
    let bare = NewExperiment { description: text("a test"), ..NewExperiment::default() };
    assert_eq!(runners.create_experiment(&far, &bare).unwrap(), "a007");
    let new = NewExperiment {
        git_repo: text("https://example.org/m.git"),
        git_branch: text("trunk"),
        minimal: true,
        config_path: text("conf/x.yml"),
        hpc: text("MN5"),
        use_local_minimal: true,
        operational: true,
        testcase: true,
        copy: text("a000"),
        ..bare
    };
    runners.create_experiment(&far, &new).unwrap();
    runners.create_job_list(&far, &expid, NewJobList::default()).unwrap();
    let all = NewJobList { check_wrapper: true, update_version: true, force: true };
    runners.create_job_list(&far, &expid, all).unwrap();
    let names = Some(vec!["a000_SIM".to_owned(), "a000_POST".to_owned()]);
    let change = StatusChange { job_names_list: names, final_status: text("READY"), ..StatusChange::default() };
    runners.set_status(&far, &expid, &change).unwrap();
    let change = StatusChange {
        job_names_list: None,
        filter_chunks: text("[ 20000101 [ fc0 [1 2] ] ]"),
        filter_status: text("FAILED"),
        filter_type: text("SIM"),
        filter_type_chunk: text("x"),
        filter_type_chunk_split: text("y"),
        check_wrapper: true,
        update_version: true,
        ..change
    };
    runners.set_status(&far, &expid, &change).unwrap();
    runners.describe(&far, &expid, "in words").unwrap();
    runners.describe(&far, &expid, TRICKY).unwrap();
    for force in [false, true] {
        runners.run(&far, &expid).unwrap();
        runners.stop(&expid, force).unwrap();
    }
}

/// What was noted, which is then forgotten.
fn taken(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    fs::remove_file(path).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn both_tell_autosubmit_the_same_over_ssh() {
    let Some(site) = Experiments::new() else { return };
    let at = |name: &str| site.home.path(name).to_str().unwrap().to_owned();
    let variables = [("NOTED", &*at("noted")), ("MODULEPATH", &at("modulefiles"))];
    let Some(sshd) = Sshd::start(&site, &variables) else { return };
    for folder in ["stand/bin", "modulefiles/autosubmit", ".ssh"] {
        fs::create_dir_all(at(folder)).unwrap();
    }
    fs::write(at("stand/bin/autosubmit"), STAND_IN).unwrap();
    fs::set_permissions(at("stand/bin/autosubmit"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(at("modulefiles/autosubmit/4.1"), format!("#%Module\nprepend-path PATH {}\n", at("stand/bin"))).unwrap();
    // what bash reads when sshd starts it
    fs::write(at(".bashrc"), format!(". {MODULES}\n")).unwrap();
    // where the original looks for it
    fs::copy(at("user_key"), at(".ssh/id_ed25519")).unwrap();
    let mut kinds = vec![("VENV", at("stand"))];
    if Path::new(MODULES).is_file() {
        kinds.push(("LMOD", "autosubmit/4.1".to_owned()));
    } else {
        skip("there are no environment modules (Debian: environment-modules)");
    }
    for (kind, modules) in kinds {
        let modules = json!([modules]);
        let (port, noted) = (sshd.port.to_string(), site.home.path("noted"));
        site.original(THEIRS, &[kind, &modules.to_string(), &port, &user(), TRICKY]);
        let theirs = taken(&noted);
        ours(&site, &sshd, Loader::parse(kind, Some(&modules)).unwrap());
        let mut ours = taken(&noted);
        assert_eq!(ours.len(), 13, "{ours:#?}");
        if kind == "LMOD" {
            // the original loads modules in a pipe, which the next command does not notice: it does not find Autosubmit
            ours.retain(|line| !line.starts_with("<stop>"));
        }
        assert_eq!(ours, theirs, "{kind}");
        assert_eq!(fs::read_to_string(at("noted.answer")).unwrap(), "y\n", "{kind}");
    }
}
