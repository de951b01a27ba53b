use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{ArrayError, ArraySpec, JobRef, JobRefError, Part, Step, TaskSet};

fn tasks(text: &str) -> TaskSet {
    TaskSet::parse(text, 1001).unwrap()
}

#[test]
fn specifications_are_read_and_printed() {
    for (text, expected, limit, printed) in [
        ("0-9", (0..=9).collect::<Vec<_>>(), None, "0-9"),
        ("1,3,5-20:4%2", vec![1, 3, 5, 9, 13, 17], Some(2), "1,3,5,9,13,17%2"),
        ("1-5%2", vec![1, 2, 3, 4, 5], Some(2), "1-5%2"),
        ("3-5%2", vec![3, 4, 5], Some(2), "3-5%2"),
        ("7", vec![7], None, "7"),
        ("3,1,2,2", vec![1, 2, 3], None, "1-3"),
        ("0-15:4", vec![0, 4, 8, 12], None, "0,4,8,12"),
        ("0-12:2", vec![0, 2, 4, 6, 8, 10, 12], None, "0-12:2"),
        ("1-3%0", vec![1, 2, 3], None, "1-3"),
        ("1000", vec![1000], None, "1000"),
    ] {
        let spec = ArraySpec::parse(text, 1001).unwrap();
        assert_eq!(spec.tasks.iter().collect::<Vec<_>>(), expected, "{text}");
        assert_eq!((spec.tasks.len(), spec.limit), (expected.len(), limit), "{text}");
        assert_eq!((spec.tasks.first(), spec.tasks.last()), (expected.first().copied(), expected.last().copied()));
        assert_eq!(spec.to_string(), printed);
    }
}

/// Sets and the texts that Slurm gives them.
#[test]
fn compact_texts_are_slurms() {
    let even = |last: u32| (0..=last).step_by(2).collect::<TaskSet>();
    for (set, text) in [
        ([1, 2, 6, 7, 8, 11].into_iter().collect(), "1-2,6-8,11"),
        ((2..=18).step_by(2).collect(), "2-18:2"),
        ([2, 4, 5, 6, 8, 12, 14, 18].into_iter().collect(), "2,4-6,8,12,14,18"),
        ([2, 4, 6, 8, 12, 14, 16, 18].into_iter().collect(), "2,4,6,8,12,14,16,18"),
        (even(10), "0,2,4,6,8,10"),
        (even(12), "0-12:2"),
        ((0..=40).step_by(10).collect(), "0,10,20,30,40"),
        (TaskSet::default(), ""),
    ] as [(TaskSet, &str); 8]
    {
        assert_eq!(set.to_string(), text);
    }
}

#[test]
fn long_texts_are_cut_as_slurm_cuts_them() {
    let uneven: TaskSet = (0..=50).step_by(2).filter(|task| *task != 10).collect();
    assert_eq!(uneven.short(), "0,2,4,6,8,12,14,16,18,20,22,24,26,28,30,32,34,36,38,40,42,44...");
    let spec = ArraySpec { tasks: uneven, limit: Some(9) };
    assert_eq!(spec.short(), "0,2,4,6,8,12,14,16,18,20,22,24,26,28,30,32,34,36,38,40,42,44...%9");
    assert_eq!(ArraySpec::parse("0-1000:2", 1001).unwrap().short(), "0-1000:2");
    let fits: TaskSet = (100..=114).map(|task| task * 2).chain([1]).collect();
    assert_eq!((fits.to_string().len(), fits.short()), (61, fits.to_string()));
}

#[test]
fn sets_answer() {
    let set = tasks("3,5-9,20-30:5");
    for task in 0..40 {
        assert_eq!(set.contains(task), set.iter().any(|other| other == task), "{task}");
    }
    assert!(!set.is_empty() && TaskSet::default().is_empty());
    assert_eq!((TaskSet::default().first(), TaskSet::default().len()), (None, 0));
}

#[test]
fn bad_specifications_are_refused_by_part() {
    for text in ["", ",", "1,", "a", "1-", "-1", "1-2-3", "1:2", "1-5:", "+1", "1.5", "1 2", "0x1", "１"] {
        assert!(matches!(ArraySpec::parse(text, 1001), Err(ArrayError::Part(_))), "{text}");
    }
    for text in ["3-1", "1-3:0"] {
        assert!(matches!(ArraySpec::parse(text, 1001), Err(ArrayError::Empty(_))), "{text}");
    }
    for text in ["1%", "1%a", "1%-1", "1%1%2", "1%99999999999"] {
        assert!(matches!(ArraySpec::parse(text, 1001), Err(ArrayError::Limit(_))), "{text}");
    }
    assert_eq!(ArraySpec::parse("0-1001", 1001), Err(ArrayError::TooGreat { task: 1001, greatest: 1000 }));
    assert_eq!(ArraySpec::parse("4294967296", 1001), Err(ArrayError::TooGreat { task: 4_294_967_296, greatest: 1000 }));
    assert!(matches!(ArraySpec::parse("0", 0), Err(ArrayError::TooGreat { .. })));
}

#[test]
fn bombs_are_refused_cheaply() {
    assert_eq!(ArraySpec::parse(&"0-1000,".repeat(100_000), 1001), Err(ArrayError::TooMany(1001)));
    assert_eq!(ArraySpec::parse(&"1,".repeat(1002), 1001), Err(ArrayError::TooMany(1001)));
    assert!(matches!(JobRef::parse("13_[0-4000000:2]"), Err(JobRefError::Tasks { error: ArrayError::TooMany(_), .. })));
    assert!(JobRef::parse("13_[0-4000000]").is_ok());
}

#[test]
fn job_ids_are_read_and_printed() {
    let of = |part| JobRef { job: 13, part, step: None };
    let with = |part, step| JobRef { job: 13, part, step: Some(step) };
    for (text, expected) in [
        ("13", JobRef::whole(13)),
        ("13_4", JobRef::task(13, 4)),
        ("13_0", JobRef::task(13, 0)),
        ("13_[1-3]", of(Part::Tasks(tasks("1-3")))),
        ("13_[1,3,5]", of(Part::Tasks(tasks("1,3,5")))),
        ("13_*", of(Part::AllTasks)),
        ("13+1", of(Part::Component(1))),
        ("13.batch", with(Part::Whole, Step::Batch)),
        ("13.extern", with(Part::Whole, Step::Extern)),
        ("13.interactive", with(Part::Whole, Step::Interactive)),
        ("13.0", with(Part::Whole, Step::Number(0))),
        ("13_4.7", with(Part::Task(4), Step::Number(7))),
    ] {
        let read = JobRef::parse(text).unwrap();
        assert_eq!(read, expected, "{text}");
        assert_eq!(read.to_string(), text);
    }
    assert_eq!(JobRef::parse("99999999").unwrap().job, 99_999_999);
}

#[test]
fn what_is_no_job_id_is_refused() {
    for text in [
        "",
        "0",
        "-1",
        "+1",
        "abc",
        "13_",
        "13_a",
        "13_[1-3",
        "13_1-3",
        "13_-1",
        "13+",
        "13+a",
        "13.",
        "13.x",
        "13.batch.1",
        "13_[1]x",
        "13_[1-3]%2",
        "13_**",
        "13_4000001",
        "4294967294",
        "99999999999",
        " 13",
        "13 ",
        "13,14",
        "1e3",
        "13_4+1",
    ] {
        assert!(matches!(JobRef::parse(text), Err(JobRefError::Form(_))), "{text}");
    }
    for text in ["13_[]", "13_[a]", "13_[3-1]", "13_[1%2]"] {
        assert!(matches!(JobRef::parse(text), Err(JobRefError::Tasks { .. })), "{text}");
    }
}

proptest! {
    #[test]
    fn sets_print_and_read_back(ids in prop::collection::btree_set(0_u32..1000, 1..60), limit in prop::option::of(1_u32..99)) {
        let spec = ArraySpec { tasks: ids.iter().copied().collect(), limit };
        prop_assert_eq!(spec.tasks.iter().collect::<BTreeSet<_>>(), ids);
        prop_assert_eq!(ArraySpec::parse(&spec.to_string(), 1001).unwrap(), spec);
    }

    #[test]
    fn stepped_sets_print_and_read_back(first in 0_u32..100, step in 1_u32..30, count in 1_u32..30) {
        let set: TaskSet = (0..count).map(|index| first + index * step).collect();
        prop_assert_eq!(TaskSet::parse(&set.to_string(), 1001).unwrap(), set);
    }

    #[test]
    fn hostile_text_is_read_or_refused(text in "[0-9,:%-]{0,60}") {
        if let Ok(spec) = ArraySpec::parse(&text, 1001) {
            prop_assert!(spec.tasks.len() <= 1001 && spec.tasks.last() < Some(1001));
            prop_assert!(spec.short().len() < 80);
            prop_assert_eq!(ArraySpec::parse(&spec.to_string(), 1001).unwrap(), spec);
        }
    }

    #[test]
    fn job_ids_read_back(text in "[1-9][0-9]{0,6}(_[0-9]{1,5}|_\\*|_\\[[0-9,-]{1,10}\\]|\\+[0-9]{1,3})?(\\.batch|\\.[0-9]{1,3})?") {
        if let Ok(id) = JobRef::parse(&text) {
            prop_assert_eq!(JobRef::parse(&id.to_string()).unwrap(), id);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,60}") {
        let _ = JobRef::parse(&text);
        let _ = ArraySpec::parse(&text, 1001);
    }
}
