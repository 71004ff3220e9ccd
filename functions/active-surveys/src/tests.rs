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
    let first = test.survey(&ada, "due_at = '9999-12-31 23:59:59Z', public_stats = true").await;
    let with = "name = 'Żółw', opens_at = '2001-01-01 10:20:30.5Z', due_at = '2130-06-01Z', version = 7";
    let second = test.survey(&bob, with).await;
    test.limit(second.id, 12).await;
    for path in ["/surveys/active", "/activesurveys"] {
        let answer = test.call(active_surveys, get(path)).await;
        assert_eq!(answer.status, 200);
        assert_eq!(
            answer.body,
            json!({"surveys": [
                {
                    "id": first.id, "name": "pets", "isActive": true, "dueDate": "9999-12-31T23:59:59Z",
                    "subCount": 0, "desc": "About pets", "publicStats": true, "opensAt": null,
                    "visibility": "public", "responseLimit": null, "version": 1,
                },
                {
                    "id": second.id, "name": "Żółw", "isActive": true, "dueDate": "2130-06-01T00:00:00Z",
                    "subCount": 0, "desc": "About pets", "publicStats": false,
                    "opensAt": "2001-01-01T10:20:30.500Z", "visibility": "public", "responseLimit": 12, "version": 7,
                },
            ]})
        );
    }
}

#[tokio::test]
async fn drafts_ended_future_and_unlisted_surveys_are_not() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    test.survey(&ada).draft().await;
    test.survey(&ada).past_due().await;
    test.survey(&ada).scheduled().await;
    test.survey(&ada).unlisted().await;
    let open = test.survey(&ada).await;
    // Not even to their owner.
    let answer = test.call(active_surveys, get("/surveys/active").bearer(&ada.access)).await;
    assert_eq!(ids(&answer.body), [json!(open.id)]);
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
    let survey = test.survey(&ada).await;
    let sql = "INSERT INTO questions
               SELECT (jsonb_populate_record(q, jsonb_build_object('id', gen_random_uuid(), 'position', 1))).*
               FROM questions q WHERE id = $1 RETURNING id";
    let second = test.db().await.row(sql, &[&survey.question]).await.unwrap().get("id");
    for question in [survey.question, second, survey.question, second, survey.question] {
        test.reply(question, json!(1)).await;
    }
    assert_eq!(test.count("replies").await, 5);
    let answer = test.call(active_surveys, get("/surveys/active")).await;
    assert_eq!(answer.body["surveys"][0]["subCount"], 3);
}

#[tokio::test]
async fn pages_are_complete_in_order_and_without_repetition() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    // Every fifth one is a draft, every seventh has ended; later ones end earlier.
    let sql = "INSERT INTO surveys
               SELECT (jsonb_populate_record(s, jsonb_build_object(
                   'id', '00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'), 'name', n, 'is_active', n % 5 > 0,
                   'due_at', now() + (CASE WHEN n % 7 = 0 THEN -1 ELSE 500 - n END) * interval '1 day'
               ))).*
               FROM surveys s, generate_series(1, 250) AS n WHERE id = $1";
    let model = test.survey(&ada).await;
    let db = test.db().await;
    db.rows(sql, &[&model.id]).await.unwrap();
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
    for limit in ["0", "1001", "abc"] {
        let call = get("/surveys/active").query("limit", limit).query("after", "abc");
        test.call(active_surveys, call).await.assert_invalid(json!({
            "limit": "must be a whole number from 1 to 1000",
            "after": "must be the `next` of an earlier answer",
        }));
    }
}

#[tokio::test]
async fn no_token_is_needed_and_a_bad_one_does_not_matter() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let open = test.survey(&ada).await;
    let answer = test.call(active_surveys, get("/surveys/active").bearer("garbage")).await;
    assert_eq!((answer.status, ids(&answer.body)), (200, vec![json!(open.id)]));
}
