//! The whole server in one process, over a real engine and a batch system that only takes note.

mod accounting;
mod audience;
mod autosubmit;
mod biscuits;
mod clusters;
mod dialects;
mod doors;
pub(crate) mod elsewhere;
mod files;
mod limits;
mod logins;
mod matrix;
mod origins;
mod record;
mod sharing;
mod site;
mod slurm;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use jobgate_engine::{CallbackPolicy, Clock, Engine, Place, Quotas, Setup};
use jobgate_model::{
    Backend, BackendConfig, Cancel, Error, JobSpec, NativeId, Phase, RunRef, RunRequest, Sighting, Submission,
};
use serde_json::{Value, json};

use crate::accept::Peer;
use crate::app::App;
use crate::router::Routes;
use crate::{AuthSettings, Mode, RateSettings, Settings};

/// Takes every run and never starts it.
#[derive(Debug)]
struct Idle;

impl Backend for Idle {
    fn kind(&self) -> &'static str {
        "idle"
    }

    fn check(&self, spec: &JobSpec, _: &BackendConfig) -> Result<(), Error> {
        assert!(spec.attribute("panic").is_none(), "the batch system's code is wrong");
        Ok(())
    }

    fn submit(&self, _: &RunRequest<'_>) -> Submission {
        Submission::Accepted(NativeId("4711".into()))
    }

    fn find(&self, _: &RunRef) -> Result<Option<NativeId>, Error> {
        Ok(None)
    }

    fn cancel(&self, _: &RunRef) -> Result<Cancel, Error> {
        Ok(Cancel::Removed)
    }

    fn hold(&self, _: &RunRef) -> Result<(), Error> {
        Ok(())
    }

    fn release(&self, _: &RunRef) -> Result<(), Error> {
        Ok(())
    }

    fn observe(&self, runs: &[RunRef]) -> Result<Vec<Sighting>, Error> {
        let waiting = Phase::Waiting("Resources".into());
        Ok(runs
            .iter()
            .map(|run| Sighting { marker: run.marker.clone(), phase: waiting.clone(), began: None })
            .collect())
    }
}

/// A gateway on a temporary directory with two backends, `default` and `other`, each with its own prefix.
struct Gate {
    dir: tempfile::TempDir,
    engine: Arc<Engine>,
    routes: Routes,
}

/// What came back.
#[derive(Debug)]
struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Reply {
    #[track_caller]
    fn json(&self) -> Value {
        let body = String::from_utf8_lossy(&self.body);
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {} {body}", self.status))
    }

    /// `404 Job not found`, or of violations `422 missing body.script`.
    #[track_caller]
    fn told(&self) -> String {
        let status = self.status.as_u16();
        match &self.json()["detail"] {
            Value::String(text) => format!("{status} {text}"),
            Value::Array(violations) => {
                let line = |v: &Value| {
                    let step = |s: &Value| s.as_str().map_or_else(|| s.to_string(), str::to_owned);
                    let loc: Vec<String> = v["loc"].as_array().unwrap().iter().map(step).collect();
                    format!("{} {}", v["type"].as_str().unwrap(), loc.join("."))
                };
                format!("{status} {}", violations.iter().map(line).collect::<Vec<_>>().join(", "))
            }
            other => panic!("no detail: {other}"),
        }
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[track_caller]
    fn ok(self) -> Self {
        assert_eq!(self.status, StatusCode::OK, "{}", String::from_utf8_lossy(&self.body));
        self
    }
}

fn settings(mode: Mode) -> Settings {
    // tests ask as often as they like
    let rates = RateSettings { failures: None, ..RateSettings::default() };
    let auth = AuthSettings { rates, ..AuthSettings::default() };
    Settings { mode, hosts: vec!["gate.example".into()], auth, ..Settings::default() }
}

impl Gate {
    fn new() -> Self {
        Self::with(&settings(Mode::Local))
    }

    fn with(settings: &Settings) -> Self {
        let dir = tempfile::tempdir().unwrap();
        // one queue for both, unless there is a further cluster
        let one: Arc<dyn Backend> = Arc::new(Idle);
        let place = |name: &str| Place {
            name: name.into(),
            prefix: dir.path().join(name),
            config: BackendConfig::default(),
            backend: if settings.clusters.is_empty() { Arc::clone(&one) } else { Arc::new(Idle) },
        };
        let setup = Setup {
            state_dir: dir.path().join("state"),
            places: vec![place("default"), place("other")],
            callbacks: CallbackPolicy::default(),
            poll_interval: Duration::from_secs(1),
            clock: Clock::system(),
            quotas: Quotas::default(),
        };
        let engine = Arc::new(Engine::open(setup).unwrap());
        let routes = Routes::new(&Arc::new(App::new(Arc::clone(&engine), settings)));
        Self { dir, engine, routes }
    }

    async fn send(&self, peer: Peer, mut request: Request<Body>) -> Reply {
        request.extensions_mut().insert(peer);
        let (parts, body) = self.routes.answer(request).await.unwrap().into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        Reply { status: parts.status, headers: parts.headers, body }
    }

    /// A request of a local client: `GET /v1/jobs`.
    async fn ask(&self, line: &str) -> Reply {
        self.ask_with(line, &[], Body::empty()).await
    }

    async fn ask_with(&self, line: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Reply {
        self.send(loopback(), request(line, headers, body)).await
    }

    async fn post(&self, path: &str, document: Value) -> Reply {
        self.ask_with(&format!("POST {path}"), &[("content-type", "application/json")], document.to_string()).await
    }

    /// A new job, by its id.
    async fn job(&self, extra: Value) -> String {
        let mut spec = json!({"script": "#!/bin/sh\ntrue\n"});
        spec.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        self.post("/v1/jobs/new", spec).await.ok().json().as_str().unwrap().to_owned()
    }

    /// The directory of a job of the default backend.
    fn base(&self, jobid: &str) -> std::path::PathBuf {
        self.dir.path().join("default").join(jobid)
    }
}

fn loopback() -> Peer {
    Peer::Tcp("127.0.0.1:50000".parse().unwrap())
}

fn request(line: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Request<Body> {
    let (method, path) = line.split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(path);
    if headers.iter().all(|(name, _)| *name != "host") {
        request = request.header("host", "localhost:8000");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.into()).unwrap()
}

/// Waits until something holds, at most for ten seconds.
async fn eventually<F: AsyncFnMut() -> bool>(what: &str, mut holds: F) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while !holds().await {
        assert!(tokio::time::Instant::now() < deadline, "{what}: not within ten seconds");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
