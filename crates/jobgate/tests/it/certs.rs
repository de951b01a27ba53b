//! `jobgate certs`: what a team needs who has no authority.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::fixture::home::run;
use crate::fixture::peer::Peer;
use crate::fixture::tls::{Certs, quoted, secure, serve};
use crate::fixture::{Home, program, skip};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

#[test]
fn nothing_is_overwritten_and_keys_are_secret() {
    let home = Home::new();
    let certs = Certs::make(&home);
    for key in [certs.dir.join("ca.key"), certs.server().1, certs.client("alice").1] {
        assert_eq!(mode(&key), 0o600, "{}", key.display());
    }
    assert_eq!(mode(&certs.dir), 0o700);
    let before = fs::read(certs.client("alice").0).unwrap();
    let dir = certs.dir.to_str().unwrap();
    for words in [&["init"][..], &["add-client", "alice"], &["add-server", "localhost"]] {
        let output = home.run(&[&["certs", "--dir", dir], words].concat());
        assert!(output.code == 1 && output.err.contains("exists, and is not overwritten"), "{words:?}: {output:?}");
    }
    assert_eq!(fs::read(certs.client("alice").0).unwrap(), before);
    // a key without its certificate counts as well
    fs::remove_file(certs.client("alice").0).unwrap();
    assert_eq!(home.run(&["certs", "--dir", dir, "add-client", "alice"]).code, 1);

    let listed = certs.run(&home, &["show"]);
    let lines: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["kind", "name", "days-left", "file"]);
    // a day that has begun does not count
    let days = |line: &[&str]| line[line.len() - 2].parse::<u32>().unwrap();
    assert!((3651..=3652).contains(&days(&lines[1])) && (364..=365).contains(&days(&lines[2])), "{listed}");
    assert_eq!((lines[1][0], lines[1][4]), ("authority", "ca.crt"));
    assert_eq!((lines[2][0], lines[2][1], lines[2][3]), ("server", "localhost", "servers/localhost.crt"));
}

#[test]
fn what_cannot_be_made() {
    let home = Home::new();
    let certs = Certs { dir: home.path("certs") };
    let dir = certs.dir.to_str().unwrap();
    let refused = |words: &[&str]| {
        let output = home.run(&[&["certs", "--dir", dir], words].concat());
        assert_ne!(output.code, 0, "{words:?}: {output:?}");
        output.err
    };
    assert!(refused(&["add-client", "alice"]).contains("`jobgate certs init` makes an authority"));
    assert!(refused(&["show"]).contains("there are no certificates"));
    certs.run(&home, &["init", "--days", "10"]);
    for name in ["../alice", "a/b", "", "a b", "-x"] {
        let told = refused(&["add-client", "--", name]);
        assert!(told.contains("no user's name"), "{name}: {told}");
    }
    for host in ["http://a", "a:80", ""] {
        assert!(refused(&["add-server", host]).contains("no host name"), "{host}");
    }
    refused(&["add-client", "alice", "--days", "0"]);
    assert_eq!(fs::read_dir(&certs.dir).unwrap().count(), 2, "the authority, and nothing else");
    // nothing outlives its authority
    let output = home.run(&["certs", "--dir", dir, "add-client", "alice"]);
    assert!(output.err.contains("days only, because the authority ends then"), "{output:?}");
}

/// What is printed is what one types.
#[test]
fn the_printed_lines_work() {
    if program("curl").is_none() {
        return skip("curl is not installed");
    }
    let home = Home::new();
    let certs = Certs { dir: home.path("our certs") };
    certs.run(&home, &["init", "--name", "Our team"]);
    let server = certs.run(&home, &["add-server", "localhost", "127.0.0.1", "::1"]);
    let client = certs.run(&home, &["add-client", "alice", "--email", "alice@example.org"]);
    let table = server.split("[[server.listener]]").nth(1).unwrap().split("\n\n").next().unwrap();
    let gateway = serve(&home, &format!("[[server.listener]]{}", table.replace("0.0.0.0:8443", "127.0.0.1:0")));
    let line = client.lines().find(|line| line.starts_with("curl ")).unwrap();
    let line = line.replace("HOST:8443", &gateway.address.to_string());
    let output = run(home.program(Path::new("sh")).args(["-c", &line]));
    assert_eq!((output.code, output.out.as_str()), (0, "[]"), "{line}: {output:?}");
}

/// Python is stricter than curl about what must stand in a certificate.
#[test]
fn python_takes_them() {
    let Some(tools) = Peer::get("tools") else { return };
    let home = Home::new();
    let certs = Certs::make(&home);
    let gateway = serve(&home, &certs.table("127.0.0.1:0", &format!("client_ca = {}", quoted(&certs.ca()))));
    let code = "import ssl, sys, urllib.request as u\nca, crt, key, url = sys.argv[1:]\n\
                ctx = ssl.create_default_context(cafile=ca)\nctx.verify_flags |= ssl.VERIFY_X509_STRICT\n\
                ctx.load_cert_chain(crt, key)\nprint(u.urlopen(url, context=ctx).read().decode())\n\
                import requests\nprint(requests.get(url, verify=ca, cert=(crt, key)).json())";
    let (certificate, key) = certs.client("alice");
    let mut command = tools.command(&home, "python");
    command.args(["-c", code]).args([&certs.ca(), &certificate, &key]).arg(secure(&gateway, "/v2/jobs"));
    let output = run(&mut command);
    assert_eq!((output.code, output.out.as_str()), (0, "[]\n[]\n"), "{output:?}");
}
