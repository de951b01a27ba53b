//! A real cluster behind the dialect: what its controller is spared.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};

use jobgate_slurm::cluster::{Answer, Fault};
use jobgate_slurm::errno::Errno;
use jobgate_slurm::site::{Caller, Seen, Site};

use super::slurm::{One, gate_changed, token, token_by};
use super::*;
use crate::{Names, Rate, Shown, SlurmKeys};

/// A controller that knows alice only, and shows nobody anything. Of those who ask to see it, the first ones wait.
#[derive(Debug, Default)]
struct Controller {
    tokens: AtomicUsize,
    waiting: AtomicUsize,
    patients: usize,
    released: (Mutex<bool>, Condvar),
}

impl Controller {
    fn release(&self) {
        *self.released.0.lock().unwrap() = true;
        self.released.1.notify_all();
    }
}

fn refusal<T>() -> Answer<T> {
    Err(Fault::new(Errno::AUTHENTICATION, "nobody"))
}

impl Site for Controller {
    fn name(&self) -> &'static str {
        "far"
    }

    fn release(&self) -> Option<String> {
        None
    }

    fn accepts(&self, caller: &Caller) -> Answer<()> {
        self.tokens.fetch_add(1, Ordering::SeqCst);
        if caller.login == "alice" { Ok(()) } else { refusal() }
    }

    fn seen_by(&self, _: &Caller) -> Answer<Arc<dyn Seen>> {
        if self.waiting.fetch_add(1, Ordering::SeqCst) < self.patients {
            let released = self.released.0.lock().unwrap();
            drop(self.released.1.wait_while(released, |released| !*released).unwrap());
        }
        refusal()
    }
}

/// A gateway in front of it, which has its key or not.
fn gate(controller: &Arc<Controller>, change: impl FnOnce(&mut Settings)) -> (Gate, tempfile::TempDir) {
    gate_changed(Arc::new(One), |settings| {
        settings.mode = Mode::Tokens;
        let site: Arc<dyn Site> = Arc::clone(controller) as _;
        settings.slurm.as_mut().unwrap().cluster = Shown::Real(site);
        change(settings);
    })
}

#[tokio::test]
async fn who_guesses_tokens_does_not_have_the_controller_asked() {
    let controller = Arc::new(Controller::default());
    let (gate, _dir) = gate(&controller, |settings| {
        let failures = Some(Rate { count: 2, per: Duration::from_secs(3600) });
        settings.auth.rates = RateSettings { failures, ..RateSettings::default() };
        settings.auth.slurm_keys = SlurmKeys { controller: Some(Arc::clone(&controller) as _), ..SlurmKeys::default() };
    });
    let forged = |user: &str| token_by(b"this key is none of the cluster's", user);
    let ask = async |address: &str, token: &str| {
        let peer = Peer::Tcp(address.parse().unwrap());
        let reply = gate.send(peer, request("GET /slurm/v0.0.45/jobs", &[("x-slurm-user-token", token)], "")).await;
        (reply.status.as_u16(), controller.tokens.load(Ordering::SeqCst))
    };
    let (alice, guess) = (forged("alice"), forged("mallory"));
    assert_eq!(ask("192.0.2.1:1", &alice).await, (511, 1), "what she sees is refused, not her token");
    assert_eq!(ask("192.0.2.1:1", &guess).await, (511, 2));
    assert_eq!(ask("192.0.2.1:1", &forged("mallory2")).await, (511, 3));
    assert_eq!(ask("192.0.2.1:1", &forged("mallory3")).await, (429, 3), "as if it had been asked");
    assert_eq!(ask("192.0.2.1:1", &alice).await, (511, 3), "who was accepted is not in the way of a neighbour");
    assert_eq!(ask("192.0.2.2:1", &guess).await, (511, 4), "others may err, too");
    assert_eq!(ask("127.0.0.1:1", &guess).await, (511, 5), "and who is on this machine is not counted");
}

#[tokio::test]
async fn allocations_that_wait_leave_threads_to_others() {
    let controller = Arc::new(Controller { patients: 32, ..Controller::default() });
    let (gate, _dir) = gate(&controller, |_| ());
    let gate = Arc::new(gate);
    let ask = |line: &'static str| {
        let (gate, alice) = (Arc::clone(&gate), token("alice"));
        async move { gate.ask_with(line, &[("x-slurm-user-token", &alice)], "").await }
    };
    let allocate = "POST /slurm/v0.0.45/job/allocate";
    let waiting: Vec<_> = (0..32).map(|_| tokio::spawn(ask(allocate))).collect();
    eventually("all of them wait", async || controller.waiting.load(Ordering::SeqCst) == 32).await;
    assert_eq!(ask("GET /slurm/v0.0.45/jobs").await.status.as_u16(), 511, "what the controller says");
    tokio::time::pause();
    let late = tokio::spawn(ask(allocate));
    while !late.is_finished() {
        tokio::time::advance(Duration::from_secs(1)).await;
        tokio::task::yield_now().await;
    }
    let late = late.await.unwrap();
    tokio::time::resume();
    assert_eq!((late.status.as_u16(), late.header("retry-after")), (503, "5"));
    let answer = late.json();
    assert_eq!(answer["errors"][0]["error_number"], 1804, "{answer}");
    assert_eq!(answer["meta"]["plugin"]["data_parser"], "data_parser/v0.0.45");
    controller.release();
    for one in waiting {
        assert_eq!(one.await.unwrap().status.as_u16(), 511);
    }
    assert_eq!(ask(allocate).await.status.as_u16(), 511, "there are turns again");
}

#[tokio::test]
async fn on_slurmrestds_socket_only_a_real_cluster_takes_the_kernels_word_for_others() {
    let names = || Names {
        login: "me".into(),
        of_uid: Arc::new(|uid| (uid == 70_001).then(|| "bob".into())),
        ..Names::default()
    };
    let controller = Arc::new(Controller::default());
    let (real, _dir) = gate(&controller, |settings| settings.auth.names = names());
    let (embedded, _keys) = gate_changed(Arc::new(One), |settings| {
        settings.mode = Mode::Tokens;
        settings.auth.names = names();
    });
    let jobs = || request("GET /slurm/v0.0.45/jobs", &[], "");
    let ours = rustix::process::geteuid().as_raw();
    for (uid, there, here) in [(70_001, 511, 401), (70_002, 401, 401), (0, 511, 200), (ours, 511, 200)] {
        let peer = Peer::Unix { uid };
        assert_eq!(real.send(peer, jobs()).await.status.as_u16(), there, "{uid}");
        assert_eq!(embedded.send(peer, jobs()).await.status.as_u16(), here, "{uid}");
    }
    let (bob, peer) = (token("bob"), Peer::Unix { uid: 70_001 });
    let with_token = request("GET /slurm/v0.0.45/jobs", &[("x-slurm-user-token", &bob)], "");
    embedded.send(peer, with_token).await.ok();
    let submit = request("POST /slurm/v0.0.45/job/submit", &[("content-type", "application/json")], "{}");
    assert_eq!(embedded.send(peer, submit).await.status, StatusCode::UNAUTHORIZED);
}
