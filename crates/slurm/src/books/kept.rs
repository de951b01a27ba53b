//! What is kept: entries that are marked when they are removed, and are complete.

use jiff::tz::TimeZone;

use crate::objects::{Account, Association, Cluster, Qos, User, WcKey};
use crate::table::{Flags, Object, Reader, Writer};
use crate::version::Version;

const DELETED: &str = "DELETED";

/// An entry of the books.
pub(super) trait Kept {
    /// Whether it was removed.
    fn is_deleted(&self) -> bool;
    /// Marks it as removed, or as there again.
    fn set_deleted(&mut self, deleted: bool);
}

macro_rules! kept {
    ($($type:ty),*) => {$(
        impl Kept for $type {
            fn is_deleted(&self) -> bool {
                self.flags.as_ref().is_some_and(|flags| flags.has(DELETED))
            }

            fn set_deleted(&mut self, deleted: bool) {
                mark(&mut self.flags, deleted);
            }
        }
    )*};
}

kept!(Account, Association, Cluster, Qos, User, WcKey);

fn mark<V>(flags: &mut Option<Flags<V>>, deleted: bool) {
    let others: Vec<String> =
        flags.iter().flat_map(Flags::iter).filter(|flag| *flag != DELETED).map(str::to_owned).collect();
    let mark = deleted.then(|| DELETED.to_owned());
    *flags = Some(Flags::of(mark.into_iter().chain(others)));
}

/// The object with all of its fields, as the newest version shows it: what is not said has the value that is shown for it. So
/// what is kept is what is read again from where it was written.
pub(super) fn complete<T: Object>(object: &T) -> T {
    let mut out = Writer::new(Version::V45);
    out.object(object);
    let value = serde_json::from_slice(&out.into_bytes()).expect("invariant: what is rendered is JSON");
    Reader::new(Version::V45, 0, &TimeZone::UTC).object(value)
}
