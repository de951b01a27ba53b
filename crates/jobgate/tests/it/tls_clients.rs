//! Clients with certificates, and users of a socket that is for all: who gets in, as whom, and for how long.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;

use crate::fixture::gateway::script;
use crate::fixture::home::run;
use crate::fixture::http::Address;
use crate::fixture::tls::{Certs, Forge, Kept, curl, jobs, quoted, secure, serve};
use crate::fixture::{Client, Gateway, Home, SOON, is_root, program, skip, wait_for};

const DAY: i64 = 24 * 60 * 60;

/// The gateway asks for certificates: `required` or `optional`.
fn asking(home: &Home, certs: &Certs, demand: &str) -> Gateway {
    let more = format!("client_ca = {}\nclient_certificates = \"{demand}\"", quoted(&certs.ca()));
    serve(home, &certs.table("127.0.0.1:0", &more))
}

/// Submits over TLS; gives the id.
fn submit(home: &Home, certs: &Certs, client: &str, gateway: &Gateway) -> String {
    let spec = script("true").to_string();
    let url = secure(gateway, "/v2/jobs/new");
    let output = curl(home, certs, client, &["-H", "content-type: application/json", "-d", &spec, &url]);
    output.out.trim_matches('"').to_owned()
}

#[test]
fn certificates_that_are_good_and_others() {
    if program("curl").is_none() {
        return skip("curl is not installed");
    }
    let home = Home::new();
    let certs = Certs::make(&home);
    Forge::stranger().client(&certs, "stranger", DAY, 1);
    Forge::ours(&certs).client(&certs, "ended", -60, 2);
    // a server's certificate is no client's
    let (certificate, key) = certs.server();
    fs::copy(certificate, certs.client("server").0).unwrap();
    fs::copy(key, certs.client("server").1).unwrap();

    let required = asking(&home, &certs, "required");
    let optional = asking(&home, &certs, "optional");
    for (client, by_required, by_optional) in
        [("alice", 200, 200), ("", 0, 401), ("stranger", 0, 0), ("ended", 0, 0), ("server", 0, 0)]
    {
        let got = (jobs(&home, &certs, client, &required), jobs(&home, &certs, client, &optional));
        assert_eq!(got, (by_required, by_optional), "{client:?}");
    }
    let alert = curl(&home, &certs, "", &[&secure(&required, "/v2/backends")]);
    assert!(alert.err.contains("certificate required"), "the client learns why: {alert:?}");
    let alert = curl(&home, &certs, "ended", &[&secure(&required, "/v2/backends")]);
    assert!(alert.err.contains("certificate expired"), "{alert:?}");
    let public =
        curl(&home, &certs, "", &["-w", "%{http_code}", "-o", "/dev/null", &secure(&optional, "/v2/backends")]);
    assert_eq!(public.out, "200");
    assert!(required.log().contains("a client's certificate is refused"), "{}", required.log());
}

#[test]
fn jobs_belong_to_who_the_certificate_names() {
    let home = Home::new();
    let certs = Certs::make(&home);
    certs.run(&home, &["add-client", "bob"]);
    certs.run(&home, &["add-client", "boss"]);
    certs.run(&home, &["add-client", "root"]);
    let more = format!("client_ca = {}\n[auth]\nadministrators = [\"boss\"]", quoted(&certs.ca()));
    let gateway = serve(&home, &certs.table("127.0.0.1:0", &more));
    let jobid = submit(&home, &certs, "alice", &gateway);
    let status = |client: &str, method: &str| {
        let url = secure(&gateway, &format!("/v2/jobs/{jobid}"));
        curl(&home, &certs, client, &["-X", method, "-o", "/dev/null", "-w", "%{http_code}", &url]).out
    };
    for (client, expected) in [("alice", "200"), ("bob", "404"), ("root", "404"), ("boss", "200")] {
        assert_eq!(status(client, "GET"), expected, "{client}");
    }
    assert_eq!(status("bob", "DELETE"), "404");
    let listed = |client: &str| {
        let output = curl(&home, &certs, client, &[&secure(&gateway, "/v2/jobs")]);
        serde_json::from_str::<Value>(&output.out).unwrap().as_array().unwrap().len()
    };
    assert_eq!((listed("alice"), listed("bob"), listed("boss")), (1, 0, 1));
    let shown = home.ok(&["ls", "-o", "json", "--config", home.path("tls.toml").to_str().unwrap()]);
    assert_eq!(serde_json::from_str::<Value>(&shown).unwrap()[0]["owner"], "alice");
}

/// What was revoked counts no longer, on connections that are there already as well.
#[test]
fn revocation_reaches_open_connections() {
    let home = Home::new();
    let certs = Certs::make(&home);
    let forge = Forge::ours(&certs);
    forge.client(&certs, "carol", DAY, 77);
    let crl = home.path("revoked.crl");
    fs::write(&crl, forge.revoke(&[5])).unwrap();
    let more = format!("client_ca = {}\nclient_crl = {}", quoted(&certs.ca()), quoted(&crl));
    let gateway = serve(&home, &certs.table("127.0.0.1:0", &more));
    let connect = |name: &str| Kept::connect(gateway.address, &certs.ca(), Some(certs.client(name))).unwrap();
    let (mut carol, mut alice) = (connect("carol"), connect("alice"));
    assert_eq!((carol.get("/v2/jobs"), alice.get("/v2/jobs")), (Ok(200), Ok(200)));
    fs::write(&crl, forge.revoke(&[5, 77])).unwrap();
    wait_for("the revocation", SOON, || (carol.get("/v2/jobs") == Ok(401)).then_some(()));
    assert_eq!(alice.get("/v2/jobs"), Ok(200));
    assert!(connect("carol").get("/v2/jobs").is_err(), "and there are no new ones");
}

/// An authority that is taken away takes its users with it.
#[test]
fn a_directory_of_authorities() {
    let home = Home::new();
    let certs = Certs::make(&home);
    let other = Forge::stranger();
    other.client(&certs, "guest", DAY, 1);
    let known = home.path("known_clients");
    fs::create_dir(&known).unwrap();
    fs::copy(certs.ca(), known.join("us.crt")).unwrap();
    fs::write(known.join("them.pem"), &other.certificate).unwrap();
    let gateway = serve(&home, &certs.table("127.0.0.1:0", &format!("client_ca = {}", quoted(&known))));
    let mut guest = Kept::connect(gateway.address, &certs.ca(), Some(certs.client("guest"))).unwrap();
    assert_eq!(guest.get("/v2/jobs"), Ok(200));
    assert_eq!((jobs(&home, &certs, "alice", &gateway), jobs(&home, &certs, "guest", &gateway)), (200, 200));
    fs::remove_file(known.join("them.pem")).unwrap();
    wait_for("their end", SOON, || (guest.get("/v2/jobs") == Ok(401)).then_some(()));
    assert_eq!((jobs(&home, &certs, "alice", &gateway), jobs(&home, &certs, "guest", &gateway)), (200, 0));
}

/// One gateway, one socket, several users of the machine.
#[test]
fn users_of_one_socket() {
    if !is_root() || program("setpriv").is_none() || program("curl").is_none() {
        return skip("to be several users one must be root and have setpriv and curl");
    }
    let home = Home::new();
    fs::set_permissions(home.path(""), fs::Permissions::from_mode(0o711)).unwrap();
    let socket = home.path("all.sock");
    let gateway = serve(
        &home,
        &format!(
            "[server]\nlisten = [\"127.0.0.1:0\"]\n[[server.listener]]\nuds = {}\naccess = \"everybody\"\n\
             accept = [\"socket\"]\n",
            quoted(&socket)
        ),
    );
    assert!(gateway.log().contains("for several users of this machine"), "told of the open door: {}", gateway.log());
    let ask = |user: &str, args: &[&str]| {
        let mut command = home.program(Path::new("setpriv"));
        command.args(["--reuid", user, "--regid", "65534", "--clear-groups", "curl", "-sS", "--unix-socket"]);
        command.arg(&socket).args(["-w", " %{http_code}"]).args(args);
        let output = run(&mut command);
        assert_eq!(output.code, 0, "{output:?}");
        output.out
    };
    let spec = script("true").to_string();
    let made = ask("daemon", &["-H", "content-type: application/json", "-d", &spec, "http://localhost/v2/jobs/new"]);
    let (jobid, status) = made.rsplit_once(' ').unwrap();
    assert_eq!(status, "200", "{made}");
    let url = format!("http://localhost/v2/jobs/{}", jobid.trim_matches('"'));
    assert!(ask("daemon", &[&url]).ends_with(" 200"));
    assert!(ask("games", &[&url]).ends_with(" 404"), "another user");
    assert_eq!(ask("games", &["http://localhost/v2/jobs"]), "[] 200");
    assert!(ask("12345678", &[&url]).ends_with(" 401"), "nobody with a login");
    // the gateway's own user sees all
    let mut own = Client::new(Address::Unix(socket));
    assert_eq!(own.get(&url["http://localhost".len()..]).status, 200);
}
