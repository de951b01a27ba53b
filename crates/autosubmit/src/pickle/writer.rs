//! Writes pickles for tests, in the forms that the four generations of Autosubmit use.

/// A pickle in the making: instructions one after the other.
#[derive(Debug, Default)]
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    pub(crate) fn new(protocol: u8) -> Self {
        Self(vec![0x80, protocol])
    }

    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn text(self, text: &str) -> Self {
        let length = u32::try_from(text.len()).unwrap();
        self.raw(b"X").raw(&length.to_le_bytes()).raw(text.as_bytes())
    }

    pub(crate) fn int(self, value: i64) -> Self {
        match i32::try_from(value) {
            Ok(small) => self.raw(b"J").raw(&small.to_le_bytes()),
            Err(_) => self.raw(&[0x8a, 8]).raw(&value.to_le_bytes()),
        }
    }

    pub(crate) fn none(self) -> Self {
        self.raw(b"N")
    }

    pub(crate) fn maybe_text(self, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.text(text),
            None => self.none(),
        }
    }

    pub(crate) fn global(self, module: &str, name: &str) -> Self {
        self.raw(format!("c{module}\n{name}\n").as_bytes())
    }

    /// `datetime.datetime(year, month, day, hour, minute)` as protocol 3 and later write it.
    pub(crate) fn datetime(self, year: u16, month: u8, day: u8, hour: u8, minute: u8) -> Self {
        let [high, low] = year.to_be_bytes();
        self.global("datetime", "datetime")
            .raw(b"C\x0a")
            .raw(&[high, low, month, day, hour, minute, 0, 0, 0, 0])
            .raw(b"\x85R")
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.0.push(b'.');
        self.0
    }
}
