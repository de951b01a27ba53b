//! Answers that are little, and stand for much.

use super::*;
use crate::rpc::Malformed;
use crate::rpc::codec::{Bits, NO_VAL};

/// What says that it is much, and is little: nodes by the million, tasks by the million, cores by the thousand million.
#[test]
fn small_answers_that_stand_for_much() {
    let before = most_memory();
    let liar = Liar::new(Protocol::V24_11);
    let bytes = recorded("26.05", "layout-24.11.bin");
    let mut from = Reader::new(&bytes, Protocol::V24_11);
    let head = records::JobsHead::read(&mut from).unwrap();
    let honest = records::Job::read(&mut from).unwrap();
    let mut there = honest.allocation.0.as_deref().unwrap().there.clone();
    there.nodes = Text::of("n[1-60000]");
    (there.sockets, there.cores, there.alike) = (vec![u16::MAX], vec![1], vec![u32::MAX]);
    let given = records::Given { hosts: u32::MAX, there };
    let digits = format!("0x{}", "f".repeat(1 << 21));
    let job = records::Job {
        allocation: records::Allocation(Some(Box::new(given))),
        array_tasks: Text::of(&digits),
        ..honest.clone()
    };
    let listing = [packed(Protocol::V24_11, &head), packed(Protocol::V24_11, &job)].concat();
    liar.says(Kind::JOBS, Kind::JOBS_ARE, listing.clone());
    liar.says(Kind::JOB, Kind::JOBS_ARE, listing);
    let begun = Instant::now();
    fresh(liar.client.jobs(&me(), None), |jobs| jobs.each(Names::NONE, &mut |_| {})).unwrap();
    assert_eq!(liar.client.resources(&me(), job.id()).unwrap(), []);
    many_nodes_in_a_partition(&liar);
    more_tasks_than_there_can_be(&liar);
    let (took, more) = (begun.elapsed(), most_memory() - before);
    assert!(took < Duration::from_secs(10) && more < LITTLE, "{took:?}, {more} bytes");
}

/// A partition is said to have a node behind the ten-millionth.
fn many_nodes_in_a_partition(liar: &Liar) {
    let digits = 3_000_000;
    let places = format!("0x8{}", "0".repeat(digits - 1));
    let partition = records::Partition {
        name: Text::of("p"),
        node_places: Bits(Some((4 * digits as u32, Text::of(&places)))),
        ..records::Partition::default()
    };
    let head = records::ListHead { count: 1, last_update: 1 };
    let partitions = [packed(Protocol::V24_11, &head), packed(Protocol::V24_11, &partition)].concat();
    liar.says(Kind::NODES, Kind::NODES_ARE, recorded("24.11", "nodes.bin"));
    liar.says(Kind::PARTITIONS, Kind::PARTITIONS_ARE, partitions);
    let nodes = liar.client.nodes(&me(), None, Names::NONE);
    fresh(nodes, |nodes| {
        assert!(nodes.items.iter().all(|node| node.partitions.as_ref().unwrap().is_empty()));
        Ok(())
    })
    .unwrap();
}

fn more_tasks_than_there_can_be(liar: &Liar) {
    let digits = 3_000_000;
    let tasks = packed(Protocol::V24_11, &Text::of(&format!("0x{}", "f".repeat(digits))));
    // job 7 of the array 5, whose tasks wait together
    let numbers = [1, 7, 5, NO_VAL, 4 * digits as u32].map(u32::to_be_bytes).concat();
    liar.says(Kind::STATES, Kind::STATES_ARE, [numbers, tasks, vec![0; 4]].concat());
    let mut seen = 0;
    let outcome = liar.client.states(&me(), &[]).unwrap().each(&mut |_| seen += 1);
    assert!(matches!(outcome, Err(Error::Malformed { source: Malformed::Bits { .. }, .. })), "{outcome:?}");
    assert_eq!(seen, 0);
}
