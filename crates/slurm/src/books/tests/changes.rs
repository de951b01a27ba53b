use super::*;
use crate::objects::{AccountsAddCondResp, UsersAddCondResp};

fn read<T: crate::table::Object>(json: &str) -> T {
    let zone = jiff::tz::TimeZone::UTC;
    Reader::new(Version::V45, 0, &zone).object(serde_json::from_str(json).unwrap())
}

#[test]
fn accounts_are_made_changed_and_removed() {
    let mut books = recorded();
    put(&mut books, "accounts", r#"[{"name":"newacct","description":"d","organization":"o"}]"#);
    put(&mut books, "accounts", r#"[{"name":"newacct","description":"d2","organization":""}]"#);
    let found = &books.accounts(&AccountsWanted::one("newacct", &DbdAccountQuery::default()))[0];
    assert_eq!((found.description.as_deref(), found.organization.as_deref()), (Some("d2"), Some("o")));
    assert_eq!(books.delete_account("newacct", &Live::default()).unwrap(), ["newacct"]);
    assert!(books.delete_account("newacct", &Live::default()).unwrap().is_empty());
    assert!(books.accounts(&AccountsWanted::one("newacct", &DbdAccountQuery::default())).is_empty());
    let query = DbdAccountQuery { with_deleted: Some(true), ..DbdAccountQuery::default() };
    assert_eq!(books.accounts(&AccountsWanted::one("newacct", &query))[0].flags, Some(Flags::of(["DELETED"])));
    put(&mut books, "accounts", r#"[{"name":"newacct"}]"#);
    let again = &books.accounts(&AccountsWanted::one("newacct", &DbdAccountQuery::default()))[0];
    assert_eq!(again.description.as_deref(), Some(""), "nothing of the removed one comes back");
    assert_eq!(books.delete_account("root", &Live::default()).unwrap_err().errno, Errno::ACCESS_DENIED);
}

#[test]
fn an_account_goes_with_what_is_below_it_but_not_under_running_jobs() {
    let mut books = recorded();
    put(&mut books, "accounts", r#"[{"name":"optics"}]"#);
    put(
        &mut books,
        "associations",
        r#"[{"account":"optics","parent_account":"physics"},{"account":"optics","user":"carol"}]"#,
    );
    let mut live = Live::default();
    live.add("optics", "carol");
    let fault = books.delete_account("physics", &live).unwrap_err();
    assert_eq!(fault.errno, Errno::JOBS_RUNNING_ON_ASSOC);
    assert!(fault.description.contains("carol"), "{fault}");
    let before = books.clone();
    assert_eq!(books, before);
    books.delete_account("physics", &Live::default()).unwrap();
    let left = books.associations(&AssociationsWanted::default());
    assert!(names(&left, |one| one.account.clone()).iter().all(|name| name == "chem" || name == "root"));
    let query = DbdUserQuery { with_assocs: Some(true), ..DbdUserQuery::default() };
    let bob = &books.users(&UsersWanted::one("bob", &query))[0];
    assert_eq!(bob.default_account.as_deref(), Some("chem"), "another account takes the default's place");
}

#[test]
fn users_are_made_renamed_and_removed() {
    let mut books = recorded();
    put(&mut books, "users", r#"[{"name":"dave","default":{"wckey":"w1"}}]"#);
    put(
        &mut books,
        "users",
        r#"[{"name":"coord","administrator_level":["Operator"],"default":{"wckey":"w2"},
            "wckeys":[{"cluster":"testcl","name":"w1","user":"coord"},{"cluster":"testcl","name":"w2","user":"coord"}]}]"#,
    );
    let query = DbdUserQuery { with_wckeys: Some(true), ..DbdUserQuery::default() };
    let coord = &books.users(&UsersWanted::one("coord", &query))[0];
    assert_eq!(coord.default_wckey.as_deref(), Some("w2"));
    assert_eq!(names(coord.wckeys.as_deref().unwrap(), |one| one.name.clone()), ["w1", "w2"]);
    assert_eq!(books.delete_user("coord", &Live::default()).unwrap(), ["coord"]);
    let query = DbdUserQuery { with_deleted: Some(true), ..DbdUserQuery::default() };
    assert_eq!(books.users(&UsersWanted::one("coord", &query))[0].flags, Some(Flags::of(["DELETED"])));
    put(&mut books, "users", r#"[{"name":"coord","old_name":"dave","administrator_level":["Administrator"]}]"#);
    assert!(books.users(&UsersWanted::one("dave", &DbdUserQuery::default())).is_empty());
    let query = DbdUserQuery { with_wckeys: Some(true), ..DbdUserQuery::default() };
    let renamed = &books.users(&UsersWanted::one("coord", &query))[0];
    assert_eq!(renamed.default_wckey.as_deref(), Some("w1"));
    assert_eq!(renamed.old_name.as_deref(), Some(""));
    assert_eq!(names(renamed.wckeys.as_deref().unwrap(), |one| one.user.clone()), ["coord"]);
    assert_eq!(books.level_of("coord"), Level::Administrator);
    let taken = try_put(&mut books, "users", r#"[{"name":"bob","old_name":"alice"}]"#).unwrap_err();
    assert_eq!(taken.errno, Errno::INVALID_ARGUMENT);
    for bad in [r#"[{"name":""}]"#, r#"[{"name":"a b"}]"#, r#"[{"name":"a/b"}]"#] {
        assert_eq!(try_put(&mut books, "users", bad).unwrap_err().errno, Errno::BAD_NAME, "{bad}");
    }
}

#[test]
fn the_default_account_is_the_one_that_was_wished_for() {
    let mut books = recorded();
    put(&mut books, "users", r#"[{"name":"dave","default":{"account":"chem"}}]"#);
    let default = |books: &Books| {
        let query = DbdUserQuery { with_assocs: Some(true), ..DbdUserQuery::default() };
        books.users(&UsersWanted::one("dave", &query))[0].default_account.clone().unwrap()
    };
    assert_eq!(default(&books), "", "without an association there is none");
    put(&mut books, "associations", r#"[{"account":"chem","user":"dave"}]"#);
    assert_eq!(default(&books), "chem");
    put(&mut books, "associations", r#"[{"account":"physics","user":"dave","is_default":true}]"#);
    assert_eq!(default(&books), "physics");
    put(&mut books, "users", r#"[{"name":"dave","default":{"account":"chem"}}]"#);
    assert_eq!(default(&books), "chem");
    assert_eq!(
        try_put(&mut books, "users", r#"[{"name":"dave","default":{"account":"nope"}}]"#).unwrap_err().errno,
        Errno::INVALID_ACCOUNT
    );
}

#[test]
fn an_association_keeps_what_it_was_given_until_it_is_given_anew() {
    let mut books = recorded();
    put(&mut books, "qos", r#"[{"name":"q1"},{"name":"q2"}]"#);
    put(
        &mut books,
        "associations",
        r#"[{"account":"physics","cluster":"testcl","default":{"qos":"q1"},"flags":[],
            "max":{"jobs":{"per":{"wall_clock":{"set":true,"number":150}}}},
            "min":{"priority_threshold":{"set":true,"number":10}},"partition":"defq",
            "priority":{"number":9,"set":true},"qos":["q1","q2"],"shares_raw":23,"user":"alice"}]"#,
    );
    let wanted = AssociationsWanted {
        users: vec!["alice".into()],
        partitions: vec!["defq".into()],
        ..AssociationsWanted::default()
    };
    let one = &books.associations(&wanted)[0];
    assert_eq!(one.default_qos.as_deref(), Some("q1"));
    assert!(one.flags.as_ref().unwrap().is_empty());
    assert_eq!((one.max_jobs_per_wall_clock, one.min_priority_threshold), (Some(Num::Set(150)), Some(Num::Set(10))));
    assert_eq!((one.priority, one.shares_raw), (Some(Num::Set(9)), Some(23)));
    put(
        &mut books,
        "associations",
        r#"[{"account":"physics","partition":"defq","user":"alice","priority":{"set":false},
            "max":{"jobs":{"per":{"wall_clock":{"infinite":true}}}}}]"#,
    );
    let one = &books.associations(&wanted)[0];
    assert_eq!(one.priority, Some(Num::Set(9)), "a number that is not set says nothing");
    assert_eq!(one.max_jobs_per_wall_clock, Some(Num::Infinite));
    assert_eq!(one.qos.as_deref().unwrap(), ["q1", "q2"]);
    let fault = try_put(
        &mut books,
        "associations",
        r#"[{"account":"physics","partition":"defq","user":"alice","default":{"qos":"sample"}}]"#,
    );
    assert_eq!(fault.unwrap_err().errno, Errno::INVALID_QOS);
    assert_eq!(books.delete_associations(&wanted, &Live::default()).unwrap().len(), 1);
    assert!(books.associations(&wanted).is_empty());
    assert!(books.delete_associations(&wanted, &Live::default()).unwrap().is_empty());
    let all = AssociationsWanted::default();
    assert_eq!(books.delete_associations(&all, &Live::default()).unwrap_err().errno, Errno::INVALID_ARGUMENT);
}

#[test]
fn what_an_association_names_must_be_there() {
    let mut books = recorded();
    for (json, errno) in [
        (r#"[{"account":"nope","user":"alice"}]"#, Errno::INVALID_ACCOUNT),
        (r#"[{"account":"chem","user":"nope"}]"#, Errno::USER_ID),
        (r#"[{"account":"chem","user":"alice","cluster":"nope"}]"#, Errno::INVALID_ARGUMENT),
        (r#"[{"account":"chem","user":"alice","qos":["nope"]}]"#, Errno::INVALID_QOS),
        (r#"[{"account":"chem","partition":"p"}]"#, Errno::INVALID_ARGUMENT),
        (r#"[{"account":"chem","parent_account":"nope"}]"#, Errno::INVALID_PARENT_ACCOUNT),
        (r#"[{"account":"chem","parent_account":"chem"}]"#, Errno::SAME_PARENT_ACCOUNT),
        (r#"[{"account":"root","parent_account":"chem"}]"#, Errno::INVALID_PARENT_ACCOUNT),
    ] {
        assert_eq!(try_put(&mut books, "associations", json).unwrap_err().errno, errno, "{json}");
    }
    put(&mut books, "associations", r#"[{"account":"chem","parent_account":"physics"}]"#);
    let loop_ = try_put(&mut books, "associations", r#"[{"account":"physics","parent_account":"chem"}]"#);
    assert_eq!(loop_.unwrap_err().errno, Errno::SAME_PARENT_ACCOUNT);
}

#[test]
fn qos_keep_what_they_are_given() {
    let mut books = recorded();
    put(
        &mut books,
        "qos",
        r#"[{"description":"test QOS","flags":["PARTITION_MAXIMUM_NODE","NO_DECAY"],"name":"q1",
            "limits":{"min":{"tres":{"per":{"job":[{"type":"cpu","count":100},{"type":"memory","count":100000}]}}}},
            "preempt":{"exempt_time":{"set":true,"number":199}},"priority":{"number":180,"set":true},
            "usage_factor":{"set":true,"number":82382.23823},"usage_threshold":{"set":true,"number":929392.33}},
            {"description":"test QOS 2","name":"q2"}]"#,
    );
    let one = |books: &Books, name: &str| books.qos(&QosWanted::one(name, false))[0].clone();
    let q1 = one(&books, "q1");
    assert_eq!(q1.usage_factor, Some(Num::Set(82_382.238_23)));
    assert_eq!(q1.usage_threshold, Some(Num::Set(929_392.33)));
    assert_eq!(q1.flags, Some(Flags::of(["PARTITION_MAXIMUM_NODE", "NO_DECAY"])));
    assert_eq!(q1.limits_min_tres_per_job.as_deref().unwrap()[0].id, Some(1));
    let q2 = one(&books, "q2");
    assert_eq!((q2.priority, q2.usage_factor), (Some(Num::Set(0)), Some(Num::Set(1.0))));
    assert_eq!((q2.preempt_exempt_time, q2.usage_threshold), (Some(Num::Infinite), Some(Num::Infinite)));
    put(&mut books, "qos", r#"[{"name":"q1","flags":["REMOVE","NO_DECAY"],"preempt":{"list":["q2"]}}]"#);
    assert_eq!(one(&books, "q1").flags, Some(Flags::of(["PARTITION_MAXIMUM_NODE"])));
    put(&mut books, "qos", r#"[{"name":"q1","flags":["ADD","DENY_LIMIT"]}]"#);
    assert_eq!(one(&books, "q1").flags, Some(Flags::of(["PARTITION_MAXIMUM_NODE", "DENY_LIMIT"])));
    assert_eq!(one(&books, "q1").priority, Some(Num::Set(180)));
    let id = q2.id.unwrap();
    put(&mut books, "qos", &format!(r#"[{{"id":{id},"description":"by number"}}]"#));
    assert_eq!(one(&books, "q2").description.as_deref(), Some("by number"));
    assert_eq!(books.delete_qos("q2").unwrap(), ["q2"]);
    assert_eq!(one(&books, "q1").preempt_list.as_deref(), Some(&[][..]));
    assert!(books.delete_qos("q2").unwrap().is_empty());
    assert_eq!(books.qos(&QosWanted::one("q2", true))[0].flags, Some(Flags::of(["DELETED"])));
    put(&mut books, "qos", r#"[{"name":"q2"}]"#);
    assert_eq!(one(&books, "q2").id, Some(id), "its number is its own");
}

#[test]
fn clusters_come_with_a_root_and_ours_stays() {
    let mut books = recorded();
    put(&mut books, "clusters", r#"[{"name":"other"}]"#);
    let named = |name: &str| ClustersWanted::default().named(name);
    let other = &books.clusters(&named("other"))[0];
    assert_eq!(other.nodes.as_deref(), Some(""));
    assert_eq!(other.associations_root.as_ref().unwrap().account.as_deref(), Some("root"));
    put(&mut books, "associations", r#"[{"account":"chem","cluster":"other","user":"alice"}]"#);
    assert_eq!(books.delete_clusters(&named("other")).unwrap(), ["other"]);
    assert!(books.clusters(&named("other")).is_empty());
    let left = AssociationsWanted { clusters: vec!["other".into()], ..AssociationsWanted::default() };
    assert!(books.associations(&left).is_empty());
    assert_eq!(books.delete_clusters(&named("testcl")).unwrap_err().errno, Errno::ACCESS_DENIED);
    assert!(books.delete_clusters(&named("nope")).unwrap().is_empty());
    assert_eq!(try_put(&mut books, "clusters", r#"[{"name":"a.b"}]"#).unwrap_err().errno, Errno::BAD_NAME);
}

#[test]
fn wckeys_are_a_users_own() {
    let mut books = recorded();
    put(
        &mut books,
        "wckeys",
        r#"[{"cluster":"testcl","name":"w1","user":"alice"},{"cluster":"testcl","name":"w2","user":"alice"},
            {"cluster":"testcl","name":"w2","user":"bob"}]"#,
    );
    assert_eq!(books.wckey("w2").len(), 2);
    assert_eq!(books.wckey("1").len(), 1, "by number");
    let defaults = WcKeysWanted { only_defaults: true, users: vec!["alice".into()], ..WcKeysWanted::default() };
    assert_eq!(names(&books.wckeys(&defaults), |one| one.name.clone()), ["w1"]);
    assert_eq!(books.delete_wckey("w1").unwrap().len(), 1);
    assert_eq!(names(&books.wckeys(&defaults), |one| one.name.clone()), ["w2"], "the next one is the default");
    assert!(books.delete_wckey("w1").unwrap().is_empty());
    let nobody = try_put(&mut books, "wckeys", r#"[{"cluster":"testcl","name":"w1","user":"nope"}]"#);
    assert_eq!(nobody.unwrap_err().errno, Errno::USER_ID);
}

#[test]
fn many_accounts_are_added_at_once() {
    let mut books = recorded();
    let asked: AccountsAddCondResp = read(
        r#"{"association_condition":{"accounts":["acct2"],"clusters":["testcl"],"association":{}},
            "account":{"description":"x","organization":"y"}}"#,
    );
    let text = books.add_accounts(&asked).unwrap().unwrap();
    let expected = " Adding Account(s)\n  acct2\n Settings\n  Description     = x\n  Organization    = y\n \
                    Associations =\n  C = testcl     A = acct2               \n";
    assert_eq!(text, expected);
    assert_eq!(books.add_accounts(&asked).unwrap(), None, "nothing changed");
    let asked: AccountsAddCondResp = read(
        r#"{"association_condition":{"accounts":["sub"],"association":{"parent":"acct2","maxjobs":{"set":true,"number":3}}}}"#,
    );
    books.add_accounts(&asked).unwrap().unwrap();
    let sub = AssociationsWanted { accounts: vec!["sub".into()], ..AssociationsWanted::default() };
    let sub = &books.associations(&sub)[0];
    assert_eq!((sub.lineage.as_deref(), sub.max_jobs_active), (Some("/acct2/sub/"), Some(Num::Set(3))));
    let empty: AccountsAddCondResp = read(r#"{"association_condition":{"accounts":[]}}"#);
    assert_eq!(books.add_accounts(&empty).unwrap_err().errno, Errno::INVALID_ARGUMENT);
}

#[test]
fn many_users_are_added_at_once() {
    let mut books = recorded();
    let asked: UsersAddCondResp = read(
        r#"{"association_condition":{"accounts":["chem","physics"],"clusters":["testcl"],"users":["erin"],"wckeys":["w"],
            "association":{"defaultqos":"normal"}},"user":{"adminlevel":["None"],"defaultaccount":"physics"}}"#,
    );
    let text = books.add_users(&asked).unwrap().unwrap();
    assert!(text.starts_with(" Adding User(s)\n  erin\n Settings\n  Default Account = physics\n"), "{text}");
    assert!(text.contains("C = testcl     A = chem                 U = erin"), "{text}");
    assert_eq!(books.add_users(&asked).unwrap(), None);
    let query = DbdUserQuery { with_assocs: Some(true), with_wckeys: Some(true), ..DbdUserQuery::default() };
    let erin = &books.users(&UsersWanted::one("erin", &query))[0];
    assert_eq!((erin.default_account.as_deref(), erin.default_wckey.as_deref()), (Some("physics"), Some("w")));
    let unknown: UsersAddCondResp = read(r#"{"association_condition":{"accounts":["nope"],"users":["zed"]}}"#);
    assert_eq!(books.add_users(&unknown).unwrap_err().errno, Errno::INVALID_ACCOUNT);
}

#[test]
fn a_dump_can_be_loaded() {
    let mut books = recorded();
    put(
        &mut books,
        "qos",
        r#"[{"name":"a","preempt":{"list":["sample"]}},{"name":"sample","preempt":{"list":["a"]}}]"#,
    );
    put(&mut books, "accounts", r#"[{"name":"physics","coordinators":[{"name":"bob"}]}]"#);
    let dump = books.dump();
    let mut loaded = Books::new("testcl", &[]);
    loaded.load(&dump).unwrap();
    let again = loaded.dump();
    assert_eq!(again.users.map(|list| list.len()), dump.users.map(|list| list.len()));
    assert_eq!(again.accounts.unwrap().len(), dump.accounts.unwrap().len());
    let lineages = |list: Option<Vec<Association>>| names(&list.unwrap(), |one| one.lineage.clone());
    assert_eq!(lineages(again.associations), lineages(dump.associations));
    assert!(loaded.coordinates("bob", "physics"));
    let twice = loaded.clone();
    loaded.load(&loaded.dump()).unwrap();
    assert_eq!(loaded.dump(), twice.dump(), "loading what is there changes nothing that is shown");
}
