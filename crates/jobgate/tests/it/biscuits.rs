//! Biscuits end to end: the command line, a running server, and biscuit-python, which psik_api and its users work with.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::fixture::gateway::{Gateway, script};
use crate::fixture::home::{Home, Output, run};
use crate::fixture::http::{Body, Client};
use crate::fixture::peer::Peer;

/// A home whose server wants tokens also of local clients.
fn home(more: &str) -> Home {
    Home::with_settings(&format!("[server]\nauthz = \"insecure\"\n{more}"))
}

/// Runs our binary with a text on its standard input.
#[track_caller]
fn told(home: &Home, args: &[&str], input: &str) -> Output {
    let mut command = home.command(args);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // who refuses its arguments reads nothing
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Output { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

#[track_caller]
fn ok(home: &Home, args: &[&str], input: &str) -> String {
    let output = told(home, args, input);
    assert_eq!(output.code, 0, "{args:?}: {output:?}");
    output.out.trim_end().to_owned()
}

fn biscuit(home: &Home, user: &str) -> String {
    home.ok(&["token", "biscuit", user]).trim().to_owned()
}

/// A client with a token.
fn holder(gateway: &Gateway, token: &str) -> Client {
    let mut client = gateway.client();
    client.headers.push(("authorization".into(), format!("Bearer {token}")));
    client
}

#[track_caller]
fn status(gateway: &Gateway, token: &str, line: &str) -> u16 {
    let (method, path) = line.split_once(' ').unwrap();
    holder(gateway, token).ask(method, path, &[], &Body::None).status
}

#[test]
fn from_the_command_line_to_the_server_and_back() {
    let home = home("");
    let alice = biscuit(&home, "alice");
    let mut gateway = Gateway::start(&home);
    let job = holder(&gateway, &alice).create("v2", &script("true"));
    assert_eq!(status(&gateway, &biscuit(&home, "bob"), &format!("GET /v2/jobs/{job}")), 404);
    let mut narrow = alice.clone();
    for option in [&["--read-only"][..], &["--job", &job], &["--expires", "1h"], &["--path", "/v2/jobs"]] {
        narrow = ok(&home, &[&["token", "attenuate"], option].concat(), &narrow);
    }
    assert_eq!(status(&gateway, &narrow, &format!("GET /v2/jobs/{job}")), 200);
    assert_eq!(status(&gateway, &narrow, &format!("GET /v1/jobs/{job}")), 403);
    assert_eq!(status(&gateway, &narrow, "GET /v2/jobs"), 403);
    assert_eq!(status(&gateway, &narrow, &format!("DELETE /v2/jobs/{job}")), 403);
    let shown = ok(&home, &["token", "inspect"], &narrow);
    assert!(shown.contains("check if access(\"read\");") && shown.ends_with("accepted here, as uid:alice"), "{shown}");

    // over a restart, and with a new key
    gateway.stop();
    let gateway = Gateway::start(&home);
    home.ok(&["token", "rotate"]);
    assert_eq!(home.ok(&["token", "keys"]).lines().count(), 2);
    for token in [&alice, &biscuit(&home, "alice")] {
        assert_eq!(status(&gateway, token, &format!("GET /v2/jobs/{job}")), 200);
    }
    // taken back by another process, at once, with everything that was made of it
    ok(&home, &["token", "revoke"], &narrow);
    assert_eq!(status(&gateway, &narrow, &format!("GET /v2/jobs/{job}")), 401);
    assert_eq!(status(&gateway, &alice, &format!("GET /v2/jobs/{job}")), 200);
    ok(&home, &["token", "revoke"], &format!("Bearer {alice}\n"));
    assert_eq!(status(&gateway, &alice, &format!("GET /v2/jobs/{job}")), 401);
    assert!(told(&home, &["token", "inspect"], &narrow).out.contains("not accepted here: revoked"));
    // no token is in a log
    for token in [&alice, &narrow] {
        assert!(!gateway.log().contains(token.as_str()));
    }
}

#[test]
fn what_is_wrong_is_said() {
    let home = home("");
    let alice = biscuit(&home, "alice");
    for (args, input, expected) in [
        (&["token", "attenuate"][..], alice.as_str(), "nothing is to be restricted"),
        (&["token", "attenuate", "--read-only"], "abc", "not a biscuit"),
        (&["token", "attenuate", "--read-only"], "", "there is no token"),
        (&["token", "attenuate", "--check", "check of x"], &alice, "not a check"),
        (&["token", "attenuate", "--check", "user(\"uid:root\")"], &alice, "there is no check in it"),
        (&["token", "attenuate", "--check", "check if user({name})"], &alice, "nobody fills in"),
        (&["token", "attenuate", "--check", "check if user($u), {name}"], &alice, "nobody fills in"),
        (&["token", "biscuit", "local:psik_api"], "", "the user's name"),
        (&["token", "revoke", "123"], "", "128 hexadecimal digits"),
        (&["token", "inspect"], "e30.e30.e30", "not a biscuit"),
    ] {
        let output = told(&home, args, input);
        assert!(output.code == 1 && output.err.contains(expected), "{args:?}: {output:?}");
        assert!(!output.err.contains(&alice), "{args:?}: {output:?}");
    }
    // keys that others can read, and a broken list of what is revoked
    let key = home.state().join("biscuit.key");
    let mode = |mode| fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    mode(0o644);
    for args in [&["token", "biscuit"][..], &["token", "keys"], &["serve", "--listen", "127.0.0.1:0"]] {
        let output = home.run(args);
        assert!(output.code == 1 && output.err.contains("can be read or written by others"), "{args:?}: {output:?}");
    }
    mode(0o600);
    fs::write(home.state().join("biscuit.revoked"), "x").unwrap();
    let output = home.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert!(output.code == 1 && output.err.contains("line 1"), "{output:?}");
}

#[test]
fn scontrols_words_still_make_slurms_tokens() {
    let home = home("");
    for args in
        [&["token"][..], &["token", "alice"], &["token", "username=alice", "lifespan=60"], &["token", "-u", "keys"]]
    {
        assert!(home.ok(args).starts_with("SLURM_JWT=ey"), "{args:?}");
    }
}

#[test]
fn the_policy_is_checked_at_the_start_and_asked_by_the_command_line() {
    let home = home("[auth]\npolicy = \"policy\"\n");
    let file = home.path("config/jobgate/policy");
    fs::write(&file, "deny if user(\"uid:mallory\");\n\nallow iff user($u);\n").unwrap();
    let output = home.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert!(output.code == 1 && output.err.contains("line 3"), "{output:?}");
    assert_eq!(home.run(&["policy", "check"]).code, 2);

    fs::write(&file, "deny if user(\"uid:mallory\");\ncheck if access(\"read\") or backend(\"default\");\n").unwrap();
    let check = |args: &[&str]| home.run(&[&["policy", "check"], args].concat());
    let denied = check(&["--user", "mallory"]);
    assert_eq!(
        (denied.code, denied.out.trim()),
        (1, "denied: the policy says `deny if user(\"uid:mallory\") (line 1)`")
    );
    let allowed = check(&["--user", "alice", "--method", "post", "--backend", "default", "--backend", "other"]);
    assert!(
        allowed.code == 0 && allowed.out.starts_with("allowed, with default: the policy says `allow if user($u)"),
        "{allowed:?}"
    );
    assert_eq!(check(&["--user", "alice", "--method", "post", "--backend", "other"]).code, 1);
    let token = ok(&home, &["token", "attenuate", "--read-only"], &biscuit(&home, "alice"));
    fs::write(home.path("token"), token).unwrap();
    assert_eq!(check(&["--token", "token"]).code, 0);
    let denied = check(&["--token", "token", "--method", "DELETE"]);
    assert_eq!((denied.code, denied.out.trim()), (1, "denied: block 1 of the token says `check if access(\"read\")`"));

    // a running server takes a new one, and not a broken one
    let gateway = Gateway::start(&home);
    let alice = biscuit(&home, "alice");
    assert_eq!(status(&gateway, &alice, "GET /v2/jobs"), 200);
    fs::write(&file, "deny if user(\"uid:alice\");\n").unwrap();
    assert_eq!(status(&gateway, &alice, "GET /v2/jobs"), 403);
    fs::write(&file, "deny if user(\"uid:bob\"").unwrap();
    assert_eq!(status(&gateway, &alice, "GET /v2/jobs"), 403);
    assert!(gateway.log().contains("the one before stays"), "{}", gateway.log());
}

/// The examples of docs/security.md do what is said there.
#[test]
fn the_examples_of_the_documentation() {
    let text = fs::read_to_string(crate::fixture::root().join("docs/security.md")).unwrap();
    let mut examples: Vec<String> =
        text.split("```biscuit\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect();
    // the same maintenance, and it is not over yet
    examples.push(examples[3].replace("2025-12-24T18", "2125-12-24T18"));
    let home = home("[backends.default]\n[backends.bigmem]\n");
    let decide = |example: usize, args: &[&str]| {
        fs::write(home.path("policy"), &examples[example]).unwrap();
        let output = home.run(&[&["policy", "check", "--policy", "policy"], args].concat());
        assert!(output.code < 2, "{}: {output:?}", examples[example]);
        output.out.split(':').next().unwrap().to_owned()
    };
    assert_eq!(examples.len(), 6);
    // somebody is kept out
    assert_eq!(decide(0, &["--user", "mallory"]), "denied");
    assert_eq!(decide(0, &["--user", "alice"]), "allowed");
    // the browser may look
    assert_eq!(decide(1, &["--established", "session"]), "allowed");
    assert_eq!(decide(1, &["--established", "session", "--method", "POST"]), "denied");
    assert_eq!(decide(1, &["--established", "certificate", "--method", "POST"]), "allowed");
    // groups and backends
    assert_eq!(decide(2, &["--user", "alice"]), "allowed");
    assert_eq!(decide(2, &["--user", "carol"]), "allowed, with default");
    // times of maintenance
    assert_eq!(decide(3, &["--user", "alice", "--method", "POST"]), "allowed");
    assert_eq!(decide(5, &["--user", "alice", "--method", "POST"]), "denied");
    assert_eq!(decide(5, &["--user", "alice"]), "allowed");
    assert_eq!(decide(5, &["--user", "root", "--method", "POST"]), "allowed");
    // Slurm's accounting is for administrators
    assert_eq!(decide(4, &["--user", "alice", "--path", "/slurmdb/v0.0.45/jobs"]), "denied");
    assert_eq!(decide(4, &["--user", "alice", "--path", "/slurm/v0.0.45/jobs"]), "allowed");
    assert_eq!(decide(4, &["--user", "root", "--path", "/slurmdb/v0.0.45/jobs"]), "allowed");
}

/// What biscuit-python does with our tokens and keys; it prints tokens of its own.
const PYTHON: &str = r#"
import sys, json
from datetime import datetime, timedelta, timezone
from biscuit_auth import (AuthorizationError, AuthorizerBuilder, Biscuit, BiscuitBuilder, BiscuitValidationError, BlockBuilder,
                          KeyPair, PrivateKey, PublicKey, UnverifiedBiscuit)
given = json.load(sys.stdin)
public, private, ours = PublicKey(given["public"]), PrivateKey(given["private"]), given["token"]
token = Biscuit.from_base64(ours, public)
assert token.block_source(0).startswith('user("uid:alice");'), token.block_source(0)
try:
    Biscuit.from_base64(ours, KeyPair().public_key)
    sys.exit("another key's token was taken")
except BiscuitValidationError:
    pass

# as psik_api 1.0 and 2.0 ask
def psik(token, operation, path="/v1/jobs"):
    builder = AuthorizerBuilder("""
        time({now}); client("uid:alice"); service("psik_api"); path({path}); operation({operation}); client_serial("1");
        right($u, $c, $p, $op) <- user($u), client($c), path($p), operation($op);
        allow if user($u), client($c), path($p), operation($op), right($u, $c, $p, $op);
    """, {"now": datetime.now(tz=timezone.utc), "path": path, "operation": operation})
    # a machine that does other things besides takes longer than its thousandth of a second
    limits = builder.limits()
    limits.max_time = timedelta(seconds=10)
    builder.set_limits(limits)
    auth = builder.build(token)
    try:
        auth.authorize()
        return True
    except AuthorizationError:
        return False
assert psik(token, "DELETE")
theirs = Biscuit.from_base64(given["operation"], public)
assert psik(theirs, "GET") and not psik(theirs, "DELETE")

end = datetime.now(tz=timezone.utc) + timedelta(days=1)
whole = BiscuitBuilder('user("uid:alice"); check if time($time), $time < {end};', {"end": end}).build(private)
read = token.append(BlockBuilder('check if operation("GET")'))
other = KeyPair()
third = token.third_party_request().create_block(other.private_key, BlockBuilder('member("staff")'))
third = token.append_third_party(other.public_key, third)
third = third.append(BlockBuilder('check if member("staff") trusting {key}', {}, {"key": other.public_key}))
forged = BiscuitBuilder('user("uid:root")').build(KeyPair().private_key)
thief = token.append(BlockBuilder('user("uid:root"); right("uid:root", "addr:127.0.0.1", "/v2/jobs", "GET")'))
over = BiscuitBuilder('user("uid:alice"); check if time($time), $time < 2020-01-01T00:00:00Z').build(private)
closures = token.append(BlockBuilder('check if operation($o), ["GET", "HEAD"].any($x -> $x === $o); reject if path("/nowhere")'))
assert UnverifiedBiscuit.from_base64(ours).root_key_id() is not None
print(json.dumps({name: value.to_base64() for name, value in {
    "whole": whole, "read": read, "third": third, "forged": forged, "thief": thief, "over": over, "closures": closures}.items()}))
"#;

#[test]
fn biscuit_python_and_we_understand_each_other() {
    let Some(python) = Peer::get("biscuit") else { return };
    let home = home("");
    let alice = biscuit(&home, "alice");
    let given = json!({
        "token": alice,
        "operation": ok(&home, &["token", "attenuate", "--check", "check if operation(\"GET\")"], &alice),
        "public": home.ok(&["token", "keys"]).trim(),
        "private": fs::read_to_string(home.state().join("biscuit.key")).unwrap().trim(),
    });
    fs::write(home.path("given"), given.to_string()).unwrap();
    let mut command = python.command(&home, "python");
    command.args(["-c", PYTHON]).stdin(fs::File::open(home.path("given")).unwrap());
    let output = run(&mut command);
    assert_eq!(output.code, 0, "{output:?}");
    let made: Value = serde_json::from_str(&output.out).unwrap();
    let gateway = Gateway::start(&home);
    let job = holder(&gateway, &alice).create("v2", &script("true"));
    let get = format!("GET /v2/jobs/{job}");
    let delete = format!("DELETE /v2/jobs/{job}");
    for (name, gets, deletes) in [
        ("forged", 401, 401),
        ("over", 401, 401),
        ("read", 200, 403),
        ("closures", 200, 403),
        ("third", 200, 200),
        ("thief", 200, 200),
        ("whole", 200, 200),
    ] {
        let token = made[name].as_str().unwrap();
        assert_eq!(status(&gateway, token, &get), gets, "{name}");
        assert_eq!(status(&gateway, token, &delete), deletes, "{name}");
    }
    // whoever adds facts is still alice, who is nobody special
    let theirs = holder(&gateway, &biscuit(&home, "bob")).create("v2", &script("true"));
    assert_eq!(status(&gateway, made["thief"].as_str().unwrap(), &format!("GET /v2/jobs/{theirs}")), 404);
}
