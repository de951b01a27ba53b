use super::*;
use jobgate_backends::local::Oversize;
use jobgate_engine::Targets;

fn toml(text: &str) -> anyhow::Result<Config> {
    super::toml::parse(text, Path::new("/etc/jobgate"))
}

fn refused(result: anyhow::Result<Config>) -> String {
    format!("{:#}", result.expect_err("should be refused"))
}

#[test]
fn the_default_file_says_what_the_defaults_are() {
    let (file, none) = (toml(DEFAULT_FILE).unwrap(), toml("").unwrap());
    assert_eq!(file.server, none.server);
    assert_eq!(file.places, none.places);
    assert_eq!((file.psik, file.poll_interval), (none.psik, none.poll_interval));
    assert_eq!(format!("{:?}", file.callbacks), format!("{:?}", none.callbacks));
    assert_eq!(file.local, none.local);
    assert_eq!(file.slurm, none.slurm);
    assert_eq!(file.autosubmit, none.autosubmit);
    assert_eq!(file.auth, none.auth);
    assert_eq!((file.quota, file.audit), (none.quota, none.audit));
    assert!(DEFAULT_FILE.contains("\n[slurm]\n"), "the dialect has its table");
}

#[test]
fn commented_out_settings_are_settings() {
    let uncommented = |line: &str| {
        let rest = line.strip_prefix('#').filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '['));
        rest.filter(|rest| rest.starts_with('[') || rest.contains(" = ")).unwrap_or(line).to_owned() + "\n"
    };
    let text: String = DEFAULT_FILE.lines().map(uncommented).collect();
    let config = toml(&text).unwrap();
    assert_eq!(config.local.cores, Some(8));
    assert_eq!(config.local.licences["matlab"], 4);
    let node = &config.local.nodes["n[1-5]"];
    assert_eq!((node.cores, node.memory, node.gres.as_str()), (Some(4), Some(4000 << 20), "gpu:amd:4"));
    let short = &config.local.partitions["short"];
    assert_eq!((short.cores, short.minutes, short.priority, short.nodes.as_str()), (Some(4), Some(30), 10, "n[1-2]"));
    assert_eq!(config.local.qos["quick"].jobs_per_user, Some(2));
    assert_eq!(config.local.accounts["physics"].users, ["alice", "bob"]);
    // The whole page makes a working batch system, and reads back as the same.
    let again = toml(&config.render()).unwrap();
    assert_eq!(again.local, config.local);
    assert_eq!(again.slurm, config.slurm);
    assert_eq!(again.autosubmit, config.autosubmit);
    assert_eq!(config.autosubmit.enabled, Some(true));
    assert_eq!(again.auth, config.auth);
    assert_eq!((config.quota.live_jobs, config.quota.stored), (Some(1000), Some(100 << 30)));
    assert!(config.auth.policy.is_some() && config.auth.biscuit.key.is_some());
    assert_eq!(again.callbacks.reach(), config.callbacks.reach());
    assert!(config.callbacks.identity.is_some() && config.auth.outgoing.ca.is_some());
    assert_eq!(again.server, config.server);
    assert_eq!(config.server.listeners.len(), 3);
    assert_eq!((&again.quota, &again.audit), (&config.quota, &config.audit));
    assert_eq!(config.quota.rates.submissions.map(|rate| rate.to_string()).as_deref(), Some("60/m"));
    assert_eq!(config.audit.path(&config.state_dir), Some("/var/log/jobgate/audit.log".into()));
    assert_eq!((config.auth.issuers.len(), config.auth.secrets.len(), config.auth.providers.len()), (1, 1, 3));
    assert_eq!(config.auth.issuers[0].roles.len(), 2);
    assert_eq!((config.slurm.users["alice"].uid, config.slurm.jwt_key.is_some()), (2001, true));
    let controller = config.slurm.controller.as_ref().unwrap();
    assert_eq!(controller.controllers()[1].to_string(), "10.0.0.2:6817");
    assert_eq!((controller.freshness, controller.limits.total), (Duration::from_secs(2), Duration::from_secs(10)));
    assert_eq!((controller.limits.at_once, controller.conf.is_some()), (32, true));
    let big = &config.slurm.clusters["big"];
    assert_eq!(big.controller.controllers()[0].to_string(), "bigctl:6817");
    assert!(big.accounting.is_some() && big.jwt_key.is_some());
    assert_eq!(again.places, config.places);
    assert_eq!(config.places.iter().map(|place| place.name.as_str()).collect::<Vec<_>>(), ["cluster", "default"]);
    assert_eq!((config.places[0].cluster.as_deref(), &config.places[1].cluster), (Some("big"), &None));
    assert_eq!(config.places[0].prefix, Path::new("/scratch/alice/jobs"));
    assert_eq!(config.places[0].backend.attributes.get("--constraint"), Some("cpu"));
}

#[test]
fn paths_and_values_are_resolved() {
    let config = toml(
        "prefix = 'jobs'\nstate_dir = '~/state'\n[server]\nauthz = 'insecure'\n[server.limits]\nupload = '2G'\n\
         [local]\nmemory = 1024\noversize = 'refuse'\n[callbacks]\nschedule = [1, '2m']",
    )
    .unwrap();
    assert_eq!(config.places[0].prefix, Path::new("/etc/jobgate/jobs"));
    assert_eq!(config.state_dir, std::env::home_dir().unwrap().join("state"));
    assert_eq!((config.server.mode, config.callbacks.targets), (Mode::Insecure, Targets::Public));
    assert_eq!(config.server.limits.upload, Some(2 << 30));
    assert_eq!((config.local.memory, config.local.oversize), (Some(1024), Oversize::Refuse));
    assert_eq!(config.callbacks.schedule, [1, 120].map(Duration::from_secs));
}

#[test]
fn errors_name_line_and_key() {
    for (text, wanted) in [
        ("prefix = '/x'\nprefx = '/y'", "line 2"),
        ("[server]\nlisten = '127.0.0.1:1'", "line 2"),
        ("[callbacks]\n\ntimeout = 'soon'", "line 3"),
        ("[callbacks]\ntimeout = 'soon'", "\"soon\" is not a duration"),
        ("[local]\nmemory = '4GB'", "\"4GB\" is not a size"),
        ("[backends.a]\nqueue = 'x'", "unknown field `queue`"),
        ("[server]\nauthz = 'pam'", "unknown variant `pam`"),
        (
            "[callbacks]\nclient_key = 'x'",
            "callbacks.client_key needs its certificate: set callbacks.client_certificate",
        ),
        ("[callbacks]\nclient_certificate = 'x'", "set callbacks.client_key, too"),
        ("[auth.outgoing]\ntargets = 'some'", "unknown variant `some`"),
        ("[server]\ncors_origins = ['*']", "\"*\" is not an origin"),
        ("[quota]\nrequests = '5'", "\"5\" is not a rate"),
        ("[audit]\non_failure = 'panic'", "unknown variant `panic`"),
        ("psik = '2'", "unknown variant `2`"),
        ("[auth.jwt.a]\nissuer = 'x'", "exactly one of `key`, `jwks` and `jwks_url`"),
        ("[auth.jwt.a]\nkey = 'x'\njwks = 'y'", "exactly one of `key`, `jwks` and `jwks_url`"),
        ("[auth.jwt.a]\nkey = 'x'\nalgorithms = ['none']", "unknown variant `none`"),
        ("[auth.jwt.a]\nkey = 'x'\n[auth.jwt.b]\nkey = 'y'", "only one issuer can be without"),
        ("[auth.jwt.a]\nkey = 'x'\nissuer = 'i'\n[auth.jwt.b]\nkey = 'y'\nissuer = 'i'", "is another's, too"),
        ("[auth.secrets.a]\nfile = 'x'\nrole = 'root'", "unknown variant `root`"),
        ("[auth.oidc.cas]\nissuer = 'x'\nclient_id = 'y'", "this name is taken"),
        ("[auth.github]\nclient_id = 'x'", "missing field `client_secret`"),
        ("[auth.biscuit]\naccept = ['ed25519/12']", "takes public keys"),
        ("[auth.biscuit]\naccept = ['ed25519-private/12']", "takes public keys"),
        ("[auth.biscuit]\nlifespan = '0s'", "must not be zero"),
        ("[auth.biscuit]\nkeys = []", "unknown field `keys`"),
        ("[slurm.clusters.a]\njwt_key = 'x'", "missing field `controller`"),
        ("[slurm.clusters.'a/b'.controller]\naddresses = ['c']", "must be letters, digits, - and _"),
        ("[slurm.clusters.a.controller]\naddresses = []", "slurm.clusters.a.controller.addresses names no controller"),
        ("[slurm.clusters.a.controller]\naddresses = ['c']\nat_once = 0", "must be above 0"),
        (
            "[slurm.clusters.a]\njwt_key = 'x'\n[slurm.clusters.a.controller]\naddresses = ['c']\nmunge = 'm'",
            "set either jwt_key",
        ),
        ("[slurm.clusters.a]\nprivate_jobs = true", "unknown field `private_jobs`"),
        ("[slurm]\njwt_key = 'x'\n[slurm.controller]\naddresses = ['c']\nmunge = 'm'", "slurm: set either jwt_key"),
        (
            "[slurm.controller]\naddresses = ['c']\n[slurm.clusters.slurm.controller]\naddresses = ['d']",
            "call it otherwise",
        ),
        ("[backends.x]\ntype = 'slurm'\ncluster = 'a'", "there is no [slurm.clusters.a]"),
        ("[backends.x]\ncluster = 'a'\n[slurm.clusters.a.controller]\naddresses = ['c']", "for backends of type"),
        ("[backends.a]\n[slurm.clusters.a.controller]\naddresses = ['c']", "has the name of a cluster"),
    ] {
        let error = refused(toml(text));
        assert!(error.contains(wanted), "{text}: {error}");
    }
}

#[test]
fn backends_are_in_the_cluster_that_they_name_or_are_named_after() {
    let controllers = "[slurm.controller]\naddresses = ['m']\n[slurm.clusters.a.controller]\naddresses = ['c']\n";
    let backends = "[backends.a]\ntype = 'slurm'\n[backends.quick]\ntype = 'slurm'\ncluster = 'a'\n\
                    [backends.main]\ntype = 'slurm'\n[backends.default]\n";
    let config = toml(&format!("{controllers}{backends}")).unwrap();
    let places: Vec<_> = config.places.iter().map(|place| (place.name.as_str(), place.cluster.as_deref())).collect();
    assert_eq!(places, [("a", Some("a")), ("default", None), ("main", None), ("quick", Some("a"))]);
}

#[test]
fn psik_3() {
    let config = super::psik::parse(
        r#"{"prefix": "/p", "backends": {"a": {"type": "slurm", "queue_name": "q"}, "default": {}}}"#,
        false,
    )
    .unwrap();
    assert_eq!(config.places.iter().map(|place| place.name.as_str()).collect::<Vec<_>>(), ["a", "default"]);
    assert_eq!(config.places[0].backend.queue_name.as_deref(), Some("q"));
    assert_eq!(config.server.mode, Mode::Local);
    let minimal = super::psik::parse(r#"{"prefix": "/p"}"#, false).unwrap();
    assert_eq!((minimal.places.len(), minimal.places[0].backend.kind.as_str()), (1, "local"));
    let places = super::psik::parse(r#"{"prefix": "/p", "backends": {}}"#, false).unwrap().places;
    assert_eq!((places.len(), places[0].backend.kind.as_str()), (1, crate::nowhere::NOWHERE));
    for (text, wanted) in [
        ("junk", "not JSON"),
        ("{}", "prefix: required"),
        (r#"{"prefix": 5}"#, "prefix: must be text"),
        (r#"{"prefix": "/p", "extra": 1}"#, "extra: unknown key"),
        (r#"{"prefix": "/p", "backend": {"type": "local"}}"#, "psik 1's way"),
        (r#"{"prefix": "/p", "psik_path": "/usr/bin/psik"}"#, "remove it"),
        (r#"{"prefix": "/p", "backends": []}"#, "backends: must be an object"),
        (r#"{"prefix": "/p", "backends": {"a": {"typo": 1}}}"#, "backends.a: typo: Extra inputs"),
        (
            r#"{"prefix": "/p", "backends": {"a": {"attributes": {"x": 1}}}}"#,
            "backends.a: attributes.x: Input should be",
        ),
    ] {
        let error = refused(super::psik::parse(text, false));
        assert!(error.contains(wanted), "{text}: {error}");
    }
}

#[test]
fn psik_api_1_is_nested() {
    let config = super::psik::parse(
        r#"{"authz": "local", "database_url": "sqlite://", "backends": {
            "perlmutter": {"prefix": "/p1", "psik_path": "/x", "rc_path": "/y", "backend": {"type": "slurm", "bogus": 1}},
            "laptop": {"prefix": "/p2"}}}"#,
        true,
    )
    .unwrap();
    assert_eq!(config.places[0].prefix, Path::new("/p1"));
    assert_eq!(config.places[0].backend.kind, "slurm");
    assert_eq!((config.places[1].name.as_str(), config.places[1].backend.kind.as_str()), ("laptop", "local"));
    assert_eq!(config.server.mode, Mode::Local);
}

#[test]
fn psik_api_2_is_flat() {
    let config =
        super::psik::parse(r#"{"prefix": "/p", "authz": "psik_api.authz:BaseAuthz", "rc_path": "/y"}"#, true).unwrap();
    assert_eq!((config.places[0].prefix.as_path(), config.server.mode), (Path::new("/p"), Mode::Insecure));
    assert_eq!(super::psik::parse(r#"{"prefix": "/p"}"#, true).unwrap().server.mode, Mode::Insecure);
    let by_content = super::psik::parse(r#"{"prefix": "/p", "authz": "local", "psik_path": "x"}"#, false).unwrap();
    assert_eq!(by_content.server.mode, Mode::Local);
    assert!(refused(super::psik::parse(r#"{"prefix": "/p", "authz": "my.mod:Class"}"#, true)).contains("no Python"));
    assert!(refused(super::psik::parse(r#"{"prefix": "/p", "database_url": "x"}"#, true)).contains("unknown key"));
}

fn names(purpose: Purpose, set: &[&'static str]) -> Vec<String> {
    let var =
        |variable: &env::Variable| set.contains(&variable.name).then(|| PathBuf::from(format!("${}", variable.name)));
    candidates(None, purpose, &var, Some("/home/alice".into()))
        .into_iter()
        .map(|candidate| format!("{}{}", candidate.path.display(), if candidate.required { " !" } else { "" }))
        .collect()
}

#[test]
fn the_order_of_the_search() {
    assert_eq!(
        names(Purpose::CommandLine, &["PSIK_CONFIG", "PSIK_API_CONFIG", "VIRTUAL_ENV"]),
        [
            "$PSIK_CONFIG !",
            "$VIRTUAL_ENV/etc/psik.json",
            "/home/alice/.config/jobgate/jobgate.toml",
            "/home/alice/.config/psik.json",
            "/etc/jobgate/jobgate.toml",
            "/etc/psik.json",
        ]
    );
    assert_eq!(
        names(Purpose::Serve, &["JOBGATE_CONFIG", "PSIK_CONFIG", "PSIK_API_CONFIG", "VIRTUAL_ENV", "XDG_CONFIG_HOME"]),
        [
            "$JOBGATE_CONFIG !",
            "$PSIK_API_CONFIG !",
            "$PSIK_CONFIG !",
            "$VIRTUAL_ENV/etc/psik_api.json",
            "$VIRTUAL_ENV/etc/psik.json",
            "$XDG_CONFIG_HOME/jobgate/jobgate.toml",
            "/home/alice/.config/psik.json",
            "/etc/jobgate/jobgate.toml",
            "/etc/psik_api.json",
            "/etc/psik.json",
        ]
    );
}

#[test]
fn a_named_file_must_exist() {
    let dir = tempfile::tempdir().unwrap();
    let error = refused(load(Some(&dir.path().join("none.json")), Purpose::CommandLine));
    assert!(error.starts_with("none.json is required to exist (tried ") && error.contains("/none.json)"), "{error}");
    let bad = dir.path().join("bad.toml");
    std::fs::write(&bad, "prefx = 1").unwrap();
    let error = refused(load(Some(&bad), Purpose::CommandLine));
    assert!(error.contains("bad.toml") && error.contains("line 1"), "{error}");
}

#[test]
fn the_effective_configuration_reads_back() {
    let config = toml(
        "prefix = '/p'\n[server]\ncors_origins = ['https://gui.example']\n[quota]\nfailures = 'none'\n[audit]\nenabled = false\non_failure = 'refuse'\n[backends.\"a b\"]\ntype = 'slurm'\nqueue_name = 'q\"x'\nattributes = { '--x' = 'y' }\n[local]\ngpus = 2\n[local.licences]\n\"m l\" = 3\n[local.partitions.p]\ncores = 1",
    )
    .unwrap();
    let again = toml(&config.render()).unwrap();
    assert_eq!((again.places, again.local, again.server), (config.places, config.local, config.server));
    assert_eq!((again.state_dir, again.quota, again.audit), (config.state_dir, config.quota, config.audit));
}
