use super::*;

fn all() -> Enforce {
    Enforce::parse(["associations", "limits", "qos"]).unwrap()
}

fn asked<'a>(user: &'a str, account: Option<&'a str>, qos: Option<&'a str>) -> Asked<'a> {
    Asked { user, account, partition: "defq", qos, wckey: None }
}

#[test]
fn words_of_enforcement_are_read() {
    assert_eq!(Enforce::parse(["limits"]).unwrap().words(), ["associations", "limits"]);
    assert_eq!(Enforce::parse(["none"]).unwrap(), Enforce::default());
    assert!(Enforce::parse(["nonsense"]).unwrap_err().contains("nonsense"));
}

#[test]
fn without_enforcement_everything_passes_as_it_came() {
    let books = recorded();
    let admission = books.admit(&asked("mallory", Some("whatever"), Some("any")), Enforce::default()).unwrap();
    assert_eq!((admission.account.as_str(), admission.qos.as_str()), ("whatever", "any"));
    assert_eq!((admission.association, admission.bounds.len()), (0, 0));
    let admission = books.admit(&asked("alice", None, None), Enforce::default()).unwrap();
    assert_eq!((admission.account.as_str(), admission.qos.as_str()), ("physics", "normal"));
    assert!(admission.association > 0);
}

#[test]
fn who_has_no_association_submits_nothing() {
    let books = recorded();
    let refused = |user, account, qos| books.admit(&asked(user, account, qos), all()).unwrap_err().errno;
    assert_eq!(refused("mallory", None, None), Errno::INVALID_ACCOUNT);
    assert_eq!(refused("alice", Some("chem"), None), Errno::INVALID_ACCOUNT);
    assert_eq!(refused("alice", Some("nope"), None), Errno::INVALID_ACCOUNT);
    assert_eq!(refused("", Some("root"), None), Errno::INVALID_ACCOUNT);
    assert_eq!(refused("bob", Some("chem"), Some("sample")), Errno::INVALID_QOS);
    assert_eq!(refused("bob", Some("chem"), Some("nope")), Errno::INVALID_QOS);
    let bob = books.admit(&asked("bob", Some("physics"), Some("sample")), all()).unwrap();
    assert_eq!((bob.qos.as_str(), bob.priority), ("sample", 10));
    assert_eq!(bob.accounts, ["physics", "root"]);
}

#[test]
fn the_association_of_the_partition_comes_first() {
    let mut books = recorded();
    put(
        &mut books,
        "associations",
        r#"[{"account":"physics","user":"alice","partition":"defq","max":{"jobs":{"active":{"set":true,"number":1}}}}]"#,
    );
    let on = books.admit(&asked("alice", None, None), all()).unwrap();
    let elsewhere = books.admit(&Asked { partition: "gpu", ..asked("alice", None, None) }, all()).unwrap();
    assert_ne!(on.association, elsewhere.association);
    assert_eq!((on.partition.as_str(), elsewhere.partition.as_str()), ("defq", ""));
}

#[test]
fn limits_of_one_job_refuse_what_can_never_run() {
    let mut books = recorded();
    put(
        &mut books,
        "associations",
        r#"[{"account":"physics","user":"","max":{"jobs":{"per":{"wall_clock":{"set":true,"number":60}}},
            "tres":{"total":[{"type":"cpu","count":16}],"per":{"job":[{"type":"cpu","count":8}]}}}}]"#,
    );
    put(
        &mut books,
        "qos",
        r#"[{"name":"sample","limits":{"max":{"wall_clock":{"per":{"job":{"set":true,"number":120}}}},
            "min":{"tres":{"per":{"job":[{"type":"memory","count":10}]}}}}}]"#,
    );
    let normal = books.admit(&asked("alice", None, None), all()).unwrap();
    assert_eq!(normal.too_large(Some(60), &[("cpu", 8)], 1), None);
    let errno = |fault: Option<Fault>| fault.unwrap().errno;
    assert_eq!(errno(normal.too_large(Some(61), &[("cpu", 1)], 1)), Errno::ACCOUNTING_POLICY);
    assert_eq!(errno(normal.too_large(None, &[("cpu", 1)], 1)), Errno::ACCOUNTING_POLICY);
    assert_eq!(errno(normal.too_large(Some(1), &[("cpu", 9)], 1)), Errno::ACCOUNTING_POLICY);
    let sample = books.admit(&asked("alice", None, Some("sample")), all()).unwrap();
    assert_eq!(sample.too_large(Some(120), &[("cpu", 8), ("mem", 10)], 1), None, "the QOS stands before the account");
    let fault = sample.too_large(Some(120), &[("cpu", 8), ("mem", 9)], 1).unwrap();
    assert!(fault.description.contains("at least 10"), "{fault}");
}

#[test]
fn jobs_are_counted_by_scope() {
    let mut books = recorded();
    put(
        &mut books,
        "associations",
        r#"[{"account":"physics","user":"","max":{"jobs":{"per":{"submitted":{"set":true,"number":5},"count":{"set":true,"number":4}}}}},
            {"account":"physics","user":"alice","max":{"jobs":{"total":{"set":true,"number":2},"active":{"set":true,"number":1}}}}]"#,
    );
    put(&mut books, "qos", r#"[{"name":"normal","limits":{"max":{"jobs":{"per":{"user":{"set":true,"number":3}}}}}}]"#);
    let admission = books.admit(&asked("alice", None, None), all()).unwrap();
    let counting = |own: u64, account: u64| {
        move |scope: &Scope| {
            let submitted = match scope {
                Scope::Association(..) => own,
                Scope::Accounts(accounts) if accounts[0] == "physics" => account,
                _ => 0,
            };
            Ok::<_, ()>(Usage { running: submitted, submitted })
        }
    };
    assert_eq!(admission.too_many(1, counting(1, 4)).unwrap(), None);
    assert!(admission.too_many(1, counting(2, 2)).unwrap().unwrap().description.contains("alice"));
    assert!(admission.too_many(2, counting(0, 4)).unwrap().unwrap().description.contains("account physics"));
    assert_eq!(admission.waits(counting(0, 3)).unwrap(), None);
    assert_eq!(admission.waits(counting(1, 1)).unwrap().as_deref(), Some("AssocMaxJobsLimit"));
    assert_eq!(admission.waits(counting(0, 4)).unwrap().as_deref(), Some("AssocGrpJobsLimit"));
    assert!(admission.bounds.iter().any(|bound| bound.scope == Scope::QosUser("normal".into(), "alice".into())));
    let chem = books.admit(&asked("carol", None, None), all()).unwrap();
    assert_eq!(chem.bounds.len(), 1, "only the QOS limits there: {:?}", chem.bounds);
}

#[test]
fn wckeys_are_checked_when_they_are_enforced() {
    let mut books = recorded();
    put(&mut books, "wckeys", r#"[{"cluster":"testcl","name":"w1","user":"alice"}]"#);
    let enforce = Enforce::parse(["wckeys"]).unwrap();
    let of = |user, wckey| books.admit(&Asked { wckey, ..asked(user, None, None) }, enforce);
    assert_eq!(of("alice", None).unwrap().wckey, "w1");
    assert_eq!(of("alice", Some("w1")).unwrap().wckey, "w1");
    assert_eq!(of("alice", Some("w2")).unwrap_err().errno, Errno::INVALID_WCKEY);
    assert_eq!(of("bob", None).unwrap_err().errno, Errno::INVALID_WCKEY);
}
