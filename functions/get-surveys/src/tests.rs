use super::get_surveys;
use serde_json::json;
use shared::testing::{Call, TestApp, User, get};

/// Surveys named 1 to `number`, made in that order.
async fn surveys(test: &TestApp, owner: &User, number: i32) {
    let model = test.survey(owner).await;
    let sql = "INSERT INTO surveys (id, owner_id, name, description, is_active, due_at, visibility, public_stats,
                                    question_count, question_bytes)
               SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, owner_id, n, description, is_active,
                      due_at, visibility, public_stats, question_count, question_bytes
               FROM surveys, generate_series(1, $2) AS n WHERE id = $1";
    let mut db = test.db().await;
    let counters = "INSERT INTO survey_counters (survey_id, chunk, shard, changes, responses, counts)
                    SELECT id, 0, 0, 0, 0, '{}' FROM surveys ON CONFLICT DO NOTHING";
    db.write(sql, &[&model.id, &number]).await.unwrap();
    db.write(counters, &[]).await.unwrap();
    db.rows("DELETE FROM surveys WHERE id = $1", &[&model.id]).await.unwrap();
}

fn list(user: &User) -> Call {
    get("/surveys").bearer(&user.access)
}

#[tokio::test]
async fn surveys_are_listed_as_flaskforms_did_with_drafts_and_ended_ones() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let draft = test.survey(&ada).draft().unlisted().due("2030-06-01T10:20:30.5Z").questions(json!([]));
    let draft = draft.made("2001-02-03T04:05:06.070809Z").edited(3, "2002-03-04T00:00:00Z").await;
    let ended = test.survey(&ada).name("Żółw").desc("two\nlines").public_stats().limit(12);
    let ended =
        ended.opens("2000-01-01T00:00:00Z").due("2001-01-01T00:00:00Z").made("1999-12-31T23:59:59.5Z").await;
    let expected = json!({"surveys": [
        {
            "id": draft.id, "name": "pets", "state": "draft", "isActive": false, "opensAt": null,
            "dueDate": "2030-06-01T10:20:30.500Z", "subCount": 0, "desc": "About pets", "visibility": "unlisted",
            "publicStats": false, "responseLimit": null, "questionCount": 0, "version": 3,
            "createdAt": "2001-02-03T04:05:06.070809Z", "updatedAt": "2002-03-04T00:00:00Z",
        },
        {
            "id": ended.id, "name": "Żółw", "state": "closed", "isActive": true, "opensAt": "2000-01-01T00:00:00Z",
            "dueDate": "2001-01-01T00:00:00Z", "subCount": 0, "desc": "two\nlines", "visibility": "public",
            "publicStats": true, "responseLimit": 12, "questionCount": 1, "version": 1,
            "createdAt": "1999-12-31T23:59:59.500Z", "updatedAt": "1999-12-31T23:59:59.500Z",
        },
    ]});
    for path in ["/surveys", "/getsurveys"] {
        let answer = test.call(get_surveys, get(path).bearer(&ada.access)).await;
        assert_eq!((answer.status, &answer.body), (200, &expected));
        assert_eq!(answer.header("content-type"), "application/json");
    }
}

#[tokio::test]
async fn each_is_in_its_state() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let full = test.survey(&ada).limit(2).await;
    for answer in ["cat", "dog"] {
        test.response(full.id, full.answers([json!(answer)])).await;
    }
    let nearly = test.survey(&ada).limit(2).await;
    test.response(nearly.id, nearly.answers([json!("cat")])).await;
    test.survey(&ada).draft().await;
    test.survey(&ada).draft().scheduled().await;
    test.survey(&ada).draft().past_due().await;
    test.survey(&ada).scheduled().await;
    test.survey(&ada).scheduled().past_due().await;
    test.survey(&ada).past_due().await;
    test.survey(&ada).put_aside().await;
    let full_and_closed = test.survey(&ada).limit(1).await;
    test.response(full_and_closed.id, full_and_closed.answers([json!("cat")])).await;
    let sql = "UPDATE surveys SET is_active = false, was_open = true WHERE id = $1";
    test.db().await.rows(sql, &[&full_and_closed.id]).await.unwrap();
    let answer = test.call(get_surveys, list(&ada)).await;
    let states: Vec<_> = answer.body["surveys"].as_array().unwrap().iter().map(|s| &s["state"]).collect();
    let expected =
        ["full", "open", "draft", "draft", "draft", "scheduled", "closed", "closed", "closed", "closed"];
    assert_eq!(states, expected);
}

#[tokio::test]
async fn whoever_has_none_is_told() {
    let test = TestApp::new().await;
    let (ada, bob) = (test.user("ada").await, test.user("bob").await);
    test.survey(&ada).await;
    let answer = test.call(get_surveys, list(&bob)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, json!({"surveys": [], "message": "User bob has no surveys"}));
}

#[tokio::test]
async fn sub_count_is_the_responses_and_the_most_replies_of_a_question() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).questions(json!([{"type": "x-pet"}, {"type": "x-pet"}])).await;
    let other = test.survey(&ada).await;
    let (first, second) = (survey.questions[0], survey.questions[1]);
    for question in [first, second, other.question, first, second, first] {
        test.reply(question, json!(1)).await;
    }
    // A whole response counts besides.
    test.response(other.id, other.answers([json!(1)])).await;
    let answer = test.call(get_surveys, list(&ada)).await;
    let counts: Vec<_> = answer.body["surveys"].as_array().unwrap().iter().map(|s| &s["subCount"]).collect();
    assert_eq!(counts, [3, 2]);
}

#[tokio::test]
async fn pages_are_complete_in_order_and_without_repetition() {
    let test = TestApp::new().await;
    let (ada, bob) = (test.user("ada").await, test.user("bob").await);
    surveys(&test, &ada, 250).await;
    test.survey(&bob).await;
    for (limit, sizes) in
        [(None, vec![100, 100, 50]), (Some("125"), vec![125, 125]), (Some("1000"), vec![250])]
    {
        let (mut names, mut pages, mut next) = (Vec::new(), Vec::new(), None);
        loop {
            let mut call = list(&ada);
            if let Some(limit) = limit {
                call = call.query("limit", limit);
            }
            if let Some(next) = next {
                call = call.query("after", next);
            }
            let answer = test.call(get_surveys, call).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            let page = answer.body["surveys"].as_array().unwrap();
            names.extend(page.iter().map(|survey| survey["name"].as_str().unwrap().to_owned()));
            pages.push(page.len());
            next = answer.body.get("next").map(|next| next.as_str().unwrap().to_owned());
            if next.is_none() {
                break;
            }
        }
        assert_eq!(pages, sizes);
        assert_eq!(names, (1..=250).map(|n| n.to_string()).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn somebody_elses_cursor_shows_nothing_of_theirs() {
    let test = TestApp::new().await;
    let (ada, bob) = (test.user("ada").await, test.user("bob").await);
    surveys(&test, &ada, 2).await;
    let first = test.call(get_surveys, list(&ada).query("limit", 1)).await;
    let next = first.body["next"].as_str().unwrap();
    let answer = test.call(get_surveys, list(&bob).query("after", next)).await;
    // That he has none is not said: it is not the beginning of the list.
    assert_eq!((answer.status, answer.body), (200, json!({"surveys": []})));
}

#[tokio::test]
async fn a_bad_limit_and_a_forged_cursor_are_faults() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    for limit in ["0", "1001", "abc", "-1", "1.5"] {
        let answer = test.call(get_surveys, list(&ada).query("limit", limit)).await;
        answer.assert_invalid(json!({"limit": "must be a whole number from 1 to 1000"}));
    }
    for after in ["abc", "!", "AAAA", "' OR 1=1 --", "00000000-0000-7000-8000-000000000001"] {
        let answer = test.call(get_surveys, list(&ada).query("after", after)).await;
        answer.assert_invalid(json!({"after": "must be the `next` of an earlier answer"}));
    }
}

#[tokio::test]
async fn an_unknown_name_is_named_and_on_flaskforms_path_ignored() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let unknown = "is unknown: there are limit, after";
    let call = list(&ada).query("page", 2).json(json!({"offset": 5, "limit": "5"}));
    test.call(get_surveys, call).await.assert_invalid(json!({
        "page": unknown, "offset": unknown, "limit": "must be a whole number from 1 to 1000",
    }));
    let call =
        get("/getsurveys").bearer(&ada.access).query("page", 2).json(json!({"offset": 5, "limit": "5"}));
    assert_eq!(test.call(get_surveys, call).await.status, 200);
}

#[tokio::test]
async fn a_stranger_is_refused_before_the_parameters_are_read() {
    let test = TestApp::new().await;
    for path in ["/surveys", "/getsurveys"] {
        let answer = test.call(get_surveys, get(path).query("limit", 0).query("page", 1)).await;
        answer.assert_problem(401, "missing_token", "Missing Authorization Header");
    }
}
