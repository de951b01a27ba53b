//! The query's values, read as pydantic reads them.

use axum::http::Uri;
use url::form_urlencoded;

use super::error::Failure;

/// The query's values. Unknown ones are ignored; of a repeated one the last counts.
#[derive(Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

/// Values that were read, and what was wrong with others.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    query: &'a Query,
    problems: Vec<(String, String)>,
}

impl Query {
    pub(super) fn of(uri: &Uri) -> Self {
        let pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        Self(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    /// A value.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// All values of a name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Begins to read.
    pub(super) fn read(&self) -> Reading<'_> {
        Reading { query: self, problems: Vec::new() }
    }
}

impl Reading<'_> {
    fn wrong(&mut self, field: &str, why: impl Into<String>) {
        self.problems.push((field.to_owned(), why.into()));
    }

    /// Yes or no.
    pub(super) fn flag(&mut self, name: &str, usual: bool) -> bool {
        let Some(text) = self.query.get(name) else { return usual };
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" | "t" | "y" => true,
            "false" | "0" | "no" | "off" | "f" | "n" => false,
            _ => {
                self.wrong(name, "Input should be a valid boolean, unable to interpret input");
                usual
            }
        }
    }

    /// A whole number within bounds.
    pub(super) fn number(&mut self, name: &str, least: Option<i64>, most: Option<i64>) -> Option<i64> {
        let text = self.query.get(name)?;
        let number = match integer(text) {
            Ok(number) => number,
            Err(why) => {
                self.wrong(name, why);
                return None;
            }
        };
        if let Some(least) = least.filter(|least| number < *least) {
            self.wrong(name, format!("Input should be greater than or equal to {least}"));
        } else if let Some(most) = most.filter(|most| number > *most) {
            self.wrong(name, format!("Input should be less than or equal to {most}"));
        }
        Some(number)
    }

    /// One of several words, as its place among them.
    pub(super) fn word(&mut self, name: &str, words: &[&str]) -> Option<usize> {
        let text = self.query.get(name)?;
        let found = words.iter().position(|word| *word == text);
        if found.is_none() {
            self.wrong(name, one_of(words));
        }
        found
    }

    /// One of several words that has to be there.
    pub(super) fn needed_word(&mut self, name: &str, words: &[&str]) -> String {
        if self.query.get(name).is_none() {
            self.wrong(name, "Field required");
        }
        self.word(name, words).map(|place| words[place].to_owned()).unwrap_or_default()
    }

    /// What else is wrong with a value.
    pub(super) fn refuse(&mut self, name: &str, why: impl Into<String>) {
        self.wrong(name, why);
    }

    /// Whether everything could be read.
    pub(super) fn done(self) -> Result<(), Failure> {
        if self.problems.is_empty() { Ok(()) } else { Err(Failure::invalid(&self.problems)) }
    }
}

/// `Input should be 'a', 'b' or 'c'`.
pub(super) fn one_of(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("Input should be {} or {last}", rest.join(", ")),
        _ => format!("Input should be {}", quoted.join("")),
    }
}

/// A whole number, also one with zeros behind its point, or with `_` between its digits.
pub(super) fn integer(text: &str) -> Result<i64, &'static str> {
    let whole = match text.split_once('.') {
        Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|byte| byte == b'0') => whole,
        _ => text,
    };
    let digits = whole.strip_prefix(['+', '-']).unwrap_or(whole);
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits.split('_').all(is_number) {
        return Err("Input should be a valid integer, unable to parse string as an integer");
    }
    let whole = whole.replace('_', "");
    // beyond 64 bits there is nothing to be found
    Ok(whole.parse().unwrap_or(if whole.starts_with('-') { i64::MIN } else { i64::MAX }))
}

/// The whole number that a text is equal to where SQLite compares it with a column of numbers: `1`, ` 01 `, `1.0`, `1e0`. What is no
/// number is equal to none.
pub(super) fn stored_number(text: &str) -> Option<i64> {
    let text = text.trim_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    if !text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)) {
        return None;
    }
    let exact = |number: f64| (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64);
    text.parse().ok().or_else(|| exact(text.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Query {
        Query::of(&format!("/x?{text}").parse().unwrap())
    }

    #[test]
    fn values_are_read_as_pydantic_does() {
        let values = query("a=1&a=2&flag=YES&none=&word=b&n=%31");
        assert_eq!((values.get("a"), values.get("none"), values.get("x")), (Some("2"), Some(""), None));
        let mut reading = values.read();
        assert!(reading.flag("flag", false) && reading.flag("other", true));
        assert_eq!(reading.number("n", Some(1), Some(1)), Some(1));
        assert_eq!(reading.word("word", &["a", "b"]), Some(1));
        reading.done().unwrap();
    }

    #[test]
    fn what_is_wrong_is_told_at_once() {
        let values = query("page=0&size=x&big=7&order=nope&flag=maybe");
        let mut reading = values.read();
        reading.number("page", Some(1), None);
        reading.number("size", None, None);
        reading.number("big", None, Some(6));
        reading.word("order", &["a", "b", "c"]);
        reading.flag("flag", true);
        assert_eq!(
            reading.done().unwrap_err().message,
            "Invalid value for 'page': Input should be greater than or equal to 1; Invalid value for 'size': Input should be a \
             valid integer, unable to parse string as an integer; Invalid value for 'big': Input should be less than or equal \
             to 6; Invalid value for 'order': Input should be 'a', 'b' or 'c'; Invalid value for 'flag': Input should be a \
             valid boolean, unable to interpret input"
        );
    }

    #[test]
    fn whole_numbers() {
        for (text, number) in
            [("7", 7), ("-7", -7), ("+1", 1), ("2.00", 2), ("1_0", 10), ("99999999999999999999", i64::MAX)]
        {
            assert_eq!(integer(text), Ok(number), "{text}");
        }
        for text in ["", "x", "1.5", "1.", "--1", "0x1", "1e3", " 7", "7 ", "1__0", "_1"] {
            assert!(integer(text).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_of_columns() {
        for text in ["7", " 7 ", "+7", "007", "7.0", "7.", "0.7e1"] {
            assert_eq!(stored_number(text), Some(7), "{text}");
        }
        for text in ["", "x", "7x", "7_0", "7.5", "inf", "nan", "1e300"] {
            assert_eq!(stored_number(text), None, "{text}");
        }
    }
}
