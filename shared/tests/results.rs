//! What the results say of each type, and that they are exact after responses were deleted.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a broken fixture should stop the test")]

use serde_json::{Value, json};
use shared::{
    accounts::Viewer,
    responses, results,
    testing::{TestApp, TestSurvey, User, Uuid},
    values::{ResponseId, SurveyId},
};

async fn stats(test: &TestApp, owner: &User, survey: Uuid) -> Value {
    let owner = Viewer::Caller(test.caller(owner).await);
    serde_json::to_value(
        results::stats(&mut test.db().await, &owner, SurveyId(survey), true).await.unwrap().0,
    )
    .unwrap()
}

/// The summary of the only question of a survey, after these replies to it.
async fn summary(r#type: &str, definition: Value, replies: &[Value]) -> Value {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let questions = json!([{"type": r#type, "replyContent": definition}]);
    let survey = test.survey(&ada).made("2030-06-15T12:00:00Z").questions(questions).await;
    for (index, reply) in replies.iter().enumerate() {
        // Whole responses and single replies count the same.
        if index % 2 == 0 {
            test.response(survey.id, survey.answers([reply.clone()])).await;
        } else {
            test.reply(survey.questions[0], reply.clone()).await;
        }
    }
    let stats = stats(&test, &ada, survey.id).await;
    assert_eq!((&stats[0]["votes"], &stats[0]["answers"]), (&json!(replies.len()), &json!(replies)));
    test.assert_counted().await;
    stats[0]["summary"].clone()
}

async fn delete(test: &TestApp, owner: &User, survey: Uuid, response: Uuid) {
    let owner = test.caller(owner).await;
    responses::delete(&mut test.db().await, &owner, SurveyId(survey), ResponseId(response)).await.unwrap();
}

/// A number as it is written.
fn number(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn texts_and_types_of_the_clients_own_are_not_summed_up() {
    for r#type in ["short_text", "long_text", "colour"] {
        assert_eq!(summary(r#type, json!({}), &[json!("red"), json!("blue")]).await, json!({}));
    }
}

#[tokio::test]
async fn options_are_counted_with_those_that_nobody_chose_and_those_that_are_retired() {
    let options = json!(["a", "b", {"value": "c", "retired": true}, "d"]);
    assert_eq!(
        summary("single_choice", options, &[json!("a"), json!("b"), json!("a")]).await,
        json!({"options": [
            {"value": "a", "count": 2, "share": 0.666_667, "retired": false},
            {"value": "b", "count": 1, "share": 0.333_333, "retired": false},
            {"value": "c", "count": 0, "share": 0, "retired": true},
            {"value": "d", "count": 0, "share": 0, "retired": false},
        ]})
    );
}

#[tokio::test]
async fn nothing_has_no_share_and_no_mean() {
    let choice = json!({"options": ["a"], "other": true});
    assert_eq!(
        summary("single_choice", choice, &[]).await,
        json!({
            "options": [{"value": "a", "count": 0, "share": null, "retired": false}],
            "other": {"count": 0, "share": null},
        })
    );
    let none = json!({"count": 0, "sum": 0, "mean": null, "min": null, "max": null, "histogram": []});
    assert_eq!(summary("number", json!({}), &[]).await, none);
    let nps = summary("nps", json!({}), &[]).await;
    assert_eq!((&nps["mean"], &nps["score"], &nps["promoters"]), (&json!(null), &json!(null), &json!(0)));
    let none = json!({
        "min": null, "max": null, "days": [], "years": [], "earlier": 0, "later": 0, "notShown": 0,
    });
    for r#type in ["date", "datetime"] {
        assert_eq!(summary(r#type, json!({}), &[]).await, none);
    }
    let matrix = summary("matrix", json!({"rows": ["r"], "columns": ["x"]}), &[]).await;
    let cell = json!({"column": "x", "count": 0, "share": null});
    assert_eq!(matrix, json!({"rows": [{"row": "r", "count": 0, "retired": false, "cells": [cell]}]}));
}

#[tokio::test]
async fn shares_of_several_options_are_of_respondents() {
    let options = json!({"options": ["a", "b", 1], "other": true});
    let replies = [json!(["a", "b"]), json!(["b", 1, {"other": "z"}]), json!(["b"]), json!([{"other": "y"}])];
    assert_eq!(
        summary("multi_choice", options, &replies).await,
        json!({
            "options": [
                {"value": "a", "count": 1, "share": 0.25, "retired": false},
                {"value": "b", "count": 3, "share": 0.75, "retired": false},
                {"value": "1", "count": 1, "share": 0.25, "retired": false},
            ],
            "other": {"count": 2, "share": 0.5},
        })
    );
}

#[tokio::test]
async fn a_ranking_has_mean_ranks() {
    let options = json!({"options": ["a", "b", "c", "d"], "minSelections": 1});
    let replies = [json!(["a", "b", "c"]), json!(["b", "a"]), json!(["b"])];
    assert_eq!(
        summary("ranking", options, &replies).await,
        json!({"options": [
            {"value": "a", "count": 2, "meanRank": 1.5, "retired": false},
            {"value": "b", "count": 3, "meanRank": 1.333_333, "retired": false},
            {"value": "c", "count": 1, "meanRank": 3, "retired": false},
            {"value": "d", "count": 0, "meanRank": null, "retired": false},
        ]})
    );
}

#[tokio::test]
async fn a_scale_has_every_step_and_a_mean() {
    assert_eq!(
        summary("scale", json!({"min": -1, "max": 2}), &[json!(2), json!(-1), json!(2), json!(0)]).await,
        json!({
            "values": [
                {"value": -1, "count": 1, "share": 0.25},
                {"value": 0, "count": 1, "share": 0.25},
                {"value": 1, "count": 0, "share": 0},
                {"value": 2, "count": 2, "share": 0.5},
            ],
            "mean": 0.75,
        })
    );
    assert_eq!(
        summary("boolean", json!({}), &[json!(true), json!(true), json!(false)]).await,
        json!({"values": [
            {"value": true, "count": 2, "share": 0.666_667},
            {"value": false, "count": 1, "share": 0.333_333},
        ]})
    );
}

#[tokio::test]
async fn the_net_promoter_score_is_promoters_less_detractors() {
    let replies: Vec<Value> = [10, 9, 9, 8, 7, 6, 0].map(|n| json!(n)).into();
    let summary = summary("nps", json!({}), &replies).await;
    assert_eq!(summary["values"].as_array().unwrap().len(), 11);
    assert_eq!(summary["values"][9], json!({"value": 9, "count": 2, "share": 0.285_714}));
    let parts = ["promoters", "passives", "detractors", "mean", "score"].map(|part| summary[part].clone());
    assert_eq!(parts, [json!(3), json!(2), json!(2), json!(7), json!(14.3)]);
}

#[tokio::test]
async fn a_matrix_is_counted_cell_by_cell() {
    let definition = json!({"rows": ["r", "s"], "columns": ["x", "y"], "multiple": true});
    let replies = [json!({"r": ["x", "y"]}), json!({"r": ["y"], "s": ["x"]}), json!({"r": ["y"]})];
    let cell = |column: &str, count: i64, share: &str| json!({"column": column, "count": count, "share": number(share)});
    assert_eq!(
        summary("matrix", definition, &replies).await,
        json!({"rows": [
            {"row": "r", "count": 3, "retired": false, "cells": [cell("x", 1, "0.333333"), cell("y", 3, "1")]},
            {"row": "s", "count": 1, "retired": false, "cells": [cell("x", 1, "1"), cell("y", 0, "0")]},
        ]})
    );
}

#[tokio::test]
async fn days_and_hours_are_counted_in_their_order() {
    let days = [json!("2030-02-01"), json!("2029-12-31"), json!("2030-02-01")];
    assert_eq!(
        summary("date", json!({}), &days).await,
        json!({
            "min": "2029-12-31",
            "max": "2030-02-01",
            "days": [{"day": "2029-12-31", "count": 1}, {"day": "2030-02-01", "count": 2}],
            "years": [], "earlier": 0, "later": 0, "notShown": 0,
        })
    );
    let hours = [json!("18:30:30"), json!("08:59"), json!("18:00")];
    assert_eq!(
        summary("time", json!({}), &hours).await,
        json!({
            "min": "08:59:00",
            "max": "18:30:30",
            "hours": [{"hour": "08", "count": 1}, {"hour": "18", "count": 2}],
        })
    );
    let moments = [json!("2030-01-31T23:30:00.5-01:00"), json!("0001-01-01T00:00:00Z")];
    assert_eq!(
        summary("datetime", json!({}), &moments).await,
        json!({
            "min": "0001-01-01T00:00:00Z",
            "max": "2030-02-01T00:30:00.500Z",
            "days": [{"day": "2030-02-01", "count": 1}],
            "years": [], "earlier": 1, "later": 0, "notShown": 0,
        })
    );
}

#[tokio::test]
async fn days_far_from_the_day_the_survey_was_made_are_counted_by_their_year() {
    // Made on 2030-06-15: from a year before to ten years after, each day by itself.
    let days = [
        "2029-06-14",
        "2029-06-13",
        "2040-06-15",
        "2040-06-16",
        "1900-01-01",
        "1899-12-31",
        "0001-01-01",
        "2199-12-31",
        "2200-01-01",
        "9999-12-31",
        "1987-03-05",
        "1987-12-31",
    ];
    let expected = |least: &str, greatest: &str| {
        json!({
            "min": least, "max": greatest,
            "days": [{"day": "2029-06-14", "count": 1}, {"day": "2040-06-15", "count": 1}],
            "years": [
                {"year": 1900, "count": 1}, {"year": 1987, "count": 2}, {"year": 2029, "count": 1},
                {"year": 2040, "count": 1}, {"year": 2199, "count": 1},
            ],
            "earlier": 2, "later": 2, "notShown": 0,
        })
    };
    assert_eq!(
        summary("date", json!({}), &days.map(|day| json!(day))).await,
        expected("0001-01-01", "9999-12-31")
    );
    // Of a moment it is the day in UTC.
    let moments = days.map(|day| json!(format!("{day}T00:00:00Z")));
    assert_eq!(
        summary("datetime", json!({}), &moments).await,
        expected("0001-01-01T00:00:00Z", "9999-12-31T00:00:00Z")
    );
}

#[tokio::test]
async fn numbers_are_exact_and_stand_in_a_histogram() {
    let replies = ["0.1", "0.2", "-35", "-3.5e1", "0", "999999999999999.999999", "0.15"].map(number);
    let entry =
        |from: &str, to: &str, count: i64| json!({"from": number(from), "to": number(to), "count": count});
    assert_eq!(
        summary("number", json!({}), &replies).await,
        json!({
            "count": 7,
            "sum": number("999999999999930.449999"),
            "mean": number("142857142857132.921428"),
            "min": -35,
            "max": number("999999999999999.999999"),
            "histogram": [
                entry("-40", "-30", 2),
                entry("0", "0", 1),
                entry("0.1", "0.2", 2),
                entry("0.2", "0.3", 1),
                entry("900000000000000", "1000000000000000", 1),
            ],
        })
    );
}

#[tokio::test]
async fn a_tenth_a_thousand_times_is_a_hundred() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).questions(json!(vec![json!({"type": "number"}); 100])).await;
    let answers: Value = survey.questions.iter().map(|id| (id.to_string(), number("0.1"))).collect();
    for _ in 0..10 {
        test.response(survey.id, answers.clone()).await;
    }
    let stats = stats(&test, &ada, survey.id).await;
    for question in stats.as_array().unwrap() {
        assert_eq!((&question["summary"]["sum"], &question["summary"]["mean"]), (&json!(1), &number("0.1")));
    }
}

#[tokio::test]
async fn the_results_forget_what_was_deleted_the_extremes_too() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test
        .survey(&ada)
        .questions(json!([
            {"type": "number"},
            {"type": "date"},
            {"type": "nps"},
            {"type": "ranking", "replyContent": ["a", "b"]},
            {"type": "multi_choice", "replyContent": {"options": ["a", "b"], "other": true}},
            {"type": "matrix", "replyContent": {"rows": ["r"], "columns": ["x"]}},
            {"type": "time"},
            {"type": "boolean"},
            {"type": "short_text"},
            {"type": "colour"},
        ]))
        .await;
    let answers = |n: i64, survey: &TestSurvey| {
        survey.answers([
            json!(n),
            json!(format!("2030-01-{:02}", n + 11)),
            json!(n % 11),
            if n % 2 == 0 { json!(["a", "b"]) } else { json!(["b", "a"]) },
            json!([if n % 3 == 0 { "a" } else { "b" }, {"other": n.to_string()}]),
            json!({"r": "x"}),
            json!(format!("{:02}:00", n + 10)),
            json!(n % 2 == 0),
            json!(n.to_string()),
            json!({"n": n}),
        ])
    };
    let nothing = stats(&test, &ada, survey.id).await;
    for n in [2, 5] {
        test.response(survey.id, answers(n, &survey)).await;
    }
    let before = stats(&test, &ada, survey.id).await;
    let mut more = Vec::new();
    for n in [0, 9, 4, 3, 9] {
        more.push(test.response(survey.id, answers(n, &survey)).await);
    }
    let number = &stats(&test, &ada, survey.id).await[0]["summary"];
    assert_eq!((&number["min"], &number["max"], &number["count"]), (&json!(0), &json!(9), &json!(7)));
    for id in more {
        delete(&test, &ada, survey.id, id).await;
    }
    assert_eq!(stats(&test, &ada, survey.id).await, before);
    assert_eq!(before[0]["summary"]["max"], 5);
    test.assert_counted().await;
    let sql = "SELECT id FROM responses WHERE deleted_at IS NULL";
    let ids: Vec<Uuid> =
        test.db().await.rows(sql, &[]).await.unwrap().iter().map(|row| row.get("id")).collect();
    for id in ids {
        delete(&test, &ada, survey.id, id).await;
    }
    assert_eq!(stats(&test, &ada, survey.id).await, nothing);
    test.assert_counted().await;
}

#[tokio::test]
async fn a_deleted_single_reply_is_forgotten_as_well() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).questions(json!([{"type": "number"}, {"type": "colour"}])).await;
    let before = stats(&test, &ada, survey.id).await;
    for (question, reply) in [(0, json!(7)), (1, json!("red"))] {
        let id = test.reply(survey.questions[question], reply).await;
        assert_ne!(stats(&test, &ada, survey.id).await, before);
        delete(&test, &ada, survey.id, id).await;
        assert_eq!(stats(&test, &ada, survey.id).await, before);
    }
    test.assert_counted().await;
}

#[tokio::test]
async fn what_was_answered_on_a_wider_scale_is_still_shown() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).questions(json!([{"type": "scale", "replyContent": {"max": 9}}])).await;
    test.response(survey.id, survey.answers([json!(8)])).await;
    let mut db = test.db().await;
    db.rows("UPDATE questions SET reply_content = '{\"min\": 2, \"max\": 3}'", &[]).await.unwrap();
    drop(db);
    let summary = &stats(&test, &ada, survey.id).await[0]["summary"];
    let values: Vec<_> = summary["values"].as_array().unwrap().iter().map(|v| v["value"].clone()).collect();
    assert_eq!(values, [2, 3, 4, 5, 6, 7, 8].map(|n| json!(n)));
    assert_eq!((&summary["values"][6]["count"], &summary["mean"]), (&json!(1), &json!(8)));
}

/// Counters as if there had been a reply to a question in each of 16 shards for each of these parts.
async fn count(test: &TestApp, question: Uuid, kind: &str, parts: &str) {
    let sql = format!(
        "WITH parts AS (SELECT part FROM {parts}), shards AS (SELECT shard FROM generate_series(0, 15) AS shard)
         INSERT INTO question_counters (question_id, kind, part, shard, n, total)
         SELECT $1, '{kind}', part, shard, 1, 0 FROM parts, shards
         UNION ALL SELECT $1, 'answers', '', shard, (SELECT count(*) FROM parts), 0 FROM shards"
    );
    test.db().await.rows(&sql, &[&question]).await.unwrap();
}

#[tokio::test]
async fn thousands_of_days_leave_the_votes_and_the_newest_days_exact() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).questions(json!([{"type": "date"}])).await;
    let days = "(SELECT to_char(date '2000-01-01' + n, 'YYYY-MM-DD') AS part FROM generate_series(0, 4999) AS n) AS days";
    count(&test, survey.question, "day", days).await;
    // Newer ones, of which all answers were deleted: in one shard there is what in another was taken away.
    let gone = "INSERT INTO question_counters (question_id, kind, part, shard, n, total)
                SELECT $1, 'day', to_char(date '2013-09-08' + n, 'YYYY-MM-DD'), shard, 1 - 2 * shard, 0
                FROM generate_series(1, 300) AS n, generate_series(0, 1) AS shard";
    test.db().await.rows(gone, &[&survey.question]).await.unwrap();
    // As many as there may be in the results of one survey, among that many questions.
    for (questions, shown) in [(1, 5000), (25, 2000), (500, 100)] {
        test.db().await.rows("UPDATE surveys SET question_count = $1", &[&questions]).await.unwrap();
        let stats = stats(&test, &ada, survey.id).await;
        assert_eq!(stats[0]["votes"], 5000 * 16);
        let days = stats[0]["summary"]["days"].as_array().unwrap();
        assert_eq!((days.len(), &days[shown - 1]["day"]), (shown, &json!("2013-09-08")));
        assert!(days.iter().all(|day| day["count"] == 16), "{:?}", days.first());
        assert_eq!(stats[0]["summary"]["notShown"], (5000 - shown) * 16);
    }
}

#[tokio::test]
async fn every_cell_of_a_large_matrix_is_exact() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let names: Vec<String> = (0..60).map(|n| format!("n{n}")).collect();
    let survey = test
        .survey(&ada)
        .questions(json!([{"type": "matrix", "replyContent": {"rows": names, "columns": names}}]))
        .await;
    let cells = "(SELECT 'n' || r || coalesce(E'\\nn' || c, '') AS part FROM generate_series(0, 59) AS r,
                  (SELECT generate_series(0, 59) AS c UNION ALL SELECT NULL) AS columns) AS cells";
    count(&test, survey.questions[0], "cell", cells).await;
    let stats = stats(&test, &ada, survey.id).await;
    for row in stats[0]["summary"]["rows"].as_array().unwrap() {
        assert_eq!(row["count"], 16);
        assert!(row["cells"].as_array().unwrap().iter().all(|cell| cell["count"] == 16), "{row}");
    }
}
