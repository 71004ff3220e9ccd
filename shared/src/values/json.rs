//! JSON from outside: looked over as text before anything is built of it.

use serde_json::Value;
use std::{borrow::Cow, collections::HashSet};

/// Levels of lists and objects inside a member of the outermost object.
pub const MAX_DEPTH: usize = 32;

/// How `serde_json` passes numbers and raw texts on inside; with the feature `arbitrary_precision` an object with such a
/// name is taken for one of them, and the text in it is parsed again.
const PRIVATE: &str = "$serde_json::private";

/// The value of a JSON text (RFC 8259).
///
/// # Errors
/// What is wrong with the text: it is no JSON, is nested too deeply, or gives a name twice in one object (of which RFC 8259
/// leaves open what it means).
pub fn parse(text: &str) -> Result<Value, String> {
    look_over(text)?;
    serde_json::from_str(text).map_err(|error| format!("is not valid JSON: {error}"))
}

/// Refuse what must not reach the parser, in one pass over the text and without recursion. Whether the text is JSON at
/// all is left to the parser: up to the first mistake, both see the same strings.
///
/// # Errors
/// See [`parse`].
pub fn look_over(text: &str) -> Result<(), String> {
    let bytes = text.as_bytes();
    // The names of each object that is open; lists have none.
    let mut open: Vec<HashSet<Cow<'_, str>>> = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'{' | b'[' if open.len() > MAX_DEPTH => {
                return Err(format!("may be nested at most {MAX_DEPTH} levels deep inside a parameter"));
            }
            b'{' | b'[' => open.push(HashSet::new()),
            b'}' | b']' => drop(open.pop()),
            b'"' => {
                let end = end_of_string(bytes, at);
                let is_name = bytes.get(end..).unwrap_or_default().trim_ascii_start().starts_with(b":");
                if let (true, Some(name)) = (is_name, text.get(at..end).and_then(unescaped)) {
                    if name.starts_with(PRIVATE) {
                        return Err(format!("must not have names that begin with {PRIVATE}"));
                    }
                    if let Some(name) = open.last_mut().and_then(|names| names.replace(name)) {
                        return Err(format!("gives the name {:?} twice in one object", beginning(&name)));
                    }
                }
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

/// The index behind the closing quote of the string that begins at `start`, or the end of the text.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    loop {
        match bytes.get(at) {
            Some(b'\\') => at += 2,
            Some(b'"') => return at + 1,
            Some(_) => at += 1,
            None => return bytes.len(),
        }
    }
}

/// What a string with its quotes says; none where its escapes are wrong, which the parser will tell.
fn unescaped(string: &str) -> Option<Cow<'_, str>> {
    if string.contains('\\') {
        serde_json::from_str(string).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(string.strip_prefix('"')?.strip_suffix('"')?))
    }
}

/// Refuse what can't be stored or shown safely anywhere in a document: control characters other than tab and line breaks
/// (PostgreSQL refuses NUL), and numbers that are none to other programs.
///
/// # Errors
/// The first of them.
pub fn check(value: &Value) -> Result<(), String> {
    match value {
        Value::Array(items) => items.iter().try_for_each(check),
        Value::Object(members) => members.iter().try_for_each(|(name, value)| {
            printable(name)?;
            check(value)
        }),
        Value::String(text) => printable(text),
        // A double is what JSON numbers are taken to be (RFC 8259, section 6); 1e400 is none.
        Value::Number(number) if !number.as_f64().is_some_and(f64::is_finite) => {
            Err(format!("the number {number:.40} is too large"))
        }
        Value::Number(_) | Value::Bool(_) | Value::Null => Ok(()),
    }
}

fn printable(text: &str) -> Result<(), String> {
    match text.chars().find(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r')) {
        Some(c) => Err(format!("must not have the control character U+{:04X}", u32::from(c))),
        None => Ok(()),
    }
}

/// A text in a message: its beginning tells which one is meant.
#[must_use]
pub fn beginning(text: &str) -> String {
    let beginning: String = text.chars().take(40).collect();
    if beginning.len() < text.len() { beginning + "…" } else { beginning }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    /// Each character either as it is or as an escape, with digits of either case.
    fn spelled(text: &str, choices: &[u8]) -> String {
        let each = text.chars().zip(choices.iter().cycle()).map(|(c, choice)| match choice % 3 {
            0 => c.to_string(),
            1 => format!("\\u{:04x}", u32::from(c)),
            _ => format!("\\u{:04X}", u32::from(c)),
        });
        each.collect()
    }

    proptest! {
        #[test]
        fn no_spelling_at_any_depth_reaches_the_parsers_own_names(
            name in prop_oneof![Just("Number"), Just("RawValue"), Just("Datetime"), Just("")],
            choices in proptest::collection::vec(any::<u8>(), 40),
            blanks in "[ \t\r\n]{0,3}",
            levels in proptest::collection::vec(any::<bool>(), 0..30),
            content in prop_oneof![Just("\"1\"".to_owned()), Just("\"[[[[1]]]]\"".to_owned()), Just("7".to_owned())],
        ) {
            let name = spelled(&format!("$serde_json::private::{name}"), &choices);
            let mut text = format!("{{{blanks}\"{name}\"{blanks}:{blanks}{content}}}");
            for list in levels {
                text = if list { format!("[{text},1]") } else { format!("{{\"a\\\"b\":{text}}}") };
            }
            let error = parse(&text).unwrap_err();
            prop_assert!(error.contains("private"), "{} of {}", error, text);
        }

        #[test]
        fn looking_over_keeps_what_is_good_and_lets_nothing_else_through(
            text in prop_oneof![any::<String>(), "[ {}\\[\\]\":,01ae\\\\u.-]{0,16}", "(\\{\"[ab]\": ?[0-9\"\\[\\]{},]{0,6}\\}? ?){1,2}"],
            value in documents(),
        ) {
            match (parse(&text), serde_json::from_str::<Value>(&text)) {
                (Err(error), Ok(_)) => prop_assert!(error.contains("twice"), "{}: {}", text, error),
                (ours, theirs) => prop_assert_eq!(ours.ok(), theirs.ok(), "{}", text),
            }
            prop_assert_eq!(parse(&value.to_string()), Ok(value));
        }

        #[test]
        fn a_name_given_twice_is_refused_however_it_is_spelled(name in "[a-z\\\\\"é🐢 ]{0,6}", choices in proptest::collection::vec(0_u8..2, 8)) {
            let (once, again) = (json!(name).to_string(), spelled_anew(&name, &choices));
            for text in [format!("{{{once}: 1, {again}: 2}}"), format!("{{\"x\": [{{{once}: [], \"y\": 0, {again}: 2}}]}}")] {
                prop_assert!(parse(&text).unwrap_err().contains("twice"), "{}", text);
            }
            let apart = format!("[{{{once}: 1}}, {{{again}: {{{once}: 3}}}}]");
            prop_assert!(parse(&apart).is_ok(), "{}", apart);
        }
    }

    fn spelled_anew(name: &str, choices: &[u8]) -> String {
        let each = name.chars().zip(choices.iter().cycle()).flat_map(|(c, choice)| match (c, choice) {
            ('"' | '\\', _) | (_, 1) => {
                c.encode_utf16(&mut [0; 2]).iter().map(|u| format!("\\u{u:04x}")).collect()
            }
            _ => vec![c.to_string()],
        });
        format!("\"{}\"", each.collect::<String>())
    }

    fn documents() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<String>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            Just(Value::Null)
        ];
        let leaf = leaf.prop_filter("a name of the parser's own", |v| !v.to_string().contains(PRIVATE));
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::btree_map("[^$]{0,8}", inner, 0..6)
                    .prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    #[test]
    fn depth_is_bounded_before_anything_is_built() {
        let nested = |levels: usize| format!("{{\"a\": {}{}}}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse(&nested(32)).is_ok());
        for levels in [33, 34, 1_000_000] {
            let error = parse(&nested(levels)).unwrap_err();
            assert_eq!(error, "may be nested at most 32 levels deep inside a parameter");
        }
        // Brackets in a string are none.
        assert!(parse(&format!("{{\"a\": \"{}\"}}", "[{".repeat(1000))).is_ok());
    }

    #[test]
    fn a_private_name_as_a_value_is_a_text_like_any_other() {
        let text = r#"{"a": "$serde_json::private::RawValue"}"#;
        assert_eq!(parse(text).unwrap(), json!({"a": "$serde_json::private::RawValue"}));
    }
}
