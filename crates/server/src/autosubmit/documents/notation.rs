//! A short notation for JSON schemas: `name:type` is a field, `name?:type` one that need not be there, `=` comes before its usual
//! value. Types are `string`, `integer`, `number`, `boolean`, `object`, `null`, `#Name` for a type with a name, `[type]` for a list,
//! `a/b` for words, `type>=1<=9` for bounds, and `type|type` where it may be either.

use serde_json::{Map, Value, json};

/// A field.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field<'a> {
    pub(super) name: &'a str,
    pub(super) needed: bool,
    pub(super) schema: Value,
}

/// Fields with blanks between them.
pub(super) fn fields(text: &str) -> impl Iterator<Item = Field<'_>> {
    text.split_ascii_whitespace().map(field)
}

/// A type with a name: its fields, or its words.
pub(super) fn named(name: &str, text: &str) -> Value {
    if !text.contains(':') {
        return schema(text);
    }
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in fields(text) {
        if field.needed {
            required.push(field.name);
        }
        properties.insert(field.name.to_owned(), field.schema);
    }
    let mut object = json!({"type": "object", "title": name, "properties": properties});
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    object
}

fn field(text: &str) -> Field<'_> {
    let (name, kind) = text.split_once(':').unwrap_or((text, "string"));
    let usual = kind.match_indices('=').find(|(at, _)| !kind[..*at].ends_with(['<', '>'])).map(|(at, _)| at);
    let (kind, usual) = usual.map_or((kind, None), |at| (&kind[..at], Some(&kind[at + 1..])));
    let mut schema = schema(kind);
    if let Some(usual) = usual {
        schema["default"] = serde_json::from_str(usual).unwrap_or_default();
    }
    match name.strip_suffix('?') {
        Some(name) => Field { name, needed: false, schema },
        None => Field { name, needed: true, schema },
    }
}

/// A type.
pub(super) fn schema(text: &str) -> Value {
    if text.contains('|') {
        return json!({"anyOf": text.split('|').map(schema).collect::<Vec<_>>()});
    }
    if let Some(name) = text.strip_prefix('#') {
        return json!({"$ref": format!("#/components/schemas/{name}")});
    }
    if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return json!({"type": "array", "items": schema(inner)});
    }
    if text.contains('/') {
        return json!({"type": "string", "enum": text.split('/').collect::<Vec<_>>()});
    }
    let (text, most) = bound(text, "<=");
    let (text, least) = bound(text, ">=");
    let mut schema = if text.is_empty() { json!({}) } else { json!({ "type": text }) };
    for (key, value) in [(if text == "string" { "minLength" } else { "minimum" }, least), ("maximum", most)] {
        if let Some(value) = value {
            schema[key] = value.into();
        }
    }
    schema
}

fn bound<'a>(text: &'a str, sign: &str) -> (&'a str, Option<i64>) {
    text.split_once(sign).map_or((text, None), |(kind, value)| (kind, value.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types() {
        assert_eq!(schema(""), json!({}));
        assert_eq!(
            schema("integer>=1<=9|null"),
            json!({"anyOf": [{"type": "integer", "minimum": 1, "maximum": 9}, {"type": "null"}]})
        );
        assert_eq!(schema("[#A]"), json!({"type": "array", "items": {"$ref": "#/components/schemas/A"}}));
        assert_eq!(schema("a/b"), json!({"type": "string", "enum": ["a", "b"]}));
        assert_eq!(schema("string>=1"), json!({"type": "string", "minLength": 1}));
    }

    #[test]
    fn fields_with_usual_values() {
        let all: Vec<_> = fields("a:string b?:integer>=1=7 c?:a/b=\"a\"").collect();
        assert_eq!((all[0].name, all[0].needed, all[1].name, all[1].needed), ("a", true, "b", false));
        assert_eq!(all[1].schema, json!({"type": "integer", "minimum": 1, "default": 7}));
        assert_eq!(all[2].schema, json!({"type": "string", "enum": ["a", "b"], "default": "a"}));
        assert_eq!(named("T", "x:string y?:object")["required"], json!(["x"]));
    }
}
