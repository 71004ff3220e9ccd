use super::get_survey_stats;
use serde_json::{Value, json};
use shared::{
    responses,
    testing::{Call, TestApp, TestSurvey, User, Uuid, get},
    values::{ResponseId, SurveyId},
};

fn stats(survey: &TestSurvey) -> Call {
    get("/surveys/x/stats").path("idSurvey", survey.id).query("answers", true)
}

/// Replies 1 to `number`, newest first.
async fn replies(test: &TestApp, survey: &TestSurvey, number: i32) {
    let sql = "WITH new AS (
                   SELECT n, ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid AS id
                   FROM generate_series($2, 1, -1) AS n
               ), responses AS (
                   INSERT INTO responses (id, survey_id, single, bytes, answers)
                   SELECT id, $1, true, 40 + length(n::text), json_build_object('1', n) FROM new
               )
               UPDATE survey_counters SET changes = $2, singles = ARRAY[$2]::bigint[], counts = ARRAY[$2]::bigint[]
               WHERE survey_id = $1";
    test.db().await.write(sql, &[&survey.id, &number]).await.unwrap();
}

/// Delete a response as the endpoint does it.
async fn delete(test: &TestApp, owner: &User, survey: &TestSurvey, response: Uuid) {
    let caller = test.caller(owner).await;
    let (survey, response) = (SurveyId(survey.id), ResponseId(response));
    responses::delete(&mut test.db().await, &caller, survey, response).await.unwrap();
}

#[tokio::test]
async fn the_owner_reads_every_question_with_its_answers_oldest_first() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let questions = json!([
        {"type": "single", "content": "Żółw?"},
        {"type": "number", "content": "How many?"},
        {"type": "text", "content": "Which pet?"},
    ]);
    let survey = test.survey(&ada).questions(questions).await;
    // Neither by id nor by insertion.
    test.db().await.rows("UPDATE questions SET position = 2 - position", &[]).await.unwrap();
    let [third, number, first] = [0, 1, 2].map(|index: usize| survey.questions[index]);
    let other = test.survey(&ada).await;
    test.reply(first, json!("cat")).await;
    test.reply(other.question, json!("elsewhere")).await;
    test.reply(number, json!(2)).await;
    test.reply(first, json!(null)).await;
    test.reply(first, serde_json::from_str("[1.50, null, 1E-16000]").unwrap()).await;
    test.reply(number, serde_json::from_str("-0.50").unwrap()).await;
    let expected = r#"[
        {"id": "FIRST", "type": "text", "votes": 3, "content": "Which pet?",
         "answers": ["cat", null, [1.50, null, 1e-16000]], "summary": {}},
        {"id": "NUMBER", "type": "number", "votes": 2, "content": "How many?",
         "answers": [2, -0.50], "summary": {"count": 2, "sum": 1.5, "mean": 0.75, "min": -0.5, "max": 2, "histogram": [
            {"from": -0.6, "to": -0.5, "count": 1}, {"from": 2, "to": 3, "count": 1}
         ]}},
        {"id": "THIRD", "type": "single", "votes": 0, "content": "Żółw?", "answers": [], "summary": {}}
    ]"#;
    let ids = [("FIRST", first), ("NUMBER", number), ("THIRD", third)];
    let expected =
        ids.into_iter().fold(expected.to_owned(), |all, (name, id)| all.replace(name, &id.to_string()));
    let expected: Value = serde_json::from_str(&expected).unwrap();
    let id = survey.id.to_string();
    for call in [
        stats(&survey),
        get("/getsurveystats").header("id", &id),
        get("/getsurveystats").header("idSurvey", &id),
        get("/getsurveystats").query("id", &id),
        get("/getsurveystats").query("idSurvey", &id).query("id", other.id),
    ] {
        let answer = test.call(get_survey_stats, call.bearer(&ada.access)).await;
        assert_eq!((answer.status, answer.body), (200, expected.clone()));
    }
}

#[tokio::test]
async fn published_results_are_for_anyone_without_the_single_answers() {
    let test = TestApp::new().await;
    let (ada, bob) = (test.user("ada").await, test.user("bob").await);
    let questions = json!([{"type": "long_text"}, {"type": "number"}, {"type": "x-pet"}]);
    let survey = test.survey(&ada).public_stats().questions(questions).await;
    for n in 1..=3 {
        test.response(survey.id, survey.answers([json!("secret"), json!(n), json!({"secret": n})])).await;
    }
    let owners = test.call(get_survey_stats, stats(&survey).bearer(&ada.access)).await;
    assert_eq!(owners.body[0]["answers"], json!(["secret", "secret", "secret"]));
    assert_eq!(owners.body[1]["answers"], json!([1, 2, 3]));
    // Also when it has ended, or was put aside.
    for sql in [
        "UPDATE surveys SET version = version + 1",
        "UPDATE surveys SET due_at = now()",
        "UPDATE surveys SET is_active = false, was_open = true",
    ] {
        test.db().await.rows(sql, &[]).await.unwrap();
        let id = survey.id.to_string();
        for call in [
            stats(&survey),
            stats(&survey).bearer(&bob.access),
            stats(&survey).bearer(&ada.refresh),
            stats(&survey).bearer(&test.expired(&ada)),
            stats(&survey).bearer("garbage"),
            get("/getsurveystats").header("id", &id),
        ] {
            let answer = test.call(get_survey_stats, call).await;
            // All the rest is the same.
            let mut expected = owners.body.clone();
            for question in expected.as_array_mut().unwrap() {
                question["answers"] = json!([]);
            }
            assert_eq!((answer.status, &answer.body), (200, &expected));
            assert!(!answer.body.to_string().contains("secret"));
        }
        let again = test.call(get_survey_stats, stats(&survey).bearer(&ada.access)).await;
        assert_eq!(again.body, owners.body);
    }
}

#[tokio::test]
async fn other_results_are_the_owners() {
    let test = TestApp::new().await;
    let (ada, bob) = (test.user("ada").await, test.user("bob").await);
    for survey in [test.survey(&ada), test.survey(&ada).put_aside(), test.survey(&ada).scheduled()] {
        let survey = survey.await;
        let answer = test.call(get_survey_stats, stats(&survey).bearer(&bob.access)).await;
        answer.assert_problem(403, "forbidden", "User bob not permited");
        let answer = test.call(get_survey_stats, stats(&survey)).await;
        answer.assert_problem(401, "missing_token", "Missing Authorization Header");
        assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="canvass""#);
        assert_eq!(test.call(get_survey_stats, stats(&survey).bearer(&ada.access)).await.status, 200);
    }
}

#[tokio::test]
async fn an_owner_whose_token_is_not_good_is_told_so_instead() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    // Of results that are hers alone, and of drafts, which without a token are not there.
    for survey in [test.survey(&ada), test.survey(&ada).draft(), test.survey(&ada).draft().public_stats()] {
        let survey = survey.await;
        for (token, code, message) in [
            (&test.expired(&ada), "expired_token", "Token has expired"),
            (&ada.refresh, "wrong_token_type", "Only access tokens are allowed"),
        ] {
            let answer = test.call(get_survey_stats, stats(&survey).bearer(token)).await;
            answer.assert_problem(401, code, message);
            assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="canvass", error="invalid_token""#);
        }
    }
}

#[tokio::test]
async fn a_draft_exists_for_its_owner_alone() {
    let test = TestApp::new().await;
    let (ada, bob) = (test.user("ada").await, test.user("bob").await);
    for draft in [test.survey(&ada).draft(), test.survey(&ada).draft().public_stats()] {
        let draft = draft.await;
        let answer = test.call(get_survey_stats, stats(&draft).bearer(&ada.access)).await;
        assert_eq!((answer.status, &answer.body[0]["id"]), (200, &json!(draft.question)));
        for call in [stats(&draft), stats(&draft).bearer(&bob.access)] {
            let answer = test.call(get_survey_stats, call).await;
            answer.assert_problem(404, "not_found", &format!("Survey {} doesn't exist", draft.id));
        }
    }
}

#[tokio::test]
async fn an_unknown_survey_is_not_found() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let id = "00000000-0000-7000-8000-000000000001";
    for call in [get("/getsurveystats"), get("/getsurveystats").bearer(&ada.access)] {
        let answer = test.call(get_survey_stats, call.header("id", id)).await;
        answer.assert_problem(404, "not_found", &format!("Survey {id} doesn't exist"));
    }
}

#[tokio::test]
async fn a_missing_or_malformed_id_is_a_fault() {
    let test = TestApp::new().await;
    let answer = test.call(get_survey_stats, get("/getsurveystats")).await;
    answer.assert_invalid(json!({"id": "This field cannot be blank"}));
    let answer = test.call(get_survey_stats, get("/getsurveystats").header("id", "1.5")).await;
    answer.assert_invalid(json!({"id": "must be an id (a UUID)"}));
    let answer = test.call(get_survey_stats, get("/surveys/x/stats").path("idSurvey", "x")).await;
    answer.assert_invalid(json!({"idSurvey": "must be an id (a UUID)"}));
}

#[tokio::test]
async fn a_name_that_nothing_has_is_a_fault_on_the_resource_path_alone() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).public_stats().await;
    for name in ["limit", "id"] {
        let answer = test.call(get_survey_stats, stats(&survey).query(name, survey.id)).await;
        answer.assert_invalid(json!({ name: "is unknown: there are idSurvey, answers" }));
    }
    let call = get("/getsurveystats").query("id", survey.id).query("limit", 1);
    assert_eq!(test.call(get_survey_stats, call).await.status, 200);
}

#[tokio::test]
async fn a_survey_without_questions_has_an_empty_list() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).public_stats().questions(json!([])).await;
    for call in [stats(&survey), stats(&survey).bearer(&ada.access)] {
        let answer = test.call(get_survey_stats, call).await;
        assert_eq!((answer.status, answer.body), (200, json!([])));
    }
}

#[tokio::test]
async fn votes_are_exact_and_answers_the_newest_thousand() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).await;
    replies(&test, &survey, 1005).await;
    test.assert_counted().await;
    let answer = test.call(get_survey_stats, stats(&survey).bearer(&ada.access)).await;
    assert_eq!(answer.body[0]["votes"], 1005);
    assert_eq!(answer.body[0]["answers"], json!((6..=1005).collect::<Vec<_>>()));
}

#[tokio::test]
async fn the_answers_of_all_questions_together_fit_into_one_reply() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).questions(json!([{"type": "x-pet"}, {"type": "x-pet"}])).await;
    // 64 KiB each, 12.5 MiB together.
    let long = "x".repeat(65_524);
    for n in 0..100 {
        for question in &survey.questions {
            test.reply(*question, json!(format!("{n:>10}{long}"))).await;
        }
    }
    let answer = test.call(get_survey_stats, stats(&survey).bearer(&ada.access)).await;
    assert_eq!(answer.status, 200);
    // 15 times 64 KiB, and what names them, are 1 MiB at the most.
    for (question, oldest) in [(0, 93), (1, 92)] {
        let newest: Vec<_> = (oldest..100).map(|n| json!(format!("{n:>10}{long}"))).collect();
        assert_eq!(answer.body[question]["votes"], 100);
        assert!(answer.body[question]["answers"] == json!(newest));
    }
    assert!(answer.body.to_string().len() < 2 * 1024 * 1024);
}

#[tokio::test]
async fn numbers_that_would_be_long_are_not_written_out() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).await;
    // 65,530 bytes each, and 11 GB together if each number had its 16,000 digits.
    let reply: Value = serde_json::from_str(&format!("[{}]", vec!["1e-16000"; 7281].join(","))).unwrap();
    for _ in 0..100 {
        test.reply(survey.question, reply.clone()).await;
    }
    let answer = test.call(get_survey_stats, stats(&survey).bearer(&ada.access)).await;
    assert_eq!((answer.status, &answer.body[0]["votes"]), (200, &json!(100)));
    assert!(answer.body[0]["answers"] == json!(vec![reply; 15]));
    assert!(answer.body.to_string().len() < 2 * 1024 * 1024);
}

#[tokio::test]
async fn what_was_deleted_counts_no_more() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let questions =
        json!([{"type": "number"}, {"type": "single_choice", "replyContent": ["a", "b"]}, {"type": "date"}]);
    let survey = test.survey(&ada).public_stats().questions(questions).await;
    let answers = |n: i32, choice: &str, day: &str| survey.answers([json!(n), json!(choice), json!(day)]);
    test.response(survey.id, answers(5, "a", "2031-01-01")).await;
    let before = test.call(get_survey_stats, stats(&survey).bearer(&ada.access)).await.body;
    for (single, sent) in [
        (None, answers(-100, "b", "1700-01-01")),
        (None, answers(100, "a", "2031-01-01")),
        (Some(0), json!(7)),
        (Some(2), json!("2150-01-01")),
    ] {
        let id = match single {
            None => test.response(survey.id, sent).await,
            Some(question) => test.reply(survey.questions[question], sent).await,
        };
        assert_ne!(test.call(get_survey_stats, stats(&survey).bearer(&ada.access)).await.body, before);
        delete(&test, &ada, &survey, id).await;
        assert_eq!(test.call(get_survey_stats, stats(&survey).bearer(&ada.access)).await.body, before);
    }
    test.assert_counted().await;
}

/// The day `n` days after the one on which the survey was made.
async fn day(test: &TestApp, survey: &TestSurvey, n: i32) -> String {
    let sql = "SELECT ((created_at AT TIME ZONE 'UTC')::date + $2)::text AS day FROM surveys WHERE id = $1";
    test.db().await.row(sql, &[&survey.id, &n]).await.unwrap().get("day")
}

/// Assert that the numbers in the summary of days add up to the votes.
fn assert_adds_up(result: &Value) {
    let summary = &result["summary"];
    let sum = |name: &str| -> i64 {
        summary[name].as_array().unwrap().iter().map(|part| part["count"].as_i64().unwrap()).sum()
    };
    let number = |name: &str| summary[name].as_i64().unwrap();
    let all = sum("days") + sum("years") + number("earlier") + number("later") + number("notShown");
    assert_eq!(json!(all), result["votes"], "{summary}");
}

#[tokio::test]
async fn near_days_are_counted_one_by_one_and_others_by_their_year() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).questions(json!([{"type": "date"}, {"type": "datetime"}])).await;
    let mut near = Vec::new();
    for n in [-366, 0, 0, 3653] {
        near.push(day(&test, &survey, n).await);
    }
    let [before, after] = [day(&test, &survey, -367).await, day(&test, &survey, 3654).await];
    let far = ["1900-01-01", "2199-12-31", "1900-12-31", before.as_str(), after.as_str()];
    let farther = ["0001-01-01", "1899-12-31", "2200-01-01", "9999-12-31"];
    for (n, day) in near.iter().map(String::as_str).chain(far).chain(farther).enumerate() {
        // In either way of sending them.
        let moment = json!(format!("{day}T12:00:00Z"));
        if n % 2 == 0 {
            test.response(survey.id, survey.answers([json!(day), moment])).await;
        } else {
            test.reply(survey.questions[0], json!(day)).await;
            test.reply(survey.questions[1], moment).await;
        }
    }
    // Counted by the day in UTC.
    test.reply(survey.questions[1], json!("2199-12-31T23:30:00-01:00")).await;
    test.reply(survey.questions[1], json!("1900-01-01T00:30:00+01:00")).await;
    let answer = test.call(get_survey_stats, stats(&survey).bearer(&ada.access)).await;
    let year = |day: &str| json!({"year": day[..4].parse::<i32>().unwrap(), "count": 1});
    let expected = |earlier: i32, later: i32, min: &str, max: &str| {
        json!({
            "min": min, "max": max,
            "days": [{"day": near[0], "count": 1}, {"day": near[1], "count": 2}, {"day": near[3], "count": 1}],
            "years": [{"year": 1900, "count": 2}, year(&before), year(&after), {"year": 2199, "count": 1}],
            "earlier": earlier, "later": later, "notShown": 0,
        })
    };
    assert_eq!(answer.body[0]["summary"], expected(2, 2, "0001-01-01", "9999-12-31"));
    let (min, max) = ("0001-01-01T12:00:00Z", "9999-12-31T12:00:00Z");
    assert_eq!(answer.body[1]["summary"], expected(3, 3, min, max));
    assert_eq!((&answer.body[0]["votes"], &answer.body[1]["votes"]), (&json!(13), &json!(15)));
    answer.body.as_array().unwrap().iter().for_each(assert_adds_up);
    test.assert_counted().await;
}

#[tokio::test]
async fn however_many_days_are_planted_the_counters_stay_few() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).public_stats().questions(json!([{"type": "date"}])).await;
    let today = day(&test, &survey, 0).await;
    test.reply(survey.question, json!(today)).await;
    // Hundreds of days, no two in one year, and none of them near.
    let this_year: i32 = today[..4].parse().unwrap();
    let planted: Vec<i32> =
        (1..9999).step_by(25).filter(|year| !(this_year - 2..this_year + 12).contains(year)).collect();
    for year in &planted {
        test.reply(survey.question, json!(format!("{year:04}-{:02}-28", 1 + year % 12))).await;
    }
    let number = |years: std::ops::Range<i32>| planted.iter().filter(|year| years.contains(year)).count();
    let answer = test.call(get_survey_stats, stats(&survey)).await;
    let summary = &answer.body[0]["summary"];
    let years = number(1900..2200);
    assert_eq!(summary["years"].as_array().unwrap().len(), years);
    assert_eq!(summary["days"], json!([{"day": today, "count": 1}]));
    assert_eq!(summary["earlier"], number(1..1900));
    assert_eq!(summary["later"], number(2200..9999));
    assert_eq!((&summary["min"], &summary["max"]), (&json!("0001-02-28"), &json!("9976-05-28")));
    assert_eq!((&summary["notShown"], &answer.body[0]["votes"]), (&json!(0), &json!(planted.len() + 1)));
    assert_adds_up(&answer.body[0]);
    // One for each year and the day, and those of what is earlier and of what is later.
    let counters = "(SELECT DISTINCT kind, part FROM question_counters) AS counters";
    assert_eq!(test.count(counters).await, i64::try_from(years).unwrap() + 3);
    assert!(planted.len() > 390 && years <= 12, "{years} of {}", planted.len());
    test.assert_counted().await;
}

#[tokio::test]
async fn days_that_do_not_fit_into_the_answer_are_told_by_their_number() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    // To 500 questions belong 100 days each.
    let survey = test.survey(&ada).questions(json!(vec![json!({"type": "date"}); 500])).await;
    let question = survey.questions[7];
    let (mut days, mut ids) = (Vec::new(), Vec::new());
    for n in 0..103 {
        days.push(day(&test, &survey, n).await);
        ids.push(test.reply(question, json!(days.last())).await);
    }
    // One of the oldest twice, and what was never a day of its own.
    test.reply(question, json!(days[1])).await;
    for far in ["1950-01-01", "1066-10-14", "2500-01-01"] {
        test.reply(question, json!(far)).await;
    }
    let shown = |result: &Value| -> Vec<String> {
        let days = result["summary"]["days"].as_array().unwrap();
        days.iter().map(|day| day["day"].as_str().unwrap().to_owned()).collect()
    };
    let answer = test.call(get_survey_stats, stats(&survey).bearer(&ada.access)).await;
    let result = &answer.body[7];
    assert_eq!(shown(result), days[3..]);
    assert_eq!((&result["summary"]["notShown"], &result["votes"]), (&json!(4), &json!(107)));
    assert_eq!(result["summary"]["min"], "1066-10-14");
    assert_adds_up(result);
    // What was planted and is deleted makes place.
    for id in ids.drain(98..) {
        delete(&test, &ada, &survey, id).await;
    }
    let answer = test.call(get_survey_stats, stats(&survey).bearer(&ada.access)).await;
    let result = &answer.body[7];
    assert_eq!(shown(result), days[..98]);
    assert_eq!((&result["summary"]["notShown"], &result["votes"]), (&json!(0), &json!(102)));
    assert_adds_up(result);
    test.assert_counted().await;
}

#[tokio::test]
async fn answers_are_shown_when_they_are_asked_for() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).public_stats().await;
    test.reply(survey.question, json!("cat")).await;
    let plain = || get("/surveys/x/stats").path("idSurvey", survey.id);
    for call in [plain(), plain().bearer(&ada.access), plain().query("answers", false).bearer(&ada.access)] {
        let answer = test.call(get_survey_stats, call).await;
        assert_eq!((answer.status, &answer.body[0]["votes"]), (200, &json!(1)));
        assert_eq!(answer.body[0].get("answers"), None);
    }
    for (call, shown) in [(stats(&survey), json!([])), (stats(&survey).bearer(&ada.access), json!(["cat"]))] {
        assert_eq!(test.call(get_survey_stats, call).await.body[0]["answers"], shown);
    }
    let answer = test.call(get_survey_stats, plain().query("answers", "perhaps")).await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn who_has_the_results_is_told_that_they_are_the_same_until_they_are_not() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).public_stats().await;
    let owners = || stats(&survey).bearer(&ada.access);
    for call in [&(|| stats(&survey)) as &dyn Fn() -> Call, &owners] {
        let mut known = String::new();
        for change in ["nothing", "a reply", "nothing", "a deletion", "an edit"] {
            match change {
                "a reply" => drop(test.reply(survey.question, json!("cat")).await),
                "a deletion" => {
                    let reply = test.reply(survey.question, json!("dog")).await;
                    delete(&test, &ada, &survey, reply).await;
                }
                "an edit" => {
                    let sql = "UPDATE surveys SET version = version + 1 WHERE id = $1";
                    test.db().await.write(sql, &[&survey.id]).await.unwrap();
                }
                _ => {}
            }
            let answer = test.text(get_survey_stats, call().header("if-none-match", &known)).await;
            assert_eq!(
                answer.status,
                if change == "nothing" && !known.is_empty() { 304 } else { 200 },
                "{change}"
            );
            assert_eq!(answer.header("cache-control"), "private, no-cache");
            assert!(answer.header("vary").contains("authorization"));
            answer.header("etag").clone_into(&mut known);
            // What was answered is what is known, compressed or not.
            let again = test.text(get_survey_stats, call().header("if-none-match", &known)).await;
            assert_eq!((again.status, again.body.as_str()), (304, ""));
        }
    }
    // What the owner has shows more than what anyone may have.
    let known = test.call(get_survey_stats, owners()).await.header("etag").to_owned();
    let answer = test.call(get_survey_stats, stats(&survey).header("if-none-match", &known)).await;
    assert_eq!((answer.status, &answer.body[0]["answers"]), (200, &json!([])));
}

#[tokio::test]
async fn nobody_learns_by_a_tag_what_they_may_not_read() {
    let test = TestApp::new().await;
    let (ada, bob) = (test.user("ada").await, test.user("bob").await);
    let survey = test.survey(&ada).await;
    for tag in ["*", "\"1-0\""] {
        let call = || stats(&survey).header("if-none-match", tag);
        assert_eq!(test.call(get_survey_stats, call()).await.status, 401);
        assert_eq!(test.call(get_survey_stats, call().bearer(&bob.access)).await.status, 403);
    }
}
