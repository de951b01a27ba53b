use super::*;
use crate::objects::{AssociationShort, Coordinator, DbdAccountQuery, DbdUserQuery};
use crate::table::{Flags, Num, Reader, Writer};
use crate::version::Version;

mod admission;
mod changes;
mod properties;

/// The books of the cluster whose answers were recorded: alice and bob in physics, bob and carol in chem.
pub(super) fn recorded() -> Books {
    let mut books = Books::new("testcl", &[]);
    put(
        &mut books,
        "qos",
        r#"[{"name":"sample","description":"sample qos","priority":{"set":true,"infinite":false,"number":10}}]"#,
    );
    put(
        &mut books,
        "accounts",
        r#"[{"name":"physics","description":"physics dept","organization":"science"},
            {"name":"chem","description":"chemistry","organization":"science"}]"#,
    );
    put(&mut books, "associations", r#"[{"account":"physics","user":""},{"account":"chem","user":""}]"#);
    put(
        &mut books,
        "users",
        r#"[{"name":"alice"},{"name":"bob"},{"name":"carol","administrator_level":["Operator"]},
            {"name":"slurm","administrator_level":["Administrator"]}]"#,
    );
    put(
        &mut books,
        "associations",
        r#"[{"account":"physics","user":"alice","qos":["normal","sample"]},
            {"account":"physics","user":"bob","qos":["+sample"]},
            {"account":"chem","user":"bob"},
            {"account":"chem","user":"carol","qos":["1","2"]},
            {"account":"root","user":"slurm"}]"#,
    );
    books
}

/// What a request with this body does.
pub(super) fn put(books: &mut Books, what: &str, json: &str) {
    try_put(books, what, json).unwrap();
}

pub(super) fn try_put(books: &mut Books, what: &str, json: &str) -> Answer<()> {
    let body = serde_json::from_str(&format!("{{\"{what}\":{json}}}")).unwrap();
    let zone = jiff::tz::TimeZone::UTC;
    let mut reader = Reader::new(Version::V45, 0, &zone);
    let given: crate::objects::DbdConfigResp = reader.object(body);
    assert_eq!(reader.problems, [], "{json}");
    given.accounts.iter().flatten().try_for_each(|one| books.put_account(one))?;
    given.users.iter().flatten().try_for_each(|one| books.put_user(one))?;
    given.qos.iter().flatten().try_for_each(|one| books.put_qos(one))?;
    given.clusters.iter().flatten().try_for_each(|one| books.put_cluster(one))?;
    given.wckeys.iter().flatten().try_for_each(|one| books.put_wckey(one).map(drop))?;
    given.associations.iter().flatten().try_for_each(|one| books.put_association(one))
}

pub(super) fn names<T>(list: &[T], name: impl Fn(&T) -> Option<String>) -> Vec<String> {
    list.iter().filter_map(name).collect()
}

#[expect(clippy::print_stderr, reason = "says that a test was skipped")]
fn skipped(folder: &std::path::Path) {
    eprintln!("SKIPPED: no recorded answers in {}", folder.display());
}

fn rendered<T: crate::table::Object>(object: &T) -> serde_json::Value {
    let mut out = Writer::new(Version::V45);
    out.object(object);
    serde_json::from_slice(&out.into_bytes()).unwrap()
}

#[test]
fn the_recorded_listings_are_those_of_the_books() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden/slurm/26.05.5-v0.0.45");
    let file = folder.join("290-db-config-root.json");
    if !file.is_file() {
        return skipped(&folder);
    }
    let recorded_answer: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let response = ["response", "reply"].iter().find_map(|key| recorded_answer.get(*key)).unwrap();
    let body = ["body", "json"].iter().find_map(|key| response.get(*key)).unwrap();
    let ours = rendered(&recorded().dump());
    // the order in which they were made there is not the one here
    let by = |list: &serde_json::Value| -> Vec<serde_json::Value> {
        let mut list = list.as_array().unwrap().clone();
        for one in &mut list {
            let map = one.as_object_mut().unwrap();
            map.remove("id");
            if let Some(short) = map.get_mut("associations").and_then(serde_json::Value::as_array_mut) {
                // slurmdbd leaves out those of the root account
                short.retain(|one| one["account"] != "root" || one["user"] != "");
                for one in short {
                    one.as_object_mut().unwrap().remove("id");
                }
            }
        }
        list
    };
    for part in ["qos", "users", "associations", "tres", "wckeys"] {
        assert_eq!(by(&ours[part]), by(&body[part]), "{part}");
    }
    let (mut theirs, mut accounts) = (by(&body["accounts"]), by(&ours["accounts"]));
    theirs.last_mut().unwrap()["associations"] = serde_json::json!([]);
    accounts.last_mut().unwrap()["associations"] = serde_json::json!([]);
    assert_eq!(accounts, theirs);
    assert_eq!(ours["clusters"][0]["associations"], body["clusters"][0]["associations"]);
}

#[test]
fn listings_are_in_slurms_order_with_what_is_inherited() {
    let books = recorded();
    let all = books.associations(&AssociationsWanted::default());
    let lineages: Vec<&str> = all.iter().map(|one| one.lineage.as_deref().unwrap()).collect();
    let expected = [
        "/",
        "/0-root/",
        "/0-slurm/",
        "/chem/",
        "/chem/0-bob/",
        "/chem/0-carol/",
        "/physics/",
        "/physics/0-alice/",
        "/physics/0-bob/",
    ];
    assert_eq!(lineages, expected);
    let of = |lineage: &str| all.iter().find(|one| one.lineage.as_deref() == Some(lineage)).unwrap();
    assert_eq!(of("/chem/0-carol/").qos.as_deref().unwrap(), ["normal", "sample"]);
    assert_eq!(of("/physics/0-bob/").qos.as_deref().unwrap(), ["normal", "sample"]);
    assert_eq!(of("/chem/0-bob/").qos.as_deref().unwrap(), ["normal"]);
    assert_eq!(of("/physics/0-bob/").is_default, Some(true), "the first association is the default one");
    assert_eq!(of("/chem/0-bob/").is_default, Some(false));
    assert_eq!(of("/chem/").parent_account.as_deref(), Some("root"));
    assert_eq!(of("/chem/0-bob/").parent_account.as_deref(), Some(""));
}

#[test]
fn defaults_and_associations_are_shown_to_who_asks() {
    let books = recorded();
    let plain = books.users(&UsersWanted::one("bob", &DbdUserQuery::default()));
    assert_eq!(plain[0].default_account.as_deref(), Some(""));
    assert_eq!(plain[0].associations.as_deref(), Some(&[][..]));
    assert_eq!(plain[0].flags, Some(Flags::of(["NONE"])));
    let query = DbdUserQuery { with_assocs: Some(true), ..DbdUserQuery::default() };
    let bob = &books.users(&UsersWanted::one("bob", &query))[0];
    assert_eq!(bob.default_account.as_deref(), Some("physics"));
    let accounts = names(bob.associations.as_deref().unwrap(), |one: &AssociationShort| one.account.clone());
    assert_eq!(accounts, ["chem", "physics"]);
    let query = DbdAccountQuery { with_assocs: Some(true), ..DbdAccountQuery::default() };
    let chem = &books.accounts(&AccountsWanted::one("chem", &query))[0];
    let users = names(chem.associations.as_deref().unwrap(), |one: &AssociationShort| one.user.clone());
    assert_eq!(users, ["", "bob", "carol"]);
    assert!(books.users(&UsersWanted::one("nope", &DbdUserQuery::default())).is_empty());
}

#[test]
fn associations_are_found_by_every_parameter() {
    let mut books = recorded();
    put(&mut books, "accounts", r#"[{"name":"optics","description":"d","organization":"o"}]"#);
    put(&mut books, "associations", r#"[{"account":"optics","parent_account":"physics","user":""}]"#);
    put(&mut books, "associations", r#"[{"account":"optics","user":"carol","partition":"gpu"}]"#);
    let lineages = |wanted: AssociationsWanted| {
        let found = books.associations(&wanted);
        names(&found, |one| one.lineage.clone())
    };
    let list = |name: &str| vec![name.to_owned()];
    let none = AssociationsWanted::default;
    assert_eq!(
        lineages(AssociationsWanted { users: list("carol"), ..none() }),
        ["/chem/0-carol/", "/physics/optics/0-carol/gpu/"]
    );
    assert_eq!(lineages(AssociationsWanted { partitions: list("gpu"), ..none() }), ["/physics/optics/0-carol/gpu/"]);
    assert_eq!(lineages(AssociationsWanted { parents: list("physics"), ..none() }), ["/physics/optics/"]);
    assert_eq!(lineages(AssociationsWanted { accounts: list("physics"), sub_accounts: true, ..none() }).len(), 5);
    assert_eq!(lineages(AssociationsWanted { accounts: list("physics"), ..none() }).len(), 3);
    assert_eq!(lineages(AssociationsWanted { qos: list("sample"), ..none() }).len(), 3);
    assert_eq!(lineages(AssociationsWanted { qos: list("2"), ..none() }).len(), 3, "by number");
    assert_eq!(lineages(AssociationsWanted { only_defaults: true, users: list("bob"), ..none() }), ["/physics/0-bob/"]);
    assert_eq!(lineages(AssociationsWanted { ids: list("1"), ..none() }), ["/"]);
    assert!(lineages(AssociationsWanted { clusters: list("other"), ..none() }).is_empty());
    let hidden = books.associations(&AssociationsWanted { accounts: list("optics"), without_parents: true, ..none() });
    assert_eq!(hidden[0].parent_account.as_deref(), Some(""));
    let own = books.associations(&AssociationsWanted { accounts: list("chem"), own_qos: true, ..none() });
    assert_eq!(own[0].qos.as_deref(), Some(&[][..]), "chem inherits all of them");
}

#[test]
fn limits_of_jobs_are_inherited_those_of_groups_are_not() {
    let mut books = recorded();
    put(
        &mut books,
        "associations",
        r#"[{"account":"physics","user":"","max":{"jobs":{"active":{"set":true,"number":7},"per":{"count":{"set":true,"number":9}}},
            "tres":{"per":{"job":[{"type":"cpu","count":4},{"type":"mem","count":100}]}}}},
            {"account":"physics","user":"alice","max":{"tres":{"per":{"job":[{"id":1,"count":2}]}}}}]"#,
    );
    let alice = AssociationsWanted { users: vec!["alice".into()], ..AssociationsWanted::default() };
    let shown = &books.associations(&alice)[0];
    assert_eq!(shown.max_jobs_active, Some(Num::Set(7)));
    assert_eq!(shown.max_jobs_per_count, Some(Num::Infinite));
    let tres = shown.max_tres_per_job.as_deref().unwrap();
    let found: Vec<_> =
        tres.iter().map(|one| (one.kind.as_deref().unwrap(), one.id.unwrap(), one.count.unwrap())).collect();
    assert_eq!(found, [("cpu", 1, 2), ("mem", 2, 100)]);
    let raw = &books.associations(&AssociationsWanted { without_inherited: true, ..alice })[0];
    assert_eq!(raw.max_jobs_active, Some(Num::Infinite));
}

#[test]
fn coordinators_are_named_cleared_and_looked_up_through_the_tree() {
    let mut books = recorded();
    put(&mut books, "accounts", r#"[{"name":"physics","coordinators":[{"name":"bob"},{"name":"bob"}]}]"#);
    put(&mut books, "accounts", r#"[{"name":"optics","description":"d","organization":"o"}]"#);
    put(&mut books, "associations", r#"[{"account":"optics","parent_account":"physics","user":""}]"#);
    assert!(books.coordinates("bob", "physics") && books.coordinates("bob", "optics"));
    assert!(!books.coordinates("bob", "chem") && !books.coordinates("alice", "physics"));
    let query = DbdUserQuery { with_coords: Some(true), ..DbdUserQuery::default() };
    let bob = &books.users(&UsersWanted::one("bob", &query))[0];
    let of = |name: &str, direct| Coordinator { name: Some(name.into()), direct: Some(direct) };
    assert_eq!(bob.coordinators.as_deref().unwrap(), [of("optics", false), of("physics", true)]);
    let fault =
        try_put(&mut books, "accounts", r#"[{"name":"physics","coordinators":[{"name":"nope"}]}]"#).unwrap_err();
    assert_eq!(fault.errno, Errno::USER_ID);
    put(&mut books, "accounts", r#"[{"name":"physics","description":"other"}]"#);
    assert!(books.coordinates("bob", "physics"), "what is not given stays");
    put(&mut books, "accounts", r#"[{"name":"physics","coordinators":[]}]"#);
    assert!(!books.coordinates("bob", "physics"));
}

#[test]
fn levels_are_those_of_the_books() {
    let books = recorded();
    assert_eq!(books.level_of("root"), Level::Administrator);
    assert_eq!(books.level_of("carol"), Level::Operator);
    assert_eq!(books.level_of("alice"), Level::None);
    assert_eq!(books.level_of("nobody"), Level::None);
}

#[test]
fn fair_shares_are_those_that_were_recorded() {
    let books = recorded();
    let mut used = Usages::default();
    used.add("physics", "alice", "billing", 1658.9);
    used.add("physics", "bob", "billing", 1.0);
    used.add("root", "root", "billing", 98.0);
    let shares = books.shares(&crate::objects::SharesQuery::default(), &used).shares.unwrap();
    let factor = |name: &str, parent: &str| {
        let is = |one: &&crate::objects::AssocSharesObjWrap| {
            one.name.as_deref() == Some(name) && one.parent.as_deref() == Some(parent)
        };
        shares.iter().find(is).unwrap().fairshare_factor.unwrap().number().unwrap()
    };
    assert_eq!(shares.len(), 9);
    assert!((factor("slurm", "root") - 1.0).abs() < 1e-9);
    assert!((factor("carol", "chem") - 1.0).abs() < 1e-9);
    assert!((factor("root", "root") - 0.5).abs() < 1e-9);
    assert!((factor("bob", "physics") - 2.0 / 6.0).abs() < 1e-9);
    assert!((factor("alice", "physics") - 1.0 / 6.0).abs() < 1e-9);
    let query = crate::objects::SharesQuery {
        users: Some(crate::table::Csv(vec!["alice".into()])),
        ..crate::objects::SharesQuery::default()
    };
    let few = books.shares(&query, &used).shares.unwrap();
    assert_eq!(names(&few, |one| one.name.clone()), ["root", "physics", "alice"]);
}
