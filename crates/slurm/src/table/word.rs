//! Words from open vocabularies: states, flags, reasons.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde_json::{Value, json};

use super::{Kind, Reader, Schemas, Span, Writer};
use crate::errno::Errno;
use crate::version::Version;

/// A vocabulary that the API's document enumerates. Words that are not in it survive.
pub trait Vocabulary: 'static {
    /// The name of its schema, without the version; in most versions it has none.
    const NAME: &'static str;
    /// Its words in the document's order.
    const WORDS: &'static [Word];
}

/// One word of a vocabulary.
#[derive(Debug, Clone, Copy)]
pub struct Word {
    /// As it is written.
    pub text: &'static str,
    pub(crate) shown: Span,
}

impl Word {
    #[doc(hidden)]
    pub const fn new(text: &'static str) -> Self {
        Self { text, shown: Span::ALL }
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn since(mut self, version: u8) -> Self {
        self.shown.since = version;
        self
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn until(mut self, version: u8) -> Self {
        self.shown.until = version;
        self
    }
}

/// The words of `V` in a version, in the document's order.
pub(crate) fn words<V: Vocabulary>(version: Version) -> impl Iterator<Item = &'static str> {
    V::WORDS.iter().filter(move |word| word.shown.has(version)).map(|word| word.text)
}

/// The word of `V` with this text, whatever the case of its letters.
pub(crate) fn find<V: Vocabulary>(text: &str) -> Option<&'static str> {
    V::WORDS.iter().map(|word| word.text).find(|word| word.eq_ignore_ascii_case(text))
}

/// Whether a client of this version can know the word. Words of later versions only are kept from it: generated clients
/// refuse what their document does not enumerate. Words that we do not know either are shown.
pub(crate) fn speaks<V: Vocabulary>(version: Version, text: &str) -> bool {
    let mut known = V::WORDS.iter().filter(|word| word.text == text).peekable();
    known.peek().is_none() || known.any(|word| word.shown.has(version))
}

macro_rules! for_words {
    ($type:ident, $inner:ty) => {
        impl<V> fmt::Debug for $type<V> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl<V> Clone for $type<V> {
            fn clone(&self) -> Self {
                Self(self.0.clone(), PhantomData)
            }
        }

        impl<V> PartialEq for $type<V> {
            fn eq(&self, other: &Self) -> bool {
                self.0 == other.0
            }
        }
    };
}

/// Words of a vocabulary: states, flags.
pub struct Flags<V>(Vec<Cow<'static, str>>, PhantomData<fn() -> V>);
for_words!(Flags, Vec<Cow<'static, str>>);

impl<V> Default for Flags<V> {
    fn default() -> Self {
        Self(Vec::new(), PhantomData)
    }
}

impl<V> Flags<V> {
    /// These words.
    pub fn of(words: impl IntoIterator<Item = impl Into<Cow<'static, str>>>) -> Self {
        Self(words.into_iter().map(Into::into).collect(), PhantomData)
    }

    /// Whether this word is among them.
    pub fn has(&self, word: &str) -> bool {
        self.0.iter().any(|one| one == word)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// One word of a vocabulary.
pub struct WordOf<V>(Cow<'static, str>, PhantomData<fn() -> V>);
for_words!(WordOf, Cow<'static, str>);

impl<V> WordOf<V> {
    /// This word.
    pub fn new(word: impl Into<Cow<'static, str>>) -> Self {
        Self(word.into(), PhantomData)
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<V: Vocabulary> Kind for Flags<V> {
    fn write(&self, out: &mut Writer) {
        let version = out.version();
        let all = out.is_request();
        out.list(self.iter().filter(|word| all || speaks::<V>(version, word)), Writer::text);
    }

    fn write_absent(out: &mut Writer) {
        out.raw("[]");
    }

    fn read(value: Value, at: &mut Reader<'_>) -> Option<Self> {
        let items = match value {
            Value::Null => return Some(Self::default()),
            Value::Array(items) => items,
            Value::String(text) => text.split(',').filter(|part| !part.trim().is_empty()).map(Value::from).collect(),
            other => {
                at.mismatch("array (Slurm type=list)", &other);
                return None;
            }
        };
        let mut flags: Vec<Cow<'static, str>> = Vec::with_capacity(items.len());
        let mut are_known = true;
        for (index, item) in items.into_iter().enumerate() {
            let text = match &item {
                Value::String(text) => text.trim().to_owned(),
                other => other.to_string(),
            };
            if let Some(word) = find::<V>(&text) {
                flags.push(word.into());
            } else {
                at.item(index, |at| at.problem(Errno::DATA_INVALID_FLAG, format!("Unknown flag \"{text}\"")));
                are_known = false;
            }
        }
        if !are_known && at.version() == Version::V40 && !at.is_query() {
            at.problem(Errno::DATA_INVALID_FLAG, "Parsing flags failed");
        }
        Some(Self::of(flags))
    }

    fn schema(all: &mut Schemas) -> Value {
        let list: Vec<&str> = words::<V>(all.version()).collect();
        all.words(V::NAME, &list)
    }

    fn parameter(version: Version) -> Value {
        json!({ "type": "string", "enum": words::<V>(version).collect::<Vec<_>>() })
    }
}

impl<V: Vocabulary> Kind for WordOf<V> {
    fn write(&self, out: &mut Writer) {
        out.text(self.as_str());
    }

    fn write_absent(out: &mut Writer) {
        out.raw("\"\"");
    }

    fn read(value: Value, at: &mut Reader<'_>) -> Option<Self> {
        // an empty one is how an unknown one is shown
        let text = String::read(value, at).filter(|text| !text.is_empty())?;
        let word = find::<V>(&text);
        if word.is_none() {
            at.problem(Errno::DATA_INVALID_FLAG, format!("Unknown flag \"{text}\""));
        }
        word.map(Self::new)
    }

    fn schema(all: &mut Schemas) -> Value {
        json!({ "type": "string", "enum": words::<V>(all.version()).collect::<Vec<_>>() })
    }
}

/// Makes vocabularies: a word is its text, with `=> since(45)` or `until(42)` where not all versions have it.
macro_rules! vocabulary {
    ($($(#[$meta:meta])* $type:ident = $name:literal { $($word:literal $(=> $($how:ident($what:literal))+)?;)* })*) => {$(
        $(#[$meta])*
        #[derive(Debug)]
        pub enum $type {}

        impl $crate::table::Vocabulary for $type {
            const NAME: &'static str = $name;
            const WORDS: &'static [$crate::table::Word] =
                &[$($crate::table::Word::new($word)$($(.$how($what))+)?,)*];
        }
    )*};
}
pub(crate) use vocabulary;
