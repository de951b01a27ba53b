//! Autosubmit's tables on a real PostgreSQL server: what is read is what the files say, and what is written is found there.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test says by panicking and on stderr what is wrong")]

#[path = "postgres/server.rs"]
mod server;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use jiff::tz::Offset;
use jobgate_autosubmit::databases::written::{DetailsRow, Drawn, StatusRow};
use jobgate_autosubmit::expid::{Expid, Places};
use jobgate_autosubmit::machine::{Call, Machine, MachineError, Said};
use jobgate_autosubmit::rc::{Environment, Rc};
use jobgate_autosubmit::runners::{Loader, Runner, RunnerError, RunnerSettings, Runners};
use jobgate_autosubmit::site::Site;
use server::Server;

/// A site over these files, or over the server.
fn site(root: &Path, url: Option<&str>) -> Site {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rc");
    let backend = url.map_or_else(String::new, |url| format!("backend = postgres\nconnection_url = {url}\n"));
    let at = root.display();
    let rc = format!(
        "[database]\npath = {at}\n{backend}[local]\npath = {at}\n[historicdb]\npath = {at}/metadata/data\n\
         [structures]\npath = {at}/metadata/structures\n"
    );
    fs::write(&file, rc).unwrap();
    let environment = Environment::default();
    Site::new(Rc::read(&file, &environment).unwrap(), environment, 1 << 24)
}

fn recorded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded/files")
}

#[test]
fn the_server_says_what_the_files_say() {
    let Some(server) = Server::start() else { return };
    let files = site(&recorded(), None);
    server.load(&recorded().join("autosubmit.db"), "public");
    server.load(&recorded().join("as_times.db"), "public");
    server
        .client()
        .batch_execute("CREATE TABLE public.job_pkl (expid VARCHAR PRIMARY KEY, pkl BYTEA, modified VARCHAR)")
        .unwrap();
    let catalogue = files.catalogue().unwrap();
    for experiment in catalogue.experiments() {
        let expid = Expid::parse(&experiment.name).unwrap();
        let Places { pickle, packages, job_list, structure, history, metrics, .. } = files.places(&expid);
        for file in [packages, job_list, structure, history, metrics].iter().filter(|file| file.exists()) {
            server.load(file, expid.as_str());
        }
        if let Ok(bytes) = fs::read(pickle) {
            let insert = "INSERT INTO public.job_pkl VALUES ($1, $2, '2026-06-15T12:00:00')";
            server.client().execute(insert, &[&expid.as_str(), &bytes]).unwrap();
        }
    }
    let url = server.url();
    let tables = site(&recorded(), Some(&url));
    assert_eq!(tables.catalogue().unwrap(), catalogue);
    assert_eq!(tables.statuses().unwrap(), files.statuses().unwrap());
    let mut compared = 0;
    for experiment in catalogue.experiments() {
        let expid = Expid::parse(&experiment.name).unwrap();
        let Ok(jobs) = files.jobs(&expid) else { continue };
        assert_eq!(tables.jobs(&expid).unwrap(), jobs, "{expid}");
        assert_eq!(tables.edges(&expid).unwrap(), files.edges(&expid).unwrap(), "{expid}");
        assert_eq!(tables.packages(&expid).unwrap(), files.packages(&expid).unwrap(), "{expid}");
        let (one, other) = (tables.store(), files.store());
        let texts = |site: &Site| site.history(&expid).map(|history| format!("{:?}", history.runs()));
        assert_eq!(texts(&tables).unwrap(), texts(&files).unwrap(), "{expid}");
        let tries = |store: &jobgate_autosubmit::store::Store| {
            let mut all = vec![format!("{:?}", store.completed_tries(&expid).unwrap())];
            for job in jobs.jobs() {
                all.push(format!("{:?}", store.tries_of_job(&expid, &job.name).unwrap()));
            }
            all.push(format!("{:?}", store.tries_of_run(&expid, 1).unwrap()));
            all.push(format!(
                "{:?} {:?}",
                store.run_configuration(&expid, None).unwrap(),
                store.run_configuration(&expid, Some(1))
            ));
            all.push(format!("{:?} {:?}", store.metric_runs(&expid), store.metrics_of_run(&expid, 1).ok()));
            all
        };
        assert_eq!(tries(one), tries(other), "{expid}");
        compared += 1;
    }
    assert!(compared >= 4, "{compared}");
    let a000 = Expid::parse("a000").unwrap();
    assert_eq!(tables.jobs_modified(&a000, Offset::UTC).unwrap(), Some(1_781_524_800));
    // who is not there
    let none = Expid::parse("none").unwrap();
    assert!(tables.history(&none).is_err() && tables.jobs(&none).is_err());
    // a server asks on its threads for what blocks, and lets go of all in the middle of others' work
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    let read = runtime.block_on(async {
        let site = site(&recorded(), Some(&url));
        let (site, read) = tokio::task::spawn_blocking(move || {
            let read = site.catalogue().unwrap().experiments().len();
            (site, read)
        })
        .await
        .unwrap();
        drop(site);
        read
    });
    assert_eq!(read, catalogue.experiments().len());
    // a table as a view would be a query of somebody else's
    server.client().batch_execute("CREATE SCHEMA x; CREATE VIEW x.experiment_run AS SELECT 1 AS run_id").unwrap();
    assert!(tables.store().runs(&Expid::parse("x").unwrap()).is_err());
}

#[derive(Debug)]
struct Here;

impl Machine for Here {
    fn run(&self, call: &Call) -> Result<Said, MachineError> {
        let output = Command::new(&call.argv[0]).args(&call.argv[1..]).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Said { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) })
    }
}

#[test]
fn what_is_written_is_there() {
    let Some(server) = Server::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let url = server.url();
    let site = site(folder.path(), Some(&url));
    let store = Arc::clone(site.store());
    store.prepare().unwrap();
    let experiments = "INSERT INTO experiment (name, description, autosubmit_version) VALUES ('a000', 'one', '4.1.17')";
    server.client().batch_execute(experiments).unwrap();
    let status = |id, name: &str, running| StatusRow { id, name: name.into(), running, modified: "then".into() };
    store.write_statuses(&[], &[status(1, "a000", true), status(7, "gone", true)]).unwrap();
    store.write_statuses(&[7], &[status(1, "a000", false)]).unwrap();
    assert_eq!(*site.statuses().unwrap().numbered(), [(1, "NOT RUNNING".to_owned())].into());
    let details = |hpc: &str| DetailsRow {
        id: 1,
        user: "ann".into(),
        created: "then".into(),
        model: "NA".into(),
        branch: "NA".into(),
        hpc: hpc.into(),
    };
    store.write_details(&[details("A")]).unwrap();
    store.write_details(&[details("B")]).unwrap();
    let a000 = Expid::parse("a000").unwrap();
    let known = site.experiment(&a000).unwrap().details.unwrap();
    assert_eq!((known.user.as_deref(), known.hpc.as_deref()), (Some("ann"), Some("B")));
    let drawn = |x| [Drawn { job: "a000_SIM".into(), x, y: -5 }];
    store.write_drawing(&a000, &drawn(1)).unwrap();
    store.write_drawing(&a000, &drawn(2)).unwrap();
    assert_eq!(store.drawing(&a000).unwrap(), [("a000_SIM".to_owned(), (2, -5))].into());
    assert_eq!(store.preference("ann").unwrap(), None);
    store.set_preference("ann", "a'1", "then").unwrap();
    store.set_preference("ann", "a2", "later").unwrap();
    let preference = store.preference("ann").unwrap().unwrap();
    assert_eq!((preference.preferred_username.as_str(), preference.created.as_str()), ("a2", "then"));
    // a session that reads cannot write
    assert!(store.preference("x'; DROP TABLE user_preferences; --").unwrap().is_none());

    fs::create_dir_all(folder.path().join("bin")).unwrap();
    let program = folder.path().join("bin/autosubmit");
    fs::write(&program, "#!/bin/sh\n[ $1 = run ] && exec sleep 600\n").unwrap();
    assert!(Command::new("chmod").arg("755").arg(&program).status().unwrap().success());
    let venv = Loader::Venv(folder.path().to_str().unwrap().to_owned());
    let runners = || {
        let settings = RunnerSettings {
            folder: folder.path().join("runs"),
            host: "here".into(),
            zone: Offset::UTC,
            ssh_options: Vec::new(),
            run_output: 1000,
            run_age: std::time::Duration::from_secs(86_400),
        };
        Runners::new(Arc::clone(&store), Arc::new(Here), settings)
    };
    let started: usize = std::thread::scope(|scope| {
        let start = || runners().run(&Runner::local(venv.clone()), &a000).is_ok();
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(start)).collect();
        threads.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum()
    });
    assert_eq!(started, 1);
    assert_eq!(runners().last(&a000).unwrap().status, "ACTIVE");
    runners().stop(&a000, true).unwrap();
    assert_eq!(runners().last(&a000).unwrap().status, "TERMINATED");
    assert_eq!(runners().stop(&a000, true), Err(RunnerError::NotRunning("a000".into())));
    // the server goes away and comes back
    let data = server.path("data");
    server.run("pg_ctl", &["-D", &data, "-m", "fast", "-w", "stop"]);
    assert!(site.catalogue().unwrap_err().to_string().starts_with("database server: "));
    let options = format!("-c listen_addresses='' -c unix_socket_directories={}", server.path(""));
    server.run("pg_ctl", &["-D", &data, "-l", &server.path("log"), "-o", &options, "-w", "start"]);
    assert_eq!(site.catalogue().unwrap().experiments().len(), 1);
}

#[test]
fn a_connection_is_encrypted_if_the_url_says_so() {
    let Some(server) = Server::start() else { return };
    server.client().batch_execute("CREATE TABLE public.experiment (id int, name text, description text)").unwrap();
    // an authority, a certificate of its for the server, and another authority
    let authority = |name: &str| {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        (certificate.pem(), rcgen::Issuer::new(params, key))
    };
    let ((ours, issuer), (other, _)) = (authority("ours"), authority("another"));
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer);
    let files = [
        ("ours.crt", ours),
        ("other.crt", other),
        ("tls.crt", certificate.unwrap().pem()),
        ("tls.key", key.serialize_pem()),
    ];
    for (name, text) in files {
        fs::write(server.path(name), text).unwrap();
    }
    assert!(Command::new("chmod").args(["600", &server.path("tls.key")]).status().unwrap().success());
    if server::root() {
        assert!(Command::new("chown").args(["postgres", &server.path("tls.key")]).status().unwrap().success());
    }
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (data, log) = (server.path("data"), server.path("log"));
    server.run("pg_ctl", &["-D", &data, "-m", "fast", "-w", "stop"]);
    let options = format!(
        "-c listen_addresses=localhost -c port={port} -c unix_socket_directories={} -c ssl=on -c ssl_cert_file={} -c ssl_key_file={}",
        server.path(""),
        server.path("tls.crt"),
        server.path("tls.key")
    );
    server.run("pg_ctl", &["-D", &data, "-l", &log, "-o", &options, "-w", "start"]);
    let folder = tempfile::tempdir().unwrap();
    let of = |host: &str, more: &str| {
        let site = site(folder.path(), Some(&format!("postgresql+psycopg2://as@{host}:{port}/postgres?{more}")));
        site.catalogue().map(|_| site).map_err(|error| error.to_string())
    };
    let encrypted = || {
        let query = "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'jobgate'";
        let url = format!("postgresql://as@localhost:{port}/postgres?sslmode=disable");
        let mut client = postgres::Client::connect(&url, postgres::NoTls).unwrap();
        client.query(query, &[]).unwrap().iter().map(|row| row.get(0)).collect::<Vec<bool>>()
    };
    let trusted = format!("sslmode=verify-full&sslrootcert={}", server.path("ours.crt"));
    let open = of("localhost", &trusted).unwrap();
    assert_eq!(encrypted(), [true]);
    drop(open);
    let plain = of("localhost", "sslmode=disable").unwrap();
    assert!(encrypted().contains(&false));
    drop(plain);
    // another authority, another name, and no authority at all
    let why = of("localhost", &trusted.replace("ours.crt", "other.crt")).unwrap_err();
    assert!(why.contains("certificate"), "{why}");
    let why = of("127.0.0.1", &trusted.replace("verify-full", "require")).unwrap_err();
    assert!(why.contains("certificate"), "{why}");
    let why = of("localhost", "sslmode=require").unwrap_err();
    assert!(why.contains("sslrootcert=FILE"), "{why}");
}
