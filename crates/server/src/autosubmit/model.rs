//! Wire types that several routes share.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

/// A view as `/v3` tells it: with whether something went wrong.
#[derive(Debug, Serialize)]
pub(super) struct Told<T> {
    #[serde(flatten)]
    view: T,
    error: bool,
    error_message: String,
}

impl<T> Told<T> {
    /// Nothing went wrong.
    pub(super) fn well(view: T) -> Self {
        Self { view, error: false, error_message: String::new() }
    }

    /// Something did.
    pub(super) fn badly(view: T, message: impl Into<String>) -> Self {
        Self { view, error: true, error_message: message.into() }
    }
}

/// The same with the time that a tree or graph is of.
#[derive(Debug, Serialize)]
pub(super) struct Dated<T> {
    #[serde(flatten)]
    pub(super) told: Told<T>,
    pub(super) pkl_timestamp: i64,
}

/// An object of one field.
#[derive(Debug)]
pub(super) struct One<T>(pub(super) &'static str, pub(super) T);

impl<T: Serialize> Serialize for One<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(self.0, &self.1)?;
        map.end()
    }
}

/// A line of a log.
#[derive(Debug, Serialize)]
pub(super) struct LogLine {
    index: usize,
    content: String,
}

/// Lines with their numbers.
pub(super) fn numbered(lines: Vec<String>) -> Vec<LogLine> {
    lines.into_iter().enumerate().map(|(index, content)| LogLine { index, content }).collect()
}

/// A part of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Pagination {
    page: i64,
    page_size: Option<i64>,
    total_pages: i64,
    page_items: usize,
    total_items: usize,
}

impl Pagination {
    /// All on one page.
    pub(super) fn whole(page: i64, total: usize) -> Self {
        Self { page, page_size: None, total_pages: 1, page_items: total, total_items: total }
    }

    /// A page of `size`, which is positive, with the range of its items. `least`: so many pages there are at least.
    pub(super) fn of(page: i64, size: i64, total: usize, least: i64) -> (Self, std::ops::Range<usize>) {
        let all = i64::try_from(total).unwrap_or(i64::MAX);
        let first = page.saturating_sub(1).saturating_mul(size).min(all);
        let end = first.saturating_add(size).min(all);
        let range = usize::try_from(first).unwrap_or(total)..usize::try_from(end).unwrap_or(total);
        let total_pages = (all / size + i64::from(all % size != 0)).max(least);
        let page_items = range.len();
        (Self { page, page_size: Some(size), total_pages, page_items, total_items: total }, range)
    }
}

/// What a tree that cannot be shown looks like.
pub(super) fn no_tree() -> Value {
    json!({"tree": [], "jobs": [], "total": 0, "reference": []})
}

#[cfg(test)]
mod tests {
    use super::Pagination;

    #[test]
    fn pages() {
        let page = |page, size, total, least| {
            let (pagination, range) = Pagination::of(page, size, total, least);
            (pagination.total_pages, pagination.page_items, range)
        };
        assert_eq!(page(1, 3, 7, 0), (3, 3, 0..3));
        assert_eq!(page(3, 3, 7, 0), (3, 1, 6..7));
        assert_eq!(page(99, 3, 7, 0), (3, 0, 7..7));
        assert_eq!(page(1, 12, 0, 0), (0, 0, 0..0));
        assert_eq!(page(1, 12, 0, 1), (1, 0, 0..0));
        assert_eq!(page(i64::MAX, i64::MAX, 5, 0), (1, 0, 5..5));
    }
}
