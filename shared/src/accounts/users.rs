//! Users: who owns surveys.

use crate::{
    Error, Result,
    db::Db,
    error::{Code, OnConstraint},
    values::{Cursor, Line, UserId, Window, page::Item, text::text},
};
use serde::{Deserialize, Deserializer, Serialize, de};
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};
use uuid::Uuid;

/// A user's name: one line of 1 to 80 visible characters and spaces, unique without regard to case and to the
/// compatibility forms of Unicode (NFKC): of two names that look the same, one is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Username(Line<80>);

impl Username {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl<'de> Deserialize<'de> for Username {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Line::deserialize(deserializer)?;
        match name.as_str().chars().find(|c| *c != ' ' && !is_visible(*c)) {
            Some(c) => Err(de::Error::custom(format_args!(
                "must not have the invisible character U+{:04X}",
                u32::from(c)
            ))),
            None => Ok(Self(name)),
        }
    }
}

/// Whether a character can be seen: no space, no line break, no mark that only directs how others are written.
fn is_visible(c: char) -> bool {
    use GeneralCategory::{Control, Format, LineSeparator, ParagraphSeparator, SpaceSeparator, Unassigned};
    !matches!(
        c.general_category(),
        Control | Format | LineSeparator | ParagraphSeparator | SpaceSeparator | Unassigned
    ) && !is_drawn_as_nothing(c)
}

/// The letters and marks that Unicode calls default-ignorable (DerivedCoreProperties.txt; their other categories are refused
/// as such), and the blank pattern of Braille.
fn is_drawn_as_nothing(c: char) -> bool {
    matches!(
        c,
        '\u{34f}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{ffa0}'
            | '\u{e0100}'..='\u{e01ef}'
    )
}

/// An e-mail address of at most 254 bytes (RFC 5321, section 4.5.3.1.3), unique without regard to case. Checked for the
/// shape `local@domain.tld` only: whether it receives mail, only mail can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    fn parse(text: &str) -> Option<Self> {
        let (local, domain) = text.rsplit_once('@')?;
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.chars().all(|c| c.is_alphanumeric() || c == '-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let good = text.len() <= 254
            && (1..=64).contains(&local.len())
            && !local.contains(|c: char| c == '@' || c.is_whitespace() || c.is_control())
            && domain.contains('.')
            && domain.split('.').all(label);
        good.then(|| Self(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Email {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(text(deserializer)?.trim()).ok_or_else(|| {
            de::Error::custom("must be an e-mail address like ada@example.com, of at most 254 bytes")
        })
    }
}

/// A user as `/users` shows one: never the hash, never the address.
#[derive(Debug, Serialize)]
pub struct User {
    id: UserId,
    username: String,
}

impl Item for User {
    fn id(&self) -> Uuid {
        self.id.0
    }
    fn bytes(&self) -> usize {
        self.username.len() + 60
    }
}

/// Add a user; 409 where the name or the address is taken.
pub async fn insert(db: &mut Db, username: &Username, email: &Email, password_hash: &str) -> Result<UserId> {
    let id = UserId::new();
    db.write(
        "-- users::insert
        INSERT INTO users (id, username, email, password_hash) VALUES ($1, $2, $3, $4)",
        &[&id, &username.as_str(), &email.0, &password_hash],
    )
    .await
    .on_constraint("users_username_nfkc_key", || username_taken(username))
    .on_constraint("users_username_key", || username_taken(username))
    .on_constraint("users_email_key", || {
        Error::Conflict(Code::EmailTaken, format!("User with email {} already exists", email.0).into())
    })?;
    Ok(id)
}

fn username_taken(username: &Username) -> Error {
    Error::Conflict(Code::UsernameTaken, format!("User {} already exists", username.as_str()).into())
}

/// What login needs to know of a user.
pub struct Credentials {
    /// The user's id.
    pub id: UserId,
    /// The name as it was registered.
    pub username: String,
    /// The hash of the password.
    pub password_hash: String,
}

/// The user of that name, without regard to case and to compatibility forms.
pub async fn credentials(db: &mut Db, username: &Line<80>) -> Result<Option<Credentials>> {
    let row = db
        .row_opt(
            "-- users::credentials
            SELECT id, username, password_hash FROM users
            WHERE lower(normalize(username, NFKC)) = lower(normalize($1, NFKC))",
            &[&username.as_str()],
        )
        .await?;
    row.map(|row| {
        Ok(Credentials {
            id: row.try_get("id")?,
            username: row.try_get("username")?,
            password_hash: row.try_get("password_hash")?,
        })
    })
    .transpose()
}

/// Store a stronger hash, unless the password was changed meanwhile.
pub async fn strengthen(db: &mut Db, user: &Credentials, hash: &str) -> Result<()> {
    db.write(
        "-- users::strengthen
        UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2",
        &[&user.id, &user.password_hash, &hash],
    )
    .await?;
    Ok(())
}

/// The body of a list of users.
#[derive(Debug, Serialize)]
pub struct UserList {
    users: Vec<User>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Cursor>,
}

/// All users, in the order they registered.
pub async fn list(db: &mut Db, window: Window) -> Result<UserList> {
    let rows = db
        .rows(
            "-- users::list
            SELECT id, username FROM users WHERE id > $1 ORDER BY id LIMIT $2",
            &[&window.after(), &window.fetch()],
        )
        .await?;
    let users =
        rows.iter().map(|row| Ok(User { id: row.try_get("id")?, username: row.try_get("username")? }));
    let page = window.page(users.collect::<Result<_>>()?);
    Ok(UserList { users: page.items, next: page.next })
}

/// Delete every user, with all that is theirs; answers how many there were.
pub async fn delete_all(db: &mut Db) -> Result<i64> {
    let row = db
        .write_row(
            "-- users::delete_all
            WITH gone AS (DELETE FROM users RETURNING id) SELECT count(*) AS users FROM gone",
            &[],
        )
        .await?;
    Ok(row.try_get("users")?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_address_has_one_at_sign_and_a_dotted_domain() {
        for good in
            ["ada@example.com", "a.b+c@x-y.example.org", "%C5%BB@example.com", "ż@żółw.pl", "one,two@a.b"]
        {
            assert!(Email::parse(good).is_some(), "{good}");
        }
        for bad in [
            "not-an-email",
            "@example.com",
            "ada@",
            "ada@localhost",
            "a@b@example.com",
            "a b@example.com",
            "ada@.com",
            "ada@example.",
            "ada@-x.com",
            "ada@exa mple.com",
            "ada@example.com\n",
        ] {
            assert!(Email::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn an_address_has_at_most_254_bytes() {
        let domain = format!("{}.com", vec!["d".repeat(60); 3].join("."));
        assert!(Email::parse(&format!("{}@{domain}", "l".repeat(64))).is_some());
        assert!(Email::parse(&format!("{}@{domain}.{domain}", "l".repeat(64))).is_none());
    }

    proptest! {
        #[test]
        fn whatever_is_taken_for_an_address_fits_the_database(text in "\\PC{0,20}@\\PC{0,200}") {
            if let Some(Email(email)) = Email::parse(&text) {
                prop_assert!((3..=254).contains(&email.len()));
                prop_assert!(!email.contains(char::is_control));
                prop_assert_eq!(email.matches('@').count(), 1);
            }
        }
    }
}
