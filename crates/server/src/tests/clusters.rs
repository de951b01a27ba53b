//! Several clusters of Slurm's: each at its own base path, with its own tokens.

use std::sync::Arc;

use super::slurm::{One, gate_changed, key_file, token, token_by};
use super::*;
use crate::biscuit::{BiscuitSettings, Grant, mint};
use crate::{FurtherCluster, SlurmKeys, Vouching};

const OTHER_KEY: &[u8] = b"another-key-another-key-another!";

/// A gateway with a second cluster `b`, whose jobs are those of the backend `other`.
fn two(mode: Mode, biscuit: Option<&BiscuitSettings>) -> (Gate, [tempfile::TempDir; 2]) {
    let keys = tempfile::tempdir().unwrap();
    let hs256 = Some(key_file(&keys, OTHER_KEY));
    let (gate, main) = gate_changed(Arc::new(One), |settings| {
        settings.mode = mode;
        settings.auth.biscuit = biscuit.cloned();
        let shown = crate::SlurmSettings { backend: "other".into(), ..settings.slurm.clone().unwrap() };
        let keys = SlurmKeys { hs256, ..SlurmKeys::default() };
        settings.clusters = vec![FurtherCluster { name: "b".into(), shown, keys }];
    });
    (gate, [main, keys])
}

async fn status(gate: &Gate, path: &str, token: &str) -> u16 {
    gate.ask_with(&format!("GET {path}"), &[("authorization", &format!("Bearer {token}"))], "").await.status.as_u16()
}

#[tokio::test]
async fn one_clusters_tokens_count_for_it_and_nowhere_else() {
    let (gate, _keys) = two(Mode::Insecure, None);
    let (main, other) = (token("alice"), token_by(OTHER_KEY, "alice"));
    for _ in 0..2 {
        assert_eq!(status(&gate, "/slurm/v0.0.45/jobs/", &main).await, 200);
        assert_eq!(status(&gate, "/slurm/v0.0.45/jobs/", &other).await, 511);
        assert_eq!(status(&gate, "/cluster/b/slurm/v0.0.45/jobs/", &main).await, 511);
        assert_eq!(status(&gate, "/cluster/b/slurm/v0.0.45/jobs/", &other).await, 200);
        assert_eq!(status(&gate, "/v2/jobs", &main).await, 200);
        assert_eq!(status(&gate, "/v2/jobs", &other).await, 401);
    }
    assert_eq!(gate.ask("GET /cluster/b/slurm/v0.0.45/jobs/").await.status.as_u16(), 401, "nobody");
}

#[tokio::test]
async fn clients_change_their_base_url_and_nothing_else() {
    for mode in [Mode::Insecure, Mode::Tokens] {
        let (gate, _keys) = two(mode, None);
        let other = token_by(OTHER_KEY, "alice");
        for path in [
            "/slurm/v0.0.45/ping/",
            "//slurm/v0.0.40/ping",
            "/only-v0.0.42/slurm/v0.0.42/ping",
            "/slurmdb/v0.0.45/ping",
            "/openapi",
            "/openapi.json",
        ] {
            let expected = status(&gate, path, &token("alice")).await;
            assert_eq!(status(&gate, &format!("/cluster/b{path}"), &other).await, expected, "{path}");
        }
        assert_eq!(status(&gate, "/cluster/b/only-v0.0.42/slurm/v0.0.41/ping", &other).await, 404);
        for path in ["/cluster/b", "/cluster/a/slurm/v0.0.45/ping", "/cluster/b/cluster/b/slurm/v0.0.45/ping"] {
            assert!([401, 404].contains(&status(&gate, path, &other).await), "{path}");
        }
        let bearer = format!("Bearer {other}");
        let document = gate.ask_with("GET /cluster/b/openapi/v3", &[("authorization", &bearer)], "").await.json();
        assert_eq!(document["servers"], json!([{ "url": "/cluster/b/" }]));
        assert!(document["paths"]["/slurm/v0.0.45/jobs/"].is_object());
    }
}

#[tokio::test]
async fn who_may_not_use_its_backends_does_not_see_a_cluster() {
    let keys = tempfile::tempdir().unwrap();
    let settings = BiscuitSettings::below(keys.path());
    let (gate, _keys) = two(Mode::Insecure, Some(&settings));
    let expires = jiff::Timestamp::now().as_second() + 600;
    let only = |backend: &str| {
        let backends = [backend.to_owned()].into();
        let grant = Grant { user: "uid:alice", vouching: Vouching::Ours, expires, backends: Some(&backends) };
        mint(&settings, &grant).unwrap()
    };
    let jobs = ["/slurm/v0.0.45/jobs/", "/cluster/b/slurm/v0.0.45/jobs/"];
    for (backend, expected) in [("default", [200, 403]), ("other", [403, 200])] {
        for (path, expected) in jobs.into_iter().zip(expected) {
            assert_eq!(status(&gate, path, &only(backend)).await, expected, "{path} with {backend} only");
        }
    }
}
