//! The kinds of fields: how each is rendered, read and described.

use serde_json::{Value, json};

use super::{Object, Reader, Schemas, Writer};
use crate::version::Version;

/// A kind of field.
pub trait Kind: Sized {
    /// Whether a parameter of a URL that is one may come without a value.
    const EMPTY_ALLOWED: bool = false;

    /// Renders it.
    fn write(&self, out: &mut Writer);

    /// Renders what Slurm shows when it knows nothing.
    fn write_absent(out: &mut Writer);

    /// Reads it; `None` when it cannot be, or says nothing. The reader keeps the reasons.
    fn read(value: Value, at: &mut Reader<'_>) -> Option<Self>;

    /// Describes it.
    fn schema(all: &mut Schemas) -> Value;

    /// Whether a request that has it says something: a number that is not set does not.
    fn is_given(&self) -> bool {
        true
    }

    /// Describes it as a parameter of a URL.
    fn parameter(version: Version) -> Value {
        let _ = version;
        json!({ "type": "string" })
    }
}

impl<T: Object> Kind for T {
    fn write(&self, out: &mut Writer) {
        out.object(self);
    }

    fn write_absent(out: &mut Writer) {
        out.raw(if out.version().number() < 42 { "{}" } else { "null" });
    }

    fn read(value: Value, at: &mut Reader<'_>) -> Option<Self> {
        (!value.is_null()).then(|| at.object(value))
    }

    fn schema(all: &mut Schemas) -> Value {
        all.object::<T>()
    }
}

impl Kind for String {
    fn write(&self, out: &mut Writer) {
        out.text(self);
    }

    fn write_absent(out: &mut Writer) {
        out.raw("\"\"");
    }

    fn read(value: Value, at: &mut Reader<'_>) -> Option<Self> {
        match value {
            Value::Null => None,
            Value::String(text) => Some(text),
            Value::Array(items) if items.iter().all(Value::is_string) => {
                let list = Value::Array(items);
                at.mismatch("string (Slurm type=string)", &list);
                Some(list.as_array()?.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","))
            }
            other => {
                at.mismatch("string (Slurm type=string)", &other);
                matches!(other, Value::Bool(_) | Value::Number(_)).then(|| other.to_string())
            }
        }
    }

    fn schema(_: &mut Schemas) -> Value {
        json!({ "type": "string" })
    }
}

impl Kind for bool {
    const EMPTY_ALLOWED: bool = true;

    fn write(&self, out: &mut Writer) {
        out.raw(if *self { "true" } else { "false" });
    }

    fn write_absent(out: &mut Writer) {
        out.raw("false");
    }

    fn read(value: Value, at: &mut Reader<'_>) -> Option<Self> {
        const EXPECTED: &str = "boolean (Slurm type=boolean)";
        match &value {
            Value::Null => None,
            Value::Bool(yes) => Some(*yes),
            Value::Number(number) => {
                at.mismatch(EXPECTED, &value);
                number.as_f64().map(|number| number != 0.0)
            }
            Value::String(text) => {
                let yes = match text.trim().to_ascii_lowercase().as_str() {
                    // a parameter without a value is set by being there
                    "" => at.is_query().then_some(true),
                    "true" | "t" | "yes" | "y" | "1" => Some(true),
                    "false" | "f" | "no" | "n" | "0" => Some(false),
                    _ => None,
                };
                if !(at.is_query() && text.is_empty()) {
                    at.mismatch(EXPECTED, &value);
                }
                yes
            }
            Value::Array(_) | Value::Object(_) => {
                at.mismatch(EXPECTED, &value);
                None
            }
        }
    }

    fn schema(_: &mut Schemas) -> Value {
        json!({ "type": "boolean" })
    }
}

/// Plain numbers: a Rust type, its format in the document, and what is expected in the words of warnings.
macro_rules! plain {
    ($($type:ty: $schema:expr, $expected:literal, $from:path;)*) => {$(
        impl Kind for $type {
            fn write(&self, out: &mut Writer) {
                out.value(self);
            }

            fn write_absent(out: &mut Writer) {
                out.value(&<$type>::default());
            }

            fn read(value: Value, at: &mut Reader<'_>) -> Option<Self> {
                match &value {
                    Value::Null => None,
                    Value::Number(number) => {
                        let converted = $from(number);
                        if converted.is_none() {
                            at.mismatch($expected, &value);
                        }
                        converted
                    }
                    Value::String(text) => {
                        if !at.is_query() {
                            at.mismatch($expected, &value);
                        }
                        parsed(text)
                    }
                    // a number of the kind that may be unset
                    Value::Object(map) if map.contains_key("number") => {
                        if map.get("set") == Some(&Value::Bool(false)) {
                            return None;
                        }
                        at.enter("number", |at| Self::read(map["number"].clone(), at))
                    }
                    Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                        at.mismatch($expected, &value);
                        None
                    }
                }
            }

            fn schema(_: &mut Schemas) -> Value {
                $schema
            }
        }
    )*};
}

pub(super) fn integer<T: TryFrom<i128>>(number: &serde_json::Number) -> Option<T> {
    let wide = number
        .as_i64()
        .map(i128::from)
        .or_else(|| number.as_u64().map(i128::from))
        .or_else(|| number.as_f64().filter(|number| number.is_finite()).map(|number| number as i128))?;
    T::try_from(wide).ok()
}

pub(super) fn float(number: &serde_json::Number) -> Option<f64> {
    number.as_f64().filter(|number| number.is_finite())
}

/// A number in a text; what JSON has no number for (`NaN`, `1e400`) is none.
pub(super) fn parsed<T: std::str::FromStr + serde::Serialize>(text: &str) -> Option<T> {
    let number = text.trim().parse().ok()?;
    serde_json::to_value(&number).is_ok_and(|value| value.is_number()).then_some(number)
}

plain! {
    i32: json!({ "type": "integer", "format": "int32" }), "integer format=int32 (Slurm type=64 bit integer)", integer;
    u32: json!({ "type": "integer", "format": "int32" }), "integer format=int32 (Slurm type=64 bit integer)", integer;
    i64: json!({ "type": "integer", "format": "int64" }), "integer format=int64 (Slurm type=64 bit integer)", integer;
    f64: json!({ "type": "number", "format": "double" }), "number format=double (Slurm type=floating point number)", float;
}

impl<T: Kind> Kind for Vec<T> {
    fn write(&self, out: &mut Writer) {
        out.list(self, |out, item| item.write(out));
    }

    fn write_absent(out: &mut Writer) {
        out.raw("[]");
    }

    fn read(value: Value, at: &mut Reader<'_>) -> Option<Self> {
        const EXPECTED: &str = "array (Slurm type=list)";
        let items = match value {
            Value::Null => return Some(Self::new()),
            Value::Array(items) => items,
            Value::String(text) => {
                at.mismatch(EXPECTED, &Value::String(text.clone()));
                text.split(',').filter(|part| !part.is_empty()).map(Value::from).collect()
            }
            // an environment, for example
            Value::Object(map) if map.values().all(|value| !value.is_object() && !value.is_array()) => {
                let map = Value::Object(map);
                at.mismatch(EXPECTED, &map);
                let Value::Object(map) = map else { return None };
                map.iter().map(|(key, value)| Value::from(pair(key, value))).collect()
            }
            other => {
                at.mismatch(EXPECTED, &other);
                vec![other]
            }
        };
        // Slurm names the list, not the item, where an item has another type
        let read = |(index, item): (usize, Value)| match item {
            Value::Object(_) | Value::Array(_) => at.item(index, |at| T::read(item, at)),
            simple => T::read(simple, at),
        };
        Some(items.into_iter().enumerate().filter_map(read).collect())
    }

    fn schema(all: &mut Schemas) -> Value {
        json!({ "type": "array", "items": T::schema(all) })
    }
}

fn pair(key: &str, value: &Value) -> String {
    match value {
        Value::String(text) => format!("{key}={text}"),
        other => format!("{key}={other}"),
    }
}
