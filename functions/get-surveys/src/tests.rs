use super::get_surveys;
use serde_json::json;
use shared::testing::{Call, TestApp, User, get, post};

/// Surveys named 1 to `number`, made in that order.
async fn surveys(test: &TestApp, owner: &User, number: i32) {
    let model = test.survey(owner).await;
    let sql = "INSERT INTO surveys
               SELECT (jsonb_populate_record(s, jsonb_build_object(
                   'id', '00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'), 'name', n
               ))).*
               FROM surveys s, generate_series(1, $2) AS n WHERE id = $1";
    let db = test.db().await;
    db.rows(sql, &[&model.id, &number]).await.unwrap();
    db.rows("DELETE FROM surveys WHERE id = $1", &[&model.id]).await.unwrap();
}

fn list(user: &User) -> Call {
    get("/surveys").bearer(&user.access)
}

#[tokio::test]
async fn surveys_are_listed_as_flaskforms_did_with_drafts_and_ended_ones() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let draft = "is_active = false, due_at = '2030-06-01 10:20:30.5Z', visibility = 'unlisted', version = 3";
    let draft = test.survey(&ada, draft).await;
    let ended = "name = 'Żółw', description = 'two\nlines', opens_at = '2000-01-01Z', due_at = '2001-01-01Z',
                 public_stats = true";
    let ended = test.survey(&ada, ended).await;
    test.limit(ended.id, 12).await;
    let expected = json!({"surveys": [
        {
            "id": draft.id, "name": "pets", "isActive": false, "dueDate": "2030-06-01T10:20:30.500Z",
            "subCount": 0, "desc": "About pets", "publicStats": false, "opensAt": null,
            "visibility": "unlisted", "responseLimit": null, "version": 3,
        },
        {
            "id": ended.id, "name": "Żółw", "isActive": true, "dueDate": "2001-01-01T00:00:00Z",
            "subCount": 0, "desc": "two\nlines", "publicStats": true, "opensAt": "2000-01-01T00:00:00Z",
            "visibility": "public", "responseLimit": 12, "version": 1,
        },
    ]});
    for path in ["/surveys", "/getsurveys"] {
        let answer = test.call(get_surveys, get(path).bearer(&ada.access)).await;
        assert_eq!((answer.status, answer.body), (200, expected.clone()));
        assert_eq!(answer.headers["content-type"], "application/json");
    }
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
async fn sub_count_is_the_most_replies_of_a_question() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).await;
    let other = test.survey(&ada).await;
    let sql = "INSERT INTO questions
               SELECT (jsonb_populate_record(q, jsonb_build_object('id', gen_random_uuid(), 'position', 1))).*
               FROM questions q WHERE id = $1 RETURNING id";
    let second = test.db().await.row(sql, &[&survey.question]).await.unwrap().get("id");
    let first = survey.question;
    for question in [first, second, other.question, first, second, first] {
        test.reply(question, json!(1)).await;
    }
    let answer = test.call(get_surveys, list(&ada)).await;
    let counts: Vec<_> = answer.body["surveys"].as_array().unwrap().iter().map(|s| &s["subCount"]).collect();
    assert_eq!(counts, [3, 1]);
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
async fn a_stranger_is_refused_before_the_parameters_are_read() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let answer = test.call(get_surveys, get("/surveys").query("limit", 0)).await;
    answer.assert_problem(401, "missing_token", "Missing Authorization Header");
    assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="canvass""#);
    let answer = test.call(get_surveys, post("/surveys").bearer(&ada.refresh)).await;
    answer.assert_problem(401, "wrong_token_type", "Only access tokens are allowed");
}
