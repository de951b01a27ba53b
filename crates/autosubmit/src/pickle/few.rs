//! Leaving out what nobody looks at: a job has some seventy attributes, of which a list of jobs needs a dozen.

use super::{Limits, machine};
use super::{Node, Pair, Pickle, PickleError, Value};

/// Which dictionaries are kept in part.
#[derive(Debug, Clone, Copy)]
pub struct Few {
    /// Those that are given both of these keys at once.
    pub marks: [&'static str; 2],
    /// Of them only these keys are kept. All count with a `_` before them, too.
    pub keys: &'static [&'static str],
}

/// Reads a pickle, as [`super::read`], and leaves out of its dictionaries what `few` says.
pub fn read_few(bytes: &[u8], limits: Limits, few: Few) -> Result<Pickle<'_>, PickleError> {
    machine::run(bytes, limits, Kept { few: Some(few), ..Kept::default() })
}

/// What is known of keys, each of which many dictionaries share.
#[derive(Debug, Default)]
pub(super) struct Kept {
    few: Option<Few>,
    known: Vec<Key>,
    /// The pairs that were kept last.
    pairs: Vec<Pair>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Unknown,
    Other,
    Wanted,
    /// One of the marks; whether it is wanted.
    Mark(u8, bool),
}

impl Kept {
    /// Which of these keys and values are kept; `None`: all.
    pub(super) fn of(&mut self, nodes: &[Node<'_>], values: &[Value]) -> Option<&[Pair]> {
        let few = self.few?;
        let (pairs, _) = values.as_chunks();
        self.pairs.clear();
        let mut marks = 0;
        for pair in pairs {
            match self.key(few, nodes, pair[0]) {
                Key::Mark(mark, is_wanted) => {
                    marks |= mark;
                    self.pairs.extend(is_wanted.then_some(pair));
                }
                Key::Wanted => self.pairs.push(*pair),
                Key::Unknown | Key::Other => {}
            }
        }
        (marks == 3).then_some(&self.pairs)
    }

    fn key(&mut self, few: Few, nodes: &[Node<'_>], key: Value) -> Key {
        let Value::Node(node) = key else { return Key::Other };
        if self.known.len() <= node.place() {
            // there are no more of them than nodes
            self.known.resize(nodes.len(), Key::Unknown);
        }
        let Some(known) = self.known.get_mut(node.place()) else { return Key::Other };
        if *known == Key::Unknown {
            *known = match nodes.get(node.place()) {
                Some(Node::Text(text)) => few.class(text),
                _ => Key::Other,
            };
        }
        *known
    }
}

impl Few {
    fn class(self, text: &str) -> Key {
        let text = text.strip_prefix('_').unwrap_or(text);
        let is_wanted = self.keys.contains(&text);
        match self.marks.iter().position(|mark| *mark == text) {
            Some(place) => Key::Mark(1 << place, is_wanted),
            None if is_wanted => Key::Wanted,
            None => Key::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::super::writer::Writer;
    use super::*;

    const FEW: Few = Few { marks: ["status", "id"], keys: &["id", "name", "split"] };

    fn keys(pickle: &Pickle<'_>, value: Value) -> Vec<String> {
        pickle.pairs(value).unwrap().iter().map(|[key, _]| pickle.text(*key).unwrap().to_owned()).collect()
    }

    fn dictionary(keys: &[&str]) -> Vec<u8> {
        let pairs = keys.iter().fold(Writer::new(4).raw(b"}("), |writer, key| writer.text(key).int(1));
        pairs.raw(b"u").finish()
    }

    #[test]
    fn of_what_has_both_marks_only_some_keys_are_kept() {
        for (given, kept) in [
            (&["name", "_id", "x", "status", "_split", "split", "_y"][..], &["name", "_id", "_split", "split"][..]),
            (&["_status", "id"], &["id"]),
            (&["name", "id", "x"], &["name", "id", "x"]),
            (&["status", "x"], &["status", "x"]),
            (&["status", "status"], &["status", "status"]),
            (&[], &[]),
        ] {
            let bytes = dictionary(given);
            let pickle = read_few(&bytes, Limits::default(), FEW).unwrap();
            assert_eq!(keys(&pickle, pickle.root()), kept);
            let whole = read(&bytes, Limits::default()).unwrap();
            assert_eq!(keys(&whole, whole.root()), given);
        }
    }

    #[test]
    fn what_is_wrong_is_wrong_all_the_same() {
        for bytes in [&b"}(K\x01u."[..], b"](K\x01K\x02u.", b"u."] {
            let why = read(bytes, Limits::default()).unwrap_err();
            assert_eq!(read_few(bytes, Limits::default(), FEW).unwrap_err(), why);
        }
    }
}
