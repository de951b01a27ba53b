use std::collections::HashSet;

use proptest::prelude::*;

use super::{Hostlist, HostlistError, MAX_NAMES};

fn names(text: &str) -> Vec<String> {
    Hostlist::parse(text).unwrap().names().collect()
}

fn list(text: &str) -> Hostlist {
    Hostlist::parse(text).unwrap()
}

#[test]
fn expressions_expand() {
    for (text, expected) in [
        ("n[1-3]", "n1 n2 n3"),
        ("node[01-03]", "node01 node02 node03"),
        ("n[01-03,7],gpu[1-2]-ib[0-1]", "n01 n02 n03 n7 gpu1-ib0 gpu1-ib1 gpu2-ib0 gpu2-ib1"),
        ("n[1-2][3-4]", "n13 n14 n23 n24"),
        ("n1[8-10]", "n18 n19 n110"),
        ("n[01-3]", "n01 n02 n03"),
        ("n[1-03]", "n1 n2 n3"),
        ("n[8-012]", "n8 n9 n10 n11 n12"),
        ("n[098-101]", "n098 n099 n100 n101"),
        ("n[3,1-2]", "n3 n1 n2"),
        ("n[1-3],n[2-4]", "n1 n2 n3 n2 n3 n4"),
        ("[1-3]", "1 2 3"),
        ("n1,,n2,", "n1 n2"),
        (" n1 n2\tn3\n", "n1 n2 n3"),
        ("n99999999999999999999", "n99999999999999999999"),
        ("login", "login"),
        ("", ""),
        (",", ""),
    ] {
        assert_eq!(names(text).join(" "), expected, "{text}");
        assert_eq!(list(text).len(), expected.split_whitespace().count(), "{text}");
    }
}

/// What `scontrol show hostlist` and `scontrol show hostlistsorted` print.
#[test]
fn names_contract_as_slurm_does() {
    for (text, kept, sorted) in [
        ("n1,n2,n3", "n[1-3]", "n[1-3]"),
        ("node01,node02,node03", "node[01-03]", "node[01-03]"),
        ("n3,n1,n2", "n[3,1-2]", "n[1-3]"),
        ("n1,n01", "n[1,01]", "n[1,01]"),
        ("n9,n10,n11", "n[9-11]", "n[9-11]"),
        ("n09,n10,n011", "n[09-10,011]", "n[09-10,011]"),
        ("n098,n099,n100", "n[098-100]", "n[098-100]"),
        ("n1,n1,n2", "n[1,1-2]", "n[1,1-2]"),
        ("n[1-3],n[2-4]", "n[1-3,2-4]", "n[1-2,2-3,3-4]"),
        ("a,b,a", "a,b,a", "a,a,b"),
        ("n1x,n2x", "n1x,n2x", "n1x,n2x"),
        ("n1-ib0,n2-ib0,n1-ib1,n2-ib1", "n1-ib0,n2-ib0,n1-ib1,n2-ib1", "n1-ib[0-1],n2-ib[0-1]"),
        ("n1-ib1,n10-ib1,n2-ib1", "n1-ib1,n10-ib1,n2-ib1", "n1-ib1,n2-ib1,n10-ib1"),
        ("n10,n9,n09", "n[10,9,09]", "n[9,09-10]"),
        ("n3,n1,m2", "n[3,1],m2", "m2,n[1,3]"),
        ("n1,m1,n2", "n1,m1,n2", "m1,n[1-2]"),
        ("n2,n1,n", "n[2,1],n", "n,n[1-2]"),
        ("n02,n1,n001", "n[02,1,001]", "n[1,02,001]"),
        ("n2,n01,n1,n10", "n[2,01,1,10]", "n[1-2,01,10]"),
        ("ab1,a1,a10,ab", "ab1,a[1,10],ab", "a[1,10],ab,ab1"),
        ("a1,A1,b1", "a1,A1,b1", "A1,a1,b1"),
        ("m1-ib0,m10-ib0,m04-ib0", "m1-ib0,m10-ib0,m04-ib0", "m04-ib0,m1-ib0,m10-ib0"),
        ("n[00-01,04],n[8-10,11]", "n[00-01,04,8-11]", "n[8-11,00-01,04]"),
        ("10,11,12", "[10-12]", "[10-12]"),
        ("1,a", "1,a", "1,a"),
        ("n[1,2,5-7]", "n[1-2,5-7]", "n[1-2,5-7]"),
        ("rack1-n1,rack1-n2,rack2-n1", "rack1-n[1-2],rack2-n1", "rack1-n[1-2],rack2-n1"),
        (
            "n[1,3-4]-x[01-02,7]",
            "n1-x[01-02,7],n3-x[01-02,7],n4-x[01-02,7]",
            "n1-x[7,01-02],n3-x[7,01-02],n4-x[7,01-02]",
        ),
    ] {
        assert_eq!(list(text).to_string(), kept, "{text}");
        assert_eq!(list(text).sorted().to_string(), sorted, "{text} sorted");
    }
}

#[test]
fn a_list_of_expressions_is_one_list() {
    assert_eq!(Hostlist::of(["n1", "n2", "n[3-4]", "m1,m2"]).unwrap().to_string(), "n[1-4],m[1-2]");
}

#[test]
fn lists_are_sets_if_asked() {
    let some = list("n[1-5],m[01-02],login");
    assert_eq!(some.union(&list("n[4-7],m3")).unwrap().to_string(), "n[1-5],m[01-02],login,n[6-7],m3");
    assert_eq!(some.difference(&list("n[2-3],m01,x")).to_string(), "n[1,4-5],m02,login");
    assert_eq!(some.intersection(&list("login,n5,n9,m1")).to_string(), "n5,login");
    assert_eq!(list("n1,n2,n1,n3").distinct().to_string(), "n[1-3]");
    for (name, there) in [
        ("n1", true),
        ("n5", true),
        ("n6", false),
        ("n01", false),
        ("m01", true),
        ("m1", false),
        ("login", true),
        ("n", false),
        ("", false),
    ] {
        assert_eq!(some.contains(name), there, "{name}");
    }
    assert_eq!(list("n13,n14"), list("n1[3-4]"), "the same names are the same list");
}

#[test]
fn bad_lists_are_refused_by_name() {
    for text in ["n[1", "n1]", "n[[1]]", "]n[", "n[1-3", "a]b", "x,n[1"] {
        assert!(matches!(Hostlist::parse(text), Err(HostlistError::Brackets(_))), "{text}");
    }
    for text in [
        "n[]",
        "n[-1]",
        "n[1-]",
        "n[a-b]",
        "n[1-2,]",
        "n[1;2]",
        "n[003-001]",
        "n[1-2-3]",
        "n[1 - 3]",
        "n[+1]",
        "n[1-9999999999999999999]",
    ] {
        assert!(matches!(Hostlist::parse(text), Err(HostlistError::Range(_))), "{text}");
    }
    for text in ["n[1-3]x", "x[1-2]y[1-2]z"] {
        assert!(matches!(Hostlist::parse(text), Err(HostlistError::Suffix(_))), "{text}");
    }
    let error = Hostlist::parse("n[5-2]").unwrap_err().to_string();
    assert!(error.contains("`5-2`") && error.contains("smaller number first"), "{error}");
    assert!(matches!(Hostlist::parse("n\u{7}"), Err(HostlistError::Control(_))));
}

#[test]
fn bombs_are_refused_cheaply() {
    assert_eq!(list("n[1-65536]").len(), MAX_NAMES);
    for text in [
        "n[0-65536]".to_owned(),
        "n[1-65536],m".to_owned(),
        "n[0-999999999999999999]".to_owned(),
        "n[0-99][0-99][0-99]".to_owned(),
        "n[0-99][0-99][0-99]x[0-999999999999999999]".to_owned(),
        "n[0-9]".repeat(100),
        format!("n[{}1]", "1-60000,".repeat(10_000)),
        "a,".repeat(MAX_NAMES + 1),
    ] {
        assert_eq!(Hostlist::parse(&text), Err(HostlistError::TooMany), "{}", &text[..text.len().min(60)]);
    }
    for text in ["x".repeat(256), format!("{}[1-65536]", "x".repeat(255)), "n[1-1]".repeat(100_000)] {
        assert!(matches!(Hostlist::parse(&text), Err(HostlistError::NameTooLong(_))), "{}", &text[..60]);
    }
    let full = list("n[1-65536]");
    assert_eq!(full.union(&list("m1")), Err(HostlistError::TooMany));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in ".{0,200}") {
        if let Ok(list) = Hostlist::parse(&text) {
            prop_assert!(list.len() <= MAX_NAMES);
        }
    }

    #[test]
    fn hostile_text_is_read_or_refused(text in "[n0-9\\[\\],-]{0,80}") {
        if let Ok(list) = Hostlist::parse(&text) {
            prop_assert_eq!(&Hostlist::parse(&list.to_string()).unwrap(), &list);
        }
    }

    #[test]
    fn printing_and_reading_agree(names in prop::collection::vec("[a-c]{0,2}[0-9]{0,3}(-[a-b][0-9]{1,2})?", 0..40)) {
        let names: Vec<String> = names.into_iter().filter(|name| !name.is_empty()).collect();
        let list = Hostlist::of(&names).unwrap();
        prop_assert_eq!(&list.names().collect::<Vec<_>>(), &names);
        let again = Hostlist::parse(&list.to_string()).unwrap();
        prop_assert_eq!(&again.names().collect::<Vec<_>>(), &names);
        prop_assert_eq!(&again, &list);
        prop_assert!(names.iter().all(|name| list.contains(name)));
        let sorted = list.sorted();
        prop_assert_eq!(sorted.len(), list.len());
        prop_assert_eq!(sorted.sorted().to_string(), sorted.to_string());
        prop_assert_eq!(sorted.names().collect::<HashSet<_>>(), list.names().collect::<HashSet<_>>());
    }

    #[test]
    fn set_operations_agree_with_sets(left in "([ab][0-9]{1,2},){0,20}", right in "([ab][0-9]{1,2},){0,20}") {
        let (left, right) = (list(&left), list(&right));
        let (one, other): (HashSet<_>, HashSet<_>) = (left.names().collect(), right.names().collect());
        let set = |list: &Hostlist| list.names().collect::<HashSet<_>>();
        prop_assert_eq!(set(&left.union(&right).unwrap()), one.union(&other).cloned().collect());
        prop_assert_eq!(set(&left.difference(&right)), one.difference(&other).cloned().collect());
        prop_assert_eq!(set(&left.intersection(&right)), one.intersection(&other).cloned().collect());
        prop_assert_eq!(left.distinct().len(), one.len());
    }
}
