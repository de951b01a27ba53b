//! Real connections: what HTTP libraries would not send.

use std::future::Future;
use std::path::PathBuf;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::{Endpoint, Listener, SocketAccess, bind, serve};

struct Running {
    _gate: Gate,
    addresses: Vec<Endpoint>,
    stop: oneshot::Sender<()>,
    server: JoinHandle<Result<(), Error>>,
}

fn run(change: impl FnOnce(&mut Settings)) -> Running {
    let mut settings = settings(Mode::Local);
    settings.listeners = vec![Listener::tcp("127.0.0.1:0".parse().unwrap(), Mode::Local)];
    change(&mut settings);
    let gate = Gate::with(&settings);
    let sockets = bind(&settings).unwrap();
    let addresses = sockets.addresses().to_vec();
    let (stop, stopped) = oneshot::channel();
    let shutdown = async { drop(stopped.await) };
    let server = tokio::spawn(serve(sockets, Arc::clone(&gate.engine), settings, shutdown));
    Running { _gate: gate, addresses, stop, server }
}

impl Running {
    async fn connect(&self) -> TcpStream {
        let Endpoint::Tcp(address) = self.addresses[0] else { panic!("{:?}", self.addresses) };
        TcpStream::connect(address).await.unwrap()
    }

    async fn say(&self, text: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        stream.write_all(text.as_ref()).await.unwrap();
        all_of(stream).await
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        within("the server's end", self.server).await.unwrap().unwrap();
    }
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.unwrap_or_else(|_| panic!("{what}: not in time"))
}

async fn all_of(mut stream: impl tokio::io::AsyncRead + Unpin) -> String {
    let mut text = Vec::new();
    within("an answer", stream.read_to_end(&mut text)).await.unwrap();
    String::from_utf8_lossy(&text).into_owned()
}

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_accept_nor_user_agent_is_needed() {
    let server = run(|_| ());
    let answer = server.say("GET /v1/backends HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    let answer = server.say("GET /v1/jobs HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200 OK"), "{answer}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_2_is_spoken_too() {
    let server = run(|_| ());
    let mut stream = server.connect().await;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut frame = [0; 9];
    within("settings", stream.read_exact(&mut frame)).await.unwrap();
    assert_eq!(frame[3], 4, "a SETTINGS frame");
    drop(stream);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_senders_are_sent_away() {
    let server = run(|settings| {
        settings.limits.header_timeout = Duration::from_millis(100);
        settings.limits.stall_timeout = Duration::from_millis(300);
        settings.limits.body_timeout = Duration::from_millis(150);
    });
    let silent = all_of(server.connect().await);
    let head = server.say("GET /healthz HTTP/1.1\r\nHost: loc");
    let preface = server.say("PRI * HT");
    let body = server.say("POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{");
    let (silent, _, preface, body) = tokio::join!(silent, head, preface, body);
    assert_eq!((silent.as_str(), preface.as_str()), ("", ""));
    assert!(body.starts_with("HTTP/1.1 408") && body.contains("did not arrive in time"), "{body}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_bodies_get_an_answer_and_not_a_broken_connection() {
    let server = run(|settings| settings.limits.json_body = 1 << 20);
    for (path, expected) in [("/v1/jobs", "413"), ("/v1/nowhere", "404"), ("/v1/backends", "405")] {
        let mut stream = server.connect().await;
        let length = 40 << 20;
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let chunk = vec![b' '; 1 << 20];
        for _ in 0..length / chunk.len() {
            within("taking the body", stream.write_all(&chunk)).await.unwrap();
        }
        let answer = all_of(stream).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{path}: {answer}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_first_is_not_told_to_send_what_is_not_wanted() {
    let server = run(|_| ());
    let say = |path: &str, length: u64| {
        let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nExpect: 100-continue\r\n");
        server.say(format!("{head}Content-Length: {length}\r\n\r\n"))
    };
    assert!(say("/v1/jobs", 1 << 40).await.starts_with("HTTP/1.1 413"));
    assert!(say("/v1/jobs/1.001/files/x", 1 << 40).await.starts_with("HTTP/1.1 405"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_that_are_too_large_or_wrong() {
    let server = run(|_| ());
    let answer = server.say(format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "x".repeat(70_000))).await;
    assert!(answer.starts_with("HTTP/1.1 414"), "{answer}");
    let answer = server.say(format!("GET / HTTP/1.1\r\nHost: localhost\r\nA: {}\r\n\r\n", "x".repeat(1 << 20))).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    assert!(server.say("\0\0\0\r\n\r\n").await.starts_with("HTTP/1.1 400"));
    let traversal =
        server.say("GET /v1/jobs/../../etc/passwd HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    assert!(traversal.starts_with("HTTP/1.1 404"), "{traversal}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_connections_than_allowed_wait() {
    let server = run(|settings| settings.limits.connections = 2);
    let (first, second) = (server.connect().await, server.connect().await);
    let mut third = server.connect().await;
    third.write_all(HEALTH.as_bytes()).await.unwrap();
    let mut byte = [0; 1];
    let early = tokio::time::timeout(Duration::from_millis(200), third.read(&mut byte)).await;
    assert!(early.is_err(), "answered although two others are connected");
    drop((first, second));
    assert!(all_of(third).await.starts_with("HTTP/1.1 200"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_unix_socket() {
    let dir = tempfile::tempdir().unwrap();
    let path: PathBuf = dir.path().join("gate.sock");
    let server = run(|settings| {
        settings.listeners = vec![Listener::unix(path.clone(), SocketAccess::Owner, Mode::Local)];
    });
    assert_eq!(server.addresses[0].to_string(), format!("unix:{}", path.display()));
    let mut stream = UnixStream::connect(&path).await.unwrap();
    stream.write_all(b"GET /v1/jobs HTTP/1.1\r\nHost: whatever\r\nConnection: close\r\n\r\n").await.unwrap();
    let answer = all_of(stream).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    server.stop().await;
    assert!(!path.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_under_way_are_answered_before_the_end() {
    let server = run(|_| ());
    let mut stream = server.connect().await;
    let body = r#"{"script": "true"}"#;
    let head = format!("POST /v1/jobs/new HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body.as_bytes()[..5]).await.unwrap();
    // the server has seen the head when another connection, opened later, is answered
    assert!(server.say(HEALTH).await.starts_with("HTTP/1.1 200"));
    server.stop.send(()).unwrap();
    stream.write_all(&body.as_bytes()[5..]).await.unwrap();
    let answer = all_of(stream).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    within("the server's end", server.server).await.unwrap().unwrap();
}
