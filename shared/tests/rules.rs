//! The rules of typed questions: which definitions are good, which replies keep them, and what is counted of those.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a broken fixture should stop the test")]

use chrono::NaiveDate;
use proptest::{collection::vec, prelude::*, sample::select, test_runner::TestRunner};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use shared::{
    rules::{Rules, TYPES, Tally},
    values::Fault,
};
use std::{cell::RefCell, collections::BTreeSet, str::FromStr};

/// JSON with its numbers as they are written.
fn parsed(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

fn rules(r#type: &str, definition: &Value) -> Rules {
    Rules::parse(r#type, Some(definition)).unwrap_or_else(|fault| panic!("{type} {definition}: {fault}"))
}

#[track_caller]
fn assert_refused(r#type: &str, faults: &[(Value, &str)]) {
    for (definition, text) in faults {
        let errors = Rules::parse(r#type, Some(definition)).unwrap_err();
        assert_eq!(errors.to_string(), *text, "{type} {definition}");
    }
}

/// The word for programs of each fault.
fn codes(faults: &[Fault]) -> Vec<String> {
    faults.iter().map(|fault| json!(fault.code).as_str().unwrap().to_owned()).collect()
}

/// The day on which the surveys of these tests were made.
fn made() -> NaiveDate {
    NaiveDate::from_ymd_opt(2030, 6, 15).unwrap()
}

/// Each good reply, and each bad one with its code, under a definition.
#[track_caller]
fn assert_replies(r#type: &str, definition: &Value, good: &[&str], bad: &[(&str, &str)]) {
    let rules = rules(r#type, definition);
    for reply in good {
        let verdict = rules.check(&parsed(reply));
        assert!(verdict.is_ok(), "{type} {definition} {reply}: {verdict:?}");
    }
    for (reply, code) in bad {
        let faults = rules.check(&parsed(reply)).unwrap_err();
        assert_eq!(codes(&faults), [*code], "{type} {definition} {reply}");
    }
}

#[track_caller]
fn assert_message(r#type: &str, definition: &Value, reply: &str, message: &str) {
    let faults = rules(r#type, definition).check(&parsed(reply)).unwrap_err();
    assert_eq!(faults.iter().map(|fault| fault.message.as_str()).collect::<Vec<_>>(), [message]);
}

const PLAIN: [&str; 9] =
    ["short_text", "long_text", "number", "boolean", "scale", "nps", "date", "time", "datetime"];

#[test]
fn a_type_without_options_needs_no_rules() {
    for r#type in PLAIN {
        for none in [None, Some(json!(null)), Some(json!({}))] {
            assert!(Rules::parse(r#type, none.as_ref()).is_ok(), "{type} {none:?}");
        }
    }
    for r#type in ["single_choice", "multi_choice", "ranking"] {
        let text = "must be a list of options, or an object with options";
        assert_eq!(Rules::parse(r#type, None).unwrap_err().to_string(), text);
        assert_refused(r#type, &[(json!(null), text), (json!("cat"), text), (json!(5), text)]);
    }
    assert_eq!(
        Rules::parse("matrix", None).unwrap_err().to_string(),
        "columns: This field cannot be blank; rows: This field cannot be blank"
    );
}

#[test]
fn rules_are_an_object() {
    for r#type in PLAIN.into_iter().chain(["matrix"]) {
        let text = "must be an object with the rules of the type";
        for definition in [json!([]), json!("5"), json!(5), json!(true)] {
            assert_refused(r#type, &[(definition, text)]);
        }
    }
}

#[test]
fn a_type_of_the_clients_own_has_any_definition_and_any_reply() {
    for r#type in ["text", "Number", "SHORT_TEXT", "single", "", "short_text "] {
        for json in [json!(null), json!([[]]), json!({"options": 7}), json!("x")] {
            assert_eq!(rules(r#type, &json).check(&json), Ok(()));
        }
        assert!(rules(r#type, &json!(7)).is_blank(&json!(null)));
        assert!(!rules(r#type, &json!(7)).is_blank(&json!("")));
    }
}

#[test]
fn an_unknown_rule_is_named() {
    let there_are = |rules| format!("colour: is unknown: there are {rules}");
    let (options, axes) = (json!({"options": ["a"]}), json!({"rows": ["a"], "columns": ["x"]}));
    for (r#type, mut definition, known) in [
        ("short_text", json!({}), "minLength, maxLength, pattern"),
        ("long_text", json!({}), "minLength, maxLength, pattern"),
        ("number", json!({}), "min, max, step"),
        ("single_choice", options.clone(), "options, other"),
        ("multi_choice", options.clone(), "options, other, minSelections, maxSelections"),
        ("ranking", options, "options, minSelections, maxSelections"),
        ("scale", json!({}), "min, max"),
        ("matrix", axes, "rows, columns, multiple, minRows"),
        ("date", json!({}), "min, max"),
        ("time", json!({}), "min, max"),
        ("datetime", json!({}), "min, max"),
    ] {
        assert!(Rules::parse(r#type, Some(&definition)).is_ok(), "{type}");
        definition["colour"] = json!("red");
        assert_refused(r#type, &[(definition, &there_are(known))]);
    }
    for r#type in ["boolean", "nps"] {
        assert_refused(r#type, &[(json!({"min": 0}), "min: is unknown: there are none")]);
    }
    // Along with all else that is wrong.
    let text =
        "colour: is unknown: there are min, max; max: must be text; size: is unknown: there are min, max";
    assert_refused("date", &[(json!({"colour": "red", "max": 7, "size": 1}), text)]);
}

#[test]
fn a_text_is_within_its_lengths() {
    assert_replies(
        "short_text",
        &json!({"minLength": 2, "maxLength": 3}),
        &[r#""ab""#, r#""żół""#, r#""🐢🐢🐢""#, r#""a\tb""#],
        &[
            (r#""a""#, "too_short"),
            (r#""abcd""#, "too_long"),
            (r#""a\nb""#, "malformed"),
            (r#""a\rb""#, "malformed"),
            ("12", "wrong_type"),
            (r#"["ab"]"#, "wrong_type"),
            (r#"{"ab": 1}"#, "wrong_type"),
            ("true", "wrong_type"),
        ],
    );
    assert_replies(
        "long_text",
        &json!({"maxLength": 5}),
        &[r#""a\nb\r\n""#],
        &[(r#""a\nbcde""#, "too_long")],
    );
    assert_message("short_text", &json!({"minLength": 2}), r#""a""#, "must have at least 2 characters");
    assert_message("short_text", &json!({"maxLength": 2}), r#""abc""#, "may have at most 2 characters");
    for (r#type, usual) in [("short_text", 255), ("long_text", 5000)] {
        let rules = rules(r#type, &json!({}));
        assert_eq!(rules.check(&json!("x".repeat(usual))), Ok(()));
        assert_eq!(codes(&rules.check(&json!("x".repeat(usual + 1))).unwrap_err()), ["too_long"]);
    }
}

#[test]
fn lengths_that_no_text_can_have_are_refused() {
    let whole = |least| format!("must be a whole number from {least} to 100000");
    assert_refused(
        "short_text",
        &[
            (json!({"minLength": 5, "maxLength": 4}), "minLength: is above maxLength"),
            (json!({"maxLength": 1001}), "maxLength: may be at most 1000"),
            (json!({"minLength": 1001}), "maxLength: may be at most 1000"),
            (json!({"minLength": -1}), &format!("minLength: {}", whole(0))),
            (
                json!({"minLength": 1.5, "maxLength": "9"}),
                &format!("maxLength: {}; minLength: {}", whole(1), whole(0)),
            ),
            (json!({"maxLength": 100_001}), &format!("maxLength: {}", whole(1))),
        ],
    );
    assert_refused("long_text", &[(json!({"maxLength": 20_001}), "maxLength: may be at most 20000")]);
    assert!(Rules::parse("short_text", Some(&json!({"minLength": 300}))).is_ok());
}

#[test]
fn a_pattern_is_matched_by_the_whole_text() {
    assert_replies(
        "short_text",
        &json!({"pattern": "[A-Z]{2}|[0-9]+"}),
        &[r#""AB""#, r#""12345""#],
        &[(r#""ABC""#, "pattern"), (r#""xAB""#, "pattern"), (r#""AB1""#, "pattern"), (r#""1 ""#, "pattern")],
    );
    assert_replies(
        "long_text",
        &json!({"pattern": "a"}),
        &[r#""a""#],
        &[(r#""a\n""#, "pattern"), (r#""b\na""#, "pattern")],
    );
    assert_replies("long_text", &json!({"pattern": "(?m)^a$"}), &[r#""a""#], &[(r#""b\na""#, "pattern")]);
    assert_message("short_text", &json!({"pattern": "a"}), r#""b""#, "doesn't have the form asked for");
}

#[test]
fn a_pattern_that_is_none_is_refused() {
    assert_refused(
        "short_text",
        &[
            (
                json!({"pattern": "("}),
                "pattern: is no regular expression: found open group without closing ')'",
            ),
            (
                json!({"pattern": "a)|(b"}),
                "pattern: is no regular expression: found closing ')' without matching '('",
            ),
            (
                json!({"pattern": r"\p{L}"}),
                "pattern: is no regular expression: Unicode character classes are not supported",
            ),
            (json!({"pattern": "x".repeat(501)}), "pattern: may have at most 500 bytes"),
            (json!({"pattern": ["a"]}), "pattern: must be text"),
            (json!({"pattern": " "}), "pattern: This field cannot be blank"),
        ],
    );
    for bad in ["(?x)a #", "[z-a]", "a{3,2}", r"\", "(?:(?:a{1000}){1000}){1000}"] {
        let fault = Rules::parse("short_text", Some(&json!({"pattern": bad}))).unwrap_err().to_string();
        assert!(fault.starts_with("pattern: is no regular expression: "), "{bad}: {fault}");
    }
}

#[test]
fn a_number_is_exact_and_has_bounds_and_steps() {
    assert_replies(
        "number",
        &json!({"min": -1, "max": 1, "step": 0.25}),
        &["-1", "1", "0", "-0.75", "0.50", "25e-2", "-0", "1e0", "1.000000000"],
        &[
            ("-1.000001", "too_small"),
            ("1.000001", "too_large"),
            ("0.3", "step"),
            ("0.250001", "step"),
            (r#""1""#, "wrong_type"),
            ("true", "wrong_type"),
            ("[1]", "wrong_type"),
        ],
    );
    assert_replies("number", &json!({"min": 0.1, "step": 0.2}), &["0.1", "0.3", "0.5"], &[("0.2", "step")]);
    assert_replies("number", &json!({"min": 5, "max": 5}), &["5", "5.0"], &[("4.999999", "too_small")]);
    assert_message("number", &json!({"min": 0.50}), "0", "must be at least 0.5");
    assert_message("number", &json!({"max": 1}), "2", "must be at most 1");
    assert_message("number", &json!({"step": 2}), "1", "must be a multiple of 2 away from the least");
}

#[test]
fn a_number_beyond_fifteen_digits_or_six_decimals_is_none() {
    assert_replies(
        "number",
        &json!({}),
        &[
            "999999999999999.999999",
            "-999999999999999",
            "1E14",
            "1e+14",
            "1e-6",
            "123456e-6",
            "0.10000000000",
            "0e9",
            "0e-9",
        ],
        &[
            ("1e15", "wrong_type"),
            ("1000000000000000", "wrong_type"),
            ("-1E15", "wrong_type"),
            ("1e400", "wrong_type"),
            ("-1e400", "wrong_type"),
            ("1e-7", "wrong_type"),
            ("1e-400", "wrong_type"),
            ("0.0000001", "wrong_type"),
            ("999999999999999.9999999", "wrong_type"),
            ("1e99999999999999999999", "wrong_type"),
            ("123456789012345678901234567890123456789", "wrong_type"),
            ("0.1000000000000000000000000000000000000001", "wrong_type"),
        ],
    );
    let text = "must be a number below 1e15 with at most 6 digits behind the point";
    assert_message("number", &json!({}), "1e15", text);
    assert!(
        serde_json::from_str::<Value>("NaN").is_err() && serde_json::from_str::<Value>("Infinity").is_err()
    );
}

#[test]
fn bounds_of_numbers_that_leave_nothing_are_refused() {
    let text = "must be a number below 1e15 with at most 6 digits behind the point";
    assert_refused(
        "number",
        &[
            (json!({"min": 2, "max": 1}), "min: is above max"),
            (json!({"step": 0}), "step: must be above 0"),
            (json!({"step": -1}), "step: must be above 0"),
            (json!({"min": "1"}), &format!("min: {text}")),
            (
                parsed(r#"{"min": 1e15, "max": 1e400}"#),
                &format!("max: the number 1e+400 is too large; min: {text}"),
            ),
            (json!({"step": 0.000_000_1}), &format!("step: {text}")),
        ],
    );
}

#[test]
fn a_boolean_is_true_or_false() {
    assert_replies(
        "boolean",
        &json!({}),
        &["true", "false"],
        &[(r#""true""#, "wrong_type"), ("1", "wrong_type"), ("0", "wrong_type"), ("[true]", "wrong_type")],
    );
    assert_message("boolean", &json!({}), "1", "must be true or false");
}

#[test]
fn options_are_a_list_or_an_object_with_one() {
    let list = json!(["cat", {"value": "dog", "label": "A dog"}, 3, {"value": 4, "retired": false}]);
    for definition in [list.clone(), json!({"options": list})] {
        assert_replies(
            "single_choice",
            &definition,
            &[r#""cat""#, r#""dog""#, r#""3""#, "3", "4"],
            &[
                (r#""A dog""#, "unknown_option"),
                (r#""Cat""#, "unknown_option"),
                (r#"" cat""#, "unknown_option"),
                ("3.0", "unknown_option"),
                ("true", "wrong_type"),
                (r#"["cat"]"#, "wrong_type"),
                (r#"{"other": "cow"}"#, "unknown_option"),
                (r#"{"value": "cat"}"#, "unknown_option"),
            ],
        );
    }
    assert_message("single_choice", &json!(["a"]), r#""b""#, r#""b" is no option of this question"#);
    assert_message("single_choice", &json!(["a"]), "[]", "options are named by their value, a text");
}

#[test]
fn a_retired_option_is_refused_in_new_replies() {
    let options = json!(["cat", {"value": "dog", "retired": true}]);
    assert_replies("single_choice", &options, &[r#""cat""#], &[(r#""dog""#, "retired_option")]);
    assert_replies("multi_choice", &options, &[r#"["cat"]"#], &[(r#"["cat", "dog"]"#, "retired_option")]);
    assert_replies("ranking", &options, &[r#"["cat"]"#], &[(r#"["dog"]"#, "retired_option")]);
    assert_message("single_choice", &options, r#""dog""#, r#""dog" can't be chosen any more"#);
}

#[test]
fn another_option_is_a_text_of_the_respondents_own() {
    let definition = json!({"options": ["cat"], "other": true});
    let long = format!(r#"{{"other": {:?}}}"#, "x".repeat(256));
    let bad = [
        (r#"{"other": " "}"#, "malformed"),
        (r#"{"other": 5}"#, "malformed"),
        (r#"{"other": "a", "more": 1}"#, "malformed"),
        ("{}", "malformed"),
        (&long, "malformed"),
    ];
    assert_replies("single_choice", &definition, &[r#"{"other": "cow"}"#, r#"{"other": "cat"}"#], &bad);
    assert_replies(
        "multi_choice",
        &definition,
        &[r#"["cat", {"other": "cow"}]"#, r#"[{"other": "cow"}]"#],
        &[(r#"[{"other": "cow"}, {"other": "hen"}]"#, "duplicate"), (r#"[{"other": ""}]"#, "malformed")],
    );
    let text = r#"must be {"other": "a text of 1 to 255 characters"}"#;
    assert_message("single_choice", &definition, r#"{"other": ""}"#, text);
}

#[test]
fn several_options_are_chosen_once_each_and_as_many_as_allowed() {
    assert_replies(
        "multi_choice",
        &json!({"options": ["a", "b", "c", "1"], "minSelections": 2, "maxSelections": 3}),
        &[r#"["a", "b"]"#, r#"["c", "b", 1]"#],
        &[
            (r#"["a"]"#, "too_few"),
            (r#"["a", "b", "c", "1"]"#, "too_many"),
            (r#"["a", "b", "a"]"#, "duplicate"),
            (r#"["1", 1]"#, "duplicate"),
            (r#"["a", "x"]"#, "unknown_option"),
            (r#"["a", null]"#, "wrong_type"),
            (r#"["a", ["b"]]"#, "wrong_type"),
            (r#""a""#, "wrong_type"),
            (r#"{"other": "a"}"#, "wrong_type"),
        ],
    );
    assert_replies("multi_choice", &json!(["a", "b"]), &[r#"["a"]"#, r#"["b", "a"]"#], &[]);
    assert_message("multi_choice", &json!(["a"]), r#"["a", "a"]"#, r#""a" is there twice"#);
}

#[test]
fn a_ranking_has_all_options_unless_it_says_otherwise() {
    let bad = [
        (r#"["a", "b"]"#, "too_few"),
        (r#"["a", "b", "b"]"#, "duplicate"),
        (r#"["a", {"other": "x"}, "b"]"#, "wrong_type"),
    ];
    assert_replies("ranking", &json!(["a", "b", "c"]), &[r#"["c", "a", "b"]"#], &bad);
    let two = json!({"options": ["a", "b", "c"], "minSelections": 1, "maxSelections": 2});
    assert_replies("ranking", &two, &[r#"["c"]"#, r#"["b", "a"]"#], &[(r#"["a", "b", "c"]"#, "too_many")]);
    let one = json!({"options": ["a", "b"], "maxSelections": 1});
    assert_replies("ranking", &one, &[r#"["b"]"#], &[]);
    let retired = json!(["a", "b", {"value": "c", "retired": true}]);
    assert_replies("ranking", &retired, &[r#"["b", "a"]"#], &[(r#"["a"]"#, "too_few")]);
}

#[test]
fn bad_options_are_named() {
    let many: Vec<String> = (0..201).map(|n| n.to_string()).collect();
    let text = "must be a text, or an object with a value";
    for r#type in ["single_choice", "multi_choice", "ranking"] {
        assert_refused(
            r#type,
            &[
                (json!({}), "options: This field cannot be blank"),
                (json!({"options": "cat"}), "options: must be a list"),
                (json!([]), "must have 1 to 200 entries"),
                (json!(many), "must have 1 to 200 entries"),
                (json!(["a", "b", "a"]), r#"[2]: "a" is there twice"#),
                (json!([1, {"value": "1"}]), r#"[1]: "1" is there twice"#),
                (json!([{"value": "a", "retired": true}]), "all are retired"),
                (json!(["a", null]), &format!("[1]: {text}")),
                (json!([" "]), &format!("[0]: {text}")),
                (json!([["a"]]), &format!("[0]: {text}")),
                (json!([true]), &format!("[0]: {text}")),
                (json!([{"label": "A"}]), "[0].value: This field cannot be blank"),
                (json!([{"value": {}}]), &format!("[0].value: {text}")),
                (
                    json!({"options": ["a", {}, "a"]}),
                    r#"options[1].value: This field cannot be blank; options[2]: "a" is there twice"#,
                ),
                (json!({"options": ["a", true]}), &format!("options[1]: {text}")),
                (json!([{"value": "a", "hue": 1}]), "[0].hue: is unknown: there are value, label, retired"),
                (
                    json!([{"value": "a", "label": 5, "retired": "yes"}]),
                    "[0].label: must be text; [0].retired: must be true or false",
                ),
                (json!([{"value": "a", "label": []}]), "[0].label: must be text"),
                (json!(["x".repeat(101)]), "[0]: its value may have at most 100 characters"),
                (json!(["a\nb"]), "[0]: its value must be a single line"),
            ],
        );
    }
    assert!(Rules::parse("single_choice", Some(&json!(many[..200]))).is_ok());
    assert!(Rules::parse("single_choice", Some(&json!(["ż".repeat(100)]))).is_ok());
}

#[test]
fn numbers_of_selections_that_nobody_can_make_are_refused() {
    let with = |rule: &str, count: Value| json!({"options": ["a", "b", {"value": "c", "retired": true}], rule: count});
    for r#type in ["multi_choice", "ranking"] {
        let both =
            |least, most| json!({"options": ["a", "b"], "minSelections": least, "maxSelections": most});
        assert_refused(
            r#type,
            &[
                (both(2, 1), "minSelections: is above maxSelections"),
                (both(3, 4), "minSelections: there are only 2 to choose from"),
                (with("minSelections", json!(3)), "minSelections: is above maxSelections"),
                (with("maxSelections", json!(0)), "maxSelections: must be a whole number from 1 to 100000"),
                (with("maxSelections", json!(-1)), "maxSelections: must be a whole number from 1 to 100000"),
                (with("minSelections", json!("1")), "minSelections: must be a whole number from 0 to 100000"),
            ],
        );
    }
    let three = json!({"options": ["a", "b"], "other": true, "minSelections": 3});
    assert!(Rules::parse("multi_choice", Some(&three)).is_ok());
    let bad = [(json!({"options": ["a"], "other": "yes"}), "other: must be true or false")];
    assert_refused("multi_choice", &bad);
    assert_refused("single_choice", &bad);
}

#[test]
fn a_scale_is_whole_numbers_between_its_ends() {
    assert_replies(
        "scale",
        &json!({}),
        &["1", "5", "3.0", "3e0", "30e-1"],
        &[
            ("0", "too_small"),
            ("6", "too_large"),
            ("2.5", "wrong_type"),
            (r#""3""#, "wrong_type"),
            ("1e15", "wrong_type"),
            ("99999999999", "too_large"),
            ("[3]", "wrong_type"),
        ],
    );
    assert_replies("scale", &json!({"min": -2, "max": 2}), &["-2", "-0", "2"], &[("-3", "too_small")]);
    assert_replies(
        "nps",
        &json!({}),
        &["0", "10"],
        &[("-1", "too_small"), ("11", "too_large"), ("9.5", "wrong_type")],
    );
    assert_message("scale", &json!({"max": 3}), "1.5", "must be a whole number from 1 to 3");
    assert_refused(
        "scale",
        &[
            (json!({"min": 3, "max": 3}), "min: must be below max"),
            (json!({"min": 5}), "min: must be below max"),
            (json!({"max": 1}), "min: must be below max"),
            (json!({"max": 101}), "max: must be a whole number from -100 to 100"),
            (json!({"min": 0.5}), "min: must be a whole number from -100 to 100"),
        ],
    );
}

#[test]
fn a_matrix_gives_each_row_a_column() {
    let matrix = json!({
        "rows": ["food", "bed", {"value": "bar", "retired": true}],
        "columns": ["bad", "good", {"value": "fair", "retired": true}],
    });
    assert_replies(
        "matrix",
        &matrix,
        &[r#"{"food": "good"}"#, r#"{"food": "bad", "bed": "bad"}"#],
        &[
            (r#"{"pool": "good"}"#, "unknown_row"),
            (r#"{"bar": "good"}"#, "retired_option"),
            (r#"{"food": "great"}"#, "unknown_option"),
            (r#"{"food": "fair"}"#, "retired_option"),
            (r#"{"food": ["good"]}"#, "wrong_type"),
            (r#"{"food": null}"#, "wrong_type"),
            (r#"["good"]"#, "wrong_type"),
            (r#""good""#, "wrong_type"),
        ],
    );
    let several = json!({"rows": ["a", "b"], "columns": ["x", "y", 1], "multiple": true, "minRows": 2});
    assert_replies(
        "matrix",
        &several,
        &[r#"{"a": ["x"], "b": ["y", "x", 1]}"#],
        &[
            (r#"{"a": ["x"]}"#, "too_few"),
            (r#"{"a": ["x"], "b": []}"#, "too_few"),
            (r#"{"a": "x", "b": ["x"]}"#, "wrong_type"),
            (r#"{"a": ["x", "x"], "b": ["x"]}"#, "duplicate"),
            (r#"{"a": ["1", 1], "b": ["x"]}"#, "duplicate"),
            (r#"{"a": ["z"], "b": ["x"]}"#, "unknown_option"),
        ],
    );
    assert_message("matrix", &matrix, r#"{"pool": "good"}"#, r#""pool" is no row of this question"#);
    assert_message("matrix", &matrix, r#"{"food": "great"}"#, r#""great" is no column of this question"#);
    assert_message("matrix", &several, r#"{"a": ["x"]}"#, "at least 2 rows must be answered");
}

#[test]
fn a_matrix_needs_rows_and_columns() {
    let with = |rule: &str, value: Value| {
        let mut matrix = json!({"rows": ["a", "b", {"value": "c", "retired": true}], "columns": ["x"]});
        matrix[rule] = value;
        matrix
    };
    assert_refused(
        "matrix",
        &[
            (with("rows", json!(["a", "a"])), r#"rows[1]: "a" is there twice"#),
            (with("columns", json!([])), "columns: must have 1 to 200 entries"),
            (with("columns", json!([{"value": "x", "retired": true}])), "columns: all are retired"),
            (with("minRows", json!(3)), "minRows: there are only 2 rows"),
            (with("multiple", json!(1)), "multiple: must be true or false"),
        ],
    );
    assert!(Rules::parse("matrix", Some(&with("minRows", json!(2)))).is_ok());
}

#[test]
fn a_date_is_a_day_of_the_calendar() {
    assert_replies(
        "date",
        &json!({}),
        &[r#""2030-01-31""#, r#""2028-02-29""#, r#""0001-01-01""#, r#""9999-12-31""#],
        &[
            (r#""2030-02-29""#, "malformed"),
            (r#""0000-12-31""#, "malformed"),
            (r#""10000-01-01""#, "malformed"),
            (r#""2030-1-31""#, "malformed"),
            (r#""+2030-1-31""#, "malformed"),
            (r#""2030- 1-31""#, "malformed"),
            (r#"" 2030-1-31""#, "malformed"),
            (r#""2030-1-31 ""#, "malformed"),
            (r#""-200-01-31""#, "malformed"),
            (r#""20300-1-31""#, "malformed"),
            (r#""2030-01-31T00:00:00Z""#, "malformed"),
            (r#""31.01.2030""#, "malformed"),
            ("20300131", "wrong_type"),
        ],
    );
    let bounds = json!({"min": "2030-01-01", "max": "2030-12-31"});
    assert_replies(
        "date",
        &bounds,
        &[r#""2030-01-01""#, r#""2030-12-31""#],
        &[(r#""2029-12-31""#, "too_small"), (r#""2031-01-01""#, "too_large")],
    );
    assert_message("date", &bounds, r#""2029-12-31""#, "must be at least 2030-01-01");
    assert_message("date", &bounds, r#""soon""#, "must be a date like 2030-01-31");
    assert_refused(
        "date",
        &[
            (json!({"min": "2030-02-30"}), "min: must be a date like 2030-01-31"),
            (json!({"min": "2030-02-02", "max": "2030-02-01"}), "min: is above max"),
            (json!({"min": 5, "max": []}), "max: must be text; min: must be text"),
        ],
    );
}

#[test]
fn a_time_is_a_time_of_day() {
    assert_replies(
        "time",
        &json!({}),
        &[r#""00:00""#, r#""23:59""#, r#""18:00:30""#],
        &[
            (r#""24:00""#, "malformed"),
            (r#""18:60""#, "malformed"),
            (r#""8:00""#, "malformed"),
            (r#"" 8:00""#, "malformed"),
            (r#""1: 30""#, "malformed"),
            (r#""18:0:0""#, "malformed"),
            (r#""18:00:5 ""#, "malformed"),
            (r#""8:00 am""#, "malformed"),
            ("1800", "wrong_type"),
        ],
    );
    let bounds = json!({"min": "08:00", "max": "18:00:30"});
    assert_replies(
        "time",
        &bounds,
        &[r#""08:00:00""#, r#""18:00:30""#],
        &[(r#""07:59:59""#, "too_small"), (r#""18:00:31""#, "too_large")],
    );
    assert_refused(
        "time",
        &[
            (json!({"min": "25:00"}), "min: must be a time like 18:00 or 18:00:30"),
            (json!({"min": "18:00", "max": "08:00"}), "min: is above max"),
        ],
    );
}

#[test]
fn a_moment_has_an_offset() {
    assert_replies(
        "datetime",
        &json!({}),
        &[r#""2030-01-31T18:00:00Z""#, r#""2030-01-31T18:00:00.123456+01:00""#, r#""0001-01-01T00:00:00Z""#],
        &[
            (r#""2030-01-31T18:00:00""#, "malformed"),
            (r#""2030-01-31""#, "malformed"),
            (r#""2030-01-31T25:00:00Z""#, "malformed"),
            (r#""0000-12-31T23:59:59Z""#, "malformed"),
            (r#""0001-01-01T00:00:00+01:00""#, "malformed"),
            (r#""9999-12-31T23:59:59-01:00""#, "malformed"),
            (r#""+12030-01-31T18:00:00Z""#, "malformed"),
            ("1896115200", "wrong_type"),
        ],
    );
    let bounds = json!({"min": "2030-01-31T18:00:00+01:00"});
    assert_replies(
        "datetime",
        &bounds,
        &[r#""2030-01-31T17:00:00Z""#],
        &[(r#""2030-01-31T16:59:59Z""#, "too_small")],
    );
    assert_refused(
        "datetime",
        &[
            (
                json!({"max": "2030-01-31"}),
                "max: must be a time like 2030-01-31T18:00:00+01:00, with an offset",
            ),
            (json!({"min": "2030-01-31T18:00:00Z", "max": "2030-01-31T18:00:00+01:00"}), "min: is above max"),
        ],
    );
}

#[test]
fn what_is_empty_is_no_reply() {
    for r#type in PLAIN {
        let rules = rules(r#type, &json!({}));
        for blank in [json!(null), json!(""), json!(" \n"), json!([]), json!({})] {
            assert!(rules.is_blank(&blank), "{type} {blank}");
        }
        for reply in [json!(0), json!(false), json!("x"), json!([null]), json!({"": null})] {
            assert!(!rules.is_blank(&reply), "{type} {reply}");
        }
    }
}

/// What is counted, how often, and what is added up beside that.
fn counted(r#type: &str, definition: &Value, reply: &str) -> Vec<(String, i64, String)> {
    let tallies = rules(r#type, definition).tallies(&parsed(reply), made());
    tallies.into_iter().map(|t| (t.name(), t.n, t.total.to_string())).collect()
}

#[test]
fn each_type_is_counted_by_what_it_offers() {
    let options = json!({"options": ["a", "b", 1], "other": true});
    let matrix = json!({"rows": ["r", "s"], "columns": ["x", "y"], "multiple": true});
    for (r#type, definition, reply, expected) in [
        ("short_text", json!({}), r#""x""#, vec![]),
        ("x-colour", json!({}), "[1]", vec![]),
        ("number", json!({}), "-2.50", vec![("bucket -2", 1, "-2.5")]),
        ("number", json!({}), "0.00234", vec![("bucket 0.002", 1, "0.00234")]),
        ("number", json!({}), "-0", vec![("bucket 0", 1, "0")]),
        ("number", json!({}), "999", vec![("bucket 900", 1, "999")]),
        ("boolean", json!({}), "true", vec![("value true", 1, "0")]),
        ("single_choice", options.clone(), "1", vec![("option 1", 1, "0")]),
        ("single_choice", options.clone(), r#"{"other": "z"}"#, vec![("other", 1, "0")]),
        (
            "multi_choice",
            options.clone(),
            r#"["b", {"other": "z"}, "a"]"#,
            vec![("option b", 1, "0"), ("other", 1, "0"), ("option a", 1, "0")],
        ),
        (
            "ranking",
            json!(["a", "b"]),
            r#"["b", "a"]"#,
            vec![("rank b", 1, "0"), ("option b", 1, "0"), ("rank a", 2, "0"), ("option a", 1, "0")],
        ),
        ("scale", json!({}), "3.0", vec![("value 3", 1, "0")]),
        ("scale", json!({"min": -1}), "-0", vec![("value 0", 1, "0")]),
        ("nps", json!({}), "1e1", vec![("value 10", 1, "0")]),
        (
            "matrix",
            matrix,
            r#"{"r": ["y", "x"]}"#,
            vec![("cell r", 1, "0"), ("cell r\ny", 1, "0"), ("cell r\nx", 1, "0")],
        ),
        ("date", json!({}), r#""2030-01-31""#, vec![("day 2030-01-31", 1, "0")]),
        ("time", json!({}), r#""08:59""#, vec![("hour 08", 1, "0")]),
        ("datetime", json!({}), r#""2030-01-31T23:30:00-01:00""#, vec![("day 2030-02-01", 1, "0")]),
    ] {
        let counted = counted(r#type, &definition, reply);
        let counted: Vec<_> =
            counted.iter().map(|(name, n, total)| (name.as_str(), *n, total.as_str())).collect();
        assert_eq!(counted[0], ("answers", 1, "0"), "{type} {reply}");
        assert_eq!(counted[1..], expected, "{type} {reply}");
    }
}

#[test]
fn what_has_an_end_is_named_before_anybody_answers() {
    let good = RefCell::new(BTreeSet::new());
    let unbounded = ["bucket", "day", "year", "earlier", "later"];
    let config = ProptestConfig { cases: 6000, failure_persistence: None, ..ProptestConfig::default() };
    let outcome =
        TestRunner::new(config).run(&(select(definitions()), words()), |((r#type, definition), reply)| {
            let rules = rules(r#type, &definition);
            let parts = rules.parts();
            let names: BTreeSet<_> = parts.iter().collect();
            prop_assert_eq!((names.len(), parts[0].as_str()), (parts.len(), "answers"));
            if !rules.is_blank(&reply) && rules.check(&reply).is_ok() {
                for tally in rules.tallies(&reply, made()) {
                    prop_assert_eq!(
                        names.contains(&tally.name()),
                        !unbounded.contains(&tally.kind),
                        "{:?}",
                        tally
                    );
                }
                good.borrow_mut().insert(r#type);
            }
            Ok(())
        });
    assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
    assert!(good.into_inner().len() > 10);
}

#[test]
fn a_tenth_and_two_tenths_are_three_tenths() {
    let number = rules("number", &json!({}));
    let sum: Decimal = ["0.1", "0.2"].map(|n| number.tallies(&parsed(n), made())[1].total).into_iter().sum();
    assert_eq!(sum.to_string(), "0.3");
}

#[test]
fn a_place_orders_dates_times_and_moments() {
    for (r#type, replies) in [
        ("date", [r#""0001-01-01""#, r#""2030-01-31""#, r#""9999-12-31""#]),
        ("time", [r#""00:00""#, r#""00:00:01""#, r#""23:59:59""#]),
        (
            "datetime",
            [r#""0001-01-01T00:00:00Z""#, r#""2030-01-01T00:00:00.5Z""#, r#""9999-12-31T23:59:59Z""#],
        ),
        ("number", ["-999999999999999.999999", "1e-6", "1e14"]),
    ] {
        let rules = rules(r#type, &json!({}));
        let places = replies.map(|reply| rules.measure(&parsed(reply)).unwrap());
        assert!(places.is_sorted() && places[0] < places[1], "{type} {places:?}");
    }
}

/// Rules of each type, tight enough that replies of the same words are good and bad.
fn definitions() -> Vec<(&'static str, Value)> {
    let options = json!(["a", "b", "1", {"value": "c", "retired": true}]);
    vec![
        ("short_text", json!({"minLength": 1, "maxLength": 4})),
        ("long_text", json!({"pattern": "[a-z]+"})),
        ("number", json!({"min": -5, "step": 0.5})),
        ("boolean", json!({})),
        ("single_choice", json!({"options": options, "other": true})),
        ("multi_choice", json!({"options": options, "other": true, "minSelections": 1})),
        ("ranking", json!({"options": options, "minSelections": 1})),
        ("scale", json!({"min": -3, "max": 3})),
        ("nps", json!({})),
        ("matrix", json!({"rows": ["a", "b"], "columns": options})),
        ("matrix", json!({"rows": ["a", "b"], "columns": options, "multiple": true})),
        ("date", json!({"min": "2030-01-01"})),
        ("time", json!({})),
        ("datetime", json!({})),
        ("x-custom", json!([1])),
    ]
}

/// JSON of few words, so that much of it is good for something.
fn words() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        4 => select(vec![
            "a",
            "b",
            "c",
            "1",
            "other",
            "",
            "2030-01-31",
            "2030-02-30",
            "18:00",
            "18:00:30",
            "2030-01-31T18:00:00Z",
            "a\nb",
        ])
        .prop_map(|word| json!(word)),
        1 => select(vec![
            "0",
            "-0",
            "1",
            "-2.5",
            "1e0",
            "10",
            "3.0",
            "1e400",
            "-1e-400",
            "1e15",
            "0.0000001",
            "12345678901234567890"
        ])
        .prop_map(parsed),
        1 => any::<bool>().prop_map(|flag| json!(flag)),
        1 => Just(json!(null)),
        1 => any::<String>().prop_map(|text| json!(text)),
        1 => any::<f64>().prop_map(|number| json!(number)),
    ];
    let any = leaf.clone().prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|items| json!(items)),
            vec((select(vec!["a", "b", "c", "other"]), inner), 0..3)
                .prop_map(|members| members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
        ]
    });
    let chosen = select(vec![
        json!({"other": "x"}),
        json!(["b", "a"]),
        json!(["1", {"other": "x"}]),
        json!({"a": "b", "b": 1}),
        json!({"a": ["1", "b"], "b": ["a"]}),
    ]);
    prop_oneof![6 => any, 2 => leaf, 1 => chosen]
}

/// Exact decimals as replies may have them, small ones as likely as large ones.
fn numbers() -> impl Strategy<Value = Decimal> {
    (1_u32..=15, 0_u32..=6).prop_flat_map(|(digits, scale)| {
        let end = 10_i128.pow(digits + scale) - 1;
        (-end..=end).prop_map(move |mantissa| Decimal::from_i128_with_scale(mantissa, scale))
    })
}

#[test]
fn a_good_reply_is_counted_and_nothing_of_it_twice() {
    let good = RefCell::new(BTreeSet::new());
    let config = ProptestConfig { cases: 30_000, failure_persistence: None, ..ProptestConfig::default() };
    let outcome =
        TestRunner::new(config).run(&(select(definitions()), words()), |((r#type, definition), reply)| {
            let rules = rules(r#type, &definition);
            if !rules.is_blank(&reply) && rules.check(&reply).is_ok() {
                let tallies = rules.tallies(&reply, made());
                // A statement can't count the same thing twice (ON CONFLICT DO UPDATE).
                let keys: BTreeSet<_> = tallies.iter().map(|tally| (tally.kind, &tally.part)).collect();
                prop_assert_eq!(keys.len(), tallies.len());
                prop_assert_eq!((tallies[0].kind, tallies[0].part.as_str()), ("answers", ""));
                let expected = match r#type {
                    "short_text" | "long_text" | "x-custom" => 0,
                    "matrix" => {
                        let cells = |columns: &Value| 1 + columns.as_array().map_or(1, Vec::len);
                        reply.as_object().unwrap().values().map(cells).sum()
                    }
                    "multi_choice" => reply.as_array().unwrap().len(),
                    "ranking" => 2 * reply.as_array().unwrap().len(),
                    _ => 1,
                };
                prop_assert_eq!(tallies.len() - 1, expected);
                good.borrow_mut().insert((r#type, definition.to_string()));
            }
            Ok(())
        });
    assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
    // Each of them had something to count.
    let good = good.into_inner();
    let without = definitions().into_iter().find(|(r#type, d)| !good.contains(&(*r#type, d.to_string())));
    assert_eq!(without, None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_definition_is_good_or_told_what_is_wrong_with_it(r#type in select(TYPES.to_vec()), definition in words()) {
        let known = ["min", "max", "rows", "columns", "options", "other"];
        match Rules::parse(r#type, Some(&definition)) {
            Err(errors) => for (place, text) in errors.as_map() {
                prop_assert!(!text.is_empty());
                // The place leads to something that was sent, or to what is missing.
                let name: String = place.chars().take_while(|c| !['.', '['].contains(c)).collect();
                let sent = definition.as_object().is_some_and(|rules| rules.contains_key(&name));
                prop_assert!(sent || name.is_empty() || known.contains(&name.as_str()), "{}: {}", place, definition);
            },
            // Of these words, no rule has a name but `other`, and nobody can choose from nothing.
            Ok(_) => match &definition {
                Value::Array(options) => prop_assert!(r#type.ends_with("choice") || r#type == "ranking", "{:?}", options),
                rules => prop_assert!(rules.is_null() || rules == &json!({}), "{} {}", r#type, definition),
            },
        }
    }

    #[test]
    fn a_number_is_counted_exactly_however_it_is_written(number in numbers()) {
        let rules = rules("number", &json!({}));
        let (mantissa, scale) = (number.mantissa(), number.scale());
        for text in [format!("{number}"), format!("{mantissa}E-{scale}"), format!("{mantissa}.00e-{scale}")] {
            let reply = parsed(&text);
            prop_assert_eq!(rules.check(&reply).map(|()| rules.measure(&reply)).unwrap(), Some(number), "{}", text);
            prop_assert_eq!(rules.tallies(&reply, made())[1].total, number);
        }
    }

    #[test]
    fn a_bucket_holds_its_numbers(number in numbers()) {
        let tallies = rules("number", &json!({})).tallies(&parsed(&number.to_string()), made());
        let Tally { kind: "bucket", part, .. } = &tallies[1] else { panic!("{tallies:?}") };
        let near = Decimal::from_str(part).unwrap();
        prop_assert_eq!(near.is_zero(), number.is_zero());
        if !number.is_zero() {
            prop_assert_eq!(near.is_sign_negative(), number.is_sign_negative());
            // One digit and zeros: the next bucket begins where the digit is one more.
            let digit = Decimal::from_str(part.trim_matches(['-', '.', '0'])).unwrap();
            prop_assert!(digit < Decimal::TEN && digit.is_integer(), "{}", part);
            let far = near / digit * (digit + Decimal::ONE);
            prop_assert!(near.abs() <= number.abs() && number.abs() < far.abs());
        }
    }

    #[test]
    fn the_order_of_several_options_does_not_matter(
        chosen in Just(vec!["a", "b", "c", "d", "1"]).prop_shuffle(), number in 1_usize..=5,
    ) {
        let rules = rules("multi_choice", &json!(["a", "b", "c", "d", "1"]));
        let counted = |reply: &[&str]| {
            let mut tallies = rules.tallies(&json!(reply), made());
            tallies.sort();
            tallies
        };
        let chosen = &chosen[..number];
        let mut sorted = chosen.to_vec();
        sorted.sort_unstable();
        prop_assert!(rules.check(&json!(chosen)).is_ok());
        prop_assert_eq!(counted(chosen), counted(&sorted));
    }
}

#[test]
fn a_pattern_is_small_and_its_text_short() {
    let large = json!({"pattern": "(?:(?:a|b|c|d)*){480}z"});
    let fault = Rules::parse("short_text", Some(&large)).unwrap_err().to_string();
    assert!(fault.starts_with("pattern: is no regular expression: "), "{fault}");
    for usual in [r"[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}", r"\+[1-9]\d{6,14}", r"[^@\s]+@[^@\s]+\.[a-z]{2,24}"] {
        assert!(Rules::parse("short_text", Some(&json!({ "pattern": usual }))).is_ok(), "{usual}");
    }
    let long = json!({"pattern": "a", "maxLength": 1001});
    let fault = Rules::parse("long_text", Some(&long)).unwrap_err().to_string();
    assert_eq!(fault, "pattern: needs a maxLength of at most 1000");
}
