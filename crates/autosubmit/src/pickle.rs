//! Python pickles, protocols 0 to 5, read into plain values. **Nothing is imported and nothing is called**: a global is a name, and
//! an object is the name of its class with the arguments and the state that it would be made of.
//!
//! The stream is pickletools' description of it (Python 3.11). Values live in one flat arena and refer to each other by number,
//! so that shared and cyclic ones cost nothing, and neither reading, dropping nor printing recurses. What a hostile file can
//! make us hold is bounded by [`Limits`] and by its own length: one byte of it never makes more than one value.

mod few;
mod input;
mod literal;
mod machine;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod writer;

use std::borrow::Cow;

use jiff::civil::DateTime;
use thiserror::Error;

pub use few::{Few, read_few};
pub use machine::read;

/// How much a pickle may hold. The default is enough for some 20,000 jobs with all their attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the file.
    pub bytes: usize,
    /// Texts, byte strings, containers, globals and objects.
    pub nodes: usize,
    /// Values that are pushed, which bounds what all containers hold together (16 bytes each).
    pub values: usize,
    /// Containers that are open at the same time.
    pub depth: usize,
    /// Values that are remembered for later use.
    pub memo: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 64 << 20, nodes: 4 << 20, values: 8 << 20, depth: 10_000, memo: 4 << 20 }
    }
}

/// Why a file is not a pickle that can be read, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("pickle, byte {offset}: {why}")]
pub struct PickleError {
    /// Where the instruction starts that went wrong.
    pub offset: usize,
    /// What is wrong there.
    pub why: Why,
}

/// What is wrong with a pickle.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Why {
    /// The file ends in the middle, as one does that is just being written.
    #[error("the file ends too early")]
    Truncated,
    /// An instruction that no protocol has, or that needs something besides the file.
    #[error("instruction 0x{0:02x} is not one that a job list needs")]
    Instruction(u8),
    /// A protocol after 5.
    #[error("protocol {0} is not known")]
    Protocol(u8),
    /// A number, text or name is not written as it has to be.
    #[error("{0} is malformed")]
    Literal(&'static str),
    /// An instruction finds nothing, or something else, to work with.
    #[error("{0}")]
    Shape(&'static str),
    /// A value is asked for that was never remembered.
    #[error("value {0} was not remembered")]
    Memo(usize),
    /// More than [`Limits`] allow.
    #[error("more than {limit} {what}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
}

/// One value. What is not a number lives in the [`Pickle`] that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// `None`
    None,
    /// `True` or `False`
    Bool(bool),
    /// An integer of at most 64 bits; longer ones are [`Node::Opaque`].
    Int(i64),
    /// A float
    Float(f64),
    /// Everything else
    Node(NodeId),
}

/// A key and what stands under it.
pub type Pair = [Value; 2];

/// The number of a node in its [`Pickle`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NodeId(u32);

impl NodeId {
    /// Its place among all nodes.
    pub fn place(self) -> usize {
        self.0 as usize
    }
}

/// What a value that is not a number consists of.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Node<'a> {
    /// `str`, and Python 2's `str` taken as latin-1
    Text(Cow<'a, str>),
    /// `bytes` or `bytearray`
    Bytes(&'a [u8]),
    /// `list`
    List(Vec<Value>),
    /// `tuple`
    Tuple(Box<[Value]>),
    /// `dict`, in the order of the file
    Dict(Vec<Pair>),
    /// `set` or `frozenset`
    Set(Vec<Value>),
    /// A name that Python would import; we do not.
    Global {
        /// The module, for example `datetime`
        module: Box<str>,
        /// The name in it, for example `datetime`
        name: Box<str>,
    },
    /// What Python would make by calling something.
    Object(Box<Object>),
    /// An integer of more than 64 bits.
    Opaque,
}

/// What Python would make by calling `callable` with `arguments`, and what it would then put into it.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// Usually a [`Node::Global`].
    pub callable: Value,
    /// Usually a [`Node::Tuple`].
    pub arguments: Value,
    /// What `__setstate__` would get, for most classes the dictionary of attributes.
    pub state: Option<Value>,
    /// What would be appended or added to it.
    pub elements: Vec<Value>,
    /// What would be set in it by key.
    pub items: Vec<Pair>,
}

/// A pickle that was read. Its texts are those of the file.
#[derive(Debug, Clone)]
pub struct Pickle<'a> {
    nodes: Vec<Node<'a>>,
    root: Value,
}

impl<'a> Pickle<'a> {
    /// The value that the file holds.
    pub fn root(&self) -> Value {
        self.root
    }

    /// How many nodes there are; their numbers are below that.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The node that a value refers to.
    pub fn node(&self, value: Value) -> Option<&Node<'a>> {
        match value {
            Value::Node(NodeId(number)) => self.nodes.get(number as usize),
            _ => None,
        }
    }

    /// A text; byte strings do not count.
    pub fn text(&self, value: Value) -> Option<&str> {
        match self.node(value)? {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The values of a list or tuple, or of an object that is a kind of list.
    pub fn sequence(&self, value: Value) -> Option<&[Value]> {
        match self.node(value)? {
            Node::List(values) => Some(values),
            Node::Tuple(values) => Some(values),
            Node::Object(object) if !object.elements.is_empty() => Some(&object.elements),
            _ => None,
        }
    }

    /// The pairs of a dictionary, or of an object that is a kind of dictionary.
    pub fn pairs(&self, value: Value) -> Option<&[Pair]> {
        match self.node(value)? {
            Node::Dict(pairs) => Some(pairs),
            Node::Object(object) if !object.items.is_empty() => Some(&object.items),
            _ => None,
        }
    }

    /// The object's attributes: its state if that is a dictionary, or the first half of a state with slots.
    pub fn attributes(&self, value: Value) -> Option<&[Pair]> {
        let Node::Object(object) = self.node(value)? else { return None };
        let state = object.state?;
        match self.node(state)? {
            Node::Dict(pairs) => Some(pairs),
            Node::Tuple(halves) => self.pairs(*halves.first()?),
            _ => None,
        }
    }

    /// What stands under a text in pairs; of several the last, as in Python.
    pub fn get(&self, pairs: &[Pair], key: &str) -> Option<Value> {
        pairs.iter().rev().find(|[name, _]| self.text(*name) == Some(key)).map(|[_, value]| *value)
    }

    /// Module and name of what an object is made by.
    pub fn class(&self, value: Value) -> Option<(&str, &str)> {
        let Node::Object(object) = self.node(value)? else { return None };
        match self.node(object.callable)? {
            Node::Global { module, name } => Some((module, name)),
            _ => None,
        }
    }

    /// A `datetime.datetime`, read from its ten bytes of state. Its zone, if it has one, is ignored.
    pub fn datetime(&self, value: Value) -> Option<DateTime> {
        if self.class(value)? != ("datetime", "datetime") {
            return None;
        }
        let Node::Object(object) = self.node(value)? else { return None };
        let state = self.bytes(*self.sequence(object.arguments)?.first()?)?;
        let &[high, low, month, day, hour, minute, second, a, b, c] = state.as_slice() else { return None };
        let year = i16::from_be_bytes([high, low]);
        let nanoseconds = i32::from_be_bytes([0, a, b, c]).checked_mul(1000)?;
        // bit 7 of the month says which of two equal hours is meant when clocks are put back
        let small = |byte: u8| i8::try_from(byte).ok();
        DateTime::new(
            year,
            small(month & 0x7f)?,
            small(day)?,
            small(hour)?,
            small(minute)?,
            small(second)?,
            nanoseconds,
        )
        .ok()
    }

    /// Bytes as such, as a text of latin-1, or as protocol 2 writes them: a call of `_codecs.encode(text, "latin1")`.
    fn bytes(&self, value: Value) -> Option<Vec<u8>> {
        match self.node(value)? {
            Node::Bytes(bytes) => Some(bytes.to_vec()),
            Node::Text(text) => latin1(text),
            Node::Object(object) if self.class(value) == Some(("_codecs", "encode")) => {
                latin1(self.text(*self.sequence(object.arguments)?.first()?)?)
            }
            _ => None,
        }
    }
}

/// A text's characters as bytes, if they all are below 256, and not more than a point in time has.
fn latin1(text: &str) -> Option<Vec<u8>> {
    const MOST: usize = 64;
    (text.len() <= MOST).then(|| text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect()).flatten()
}
