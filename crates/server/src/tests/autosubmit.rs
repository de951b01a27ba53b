//! Autosubmit's dialect: who gets what, and the manners of its answers. What it says of experiments is compared with the original
//! elsewhere.

use std::fmt::Write as _;

use jiff::tz::Offset;
use jobgate_autosubmit::machine::{Call, Machine, MachineError, Said};
use jobgate_autosubmit::rc::{Environment, Rc};
use jobgate_autosubmit::runners::{RunnerSettings, Runners};
use jobgate_autosubmit::site::Site;
use jobgate_autosubmit::workers::{Schedule, Workers};

use super::elsewhere::Elsewhere;
use super::logins::outside;
use super::*;
use crate::autosubmit::{ROUTES, method_of};
use crate::{AutosubmitKeys, AutosubmitSettings, Background, Draw, Protection, SigningKey};
use crate::{CasSettings, LoginSettings, Logins, ProviderSettings};

const KEY: &str = "a key that is long enough for anybody";

/// A machine on which nothing can be run.
#[derive(Debug)]
struct Nothing;

impl Machine for Nothing {
    fn run(&self, call: &Call) -> Result<Said, MachineError> {
        Err(MachineError::Start { program: call.argv[0].clone(), why: "nothing is run in this test".into() })
    }
}

struct Stage {
    gate: Gate,
    site: tempfile::TempDir,
}

impl Stage {
    /// A site without any experiment.
    fn new(mode: Mode, protection: Protection) -> Self {
        Self::with(mode, protection, |_| {})
    }

    /// The same with more about who may ask.
    fn with(mode: Mode, protection: Protection, more: impl FnOnce(&mut AuthSettings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let rc = folder.path().join("autosubmitrc");
        let text = format!(
            "[database]\npath = {0}\n[local]\npath = {0}\n[clients]\nauthorized = https://gui.example\n",
            folder.path().display()
        );
        std::fs::write(&rc, text).unwrap();
        let environment = Environment::default();
        let site = Site::new(Rc::read(&rc, &environment).unwrap(), environment, 1 << 20);
        let nothing = |_: &_, _| Err("there are no programs in this test".to_owned());
        let draw = Draw { dot: Arc::new(nothing), xz: Arc::new(|_, _| Err("none".to_owned())) };
        let mut settings = settings(mode);
        let (site, machine): (_, Arc<dyn Machine>) = (Arc::new(site), Arc::new(Nothing));
        let runners = RunnerSettings {
            folder: folder.path().join("runs"),
            host: "here".into(),
            zone: Offset::UTC,
            ssh_options: Vec::new(),
            run_output: 1000,
            run_age: Duration::from_secs(86_400),
        };
        settings.autosubmit = Some(AutosubmitSettings {
            zone: Offset::UTC,
            room: 1 << 20,
            root_path: String::new(),
            draw,
            api_file: folder.path().join("api.yaml"),
            runners: Arc::new(Runners::new(Arc::clone(site.store()), Arc::clone(&machine), runners)),
            background: Background {
                workers: Arc::new(Workers::new(Arc::clone(&site), machine)),
                schedule: Schedule::default(),
            },
            site,
        });
        settings.auth.autosubmit = AutosubmitKeys {
            protection,
            secret_key: Some(SigningKey::new(KEY).unwrap()),
            token: Some(SigningKey::new("the static token").unwrap()),
        };
        more(&mut settings.auth);
        Self { gate: Gate::with(&settings), site: folder }
    }

    async fn ask(&self, peer: Peer, line: &str, headers: &[(&str, &str)]) -> Reply {
        self.gate.send(peer, request(line, headers, "{}")).await
    }
}

fn far() -> Peer {
    Peer::Tcp("192.0.2.1:5".parse().unwrap())
}

fn token(key: &str, user: &str, lasting: i64) -> String {
    let now = jiff::Timestamp::now().as_second();
    let keys = AutosubmitKeys { secret_key: Some(SigningKey::new(key).unwrap()), ..AutosubmitKeys::default() };
    keys.issue(user, now + lasting - 420_000).unwrap()
}

#[tokio::test]
async fn every_route_for_every_kind_of_client() {
    let mut table = String::new();
    let bearer = |text: &str| format!("Bearer {text}");
    let good = token(KEY, "alice", 420_000);
    let credentials = [
        ("none", String::new()),
        ("garbage", bearer("abc")),
        ("expired", bearer(&token(KEY, "alice", -60))),
        ("wrong key", bearer(&token(&KEY.to_uppercase(), "alice", 420_000))),
        ("basic", format!("Basic {good}")),
        ("raw token", good.clone()),
        ("valid", bearer(&good)),
        ("static", bearer("the static token")),
    ];
    for protection in [Protection::All, Protection::WriteOnly, Protection::None] {
        let stage = Stage::new(Mode::Autosubmit, protection);
        writeln!(table, "## {protection:?}").unwrap();
        for route in ROUTES {
            for method in method_of(route) {
                let path = route.path.replace(['{', '}'], "");
                let mut groups: Vec<(bool, Vec<&str>)> = vec![(false, Vec::new()), (true, Vec::new())];
                for (kind, credential) in &credentials {
                    let headers: Vec<(&str, &str)> =
                        if credential.is_empty() { Vec::new() } else { vec![("authorization", credential)] };
                    let reply = stage.ask(far(), &format!("{method} {path}"), &headers).await;
                    let refused = reply.status == StatusCode::UNAUTHORIZED;
                    groups[usize::from(refused)].1.push(kind);
                }
                let names = |place: usize| groups[place].1.join(", ");
                writeln!(table, "{method} {path}\n    in: {}\n    401: {}", names(0), names(1)).unwrap();
            }
        }
    }
    insta::assert_snapshot!("autosubmit", table);
}

#[tokio::test]
async fn what_is_said_to_whom_is_not_let_in() {
    let stage = Stage::new(Mode::Autosubmit, Protection::All);
    let reply = stage.ask(far(), "GET /v3/tree/a000", &[]).await;
    assert_eq!(reply.json(), json!({"error": true, "error_message": "Unauthorized"}));
    let old = format!("Bearer {}", token(KEY, "alice", -60));
    let reply = stage.ask(far(), "GET /v4/experiments?page=x", &[("authorization", &old)]).await;
    assert_eq!(reply.json()["error_message"], "Expired token");
    let reply = stage.ask(far(), "GET /v3/tokentest", &[]).await;
    assert_eq!((reply.status.as_u16(), reply.json()), (401, json!({"isValid": false, "message": "Unauthorized"})));
    let good = format!("bearer {}", token(KEY, "alice", 420_000));
    let reply = stage.ask(far(), "GET /v4/auth/verify-token", &[("authorization", &good)]).await;
    assert_eq!(reply.ok().json(), json!({"authenticated": true, "user": "alice"}));
    let reply = stage.ask(far(), "GET /v4/auth/verify-token", &[("authorization", "Bearer the static token")]).await;
    assert_eq!(reply.ok().json()["user"], "User");
}

#[tokio::test]
async fn paths_are_forgiven_as_in_the_original() {
    let stage = Stage::new(Mode::Autosubmit, Protection::None);
    let ask = async |line: &str| stage.ask(far(), line, &[]).await;
    let location = async |line: &str| {
        let reply = ask(line).await;
        (reply.status.as_u16(), reply.header("location").replace("http://localhost:8000", ""))
    };
    assert_eq!(location("GET /v3/running").await, (307, "/v3/running/".into()));
    assert_eq!(location("GET /v4/experiments/?page=1").await, (307, "/v4/experiments?page=1".into()));
    assert_eq!(location("GET /v4/").await, (307, "/v4".into()));
    assert_eq!(ask("GET //v3//filestatus").await.ok().json()["status"], json!(false));
    for path in ["/nope", "/v3/", "/v3/expinfo", "/v5/experiments", "/v1/jobs", "/slurm/v0.0.45/jobs"] {
        let reply = ask(&format!("GET {path}")).await;
        assert_eq!((reply.status.as_u16(), reply.json()), (404, json!({"detail": "Not Found"})), "{path}");
    }
    let reply = ask("POST /v4/experiments").await;
    assert_eq!((reply.status.as_u16(), reply.json()), (405, json!({"detail": "Method Not Allowed"})));
    assert_eq!(ask("GET /").await.ok().json(), json!({"name": "Autosubmit API", "version": "4.2.0"}));
    for path in ["/docs", "/redoc", "/openapi.json", "/healthz"] {
        ask(&format!("GET {path}")).await.ok();
    }
}

#[tokio::test]
async fn other_web_sites_may_read_what_needs_a_token() {
    let stage = Stage::new(Mode::Autosubmit, Protection::All);
    let before = [("origin", "https://gui.example"), ("access-control-request-method", "GET")];
    for path in ["/v4/experiments", "/v4/runners/command/run-experiment", "/v3/login", "/v3/running", "/docs", "/"] {
        let reply = stage.ask(far(), &format!("OPTIONS {path}"), &before).await.ok();
        assert_eq!(reply.header("access-control-allow-origin"), "https://gui.example");
        assert_eq!(reply.header("allow"), "", "{path}");
    }
    let reply = stage.ask(far(), "OPTIONS /v4/runners/command/run-experiment", &[]).await;
    assert_eq!((reply.status, reply.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "POST"));
    let good = format!("Bearer {}", token(KEY, "alice", 420_000));
    let headers = [("origin", "https://any.example"), ("authorization", good.as_str())];
    let reply = stage.ask(far(), "GET /v4", &headers).await.ok();
    assert_eq!(reply.header("access-control-allow-origin"), "*");
    assert_eq!(reply.header("access-control-allow-credentials"), "true");
    // a gateway that takes this machine for its user does not answer other sites
    let local = Stage::new(Mode::Local, Protection::All);
    let origin = [("origin", "https://any.example")];
    assert_eq!(local.ask(loopback(), "GET /v3/running/", &origin).await.status, StatusCode::FORBIDDEN);
    assert_ne!(local.ask(loopback(), "GET /v3/running/", &[]).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn only_clients_of_the_site_are_sent_to_a_login() {
    let stage = Stage::new(Mode::Autosubmit, Protection::All);
    let told = async |line: &str, headers: &[(&str, &str)]| {
        let reply = stage.ask(far(), line, headers).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{line}");
        reply.json()["message"].as_str().unwrap().to_owned()
    };
    let tricks = "https://evil.example/?https://gui.example";
    assert!(told("GET /v3/login", &[]).await.starts_with("Your client"));
    assert!(told("GET /v3/login", &[("referer", tricks)]).await.starts_with("Your client"));
    assert!(
        told("GET /v3/login?env=@evil.example", &[("referer", "https://gui.example/")])
            .await
            .starts_with("Your client")
    );
    let line = format!("GET /v4/auth/cas/v2/login?service={tricks}");
    assert!(told(&line, &[]).await.starts_with("Your service"));
    // there is no such login at this server
    assert!(told("GET /v4/auth/cas/v2/login?service=https://gui.example/x", &[]).await.contains("not configured"));
    assert_eq!(told("GET /v4/auth/oauth2/github/login", &[]).await, "Can't verify user");
    assert!(told("GET /v4/auth/oidc/login?code=x", &[]).await.contains("not configured"));
}

#[tokio::test]
async fn who_comes_back_from_cas_gets_a_token_that_counts() {
    let cas = Elsewhere::start(|asked| {
        let who = asked.path().contains("ticket=ST-1").then_some("<cas:user>alice</cas:user>");
        let success = who.map(|who| format!("<cas:authenticationSuccess>{who}</cas:authenticationSuccess>"));
        let body = success.unwrap_or_else(|| "<cas:authenticationFailure code='INVALID_TICKET'/>".into());
        (200, format!("<cas:serviceResponse xmlns:cas='http://www.yale.edu/tp/cas'>{body}</cas:serviceResponse>"))
    });
    let state = tempfile::tempdir().unwrap();
    let settings = LoginSettings {
        url: None,
        session: Duration::from_secs(60),
        state_dir: state.path().to_path_buf(),
        providers: vec![ProviderSettings::Cas(CasSettings::at(&cas.url))],
    };
    let logins = Arc::new(Logins::open(settings, &outside()).unwrap());
    let stage = Stage::with(Mode::Autosubmit, Protection::All, |auth| auth.logins = Some(logins));
    let service = "https://gui.example/auth/login";
    let reply = stage.ask(far(), &format!("GET /v4/auth/cas/v2/login?service={service}"), &[]).await;
    let location = reply.header("location");
    assert_eq!(reply.status, StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(location, format!("{}/login?service=https%3A%2F%2Fgui.example%2Fauth%2Flogin", cas.url));
    let reply = stage.ask(far(), "GET /v3/login?env=/auth", &[("referer", "https://gui.example/auth/x")]).await;
    assert_eq!(reply.header("location"), location);
    let line = format!("GET /v4/auth/cas/v2/login?service={service}&ticket=");
    let reply = stage.ask(far(), &format!("{line}ST-2"), &[]).await;
    assert_eq!((reply.status.as_u16(), &reply.json()["token"]), (401, &Value::Null));
    let reply = stage.ask(far(), &format!("{line}ST-1"), &[]).await.ok().json();
    assert_eq!((&reply["authenticated"], &reply["user"]), (&json!(true), &json!("alice")));
    let token = reply["token"].as_str().unwrap();
    let reply = stage.ask(far(), "GET /v4/auth/verify-token", &[("authorization", token)]).await;
    assert_eq!(reply.ok().json()["user"], "alice");
}

/// Without a service it is ours, and whoever asks does not say what that is: a ticket for another page would count.
#[tokio::test]
async fn a_forged_host_makes_no_service() {
    let cas = Elsewhere::start(|_| {
        let user = "<cas:authenticationSuccess><cas:user>alice</cas:user></cas:authenticationSuccess>";
        (200, format!("<cas:serviceResponse xmlns:cas='http://www.yale.edu/tp/cas'>{user}</cas:serviceResponse>"))
    });
    let stage = |url: Option<&str>| {
        let state = tempfile::tempdir().unwrap();
        let settings = LoginSettings {
            url: url.map(str::to_owned),
            session: Duration::from_secs(60),
            state_dir: state.path().to_path_buf(),
            providers: vec![ProviderSettings::Cas(CasSettings::at(&cas.url))],
        };
        let logins = Arc::new(Logins::open(settings, &outside()).unwrap());
        (Stage::with(Mode::Autosubmit, Protection::All, |auth| auth.logins = Some(logins)), state)
    };
    let line = "GET /v4/auth/cas/v2/login";
    let (bare, _state) = stage(None);
    for (peer, host) in [(far(), "wiki.example"), (far(), "localhost"), (loopback(), "wiki.example")] {
        for line in [line.to_owned(), format!("{line}?ticket=ST-1")] {
            let reply = bare.ask(peer, &line, &[("host", host)]).await;
            assert_eq!((reply.status, &reply.json()["token"]), (StatusCode::UNAUTHORIZED, &Value::Null), "{host}");
            assert!(reply.json()["message"].as_str().unwrap().contains("[auth] url"));
        }
    }
    let reply = bare.ask(loopback(), line, &[("host", "localhost:8000")]).await;
    assert!(reply.header("location").ends_with("/login?service=http%3A%2F%2Flocalhost%3A8000%2F"));
    let (known, _state) = stage(Some("https://gate.example"));
    let reply = known.ask(far(), line, &[("host", "wiki.example")]).await;
    assert!(reply.header("location").ends_with("/login?service=https%3A%2F%2Fgate.example%2F"));
}

/// A link in an experiment shows what is the experiment's own, wherever that is, and nothing else.
#[tokio::test]
async fn logs_of_others_are_not_shown_by_linking_to_them() {
    use std::os::unix::fs::{chown, symlink};
    let stage = Stage::new(Mode::Autosubmit, Protection::None);
    let root = stage.site.path();
    let logs = root.join("a000/tmp/ASLOGS");
    std::fs::create_dir_all(&logs).unwrap();
    let names = ["20990101_000000_run.log", "20990101_000000_mn5_log_recovery.log"];
    std::fs::create_dir(root.join("scratch")).unwrap();
    for name in names {
        symlink("/etc/passwd", logs.join(name)).unwrap();
        std::fs::write(root.join("scratch").join(name), "my own").unwrap();
    }
    if rustix::process::geteuid().is_root() {
        let own = ["a000", "scratch"].map(|path| root.join(path));
        for path in own.iter().cloned().chain(names.map(|name| own[1].join(name))) {
            chown(path, Some(12_345), None).unwrap();
        }
    }
    std::fs::create_dir_all(root.join("a000/tmp/elsewhere")).unwrap();
    symlink("/etc/passwd", root.join("a000/tmp/elsewhere/a000_x")).unwrap();
    symlink("elsewhere", root.join("a000/tmp/LOG_a000")).unwrap();
    let ask = async |path: &str| stage.ask(far(), &format!("GET {path}"), &[]).await.ok().json();
    let nothing = |told: &Value| told["found"] == false && told["logcontent"] == json!([]);
    assert!(nothing(&ask("/v3/exprun/a000").await));
    assert!(nothing(&ask("/v3/joblog/a000_x").await));
    assert_eq!(ask("/v3/exp-recovery-logs/a000").await["platform_recovery_logs"], json!([]));
    // a folder of logs may be elsewhere
    std::fs::remove_dir_all(&logs).unwrap();
    symlink(root.join("scratch"), &logs).unwrap();
    assert_eq!(ask("/v3/exprun/a000").await["logcontent"][0]["content"], "my own");
    assert_eq!(ask("/v3/exp-recovery-logs/a000").await["platform_recovery_logs"][0]["content"][0]["content"], "my own");
}

#[tokio::test]
async fn commands_are_checked_before_anything_is_run() {
    let stage = Stage::new(Mode::Autosubmit, Protection::WriteOnly);
    let good = format!("Bearer {}", token(KEY, "alice", 420_000));
    let tell = async |path: &str, body: Value| {
        let headers = [("authorization", good.as_str()), ("content-type", "application/json")];
        let reply = stage.gate.send(far(), request(&format!("POST {path}"), &headers, body.to_string())).await;
        (reply.status.as_u16(), reply.json()["error_message"].as_str().unwrap_or_default().to_owned())
    };
    let run = "/v4/runners/command/run-experiment";
    let (status, told) = tell(run, json!({"expid": "a000", "profile_name": "none"})).await;
    assert_eq!((status, told.as_str()), (500, "Failed to run experiment a000: Invalid profile name"));
    let (status, told) = tell(run, json!({"expid": "--help; touch F #", "profile_name": "none"})).await;
    assert!(status == 422 && told.starts_with("Invalid value for 'expid'"), "{told}");
    let (status, told) =
        tell("/v4/runners/command/create-experiment", json!({"profile_name": "x", "command_params": {}})).await;
    assert_eq!((status, told.as_str()), (400, "Description is required to create an experiment."));
    let alpha = json!({"runner": "LOCAL", "module_loader": "NO_MODULE"});
    assert_eq!(tell("/v4alpha/experiments/a000/run-experiment", alpha).await.0, 403);
    let name = "/v4/user-settings/preferred-username";
    let headers = [("authorization", good.as_str())];
    assert_eq!(stage.gate.send(far(), request(&format!("GET {name}"), &headers, "")).await.status.as_u16(), 400);
    assert_eq!(tell(name, json!({"preferred_username": ""})).await.0, 422);
    assert_eq!(tell(name, json!({"preferred_username": "al"})).await.0, 200);
    let kept = stage.gate.send(far(), request(&format!("GET {name}"), &headers, "")).await.ok().json();
    assert_eq!((&kept["user_id"], &kept["preferred_username"]), (&json!("alice"), &json!("al")));
    // without a token commands come from this machine only, and from no other web site
    let open = Stage::new(Mode::Autosubmit, Protection::None);
    let line = format!("POST {run}");
    let kind = ("content-type", "application/json");
    assert_eq!(open.ask(far(), &line, &[kind]).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(open.ask(loopback(), &line, &[kind]).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let other = [kind, ("origin", "https://evil.example")];
    assert_eq!(open.ask(loopback(), &line, &other).await.status, StatusCode::FORBIDDEN);
}
