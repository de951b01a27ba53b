use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::rpc::codec::{Reader, Writer};

/// All recorded jobs of a release, each as it was packed.
fn recorded(release: &str, protocol: Protocol) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/rpc/recorded").join(release).join("reads");
    let mut all = Vec::new();
    for number in 1..=200 {
        let Ok(body) = std::fs::read(folder.join(format!("job-{number}.bin"))) else { continue };
        let mut from = Reader::new(&body, protocol);
        let head = records::JobsHead::read(&mut from).unwrap();
        for _ in 0..head.count {
            let begin = from.at();
            records::Job::read(&mut from).unwrap();
            all.push(body[begin..from.at()].to_vec());
        }
    }
    all.sort();
    all.dedup();
    assert!(all.len() > 5, "{}", all.len());
    all
}

fn list_at(records: &[Vec<u8>], last_backfill: u64, protocol: Protocol) -> Jobs {
    let mut frame = u32::try_from(records.len()).unwrap().to_be_bytes().to_vec();
    frame.extend([7_u64, last_backfill].map(u64::to_be_bytes).concat());
    frame.extend(records.concat());
    let body = 0..frame.len();
    Jobs::of(Reply { kind: Kind::JOBS_ARE, frame, body, protocol }, Kind::JOBS).unwrap()
}

fn list(records: &[Vec<u8>]) -> Jobs {
    list_at(records, 0, Protocol::V24_11)
}

fn offered(jobs: &Jobs, names: Names<'_>, seen: u64) -> Vec<(Revision, Job)> {
    let mut all = Vec::new();
    jobs.offer(names, seen, &mut |revision, make| all.push((revision.unwrap(), make()))).unwrap();
    all
}

/// The numbers of the records of a list.
fn numbers(jobs: &Jobs) -> Vec<u64> {
    jobs.found().unwrap().iter().map(|found| found.number).collect()
}

fn after(earlier: &Arc<Jobs>, records: &[Vec<u8>]) -> Arc<Jobs> {
    Arc::new(list(records).after(Some(Arc::clone(earlier))))
}

/// The same job with another priority and the number `id`, if that is said.
fn changed(record: &[u8], priority: u32, id: Option<u32>) -> Vec<u8> {
    let read = records::Job::read(&mut Reader::new(record, Protocol::V24_11)).unwrap();
    let number = id.unwrap_or(read.number);
    let mut out = Writer::new(Protocol::V24_11);
    records::Job { priority, number, ..read }.write(&mut out);
    out.into_bytes()
}

#[test]
fn records_are_known_again_while_they_are_the_same() {
    let records = recorded("24.11", Protocol::V24_11);
    let first = Arc::new(list(&records));
    let known = numbers(&first);
    assert_eq!(numbers(&after(&first, &records)), known);
    for at in 0..records.len() {
        let mut other = records.clone();
        other[at] = changed(&records[at], 4_000_000, None);
        let seen = numbers(&after(&first, &other));
        for (place, number) in seen.iter().enumerate() {
            assert_eq!(*number == known[place], place != at, "{place} of those with a changed {at}");
        }
        other.remove(at);
        let seen = numbers(&after(&first, &other));
        assert_eq!(seen, [&known[..at], &known[at + 1..]].concat(), "{at} is gone");
        other.insert(at, changed(&records[at], 4_000_000, Some(3_999_999)));
        other.insert(at, records[at].clone());
        let seen = numbers(&after(&first, &other));
        assert_eq!([&seen[..=at], &seen[at + 2..]].concat(), known, "another one is behind {at}");
        assert!(!known.contains(&seen[at + 1]));
    }
}

#[test]
fn what_is_known_again_is_shown_and_found_as_if_it_were_not() {
    let records = recorded("24.11", Protocol::V24_11);
    let first = Arc::new(list(&records));
    first.found().unwrap();
    let mut other: Vec<_> = records.iter().rev().cloned().collect();
    other[1] = changed(&records[1], 5, Some(77));
    let (again, alone) = (after(&first, &other), list(&other));
    let jobs = |jobs: &Jobs| offered(jobs, Names::NONE, 0).into_iter().map(|(_, job)| job).collect::<Vec<_>>();
    assert_eq!(jobs(&again), jobs(&alone));
    let mut each = Vec::new();
    again.each(Names::NONE, &mut |job| each.push(job)).unwrap();
    assert_eq!(each, jobs(&alone));
    for found in alone.found().unwrap() {
        for id in found.numbers {
            let of = |jobs: &Jobs| {
                let mut all = Vec::new();
                jobs.each_of(id, Names::NONE, &mut |job| all.push(job)).unwrap();
                all
            };
            assert_eq!(of(&again), of(&alone), "{id}");
        }
    }
}

#[test]
fn a_list_that_nobody_has_looked_at_is_not_kept() {
    let records = recorded("24.11", Protocol::V24_11);
    let first = Arc::new(list(&records));
    let second = after(&first, &records);
    assert_eq!(Arc::strong_count(&first), 1);
    second.found().unwrap();
    let third = after(&second, &records);
    assert_eq!(Arc::strong_count(&second), 2);
    third.found().unwrap();
    assert_eq!(Arc::strong_count(&second), 1, "all that is to be known of it is known");
}

#[test]
fn what_is_malformed_after_what_is_known_is_an_error() {
    let records = recorded("24.11", Protocol::V24_11);
    let first = Arc::new(list(&records));
    first.found().unwrap();
    let (last, rest) = records.split_last().unwrap();
    for end in [0, 1, last.len() / 2, last.len() - 1] {
        let short = [rest, &[last[..end].to_vec()]].concat();
        let list = after(&first, &short);
        assert!(list.each(Names::NONE, &mut |_| {}).is_err(), "{end}");
        assert!(list.offer(Names::NONE, 0, &mut |_, _| {}).is_err(), "{end}");
    }
    assert!(after(&first, &[records, vec![vec![0]]].concat()).found().is_err());
}

/// Whatever is shown of a job besides its record: when one of these changes, it is not taken for what it was before.
#[test]
fn a_job_that_is_shown_differently_is_another_revision() {
    let records = recorded("24.11", Protocol::V24_11);
    let first = Arc::new(list(&records));
    let (alice, bob) = (|_: u32| Some("alice".to_owned()), |_: u32| Some("bob".to_owned()));
    let nobody = |_: u32| None;
    let usual = Names { user: &alice, group: &alice };
    let before = offered(&first, usual, 0);
    let differ = |what: &str, now: &[(Revision, Job)]| {
        let mut different = 0;
        for ((old, was), (new, is)) in before.iter().zip(now) {
            assert_eq!(old.record, new.record, "{what}");
            if was != is {
                assert_ne!(old, new, "{what}");
                different += 1;
            }
        }
        different
    };
    let again = after(&first, &records);
    assert!(offered(&again, usual, 0).iter().zip(&before).all(|(new, old)| new == old), "nothing has changed");
    assert!(differ("groups", &offered(&again, Names { user: &alice, group: &bob }, 0)) > 0);
    assert!(differ("no groups", &offered(&again, Names { user: &alice, group: &nobody }, 0)) > 0);
    differ("users", &offered(&again, Names { user: &bob, group: &alice }, 0));
    let others = offered(&again, usual, 1);
    assert!(others.iter().zip(&before).all(|((new, _), (old, _))| new != old), "how it is shown otherwise");
}

#[test]
fn a_login_that_a_record_leaves_to_its_reader_counts() {
    let record = &recorded("24.11", Protocol::V24_11)[0];
    let read = records::Job::read(&mut Reader::new(record, Protocol::V24_11)).unwrap();
    let mut out = Writer::new(Protocol::V24_11);
    records::Job { user_name: crate::rpc::codec::Text::NONE, ..read }.write(&mut out);
    let list = list(&[out.into_bytes()]);
    let (alice, bob) = (|_: u32| Some("alice".to_owned()), |_: u32| Some("bob".to_owned()));
    let of = |user: &dyn Fn(u32) -> Option<String>| offered(&list, Names { user, group: &alice }, 0).remove(0);
    let ((one, alices), (other, bobs)) = (of(&alice), of(&bob));
    assert_eq!((alices.user_name.as_deref(), bobs.user_name.as_deref()), (Some("alice"), Some("bob")));
    assert_ne!(one, other);
    assert_eq!(of(&alice).0, one);
}

#[test]
fn a_name_that_changes_meanwhile_is_shown_as_the_revision_has_it() {
    let records = recorded("24.11", Protocol::V24_11);
    let list = list(&records);
    let asked = std::cell::Cell::new(0);
    let group = |_: u32| {
        asked.set(asked.get() + 1);
        Some(if asked.get() == 1 { "staff" } else { "others" }.to_owned())
    };
    let offer = || offered(&list, Names { user: &|_| None, group: &group }, 0);
    let (first, second) = (offer(), offer());
    let groups = |jobs: &[(Revision, Job)], id: u32| {
        let of = jobs.iter().filter(|(_, job)| job.group_id == Some(id));
        of.map(|(_, job)| job.group_name.clone().unwrap()).collect::<std::collections::BTreeSet<_>>().len()
    };
    let id = first[0].1.group_id.unwrap();
    assert_eq!((groups(&first, id), groups(&second, id)), (1, 1));
    for ((old, was), (new, is)) in first.iter().zip(&second) {
        assert_eq!(old == new, was == is);
    }
}

#[test]
fn the_scheduler_s_last_round_counts_for_jobs_that_were_in_one() {
    let record = &recorded("24.11", Protocol::V24_11)[0];
    let read = records::Job::read(&mut Reader::new(record, Protocol::V24_11)).unwrap();
    let waiting = |flags: u64| {
        let mut out = Writer::new(Protocol::V24_11);
        records::Job { flags, state: words::PENDING, last_sched_evaluation: 500, ..read.clone() }.write(&mut out);
        out.into_bytes()
    };
    let (tried, untried) = (waiting(1 << words::BACKFILL_TRIED), waiting(0));
    let of = |record: &[u8], earlier: Option<&Arc<Jobs>>, last_backfill: u64| {
        let list = list_at(&[record.to_vec()], last_backfill, Protocol::V24_11).after(earlier.cloned());
        let list = Arc::new(list);
        let offered = offered(&list, Names::NONE, 0).remove(0);
        (list, offered)
    };
    let (first, (lately, shown)) = of(&tried, None, 400);
    assert_eq!(of(&tried, Some(&first), 500).1, (lately, shown.clone()), "a later round, in which it was");
    let (_, (since, now)) = of(&tried, Some(&first), 501);
    assert_eq!(since.record, lately.record);
    assert_ne!((since.looks, &now), (lately.looks, &shown));
    assert_ne!(now, shown);
    let (first, early) = of(&untried, None, 400);
    assert_eq!(of(&untried, Some(&first), 501).1, early, "it is shown alike");
}

#[test]
fn the_same_bytes_in_another_protocol_are_another_record() {
    let records = recorded("24.11", Protocol::V24_11);
    let first = Arc::new(list(&records));
    first.found().unwrap();
    let _other = list_at(&records, 0, Protocol::V25_11).after(Some(Arc::clone(&first)));
    assert_eq!(Arc::strong_count(&first), 1, "nothing of it is taken over");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Each round is a list of records, of which some have another state.
    #[test]
    fn numbers_are_as_different_as_bytes(rounds in prop::collection::vec(
        prop::collection::vec((0..12_usize, 0..3_u32), 0..20), 1..8,
    )) {
        let records = recorded("24.11", Protocol::V24_11);
        let mut bytes: HashMap<u64, Vec<u8>> = HashMap::new();
        let mut earlier: Option<Arc<Jobs>> = None;
        for round in rounds {
            let record = |(at, state): &(usize, u32)| changed(&records[at % records.len()], *state, Some(*at as u32 + 1));
            let now: Vec<Vec<u8>> = round.iter().map(record).collect();
            let jobs = Arc::new(list(&now).after(earlier.take()));
            for (number, record) in numbers(&jobs).into_iter().zip(&now) {
                prop_assert_eq!(bytes.entry(number).or_insert_with(|| record.clone()), record);
            }
            let alone: Vec<Job> = offered(&list(&now), Names::NONE, 0).into_iter().map(|(_, job)| job).collect();
            let known: Vec<Job> = offered(&jobs, Names::NONE, 0).into_iter().map(|(_, job)| job).collect();
            prop_assert_eq!(alone, known);
            earlier = Some(jobs);
        }
    }
}
