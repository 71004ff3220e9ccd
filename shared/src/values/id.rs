//! Ids: UUIDs, each of its own type, so that two can't be swapped.

use serde::{Deserialize, Deserializer, Serialize, de};
use std::fmt;
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new one: a UUID of version 7, so that ordering by id is ordering by creation.
            #[must_use]
            #[expect(clippy::new_without_default, reason = "each is another")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                uuid(deserializer).map(Self)
            }
        }
    )*};
}

ids! {
    /// The id of a user.
    UserId;
    /// The id of a survey.
    SurveyId;
    /// The id of a question.
    QuestionId;
    /// The id of a response, which the client may choose.
    ResponseId;
    /// The id of a token: its claim `jti`.
    TokenId;
}

fn uuid<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Uuid, D::Error> {
    let text = super::text::text(deserializer)?;
    text.trim().parse().map_err(|_| de::Error::custom("must be an id (a UUID)"))
}
