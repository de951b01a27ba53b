//! `certified` (PyPI), with which psik_api's users have mutual TLS: its files serve us, its clients call us, and its server
//! takes certificates of ours.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fixture::home::{Output, run};
use crate::fixture::peer::Peer;
use crate::fixture::tls::Certs;
use crate::fixture::{Gateway, Home, SOON, wait_for};

const VERSIONS: [&str; 2] = ["certified-1.3", "certified-0.10"];

/// One configuration directory of `certified`.
struct Identity {
    peer: Peer,
    dir: PathBuf,
}

impl Identity {
    /// Makes one.
    #[track_caller]
    fn init(peer: &Peer, home: &Home, name: &str, args: &[&str]) -> Self {
        let identity = Self { peer: peer.clone(), dir: home.path(name) };
        identity.ok(home, "certified", &[&["init"], args].concat());
        identity
    }

    fn command(&self, home: &Home, program: &str, args: &[&str]) -> Command {
        let mut command = self.peer.command(home, program);
        command.args(args).env("CERTIFIED_CONFIG", &self.dir);
        command
    }

    #[track_caller]
    fn ok(&self, home: &Home, program: &str, args: &[&str]) -> String {
        let output = run(&mut self.command(home, program, args));
        assert_eq!(output.code, 0, "{program} {args:?}: {output:?}");
        output.out
    }

    fn path(&self, part: &str) -> PathBuf {
        self.dir.join(part)
    }

    /// Its `message` command, which asks with its certificate.
    fn message(&self, home: &Home, url: &str, args: &[&str]) -> Output {
        run(&mut self.command(home, "message", &[&[url], args].concat()))
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The server's identity and its known clients are certified's; its client calls, by each of its two ways to be known.
#[test]
fn its_files_serve_and_its_client_calls() {
    for version in VERSIONS {
        let Some(peer) = Peer::get(version) else { return };
        let home = Home::new();
        let hosts = ["--host", "localhost", "--host", "127.0.0.1"];
        let server =
            Identity::init(&peer, &home, "server", &[&["--org", "Lab", "--unit", "Gate"], &hosts[..]].concat());
        let alice = ["Alice Tester", "--uid", "alice", "--email", "alice@example.org"];
        let client = Identity::init(&peer, &home, "client", &alice);
        let mut command = home.command(&["serve", "--listen", "127.0.0.1:0", "--certified"]);
        command.arg(&server.dir).arg("--prefix").arg(&home.prefix);
        let gateway = Gateway::spawn(&home, &mut command);
        let url = |path: &str| format!("https://{}{path}", gateway.address);

        // it knows the server, and is not known itself
        fs::copy(server.path("CA.crt"), client.path("known_servers/gate.crt")).unwrap();
        let stranger = client.message(&home, &url("/v2/jobs"), &[]);
        assert!(stranger.code != 0 && !stranger.err.contains("ModuleNotFound"), "{version}: {stranger:?}");

        // known by its own authority
        server.ok(&home, "certified", &["add-client", "alice", text(&client.path("CA.crt"))]);
        wait_for("the new client to be known", SOON, || {
            let output = client.message(&home, &url("/v2/jobs"), &[]);
            (output.code == 0 && output.out.trim() == "[]").then_some(())
        });
        let made = client.message(&home, &url("/v2/jobs/new"), &[r#"{"script": "true"}"#]);
        assert_eq!(made.code, 0, "{version}: {made:?}");
        let listed = home.ok(&["ls", "-o", "json"]);
        assert!(listed.contains(r#""owner":"alice""#) || listed.contains(r#""owner": "alice""#), "{listed}");

        // known by the server's authority, which has introduced it
        let other = Identity::init(&peer, &home, "other", &["Bob", "--uid", "bob", "--email", "bob@example.org"]);
        let introduction = home.path("introduction.json");
        fs::write(&introduction, server.ok(&home, "certified", &["introduce", text(&other.path("id.crt"))])).unwrap();
        other.ok(&home, "certified", &["add-intro", text(&introduction)]);
        other.ok(&home, "certified", &["add-service", "127.0.0.1", text(&server.path("CA.crt"))]);
        let output = other.message(&home, &url("/v2/jobs"), &[]);
        assert_eq!((output.code, output.out.trim()), (0, "[]"), "{version}, bob sees nothing of alice's: {output:?}");
    }
}

/// All kinds of keys that it makes and that rustls knows.
#[test]
fn kinds_of_keys() {
    let Some(peer) = Peer::get("certified-1.3") else { return };
    let home = Home::new();
    for kind in ["ed25519", "secp256r1", "secp384r1", "secp521r1"] {
        let args = ["Alice", "--uid", "alice", "--host", "127.0.0.1", "--email", "a@b.c", "--key-type", kind];
        let both = Identity::init(&peer, &home, kind, &args);
        let mut command = home.command(&["serve", "--listen", "127.0.0.1:0", "--certified"]);
        let gateway = Gateway::spawn(&home, command.arg(&both.dir).arg("--prefix").arg(&home.prefix));
        let output = both.message(&home, &format!("https://{}/v2/jobs", gateway.address), &[]);
        assert_eq!((output.code, output.out.trim()), (0, "[]"), "{kind}: {output:?}");
    }
}

/// `certified serve` takes a certificate of ours, and finds the user in it.
#[test]
fn its_server_takes_our_certificates() {
    for version in VERSIONS {
        let Some(peer) = Peer::get(version) else { return };
        let home = Home::new();
        let certs = Certs::make(&home);
        let server = Identity::init(&peer, &home, "server", &["Gate", "--host", "127.0.0.1"]);
        server.ok(&home, "certified", &["add-client", "team", text(&certs.ca())]);
        let code = "from fastapi import FastAPI\nfrom certified.fast import ClientName, PeerCert\napp = FastAPI()\n\
                    @app.get('/who')\ndef who(name: ClientName, cert: PeerCert):\n  return [name, cert['serialNumber']]\n";
        fs::write(home.path("asked.py"), code).unwrap();
        // it insists on a port that is named
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let url = format!("https://127.0.0.1:{port}");
        let mut command = server.command(&home, "certified", &["serve", "asked:app", &url]);
        let mut child = command.env("PYTHONPATH", home.path("")).spawn().unwrap();
        let (certificate, key) = certs.client("alice");
        let mut curl = home.program(Path::new("curl"));
        curl.args(["-sS", "--cacert"])
            .arg(server.path("CA.crt"))
            .arg("--cert")
            .arg(&certificate)
            .arg("--key")
            .arg(&key);
        curl.arg(format!("{url}/who"));
        let answer = wait_for("certified serve to answer", SOON, || {
            assert_eq!(child.try_wait().unwrap(), None, "it has ended");
            let output = run(&mut curl);
            (output.code == 0).then_some(output.out)
        });
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(answer.starts_with(r#"["uid:alice","#), "{version}: {answer}");
    }
}
