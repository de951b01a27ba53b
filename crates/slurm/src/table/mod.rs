//! One table per object: the name of each field, its kind, and since and until which version of the API it exists. Rendering,
//! lenient reading and the OpenAPI document all come from it.
//!
//! A field's value is an `Option`: `None` is rendered as Slurm renders what it does not know, and says of a request that the
//! field was not in it.

mod kind;
mod loose;
mod number;
mod read;
mod schema;
mod word;
mod write;

pub use kind::Kind;
pub use loose::{Csv, EmptyObject, Number, Raw, RawObject};
pub use number::{Num, Time};
pub use read::{Problem, Reader, Warning};
pub use schema::Schemas;
pub(crate) use schema::sentence;
pub(crate) use word::vocabulary;
pub use word::{Flags, Vocabulary, Word, WordOf};
pub use write::Writer;

use serde_json::Value;

use crate::version::Version;

/// An object of the API.
pub trait Object: Default + Clone + std::fmt::Debug + 'static {
    /// The name of its schema, without the version.
    const NAME: &'static str;
    /// Its table.
    const FIELDS: &'static [Field<Self>];

    /// Takes over the fields that a request gives; the others stay as they are.
    fn take_given(&mut self, given: &Self);
}

/// Some versions of the API.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    since: u8,
    until: u8,
}

impl Span {
    const ALL: Self = Self { since: 0, until: u8::MAX };
    const NONE: Self = Self { since: 1, until: 0 };

    pub(crate) fn has(self, version: Version) -> bool {
        (self.since..=self.until).contains(&version.number())
    }
}

/// One row of a table.
pub struct Field<T: 'static> {
    /// Where it is, with `/` between an anonymous object and what is in it.
    pub(crate) path: &'static str,
    /// So much of the path is the anonymous object's.
    pub(crate) folder: usize,
    pub(crate) shown: Span,
    pub(crate) required: Span,
    pub(crate) deprecated: Span,
    pub(crate) undescribed: Span,
    /// Its place among those that are required: Slurm lists some of them in another order.
    pub(crate) rank: u8,
    /// The name of the schema of its list or map.
    pub(crate) named: Option<&'static str>,
    /// An unknown one is `null`.
    pub(crate) nullable: bool,
    /// Real servers show it now and then, and their document does not know it.
    pub(crate) undocumented: bool,
    pub(crate) write: fn(&T, &mut Writer) -> bool,
    pub(crate) write_absent: fn(&mut Writer),
    pub(crate) read: fn(&mut T, Value, &mut Reader<'_>),
    pub(crate) schema: fn(&mut Schemas) -> Value,
    pub(crate) parameter: fn(Version) -> Value,
    /// As a parameter of a URL it may come without a value.
    pub(crate) empty_allowed: bool,
}

impl<T: 'static> std::fmt::Debug for Field<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.path)
    }
}

impl<T: 'static> Field<T> {
    #[doc(hidden)]
    pub const fn new<K: Kind>(
        path: &'static str,
        write: fn(&T, &mut Writer) -> bool,
        read: fn(&mut T, Value, &mut Reader<'_>),
    ) -> Self {
        Self {
            path,
            folder: folder(path),
            shown: Span::ALL,
            required: Span::NONE,
            deprecated: Span::NONE,
            undescribed: Span::NONE,
            rank: 0,
            named: None,
            nullable: false,
            undocumented: false,
            write,
            write_absent: K::write_absent,
            read,
            schema: K::schema,
            parameter: K::parameter,
            empty_allowed: K::EMPTY_ALLOWED,
        }
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

    #[doc(hidden)]
    #[must_use]
    pub const fn required(mut self, since: u8, until: u8) -> Self {
        self.required = Span { since, until };
        self
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn deprecated(mut self, since: u8, until: u8) -> Self {
        self.deprecated = Span { since, until };
        self
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn undescribed(mut self, since: u8, until: u8) -> Self {
        self.undescribed = Span { since, until };
        self
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn rank(mut self, rank: u8) -> Self {
        self.rank = rank;
        self
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn named(mut self, name: &'static str) -> Self {
        self.named = Some(name);
        self
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn nullable(mut self) -> Self {
        self.nullable = true;
        self
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn undocumented(mut self) -> Self {
        self.undocumented = true;
        self
    }

    /// The anonymous object that it is in; empty: none.
    pub(crate) fn folder(&self) -> &'static str {
        &self.path[..self.folder]
    }

    /// Its own name.
    pub(crate) fn name(&self) -> &'static str {
        if self.folder == 0 { self.path } else { &self.path[self.folder + 1..] }
    }
}

const fn folder(path: &str) -> usize {
    let bytes = path.as_bytes();
    let mut at = bytes.len();
    while at > 0 {
        at -= 1;
        if bytes[at] == b'/' {
            return at;
        }
    }
    0
}

/// Turns a table into a type. A row is `name: Kind;`, with `= "path"` where the API's name is another one, and `=> ...` for
/// the versions in which it exists (`since(43) until(44)`), is required or deprecated, and the name of its list's schema.
macro_rules! object {
    ($($(#[$meta:meta])* $type:ident = $name:literal {
        $($field:ident : $kind:ty $(= $path:literal)? $(=> $($how:ident($($what:literal),*))+)?;)*
    })*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct $type {
            $(#[doc = concat!("`", object!(@path $field $($path)?), "`")] pub $field: Option<$kind>,)*
        }

        impl $crate::table::Object for $type {
            const NAME: &'static str = $name;
            const FIELDS: &'static [$crate::table::Field<Self>] = &[$(
                object!(@row [$crate::table::Field::new::<$kind>(
                    object!(@path $field $($path)?),
                    |object: &Self, out| match &object.$field {
                        Some(value) => { $crate::table::Kind::write(value, out); true }
                        None => false,
                    },
                    |object: &mut Self, value, at| object.$field = <$kind as $crate::table::Kind>::read(value, at),
                )] $($($how($($what),*))+)?),
            )*];

            fn take_given(&mut self, given: &Self) {
                let _ = given;
                $(if given.$field.as_ref().is_some_and($crate::table::Kind::is_given) {
                    self.$field.clone_from(&given.$field);
                })*
            }
        }
    )*};
    (@path $field:ident) => { stringify!($field) };
    (@path $field:ident $path:literal) => { $path };
    (@row [$row:expr] $($how:ident($($what:literal),*))*) => { $row$(.$how($($what),*))* };
}
pub(crate) use object;

#[cfg(test)]
mod tests;
