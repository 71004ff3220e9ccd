use super::survey;
use serde_json::{Value, json};
use shared::testing::{Call, Response, Survey, TestApp, TestSurvey, User, Uuid, delete, get, patch, post};

fn edit(id: Uuid, owner: &User, changes: Value) -> Call {
    patch("/surveys/x").path("idSurvey", id).bearer(&owner.access).json(changes)
}

fn look(id: Uuid) -> Call {
    get("/surveys/x").path("idSurvey", id)
}

fn deletion(id: Uuid, owner: &User) -> Call {
    delete("/surveys/x").path("idSurvey", id).bearer(&owner.access)
}

const STALE: &str = "The survey was edited meanwhile: read it again, and repeat the edit";

fn assert_stale(answer: &Answer) {
    answer.assert_problem(412, "precondition_failed", STALE);
}

/// A survey with a number and a choice, and two whole responses and three single replies to it.
async fn answered(test: &TestApp, owner: &User) -> TestSurvey {
    let choice = json!({"type": "single_choice", "replyContent": ["a", "b"]});
    let form = test.form(owner, json!([{"type": "number"}, choice])).await;
    for _ in 0..2 {
        test.response(form.id, form.answers([json!(1), json!("a")])).await;
    }
    for (question, reply) in [(0, json!(5)), (1, json!("a")), (1, json!("b"))] {
        test.reply(form.questions[question], reply).await;
    }
    form
}

#[tokio::test]
async fn a_survey_is_shown_to_anyone_who_has_its_id() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = answered(&test, &ada).await;
    let sql = "UPDATE surveys SET visibility = 'unlisted', due_at = '2999-01-31T18:00:00Z', opens_at = '2000-01-01Z'";
    test.db().await.rows(sql, &[]).await.unwrap();
    for call in [look(form.id), look(form.id).bearer(&ada.access), look(form.id).bearer("garbage")] {
        let answer = test.call(survey, call).await;
        assert_eq!((answer.status, answer.header("etag")), (200, "\"1\""));
        assert_eq!(
            answer.body,
            json!({
                "id": form.id, "name": "pets", "isActive": true, "opensAt": "2000-01-01T00:00:00Z",
                "dueDate": "2999-01-31T18:00:00Z", "subCount": 4, "desc": "About pets", "visibility": "unlisted",
                "publicStats": false, "responseLimit": null, "version": 1,
            })
        );
    }
}

#[tokio::test]
async fn a_draft_exists_for_its_owner_alone() {
    let test = TestApp::new().await;
    let (ada, bob) = (test.user("ada").await, test.user("bob").await);
    let draft = test.survey(&ada).draft().await;
    assert_eq!(test.call(survey, look(draft.id).bearer(&ada.access)).await.status, 200);
    for id in [draft.id, Uuid::now_v7()] {
        for call in [look(id), look(id).bearer(&bob.access)] {
            test.call(survey, call).await.assert_problem(404, "not_found", "Survey doesn't exist");
        }
        for call in [edit(id, &bob, json!({"name": "mine"})), deletion(id, &bob)] {
            test.call(survey, call).await.assert_problem(404, "not_found", "Survey doesn't exist");
        }
    }
    // An owner whose token has ended is told so.
    assert_eq!(test.call(survey, look(draft.id).bearer(&test.expired(&ada))).await.status, 401);
}

#[tokio::test]
async fn an_edit_changes_what_it_names_and_nothing_else() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let Survey { id, .. } = test.survey(&ada, "due_at = '2999-01-31Z'").await;
    let mut expected = test.call(survey, look(id)).await.body;
    for (version, (name, sent, shown)) in (2..).zip([
        ("name", json!(" cats "), json!("cats")),
        ("desc", json!("About\ncats"), json!("About\ncats")),
        ("opensAt", json!("2998-01-01"), json!("2998-01-01T00:00:00Z")),
        ("opensAt", json!(null), json!(null)),
        ("dueDate", json!("2999-02-01T01:00:00+01:00"), json!("2999-02-01T00:00:00Z")),
        ("visibility", json!("unlisted"), json!("unlisted")),
        ("publicStats", json!(true), json!(true)),
        ("responseLimit", json!(5), json!(5)),
        ("responseLimit", json!("7"), json!(7)),
        ("responseLimit", json!(null), json!(null)),
        ("responseLimit", json!(null), json!(null)),
        ("isActive", json!(false), json!(false)),
        ("isActive", json!("True"), json!(true)),
    ]) {
        expected[name] = shown;
        expected["version"] = json!(version);
        let answer = test.call(survey, edit(id, &ada, json!({ name: sent }))).await;
        assert_eq!((answer.status, &answer.body), (200, &expected));
        assert_eq!(answer.header("etag"), format!("\"{version}\""));
        assert_eq!(test.call(survey, look(id).bearer(&ada.access)).await.body, expected);
    }
    assert_eq!(test.count("response_limits").await, 0);
}

#[tokio::test]
async fn all_faults_of_an_edit_are_named_and_nothing_is_changed() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let Survey { id, .. } = test.survey(&ada).await;
    let before = test.call(survey, look(id)).await.body;
    let bad = json!({
        "name": "x".repeat(201), "desc": "x".repeat(10_001), "isActive": "perhaps", "opensAt": "soon",
        "visibility": "secret", "publicStats": 7, "responseLimit": 0,
    });
    let answer = test.call(survey, edit(id, &ada, bad)).await;
    let date = "must be a date like 2030-01-31, 2030-01-31T18:00:00Z or Thu, 31 Jan 2030 18:00:00 GMT, in the years 1 to 9999";
    answer.assert_invalid(json!({
        "name": "may have at most 200 characters",
        "desc": "may have at most 10000 characters",
        "isActive": "must be true or false",
        "opensAt": date,
        "visibility": "must be public or unlisted",
        "publicStats": "must be true or false",
        "responseLimit": "must be a whole number from 1 to 1000000000",
    }));
    for limit in [json!(-1), json!(1.5), json!(1_000_000_001), json!("many"), json!([])] {
        let answer = test.call(survey, edit(id, &ada, json!({"responseLimit": limit}))).await;
        assert_eq!(answer.status, 400, "{}", answer.body);
    }
    assert_eq!(test.call(survey, look(id)).await.body, before);
}

#[tokio::test]
async fn a_limit_below_what_is_there_is_refused() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = answered(&test, &ada).await;
    let limit = |limit: i64| edit(form.id, &ada, json!({"name": "new", "responseLimit": limit}));
    let text = "there are more responses already; set isActive to false to take no more";
    test.call(survey, limit(1)).await.assert_invalid(json!({ "responseLimit": text }));
    // Single replies take no place.
    assert_eq!(test.call(survey, limit(2)).await.status, 200);
    test.assert_counted().await;
    test.call(survey, limit(1)).await.assert_invalid(json!({ "responseLimit": text }));
    let answer = test.call(survey, look(form.id)).await;
    assert_eq!((&answer.body["responseLimit"], &answer.body["version"]), (&json!(2), &json!(2)));
    assert_eq!(test.call(survey, limit(3)).await.status, 200);
    test.response(form.id, json!({})).await;
    test.assert_counted().await;
}

#[tokio::test]
async fn an_edit_of_another_version_is_refused() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let Survey { id, .. } = test.survey(&ada).await;
    let rename = |name: &str, tag: &str| edit(id, &ada, json!({ "name": name })).header("if-match", tag);
    let answer = test.call(survey, rename("one", "\"1\"")).await;
    assert_eq!((answer.status, answer.header("etag")), (200, "\"2\""));
    for tag in ["\"1\"", "\"3\"", "2", "W/\"2\"", "\"x\"", "\"\""] {
        assert_stale(&test.call(survey, rename("two", tag)).await);
    }
    assert_stale(&test.call(survey, deletion(id, &ada).header("if-match", "\"1\"")).await);
    assert_eq!(test.call(survey, look(id)).await.body["name"], "one");
    assert_eq!(test.call(survey, rename("three", "*")).await.status, 200);
    assert_eq!(test.call(survey, rename("four", "\"3\"")).await.status, 200);
    assert_eq!(test.call(survey, deletion(id, &ada).header("if-match", "\"4\"")).await.status, 200);
}

#[tokio::test]
async fn of_two_edits_of_one_version_at_once_one_is_made() {
    let test = TestApp::with(|config| config.concurrency = 2).await;
    let ada = test.user("ada").await;
    let Survey { id, .. } = test.survey(&ada).await;
    for version in 1..20 {
        let tag = format!("\"{version}\"");
        let rename = |name: &str| edit(id, &ada, json!({ "name": name })).header("if-match", &tag);
        let (one, two) = tokio::join!(test.call(survey, rename("one")), test.call(survey, rename("two")));
        let (made, refused) = if one.status == 200 { (one, two) } else { (two, one) };
        assert_eq!(made.status, 200);
        assert_stale(&refused);
        let now = test.call(survey, look(id)).await;
        assert_eq!((&now.body["name"], now.header("etag")), (&made.body["name"], made.header("etag")));
    }
}

#[tokio::test]
async fn a_deletion_says_how_much_went() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = answered(&test, &ada).await;
    test.limit(form.id, 9).await;
    let kept = answered(&test, &ada).await;
    let answer = test.call(survey, deletion(form.id, &ada)).await;
    assert_eq!(
        (answer.status, answer.body),
        (200, json!({"message": "Survey was deleted", "questions": 2, "responses": 2, "replies": 7}))
    );
    for (table, left) in [
        (format!("surveys WHERE id = '{}'", kept.id), 1),
        ("surveys".to_owned(), 1),
        ("questions".to_owned(), 2),
        ("responses".to_owned(), 5),
        ("replies".to_owned(), 7),
        ("response_limits".to_owned(), 0),
        (format!("survey_counters WHERE survey_id <> '{}'", kept.id), 0),
    ] {
        assert_eq!(test.count(&table).await, left, "{table}");
    }
    test.assert_counted().await;
    let answer = test.call(survey, deletion(form.id, &ada)).await;
    answer.assert_problem(404, "not_found", "Survey doesn't exist");
    let empty = test.form(&ada, json!([])).await;
    let answer = test.call(survey, deletion(empty.id, &ada)).await;
    assert_eq!(answer.body["replies"], 0);
}

#[tokio::test]
async fn only_the_owner_edits_and_deletes() {
    let test = TestApp::new().await;
    let (ada, bob) = (test.user("ada").await, test.user("bob").await);
    let Survey { id, .. } = test.survey(&ada).await;
    for call in [patch("/").json(json!({"name": "mine"})), delete("/")] {
        let answer = test.call(survey, call.path("idSurvey", id)).await;
        answer.assert_problem(401, "missing_token", "Missing Authorization Header");
    }
    for call in [edit(id, &bob, json!({"name": "mine"})), deletion(id, &bob)] {
        // Also with a tag that is old: whose it is comes first.
        let answer = test.call(survey, call.header("if-match", "\"0\"")).await;
        answer.assert_problem(403, "forbidden", "User bob not permited");
    }
    assert_eq!(test.call(survey, look(id)).await.body["name"], "pets");
}

#[tokio::test]
async fn other_methods_and_ids_are_refused() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let answer = test.call(survey, post("/surveys/x").bearer(&ada.access)).await;
    assert_eq!((answer.status, answer.header("allow")), (405, "GET, PATCH, DELETE"));
    for call in [get("/"), patch("/"), delete("/")] {
        let answer = test.call(survey, call.path("idSurvey", "7").bearer(&ada.access)).await;
        answer.assert_invalid(json!({"idSurvey": "must be an id (a UUID)"}));
    }
}

#[tokio::test]
async fn a_migration_that_adds_a_column_disturbs_no_warm_connection() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = test.form(&ada, json!([])).await;
    let read = || get("/surveys/x").path("idSurvey", form.id);
    assert_eq!(test.call(survey, read()).await.status, 200);
    test.db()
        .await
        .rows("ALTER TABLE surveys ADD COLUMN later integer NOT NULL DEFAULT 0", &[])
        .await
        .unwrap();
    assert_eq!(test.call(survey, read()).await.status, 200);
}
