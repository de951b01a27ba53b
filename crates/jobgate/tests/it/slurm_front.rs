//! How clients come to Slurm's dialect: tokens, inetd mode, and the program under the name of slurmrestd.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::fixture::home::run;
use crate::fixture::http::{Address, Body};
use crate::fixture::{Answer, Client, Gateway, Home, SOON, binary, is_root, skip, wait_for};

const PING: &str = "/slurm/v0.0.45/ping";

/// A token of `jobgate token` with these words.
#[track_caller]
fn token(home: &Home, words: &[&str]) -> String {
    let line = home.ok(&[&["token"], words].concat());
    line.trim().strip_prefix("SLURM_JWT=").unwrap_or_else(|| panic!("{line:?}")).to_owned()
}

/// Our program, called by slurmrestd's name.
fn slurmrestd(home: &Home, args: &[&str]) -> Command {
    let name = home.path("slurmrestd");
    if !name.exists() {
        symlink(binary(), &name).unwrap();
    }
    let mut command = home.program(&name);
    command.args(args);
    if is_root() {
        command.env("SLURMRESTD_SECURITY", "disable_user_check");
    }
    command
}

fn get(client: &mut Client, path: &str, token: Option<&str>) -> Answer {
    let headers: Vec<_> = token.map(|token| ("x-slurm-user-token", token)).into_iter().collect();
    client.ask("GET", path, &headers, &Body::None)
}

fn request(path: &str, token: Option<&str>) -> String {
    let token = token.map(|token| format!("X-SLURM-USER-TOKEN: {token}\r\n")).unwrap_or_default();
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n{token}\r\n")
}

/// Starts a command with this client on its standard input and output.
fn start_with(mut command: Command, client: impl Into<OwnedFd>) -> Child {
    let input: OwnedFd = client.into();
    let output = input.try_clone().unwrap();
    command.stdin(Stdio::from(input)).stdout(Stdio::from(output)).stderr(Stdio::null()).spawn().unwrap()
}

/// Says something to the program at the other end, hangs up, and gives all that came back and the exit code.
fn conversation(mut child: Child, mut stream: impl Read + Write, said: &str, hang_up: impl Fn()) -> (String, i32) {
    stream.write_all(said.as_bytes()).unwrap();
    hang_up();
    let mut heard = String::new();
    // a connection that is closed with something unread is reset
    let _ = stream.read_to_string(&mut heard);
    let status = wait_for("the end of the program", SOON, || child.try_wait().unwrap());
    (heard, status.code().unwrap_or(-1))
}

/// One conversation over pipes.
fn piped(mut command: Command, said: &str) -> (String, i32, String) {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(said.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), output.status.code().unwrap_or(-1), text(&output.stderr))
}

fn statuses(heard: &str) -> Vec<&str> {
    heard.match_indices("HTTP/1.1 ").map(|(at, _)| &heard[at + 9..at + 12]).collect()
}

/// As good a key as any.
const OTHER_KEY: &[u8] = b"another key, of 40 bytes: 0123456789abcd";

#[test]
fn tokens_that_we_make_are_taken() {
    let home = Home::new();
    let own = token(&home, &[]);
    let alice = token(&home, &["username=alice", "lifespan=infinite"]);
    let key = home.state().join("slurm_jwt.key");
    assert_eq!((fs::metadata(&key).unwrap().mode() & 0o777, fs::read(&key).unwrap().len()), (0o600, 32));

    let gateway = Gateway::start(&home);
    let mut client = gateway.client();
    assert_eq!(get(&mut client, PING, None).status, 401);
    for token in [&own, &alice] {
        assert_eq!(get(&mut client, PING, Some(token)).status, 200);
    }
    let user = |token: &str| get(&mut gateway.client(), PING, Some(token)).json()["meta"]["client"]["user"].clone();
    assert_eq!(user(&alice), "alice");
    assert_eq!(get(&mut client, PING, Some("a.b.c")).status, 511);

    // a key that is put in its place later counts from then on
    fs::write(&key, OTHER_KEY).unwrap();
    assert_eq!(get(&mut client, PING, Some(&own)).status, 511);
    assert_eq!(get(&mut client, PING, Some(&token(&home, &["bob"]))).status, 200);
    assert!(!gateway.log().contains(&own) && !gateway.log().contains(&alice), "no token is logged");
}

#[test]
fn many_that_make_the_key_make_one() {
    let home = Home::new();
    let spawn = |_| home.command(&["token"]).stdout(Stdio::piped()).spawn().unwrap();
    let children: Vec<Child> = (0..8).map(spawn).collect();
    let tokens: Vec<String> = children
        .into_iter()
        .map(|child| String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap())
        .map(|line| line.trim().strip_prefix("SLURM_JWT=").unwrap().to_owned())
        .collect();
    let names = fs::read_dir(home.state()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<_> = names.filter(|name| !name.starts_with("audit.log")).collect();
    assert_eq!(left, ["slurm_jwt.key"]);
    let gateway = Gateway::start(&home);
    for token in &tokens {
        assert_eq!(get(&mut gateway.client(), PING, Some(token)).status, 200);
    }
}

#[test]
fn keys_that_cannot_be_used_are_named() {
    let home = Home::with_settings("[slurm]\njwt_key = 'secret/our.key'\n");
    let key = home.path("config/jobgate/secret/our.key");
    let told = home.run(&["token"]);
    assert_eq!(told.code, 1);
    assert!(told.err.contains(key.to_str().unwrap()) && told.err.contains("openssl rand 32"), "{}", told.err);
    assert!(!key.exists(), "only the default key is made");

    fs::create_dir_all(key.parent().unwrap()).unwrap();
    fs::write(&key, "short").unwrap();
    fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    assert!(home.run(&["token"]).err.contains("32"));
    fs::write(&key, [b'k'; 40]).unwrap();
    assert!(home.run(&["token"]).err.contains("too few different characters"));
    fs::write(&key, OTHER_KEY).unwrap();
    token(&home, &[]);
    fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    assert!(home.run(&["token"]).err.contains("chmod 600"));

    let home = Home::with_settings("[slurm]\njwks = 'keys.json'\n");
    let told = home.run(&["token"]);
    assert!(told.code == 1 && told.err.contains("slurm.jwt_key"), "{}", told.err);
    assert_eq!(home.run(&["token", "a:b"]).code, 1);
}

#[test]
fn one_client_on_a_pipe() {
    let home = Home::new();
    let token = token(&home, &[]);
    let two = request(PING, Some(&token)) + &request("/slurm/v0.0.44/ping/", Some(&token));
    for command in [home.command(&["serve", "--inetd"]), slurmrestd(&home, &[])] {
        let (heard, code, _) = piped(command, &two);
        assert_eq!((statuses(&heard), code), (vec!["200", "200"], 0), "{heard}");
        assert!(heard.contains("data_parser/v0.0.45") && heard.contains("data_parser/v0.0.44"));
        assert!(!heard.contains("listening"), "nothing but answers: {heard}");
    }
    let (heard, code, _) = piped(slurmrestd(&home, &[]), &request(PING, None));
    assert_eq!((statuses(&heard), code), (vec!["401"], 0), "nobody vouches for the client of a pipe");
    let (heard, ..) = piped(home.command(&["serve", "--inetd"]), &request("/v1/jobs", None));
    assert_eq!(statuses(&heard), ["403"]);
    let (heard, code, _) = piped(slurmrestd(&home, &[]), "");
    assert_eq!((heard.as_str(), code), ("", 0));
}

#[test]
fn one_client_on_a_socket() {
    let home = Home::new();
    let said = request(PING, None) + &request("/v1/backends", None);
    let serve = || home.command(&["serve", "--inetd"]);

    // half of a pair: who made it is known, who has the other end is not
    let (ours, theirs) = UnixStream::pair().unwrap();
    let half = ours.try_clone().unwrap();
    let (heard, code) =
        conversation(start_with(serve(), theirs), ours, &said, || half.shutdown(std::net::Shutdown::Write).unwrap());
    assert_eq!((statuses(&heard), code), (vec!["401"], 0), "{heard}");

    // accepted from a socket with a name: the kernel knows who it is
    let path = home.path("named.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let ours = UnixStream::connect(&path).unwrap();
    let half = ours.try_clone().unwrap();
    let accepted = listener.accept().unwrap().0;
    let (heard, code) =
        conversation(start_with(serve(), accepted), ours, &said, || half.shutdown(std::net::Shutdown::Write).unwrap());
    assert_eq!((statuses(&heard), code), (vec!["200", "200"], 0), "{heard}");
}

#[test]
fn what_one_client_submits_is_run() {
    let home = Home::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let half = ours.try_clone().unwrap();
    let accepted = listener.accept().unwrap().0;
    let spec = r#"{"script": "echo done"}"#;
    let length = spec.len();
    let said = format!(
        "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{spec}"
    );
    let command = home.command(&["serve", "--inetd", "--prefix", home.prefix.to_str().unwrap()]);
    let (heard, code) =
        conversation(start_with(command, accepted), ours, &said, || half.shutdown(std::net::Shutdown::Write).unwrap());
    assert_eq!((statuses(&heard), code), (vec!["200"], 0), "{heard}");
    let jobid = heard.rsplit("\r\n\r\n").next().unwrap().trim_matches('"');
    home.wait_row(jobid, 1, &["completed"]);
}

#[test]
fn slurmrestd_serves_slurms_dialect_and_nothing_else() {
    let home = Home::new();
    let token = token(&home, &["alice"]);
    let socket = home.path("rest.sock");
    let mut command = slurmrestd(&home, &["-t", "2", "--max-connections", "9", "-s", "openapi/slurmctld"]);
    command.env("SLURMRESTD_LISTEN", format!("127.0.0.1:0,unix:{}", socket.display()));
    command.env("SLURMRESTD_DATA_PARSER_PLUGINS", "v0.0.45+fast,v0.0.44+bogus");
    let mut gateway = Gateway::spawn(&home, &mut command);
    assert!(gateway.log().contains("bogus"), "{}", gateway.log());

    let mut client = gateway.client();
    for (path, nobody, known) in [
        (PING, 401, 200),
        ("/slurm/v0.0.43/ping", 401, 404),
        ("/slurmdb/v0.0.45/ping", 401, 404),
        ("/openapi/v3", 401, 200),
        ("/v1/jobs", 401, 404),
        ("/metrics", 401, 404),
        ("/", 401, 404),
    ] {
        assert_eq!(get(&mut client, path, None).status, nobody, "{path}");
        assert_eq!(get(&mut client, path, Some(&token)).status, known, "{path}");
    }

    assert_eq!(fs::metadata(&socket).unwrap().mode() & 0o777, 0o777);
    let mut neighbour = Client::new(Address::Unix(socket.clone()));
    assert_eq!(get(&mut neighbour, PING, None).status, 200, "our own user needs no token");
    assert!(gateway.stop().success());
    assert!(!socket.exists(), "removed at the end");
}

#[test]
fn slurmrestd_takes_the_kinds_of_credentials_that_it_is_told() {
    let home = Home::new();
    let token = token(&home, &[]);
    for (kind, by_token, by_socket) in [("rest_auth/jwt", 200, 401), ("local", 401, 200), ("jwt,local", 200, 200)] {
        let socket = home.path("kinds.sock");
        let listen = format!("unix://{}", socket.display());
        let _gateway = Gateway::spawn(&home, &mut slurmrestd(&home, &["127.0.0.1:0", &listen, "-a", kind]));
        let mut client = Client::new(Address::Unix(socket));
        assert_eq!(get(&mut client, PING, Some(&token)).status, by_token, "{kind}");
        assert_eq!(get(&mut client, PING, None).status, by_socket, "{kind}");
    }
}

#[test]
fn slurmrestd_lists_and_describes_what_it_has() {
    let home = Home::new();
    let of = |args: &[&str]| {
        let told = run(&mut slurmrestd(&home, args));
        assert_eq!(told.code, 0, "{args:?}: {}", told.err);
        told.out
    };
    assert_eq!(of(&["-a", "list"]), "rest_auth/jwt\nrest_auth/local\n");
    assert_eq!(of(&["-s", "list"]), "openapi/slurmctld\nopenapi/slurmdbd\nopenapi/util\n");
    assert!(of(&["-d", "list"]).ends_with("data_parser/v0.0.45\n"));
    assert!(of(&["-V"]).starts_with("slurm 26.05.5"));
    assert!(of(&["-h"]).contains("unix:/PATH"));
    let document: Value =
        serde_json::from_str(&of(&["--generate-openapi-spec", "-d", "v0.0.44", "-s", "util"])).unwrap();
    assert_eq!(document["openapi"], "3.0.3");
    let paths: Vec<_> = document["paths"].as_object().unwrap().keys().collect();
    assert!(paths.len() == 2 && paths.iter().all(|path| path.starts_with("/util/v0.0.44/")), "{paths:?}");
    let same = home.ok(&["serve", "--generate-openapi-spec", "-d", "v0.0.44", "-s", "util"]);
    assert_eq!(serde_json::from_str::<Value>(&same).unwrap(), document);
}

#[test]
fn slurmrestd_refuses_what_would_not_be_safe_or_is_not_there() {
    let home = Home::new();
    for (args, security, told) in [
        (&["127.0.0.1:0", "-s", "openapi/v0.0.39"][..], "", "unknown plugin"),
        (&["127.0.0.1:0", "-d", "v0.0.39"], "", "unknown data parser"),
        (&["127.0.0.1:0", "-d", "v0.0.45+complex"], "", "Infinity"),
        (&["127.0.0.1:0", "-a", "rest_auth/munge"], "", "unknown plugin"),
        (&["0.0.0.0:0"], "", "allow_plain_http"),
        (&[":0"], "", "allow_plain_http"),
        (&["https://localhost:0"], "", "TLS"),
        (&["localhost"], "", "expected [HOST]:PORT"),
        (&["127.0.0.1:0"], "become_user", "become_user is refused"),
        (&["127.0.0.1:0"], "nonsense", "nonsense"),
        (&["-u", "no-such-user-here", "127.0.0.1:0"], "", "no such user"),
        (&[], "", "nowhere to listen"),
    ] {
        let mut command = slurmrestd(&home, args);
        let check = if is_root() { "disable_user_check," } else { "" };
        let output = run(command.env("SLURMRESTD_SECURITY", format!("{check}{security}")));
        assert_eq!(output.code, 1, "{args:?} {security}: {output:?}");
        assert!(output.err.contains(told), "{args:?} {security}: {}", output.err);
    }
    assert_eq!(run(&mut slurmrestd(&home, &["--max-connections", "0"])).code, 2);
    let output = run(&mut slurmrestd(&home, &["-f", "no-such-file.toml", "127.0.0.1:0"]));
    assert!(output.code == 1 && output.err.contains("no-such-file.toml"), "{output:?}");
}

#[test]
fn slurmrestd_beyond_loopback_when_told() {
    let home = Home::new();
    let mut command = slurmrestd(&home, &["127.0.0.1:0", "0.0.0.0:0"]);
    command.env("SLURMRESTD_SECURITY", "disable_user_check,allow_plain_http");
    let gateway = Gateway::spawn(&home, &mut command);
    assert!(gateway.log().contains("http://0.0.0.0:"), "{}", gateway.log());
    assert_eq!(get(&mut gateway.client(), PING, None).status, 401);
}

#[test]
fn slurmrestd_as_root() {
    if !is_root() {
        return skip("not root, so there is no other user to become");
    }
    let home = Home::new();
    let output = run(slurmrestd(&home, &["127.0.0.1:0"]).env_remove("SLURMRESTD_SECURITY"));
    assert!(output.code == 1 && output.err.contains("refusing to work as root"), "{output:?}");

    // as somebody whom nobody knows, with a home of its own
    let theirs = Home::new();
    for folder in ["", "config", "config/jobgate", "config/jobgate/jobgate.toml", "state", "data"] {
        std::os::unix::fs::chown(theirs.path(folder), Some(54321), Some(54322)).unwrap();
    }
    let socket: PathBuf = theirs.path("rest.sock");
    let listen = format!("unix:{}", socket.display());
    let mut command = slurmrestd(&theirs, &["-u", "54321", "-g", "54322", "127.0.0.1:0", &listen]);
    let gateway = Gateway::spawn(&theirs, command.env_remove("SLURMRESTD_SECURITY"));
    let status = fs::read_to_string(format!("/proc/{}/status", gateway.child.id())).unwrap();
    let line = |name: &str| status.lines().find(|line| line.starts_with(name)).unwrap().split_whitespace().skip(1);
    assert!(line("Uid:").all(|uid| uid == "54321") && line("Gid:").all(|gid| gid == "54322"), "{status}");
    assert_eq!(line("Groups:").count(), 0, "{status}");
    assert_eq!(fs::metadata(theirs.state().join("index.db")).unwrap().uid(), 54321);
    assert_eq!(get(&mut gateway.client(), PING, None).status, 401);
    let answer = get(&mut Client::new(Address::Unix(socket)), PING, None).json();
    assert_eq!(answer["meta"]["client"]["user"], "root", "root needs no token on the socket");

    let told = run(slurmrestd(&home, &["-u", "54321", "-g", "54322", "127.0.0.1:0"]).env("HOME", "/"));
    assert!(told.code != 0 && told.err.contains("HOME"), "{told:?}");
}
