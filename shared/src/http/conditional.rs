//! Entity tags, and the requests that depend on them (RFC 9110, sections 8.8.3 and 13.1).

use super::{Request, Response, bare};
use crate::{Error, Result};
use lambda_http::http::{HeaderMap, HeaderValue, StatusCode, header};
use std::fmt::Display;

/// A response with this entity tag, which is another whenever the answer is. It may have no quotation mark in it.
#[must_use]
pub fn tagged(mut response: Response, tag: impl Display) -> Response {
    set(response.headers_mut(), &format!("\"{tag}\""));
    response
}

/// The same for a response that a client may keep, if it asks each time whether it is still good.
#[must_use]
pub fn revalidated(response: Response, tag: impl Display) -> Response {
    keep(tagged(response, tag))
}

fn keep(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    // Whoever logs out, or is somebody else, is shown something else.
    headers.insert(header::VARY, HeaderValue::from_static("authorization"));
    response
}

/// The same for a response whose bytes may differ while it is the same answer.
pub(super) fn weakly_tagged(mut response: Response, tag: impl Display) -> Response {
    set(response.headers_mut(), &format!("W/\"{tag}\""));
    response
}

/// 304, for a client that has the answer with this tag. The tag is weak, which says that what the client has may be
/// compressed or not.
#[must_use]
pub fn not_modified(tag: impl Display) -> Response {
    let mut response = keep(weakly_tagged(bare(StatusCode::NOT_MODIFIED), tag));
    // As the answer itself.
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("authorization, accept-encoding"));
    response
}

/// Say of a response that its bytes are not always the same.
pub(super) fn weaken(headers: &mut HeaderMap) {
    let tag = headers.get(header::ETAG).and_then(|tag| tag.to_str().ok());
    if let Some(tag) = tag.filter(|tag| tag.starts_with('"')).map(|tag| format!("W/{tag}")) {
        set(headers, &tag);
    }
}

fn set(headers: &mut HeaderMap, tag: &str) {
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(header::ETAG, tag);
    }
}

/// The version that an edit depends on: what `If-Match` says, or none.
///
/// A weak tag is as good as a strong one, against section 13.1.1: ours are weak where the answer was compressed, and what
/// is edited is the same in every form.
pub fn if_match(request: &Request) -> Result<Option<i32>> {
    let Some(value) = request.headers().get(header::IF_MATCH) else { return Ok(None) };
    let tag = value.to_str().unwrap_or_default().trim();
    if tag == "*" {
        return Ok(None);
    }
    let tag = tag.strip_prefix("W/").unwrap_or(tag);
    let version =
        tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).and_then(|tag| tag.parse().ok());
    // A tag that we never gave matches nothing.
    version.map(Some).ok_or(Error::Stale)
}

/// What a client has already, and needs to be sent only if that is not the present answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Known {
    /// Nothing.
    #[default]
    Nothing,
    /// Whatever there is (`*`).
    Anything,
    /// The answers with these tags.
    Tags(Vec<String>),
}

impl Known {
    /// Whether the answer with this tag is among it.
    #[must_use]
    pub fn has(&self, tag: impl Display) -> bool {
        match self {
            Self::Nothing => false,
            Self::Anything => true,
            Self::Tags(tags) => tags.contains(&tag.to_string()),
        }
    }
}

/// What the client has already: what `If-None-Match` says. Tags are compared weakly, as section 13.1.2 wants it. A header that
/// is malformed is as none: the client gets what it has once more.
#[must_use]
pub fn if_none_match(request: &Request) -> Known {
    let lines = request.headers().get_all(header::IF_NONE_MATCH).iter();
    // Several lines are one list (section 5.3).
    let list = lines.map(|line| String::from_utf8_lossy(line.as_bytes())).collect::<Vec<_>>().join(",");
    if list.trim() == "*" {
        return Known::Anything;
    }
    tags(&list).filter(|tags| !tags.is_empty()).map_or(Known::Nothing, Known::Tags)
}

/// The tags of a list, without their quotation marks. A tag may have a comma in it, and a list empty members.
fn tags(list: &str) -> Option<Vec<String>> {
    let between = [' ', '\t', ','];
    let mut rest = list.trim_matches(between);
    let mut tags = Vec::new();
    while !rest.is_empty() {
        let (tag, after) = rest.strip_prefix("W/").unwrap_or(rest).strip_prefix('"')?.split_once('"')?;
        tags.push(tag.to_owned());
        rest = after.trim_start_matches(between);
        if !rest.is_empty() && !after.trim_start().starts_with(',') {
            return None;
        }
    }
    Some(tags)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::ok;
    use lambda_http::{Body, http};
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn request(name: &str, lines: &[&[u8]]) -> Request {
        let builder = lines.iter().fold(http::Request::get("/"), |builder, line| builder.header(name, *line));
        builder.body(Body::Empty).unwrap()
    }

    fn known(lines: &[&str]) -> Known {
        let lines: Vec<_> = lines.iter().map(|line| line.as_bytes()).collect();
        if_none_match(&request("if-none-match", &lines))
    }

    #[test]
    fn a_client_is_told_when_it_has_the_answer() {
        let tags = |tags: &[&str]| Known::Tags(tags.iter().map(|tag| (*tag).to_owned()).collect());
        for (lines, expected) in [
            (&[r#""7""#][..], tags(&["7"])),
            (&[r#"W/"7""#], tags(&["7"])),
            (&[r#""6","7" , W/"7-1234""#], tags(&["6", "7", "7-1234"])),
            (&[r#"  ,, "7",	, "#], tags(&["7"])),
            (&[r#""6""#, r#"W/"7""#], tags(&["6", "7"])),
            (&[r#""", "a,b""#], tags(&["", "a,b"])),
            (&["*"], Known::Anything),
            (&[" * "], Known::Anything),
            (&[], Known::Nothing),
            (&[""], Known::Nothing),
            (&[" , "], Known::Nothing),
            // Malformed.
            (&["7"], Known::Nothing),
            (&[r#"w/"7""#], Known::Nothing),
            (&[r#""7"#], Known::Nothing),
            (&[r#""7" "8""#], Known::Nothing),
            (&[r#""7"8"#], Known::Nothing),
            (&[r#""a,"7","b""#], Known::Nothing),
            (&[r#"*, "7""#], Known::Nothing),
            (&[r#""7", *"#], Known::Nothing),
        ] {
            assert_eq!(known(lines), expected, "{lines:?}");
        }
        assert!(tags(&["6", "7-1234"]).has("7-1234") && tags(&["7"]).has(7) && Known::Anything.has(7));
        assert!(!tags(&["7-1234"]).has(7) && !tags(&["7"]).has("7-1234") && !Known::Nothing.has(7));
    }

    #[test]
    fn what_was_sent_comes_back_as_known_compressed_or_not() {
        let mut response = tagged(ok(&"pets").unwrap(), "7-1234");
        assert_eq!(response.headers()["etag"], r#""7-1234""#);
        for expected in [r#""7-1234""#, r#"W/"7-1234""#, r#"W/"7-1234""#] {
            assert_eq!(response.headers()["etag"], expected);
            assert!(known(&[expected]).has("7-1234"));
            weaken(response.headers_mut());
        }
        let unchanged = not_modified("7-1234");
        assert_eq!((unchanged.status().as_u16(), unchanged.body().is_empty()), (304, true));
        for (name, value) in [
            ("etag", r#"W/"7-1234""#),
            ("vary", "authorization, accept-encoding"),
            ("cache-control", "private, no-cache"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(unchanged.headers()[name], value);
        }
        assert!(!unchanged.headers().contains_key("content-type"));
    }

    #[test]
    fn an_edit_depends_on_a_version_whatever_the_form_that_was_read() {
        let version = |tag: &str| if_match(&request("if-match", &[tag.as_bytes()])).ok();
        assert_eq!(if_match(&request("x", &[])).ok(), Some(None));
        for (tag, expected) in [
            (r#""7""#, Some(Some(7))),
            (r#"W/"7""#, Some(Some(7))),
            (r#" W/"7" "#, Some(Some(7))),
            ("*", Some(None)),
            (r#"w/"7""#, None),
            (r#"W/W/"7""#, None),
            ("W/*", None),
            ("7", None),
            (r#""7-1234""#, None),
            (r#""""#, None),
            ("\"", None),
            ("", None),
        ] {
            assert_eq!(version(tag), expected, "{tag}");
        }
    }

    proptest! {
        #[test]
        fn of_a_list_exactly_its_tags_are_known(
            members in prop::collection::vec(("[!#-~]{0,8}", any::<bool>(), "[ \t]{0,2},[ \t,]{0,3}"), 1..6),
            other in "[!#-~]{0,8}",
        ) {
            let list: String = members
                .iter()
                .flat_map(|(tag, weak, between)| [if *weak { "W/\"" } else { "\"" }, tag, "\"", between])
                .collect();
            let known = known(&[&list]);
            let tags: BTreeSet<_> = members.iter().map(|(tag, ..)| tag.clone()).collect();
            for tag in &tags {
                prop_assert!(known.has(tag), "{tag} of {list}");
            }
            prop_assert_eq!(known.has(&other), tags.contains(&other));
        }

        #[test]
        fn garbage_is_nothing_that_a_client_has(line in prop::collection::vec(0x20..=0xffu8, 0..40)) {
            prop_assume!(line.iter().all(|byte| *byte != 0x7f));
            let request = |name| request(name, &[&line]);
            let text = String::from_utf8_lossy(&line).into_owned();
            let known = if_none_match(&request("if-none-match"));
            prop_assert!(!known.has("7-1234") || text.contains("\"7-1234\"") || text.trim() == "*");
            let version = if_match(&request("if-match"));
            prop_assert!(version.is_err() || text.contains('"') || text.trim() == "*");
        }
    }
}
