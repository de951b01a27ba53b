//! People who log in by a real OpenID provider (oidc-provider for Node) and a real CAS server (django-cas-server), and tokens
//! that PyJWT has made.

mod autosubmit;
mod person;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::fixture::home::run;
use crate::fixture::peer::Peer;
use crate::fixture::{Gateway, Home, program, skip};
use person::Person;

/// The provider: whoever gives a name is that one.
const PROVIDER: &str = r"
import { createServer } from 'node:http';
import { generateKeyPairSync } from 'node:crypto';
const { Provider } = await import(process.argv[2] + '/node_modules/oidc-provider/lib/index.js');
const key = (kind, options, more) =>
  ({ ...generateKeyPairSync(kind, options).privateKey.export({ format: 'jwk' }), use: 'sig', ...more });
const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const client = (name, more) => ({
    client_id: name, client_secret: 'the secret+of: ' + name, application_type: 'native',
    redirect_uris: [`http://127.0.0.1/auth/callback/${name}`], grant_types: ['authorization_code'], ...more });
  const provider = new Provider(issuer, {
    clients: [client('first', { id_token_signed_response_alg: 'ES256' }),
              client('second', { token_endpoint_auth_method: 'client_secret_post' }),
              client('interface', { token_endpoint_auth_method: 'client_secret_post', client_secret: 'the-interfaces-secret',
                                    redirect_uris: ['http://127.0.0.1/home'] })],
    jwks: { keys: [key('rsa', { modulusLength: 2048 }, { kid: 'r', alg: 'RS256' }),
                   key('ec', { namedCurve: 'P-256' }, { kid: 'e', alg: 'ES256' })] },
    pkce: { required: (_, client) => client.clientId !== 'interface' },
    claims: { openid: ['sub'], profile: ['preferred_username'] },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, preferred_username: 'Mrs.' + id }) }),
    cookies: { keys: ['for this test only'] },
  });
  server.on('request', provider.callback());
  console.log(`listening on ${issuer}`);
});
";

/// A CAS server with the one user that its test mode has.
const CAS: &str = r"
import os, sys, django
from django.conf import settings
settings.configure(
    SECRET_KEY='for this test only', ALLOWED_HOSTS=['*'], ROOT_URLCONF='cas_urls', USE_TZ=True,
    DATABASES={'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': os.path.join(sys.argv[1], 'cas.sqlite')}},
    DEFAULT_AUTO_FIELD='django.db.models.AutoField',
    INSTALLED_APPS=['django.contrib.auth', 'django.contrib.contenttypes', 'django.contrib.sessions',
                    'django.contrib.messages', 'django.contrib.staticfiles', 'cas_server'],
    MIDDLEWARE=['django.contrib.sessions.middleware.SessionMiddleware', 'django.middleware.common.CommonMiddleware',
                'django.middleware.csrf.CsrfViewMiddleware', 'django.contrib.auth.middleware.AuthenticationMiddleware',
                'django.contrib.messages.middleware.MessageMiddleware', 'django.middleware.locale.LocaleMiddleware'],
    TEMPLATES=[{'BACKEND': 'django.template.backends.django.DjangoTemplates', 'APP_DIRS': True, 'OPTIONS': {
        'context_processors': ['django.template.context_processors.request',
                               'django.contrib.auth.context_processors.auth',
                               'django.contrib.messages.context_processors.messages']}}],
    STATIC_URL='/static/', CAS_AUTH_CLASS='cas_server.auth.TestAuthUser', CAS_TEST_USER='carol',
    CAS_TEST_PASSWORD='a password')
import types
urls = types.ModuleType('cas_urls')
sys.modules['cas_urls'] = urls
django.setup()
from django.urls import include, re_path
urls.urlpatterns = [re_path('^cas/', include('cas_server.urls', namespace='cas_server'))]
from django.core.management import call_command
call_command('migrate', verbosity=0)
from cas_server.models import ServicePattern
ServicePattern.objects.create(pos=1, name='gate', pattern=r'^http://127\.0\.0\.1:\d+/auth/callback/cas', user_field='')
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIServer, make_server
from django.core.wsgi import get_wsgi_application
class Server(ThreadingMixIn, WSGIServer): daemon_threads = True
server = make_server('127.0.0.1', 0, get_wsgi_application(), server_class=Server)
print(f'listening on http://127.0.0.1:{server.server_port}', flush=True)
server.serve_forever()
";

/// The provider at work, where it can be had.
fn provider(home: &Home) -> Option<person::Server> {
    let folder = folder_of("oidc-provider")?;
    let Some(node) = program("node") else {
        skip("there is no node");
        return None;
    };
    fs::write(home.path("provider.mjs"), PROVIDER).unwrap();
    let mut command = home.program(&node);
    command.arg(home.path("provider.mjs")).arg(folder);
    Some(person::Server::spawn(home, &mut command))
}

/// A file that only its owner reads.
fn private(path: &Path, content: &str) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn folder_of(peer: &str) -> Option<std::path::PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("peers");
    if folder.join(peer).join("ready").is_file() {
        return Some(folder.join(peer));
    }
    let why = fs::read_to_string(folder.join(format!("{peer}.why")));
    skip(&format!("{peer}: {}", why.as_deref().map_or("run tests/setup first", str::trim)));
    None
}

/// A gateway for people who have to say who they are.
fn gateway(home: &Home, settings: &str) -> Gateway {
    let head = format!("prefix = \"{}\"\n[server]\nauthz = \"insecure\"\n", home.prefix.display());
    fs::write(home.path("config/jobgate/jobgate.toml"), head + settings).unwrap();
    Gateway::start(home)
}

#[test]
fn a_person_logs_in_by_a_real_openid_provider() {
    let home = Home::new();
    let Some(provider) = provider(&home) else { return };
    private(&home.path("etc/first"), "the secret+of: first\n");
    private(&home.path("etc/second"), "the secret+of: second\n");
    let gateway = gateway(
        &home,
        &format!(
            "[auth.oidc.first]\nissuer = '{0}'\nclient_id = 'first'\nclient_secret = '{1}/first'\nalgorithms = ['ES256']\n\
             [auth.oidc.second]\nissuer = '{0}'\nclient_id = 'second'\nclient_secret = '{1}/second'\nsecret_method = 'post'\n\
             claims_from = 'userinfo'\nuser_claim = ['preferred_username']\nuser_prefix = 'x-'\n",
            provider.url,
            home.path("etc").display()
        ),
    );
    for (name, user) in [("first", "alice"), ("second", "x-Mrs.alice")] {
        let mut person = Person::new();
        let page = person.log_in("alice", &gateway.url(&format!("/auth/login/{name}?next=/v2/")));
        assert!(page.text().contains(&format!("<strong>{user}</strong>")), "{}: {}", page.url, page.text());
        works_and_logs_out(&gateway, &mut person, user);
    }
    // who has a code that was given to another browser comes to nothing
    let mut person = Person::new();
    let page = person.get(&gateway.url("/auth/callback/first?code=abc&state=def"));
    assert_eq!(page.answer.status, 401);
    let recorded = home.ok(&["audit", "show", "-o", "json"]);
    for line in ["logged-in", "logged-out", "login-failed"] {
        assert!(recorded.contains(line), "{line} in {recorded}");
    }
    let log = gateway.log() + &recorded;
    assert!(log.contains("somebody has logged in"), "{log}");
    for secret in ["the secret+of", "code=", "state=", "eyJ"] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}

#[test]
fn a_person_logs_in_by_a_real_cas_server() {
    let Some(python) = Peer::get("cas") else { return };
    let home = Home::new();
    fs::write(home.path("cas.py"), CAS).unwrap();
    let mut command = python.command(&home, "python");
    command.arg(home.path("cas.py")).arg(home.path("etc"));
    let cas = person::Server::spawn(&home, &mut command);
    let gateway = gateway(&home, &format!("[auth.cas]\nserver = '{}/cas'\n", cas.url));
    let mut person = Person::new();
    let page = person.get(&gateway.url("/auth/login/cas?next=/v2/"));
    assert!(page.url.starts_with(&format!("{}/cas/login?service=", cas.url)), "{}", page.url);
    let mut fields = page.fields();
    fields.retain(|(name, _)| !matches!(name.as_str(), "username" | "password" | "warn"));
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let login = [&fields[..], &[("username", "carol"), ("password", "a password")]].concat();
    let page = person.post(&page.url, &login);
    assert!(page.text().contains("<strong>carol</strong>"), "{}: {}", page.url, page.text());
    works_and_logs_out(&gateway, &mut person, "carol");
    // a ticket that there is not
    let mut person = Person::new();
    person.get(&gateway.url("/auth/login/cas"));
    let state = person.departed.split("state%3D").nth(1).unwrap().to_owned();
    let page = person.get(&gateway.url(&format!("/auth/callback/cas?state={state}&ticket=ST-none")));
    assert!(page.answer.status == 401 && page.text().contains("does not accept the ticket"), "{}", page.text());
}

/// What somebody does who has logged in.
#[track_caller]
fn works_and_logs_out(gateway: &Gateway, person: &mut Person, user: &str) {
    let who = person.get(&gateway.url("/auth/whoami")).answer.json();
    assert_eq!((&who["name"], &who["established"], &who["role"]), (&json!(user), &json!("session"), &json!("user")));
    let job = json!({"script": "#!/bin/sh\ntrue\n"}).to_string();
    let url = gateway.url("/v2/jobs");
    let refused = person.send_json(&url, &job, None);
    assert_eq!(refused.answer.status, 403, "without an origin: {}", refused.text());
    let refused = person.send_json(&url, &job, Some("http://evil.example"));
    assert_eq!(refused.answer.status, 403, "of another site: {}", refused.text());
    let ours = gateway.url("");
    let made = person.send_json(&url, &job, Some(&ours));
    assert_eq!(made.answer.status, 200, "{}", made.text());
    assert_eq!(person.get(&url).answer.json().as_array().map(Vec::len), Some(1));
    let slurms = gateway.url("/slurm/v0.0.45/jobs/");
    let listed = person.get(&slurms);
    assert_eq!(listed.answer.status, 200, "{}", listed.text());
    assert_eq!(listed.answer.json()["meta"]["client"]["user"], user, "{}", listed.text());
    assert_eq!(Person::new().get(&slurms).answer.status, 401);
    let cookies = person.cookies.clone();
    let page = person.send_form(&gateway.url("/auth/logout"), &[], Some(&ours));
    assert!(page.text().contains("Log in by"), "{}", page.text());
    assert_eq!(person.get(&url).answer.status, 401);
    person.cookies = cookies;
    assert_eq!(person.get(&url).answer.status, 401, "for who has kept the cookie, too");
}

/// What PyJWT makes of keys that it has made: a JWKS, and a token by each of them.
const MINT: &str = r"
import json, sys, time, jwt
from cryptography.hazmat.primitives.asymmetric import rsa, ec, ed25519
folder, now = sys.argv[1], int(time.time())
keys = {'RS256': rsa.generate_private_key(65537, 2048), 'PS512': rsa.generate_private_key(65537, 3072),
        'ES256': ec.generate_private_key(ec.SECP256R1()), 'ES384': ec.generate_private_key(ec.SECP384R1()),
        'EdDSA': ed25519.Ed25519PrivateKey.generate()}
claims = {'iss': 'https://idp.example', 'aud': ['x', 'jobgate'], 'sub': 'alice', 'iat': now, 'nbf': now, 'exp': now + 600}
jwks, tokens = [], {}
for name, key in keys.items():
    algorithm = jwt.get_algorithm_by_name(name)
    public = json.loads(algorithm.to_jwk(key.public_key()))
    jwks.append({**public, 'kid': name, 'use': 'sig', 'alg': name})
    tokens[name] = jwt.encode(claims, key, name, headers={'kid': name})
tokens['expired'] = jwt.encode({**claims, 'exp': now - 600}, keys['ES256'], 'ES256', headers={'kid': 'ES256'})
tokens['audience'] = jwt.encode({**claims, 'aud': 'y'}, keys['ES256'], 'ES256', headers={'kid': 'ES256'})
tokens['none'] = jwt.encode(claims, None, 'none', headers={'kid': 'ES256'})
tokens['not pinned'] = jwt.encode(claims, keys['RS256'], 'RS512', headers={'kid': 'RS256'})
secret = open(folder + '/secret').read().strip()
tokens['HS256'] = jwt.encode({'user_id': 'alice', 'sub': 'alice', 'iat': now, 'exp': now + 600}, secret, 'HS256')
json.dump({'keys': jwks}, open(folder + '/jwks.json', 'w'))
json.dump(tokens, sys.stdout)
";

#[test]
fn tokens_that_pyjwt_has_made() {
    let Some(python) = Peer::get("slurm") else { return };
    let home = Home::new();
    private(&home.path("etc/secret"), "0123456789abcdefghijklmnopqrstuvwxyz\n");
    private(&home.path("etc/monitor"), "a-word-of-more-than-thirty-two-letters\n");
    let output = run(python.command(&home, "python").args(["-c", MINT]).arg(home.path("etc")));
    assert_eq!(output.code, 0, "{output:?}");
    let tokens: Value = serde_json::from_str(&output.out).unwrap();
    let gateway = gateway(
        &home,
        &format!(
            "[auth.jwt.site]\nissuer = 'https://idp.example'\naudience = ['jobgate']\njwks = '{0}/jwks.json'\n\
             algorithms = ['RS256', 'PS512', 'ES256', 'ES384', 'EdDSA']\n\
             [auth.jwt.autosubmit]\nkey = '{0}/secret'\nuser_claim = ['user_id']\n\
             [auth.secrets.watch]\nfile = '{0}/monitor'\n",
            home.path("etc").display()
        ),
    );
    let ask = |path: &str, token: &str| {
        let mut client = gateway.client();
        client.headers.push(("authorization".into(), format!("Bearer {token}")));
        client.get(path)
    };
    for name in ["RS256", "PS512", "ES256", "ES384", "EdDSA", "HS256"] {
        let token = tokens[name].as_str().unwrap();
        assert_eq!(ask("/v2/jobs", token).status, 200, "{name}");
        let who = ask("/auth/whoami", token).json();
        assert_eq!((&who["name"], &who["established"]), (&json!("alice"), &json!("jwt")), "{name}");
    }
    for name in ["expired", "audience", "none", "not pinned"] {
        assert_eq!(ask("/v2/jobs", tokens[name].as_str().unwrap()).status, 401, "{name}");
    }
    assert_eq!(ask("/metrics", "a-word-of-more-than-thirty-two-letters").status, 200);
    assert_eq!(ask("/v2/jobs", "a-word-of-more-than-thirty-two-letters").status, 403);
    let log = gateway.log();
    for secret in ["eyJ", "a-word-of", "0123456789abcdefghij"] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}

#[test]
fn a_server_with_a_weak_or_open_secret_does_not_start() {
    let home = Home::new();
    let start = |settings: &str| {
        let head = format!("prefix = \"{}\"\n[server]\nlisten = [\"127.0.0.1:0\"]\n", home.prefix.display());
        fs::write(home.path("config/jobgate/jobgate.toml"), head + settings).unwrap();
        let output = run(&mut home.command(&["serve"]) as &mut Command);
        assert_ne!(output.code, 0, "{settings}");
        output.err
    };
    let (weak, open) = (home.path("etc/weak"), home.path("etc/open"));
    private(&weak, "hunter2hunter2\n");
    fs::write(&open, "0123456789abcdefghijklmnopqrstuvwxyz\n").unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
    for (file, why) in [(&weak, "at least 32"), (&open, "chmod 600")] {
        for table in ["[auth.jwt.a]\nkey", "[auth.secrets.a]\nfile"] {
            let told = start(&format!("{table} = '{}'\n", file.display()));
            assert!(told.contains(why) && told.contains(file.to_str().unwrap()), "{told}");
            assert!(!told.contains("hunter2"), "{told}");
        }
    }
    let told = start("[auth.jwt.a]\nissuer = 'https://i'\njwks_url = 'http://i.example/keys'\naudience = ['x']\n");
    assert!(told.contains("auth.jwt.a.jwks_url") && told.contains("only https"), "{told}");
}
