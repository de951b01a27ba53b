//! Reservations: who may be on their nodes when.

use super::*;

fn reserved(nodes: &[usize], start: f64, end: f64, user: &str, flags: &[&str]) -> Reservation {
    Reservation {
        windows: vec![(start * 60.0, end * 60.0)],
        nodes: nodes.to_vec(),
        users: vec![user.to_owned()],
        flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
        ..Reservation::default()
    }
}

fn with(mut inventory: Inventory, name: &str, reservation: Reservation) -> Inventory {
    inventory.reservations.insert(name.to_owned(), reservation);
    inventory
}

fn of(owner: &str, reservation: &str, run: Waiting) -> Waiting {
    let reservations = Some(reservation.to_owned()).filter(|name| !name.is_empty()).into_iter().collect();
    Waiting { owner: owner.to_owned(), reservations, ..run }
}

#[test]
fn others_leave_before_it_begins() {
    let one = with(cluster(1, 4), "r", reserved(&[0], 10.0, 20.0, "alice", &[]));
    let runs = vec![
        of("bob", "", waiting(1, 1, 11.0)),
        of("bob", "", waiting(2, 1, 10.0)),
        of("alice", "", waiting(3, 1, 11.0)),
    ];
    let decisions = decided(&one, vec![], runs);
    assert_eq!(reasons(&decisions), ["ReqNodeNotAvail", "started", "ReqNodeNotAvail"]);
    assert!(matches!(&decisions[0], Decision::Wait { expected: Some(1200.0), .. }), "after it: {decisions:?}");
    let other_node = with(cluster(2, 4), "r", reserved(&[0], 10.0, 20.0, "alice", &[]));
    let decisions = decided(&other_node, vec![], vec![waiting(1, 1, 11.0)]);
    assert!(matches!(&decisions[0], Decision::Start(start) if start.placement[0].node == 1));
}

#[test]
fn members_run_inside_and_only_there() {
    let now = with(cluster(2, 4), "r", reserved(&[1], -5.0, 20.0, "alice", &[]));
    let runs = vec![
        of("alice", "r", waiting(1, 1, 10.0)),
        of("alice", "r", waiting(2, 4, 20.0)),
        of("alice", "r", waiting(3, 1, 21.0)),
        of("alice", "gone", waiting(4, 1, 1.0)),
    ];
    let decisions = decided(&now, vec![], runs);
    assert_eq!(reasons(&decisions), ["started", "Resources", "Reservation", "ReservationDeleted"]);
    assert!(matches!(&decisions[0], Decision::Start(start)
        if start.placement[0].node == 1 && start.reservation.as_deref() == Some("r")));
    let later = with(cluster(2, 4), "r", reserved(&[1], 5.0, 20.0, "alice", &[]));
    let decisions = decided(&later, vec![], vec![of("alice", "r", waiting(1, 1, 10.0))]);
    assert_eq!(reasons(&decisions), ["Reservation"]);
    assert!(matches!(&decisions[0], Decision::Wait { expected: Some(300.0), .. }));
}

#[test]
fn magnetic_ones_attract() {
    let magnetic = with(cluster(2, 4), "r", reserved(&[1], -5.0, 20.0, "alice", &["MAGNETIC"]));
    let runs = vec![
        of("alice", "", waiting(1, 4, 10.0)),
        of("alice", "", waiting(2, 4, 10.0)),
        of("bob", "", waiting(3, 1, 1.0)),
    ];
    let decisions = decided(&magnetic, vec![], runs);
    let nodes: Vec<Option<usize>> = decisions
        .iter()
        .map(|decision| match decision {
            Decision::Start(start) => Some(start.placement[0].node),
            Decision::Wait { .. } => None,
        })
        .collect();
    assert_eq!(nodes, [Some(1), Some(0), None]);
}

#[test]
fn maintenance_lies_over_other_reservations() {
    let both = with(
        with(cluster(1, 4), "r", reserved(&[0], -5.0, 60.0, "alice", &[])),
        "repair",
        reserved(&[0], 10.0, 20.0, "root", &["MAINT"]),
    );
    let runs = vec![of("alice", "r", waiting(1, 1, 11.0)), of("alice", "r", waiting(2, 1, 10.0))];
    assert_eq!(started(&both, vec![], runs), [2]);
}

#[test]
fn licences_are_kept() {
    let mut keeping = reserved(&[], -5.0, 60.0, "alice", &[]);
    keeping.licences.insert("x".into(), 1);
    let one = with(cluster(1, 4), "r", keeping);
    let wanting = |id, count| {
        let mut run = of("bob", "", waiting(id, 1, 1.0));
        run.need.licences.insert("x".into(), count);
        run
    };
    assert_eq!(reasons(&decided(&one, vec![], vec![wanting(1, 2), wanting(2, 1)])), ["Licenses", "started"]);
}

/// A reservation of the simulation.
fn any_reservation() -> impl Strategy<Value = Reservation> {
    (proptest::collection::vec(0usize..3, 1..3), -30.0..60.0f64, 1.0..60.0f64, any::<bool>(), any::<bool>()).prop_map(
        |(nodes, start, lasts, magnetic, repeats)| {
            let flags = if magnetic { vec!["MAGNETIC"] } else { Vec::new() };
            let mut made = reserved(&nodes, start, start + lasts, "alice", &flags);
            if repeats {
                let (start, end) = made.windows[0];
                made.windows.push((start + 7200.0, end + 7200.0));
            }
            made.windows.retain(|(_, end)| *end > 0.0);
            made
        },
    )
}

proptest! {
    /// Nothing starts that would be on a reserved node while the reservation holds, unless it belongs to it; what belongs to it
    /// is on its nodes and inside its time.
    #[test]
    fn nobody_else_is_on_reserved_nodes(
        first in any_reservation(),
        second in any_reservation(),
        jobs in proptest::collection::vec((any_job(), 0usize..4), 1..30),
        busy in proptest::collection::vec((0usize..3, 1u64..4, 0.0..50.0f64), 0..3),
    ) {
        let inventory = with(with(site(), "a", first), "b", second);
        let mut used = [0u64; 3];
        let running: Vec<Running> = busy
            .into_iter()
            .filter(|(node, cores, _)| {
                used[*node] += cores;
                used[*node] <= 4
            })
            .map(|(node, cores, left)| running(node, cores, left))
            .collect();
        let waiting: Vec<Waiting> = jobs
            .into_iter()
            .enumerate()
            .map(|(at, (job, kind))| {
                let (owner, reservation) = [("alice", ""), ("bob", ""), ("alice", "a"), ("alice", "b")][kind];
                let run = Waiting { need: job.need, limit: job.limit, ..waiting(at as i64, 1, 1.0) };
                of(owner, reservation, run)
            })
            .collect();
        let mut alive = running.clone();
        for decision in decided(&inventory, running, waiting.clone()) {
            let Decision::Start(start) = decision else { continue };
            let run = waiting.iter().find(|run| run.id == start.id).unwrap();
            for (name, reservation) in &inventory.reservations {
                let member = start.reservation.as_ref() == Some(name);
                let on_it = start.placement.iter().any(|placed| reservation.nodes.contains(&placed.node));
                let all_on_it = start.placement.iter().all(|placed| reservation.nodes.contains(&placed.node));
                if member {
                    prop_assert!(reservation.admits(&run.owner, None));
                    prop_assert!(all_on_it && reservation.spans(0.0, run.limit));
                } else {
                    prop_assert!(!on_it || !reservation.meets(0.0, run.limit), "{start:?} in the way of {name}");
                }
            }
            if let Some(wanted) = run.reservations.first() {
                prop_assert_eq!(start.reservation.as_ref(), Some(wanted));
            }
            alive.push(as_running(run, &start, 0.0));
        }
        assert_no_overcommit(&inventory, &alive)?;
    }
}
