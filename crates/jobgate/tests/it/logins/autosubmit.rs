//! Logins of Autosubmit's dialect beside the original: by the same real OpenID provider, and by a stand-in for GitHub, which cannot
//! be asked from here. Both servers have the original's variables and nothing else.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};
use url::Url;

use super::person::Person;
use super::provider;
use crate::fixture::experiments::Experiments;
use crate::fixture::home::run;
use crate::fixture::http::{Address, Body};
use crate::fixture::peer::Original;
use crate::fixture::tls::Certs;
use crate::fixture::{Client, Gateway, skip, wait_for};

/// As the original takes to start on a busy machine, and more.
const LONG: Duration = Duration::from_secs(120);
const CHECK: &str = "/v4/auth/verify-token";

/// What a server says of a login; the token apart.
fn logged_in(answer: &Value) -> (Value, String) {
    let token = answer["token"].as_str().unwrap_or_default().to_owned();
    let mut rest = answer.clone();
    rest["token"] = (!token.is_empty()).into();
    (rest, token)
}

/// A token's header and claims, without when.
fn inside(token: &str) -> [Value; 2] {
    let mut parts = token.strip_prefix("Bearer ").unwrap().split('.').map(|part| {
        let bytes = base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(part).unwrap_or_default();
        serde_json::from_slice::<Value>(&bytes).unwrap_or_default()
    });
    let (header, mut claims) = (parts.next().unwrap(), parts.next().unwrap());
    claims["exp"] = (claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap()).into();
    claims["iat"] = 0.into();
    [header, claims]
}

fn who(client: &mut Client, token: &str) -> (u16, Value) {
    let answer = client.ask("GET", CHECK, &[("authorization", token)], &Body::None);
    (answer.status, answer.json())
}

/// Either server takes what the other has given.
#[track_caller]
fn interchangeable(clients: &mut [Client; 2], tokens: &[String; 2], user: &str) {
    assert_eq!(inside(&tokens[0]), inside(&tokens[1]));
    for token in tokens {
        for client in &mut *clients {
            assert_eq!(who(client, token), (200, json!({"authenticated": true, "user": user})));
        }
    }
}

#[test]
fn a_person_logs_in_by_openid_as_at_the_original() {
    let Some(site) = Experiments::new() else { return };
    let Some(provider) = provider(&site.home) else { return };
    let at = |path: &str| format!("{}{path}", provider.url);
    let of_token = vec![
        ("OIDC_TOKEN_URL", at("/token")),
        ("OIDC_CLIENT_ID", "interface".to_owned()),
        ("OIDC_CLIENT_SECRET", "the-interfaces-secret".to_owned()),
    ];
    let of_userinfo = [
        of_token.clone(),
        vec![
            ("OIDC_USERNAME_SOURCE", "userinfo".into()),
            ("OIDC_USERNAME_CLAIM", "preferred_username".into()),
            ("OIDC_USERINFO_URL", at("/me")),
        ],
    ]
    .concat();
    for (variables, user) in [(of_token, "alice"), (of_userinfo, "Mrs.alice")] {
        let variables = [site.variables(), variables].concat();
        let original = Original::start(&site.home, site.peer(), &variables);
        let mut command = site.home.command(&["autosubmit", "start", "--disable-bg-tasks", "-b", "127.0.0.1:0"]);
        let gateway = Gateway::spawn(&site.home, command.envs(variables));
        let mut clients = [original.client(), gateway.client()];
        // the interface, which sends people to the provider and gets them back
        let home = gateway.url("/home");
        let come_back = || {
            let url = Url::parse_with_params(
                &at("/auth"),
                [
                    ("client_id", "interface"),
                    ("response_type", "code"),
                    ("scope", "openid profile"),
                    ("redirect_uri", &home),
                ],
            );
            let page = Person::new().log_in("alice", url.unwrap().as_str());
            let url = Url::parse(&page.url).unwrap();
            let code = url.query_pairs().find(|(name, _)| name == "code");
            code.unwrap_or_else(|| panic!("{url}")).1.into_owned()
        };
        let ask = |client: &mut Client, code: &str, home: &str| {
            let query = url::form_urlencoded::Serializer::new(String::new())
                .extend_pairs([("code", code), ("redirect_uri", home)])
                .finish();
            let answer = client.get(&format!("/v4/auth/oidc/login?{query}"));
            (answer.status, answer.json())
        };
        let answers = [0, 1].map(|index| {
            let (status, answer) = ask(&mut clients[index], &come_back(), &home);
            assert_eq!(status, 200, "{answer}");
            logged_in(&answer)
        });
        assert_eq!(answers[0].0, answers[1].0);
        assert_eq!(answers[1].0["user"], user);
        interchangeable(&mut clients, &answers.map(|(_, token)| token), user);
        // a code for another address, one that is none, and none at all. (The original fails where it is told nothing.)
        let (status, told) = ask(&mut clients[1], &come_back(), "http://127.0.0.1/other");
        assert_eq!((status, &told["token"]), (401, &Value::Null), "{told}");
        let (status, told) = ask(&mut clients[1], "none", &home);
        assert_eq!((status, &told["token"]), (401, &Value::Null), "{told}");
        let none = clients.each_mut().map(|client| {
            let answer = client.get("/v4/auth/oidc/login?code=");
            (answer.status, answer.json())
        });
        assert_eq!(none[0], none[1]);
        assert!(
            !gateway.log().contains("the-interfaces-secret") && !gateway.log().contains("eyJ"),
            "{}",
            gateway.log()
        );
    }
}

/// GitHub's endpoints that both servers ask, by its names: one user in the team, one who is not.
const GITHUB: &str = r"
import http.server, json, ssl, sys, urllib.parse
tokens = {'good': 'gho_dave', 'other': 'gho_eve'}
class Github(http.server.BaseHTTPRequestHandler):
    def answer(self, status, body=None):
        data = b'' if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header('content-type', 'application/json')
        self.send_header('content-length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)
    def do_POST(self):
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers['content-length'])).decode())
        one = lambda name: form.get(name, [''])[0]
        assert self.headers['host'] == 'github.com' and self.path == '/login/oauth/access_token', self.path
        good = one('client_id') == 'Iv1.x' and one('client_secret') == 'shh' and one('redirect_uri') == 'https://gui/home'
        token = tokens.get(one('code')) if good else None
        self.answer(200, {'access_token': token, 'token_type': 'bearer', 'scope': ''} if token else
                    {'error': 'bad_verification_code', 'error_description': 'The code is wrong.'})
    def do_GET(self):
        assert self.headers['host'] == 'api.github.com', self.headers['host']
        name = self.headers.get('authorization', '').removeprefix('Bearer gho_')
        if self.path == '/user':
            self.answer(200, {'login': name, 'id': 1})
        elif self.path == '/orgs/climate/teams/ops/memberships/dave':
            self.answer(200, {'state': 'active', 'role': 'member'})
        elif self.path == '/orgs/climate/teams/ops/memberships/eve':
            self.answer(200, {'state': 'pending', 'role': 'member'})
        elif self.path == '/orgs/climate/members/dave':
            self.answer(204)
        else:
            self.answer(404, {'message': 'Not Found'})
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
server = http.server.ThreadingHTTPServer(('127.0.0.1', 443), Github)
server.socket = context.wrap_socket(server.socket, server_side=True)
open(sys.argv[0] + '.up', 'w').close()
server.serve_forever()
";

/// In a network of its own, whose only other machine answers to GitHub's names: becomes the command that follows.
const APART: &str = r#"
set -e
ip link set lo up
printf '127.0.0.1 localhost github.com api.github.com\n' >"$1.hosts"
mount --bind "$1.hosts" /etc/hosts
python3 "$1" "$2" "$3" </dev/null >"$1.log" 2>&1 &
while [ ! -e "$1.up" ]; do sleep 0.05; done
shift 3
exec "$@"
"#;

/// A server in such a network, which is reached by a socket; killed when dropped, with the stand-in.
struct Apart {
    child: Child,
    socket: PathBuf,
}

impl Apart {
    fn start(folder: &Path, certs: &Certs, name: &str, command: &Command, variables: &[(&str, String)]) -> Self {
        let script = folder.join(format!("github-{name}.py"));
        fs::write(&script, GITHUB).unwrap();
        let (certificate, key) = (certs.dir.join("servers/github.com.crt"), certs.dir.join("servers/github.com.key"));
        let log = fs::File::create(folder.join(format!("apart-{name}.log"))).unwrap();
        let mut inner = Command::new("unshare");
        inner.args(["-rmn", "sh", "-c", APART, "sh"]).arg(&script).arg(certificate).arg(key);
        inner.arg(command.get_program()).args(command.get_args()).process_group(0).env_clear();
        inner.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        inner.envs(variables.iter().map(|(name, value)| (name, value)));
        let socket = folder.join(format!("{name}.sock"));
        inner.arg("-b").arg(format!("unix:{}", socket.display()));
        let child = inner.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let mut server = Self { child, socket };
        wait_for(name, LONG, || {
            if let Some(status) = server.child.try_wait().unwrap() {
                panic!(
                    "{name} ended with {status}: {:?}",
                    fs::read_to_string(folder.join(format!("apart-{name}.log")))
                );
            }
            let answer = server.client().request("GET", "/", &[], &Body::None).ok()?;
            (answer.status == 200).then_some(())
        });
        server
    }

    fn client(&self) -> Client {
        Client::new(Address::Unix(self.socket.clone()))
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
        let _ = self.child.wait();
    }
}

#[test]
fn members_of_a_team_log_in_by_github_as_at_the_original() {
    let Some(site) = Experiments::new() else { return };
    let possible = run(Command::new("unshare").args([
        "-rmn",
        "sh",
        "-c",
        "ip link set lo up && mount --bind /etc/hosts /etc/hosts",
    ]));
    if possible.code != 0 {
        return skip("no network of its own can be made (unshare), so that GitHub's names lead nowhere");
    }
    let folder = site.home.path("github");
    fs::create_dir_all(&folder).unwrap();
    let certs = Certs { dir: site.home.path("certs") };
    certs.run(&site.home, &["init"]);
    certs.run(&site.home, &["add-server", "github.com", "api.github.com"]);
    let ca = certs.ca().display().to_string();
    let config = site.home.path("github.toml");
    fs::write(&config, format!("[auth.outgoing]\nca = '{ca}'\n")).unwrap();
    let members = vec![
        ("GITHUB_OAUTH_CLIENT_ID", "Iv1.x".to_owned()),
        ("GITHUB_OAUTH_CLIENT_SECRET", "shh".to_owned()),
        ("GITHUB_OAUTH_WHITELIST_ORGANIZATION", "climate".to_owned()),
        ("REQUESTS_CA_BUNDLE", ca),
    ];
    let of_team = [members.clone(), vec![("GITHUB_OAUTH_WHITELIST_TEAM", "ops".to_owned())]].concat();
    for (name, variables) in [("team", of_team), ("members", members)] {
        let variables = [site.variables(), variables].concat();
        let mut theirs = site.program("autosubmit_api");
        theirs.args(["start", "--disable-bg-tasks"]);
        let mut ours = site.home.command(&["autosubmit", "start", "--disable-bg-tasks", "--config"]);
        ours.arg(&config);
        let servers = [
            Apart::start(&folder, &certs, &format!("original-{name}"), &theirs, &variables),
            Apart::start(&folder, &certs, &format!("ours-{name}"), &ours, &variables),
        ];
        let mut clients = servers.each_ref().map(Apart::client);
        let mut ask = |code: &str| {
            clients.each_mut().map(|client| {
                let path = format!("/v4/auth/oauth2/github/login?code={code}&redirect_uri=https://gui/home");
                let answer = client.get(&path);
                (answer.status, logged_in(&answer.json()))
            })
        };
        let [theirs, ours] = ask("good");
        assert_eq!((theirs.0, &theirs.1.0), (ours.0, &ours.1.0));
        assert_eq!((ours.0, &ours.1.0["user"]), (200, &json!("dave")), "{name}");
        // who is not of the team, and who brings nothing that GitHub knows
        for code in ["other", "bad", ""] {
            let [theirs, ours] = ask(code).map(|(status, (mut rest, _))| {
                rest["message"] = json!("a text");
                (status, rest)
            });
            assert_eq!(theirs, ours, "{name}: {code}");
            assert_eq!(ours.0, 401, "{name}: {code}");
        }
        interchangeable(&mut clients, &[theirs.1.1, ours.1.1], "dave");
    }
}
