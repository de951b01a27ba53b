//! What the accounting books say of runs, where it is enforced.

use jobgate_slurm::errno::Errno;
use jobgate_slurm::objects::{Account, Association, Qos, User};
use jobgate_slurm::table::Num;

use super::*;
use crate::local::books::Founding;

fn settings(site: &Site, enforce: &[&str]) -> LocalSettings {
    let bookkeeping = Bookkeeping {
        cluster: "c".into(),
        login: "me".into(),
        enforce: enforce.iter().map(|word| (*word).to_owned()).collect(),
    };
    LocalSettings { bookkeeping, ..site.settings(4) }
}

/// alice and bob are in physics, with two jobs of alice and three of the account at once.
fn enter(local: &Local) {
    let set = |number| Some(Num::Set(number));
    let mut change = |books: &mut jobgate_slurm::books::Books| {
        books.put_account(&Account { name: Some("physics".into()), ..Account::default() })?;
        for user in ["alice", "bob"] {
            books.put_user(&User { name: Some(user.into()), ..User::default() })?;
        }
        books.put_qos(&Qos { name: Some("urgent".into()), priority: set(1000), ..Qos::default() })?;
        let of = |user: &str| Association {
            account: Some("physics".into()),
            user: Some(user.into()),
            ..Association::default()
        };
        books.put_association(&Association {
            max_jobs_per_count: set(3),
            max_jobs_per_wall_clock: set(60),
            max_jobs_per_submitted: set(4),
            ..of("")
        })?;
        books.put_association(&Association { max_jobs_active: set(1), max_jobs_total: set(3), ..of("alice") })?;
        books.put_association(&of("bob"))?;
        books.put_association(&Association { qos: Some(vec!["normal".into(), "urgent".into()]), ..of("bob") })
    };
    local.change_books(&Founding::of(&local.settings), &mut change).unwrap();
}

fn refused(local: &Local, job: &Job) -> (Option<i32>, String) {
    match job.submit_with(local, None) {
        Submission::Refused(error) => (error.number(), error.message().to_owned()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_is_enforced_unless_it_is_configured() {
    let site = Site::new();
    let local = Local::open(settings(&site, &[])).unwrap();
    enter(&local);
    let job = site.job("true", &[("account", "whatever"), ("time", "1000")]);
    job.submit(&local);
    let run = local.run(1).unwrap().unwrap();
    assert_eq!((run.account.as_deref(), run.qos.as_deref()), (Some("whatever"), Some("normal")));
}

#[test]
fn words_that_mean_nothing_are_refused() {
    let site = Site::new();
    let error = Local::open(settings(&site, &["everything"])).unwrap_err();
    assert!(error.message().contains("everything"), "{}", error.message());
}

#[test]
fn who_has_no_association_submits_nothing() {
    let site = Site::new();
    let local = Local::open(settings(&site, &["associations", "qos"])).unwrap();
    let job = |attributes: &[(&str, &str)]| site.job("true", attributes);
    assert_eq!(refused(&local, &job(&[])).0, Some(Errno::INVALID_ACCOUNT.0), "alice is in no book");
    enter(&local);
    assert_eq!(refused(&local, &job(&[("account", "root")])).0, Some(Errno::INVALID_ACCOUNT.0));
    assert_eq!(refused(&local, &job(&[("qos", "urgent")])).0, Some(Errno::INVALID_QOS.0));
    assert_eq!(refused(&local, &job(&[("qos", "nonsense")])).0, Some(Errno::INVALID_QOS.0));
    job(&[]).submit(&local);
    let run = local.run(1).unwrap().unwrap();
    assert_eq!((run.account.as_deref(), run.qos.as_deref()), (Some("physics"), Some("normal")), "her default account");
    let (_, message) = refused(&local, &job(&[("account", "nope")]));
    assert!(message.contains("alice") && message.contains("nope"), "{message}");
}

#[test]
fn limits_refuse_and_keep_waiting() {
    let site = Site::new();
    let local = Local::open(settings(&site, &["limits"])).unwrap();
    enter(&local);
    let long = site.job("true", &[("time", "61")]);
    let (number, message) = refused(&local, &long);
    assert_eq!(number, Some(Errno::ACCOUNTING_POLICY.0), "{message}");
    let jobs: Vec<Job> = (0..4).map(|_| site.job("sleep 30", &[("time", "5")])).collect();
    let natives: Vec<String> = jobs[..3].iter().map(|job| job.launch(&local)).collect();
    assert_eq!(natives.len(), 3);
    let (number, message) = refused(&local, &jobs[3]);
    assert_eq!(number, Some(Errno::ACCOUNTING_POLICY.0));
    assert!(message.contains("may have 3 jobs"), "{message}");
    let of = |id: i64| local.run(id).unwrap().unwrap();
    assert_eq!(of(1).phase, crate::local::cluster::RunPhase::Running);
    assert_eq!((of(2).phase, of(2).reason.as_str()), (crate::local::cluster::RunPhase::Waiting, "AssocMaxJobsLimit"));
    // without the limit they start, in this process and in others
    let mut change = |books: &mut jobgate_slurm::books::Books| {
        books.put_association(&Association {
            account: Some("physics".into()),
            user: Some("alice".into()),
            max_jobs_active: Some(Num::Set(2)),
            ..Association::default()
        })
    };
    local.change_books(&Founding::of(&local.settings), &mut change).unwrap();
    assert_eq!(of(2).phase, crate::local::cluster::RunPhase::Running);
    assert_eq!(of(3).phase, crate::local::cluster::RunPhase::Waiting);
    for job in &jobs[..3] {
        local.cancel(&job.reference()).unwrap();
    }
}

#[test]
fn qualities_of_service_of_the_books_can_be_asked_for() {
    let site = Site::new();
    let fast = crate::local::settings::Qos { priority: -5, minutes: Some(10), ..Default::default() };
    let configured = LocalSettings { qos: [("fast".to_owned(), fast)].into(), ..settings(&site, &[]) };
    let local = Local::open(configured).unwrap();
    assert_eq!(refused(&local, &site.job("true", &[("qos", "urgent")])).0, Some(Errno::INVALID_QOS.0));
    enter(&local);
    site.job("true", &[("qos", "urgent")]).submit(&local);
    site.job("true", &[("qos", "fast")]).submit(&local);
    assert_eq!(local.run(1).unwrap().unwrap().priority, 1000);
    assert_eq!(local.run(2).unwrap().unwrap().priority, -5, "which Slurm's books cannot say");
}
