//! Numbers that may be unset or infinite, and points in time.

use serde_json::{Value, json};

use super::kind::{float, integer, parsed};
use super::read::slurm_type;
use super::{Kind, Reader, Schemas, Writer};
use crate::errno::Errno;
use crate::version::Version;

/// A number as Slurm shows it: `{"set": true, "infinite": false, "number": 5}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Num<T> {
    /// Nothing is set (`NO_VAL`).
    #[default]
    Unset,
    /// No limit (`INFINITE`).
    Infinite,
    /// This.
    Set(T),
}

impl<T> Num<T> {
    /// The number, if there is one.
    pub fn number(self) -> Option<T> {
        match self {
            Self::Set(number) => Some(number),
            Self::Unset | Self::Infinite => None,
        }
    }
}

impl<T> From<T> for Num<T> {
    fn from(number: T) -> Self {
        Self::Set(number)
    }
}

impl<T> From<Option<T>> for Num<T> {
    fn from(number: Option<T>) -> Self {
        number.map_or(Self::Unset, Self::Set)
    }
}

/// What [`Num`] is made of.
trait Digit: Copy + serde::Serialize + std::str::FromStr + Default {
    const NAME: &'static str;
    const FORMAT: (&'static str, &'static str);
    fn of(number: &serde_json::Number) -> Option<Self>;
}

macro_rules! digits {
    ($($type:ty: $name:literal, $kind:literal, $format:literal, $from:path;)*) => {$(
        impl Digit for $type {
            const NAME: &'static str = $name;
            const FORMAT: (&'static str, &'static str) = ($kind, $format);

            fn of(number: &serde_json::Number) -> Option<Self> {
                $from(number)
            }
        }
    )*};
}

digits! {
    u16: "uint16_no_val", "integer", "int32", integer;
    u32: "uint32_no_val", "integer", "int32", integer;
    u64: "uint64_no_val", "integer", "int64", integer;
    f64: "float64_no_val", "number", "double", float;
}

impl<T: Digit> Kind for Num<T> {
    fn write(&self, out: &mut Writer) {
        match self {
            Self::Unset => Self::write_absent(out),
            Self::Infinite => {
                out.raw("{\"set\":false,\"infinite\":true,\"number\":");
                out.value(&T::default());
                out.raw("}");
            }
            Self::Set(number) => {
                out.raw("{\"set\":true,\"infinite\":false,\"number\":");
                out.value(number);
                out.raw("}");
            }
        }
    }

    fn write_absent(out: &mut Writer) {
        out.raw("{\"set\":false,\"infinite\":false,\"number\":");
        out.value(&T::default());
        out.raw("}");
    }

    fn read(value: Value, at: &mut Reader<'_>) -> Option<Self> {
        match &value {
            Value::Null => Some(Self::Unset),
            Value::Object(map) => Some(object_number(map, at)),
            Value::Number(number) => {
                // silent from v0.0.41 on
                if at.version() == Version::V40 {
                    at.mismatch("object (Slurm type=dictionary)", &value);
                }
                let converted = T::of(number);
                if converted.is_none() {
                    at.mismatch("object (Slurm type=dictionary)", &value);
                }
                Some(converted.into())
            }
            Value::String(text) => {
                let number: Self = number_word(text);
                if !at.is_query() && matches!(number, Self::Unset) && !text.trim().is_empty() {
                    no_number(&value, at);
                } else if !at.is_query() {
                    at.mismatch("object (Slurm type=dictionary)", &value);
                }
                Some(number)
            }
            Value::Bool(_) => {
                no_number(&value, at);
                None
            }
            Value::Array(_) => {
                at.mismatch("object (Slurm type=dictionary)", &value);
                Some(Self::Unset)
            }
        }
    }

    fn is_given(&self) -> bool {
        !matches!(self, Self::Unset)
    }

    fn schema(all: &mut Schemas) -> Value {
        // the numbers' schema was renamed after v0.0.40, and v0.0.40 showed all integers as 64 bits
        let name = match all.version().number() {
            40 => T::NAME.to_owned(),
            _ => format!("{}_struct", T::NAME),
        };
        let (kind, format) = match (all.version().number(), T::FORMAT) {
            (40, ("integer", _)) => ("integer", "int64"),
            (_, format) => format,
        };
        if all.version() == Version::V40 {
            let unset = if kind == "number" { json!(0.0) } else { json!(0) };
            return all.named(&name, |_| {
                json!({
                    "type": "object",
                    "description": "A number that may be unset or infinite",
                    "properties": {
                        "set": { "type": "boolean", "default": false, "description": "Whether there is a number" },
                        // as in the original, whose default of a truth value is a number
                        "infinite": { "type": "boolean", "default": unset, "description": "Whether it is infinite" },
                        "number": { "type": kind, "format": format, "description": "The number, if set" },
                    },
                })
            });
        }
        all.named(&name, |_| {
            json!({
                "type": "object",
                "properties": {
                    "set": { "type": "boolean", "description": "Whether there is a number" },
                    "infinite": { "type": "boolean", "description": "Whether it is infinite; then the rest means nothing" },
                    "number": { "type": kind, "format": format, "description": "The number, if set" },
                },
                "required": [],
            })
        })
    }
}

fn object_number<T: Digit>(map: &serde_json::Map<String, Value>, at: &mut Reader<'_>) -> Num<T> {
    let truth = |key: &str, at: &mut Reader<'_>| {
        map.get(key).and_then(|value| at.enter(key, |at| bool::read(value.clone(), at)))
    };
    if truth("infinite", at) == Some(true) {
        return Num::Infinite;
    }
    let set = truth("set", at);
    let number = match map.get("number") {
        None | Some(Value::Null) => None,
        Some(Value::Number(number)) => T::of(number),
        Some(other) => {
            at.enter("number", |at| at.mismatch("number (Slurm type=64 bit integer)", other));
            other.as_str().and_then(parsed)
        }
    };
    // who gives a number means it, unless it says otherwise
    if set == Some(false) { Num::Unset } else { number.into() }
}

/// Says that something is no number.
fn no_number(value: &Value, at: &mut Reader<'_>) {
    if at.version() == Version::V40 {
        at.mismatch("object (Slurm type=dictionary)", value);
        at.problem(Errno::DATA_EXPECTED_OBJECT, format!("Expected dictionary but got {}", slurm_type(value)));
    } else {
        at.problem(Errno::DATA_CONVERSION, format!("Expected integer but got {value}"));
    }
}

fn number_word<T: Digit>(text: &str) -> Num<T> {
    let text = text.trim();
    if ["infinite", "unlimited", "infinity"].iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return Num::Infinite;
    }
    parsed(text).into()
}

/// A point in time, in unix seconds. Requests may also use Slurm's words for times, such as `now+1hour`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Time(pub Num<u64>);

impl Time {
    /// This second.
    pub fn at(seconds: u64) -> Self {
        Self(Num::Set(seconds))
    }

    /// The second, if there is one.
    pub fn seconds(self) -> Option<u64> {
        self.0.number()
    }
}

impl Kind for Time {
    fn write(&self, out: &mut Writer) {
        self.0.write(out);
    }

    fn write_absent(out: &mut Writer) {
        // Slurm keeps unknown times as 0
        out.raw("{\"set\":true,\"infinite\":false,\"number\":0}");
    }

    fn read(value: Value, at: &mut Reader<'_>) -> Option<Self> {
        let Value::String(text) = &value else { return Num::read(value, at).map(Self) };
        if let number @ (Num::Set(_) | Num::Infinite) = number_word(text) {
            return Some(Self(number));
        }
        let Some(seconds) = point(text, at) else {
            at.problem(Errno::DATA_CONVERSION, format!("Parsing of {text} for timestamp failed"));
            return None;
        };
        Some(Self::at(u64::try_from(seconds).unwrap_or(0)))
    }

    fn is_given(&self) -> bool {
        self.0.is_given()
    }

    fn schema(all: &mut Schemas) -> Value {
        Num::<u64>::schema(all)
    }
}

/// Slurm's words for times, in unix seconds.
fn point(text: &str, at: &Reader<'_>) -> Option<i64> {
    let now = jiff::Timestamp::from_second(at.now()).ok()?;
    crate::time::parse_point(text, now, at.zone()).ok().map(jiff::Timestamp::as_second)
}
