use proptest::prelude::*;

use super::{Condition, Dependency, DependencyError, Join, Kind, State, Target, TargetTasks};

fn read(text: &str) -> Dependency {
    Dependency::parse(text, 1001).unwrap()
}

fn job(job: u32) -> Target {
    Target { job, tasks: TargetTasks::Unsaid }
}

fn task(job: u32, task: u32) -> Target {
    Target { job, tasks: TargetTasks::One(task) }
}

fn kinds(text: &str) -> Vec<Kind> {
    read(text).conditions.into_iter().map(|condition| condition.kind).collect()
}

#[test]
fn every_kind_is_read_and_printed() {
    let all = Target { job: 12, tasks: TargetTasks::All };
    for (text, expected, shown) in [
        ("afterany:12", Kind::AfterAny(job(12)), "afterany:12(unfulfilled)"),
        ("afterok:99999999", Kind::AfterOk(job(99_999_999)), "afterok:99999999(unfulfilled)"),
        ("afternotok:12_3", Kind::AfterNotOk(task(12, 3)), "afternotok:12_3(unfulfilled)"),
        ("afterany:12_*", Kind::AfterAny(all), "afterany:12_*(unfulfilled)"),
        ("aftercorr:12", Kind::AfterCorr(job(12)), "aftercorr:12(unfulfilled)"),
        ("afterburstbuffer:12", Kind::AfterBurstBuffer(job(12)), "afterburstbuffer:12(unfulfilled)"),
        ("after:12", Kind::After(job(12), 0), "after:12(unfulfilled)"),
        ("after:12+5", Kind::After(job(12), 5), "after:12+5(unfulfilled)"),
        ("after:12_3+5", Kind::After(task(12, 3), 5), "after:12_3+5(unfulfilled)"),
        ("singleton", Kind::Singleton, "singleton(unfulfilled)"),
        ("expand:12", Kind::Other("expand".into(), "12".into()), "expand:12(unfulfilled)"),
        ("aftermoon:x:y", Kind::Other("aftermoon".into(), "x:y".into()), "aftermoon:x:y(unfulfilled)"),
    ] {
        let dependency = read(text);
        assert_eq!(dependency.conditions, [Condition { kind: expected, state: State::Unfulfilled }], "{text}");
        assert_eq!(dependency.to_string(), text);
        assert_eq!(dependency.shown(), shown);
        assert_eq!(read(shown), dependency);
    }
}

#[test]
fn several_conditions_are_joined() {
    let both = read("afterok:1:2,singleton");
    assert_eq!(both.join, Join::All);
    assert_eq!(both.to_string(), "afterok:1,afterok:2,singleton");
    let either = read("afterok:1?afternotok:2");
    assert_eq!(either.join, Join::Any);
    assert_eq!(either.shown(), "afterok:1(unfulfilled)?afternotok:2(unfulfilled)");
    assert_eq!(kinds("after:1+10:2"), [Kind::After(job(1), 10), Kind::After(job(2), 0)]);
    assert_eq!(kinds("afterok:12_[1-2,4]"), [1, 2, 4].map(|id| Kind::AfterOk(task(12, id))));
    assert_eq!(kinds("12"), [Kind::AfterAny(job(12))]);
    assert_eq!(kinds("AfterOK:12, Singleton"), [Kind::AfterOk(job(12)), Kind::Singleton]);
    assert_eq!(read(""), Dependency::default());
    assert_eq!((read("").to_string(), read("").shown()), (String::new(), String::new()));
}

#[test]
fn records_tell_states_and_hide_what_holds() {
    let dependency = read("afterany:3(fulfilled),afterok:4(failed),afterok:5_*(unfulfilled),singleton(failed)");
    let states: Vec<State> = dependency.conditions.iter().map(|condition| condition.state).collect();
    assert_eq!(states, [State::Fulfilled, State::Failed, State::Unfulfilled, State::Failed]);
    assert_eq!(dependency.shown(), "afterok:4(failed),afterok:5_*(unfulfilled),singleton(failed)");
    assert_eq!(dependency.conditions[1].kind.target(), Some(job(4)));
    assert_eq!(dependency.conditions[3].kind.target(), None);
}

#[test]
fn bad_texts_are_refused_by_part() {
    for text in [
        "xyz",
        ":12",
        "afterok:",
        "afterok",
        "after ok:1",
        "singleton:1",
        ",",
        "afterok:1,",
        "afterok:1,,afterok:2",
        "a(b):1",
    ] {
        assert!(matches!(Dependency::parse(text, 1001), Err(DependencyError::Form(_))), "{text}");
    }
    for text in [
        "afterok:0",
        "afterok:abc",
        "afterok:1:",
        "afterok:-1",
        "afterok:1_",
        "afterok:1_[3-1]",
        "afterok:1.batch",
        "1a",
        "afterok:1_1001",
        "afterok:1_[999-1001]",
        "after:1+0+",
        "afterok:4294967295",
    ] {
        let error = Dependency::parse(text, 1001).unwrap_err();
        assert!(matches!(error, DependencyError::Job(_) | DependencyError::Delay(_)), "{text}: {error}");
    }
    for text in ["afterok:1+5", "after:1+", "after:1+x", "after:1+71582789", "after:1+-1"] {
        assert!(matches!(Dependency::parse(text, 1001), Err(DependencyError::Delay(_))), "{text}");
    }
    assert!(matches!(Dependency::parse("afterok:1(maybe)", 1001), Err(DependencyError::State(_))));
    assert!(matches!(Dependency::parse("afterok:1,afterok:2?afterok:3", 1001), Err(DependencyError::Mixed(_))));
}

#[test]
fn bombs_are_refused_cheaply() {
    let many = format!("afterok:1{}", ":1_[0-999]".repeat(10_000));
    assert_eq!(Dependency::parse(&many, 1001), Err(DependencyError::TooMany));
    assert_eq!(Dependency::parse(&"singleton,".repeat(70_000), 1001), Err(DependencyError::TooMany));
}

fn any_target() -> impl Strategy<Value = Target> {
    let tasks =
        prop_oneof![Just(TargetTasks::Unsaid), Just(TargetTasks::All), (0_u32..1001).prop_map(TargetTasks::One)];
    (1_u32..5000, tasks).prop_map(|(job, tasks)| Target { job, tasks })
}

fn any_kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        (any_target(), 0_u32..99).prop_map(|(target, minutes)| Kind::After(target, minutes)),
        any_target().prop_map(Kind::AfterAny),
        any_target().prop_map(Kind::AfterOk),
        any_target().prop_map(Kind::AfterNotOk),
        any_target().prop_map(Kind::AfterCorr),
        any_target().prop_map(Kind::AfterBurstBuffer),
        Just(Kind::Singleton),
    ]
}

proptest! {
    #[test]
    fn printing_and_reading_agree(kinds in prop::collection::vec(any_kind(), 2..8), any in any::<bool>()) {
        let join = if any { Join::Any } else { Join::All };
        let conditions = kinds.into_iter().map(|kind| Condition { kind, state: State::Failed }).collect();
        let mut dependency = Dependency { join, conditions };
        prop_assert_eq!(&read(&dependency.shown()), &dependency);
        for condition in &mut dependency.conditions {
            condition.state = State::Unfulfilled;
        }
        prop_assert_eq!(&read(&dependency.to_string()), &dependency);
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,80}") {
        let _ = Dependency::parse(&text, 1001);
    }

    #[test]
    fn hostile_text_reads_back(text in "(after|afterok|x|singleton|1)[:,?+_\\[\\]()*0-9a-z]{0,30}") {
        if let Ok(dependency) = Dependency::parse(&text, 1001) {
            let again = Dependency::parse(&dependency.to_string(), 1001);
            prop_assert_eq!(again.map(|again| again.to_string()), Ok(dependency.to_string()));
        }
    }
}
