//! Rendering.

use super::{Field, Object};
use crate::version::Version;

/// JSON under way, in one version of the API. It is compact: pretty-printing costs slurmrestd 40 % of its bytes.
#[derive(Debug)]
pub struct Writer {
    out: Vec<u8>,
    version: Version,
    /// Only what is known is written, as in a request.
    given: bool,
    /// What was known, and has no place in this version: paths of fields.
    left_out: Vec<&'static str>,
}

impl Writer {
    /// An empty document.
    pub fn new(version: Version) -> Self {
        Self::with_capacity(version, 0)
    }

    /// An empty document that is to be a request: a field that is not known is not in it, as an empty one would say something.
    /// Words are written even if the version does not know them: whoever reads them can say so.
    pub fn of_request(version: Version) -> Self {
        Self { given: true, ..Self::new(version) }
    }

    /// An empty document with room for so many bytes.
    pub fn with_capacity(version: Version, bytes: usize) -> Self {
        Self { out: Vec::with_capacity(bytes), version, given: false, left_out: Vec::new() }
    }

    /// What has been written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    /// What has been written so far. What follows is written into `next`, from its start.
    pub fn take(&mut self, mut next: Vec<u8>) -> Vec<u8> {
        next.clear();
        std::mem::replace(&mut self.out, next)
    }

    /// How many bytes have been written.
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether nothing has been written.
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// The version of the API.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Whether it is to be a request.
    pub(super) fn is_request(&self) -> bool {
        self.given
    }

    /// What a request says that this version has no field for: the fields' paths within their objects.
    pub fn left_out(&self) -> &[&'static str] {
        &self.left_out
    }

    /// Text that is JSON already.
    pub fn raw(&mut self, json: &str) {
        self.out.extend_from_slice(json.as_bytes());
    }

    /// What another one has written.
    pub fn written(&mut self, json: &[u8]) {
        self.out.extend_from_slice(json);
    }

    /// A text.
    pub fn text(&mut self, text: &str) {
        if text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
            self.out.push(b'"');
            self.out.extend_from_slice(text.as_bytes());
            self.out.push(b'"');
        } else {
            serde_json::to_writer(&mut self.out, text).expect("invariant: a text can be written to memory");
        }
    }

    /// Anything that serde can write.
    pub fn value(&mut self, value: &impl serde::Serialize) {
        serde_json::to_writer(&mut self.out, value).expect("invariant: only text keys, to memory");
    }

    /// A list.
    pub fn list<T>(&mut self, items: impl IntoIterator<Item = T>, mut each: impl FnMut(&mut Self, T)) {
        self.out.push(b'[');
        let start = self.out.len();
        for item in items {
            if self.out.len() > start {
                self.out.push(b',');
            }
            each(self, item);
        }
        self.out.push(b']');
    }

    /// An object by its table.
    pub fn object<T: Object>(&mut self, object: &T) {
        self.object_but(object, &mut |_, _| false);
    }

    /// An object by its table, but for the fields (by their path) that `instead` has written.
    pub fn object_but<T: Object>(&mut self, object: &T, instead: &mut dyn FnMut(&str, &mut Self) -> bool) {
        if self.given {
            return self.request(object);
        }
        self.out.push(b'{');
        let mut folder = "";
        for field in T::FIELDS {
            if field.shown.has(self.version) {
                if field.folder() != folder {
                    self.change_folder(folder, field.folder());
                    folder = field.folder();
                }
                self.field(object, field, instead);
            }
        }
        self.change_folder(folder, "");
        self.out.push(b'}');
    }

    /// What is known of an object.
    fn request<T: Object>(&mut self, object: &T) {
        self.out.push(b'{');
        let mut folder = "";
        for field in T::FIELDS {
            if !field.shown.has(self.version) {
                self.leave_out(object, field);
                continue;
            }
            let before = self.out.len();
            self.change_folder(folder, field.folder());
            self.key(field.name());
            if (field.write)(object, self) {
                folder = field.folder();
            } else {
                self.out.truncate(before);
            }
        }
        self.change_folder(folder, "");
        self.out.push(b'}');
    }

    /// Notes a field that has no place here, if it says more than nothing, and is not there under another version's name.
    fn leave_out<T: Object>(&mut self, object: &T, field: &Field<T>) {
        let mut given = Self { given: true, ..Self::new(self.version) };
        let mut nothing = Self::new(self.version);
        (field.write_absent)(&mut nothing);
        let twin = |other: &&Field<T>| other.path == field.path && other.shown.has(self.version);
        let says = (field.write)(object, &mut given) && given.out != nothing.out;
        if says && !T::FIELDS.iter().any(|other| twin(&other)) && !self.left_out.contains(&field.path) {
            self.left_out.push(field.path);
        }
    }

    fn field<T: Object>(&mut self, object: &T, field: &Field<T>, instead: &mut dyn FnMut(&str, &mut Self) -> bool) {
        let before = self.out.len();
        self.key(field.name());
        if instead(field.path, self) || (field.write)(object, self) {
            return;
        }
        if field.undocumented {
            return self.out.truncate(before);
        }
        if field.nullable { self.raw("null") } else { (field.write_absent)(self) }
    }

    /// A key within an object, with its colon and, if it is not the first, its comma.
    pub fn key(&mut self, key: &str) {
        if self.out.last().is_some_and(|last| *last != b'{') {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    /// Closes and opens anonymous objects.
    fn change_folder(&mut self, from: &str, to: &str) {
        let parts = |folder: &'_ str| folder.split('/').filter(|part| !part.is_empty()).count();
        let same = from.split('/').zip(to.split('/')).take_while(|(a, b)| a == b && !a.is_empty()).count();
        for _ in same..parts(from) {
            self.out.push(b'}');
        }
        for part in to.split('/').filter(|part| !part.is_empty()).skip(same) {
            self.key(part);
            self.out.push(b'{');
        }
    }
}
