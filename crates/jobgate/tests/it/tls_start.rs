//! What a gateway refuses to start with, and what it says.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::fixture::tls::{Certs, Forge, Kept, quoted, refusal, serve};
use crate::fixture::{Gateway, Home};

#[test]
fn what_would_be_open_to_the_wrong_people() {
    let home = Home::new();
    let certs = Certs::make(&home);
    let ca = certs.ca();
    let listener = |lines: &str| format!("[[server.listener]]\n{lines}\n");
    let tls = |more: &str| certs.table("0.0.0.0:0", more);
    for (settings, told) in [
        ("[server]\nlisten = [\"0.0.0.0:0\"]\n".to_owned(), "not loopback"),
        ("[server]\nauthz = \"insecure\"\nlisten = [\"0.0.0.0:0\"]\n".to_owned(), "HTTP without TLS"),
        ("[server]\nauthz = \"tokens\"\nlisten = [\"[::]:0\"]\n".to_owned(), "HTTP without TLS"),
        (listener("address = \"0.0.0.0:0\"\naccept = [\"biscuit\"]"), "HTTP without TLS"),
        (listener("address = \"0.0.0.0:0\"\naccept = [\"local\"]\nclear_text = \"anywhere\""), "not loopback"),
        (listener("address = \"127.0.0.1:0\"\naccept = []"), "accepts nothing"),
        (listener("address = \"127.0.0.1:0\"\naccept = [\"certificate\"]"), "nobody can come in"),
        (listener("address = \"127.0.0.1:0\"\naccept = [\"socket\"]"), "nobody can come in"),
        (tls("accept = [\"local\", \"biscuit\"]"), "`local` over TLS"),
        (tls("accept = [\"certificate\"]"), "nobody can come in"),
        (tls("client_certificates = \"required\""), "needs `client_ca`"),
        (tls("client_ca = \"/nowhere\""), "cannot read /nowhere"),
        (tls(&format!("client_ca = {}", quoted(&certs.server().1))), "no usable certificate"),
        (tls("accept = [\"bearer\"]"), "unknown kind of identity"),
    ] {
        let said = refusal(&home, &settings);
        assert!(said.contains(told) && said.starts_with("error: "), "{settings}\n{said}");
    }
    assert!(ca.exists());
}

#[test]
fn certificates_and_keys_that_are_not_right() {
    let home = Home::new();
    let certs = Certs::make(&home);
    let (certificate, key) = certs.server();
    let table = certs.table("127.0.0.1:0", "");
    let with = |from: &Path, to: &Path| table.replace(&quoted(from), &quoted(to));
    for mode in [0o640, 0o604, 0o644] {
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        let said = refusal(&home, &table);
        assert!(said.contains(&format!("others can read (mode {mode:o})")) && said.contains("chmod 600"), "{said}");
    }
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let said = refusal(&home, &with(&key, &certs.client("alice").1));
    assert!(said.contains("does not belong to the certificate"), "{said}");
    let said = refusal(&home, &with(&certificate, &key));
    assert!(said.contains("no usable certificate"), "{said}");
    let said = refusal(&home, &with(&certificate, Path::new("/nowhere.crt")));
    assert!(said.contains("cannot read /nowhere.crt"), "{said}");
    let secret = fs::read_to_string(&key).unwrap();
    let secret = secret.lines().nth(1).unwrap();
    assert!(!said.contains(secret), "no secret in what is said");
    // one that has expired is shown to clients, who may know what to make of it
    Forge::ours(&certs).server(&certs, -60);
    assert!(serve(&home, &table).log().contains("has expired"));
}

/// The options do what the tables do.
#[test]
fn options_of_serve() {
    let home = Home::new();
    let certs = Certs::make(&home);
    let (certificate, key) = certs.server();
    let mut command = home.command(&["serve", "--listen", "127.0.0.1:0", "--tls-cert"]);
    command.arg(&certificate).arg("--tls-key").arg(&key).arg("--client-ca").arg(certs.ca());
    let gateway = Gateway::spawn(&home, &mut command);
    let ask = |pair| Kept::connect(gateway.address, &certs.ca(), pair).and_then(|mut one| one.get("/v2/jobs"));
    assert_eq!(ask(Some(certs.client("alice"))), Ok(200));
    assert!(ask(None).is_err(), "as under `certified serve`, a certificate is required");

    for (args, told) in [
        (&["--tls-cert", "x"][..], "--tls-key"),
        (&["--tls-cert", "x", "--tls-key", "y", "--certified", "z"], "cannot be used with"),
        (&["--client-ca", "x"], "--client-ca needs --tls-cert"),
        (&["--uds", "x", "--tls-cert", "x", "--tls-key", "y"], "TLS is for TCP addresses"),
        (&["--inetd", "--tls-cert", "x", "--tls-key", "y"], "cannot be used with"),
    ] {
        let output = home.run(&[&["serve"], args].concat());
        assert!(output.code != 0 && output.err.contains(told), "{args:?}: {output:?}");
    }
}

/// systemd opens the port, the listener of that address says how it is protected.
#[test]
fn sockets_of_systemd_with_tls() {
    let home = Home::new();
    let certs = Certs::make(&home);
    let file = home.path("tls.toml");
    let more = format!("client_ca = {}", quoted(&certs.ca()));
    let pass = "import os,socket,sys\ns=socket.socket(); s.bind(('127.0.0.1',0)); s.listen()\n\
                port=s.getsockname()[1]\nopen(sys.argv[1],'a').write(sys.argv[2].replace('PORT',str(port)))\n\
                os.dup2(s.fileno(),3); os.set_inheritable(3,True)\n\
                os.environ.update(LISTEN_PID=str(os.getpid()),LISTEN_FDS='1')\nos.execv(sys.argv[3],sys.argv[3:])";
    // the only listener, under another address; then one of two
    for (tables, refused) in [
        (certs.table("127.0.0.1:1", &more), false),
        (certs.table("127.0.0.1:PORT", &more) + "[[server.listener]]\naddress = \"127.0.0.1:2\"\n", false),
        (certs.table("127.0.0.1:1", &more) + "[[server.listener]]\naddress = \"127.0.0.1:2\"\n", true),
    ] {
        fs::write(&file, format!("prefix = {}\n", quoted(&home.prefix))).unwrap();
        let mut command = home.program(Path::new("python3"));
        command.args(["-c", pass]).arg(&file).arg(&tables).arg(crate::fixture::binary()).args(["serve", "--config"]);
        command.arg(&file);
        if refused {
            let output = crate::fixture::home::run(&mut command);
            assert!(output.code == 1 && output.err.contains("none of the configured listeners"), "{output:?}");
            continue;
        }
        let gateway = Gateway::spawn(&home, &mut command);
        assert!(gateway.log().contains("listening on https://"), "{}", gateway.log());
        let mut alice = Kept::connect(gateway.address, &certs.ca(), Some(certs.client("alice"))).unwrap();
        assert_eq!(alice.get("/v2/jobs"), Ok(200));
    }
}
