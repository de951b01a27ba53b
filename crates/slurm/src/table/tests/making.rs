//! Values made from a schema, the same ones for the same seed. The integration tests use them, too.

use serde_json::{Map, Value, json};

/// Makes values.
#[derive(Debug)]
pub(super) struct Maker {
    state: u64,
    narrow: bool,
    plain: bool,
}

impl Maker {
    /// From a seed. `narrow`: integers have 32 bits whatever the schema says, as v0.0.40 says 64 of all; `plain`: texts are
    /// single words.
    pub(super) fn new(seed: u64, narrow: bool, plain: bool) -> Self {
        Self { state: seed, narrow, plain }
    }

    /// A number below `limit` (splitmix64).
    fn below(&mut self, limit: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u64) as usize]
    }

    /// A value that a schema allows.
    pub(super) fn of(&mut self, schema: &Value, all: &Map<String, Value>) -> Value {
        if let Some(name) = schema["$ref"].as_str() {
            return self.of(&all[name.rsplit('/').next().unwrap()], all);
        }
        match schema["type"].as_str() {
            Some("object") => self.object(schema, all),
            Some("array") => (0..self.below(4)).map(|_| self.of(&schema["items"], all)).collect(),
            Some("boolean") => json!(self.one_in(2)),
            Some("integer") => json!(self.integer(schema["format"] == "int64")),
            Some("number") => json!(self.float()),
            Some("string") => match schema["enum"].as_array() {
                Some(words) => self.pick(words).clone(),
                None => json!(self.text()),
            },
            // anything, but `null` means that there is nothing
            _ => json!({ "thing": self.anything(2) }),
        }
    }

    fn object(&mut self, schema: &Value, all: &Map<String, Value>) -> Value {
        let Some(properties) = schema["properties"].as_object() else {
            return json!({ "any": self.text(), "thing": self.integer(true) });
        };
        if properties.keys().eq(["set", "infinite", "number"]) {
            return self.optional_number(&properties["number"]);
        }
        let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut made = Map::new();
        for (key, property) in properties {
            if required.iter().any(|name| name == key) || !self.one_in(4) {
                made.insert(key.clone(), self.of(property, all));
            }
        }
        made.into()
    }

    fn optional_number(&mut self, schema: &Value) -> Value {
        let float = schema["type"] == "number";
        let none = if float { json!(0.0) } else { json!(0) };
        match self.below(4) {
            0 => json!({ "set": false, "infinite": false, "number": none }),
            1 => json!({ "set": false, "infinite": true, "number": none }),
            _ if float => json!({ "set": true, "infinite": false, "number": self.float() }),
            // 16 bits of it must be enough: the document does not tell them from 32 or 64
            _ => json!({ "set": true, "infinite": false, "number": self.below(1 << 16) }),
        }
    }

    fn integer(&mut self, wide: bool) -> i64 {
        let most = if wide && !self.narrow { i64::MAX } else { i64::from(i32::MAX) };
        *self.pick(&[0, 1, 2, 3, 1000, most])
    }

    fn float(&mut self) -> f64 {
        *self.pick(&[0.0, 1.0, 0.5, 1e300, 1e-9, 123_456.789])
    }

    fn text(&mut self) -> String {
        const PLAIN: [&str; 4] = ["a", "n1", "x-y_z", "1"];
        const ODD: [&str; 12] = [
            "",
            " ",
            ",",
            "a,b",
            "\"",
            "\\",
            "\n\t\r",
            "\0",
            "\u{7f}\u{80}\u{2028}",
            "\u{1f980} g\u{fc}n \u{202e}",
            "</script>",
            "{\"a\":1}",
        ];
        let text = if self.plain || self.one_in(2) { self.pick(&PLAIN) } else { self.pick(&ODD) };
        (*text).to_owned()
    }

    /// Any JSON, so deep at most.
    fn anything(&mut self, depth: u32) -> Value {
        match self.below(if depth == 0 { 10 } else { 13 }) {
            0 => Value::Null,
            1 => json!(self.one_in(2)),
            2 => json!(self.integer(true)),
            3 => json!(*self.pick(&[-1_i64, i64::MIN])),
            4 => json!(u64::MAX),
            5 => json!(self.float()),
            6 => json!(*self.pick(&[-1.5_f64, 1e308, -1e308])),
            7 => json!(*self.pick(&["now", "now+1day", "infinite", "-1", "1e9", "NaN", "true", "UNLIMITED"])),
            8 | 9 => json!(self.text()),
            10 => json!({ "set": self.anything(0), "infinite": self.anything(0), "number": self.anything(0) }),
            11 => (0..self.below(4)).map(|_| self.anything(depth - 1)).collect(),
            _ => (0..self.below(4)).map(|index| (format!("k{index}"), self.anything(depth - 1))).collect(),
        }
    }

    /// Puts something else in some places.
    pub(super) fn spoil(&mut self, value: &mut Value) {
        match value {
            Value::Object(map) => {
                for inner in map.values_mut() {
                    self.spoil_one(inner);
                }
                if self.one_in(3) {
                    map.insert(self.text(), self.anything(1));
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.spoil_one(item)),
            _ => {}
        }
    }

    fn spoil_one(&mut self, value: &mut Value) {
        if self.one_in(4) { *value = self.anything(3) } else { self.spoil(value) }
    }
}
