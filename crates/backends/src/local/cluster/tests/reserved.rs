//! Reservations over a real queue.

use super::*;
use crate::process::now;

fn list(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn nodes(text: &str, minutes: i64) -> ReservationChange {
    ReservationChange {
        nodes: Some(text.into()),
        minutes: Some(minutes),
        users: Some(list(&["alice"])),
        ..ReservationChange::default()
    }
}

#[test]
fn made_changed_and_removed() {
    let (_site, local) = cluster();
    let start = now().floor() + 600.0;
    let change = ReservationChange {
        start: Some(start),
        flags: Some(list(&["IGNORE_JOBS", "MAGNETIC", "DAILY"])),
        ..nodes("n[4-5]", 15)
    };
    local.create_reservation("important_jobs", &change).unwrap();
    let shown = || local.reservations().unwrap().pop().unwrap();
    let made = shown();
    assert_eq!((made.name.as_str(), made.nodes.join(",").as_str(), made.cores), ("important_jobs", "n4,n5", 8));
    assert_eq!((made.start as i64, made.end as i64, made.active), (start as i64, start as i64 + 900, false));
    assert_eq!(made.flags, ["DAILY", "IGNORE_JOBS", "MAGNETIC", "SPEC_NODES"]);
    assert_eq!(errno(local.create_reservation("important_jobs", &change)), Errno::RESERVATION_NAME_DUP);
    let longer =
        ReservationChange { minutes: Some(20), users: Some(list(&["+bob", "-alice"])), ..ReservationChange::default() };
    local.update_reservation("important_jobs", &longer).unwrap();
    assert_eq!((shown().end as i64, shown().users), (start as i64 + 1200, vec!["bob".to_owned()]));
    local.delete_reservation("important_jobs").unwrap();
    assert_eq!(errno(local.delete_reservation("important_jobs")), Errno::INVALID_RESERVATION);
    assert_eq!(errno(local.update_reservation("important_jobs", &longer)), Errno::INVALID_RESERVATION);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let (site, local) = cluster();
    let create = |change: ReservationChange| errno(local.create_reservation("r", &change));
    assert_eq!(create(ReservationChange { users: None, ..nodes("n1", 5) }), Errno::INVALID_RESERVATION);
    assert_eq!(create(nodes("nope", 5)), Errno::INVALID_NODE_NAME);
    assert_eq!(create(nodes("n1", 0)), Errno::INVALID_TIME);
    assert_eq!(create(ReservationChange { start: Some(5.0), ..nodes("n1", 5) }), Errno::INVALID_TIME);
    assert_eq!(create(ReservationChange { flags: Some(list(&["NOPE"])), ..nodes("n1", 5) }), Errno::NOT_SUPPORTED);
    assert_eq!(
        create(ReservationChange { flags: Some(list(&["DAILY", "WEEKLY"])), ..nodes("n1", 5) }),
        Errno::INVALID_RESERVATION
    );
    assert_eq!(
        create(ReservationChange { partition: Some("nope".into()), ..nodes("n1", 5) }),
        Errno::INVALID_PARTITION
    );
    assert_eq!(create(ReservationChange { nodes: None, ..nodes("", 5) }), Errno::INVALID_RESERVATION);
    let many = |count| ReservationChange { nodes: None, node_count: Some(count), ..nodes("", 5) };
    assert_eq!(create(many(9)), Errno::NODE_CONFIGURATION);
    let licences = Some([("matlab".to_owned(), 11)].into());
    assert_eq!(create(ReservationChange { licences, ..nodes("n1", 5) }), Errno::INVALID_LICENSES);

    local.create_reservation("first", &nodes("n[1-2]", 60)).unwrap();
    assert_eq!(create(nodes("n[2-3]", 5)), Errno::RESERVATION_OVERLAP);
    local.create_reservation("over", &ReservationChange { flags: Some(list(&["OVERLAP"])), ..nodes("n2", 5) }).unwrap();
    let job = sleeper(&site, &[("--nodelist", "n3")]);
    job.launch(&local);
    job.runs(&local);
    assert_eq!(create(nodes("n3", 5)), Errno::NODES_BUSY);
    assert_eq!(create(many(3)), Errno::NODES_BUSY);
    local.create_reservation("two", &many(2)).unwrap();
    let two = local.reservations().unwrap().into_iter().find(|one| one.name == "two").unwrap();
    assert_eq!(two.nodes, ["n4", "n5"]);
    local
        .create_reservation("ignoring", &ReservationChange { flags: Some(list(&["IGNORE_JOBS"])), ..nodes("n3", 5) })
        .unwrap();
    local.cancel(&job.reference()).unwrap();
}

#[test]
fn jobs_keep_out_or_belong_there() {
    let (site, local) = cluster();
    local.create_reservation("r", &nodes("n[1-4]", 60)).unwrap();
    let bob = ReservationChange { users: Some(list(&["bob"])), ..nodes("n5", 60) };
    local.create_reservation("others", &bob).unwrap();
    let outside = sleeper(&site, &[("--time", "10")]);
    outside.launch(&local);
    assert_eq!(outside.view(&local).reason, "ReqNodeNotAvail");
    let inside = sleeper(&site, &[("--time", "10"), ("--reservation", "r")]);
    inside.launch(&local);
    inside.runs(&local);
    let view = inside.view(&local);
    assert_eq!((view.reservation.as_deref(), view.allocation[0].node.as_str()), (Some("r"), "n1"));
    let shown = node(&local, "n1");
    assert_eq!((shown.reservation.as_deref(), shown.maintenance), (Some("r"), false));
    assert_eq!(errno(local.delete_reservation("r")), Errno::RESERVATION_BUSY);
    let refused = |name: &str| match sleeper(&site, &[("--reservation", name)]).submit_with(&local, None) {
        Submission::Refused(error) => Errno(error.number().unwrap()),
        other => panic!("{other:?}"),
    };
    assert_eq!((refused("nope"), refused("others")), (Errno::INVALID_RESERVATION, Errno::RESERVATION_ACCESS));
    let waits = sleeper(&site, &[("--time", "10"), ("--reservation", "r"), ("--nodes", "4"), ("--exclusive", "")]);
    waits.launch(&local);
    local.cancel(&inside.reference()).unwrap();
    waits.runs(&local);
    let late = sleeper(&site, &[("--time", "10"), ("--reservation", "r"), ("--hold", "")]);
    late.launch(&local);
    local.cancel(&waits.reference()).unwrap();
    waits.ends(&local, State::Canceled);
    local.delete_reservation("r").unwrap();
    outside.runs(&local);
    local
        .update_run(late.number(&local), &RunChange { hold: Some(HoldChange::Release), ..RunChange::default() })
        .unwrap();
    assert_eq!(late.view(&local).reason, "ReservationDeleted");
    local.cancel(&outside.reference()).unwrap();
}

#[test]
fn what_is_over_is_forgotten() {
    let (site, local) = cluster();
    let soon = ReservationChange { end: Some(now() + 0.4), minutes: None, ..nodes("n[1-5]", 0) };
    local.create_reservation("short", &soon).unwrap();
    let job = sleeper(&site, &[]);
    job.launch(&local);
    assert_eq!(job.view(&local).reason, "ReqNodeNotAvail");
    job.runs(&local);
    until("the end of it", || local.reservations().unwrap().is_empty());
    local.cancel(&job.reference()).unwrap();
}
