//! Whatever is done in whatever order, the books stay consistent, and are what is read again from their text.

use proptest::prelude::*;

use super::*;
use crate::objects::{AccountsAddCondResp, UsersAddCond, UsersAddCondResp};

#[derive(Debug, Clone)]
enum Act {
    Account(usize, Option<usize>),
    User(usize, Option<usize>, Option<usize>),
    Rename(usize, usize),
    Association { account: usize, user: Option<usize>, partition: bool, parent: Option<usize>, other: bool, limit: u32 },
    Qos(usize, f64),
    WcKey(usize, usize),
    Cluster,
    Users(usize, usize),
    Accounts(usize),
    DeleteAccount(usize),
    DeleteUser(usize),
    DeleteAssociations(Option<usize>, Option<usize>),
    DeleteQos(usize),
    DeleteWcKey(usize),
    DeleteCluster,
    Load,
}

const NAMES: [&str; 5] = ["a", "b", "c", "root", "d"];

fn name(of: usize) -> String {
    NAMES[of].to_owned()
}

fn act() -> impl Strategy<Value = Act> {
    let n = 0..NAMES.len();
    let maybe = || proptest::option::of(0..NAMES.len());
    prop_oneof![
        1 => (n.clone(), maybe()).prop_map(|(a, b)| Act::Account(a, b)),
        1 => (n.clone(), maybe(), maybe()).prop_map(|(a, b, c)| Act::User(a, b, c)),
        1 => (n.clone(), n.clone()).prop_map(|(a, b)| Act::Rename(a, b)),
        4 => (n.clone(), maybe(), any::<bool>(), maybe(), any::<bool>(), 0..5u32).prop_map(
            |(account, user, partition, parent, other, limit)| Act::Association {
                account, user, partition, parent, other, limit
            }
        ),
        1 => (n.clone(), -1.0e9..1.0e9).prop_map(|(a, factor)| Act::Qos(a, factor)),
        1 => (n.clone(), n.clone()).prop_map(|(a, b)| Act::WcKey(a, b)),
        1 => Just(Act::Cluster),
        1 => (n.clone(), n.clone()).prop_map(|(a, b)| Act::Users(a, b)),
        1 => n.clone().prop_map(Act::Accounts),
        1 => n.clone().prop_map(Act::DeleteAccount),
        1 => n.clone().prop_map(Act::DeleteUser),
        1 => (maybe(), maybe()).prop_map(|(a, b)| Act::DeleteAssociations(a, b)),
        1 => n.clone().prop_map(Act::DeleteQos),
        1 => n.prop_map(Act::DeleteWcKey),
        1 => Just(Act::DeleteCluster),
        1 => Just(Act::Load),
    ]
}

/// What is refused must change nothing: as a request does it, on a copy that is dropped.
fn carry_out(books: &mut Books, act: &Act) {
    let mut next = books.clone();
    if perform(&mut next, act).is_ok() {
        *books = next;
    }
}

fn perform(books: &mut Books, act: &Act) -> Answer<()> {
    let live = Live::default();
    match *act {
        Act::Account(a, coordinator) => books.put_account(&Account {
            name: Some(name(a)),
            coordinators: coordinator.map(|b| vec![Coordinator { name: Some(name(b)), direct: None }]),
            ..Account::default()
        }),
        Act::User(a, account, wckey) => books.put_user(&User {
            name: Some(name(a)),
            default_account: account.map(name),
            default_wckey: wckey.map(name),
            ..User::default()
        }),
        Act::Rename(a, b) => books.put_user(&User { name: Some(name(a)), old_name: Some(name(b)), ..User::default() }),
        Act::Association { account, user, partition, parent, other, limit } => books.put_association(&Association {
            account: Some(name(account)),
            user: user.map(name),
            partition: partition.then(|| "p".to_owned()),
            parent_account: parent.map(name),
            cluster: other.then(|| "other".to_owned()),
            max_jobs_active: Some(if limit == 0 { Num::Infinite } else { Num::Set(limit) }),
            qos: user.map(|user| vec![format!("+{}", NAMES[user])]).filter(|_| limit == 3),
            is_default: Some(limit == 4),
            ..Association::default()
        }),
        Act::Qos(a, factor) => books.put_qos(&Qos {
            name: Some(name(a)),
            usage_factor: Some(Num::Set(factor)),
            preempt_list: (factor < 0.0).then(|| vec![name((a + 1) % NAMES.len())]),
            ..Qos::default()
        }),
        Act::WcKey(a, b) => {
            books.put_wckey(&WcKey { name: Some(name(a)), user: Some(name(b)), ..WcKey::default() }).map(drop)
        }
        Act::Cluster => books.put_cluster(&Cluster { name: Some("other".into()), ..Cluster::default() }),
        Act::Users(a, b) => {
            let condition =
                UsersAddCond { users: Some(vec![name(a)]), accounts: Some(vec![name(b)]), ..UsersAddCond::default() };
            let asked = UsersAddCondResp { association_condition: Some(condition), ..UsersAddCondResp::default() };
            books.add_users(&asked).map(drop)
        }
        Act::Accounts(a) => {
            let condition = crate::objects::AccountsAddCond {
                accounts: Some(vec![name(a)]),
                ..crate::objects::AccountsAddCond::default()
            };
            let asked =
                AccountsAddCondResp { association_condition: Some(condition), ..AccountsAddCondResp::default() };
            books.add_accounts(&asked).map(drop)
        }
        Act::DeleteAccount(a) => books.delete_account(NAMES[a], &live).map(drop),
        Act::DeleteUser(a) => books.delete_user(NAMES[a], &live).map(drop),
        Act::DeleteAssociations(a, b) => {
            let list = |one: Option<usize>| one.map(name).into_iter().collect();
            let wanted = AssociationsWanted { accounts: list(a), users: list(b), ..AssociationsWanted::default() };
            books.delete_associations(&wanted, &live).map(drop)
        }
        Act::DeleteQos(a) => books.delete_qos(NAMES[a]).map(drop),
        Act::DeleteWcKey(a) => books.delete_wckey(NAMES[a]).map(drop),
        Act::DeleteCluster => books.delete_clusters(&ClustersWanted::default().named("other")).map(drop),
        Act::Load => books.load(&books.dump()),
    }
}

fn check(books: &Books) {
    let all = books.associations(&AssociationsWanted::default());
    let mut keys = BTreeSet::new();
    let mut defaults: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for one in &all {
        let (cluster, account) = (one.cluster.clone().unwrap(), one.account.clone().unwrap());
        let (user, partition) = (one.user.clone().unwrap(), one.partition.clone().unwrap());
        assert!(books.account(&account).is_ok(), "{one:?}");
        assert!(books.cluster_named(Some(&cluster)).is_ok(), "{one:?}");
        assert!(keys.insert((cluster.clone(), account.clone(), user.clone(), partition)), "twice: {one:?}");
        if !user.is_empty() {
            assert!(books.user(&user).is_ok(), "{one:?}");
            assert!(books.has_association(&cluster, &account, "", ""), "its account is not on the cluster: {one:?}");
            let default = defaults.entry((cluster.clone(), user)).or_default();
            if one.is_default == Some(true) {
                default.insert(account.clone());
            }
        }
        let parent = one.parent_account.clone().unwrap();
        assert!(parent.is_empty() || books.has_association(&cluster, &parent, "", ""), "no parent: {one:?}");
        for qos in one.qos.iter().flatten().chain(one.default_qos.iter().filter(|name| !name.is_empty())) {
            assert!(books.qos_named(qos).is_some(), "{one:?}");
        }
    }
    for (user, accounts) in defaults {
        assert_eq!(accounts.len(), 1, "default accounts of {user:?}");
    }
    for account in books.accounts(&AccountsWanted { coordinators: true, ..AccountsWanted::default() }) {
        for coordinator in account.coordinators.unwrap() {
            assert!(books.user(coordinator.name.as_deref().unwrap()).is_ok());
        }
    }
    for wckey in books.wckeys(&WcKeysWanted::default()) {
        assert!(books.user(wckey.user.as_deref().unwrap()).is_ok());
    }
    for (id, one) in &books.associations {
        assert_eq!(one.id, Some(*id));
        assert!(*id < books.next.association);
    }
    assert_eq!(&Books::from_json(&books.to_json()).unwrap(), books);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_books_stay_consistent(acts in proptest::collection::vec(act(), 1..40)) {
        let mut books = Books::new("own", &["d"]);
        for act in acts {
            carry_out(&mut books, &act);
            check(&books);
        }
    }

    #[test]
    fn numbers_are_kept_to_the_last_digit(factor in 0.0..1.0e12) {
        let mut books = Books::new("own", &[]);
        books.put_qos(&Qos { name: Some("q".into()), usage_factor: Some(Num::Set(factor)), ..Qos::default() }).unwrap();
        let read = Books::from_json(&books.to_json()).unwrap();
        prop_assert_eq!(read.qos(&QosWanted::one("q", false))[0].usage_factor, Some(Num::Set(factor)));
    }
}

#[test]
fn damaged_texts_are_refused() {
    assert!(matches!(Books::from_json("nonsense"), Err(BooksError::Json(_))));
    assert!(matches!(Books::from_json("{}"), Err(BooksError::Format { found: 0 })));
    assert!(matches!(Books::from_json(r#"{"format":2}"#), Err(BooksError::Format { found: 2 })));
    let text = Books::new("c", &[]).to_json();
    assert!(matches!(
        Books::from_json(&text.replace("\"users\"", "\"uzers\"")),
        Err(BooksError::Part { part: "users", .. })
    ));
}
