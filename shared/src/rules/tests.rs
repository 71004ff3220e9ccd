//! What is counted of answers tells them back: the results of any answers say what adding them up by hand says. The
//! expected results are computed here from what the answers were made of, and never from the rules.

use super::{Counts, Range, Rules};
use chrono::NaiveDate;
use proptest::{
    collection::{btree_map, vec},
    prelude::*,
    sample::select,
};
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The day on which the survey was made, in days since the year 1: 2030-06-15.
const MADE: i32 = 741_243;

/// Which of these answers are accepted, and the results after those.
fn results(r#type: &str, definition: &Value, answers: &[Value]) -> (Vec<bool>, Value) {
    let rules = Rules::parse(r#type, Some(definition)).unwrap();
    let (mut counts, mut range, mut accepted) = (Counts::default(), Range::default(), Vec::new());
    for answer in answers {
        accepted.push(!rules.is_blank(answer) && rules.check(answer).is_ok());
        if accepted.last() != Some(&true) {
            continue;
        }
        let measure = rules.measure(answer);
        range.least = [range.least, measure].into_iter().flatten().min();
        range.greatest = range.greatest.max(measure);
        for tally in rules.tallies(answer, day(MADE)) {
            counts.add(tally.name(), tally.n, tally.total);
        }
    }
    let votes = accepted.iter().filter(|accepted| **accepted).count();
    assert_eq!(counts.votes(), i64::try_from(votes).unwrap());
    (accepted, rules.summary(&counts, range))
}

/// The results of answers that are all accepted.
fn results_of_all(r#type: &str, definition: &Value, answers: &[Value]) -> Value {
    let (accepted, summary) = results(r#type, definition, answers);
    for (answer, accepted) in answers.iter().zip(accepted) {
        assert!(accepted, "{type}: {answer}");
    }
    summary
}

/// To the nearest whole; a half goes to the even one.
fn rounded(numerator: i128, denominator: i128) -> i128 {
    let (whole, rest) = (numerator.div_euclid(denominator), numerator.rem_euclid(denominator));
    whole
        + match (2 * rest).cmp(&denominator) {
            std::cmp::Ordering::Less => 0,
            std::cmp::Ordering::Equal => whole.rem_euclid(2),
            std::cmp::Ordering::Greater => 1,
        }
}

/// A number of millionths as it goes out.
fn decimal(millionths: i128) -> Value {
    let sign = if millionths < 0 { "-" } else { "" };
    let (whole, rest) = (millionths.unsigned_abs() / 1_000_000, millionths.unsigned_abs() % 1_000_000);
    let text = format!("{sign}{whole}.{rest:06}");
    serde_json::from_str(text.trim_end_matches('0').trim_end_matches('.')).unwrap()
}

/// The same the other way round.
fn millionths(value: &Value) -> i128 {
    let number: Decimal = value.to_string().parse().unwrap();
    number.mantissa() * 10_i128.pow(6 - number.scale())
}

/// A quotient to six digits; nothing of nothing is null.
fn ratio(numerator: usize, denominator: usize) -> Value {
    mean(1_000_000 * i128::try_from(numerator).unwrap(), denominator)
}

/// The same of a sum of millionths.
fn mean(millionths: i128, of: usize) -> Value {
    if of == 0 { Value::Null } else { decimal(rounded(millionths, i128::try_from(of).unwrap())) }
}

/// How often each thing is there.
fn tallied<T: Ord>(things: impl IntoIterator<Item = T>) -> BTreeMap<T, usize> {
    let mut tallied = BTreeMap::new();
    for thing in things {
        *tallied.entry(thing).or_default() += 1;
    }
    tallied
}

fn day(days: i32) -> NaiveDate {
    NaiveDate::from_num_days_from_ce_opt(days).unwrap()
}

/// One answer as JSON, and the value of the option that it names: none where it is no good, `""` for another than the options.
type Chosen = (Value, Option<&'static str>);

/// The options of the questions below, and all that an answer can make of them.
fn options() -> (Value, Vec<Chosen>) {
    let options = json!(["a", {"value": "b", "label": "B"}, 3, {"value": "old", "retired": true}]);
    let chosen = [
        (json!("a"), Some("a")),
        (json!("b"), Some("b")),
        (json!("3"), Some("3")),
        (json!(3), Some("3")),
        (json!({"other": "a"}), Some("")),
        (json!({"other": "z"}), Some("")),
        (json!("old"), None),
        (json!("B"), None),
        (json!({"other": " "}), None),
        (json!(true), None),
    ];
    (options, chosen.into())
}

const OPTIONS: [(&str, bool); 4] = [("a", false), ("b", false), ("3", false), ("old", true)];

/// Several of them as one answer, and the values that it names if it is good: each once.
fn several(chosen: &[Chosen], least: usize, most: usize) -> (Value, Option<Vec<&'static str>>) {
    let answer = chosen.iter().map(|(answer, _)| answer.clone()).collect();
    let values: Option<Vec<_>> = chosen.iter().map(|(_, value)| *value).collect();
    let good = |values: &Vec<&str>| {
        values.iter().collect::<BTreeSet<_>>().len() == values.len() && (least..=most).contains(&values.len())
    };
    (answer, values.filter(good))
}

/// Most of them good, so that long answers are, too.
fn an_option() -> impl Strategy<Value = Chosen> {
    let (good, bad): (Vec<Chosen>, Vec<Chosen>) =
        options().1.into_iter().partition(|(_, value)| value.is_some());
    prop_oneof![9 => select(good), 1 => select(bad)]
}

/// The same where there is nothing but the options.
fn without_other((answer, value): Chosen) -> Chosen {
    (answer, value.filter(|value| !value.is_empty()))
}

/// What choices say: each option with its count and its share of the votes.
fn choice_summary(counts: &BTreeMap<&str, usize>, votes: usize) -> Value {
    let count = |value| counts.get(value).copied().unwrap_or_default();
    let options = OPTIONS.map(|(value, retired)| {
        json!({"value": value, "count": count(value), "share": ratio(count(value), votes), "retired": retired})
    });
    json!({"options": options, "other": {"count": count(""), "share": ratio(count(""), votes)}})
}

/// A number of millionths, small ones as likely as large ones.
fn a_number() -> impl Strategy<Value = i128> {
    (0_u32..=21).prop_flat_map(|digits| {
        let end = 10_i128.pow(digits) - 1;
        -end..=end
    })
}

/// The same number in one of the ways to write it.
fn spelled(millionths: i128, way: usize) -> String {
    let plain = decimal(millionths).to_string();
    match way {
        0 => plain,
        1 => format!("{millionths}e-6"),
        2 => format!("{millionths}.00E-06"),
        3 if plain.contains('.') => format!("{plain}00"),
        3 => format!("{plain}.0"),
        4 if millionths == 0 => "-0.00".to_owned(),
        // 1e2, 15e-1
        _ => {
            let zeros =
                (0..21).take_while(|n| millionths % 10_i128.pow(n + 1) == 0 && millionths != 0).count();
            let exponent = i32::try_from(zeros).unwrap() - 6;
            format!("{}E{exponent:+}", millionths / 10_i128.pow(u32::try_from(zeros).unwrap()))
        }
    }
}

/// Days since the year 1: near the day a survey was made, anywhere, and at each edge.
fn a_day() -> impl Strategy<Value = i32> {
    let at = |year, month, day| {
        chrono::Datelike::num_days_from_ce(&NaiveDate::from_ymd_opt(year, month, day).unwrap())
    };
    let edges = [
        MADE - 367,
        MADE - 366,
        MADE + 3653,
        MADE + 3654,
        at(1899, 12, 31),
        at(1900, 1, 1),
        at(2199, 12, 31),
        at(2200, 1, 1),
        1,
        3_652_059,
    ];
    prop_oneof![
        MADE - 400..=MADE + 3700,
        1..=3_652_059,
        select(edges.to_vec()),
        at(1890, 1, 1)..=at(2210, 1, 1)
    ]
}

/// What dates and moments say of answers on these days.
fn day_summary(days: &[i32], least: Option<&str>, greatest: Option<&str>) -> Value {
    let near = |day: i32| (-366..=3653).contains(&(day - MADE));
    let far = days.iter().filter(|d| !near(**d)).map(|d| day(*d).to_string()[..4].parse::<i32>().unwrap());
    let (far, near) = (tallied(far), tallied(days.iter().filter(|day| near(**day))));
    let of = |years: std::ops::Range<i32>| far.range(years).map(|(_, n)| n).sum::<usize>();
    json!({
        "min": least,
        "max": greatest,
        "days": near.iter().map(|(d, n)| json!({"day": day(**d).to_string(), "count": n})).collect::<Value>(),
        "years": far.range(1900..2200).map(|(year, n)| json!({"year": year, "count": n})).collect::<Value>(),
        "earlier": of(1..1900),
        "later": of(2200..10_000),
        "notShown": 0,
    })
}

/// How often each of these values was answered.
fn values_summary<T: Ord>(values: impl IntoIterator<Item = (T, Value)>, answered: &[T]) -> Value {
    let count = |value| answered.iter().filter(|answer| **answer == value).count();
    let each = values.into_iter().map(|(value, json)| {
        let count = count(value);
        json!({"value": json, "count": count, "share": ratio(count, answered.len())})
    });
    each.collect()
}

proptest! {
    #[test]
    fn a_text_is_accepted_by_its_length_and_form_and_not_summed_up(
        text in prop_oneof![any::<String>(), "[a-zż\\n ]{0,8}"],
    ) {
        let length = text.chars().count();
        let (lines, blank) = (text.contains(['\n', '\r']), text.trim().is_empty());
        let letters = text.chars().all(|c| c.is_ascii_lowercase());
        for (r#type, definition, good) in [
            ("short_text", json!({"minLength": 2, "maxLength": 5}), (2..=5).contains(&length) && !lines),
            ("long_text", json!({"minLength": 2, "maxLength": 5}), (2..=5).contains(&length)),
            ("long_text", json!({"pattern": "[a-z]+"}), letters),
        ] {
            let (accepted, summary) = results(r#type, &definition, &[json!(text)]);
            prop_assert_eq!((accepted, summary), (vec![good && !blank], json!({})), "{} {}", r#type, definition);
        }
    }

    #[test]
    fn what_a_client_makes_of_its_own_type_is_accepted_and_not_summed_up(text in any::<String>(), number in any::<i64>()) {
        let answers = [json!(text), json!(number), json!([text, number]), json!({ "": null }), json!([]), json!("")];
        prop_assert_eq!(results_of_all("x-colour", &json!({"any": text}), &answers), json!({}));
    }

    #[test]
    fn numbers_add_up_and_each_is_in_its_place_in_the_histogram(
        numbers in vec((a_number(), 0_usize..6), 0..150),
    ) {
        let answers: Vec<Value> =
            numbers.iter().map(|(n, way)| serde_json::from_str(&spelled(*n, *way)).unwrap()).collect();
        let numbers: Vec<i128> = numbers.into_iter().map(|(n, _)| n).collect();
        let mut summary = results_of_all("number", &json!({}), &answers);
        let histogram = summary.as_object_mut().unwrap().remove("histogram").unwrap();
        prop_assert_eq!(summary, json!({
            "count": numbers.len(),
            "sum": decimal(numbers.iter().sum()),
            "mean": mean(numbers.iter().sum(), numbers.len()),
            "min": numbers.iter().min().map(|n| decimal(*n)),
            "max": numbers.iter().max().map(|n| decimal(*n)),
        }));
        let buckets = histogram.as_array().unwrap();
        prop_assert!(buckets.len() <= 60, "{}", buckets.len());
        let (mut end, mut all) = (None, 0);
        for bucket in buckets {
            let (from, to) = (millionths(&bucket["from"]), millionths(&bucket["to"]));
            prop_assert!(from <= to && end.is_none_or(|end| end <= from), "in order, and apart: {}", bucket);
            end = Some(to);
            let (near, far) = (from.abs().min(to.abs()), from.abs().max(to.abs()));
            if from < to {
                // All numbers with the same first digit, or of the same magnitude.
                let unit = 10_i128.pow(near.ilog10());
                prop_assert!(near % unit == 0 && (far == near + unit || (near, far) == (unit, 10 * unit)), "{}", bucket);
            }
            let inside = |n: &&i128| if from == to { **n == 0 } else {
                // The end nearer to zero belongs to it.
                (**n < 0) == (from < 0) && near <= n.abs() && n.abs() < far
            };
            let inside = numbers.iter().filter(inside).count();
            prop_assert!(inside > 0, "{}", bucket);
            prop_assert_eq!(&bucket["count"], &json!(inside), "{}", bucket);
            all += inside;
        }
        prop_assert_eq!(all, numbers.len());
    }

    #[test]
    fn booleans_are_counted(flags in vec(any::<bool>(), 0..40)) {
        let answers: Vec<Value> = flags.iter().map(|flag| json!(flag)).collect();
        let values = [(true, json!(true)), (false, json!(false))];
        prop_assert_eq!(
            results_of_all("boolean", &json!({}), &answers), json!({"values": values_summary(values, &flags)})
        );
    }

    #[test]
    fn single_choices_are_counted_and_their_shares_add_up(chosen in vec(an_option(), 0..40)) {
        let definition = json!({"options": options().0, "other": true});
        let answers: Vec<Value> = chosen.iter().map(|(answer, _)| answer.clone()).collect();
        let (accepted, summary) = results("single_choice", &definition, &answers);
        prop_assert_eq!(accepted, chosen.iter().map(|(_, value)| value.is_some()).collect::<Vec<_>>());
        let values: Vec<&str> = chosen.iter().filter_map(|(_, value)| *value).collect();
        prop_assert_eq!(&summary, &choice_summary(&tallied(values.iter().copied()), values.len()));
        if !values.is_empty() {
            let options = summary["options"].as_array().unwrap().iter();
            let shares: i128 = options.chain([&summary["other"]]).map(|option| millionths(&option["share"])).sum();
            prop_assert!((shares - 1_000_000).abs() <= 3, "{}", summary);
        }
    }

    #[test]
    fn multiple_choices_are_counted_by_respondents(chosen in vec(vec(an_option(), 1..5), 0..30)) {
        let definition = json!({"options": options().0, "other": true, "minSelections": 1, "maxSelections": 3});
        let (answers, values): (Vec<Value>, Vec<_>) = chosen.iter().map(|chosen| several(chosen, 1, 3)).unzip();
        let (accepted, summary) = results("multi_choice", &definition, &answers);
        prop_assert_eq!(accepted, values.iter().map(Option::is_some).collect::<Vec<_>>());
        let votes = values.iter().flatten().count();
        prop_assert_eq!(summary, choice_summary(&tallied(values.iter().flatten().flatten().copied()), votes));
    }

    #[test]
    fn rankings_give_each_option_its_mean_rank(chosen in vec(vec(an_option(), 1..5), 0..30)) {
        let definition = json!({"options": options().0, "minSelections": 1});
        let listed = chosen.into_iter().map(|chosen| chosen.into_iter().map(without_other).collect::<Vec<_>>());
        let (answers, values): (Vec<Value>, Vec<_>) = listed.map(|chosen| several(&chosen, 1, 3)).unzip();
        let (accepted, summary) = results("ranking", &definition, &answers);
        prop_assert_eq!(accepted, values.iter().map(Option::is_some).collect::<Vec<_>>());
        let expected = OPTIONS.map(|(option, retired)| {
            let ranks = values.iter().flatten().filter_map(|values| values.iter().position(|value| *value == option));
            let ranks: Vec<usize> = ranks.map(|index| index + 1).collect();
            json!({
                "value": option, "count": ranks.len(), "meanRank": ratio(ranks.iter().sum(), ranks.len()), "retired": retired,
            })
        });
        prop_assert_eq!(summary, json!({"options": expected}));
    }

    #[test]
    fn steps_of_a_scale_are_counted_and_have_a_mean(steps in vec((-6_i64..=6, 0_usize..6), 0..40)) {
        let answers: Vec<Value> = steps
            .iter()
            .map(|(step, way)| serde_json::from_str(&spelled(i128::from(*step) * 1_000_000, *way)).unwrap())
            .collect();
        let (accepted, summary) = results("scale", &json!({"min": -4, "max": 3}), &answers);
        let good: Vec<bool> = steps.iter().map(|(step, _)| (-4..=3).contains(step)).collect();
        prop_assert_eq!(&accepted, &good);
        let steps: Vec<i64> = steps.iter().map(|(step, _)| *step).filter(|step| (-4..=3).contains(step)).collect();
        prop_assert_eq!(summary, json!({
            "values": values_summary((-4..=3).map(|value| (value, json!(value))), &steps),
            "mean": mean(steps.iter().map(|step| i128::from(*step) * 1_000_000).sum(), steps.len()),
        }));
    }

    #[test]
    fn a_net_promoter_score_is_that_of_the_answers(steps in vec(0_i64..=10, 0..40)) {
        let answers: Vec<Value> = steps.iter().map(|step| json!(step)).collect();
        let of = |least, greatest| steps.iter().filter(|step| (least..=greatest).contains(*step)).count();
        let (promoters, passives, detractors) = (of(9, 10), of(7, 8), of(0, 6));
        let lead = i128::try_from(promoters).unwrap() - i128::try_from(detractors).unwrap();
        let tenths = |of: usize| decimal(100_000 * rounded(1000 * lead, i128::try_from(of).unwrap()));
        prop_assert_eq!(results_of_all("nps", &json!({}), &answers), json!({
            "values": values_summary((0..=10).map(|value| (value, json!(value))), &steps),
            "mean": mean(steps.iter().map(|step| i128::from(*step) * 1_000_000).sum(), steps.len()),
            "promoters": promoters,
            "passives": passives,
            "detractors": detractors,
            "score": if steps.is_empty() { json!(null) } else { tenths(steps.len()) },
        }));
    }

    #[test]
    fn every_cell_of_a_matrix_is_counted(
        answers in vec(btree_map(select(vec!["r", "s", "3", "gone"]), vec(an_option(), 1..4), 1..4), 0..30),
        multiple in any::<bool>(),
    ) {
        let rows = json!(["r", "s", 3, {"value": "gone", "retired": true}]);
        let definition = json!({"rows": rows, "columns": options().0, "multiple": multiple});
        let (mut sent, mut good, mut cells) = (Vec::new(), Vec::new(), Vec::new());
        for answer in answers {
            let rows = answer.into_iter().map(|(row, chosen)| {
                // There are no other columns, and only the first one counts where there is but one.
                let chosen: Vec<Chosen> = chosen.into_iter().map(without_other).collect();
                let one = chosen[0].clone();
                let (json, values) =
                    if multiple { several(&chosen, 1, 3) } else { (one.0, one.1.map(|value| vec![value])) };
                ((row.to_owned(), json), values.filter(|_| row != "gone").map(|values| (row, values)))
            });
            let (answer, named): (Map<_, _>, Vec<_>) = rows.unzip();
            sent.push(Value::Object(answer));
            let named: Option<Vec<_>> = named.into_iter().collect();
            good.push(named.is_some());
            cells.extend(named.into_iter().flatten());
        }
        let (accepted, summary) = results("matrix", &definition, &sent);
        prop_assert_eq!(accepted, good);
        let expected = [("r", false), ("s", false), ("3", false), ("gone", true)].map(|(row, retired)| {
            let of_row: Vec<_> = cells.iter().filter(|(other, _)| *other == row).map(|(_, values)| values).collect();
            let cells = OPTIONS.map(|(column, _)| {
                let count = of_row.iter().filter(|values| values.contains(&column)).count();
                json!({"column": column, "count": count, "share": ratio(count, of_row.len())})
            });
            json!({"row": row, "count": of_row.len(), "retired": retired, "cells": cells})
        });
        prop_assert_eq!(summary, json!({"rows": expected}));
    }

    #[test]
    fn dates_are_counted_by_the_day_near_by_and_by_the_year_far_off(days in vec(a_day(), 0..60)) {
        let texts: Vec<String> = days.iter().map(|days| day(*days).to_string()).collect();
        let answers: Vec<Value> = texts.iter().map(|text| json!(text)).collect();
        // With four digits of a year, texts are in the order of days.
        let (least, greatest) = (texts.iter().min(), texts.iter().max());
        let expected = day_summary(&days, least.map(String::as_str), greatest.map(String::as_str));
        prop_assert_eq!(results_of_all("date", &json!({}), &answers), expected);
    }

    #[test]
    fn moments_are_counted_by_their_day_in_utc(
        moments in vec(
            (prop_oneof![a_day(), Just(0)], 0_i32..86_400, "|[.][0-9]{1,12}", -1439_i32..=1439, any::<bool>()), 0..40,
        ),
    ) {
        let (mut answers, mut good, mut utc) = (Vec::new(), Vec::new(), Vec::new());
        for (days, second, fraction, offset, capitals) in moments {
            // One in a few is in UTC.
            let offset = if offset % 4 == 0 { 0 } else { offset };
            let (minute, hour) = (second / 60 % 60, second / 3600);
            let zone = match offset {
                0 => "Z".to_owned(),
                _ => format!("{}{:02}:{:02}", if offset < 0 { '-' } else { '+' }, offset.abs() / 60, offset.abs() % 60),
            };
            let text = format!("{}T{hour:02}:{minute:02}:{:02}{fraction}{zone}", day(days), second % 60);
            answers.push(json!(if capitals { text } else { text.to_lowercase() }));
            let seconds = i64::from(days) * 86_400 + i64::from(second) - i64::from(offset) * 60;
            good.push((86_400..3_652_060 * 86_400).contains(&seconds));
            if good.last() == Some(&true) {
                let micros = format!("{:0<6.6}", fraction.trim_start_matches('.'));
                utc.push((seconds, micros.parse::<i64>().unwrap()));
            }
        }
        let (accepted, summary) = results("datetime", &json!({}), &answers);
        prop_assert_eq!(accepted, good, "{:?}", answers);
        let written = |(seconds, micros): &(i64, i64)| {
            let (days, second) = (i32::try_from(seconds / 86_400).unwrap(), seconds % 86_400);
            let fraction = match micros {
                0 => String::new(),
                micros if micros % 1000 == 0 => format!(".{:03}", micros / 1000),
                micros => format!(".{micros:06}"),
            };
            let (hour, minute) = (second / 3600, second / 60 % 60);
            format!("{}T{hour:02}:{minute:02}:{:02}{fraction}Z", day(days), second % 60)
        };
        let days: Vec<i32> = utc.iter().map(|(seconds, _)| i32::try_from(seconds / 86_400).unwrap()).collect();
        let (least, greatest) = (utc.iter().min().map(written), utc.iter().max().map(written));
        prop_assert_eq!(summary, day_summary(&days, least.as_deref(), greatest.as_deref()));
    }

    #[test]
    fn times_are_counted_by_the_hour(times in vec((0_u32..24, 0_u32..60, proptest::option::of(0_u32..60)), 0..40)) {
        let text = |(hour, minute, second): &(u32, u32, Option<u32>)| {
            let second = second.map(|second| format!(":{second:02}")).unwrap_or_default();
            format!("{hour:02}:{minute:02}{second}")
        };
        let answers: Vec<Value> = times.iter().map(|time| json!(text(time))).collect();
        let full: Vec<String> = times.iter().map(|(h, m, s)| text(&(*h, *m, Some(s.unwrap_or(0))))).collect();
        let hours = tallied(times.iter().map(|(hour, ..)| format!("{hour:02}")));
        prop_assert_eq!(results_of_all("time", &json!({}), &answers), json!({
            "min": full.iter().min(),
            "max": full.iter().max(),
            "hours": hours.iter().map(|(hour, n)| json!({"hour": hour, "count": n})).collect::<Value>(),
        }));
    }
}

#[test]
fn nothing_that_only_resembles_a_day_a_time_or_a_moment_is_one() {
    // RFC 3339, section 5.6, without leap seconds.
    let moment = "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-5][0-9]([.][0-9]+)?([Zz]|[+-][0-2][0-9]:[0-5][0-9])$";
    for (r#type, text, shape) in [
        ("date", "2030-01-31", "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"),
        ("time", "18:00", "^[0-9]{2}:[0-9]{2}(:[0-9]{2})?$"),
        ("time", "18:00:30", "^[0-9]{2}:[0-9]{2}:[0-9]{2}$"),
        ("datetime", "2030-01-31T18:00:00.5-01:00", moment),
        ("datetime", "2030-01-31T18:00:00+23:59", moment),
        ("datetime", "2030-01-31T18:00:00Z", moment),
    ] {
        let (rules, shape) = (Rules::parse(r#type, None).unwrap(), regex_lite::Regex::new(shape).unwrap());
        assert!(rules.check(&json!(text)).is_ok(), "{text}");
        let others = [
            "", "-", "\u{2212}", "\u{2013}", ":", " ", "T", "t", "z", ".", ",", "+", "0", "6", "9", "\u{661}",
        ];
        // Each of them in each place, in addition and instead of what is there.
        for (at, other, width) in (0..text.len())
            .flat_map(|at| others.into_iter().flat_map(move |other| [(at, other, 0), (at, other, 1)]))
        {
            let mutated = format!("{}{other}{}", &text[..at], &text[at + width..]);
            let accepted = rules.check(&json!(mutated)).is_ok();
            assert!(!accepted || shape.is_match(&mutated), "{mutated}");
        }
    }
}

#[test]
fn days_that_the_results_leave_out_are_numbered() {
    let rules = Rules::parse("date", None).unwrap();
    let mut counts = Counts::default();
    counts.add("answers".to_owned(), 7, Decimal::ZERO);
    counts.add("day 2030-06-15".to_owned(), 2, Decimal::ZERO);
    counts.add("earlier".to_owned(), 1, Decimal::ZERO);
    assert_eq!(rules.summary(&counts, Range::default())["notShown"], 4);
}

#[test]
fn the_contract_has_the_types_that_have_rules() {
    let document = include_str!("../../../functions/docs/openapi.json");
    let document: Value = serde_json::from_str(document).unwrap();
    let schemas = &document["components"]["schemas"];
    let types: BTreeSet<_> = super::TYPES.iter().copied().collect();
    for name in ["NewTypedQuestion", "TypedQuestion", "TypedResult"] {
        let mapping = schemas[name]["discriminator"]["mapping"].as_object().unwrap();
        assert_eq!(mapping.keys().map(String::as_str).collect::<BTreeSet<_>>(), types, "{name}");
    }
    for name in ["OwnQuestion", "OwnResult"] {
        let known = schemas[name]["properties"]["type"]["not"]["enum"].as_array().unwrap();
        assert_eq!(known.iter().filter_map(Value::as_str).collect::<BTreeSet<_>>(), types, "{name}");
    }
}

#[test]
fn a_stored_question_without_good_rules_is_one_of_an_own_type() {
    let rules = Rules::of_stored("nps", Some(&json!(["a", "b"])));
    assert!(rules.check(&json!({"any": "thing"})).is_ok());
    assert!(Rules::of_stored("nps", None).check(&json!("thing")).is_err());
}
