//! Keyset pagination: a page starts after the last id of the one before, so nothing is skipped or repeated while rows
//! come and go.

use super::text::{Whole, text};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use uuid::Uuid;

/// Rows on one page: 1 to 1,000, and 100 where the client doesn't say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(usize);

impl Limit {
    pub(crate) fn get(self) -> usize {
        self.0
    }

    /// The number of rows, for SQL.
    pub(crate) fn rows(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(100)
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let rows = Whole::<1, 1000>::deserialize(deserializer)?.get();
        usize::try_from(rows).map(Self).map_err(D::Error::custom)
    }
}

/// Where the next page starts; opaque to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor(pub Uuid);

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BASE64_URL_SAFE_NO_PAD
            .decode(text(deserializer)?)
            .ok()
            .and_then(|bytes| Uuid::from_slice(&bytes).ok())
            .map(Self)
            .ok_or_else(|| D::Error::custom("must be the `next` of an earlier answer"))
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// Which rows of a list to answer with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Window {
    limit: Limit,
    after: Option<Cursor>,
}

impl Window {
    /// `limit` rows, 100 unless given, after those that the cursor ends.
    #[must_use]
    pub fn new(limit: Option<Limit>, after: Option<Cursor>) -> Self {
        Self { limit: limit.unwrap_or_default(), after }
    }

    /// Whether it is the beginning of the list.
    pub(crate) fn is_first(self) -> bool {
        self.after.is_none()
    }

    /// For SQL: rows with a greater id, all of them from the nil UUID.
    pub(crate) fn after(self) -> Uuid {
        self.after.map_or(Uuid::nil(), |cursor| cursor.0)
    }

    /// For SQL: one row more than the page, which tells whether there is another page.
    pub(crate) fn fetch(self) -> i64 {
        self.limit.rows().saturating_add(1)
    }

    /// The page in what was fetched: as many rows as were asked for, or fewer where their texts would not fit into one
    /// answer. There is always at least one.
    pub(crate) fn page<T: Item>(self, mut items: Vec<T>) -> Page<T> {
        let mut bytes = 0;
        let fit = items.iter().take_while(|item| {
            bytes += item.bytes();
            bytes <= MAX_BYTES
        });
        let length = fit.count().max(1).min(self.limit.0);
        let more = items.len() > length;
        items.truncate(length);
        let next = items.last().filter(|_| more).map(|last| Cursor(last.id()));
        Page { items, next }
    }
}

/// Bytes of text on a page. A Lambda function answers with at most 6 MB, in which the body is a text once more: a quote
/// needs four bytes.
const MAX_BYTES: usize = 5 * 1024 * 1024 / 4;

/// A row of a list.
pub(crate) trait Item {
    /// What the list is ordered by.
    fn id(&self) -> Uuid;
    /// Bytes of its texts, more or less.
    fn bytes(&self) -> usize;
}

/// Some rows of a list, and where the next ones start if there are any.
#[derive(Debug)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// The `after` of the next page.
    pub next: Option<Cursor>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    struct Row(u128, usize);

    impl Item for Row {
        fn id(&self) -> Uuid {
            Uuid::from_u128(self.0)
        }
        fn bytes(&self) -> usize {
            self.1
        }
    }

    #[test]
    fn a_page_of_large_rows_is_shorter_and_says_where_to_go_on() {
        let page = Window::default().page(vec![Row(1, MAX_BYTES), Row(2, 1), Row(3, 1)]);
        assert_eq!((page.items.len(), page.next), (1, Some(Cursor(Uuid::from_u128(1)))));
        let page = Window::default().page(vec![Row(1, MAX_BYTES + 1)]);
        assert_eq!((page.items.len(), page.next), (1, None));
    }

    proptest! {
        #[test]
        fn a_cursor_survives_the_client(id in any::<u128>()) {
            let cursor = Cursor(Uuid::from_u128(id));
            prop_assert_eq!(serde_json::from_value::<Cursor>(json!(cursor)).unwrap(), cursor);
        }

        #[test]
        fn a_forged_cursor_is_a_place_or_refused(bytes in proptest::collection::vec(any::<u8>(), 14..19), junk in "[^A-Za-z0-9_-]{1,22}") {
            let forged = serde_json::from_value::<Cursor>(json!(BASE64_URL_SAFE_NO_PAD.encode(&bytes)));
            prop_assert_eq!(forged.ok().map(|cursor| cursor.0.into_bytes().to_vec()), (bytes.len() == 16).then_some(bytes));
            prop_assert!(serde_json::from_value::<Cursor>(json!(junk)).is_err());
        }
    }
}
