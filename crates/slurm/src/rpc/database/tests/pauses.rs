//! What is kept between two questions: the conversation, for who has begun it, and what numbers mean.

use super::*;

const LISTS_OF_TRES: Kind = Kind::DBD_TRES;

fn qos(asked: &Inquiry) -> Vec<String> {
    let all = asked.qos(&QosWanted::default()).unwrap().all;
    all.into_iter().filter_map(|qos| qos.name).collect()
}

/// The names of what the cluster has.
fn tres(asked: &Inquiry) -> Vec<String> {
    let cluster = asked.clusters(&ClustersWanted::default()).unwrap().all.remove(0);
    cluster.tres.unwrap().into_iter().filter_map(|tres| tres.kind).collect()
}

#[test]
fn who_asks_again_goes_on() {
    let told = Told::new("26.05", Protocol::V26_05);
    for _ in 0..3 {
        assert_eq!(qos(&told.inquiry())[0], "normal");
        assert_eq!(tres(&told.inquiry())[0], "cpu");
    }
    assert_eq!((told.count(Kind::GREETING), told.count(LISTS_OF_TRES)), (1, 1));
    // each answer is of its own moment: the transaction before it is over
    let asked = told.asked.lock().unwrap();
    let kinds: Vec<u16> = asked.iter().map(|(kind, _)| *kind).collect();
    let first = [Kind::GREETING, Kind::DBD_QOS, Kind::DBD_TRES, Kind::DBD_QOS, Kind::DBD_END, Kind::DBD_CLUSTERS];
    assert_eq!(kinds[..6], first.map(|kind| kind.0));
    assert_eq!(asked[4].1, [0; 4], "it neither hangs up nor stores anything");
}

#[test]
fn nobody_goes_on_for_somebody_else() {
    let told = Told::new("26.05", Protocol::V26_05);
    let other_cluster = told.database.asked_by(Credential::jwt("alice").unwrap(), "elsewhere", Arc::new(Nobody));
    let for_bob = Credential::jwt("alice").unwrap().acting_for("bob").unwrap();
    let for_bob = told.database.asked_by(for_bob, "testcl", Arc::new(Nobody));
    for _ in 0..2 {
        for asked in [&told.asked_with("alice"), &told.asked_with("bob"), &for_bob, &other_cluster] {
            qos(asked);
        }
    }
    assert_eq!(told.count(Kind::GREETING), 4);
    // what a number means is the same for all
    assert_eq!(told.count(LISTS_OF_TRES), 1);
}

#[test]
fn many_at_once_are_each_spoken_to_alone() {
    let told = Told::new("26.05", Protocol::V26_05);
    thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                for _ in 0..5 {
                    assert_eq!(qos(&told.inquiry())[0], "normal");
                    assert_eq!(tres(&told.inquiry())[0], "cpu");
                }
            });
        }
    });
    assert!(told.count(Kind::GREETING) < 150, "{}", told.count(Kind::GREETING));
}

#[test]
fn a_number_that_is_not_known_is_asked_for() {
    let told = Told::new("26.05", Protocol::V26_05);
    // resources that no quality of service names
    told.says(LISTS_OF_TRES, Kind::DBD_RESULT, result(0, LISTS_OF_TRES.0, "none"));
    qos(&told.inquiry());
    qos(&told.inquiry());
    assert_eq!(told.count(LISTS_OF_TRES), 1);
    told.says(LISTS_OF_TRES, Kind::DBD_TRES_ARE, recorded("26.05", "tres"));
    assert_eq!(tres(&told.inquiry())[0], "cpu");
    assert_eq!(told.count(LISTS_OF_TRES), 2);
    // the same with records, which are shown when all is said
    told.database.changed();
    told.says(LISTS_OF_TRES, Kind::DBD_RESULT, result(0, LISTS_OF_TRES.0, "none"));
    qos(&told.inquiry());
    told.says(LISTS_OF_TRES, Kind::DBD_TRES_ARE, recorded("26.05", "tres"));
    let records = told.records(&RecordsOf::All).unwrap().0;
    let names: Vec<_> = records[0].tres_allocated.iter().flatten().filter_map(|tres| tres.kind.as_deref()).collect();
    assert_eq!(names[0], "cpu");
    assert_eq!(told.count(LISTS_OF_TRES), 4);
}

#[test]
fn after_a_change_numbers_are_asked_for() {
    let told = Told::new("26.05", Protocol::V26_05);
    qos(&told.inquiry());
    told.database.changed();
    qos(&told.inquiry());
    assert_eq!((told.count(Kind::GREETING), told.count(LISTS_OF_TRES)), (1, 2));
}

#[test]
fn a_conversation_that_was_ended_is_begun_anew() {
    let told = Told::new("26.05", Protocol::V26_05);
    // it hangs up instead of saying that the transaction is over
    told.answers.lock().unwrap().remove(&Kind::DBD_END);
    for _ in 0..3 {
        qos(&told.inquiry());
    }
    assert_eq!(told.count(Kind::GREETING), 3);
}

#[test]
fn after_an_error_nobody_goes_on() {
    let told = Told::new("26.05", Protocol::V26_05);
    qos(&told.inquiry());
    // it hangs up at the question, and so it does when it is asked anew
    assert!(told.inquiry().wckeys(&crate::books::WcKeysWanted::default()).is_err());
    assert_eq!(told.count(Kind::GREETING), 2);
    told.says(Kind::DBD_QOS, Kind::DBD_RESULT, result(7009, 1448, "no"));
    assert!(told.inquiry().qos(&QosWanted::default()).is_err());
    told.says(Kind::DBD_QOS, Kind::DBD_QOS_ARE, recorded("26.05", "qos"));
    qos(&told.inquiry());
    assert_eq!(told.count(Kind::GREETING), 4);
}
