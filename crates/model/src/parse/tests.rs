//! What is read, and what is refused with which words.

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn wrong(value: &Value, generation: Generation) -> Vec<String> {
    parse_spec(value, generation)
        .expect_err("should be refused")
        .iter()
        .map(|v| format!("{} {}", v.kind, v.line().split(": ").next().unwrap_or_default()))
        .collect()
}

#[test]
fn integers_as_pydantic_reads_them() {
    for (value, expected) in [
        (json!(7), 7),
        (json!(7.0), 7),
        (json!("60"), 60),
        (json!(" 60 "), 60),
        (json!("+5"), 5),
        (json!("-5"), -5),
        (json!("1_000"), 1000),
        (json!("2.0"), 2),
        (json!(true), 1),
        (json!(-3), -3),
    ] {
        assert_eq!(lax_int(&value), Ok(expected), "{value}");
    }
    for (value, kind) in [
        (json!(1.5), "int_from_float"),
        (json!("1e3"), "int_parsing"),
        (json!("0x10"), "int_parsing"),
        (json!(""), "int_parsing"),
        (json!("_1"), "int_parsing"),
        (json!("1__0"), "int_parsing"),
        (json!("two"), "int_parsing"),
        (json!("+-5"), "int_parsing"),
        (json!(null), "int_type"),
        (json!([]), "int_type"),
        (json!(1e20), "int_parsing_size"),
        (json!("99999999999999999999"), "int_parsing_size"),
    ] {
        assert_eq!(lax_int(&value).unwrap_err().0, kind, "{value}");
    }
}

#[test]
fn booleans_as_pydantic_reads_them() {
    for yes in [json!(true), json!(1), json!(1.0), json!("YES"), json!("t"), json!("on")] {
        assert_eq!(lax_bool(&yes), Ok(true), "{yes}");
    }
    for no in [json!(false), json!(0), json!(0.0), json!("No"), json!("off")] {
        assert_eq!(lax_bool(&no), Ok(false), "{no}");
    }
    for bad in [json!("maybe"), json!(" yes"), json!(2), json!(null)] {
        assert!(lax_bool(&bad).is_err(), "{bad}");
    }
}

#[test]
fn generations_differ() {
    let object = json!({"script": "x", "backend": {"queue_name": "q", "bogus": 1}, "bogus": 1});
    let v1 = parse_spec(&object, Generation::V1).unwrap();
    assert_eq!(v1.backend_settings.unwrap().queue_name.as_deref(), Some("q"));
    assert_eq!(wrong(&object, Generation::V2), ["string_type backend", "extra_forbidden bogus"]);
    let secret = json!({"script": "x", "client_secret": "s", "cb_headers": {"X-A": "b"}});
    assert!(parse_spec(&secret, Generation::V1).is_ok());
    assert!(parse_spec(&secret, Generation::V2).is_ok());
    assert_eq!(wrong(&secret, Generation::V3), ["extra_forbidden client_secret"]);
    assert_eq!(wrong(&json!({"script": "x", "backend": "default"}), Generation::V1), ["model_attributes_type backend"]);
}

#[test]
fn every_violation_is_found_with_its_place() {
    let value = json!({
        "name": 5, "environment": {"A": 1, "B": "ok"}, "resources": {"duration": 1.5, "bogus": 1},
        "inherit_environment": "maybe", "callback": 5, "attributes": null,
    });
    assert_eq!(
        wrong(&value, Generation::V3),
        [
            "string_type name",
            "missing script",
            "string_type environment.A",
            "bool_parsing inherit_environment",
            "int_from_float resources.duration",
            "dict_type attributes",
            "string_type callback",
        ]
    );
    for bad in [json!([]), json!(5), json!("x"), json!(null)] {
        assert_eq!(parse_spec(&bad, Generation::V2).unwrap_err()[0].kind, "model_attributes_type", "{bad}");
    }
    assert_eq!(wrong(&json!({"script": "x", "resources": null}), Generation::V2), ["model_attributes_type resources"]);
}

#[test]
fn variables_that_no_process_can_have() {
    let value = json!({"script": "x", "environment": {"": "a", "B=": "b", "C\u{0}": "c", "D": "d\u{0}", "OK": "="}});
    assert_eq!(wrong(&value, Generation::V2).len(), 4);
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec(
                (
                    prop_oneof![
                        Just("script".to_owned()),
                        Just("resources".to_owned()),
                        Just("duration".to_owned()),
                        "[a-z_]{1,8}"
                    ],
                    inner
                ),
                0..5
            )
            .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Whatever comes, the reader answers; and what it accepts it writes so that it reads the same again.
    #[test]
    fn accepted_specs_read_back(value in any_json()) {
        for generation in [Generation::V1, Generation::V2, Generation::V3] {
            if let Ok(spec) = parse_spec(&value, generation) {
                let stored: Value = serde_json::from_str(&spec.to_spec_json()).unwrap();
                let mut read = parse_spec(&stored, Generation::V3).unwrap();
                read.client_secret.clone_from(&spec.client_secret);
                read.backend_settings.clone_from(&spec.backend_settings);
                prop_assert_eq!(read, spec);
            }
        }
    }
}
