//! What Slurm's own document describes loosely, or not at all, and lists of texts in URLs.

use serde_json::{Value, json};

use super::{Kind, Reader, Schemas, Writer};

/// A list of texts that a URL gives with commas between.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Csv(pub Vec<String>);

impl Kind for Csv {
    fn write(&self, out: &mut Writer) {
        out.text(&self.0.join(","));
    }

    fn write_absent(out: &mut Writer) {
        out.raw("\"\"");
    }

    fn read(value: Value, at: &mut Reader<'_>) -> Option<Self> {
        let items = match value {
            Value::Null => return None,
            Value::Array(items) => items,
            single => vec![single],
        };
        let texts: Vec<String> = items.into_iter().filter_map(|item| String::read(item, at)).collect();
        let parts = texts.iter().flat_map(|text| text.split(','));
        Some(Self(parts.map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()))
    }

    fn schema(_: &mut Schemas) -> Value {
        json!({ "type": "string" })
    }
}

/// Anything: what Slurm's own document does not describe.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Raw(pub Value);

impl Kind for Raw {
    fn write(&self, out: &mut Writer) {
        out.value(&self.0);
    }

    fn write_absent(out: &mut Writer) {
        out.raw("{}");
    }

    fn read(value: Value, _: &mut Reader<'_>) -> Option<Self> {
        (!value.is_null()).then_some(Self(value))
    }

    fn schema(_: &mut Schemas) -> Value {
        json!({})
    }
}

/// A number without a format in Slurm's document.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Number(pub f64);

impl Kind for Number {
    fn write(&self, out: &mut Writer) {
        self.0.write(out);
    }

    fn write_absent(out: &mut Writer) {
        f64::write_absent(out);
    }

    fn read(value: Value, at: &mut Reader<'_>) -> Option<Self> {
        f64::read(value, at).map(Self)
    }

    fn schema(_: &mut Schemas) -> Value {
        json!({ "type": "number" })
    }
}

/// An object of which Slurm's document says nothing more.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RawObject(pub serde_json::Map<String, Value>);

impl Kind for RawObject {
    fn write(&self, out: &mut Writer) {
        out.value(&self.0);
    }

    fn write_absent(out: &mut Writer) {
        out.raw("{}");
    }

    fn read(value: Value, at: &mut Reader<'_>) -> Option<Self> {
        match value {
            Value::Object(map) => Some(Self(map)),
            Value::Null => None,
            other => {
                at.mismatch("object (Slurm type=dictionary)", &other);
                None
            }
        }
    }

    fn schema(_: &mut Schemas) -> Value {
        json!({ "type": "object" })
    }
}

/// An object without anything in it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct EmptyObject;

impl Kind for EmptyObject {
    fn write(&self, out: &mut Writer) {
        out.raw("{}");
    }

    fn write_absent(out: &mut Writer) {
        out.raw("{}");
    }

    fn read(_: Value, _: &mut Reader<'_>) -> Option<Self> {
        Some(Self)
    }

    fn schema(_: &mut Schemas) -> Value {
        json!({ "type": "object", "properties": {} })
    }
}
