use proptest::prelude::*;

use super::writer::Writer;
use super::{Limits, Node, Pair, Pickle, PickleError, Value, Why, read};

fn root(bytes: &[u8]) -> Pickle<'_> {
    read(bytes, Limits::default()).unwrap()
}

fn why(bytes: &[u8]) -> Why {
    read(bytes, Limits::default()).unwrap_err().why
}

/// What Python would print, for the values that the tests use. Not for cyclic ones.
fn shown(pickle: &Pickle<'_>, value: Value) -> String {
    let all = |values: &[Value]| values.iter().map(|value| shown(pickle, *value)).collect::<Vec<_>>().join(", ");
    let each = |pairs: &[Pair]| {
        pairs
            .iter()
            .map(|[key, value]| format!("{}: {}", shown(pickle, *key), shown(pickle, *value)))
            .collect::<Vec<_>>()
            .join(", ")
    };
    match (value, pickle.node(value)) {
        (Value::None, _) => "None".into(),
        (Value::Bool(value), _) => value.to_string(),
        (Value::Int(value), _) => value.to_string(),
        (Value::Float(value), _) => value.to_string(),
        (_, Some(Node::Text(text))) => format!("{text:?}"),
        (_, Some(Node::Bytes(bytes))) => format!("{bytes:?}"),
        (_, Some(Node::List(values))) => format!("[{}]", all(values)),
        (_, Some(Node::Tuple(values))) => format!("({})", all(values)),
        (_, Some(Node::Set(values))) => format!("{{{}}}", all(values)),
        (_, Some(Node::Dict(pairs))) => format!("{{{}}}", each(pairs)),
        (_, Some(Node::Global { module, name })) => format!("{module}.{name}"),
        (_, Some(Node::Opaque)) => "opaque".into(),
        (_, Some(Node::Object(object))) => {
            format!("{}{}", shown(pickle, object.callable), shown(pickle, object.arguments))
        }
        (Value::Node(_), None) => panic!("a value without a node"),
    }
}

fn reads(bytes: &[u8], expected: &str) {
    let pickle = root(bytes);
    assert_eq!(shown(&pickle, pickle.root()), expected, "{}", String::from_utf8_lossy(bytes));
}

#[test]
fn each_instruction_makes_the_value_that_python_makes() {
    let table: [(&[u8], &str); 50] = [
        (b"N.", "None"),
        (b"I01\n.", "true"),
        (b"I00\n.", "false"),
        (b"\x80\x02\x88.", "true"),
        (b"\x80\x02\x89.", "false"),
        (b"I-17\n.", "-17"),
        (b"I99999999999999999999\n.", "opaque"),
        (b"L12345678901L\n.", "12345678901"),
        (b"L-1\n.", "-1"),
        (b"K\xff.", "255"),
        (b"M\x01\x02.", "513"),
        (b"J\xff\xff\xff\xff.", "-1"),
        (b"\x8a\x00.", "0"),
        (b"\x8a\x01\xff.", "-1"),
        (b"\x8a\x02\xff\x00.", "255"),
        (b"\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01.", "opaque"),
        (b"\x8b\x02\x00\x00\x00\x00\x80.", "-32768"),
        (b"F-1.5\n.", "-1.5"),
        (b"G\x3f\xf8\x00\x00\x00\x00\x00\x00.", "1.5"),
        (b"S'a\\'b\\n\\x41\\101\\\\'\n.", r#""a'b\nAA\\""#),
        (b"S\"\xe9\"\n.", "\"\u{e9}\""),
        (b"T\x03\x00\x00\x00a\xe9c.", "\"a\u{e9}c\""),
        (b"U\x01a.", "\"a\""),
        (b"Va\\u00e9\\U0001F600\xe9\n.", "\"a\u{e9}\u{1f600}\u{e9}\""),
        (b"X\x02\x00\x00\x00\xc3\xa9.", "\"\u{e9}\""),
        (b"\x8c\x01a.", "\"a\""),
        (b"\x8d\x01\x00\x00\x00\x00\x00\x00\x00a.", "\"a\""),
        (b"B\x01\x00\x00\x00a.", "[97]"),
        (b"C\x01a.", "[97]"),
        (b"\x8e\x01\x00\x00\x00\x00\x00\x00\x00a.", "[97]"),
        (b"\x96\x01\x00\x00\x00\x00\x00\x00\x00a.", "[97]"),
        (b"].", "[]"),
        (b"(K\x01K\x02l.", "[1, 2]"),
        (b"]K\x01a(K\x02K\x03e.", "[1, 2, 3]"),
        (b").", "()"),
        (b"(K\x01K\x02t.", "(1, 2)"),
        (b"K\x01\x85.", "(1)"),
        (b"K\x01K\x02\x86.", "(1, 2)"),
        (b"K\x01K\x02K\x03\x87.", "(1, 2, 3)"),
        (b"}K\x01K\x02s(K\x03K\x04u.", "{1: 2, 3: 4}"),
        (b"(K\x01K\x02d.", "{1: 2}"),
        (b"\x8f(K\x01K\x02\x90.", "{1, 2}"),
        (b"(K\x01\x91.", "{1}"),
        (b"cos\nsystem\n.", "os.system"),
        (b"\x8c\x02os\x8c\x06system\x93.", "os.system"),
        (b"cos\nsystem\n(S'true'\ntR.", "os.system(\"true\")"),
        (b"(ios\nsystem\n.", "os.system()"),
        (b"(cos\nsystem\nK\x01o.", "os.system(1)"),
        (b"cm\nC\n)\x81.", "m.C()"),
        (b"cm\nC\nK\x01\x85}\x92.", "m.C(1)"),
    ];
    for (bytes, expected) in table {
        reads(bytes, expected);
    }
}

#[test]
fn the_stack_and_the_memo_work_as_in_python() {
    reads(b"K\x01K\x020.", "1");
    reads(b"K\x01((K\x02K\x0310.", "1");
    reads(b"K\x07q\x00\x85h\x00\x86.", "((7), 7)");
    reads(b"K\x07p1\n\x85g1\n\x86.", "((7), 7)");
    reads(b"K\x07\x94\x85\x94h\x01\x86.", "((7), (7))");
    reads(b"K\x07r\x00\x00\x00\x00j\x00\x00\x00\x00\x86.", "(7, 7)");
    reads(b"K\x072\x86.", "(7, 7)");
    reads(b"\x80\x05\x95\x03\x00\x00\x00\x00\x00\x00\x00K\x01.ignored", "1");
}

#[test]
fn what_is_shared_stays_shared_and_cycles_are_harmless() {
    let pickle = root(b"]q\x00h\x00a.");
    assert_eq!(pickle.sequence(pickle.root()), Some([pickle.root()].as_slice()));
    let shared = root(b"]q\x00(]q\x01h\x01e.");
    let inner = shared.sequence(shared.root()).unwrap();
    assert_eq!(inner[0], inner[1]);
    drop(format!("{shared:?}"));
}

#[test]
fn objects_are_described_and_not_made() {
    let bytes = Writer::new(4)
        .global("autosubmit.job.job", "Job")
        .raw(b")\x81")
        .raw(b"}(")
        .text("_name")
        .text("a000_SIM")
        .text("id");
    let bytes = bytes.int(7).text("_member").maybe_text(None).text("_split").none().raw(b"ub").finish();
    let pickle = root(&bytes);
    assert_eq!(pickle.class(pickle.root()), Some(("autosubmit.job.job", "Job")));
    let attributes = pickle.attributes(pickle.root()).unwrap();
    assert_eq!(pickle.get(attributes, "_name").and_then(|value| pickle.text(value)), Some("a000_SIM"));
    assert_eq!(pickle.get(attributes, "id"), Some(Value::Int(7)));
    assert_eq!(pickle.get(attributes, "other"), None);
}

#[test]
fn points_in_time_are_read_in_both_ways_of_writing_them() {
    let bytes = Writer::new(4).datetime(2000, 1, 31, 12, 30).finish();
    let new = root(&bytes);
    assert_eq!(new.datetime(new.root()).unwrap().to_string(), "2000-01-31T12:30:00");
    let encoded = Writer::new(2).global("datetime", "datetime").global("_codecs", "encode");
    let encoded = encoded.text("\u{7}\u{d0}\u{1}\u{1f}\u{c}\u{1e}\0\0\0\0").text("latin1").raw(b"\x86R\x85R").finish();
    let old = root(&encoded);
    assert_eq!(old.datetime(old.root()), new.datetime(new.root()));
    let python2 = root(b"cdatetime\ndatetime\n(S'\\x07\\xd0\\x01\\x1f\\x0c\\x1e\\x00\\x00\\x00\\x00'\ntR.");
    assert_eq!(python2.datetime(python2.root()), new.datetime(new.root()));
    for wrong in [b"C\x0a\x07\xd0\x0d\x01\0\0\0\0\0\0".as_slice(), b"C\x01a", b"K\x01"] {
        let bytes = [b"cdatetime\ndatetime\n", wrong, b"\x85R."].concat();
        let pickle = root(&bytes);
        assert_eq!(pickle.datetime(pickle.root()), None, "{bytes:?}");
    }
}

#[test]
fn nothing_that_is_wrong_is_read() {
    let table: [(&[u8], Why); 20] = [
        (b"", Why::Truncated),
        (b"K", Why::Truncated),
        (b"K\x01", Why::Truncated),
        (b"X\xff\xff\xff\xffa", Why::Truncated),
        (b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffa", Why::Truncated),
        (b"S'abc", Why::Truncated),
        (b"\x80\x06N.", Why::Protocol(6)),
        (b"P1\n.", Why::Instruction(b'P')),
        (b"\x82\x01.", Why::Instruction(0x82)),
        (b"\x97.", Why::Instruction(0x97)),
        (b"Ix\n.", Why::Literal("an integer")),
        (b"Fx\n.", Why::Literal("a float")),
        (b"Sabc\n.", Why::Literal("a quoted text")),
        (b"T\xff\xff\xff\xff.", Why::Literal("a length")),
        (b"h\x00.", Why::Memo(0)),
        (b"}K\x01a.", Why::Shape("values for something that is no list or set")),
        (b"K\x01}b.", Why::Shape("a number cannot hold anything")),
        (b"](K\x01K\x02u.", Why::Shape("pairs for something that is no dictionary")),
        (b"}(K\x01u.", Why::Shape("a key without a value")),
        (b"t.", Why::Shape("no container is open")),
    ];
    for (bytes, expected) in table {
        assert_eq!(why(bytes), expected, "{}", String::from_utf8_lossy(bytes));
    }
    // a container's values are its own: nothing reaches below a mark
    assert!(matches!(why(b"K\x01K\x02(\x86."), Why::Shape(_)));
    assert!(matches!(why(b"]K\x01(a."), Why::Shape(_)));
    let error = read(b"K\x01P", Limits::default()).unwrap_err();
    assert_eq!(error.to_string(), "pickle, byte 2: instruction 0x50 is not one that a job list needs");
}

#[test]
fn a_hostile_pickle_runs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let witness = folder.path().join("ran");
    let command = format!("touch {}", witness.display());
    for bytes in [
        format!("cos\nsystem\n(S'{command}'\ntR.").into_bytes(),
        format!("cposix\nsystem\n(S'{command}'\ntR.").into_bytes(),
        format!("(S'{command}'\nios\nsystem\n.").into_bytes(),
        Writer::new(4).global("builtins", "exec").text(&command).raw(b"\x85R").finish(),
        Writer::new(4).global("subprocess", "Popen").text(&command).raw(b"\x85\x81").finish(),
    ] {
        let pickle = root(&bytes);
        assert!(matches!(pickle.node(pickle.root()), Some(Node::Object(_))));
    }
    assert!(!witness.exists());
}

#[test]
fn laughs_nesting_and_numbers_are_bounded() {
    // each list holds the one before it ten times: 40 lists, not 10^40 values
    let mut laughs = vec![b']', 0x94];
    for level in 0..40_u8 {
        laughs.extend([b']', 0x94, b'(']);
        laughs.extend([b'h', level].repeat(10));
        laughs.push(b'e');
    }
    laughs.push(b'.');
    assert_eq!(root(&laughs).nodes.len(), 41);

    let deep = [b"]".repeat(100_000), b"a".repeat(99_999), b".".to_vec()].concat();
    drop(root(&deep).clone());
    let limit = |what, limit| Why::Limit { what, limit };
    assert_eq!(why(&b"(".repeat(20_000)), limit("open containers", 10_000));
    let small = Limits { bytes: 100, nodes: 10, values: 20, depth: 5, memo: 8 };
    let refused = |bytes: &[u8]| read(bytes, small).unwrap_err().why;
    assert_eq!(refused(&b"N".repeat(101)), limit("bytes", 100));
    assert_eq!(refused(&b"N".repeat(50)), limit("values", 20));
    assert_eq!(refused(&b"]".repeat(50)), limit("values with content", 10));
    assert_eq!(refused(b"Np9\n."), limit("remembered values", 4));
    assert_eq!(refused(b"NNNNNNNNNNp9\n."), limit("remembered values", 8));
    // a number far beyond the file does not make us reserve a table for it
    assert_eq!(why(b"Nr\xff\xff\x3f\x00."), limit("remembered values", 6));
}

/// Values as they are written and as they have to come back.
fn tree() -> impl Strategy<Value = (Vec<u8>, String)> {
    let leaf = prop_oneof![
        Just((b"N".to_vec(), "None".to_owned())),
        any::<i64>().prop_map(|value| (Writer::default().int(value).0, value.to_string())),
        ".{0,12}".prop_map(|text| (Writer::default().text(&text).0, format!("{text:?}"))),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        let joined = |parts: &[(Vec<u8>, String)]| {
            (
                parts.iter().flat_map(|part| part.0.clone()).collect::<Vec<u8>>(),
                parts.iter().map(|part| part.1.clone()).collect::<Vec<_>>().join(", "),
            )
        };
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(move |parts| {
                let (bytes, text) = joined(&parts);
                ([b"](".as_slice(), &bytes, b"e"].concat(), format!("[{text}]"))
            }),
            prop::collection::vec(inner, 0..6).prop_map(move |parts| {
                let (bytes, text) = joined(&parts);
                ([b"(".as_slice(), &bytes, b"t"].concat(), format!("({text})"))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn what_was_written_is_read((bytes, expected) in tree()) {
        let bytes = Writer::new(2).raw(&bytes).finish();
        let pickle = root(&bytes);
        prop_assert_eq!(shown(&pickle, pickle.root()), expected);
        // and every beginning of it is an error that says so
        for end in 0..bytes.len() {
            prop_assert_eq!(read(&bytes[..end], Limits::default()).unwrap_err().why, Why::Truncated);
        }
    }

    /// The fuzz entry: any bytes are read or refused, within the limits.
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        bounded(&bytes)?;
    }

    /// The same with bytes that are mostly instructions, which go deeper into the machine.
    #[test]
    fn any_instructions_are_read_or_refused(
        bytes in prop::collection::vec(prop::sample::select(b"(.0125KNIJLMFGSTUVXBC]lae)t}dsucRbiopqrghj\x80\x81\x82\x85\x86\x87\x88\x8a\x8c\x8f\x90\x91\x92\x93\x94\x95\n\x00\x01'".to_vec()), 0..300)
    ) {
        bounded(&bytes)?;
    }
}

fn bounded(bytes: &[u8]) -> Result<(), TestCaseError> {
    let limits = Limits { bytes: 600, nodes: 200, values: 400, depth: 20, memo: 100 };
    match read(bytes, limits) {
        Ok(pickle) => {
            prop_assert!(pickle.nodes.len() <= limits.nodes);
            drop(format!("{pickle:?}"));
            prop_assert!(pickle.datetime(pickle.root()).is_none_or(|at| at.year() != 0));
            prop_assert!(pickle.attributes(pickle.root()).is_none_or(|pairs| pairs.len() <= limits.values));
        }
        Err(PickleError { offset, .. }) => prop_assert!(offset <= bytes.len()),
    }
    Ok(())
}
