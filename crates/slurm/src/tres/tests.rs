use proptest::prelude::*;

use super::{Gres, License, Tres, TresError, count, memory, memory_text};

fn read(text: &str) -> Tres {
    Tres::parse(text).unwrap()
}

fn gres(name: &str, kind: Option<&str>, count: u64) -> Gres {
    Gres { name: name.into(), kind: kind.map(Into::into), count, detail: None }
}

#[test]
fn texts_of_slurm_read_and_print_alike() {
    for text in [
        "cpu=1,mem=4000M,node=1,billing=1",
        "cpu=1,node=1,billing=1",
        "cpu=4,mem=4000M,billing=4,gres/gpu=4",
        "cpu=4,gres/gpu=1",
        "cpu=4,mem=8000M,node=2,billing=4",
        "cpu=4,mem=4000M,node=1,billing=4,gres/gpu=4,gres/gpu:amd=4,license/matlab=2",
        "cpu=8",
        "mem=16G,energy=3,fs/disk=5,vmem=6,pages=7,bb/cray=2T,quantum/qubit=3",
        "mem=0",
        "",
    ] {
        assert_eq!(read(text).to_string(), text);
    }
    let tres = read("billing=4,mem=4096,license/matlab=2,cpu=4,CPU_like=1");
    assert_eq!(tres.to_string(), "cpu=4,mem=4G,billing=4,cpu_like=1,license/matlab=2");
    assert_eq!(
        (tres.get("cpu"), tres.get("CPU"), tres.get("mem"), tres.get("node")),
        (Some(4), Some(4), Some(4096), None)
    );
    assert_eq!(tres.iter().next(), Some(("cpu", 4)));
}

#[test]
fn amounts_have_units() {
    for (text, expected) in [
        ("4", Some(4)),
        ("4000M", Some(4000)),
        ("4G", Some(4096)),
        ("4g", Some(4096)),
        ("4GB", Some(4096)),
        ("4K", Some(1)),
        ("1500K", Some(2)),
        ("1T", Some(1 << 20)),
        ("1P", Some(1 << 30)),
        ("1E", Some(1 << 40)),
        ("0", Some(0)),
        ("1.5G", None),
        ("-1", None),
        ("+1", None),
        ("abc", None),
        ("", None),
        ("G", None),
        ("4X", None),
        ("4GiB", None),
        ("4 G", None),
        ("18446744073709551615", Some(u64::MAX)),
        ("18446744073709551616", None),
        ("99999999999999999E", None),
        ("4é", None),
    ] {
        assert_eq!(memory(text), expected, "{text}");
    }
    for (text, expected) in [("4", Some(4)), ("1K", Some(1024)), ("2m", Some(2 << 20)), ("16E", None), ("x", None)] {
        assert_eq!(count(text), expected, "{text}");
    }
    for (mebibytes, text) in
        [(0, "0"), (1, "1M"), (1000, "1000M"), (1024, "1G"), (1536, "1536M"), (8192, "8G"), (3 << 20, "3T")]
    {
        assert_eq!(memory_text(mebibytes), text);
    }
}

#[test]
fn sums_stay_in_bounds() {
    let mut tres = read("cpu=4,mem=4G");
    tres.add(&read("cpu=2,gres/gpu=1"));
    assert_eq!(tres.to_string(), "cpu=6,mem=4G,gres/gpu=1");
    tres.subtract(&read("cpu=10,mem=1G,node=1"));
    assert_eq!(tres.to_string(), "cpu=0,mem=3G,gres/gpu=1");
    tres.add(&Tres::of([("cpu", u64::MAX), ("mem", 1)]).unwrap());
    assert_eq!(tres.get("cpu"), Some(u64::MAX));
    assert!(!tres.is_empty() && Tres::default().is_empty());
}

#[test]
fn bad_texts_are_refused_by_entry() {
    for text in ["cpu", "cpu=1,", ",", "cpu=1,,mem=2", "cpu:1"] {
        assert!(matches!(Tres::parse(text), Err(TresError::Entry(_))), "{text}");
    }
    for text in ["cpu=", "cpu=x", "cpu=-1", "mem=1.5G", "cpu=1=2", "gres/gpu=99999999999999999999"] {
        assert!(matches!(Tres::parse(text), Err(TresError::Amount(_))), "{text}");
    }
    for text in ["=1", "/=1", "gres/=1", "/gpu=1", "c u=1", "c\u{7}=1"] {
        assert!(matches!(Tres::parse(text), Err(TresError::Name(_))), "{text}");
    }
    assert_eq!(Tres::parse("cpu=1,CPU=2"), Err(TresError::Twice("cpu".into())));
    assert_eq!(Tres::parse(&"x=1,".repeat(10_000)), Err(TresError::TooMany));
}

#[test]
fn generic_resources_are_read_in_every_form() {
    for (text, expected) in [
        ("gpu:amd:4", gres("gpu", Some("amd"), 4)),
        ("gres:gpu:amd:4", gres("gpu", Some("amd"), 4)),
        ("gres/gpu:amd:4", gres("gpu", Some("amd"), 4)),
        ("gres/gpu:amd=4", gres("gpu", Some("amd"), 4)),
        ("gpu:2", gres("gpu", None, 2)),
        ("gres/gpu=2", gres("gpu", None, 2)),
        ("gpu:amd", gres("gpu", Some("amd"), 1)),
        ("gpu", gres("gpu", None, 1)),
        ("gpu:0", gres("gpu", None, 0)),
        ("gpu:1K", gres("gpu", None, 1024)),
        ("gpu:1g.5gb:2", gres("gpu", Some("1g.5gb"), 2)),
    ] {
        assert_eq!(Gres::parse(text), Ok(expected), "{text}");
    }
    for text in ["gpu:amd:0(IDX:N/A)", "gpu:amd:4(S:0-1)", "gpu:amd:2(IDX:0,3)"] {
        assert_eq!(Gres::parse(text).unwrap().to_string(), text);
        assert_eq!(Gres::parse_list(&format!("{text},shard:2")).unwrap().len(), 2);
    }
    assert_eq!(Gres::parse_list("gpu:amd:2,shard:1").unwrap(), [gres("gpu", Some("amd"), 2), gres("shard", None, 1)]);
    for text in ["", " ", "none", "(null)"] {
        assert_eq!(Gres::parse_list(text), Ok(Vec::new()), "{text}");
    }
    for text in
        ["gpu:", ":2", "gpu:a:b", "gpu:a:1:2", "gpu=amd", "gpu,", "gpu:a b:2", "gpu:-1:x", "gpu:1)", "g/pu:1", "gres:"]
    {
        assert!(Gres::parse_list(text).is_err(), "{text}");
    }
}

#[test]
fn requests_become_resources() {
    for (text, expected) in [
        ("gres:gpu:amd:4", "gres/gpu:amd=4"),
        ("gpu:2", "gres/gpu=2"),
        ("gres/gpu=1,gres/gpu:amd:2,gpu:1", "gres/gpu=2,gres/gpu:amd=2"),
        ("cpu:2,mem=4G,gres/gpu:1", "cpu=2,mem=4G,gres/gpu=1"),
        ("cpu=2,license/matlab:2", "cpu=2,license/matlab=2"),
        ("bb/cray=1T", "bb/cray=1T"),
        ("", ""),
    ] {
        assert_eq!(Tres::requested(text).unwrap().to_string(), expected, "{text}");
    }
    for text in ["cpu", "cpu=x", "gpu:a:b", "license/", "mem:", "gpu:1,,gpu:2"] {
        assert!(Tres::requested(text).is_err(), "{text}");
    }
}

#[test]
fn licences_are_read() {
    let license = |name: &str, count| License { name: name.into(), count };
    assert_eq!(License::parse_list("matlab:2,ansys").unwrap(), [license("matlab", 2), license("ansys", 1)]);
    assert_eq!(License::parse_list("matlab@flex:2,a=3").unwrap(), [license("matlab@flex", 2), license("a", 3)]);
    assert_eq!(License::parse_list(""), Ok(Vec::new()));
    for text in ["matlab:", "matlab:x", ":2", "matlab:1:2", "a|b", "matlab,", "matlab:-1"] {
        assert!(matches!(License::parse_list(text), Err(TresError::License(_))), "{text}");
    }
}

proptest! {
    #[test]
    fn printing_and_reading_agree(amounts in prop::collection::btree_map(
        "(cpu|mem|node|billing|gres/[a-z]{1,4}(:[a-z0-9.]{1,3})?|bb/[a-z]{1,2}|license/[a-z@]{1,4}|[a-z]{1,5})", any::<u64>(), 0..8)
    ) {
        let tres = Tres::of(amounts.iter().map(|(name, amount)| (name.as_str(), *amount))).unwrap();
        prop_assert_eq!(Tres::parse(&tres.to_string()).unwrap(), tres);
    }

    #[test]
    fn memory_reads_back(mebibytes in any::<u64>()) {
        prop_assert_eq!(memory(&memory_text(mebibytes)), Some(mebibytes));
    }

    #[test]
    fn generic_resources_read_back(text in "(gres[:/])?[a-z]{1,4}(:[a-z0-9]{1,3})?(:[0-9]{1,3}[KM]?)?(\\([A-Z]:[0-9]\\))?") {
        if let Ok(gres) = Gres::parse(&text) {
            prop_assert_eq!(Gres::parse(&gres.to_string()).unwrap(), gres);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,60}") {
        let _ = (Tres::requested(&text), License::parse_list(&text), memory(&text));
        if let Ok(tres) = Tres::parse(&text) {
            prop_assert_eq!(Tres::parse(&tres.to_string()).unwrap(), tres);
        }
        if let Ok(list) = Gres::parse_list(&text) {
            let printed: Vec<String> = list.iter().map(ToString::to_string).collect();
            prop_assert_eq!(Gres::parse_list(&printed.join(",")).unwrap(), list);
        }
    }
}
