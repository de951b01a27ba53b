//! Calls to servers on the loopback address, with and without TLS.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::RootCertStore;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn reach() -> Reach {
    Reach {
        timeout: Duration::from_secs(5),
        targets: Targets::Any,
        setting: "[x] targets",
        roots: None,
        identity: None,
    }
}

/// Answers each request with its own bytes, after an answer's head with these lines.
async fn echo(mut stream: impl AsyncRead + AsyncWrite + Unpin, head: &str) {
    let mut bytes = vec![0; 65536];
    let read = stream.read(&mut bytes).await.unwrap_or(0);
    let answer = format!("{head}connection: close\r\ncontent-length: {read}\r\n\r\n");
    drop(stream.write_all(answer.as_bytes()).await);
    drop(stream.write_all(&bytes[..read]).await);
    drop(stream.shutdown().await);
}

async fn plain(head: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/path", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(echo(stream, head));
        }
    });
    url
}

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate and its key, in PEM.
fn certificate(by: &Authority, name: &str) -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new([name.to_owned(), "127.0.0.1".into()]).unwrap();
    (params.signed_by(&key, by).unwrap(), key)
}

/// A server that wants a client certificate of this authority.
async fn mutual(by: &Authority, clients: &Authority) -> String {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let (own, key) = certificate(by, "localhost");
    let mut roots = RootCertStore::empty();
    roots.add(clients.der().clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
    let config = rustls::ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![own.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    echo(stream, "HTTP/1.1 200 OK\r\n").await;
                }
            });
        }
    });
    url
}

/// Writes a client's certificate and key, and says where they are.
fn client(dir: &Path, by: &Authority) -> ClientIdentity {
    let (certificate, key) = certificate(by, "gateway");
    let identity = ClientIdentity { certificate: dir.join("client.crt"), key: dir.join("client.key") };
    std::fs::write(&identity.certificate, certificate.pem()).unwrap();
    std::fs::write(&identity.key, key.serialize_pem()).unwrap();
    std::fs::set_permissions(&identity.key, PermissionsExt::from_mode(0o600)).unwrap();
    identity
}

#[tokio::test]
async fn forms_json_and_headers_arrive() {
    let url = plain("HTTP/1.1 201 Created\r\nx-a: b\r\n").await;
    let outgoing = Outgoing::new(reach());
    let answer = outgoing.post_form(&url, &[], &[("code", "a b&c"), ("x", "é")]).await.unwrap();
    let text = String::from_utf8(answer.body.clone()).unwrap();
    assert!(text.starts_with("POST /path HTTP/1.1") && text.ends_with("\r\n\r\ncode=a+b%26c&x=%C3%A9"), "{text}");
    assert!(text.contains("content-type: application/x-www-form-urlencoded"), "{text}");
    assert_eq!((answer.status, answer.is_success(), answer.header("X-A")), (201, true, Some("b")));
    let answer = outgoing.post_json(&url, &[], &serde_json::json!({"a": 1})).await.unwrap();
    assert!(answer.body.ends_with(b"{\"a\":1}"));
    let answer = outgoing.get(&url, &[("Authorization", "Bearer t"), ("Accept", "text/xml")]).await.unwrap();
    let text = String::from_utf8(answer.body).unwrap();
    assert!(text.starts_with("GET /path ") && text.contains("authorization: Bearer t"), "{text}");
    assert!(text.contains("accept: text/xml") && !text.contains("application/json"), "{text}");
}

#[tokio::test]
async fn redirects_are_answers_and_large_answers_are_refused() {
    let outgoing = Outgoing::new(reach());
    let moved = plain("HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\n").await;
    let answer = outgoing.get(&moved, &[]).await.unwrap();
    assert_eq!((answer.status, answer.header("location")), (302, Some("/elsewhere")));

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/?secret", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        drop(stream.read(&mut [0; 4096]).await);
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await);
        // nobody reads for ever
        while stream.write_all(&[b'x'; 65536]).await.is_ok() {}
    });
    let error = outgoing.get(&url, &[]).await.unwrap_err();
    assert!(error.message().ends_with("the answer is larger than 1048576 bytes"), "{error}");
    assert!(!error.chain().contains("secret"), "{}", error.chain());
}

#[tokio::test]
async fn failures_name_the_host_and_no_secret() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let outgoing = Outgoing::new(reach());
    let error = outgoing.get(&format!("http://u:pass@{address}/hook/secret?token=secret"), &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.message().starts_with(&format!("http://{address}: cannot send")), "{error}");
    assert!(!error.chain().contains("secret") && !error.chain().contains("pass"), "{}", error.chain());
    for bad in ["nonsense", "ftp://example.org/", "file:///etc/passwd"] {
        assert!(outgoing.get(bad, &[]).await.is_err(), "{bad}");
    }
    assert!(outgoing.get(&format!("http://{address}/"), &[("X-A", "b\r\nX-Evil: 1")]).await.is_err());
}

#[tokio::test]
async fn private_addresses_are_refused_by_the_name_of_the_setting() {
    let outgoing = Outgoing::new(Reach { targets: Targets::Public, ..reach() });
    let url = plain("HTTP/1.1 200 OK\r\n").await;
    for url in [url.clone(), url.replace("127.0.0.1", "localhost")] {
        let error = outgoing.get(&url, &[]).await.unwrap_err();
        assert!(error.message().contains("an administrator can allow it ([x] targets = \"any\")"), "{error}");
    }
}

#[tokio::test]
async fn own_authorities_are_trusted_and_the_client_certificate_is_presented() {
    let dir = tempfile::tempdir().unwrap();
    let (servers, clients) = (authority("servers"), authority("clients"));
    let url = mutual(&servers, &clients).await;
    let roots = dir.path().join("ca.crt");
    std::fs::write(&roots, servers.pem()).unwrap();

    let trusting = Reach { roots: Some(roots), ..reach() };
    let known = Reach { identity: Some(client(dir.path(), &clients)), ..trusting.clone() };
    let outgoing = Outgoing::new(known.clone());
    outgoing.check().unwrap();
    assert_eq!(outgoing.get(&url, &[]).await.unwrap().status, 200);
    assert!(Outgoing::new(trusting).get(&url, &[]).await.is_err(), "no certificate");
    let unknown = Outgoing::new(Reach { roots: None, ..known });
    let error = unknown.get(&url, &[]).await.unwrap_err();
    assert!(error.message().contains("certificate"), "{error}");
}

#[tokio::test]
async fn a_renewed_certificate_is_used_without_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (servers, clients, others) = (authority("servers"), authority("clients"), authority("others"));
    let url = mutual(&servers, &clients).await;
    let roots = dir.path().join("ca.crt");
    std::fs::write(&roots, servers.pem()).unwrap();
    let identity = client(dir.path(), &others);
    let outgoing = Outgoing::new(Reach { roots: Some(roots), identity: Some(identity.clone()), ..reach() });
    assert!(outgoing.get(&url, &[]).await.is_err());
    client(dir.path(), &clients);
    assert_eq!(outgoing.get(&url, &[]).await.unwrap().status, 200);
    std::fs::write(&identity.certificate, "half of").unwrap();
    assert_eq!(outgoing.get(&url, &[]).await.unwrap().status, 200, "the old one counts until there is a good one");
}

#[test]
fn what_is_wrong_with_the_files_is_said_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let good = client(dir.path(), &authority("clients"));
    let said = |reach: Reach| Outgoing::new(reach).check().unwrap_err().message().to_owned();
    let with = |identity: ClientIdentity| Reach { identity: Some(identity), ..reach() };
    let none = dir.path().join("none");
    assert!(said(with(ClientIdentity { key: none.clone(), ..good.clone() })).starts_with("there is no client key "));
    let text = said(with(ClientIdentity { certificate: none.clone(), ..good.clone() }));
    assert!(text.starts_with("there is no client certificate "), "{text}");
    assert!(said(Reach { roots: Some(none), ..reach() }).starts_with("cannot use the authorities in "));
    let empty = dir.path().join("empty");
    std::fs::write(&empty, "").unwrap();
    assert!(said(Reach { roots: Some(empty), ..reach() }).ends_with("there is no certificate in PEM form"));
    std::fs::set_permissions(&good.key, PermissionsExt::from_mode(0o644)).unwrap();
    let text = said(with(good.clone()));
    assert_eq!(text, format!("others can read or change the client key {0}: chmod o-rwx {0}", good.key.display()));
    std::fs::set_permissions(&good.key, PermissionsExt::from_mode(0o600)).unwrap();
    let other = dir.path().join("other.key");
    std::fs::write(&other, KeyPair::generate().unwrap().serialize_pem()).unwrap();
    std::fs::set_permissions(&other, PermissionsExt::from_mode(0o600)).unwrap();
    assert!(said(with(ClientIdentity { key: other, ..good })).contains("HTTP client"), "not the certificate's key");
}
