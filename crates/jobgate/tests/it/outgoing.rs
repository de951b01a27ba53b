//! Calls that go out: to a receiver that wants to know who calls, as psik's companion `certified` serves it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::fixture::home::run;
use crate::fixture::peer::Peer;
use crate::fixture::{Gateway, Home, SOON, wait_for};

/// An application that writes down what is posted to it.
const RECEIVER: &str = r#"
async def app(scope, receive, send):
    while scope["type"] == "lifespan":
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    with open("calls", "ab") as calls:
        calls.write(body + b"\n")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})
"#;

/// Makes an identity, with an authority of its own.
fn identity(peer: &Peer, home: &Home, name: &str) {
    let folder = home.path(name);
    let made = run(peer
        .command(home, "certified")
        .args(["init", name, "--uid", name, "--host", "localhost", "--config"])
        .arg(&folder));
    assert_eq!(made.code, 0, "{made:?}");
}

/// The receiver, and the port that the system chose for it.
fn receiver(peer: &Peer, home: &Home) -> u16 {
    fs::write(home.path("receiver.py"), RECEIVER).unwrap();
    let (log, config) = (home.path("receiver.log"), home.path("receiver"));
    let file = fs::File::create(&log).unwrap();
    let mut command = peer.command(home, "certified");
    command.args(["serve", "receiver:app", "https://127.0.0.1:0", "-v", "--config"]).arg(&config);
    command.env("PYTHONPATH", home.path("")).stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
    // its home ends it
    drop(command.spawn().unwrap());
    wait_for("the receiver to say where it listens", SOON, || {
        let text = fs::read_to_string(&log).unwrap();
        let (_, rest) = text.split_once("running on https://127.0.0.1:")?;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    })
}

fn states(calls: &Path) -> Vec<String> {
    let text = fs::read_to_string(calls).unwrap_or_default();
    let state = |line: &str| serde_json::from_str::<Value>(line).unwrap()["state"].as_str().unwrap().to_owned();
    text.lines().map(state).collect()
}

#[test]
fn callbacks_reach_a_receiver_that_wants_a_certificate() {
    let Some(peer) = Peer::get("certified-1.3") else { return };
    let home = Home::with_settings(
        "[callbacks]\nclient_certificate = \"../../gateway/id.crt\"\nclient_key = \"../../gateway/id.key\"\n\
         ca = \"../../receiver/CA.crt\"\n",
    );
    identity(&peer, &home, "gateway");
    identity(&peer, &home, "receiver");
    let known = run(peer
        .command(&home, "certified")
        .args(["add-client", "gateway"])
        .arg(home.path("gateway/CA.crt"))
        .arg("--config")
        .arg(home.path("receiver")));
    assert_eq!(known.code, 0, "{known:?}");
    let callback = format!("https://localhost:{}/cb", receiver(&peer, &home));
    let spec = json!({"script": "#!/bin/sh\ntrue\n", "callback": callback});
    let three = ["queued", "active", "completed"];

    let gateway = Gateway::start(&home);
    let mut client = gateway.client();
    let jobid = client.submit("v2", &spec);
    wait_for("the callbacks to arrive", SOON, || (states(&home.path("calls")) == three).then_some(()));
    client.wait_step("v2", &jobid, 1, &["completed"]);
    drop(gateway);

    // The command line, and runners that have no gateway, are as good.
    fs::remove_file(home.path("calls")).unwrap();
    let jobid = home.submit(&spec);
    home.ok(&["wait", &jobid]);
    wait_for("the callbacks to arrive", SOON, || (states(&home.path("calls")) == three).then_some(()));
}

#[test]
fn a_server_that_cannot_make_its_calls_does_not_start() {
    let settings =
        "[callbacks]\nclient_certificate = \"../../etc/client.crt\"\nclient_key = \"../../etc/client.key\"\n";
    let home = Home::with_settings(settings);
    let told = || {
        let output = home.run(&["serve", "--listen", "127.0.0.1:0"]);
        assert_ne!(output.code, 0, "{output:?}");
        output.err
    };
    assert!(told().contains("invalid [callbacks]: there is no client certificate "), "{}", told());
    let pair = rcgen::generate_simple_self_signed(["gateway".to_owned()]).unwrap();
    fs::write(home.path("etc/client.crt"), pair.cert.pem()).unwrap();
    fs::write(home.path("etc/client.key"), pair.signing_key.serialize_pem()).unwrap();
    fs::set_permissions(home.path("etc/client.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let text = told();
    assert!(text.contains("others can read or change the client key ") && text.contains("chmod o-rwx"), "{text}");
    // What is wrong with a server's calls keeps nobody from working with the jobs.
    home.submit(&json!({"script": "#!/bin/sh\ntrue\n"}));
    fs::set_permissions(home.path("etc/client.key"), fs::Permissions::from_mode(0o600)).unwrap();
    drop(Gateway::start(&home));
}
