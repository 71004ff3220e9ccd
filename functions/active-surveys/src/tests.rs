use super::active_surveys;
use serde_json::{Value, json};
use shared::testing::{TestApp, get};

fn ids(body: &Value) -> Vec<Value> {
    body["surveys"].as_array().unwrap().iter().map(|survey| survey["id"].clone()).collect()
}

#[tokio::test]
async fn open_surveys_of_everybody_are_listed() {
    let test = TestApp::new().await;
    let (ada, bob) = (test.user("ada").await, test.user("bob").await);
    let first =
        test.survey(&ada).due("9999-12-31T23:59:59Z").public_stats().made("2001-02-03T04:05:06.070809Z");
    let first = first.await;
    let second = test.survey(&bob).name("Żółw").desc("").questions(json!([])).limit(12);
    let second = second.opens("2001-01-01T10:20:30.5Z").due("2130-06-01T00:00:00Z");
    let second = second.made("2000-01-01T00:00:00Z").edited(7, "2000-06-01T00:00:00Z").await;
    for path in ["/surveys/active", "/activesurveys"] {
        let answer = test.call(active_surveys, get(path)).await;
        assert_eq!(answer.status, 200);
        assert_eq!(
            answer.body,
            json!({"surveys": [
                {
                    "id": first.id, "name": "pets", "state": "open", "isActive": true, "opensAt": null,
                    "dueDate": "9999-12-31T23:59:59Z", "subCount": 0, "desc": "About pets", "visibility": "public",
                    "publicStats": true, "responseLimit": null, "questionCount": 1, "version": 1,
                    "createdAt": "2001-02-03T04:05:06.070809Z", "updatedAt": "2001-02-03T04:05:06.070809Z",
                },
                {
                    "id": second.id, "name": "Żółw", "state": "open", "isActive": true,
                    "opensAt": "2001-01-01T10:20:30.500Z", "dueDate": "2130-06-01T00:00:00Z", "subCount": 0, "desc": "",
                    "visibility": "public", "publicStats": false, "responseLimit": 12, "questionCount": 0, "version": 7,
                    "createdAt": "2000-01-01T00:00:00Z", "updatedAt": "2000-06-01T00:00:00Z",
                },
            ]})
        );
    }
}

#[tokio::test]
async fn drafts_closed_future_and_unlisted_surveys_are_not() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    test.survey(&ada).draft().await;
    test.survey(&ada).put_aside().await;
    test.survey(&ada).past_due().await;
    test.survey(&ada).scheduled().await;
    test.survey(&ada).unlisted().await;
    let open = test.survey(&ada).await;
    // Not even to their owner.
    let answer = test.call(active_surveys, get("/surveys/active").bearer(&ada.access)).await;
    assert_eq!(ids(&answer.body), [json!(open.id)]);
}

#[tokio::test]
async fn a_full_survey_is_listed_as_full_since_it_still_takes_single_replies() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).limit(1).await;
    test.response(survey.id, survey.answers([json!("cat")])).await;
    test.reply(survey.question, json!("dog")).await;
    let answer = test.call(active_surveys, get("/surveys/active")).await;
    let listed = &answer.body["surveys"][0];
    assert_eq!((&listed["id"], &listed["state"]), (&json!(survey.id), &json!("full")));
    assert_eq!((&listed["responseLimit"], &listed["subCount"]), (&json!(1), &json!(2)));
}

#[tokio::test]
async fn when_there_are_none_that_is_said() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    test.survey(&ada).draft().await;
    let answer = test.call(active_surveys, get("/surveys/active")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, json!({"surveys": [], "message": "There are no active surveys"}));
}

#[tokio::test]
async fn sub_count_is_the_most_replies_of_a_question() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).questions(json!([{"type": "x-pet"}, {"type": "x-pet"}])).await;
    let (first, second) = (survey.questions[0], survey.questions[1]);
    for question in [first, second, first, second, first] {
        test.reply(question, json!(1)).await;
    }
    assert_eq!(test.count("answers").await, 5);
    let answer = test.call(active_surveys, get("/surveys/active")).await;
    assert_eq!(answer.body["surveys"][0]["subCount"], 3);
}

#[tokio::test]
async fn pages_are_complete_in_order_and_without_repetition() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    // Every fifth one is a draft, every seventh has ended; later ones end earlier.
    let sql = "INSERT INTO surveys (id, owner_id, name, description, is_active, due_at, visibility, public_stats,
                                    question_count, question_bytes)
               SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, owner_id, n, description, n % 5 > 0,
                      now() + (CASE WHEN n % 7 = 0 THEN -1 ELSE 500 - n END) * interval '1 day', visibility, public_stats,
                      question_count, question_bytes
               FROM surveys, generate_series(1, 250) AS n WHERE id = $1";
    let model = test.survey(&ada).await;
    let mut db = test.db().await;
    let counters = "INSERT INTO survey_counters (survey_id, chunk, shard, changes, responses, counts)
                    SELECT id, 0, 0, 0, 0, '{}' FROM surveys ON CONFLICT DO NOTHING";
    db.write(sql, &[&model.id]).await.unwrap();
    db.write(counters, &[]).await.unwrap();
    db.rows("DELETE FROM surveys WHERE id = $1", &[&model.id]).await.unwrap();
    drop(db);
    let open: Vec<_> = (1..=250).filter(|n| n % 5 > 0 && n % 7 > 0).map(|n| n.to_string()).collect();
    let (mut names, mut pages, mut next) = (Vec::new(), Vec::new(), None);
    loop {
        let call = get("/surveys/active");
        let call = if let Some(next) = next { call.query("after", next) } else { call };
        let answer = test.call(active_surveys, call).await;
        let page = answer.body["surveys"].as_array().unwrap();
        names.extend(page.iter().map(|survey| survey["name"].as_str().unwrap().to_owned()));
        pages.push(page.len());
        next = answer.body.get("next").map(|next| next.as_str().unwrap().to_owned());
        if next.is_none() {
            break;
        }
    }
    assert_eq!((names, pages), (open, vec![100, 72]));
}

#[tokio::test]
async fn a_bad_limit_and_a_forged_cursor_are_faults() {
    let test = TestApp::new().await;
    for path in ["/surveys/active", "/activesurveys"] {
        for limit in ["0", "1001", "abc"] {
            let call = get(path).query("limit", limit).query("after", "abc");
            test.call(active_surveys, call).await.assert_invalid(json!({
                "limit": "must be a whole number from 1 to 1000",
                "after": "must be the `next` of an earlier answer",
            }));
        }
    }
}

#[tokio::test]
async fn an_unknown_name_is_named_and_on_flaskforms_path_ignored() {
    let test = TestApp::new().await;
    let unknown = "is unknown: there are limit, after";
    let call = get("/surveys/active").query("page", 2).query("limit", 0).json(json!({"Limit": 5}));
    test.call(active_surveys, call).await.assert_invalid(json!({
        "page": unknown, "Limit": unknown, "limit": "must be a whole number from 1 to 1000",
    }));
    let call = get("/activesurveys").query("page", 2).json(json!({"Limit": 5}));
    assert_eq!(test.call(active_surveys, call).await.status, 200);
}

#[tokio::test]
async fn no_token_is_needed_and_a_bad_one_does_not_matter() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let open = test.survey(&ada).await;
    let answer = test.call(active_surveys, get("/surveys/active").bearer("garbage")).await;
    assert_eq!((answer.status, ids(&answer.body)), (200, vec![json!(open.id)]));
}
