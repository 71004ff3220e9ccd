use super::survey;
use serde_json::{Value, json};
use shared::testing::{
    Call, Response, SurveyBuilder, TestApp, TestSurvey, User, Uuid, delete, get, patch, post,
};

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

fn assert_stale(answer: &Response) {
    answer.assert_problem(412, "precondition_failed", STALE);
}

/// A survey with a number and a choice, and two whole responses and three single replies to it.
async fn answered(test: &TestApp, survey: SurveyBuilder<'_>) -> TestSurvey {
    let choice = json!({"type": "single_choice", "replyContent": ["a", "b"]});
    let form = survey.questions(json!([{"type": "number"}, choice])).await;
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
    let survey_of_ada = test.survey(&ada).unlisted().opens("2000-01-01T00:00:00Z");
    let form = answered(&test, survey_of_ada.due("2999-01-31T18:00:00Z")).await;
    for call in [look(form.id), look(form.id).bearer(&ada.access), look(form.id).bearer("garbage")] {
        let answer = test.call(survey, call).await;
        assert_eq!((answer.status, answer.header("etag")), (200, "\"1\""));
        let moment = &answer.body["createdAt"];
        assert_eq!(
            answer.body,
            json!({
                "id": form.id, "name": "pets", "state": "open", "isActive": true,
                "opensAt": "2000-01-01T00:00:00Z", "dueDate": "2999-01-31T18:00:00Z", "subCount": 4,
                "desc": "About pets", "visibility": "unlisted", "publicStats": false, "responseLimit": null,
                "questionCount": 2, "version": 1, "createdAt": moment, "updatedAt": moment,
            })
        );
    }
}

#[tokio::test]
async fn the_state_says_what_can_be_done_with_a_survey_now() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey_of_ada = || test.survey(&ada);
    for (case, (builder, responses, state)) in [
        (survey_of_ada().draft(), 0, "draft"),
        (survey_of_ada().draft().scheduled(), 0, "draft"),
        (survey_of_ada().draft().past_due(), 0, "draft"),
        (survey_of_ada().scheduled(), 0, "scheduled"),
        (survey_of_ada(), 0, "open"),
        (survey_of_ada().opens("2001-01-01T00:00:00Z"), 3, "open"),
        (survey_of_ada().limit(3), 2, "open"),
        (survey_of_ada().limit(3), 3, "full"),
        (survey_of_ada().past_due(), 0, "closed"),
        (survey_of_ada().scheduled().past_due(), 0, "closed"),
        (survey_of_ada().put_aside(), 0, "closed"),
        (survey_of_ada().put_aside().scheduled(), 0, "closed"),
        (survey_of_ada().put_aside().past_due(), 0, "closed"),
    ]
    .into_iter()
    .enumerate()
    {
        let made = builder.await;
        for _ in 0..responses {
            test.response(made.id, json!({})).await;
        }
        let answer = test.call(survey, look(made.id).bearer(&ada.access)).await;
        assert_eq!((answer.status, &answer.body["state"]), (200, &json!(state)), "case {case}");
        // What isn't a draft is there for everybody.
        let status = if state == "draft" { 404 } else { 200 };
        assert_eq!(test.call(survey, look(made.id)).await.status, status, "case {case}");
    }
}

#[tokio::test]
async fn a_limit_that_is_reached_is_nothing_to_a_survey_that_is_closed() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let made = test.survey(&ada).limit(1).await;
    test.response(made.id, json!({})).await;
    for (changes, state) in [
        (json!({}), "full"),
        (json!({"isActive": false}), "closed"),
        (json!({"isActive": true}), "full"),
        (json!({"dueDate": "2001-01-01"}), "closed"),
        (json!({"dueDate": "2999-01-01", "opensAt": "2998-01-01"}), "scheduled"),
        (json!({"opensAt": null, "responseLimit": 2}), "open"),
    ] {
        let answer = test.call(survey, edit(made.id, &ada, changes)).await;
        assert_eq!((answer.status, &answer.body["state"]), (200, &json!(state)), "{}", answer.body);
    }
}

#[tokio::test]
async fn a_draft_exists_for_its_owner_alone() {
    let test = TestApp::new().await;
    let (ada, bob) = (test.user("ada").await, test.user("bob").await);
    let draft = test.survey(&ada).draft().await;
    assert_eq!(test.call(survey, look(draft.id).bearer(&ada.access)).await.status, 200);
    let unknown = Uuid::now_v7();
    let calls: [fn(Uuid, &User) -> Call; 5] = [
        |id, _| look(id),
        |id, bob| look(id).bearer(&bob.access),
        |id, bob| edit(id, bob, json!({"name": "mine"})),
        // Not even its version is told.
        |id, bob| edit(id, bob, json!({"name": "mine"})).header("if-match", "\"7\""),
        |id, bob| deletion(id, bob),
    ];
    for call in calls {
        let answer = test.call(survey, call(draft.id, &bob)).await;
        answer.assert_problem(404, "not_found", "Survey doesn't exist");
        assert_eq!(answer.body, test.call(survey, call(unknown, &bob)).await.body);
    }
    // An owner whose token has ended is told so.
    let answer = test.call(survey, look(draft.id).bearer(&test.expired(&ada))).await;
    answer.assert_problem(401, "expired_token", "Token has expired");
}

#[tokio::test]
async fn what_was_open_and_is_put_aside_stays_visible_as_closed() {
    let test = TestApp::new().await;
    let (ada, bob) = (test.user("ada").await, test.user("bob").await);
    let made = test.survey(&ada).await;
    for (is_active, state) in [(false, "closed"), (true, "open"), (false, "closed")] {
        let answer = test.call(survey, edit(made.id, &ada, json!({"isActive": is_active}))).await;
        assert_eq!((answer.status, &answer.body["state"]), (200, &json!(state)));
        for call in [look(made.id), look(made.id).bearer(&bob.access)] {
            let seen = test.call(survey, call).await;
            assert_eq!((seen.status, &seen.body), (200, &answer.body));
        }
        let answer = test.call(survey, deletion(made.id, &bob)).await;
        answer.assert_problem(403, "forbidden", "User bob not permited");
    }
}

#[tokio::test]
async fn what_was_never_open_is_a_draft_again_when_it_is_put_aside() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let made = test.survey(&ada).scheduled().await;
    assert_eq!(test.call(survey, look(made.id)).await.body["state"], "scheduled");
    // That it would open now doesn't mean that it has been open.
    let changes = json!({"isActive": false, "opensAt": null});
    let answer = test.call(survey, edit(made.id, &ada, changes)).await;
    assert_eq!((answer.status, &answer.body["state"]), (200, &json!("draft")));
    test.call(survey, look(made.id)).await.assert_problem(404, "not_found", "Survey doesn't exist");
    for (is_active, state) in [(true, "open"), (false, "closed")] {
        let answer = test.call(survey, edit(made.id, &ada, json!({"isActive": is_active}))).await;
        assert_eq!(answer.body["state"], state);
        assert_eq!(test.call(survey, look(made.id)).await.body["state"], state);
    }
    // Nor has one that was over before it was made, or before it would have opened.
    for never in [
        test.survey(&ada).due("2001-01-01T00:00:00Z"),
        test.survey(&ada).opens("2001-01-01T00:00:00Z").due("2000-01-01T00:00:00Z"),
    ] {
        let made = never.await;
        assert_eq!(test.call(survey, look(made.id)).await.body["state"], "closed");
        let answer = test.call(survey, edit(made.id, &ada, json!({"isActive": false}))).await;
        assert_eq!((answer.status, &answer.body["state"]), (200, &json!("draft")));
        assert_eq!(test.call(survey, look(made.id)).await.status, 404);
    }
}

#[tokio::test]
async fn an_edit_changes_what_it_names_and_nothing_else() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let TestSurvey { id, .. } = test.survey(&ada).due("2999-01-31T00:00:00Z").await;
    let mut expected = test.call(survey, look(id)).await.body;
    for (version, (name, sent, shown, state)) in (2..).zip([
        ("name", json!(" cats "), json!("cats"), "open"),
        ("desc", json!("About\ncats"), json!("About\ncats"), "open"),
        ("opensAt", json!("2998-01-01"), json!("2998-01-01T00:00:00Z"), "scheduled"),
        ("opensAt", json!(null), json!(null), "open"),
        ("dueDate", json!("2999-02-01T01:00:00+01:00"), json!("2999-02-01T00:00:00Z"), "open"),
        ("visibility", json!("unlisted"), json!("unlisted"), "open"),
        ("publicStats", json!(true), json!(true), "open"),
        ("responseLimit", json!(5), json!(5), "open"),
        ("responseLimit", json!(7), json!(7), "open"),
        ("responseLimit", json!(null), json!(null), "open"),
        ("isActive", json!(false), json!(false), "closed"),
        ("isActive", json!(true), json!(true), "open"),
    ]) {
        let answer = test.call(survey, edit(id, &ada, json!({ name: sent }))).await;
        assert_ne!(answer.body["updatedAt"], expected["updatedAt"]);
        expected[name] = shown;
        expected["state"] = json!(state);
        expected["version"] = json!(version);
        expected["updatedAt"] = answer.body["updatedAt"].clone();
        assert_eq!((answer.status, &answer.body), (200, &expected));
        assert_eq!(answer.header("etag"), format!("\"{version}\""));
        assert_eq!(test.call(survey, look(id).bearer(&ada.access)).await.body, expected);
    }
    assert_eq!(test.count("response_limits").await, 0);
}

#[tokio::test]
async fn an_edit_that_changes_nothing_leaves_version_and_moment_alone() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = answered(&test, test.survey(&ada).due("2999-01-31T00:00:00Z").limit(5)).await;
    let before = test.call(survey, look(form.id)).await;
    for same in [
        json!({}),
        json!({"name": "pets"}),
        json!({"name": "  pets ", "desc": "About pets", "isActive": true, "dueDate": "2999-01-31T01:00:00+01:00",
               "opensAt": null, "visibility": "public", "publicStats": false, "responseLimit": 5}),
        // To all that can't be nothing, null is not given.
        json!({"name": null, "isActive": null, "dueDate": null, "visibility": null, "publicStats": null}),
    ] {
        for call in [edit(form.id, &ada, same.clone()), edit(form.id, &ada, same).header("if-match", "\"1\"")]
        {
            let answer = test.call(survey, call).await;
            assert_eq!((answer.status, &answer.body), (200, &before.body));
            assert_eq!(answer.header("etag"), "\"1\"");
        }
    }
    // A tag that is old is refused all the same.
    assert_stale(&test.call(survey, edit(form.id, &ada, json!({})).header("if-match", "\"2\"")).await);
    for (limit, version) in [(6, 2), (6, 2), (5, 3)] {
        let answer = test.call(survey, edit(form.id, &ada, json!({"responseLimit": limit}))).await;
        assert_eq!(answer.body["version"], version);
    }
}

#[tokio::test]
async fn a_description_can_be_emptied() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let TestSurvey { id, .. } = test.survey(&ada).await;
    for (desc, shown, version) in [
        (json!(""), "", 2),
        (json!(null), "", 2),
        (json!("About cats"), "About cats", 3),
        (json!(null), "", 4),
        (json!("x"), "x", 5),
        (json!(""), "", 6),
    ] {
        let answer = test.call(survey, edit(id, &ada, json!({"desc": desc}))).await;
        assert_eq!((answer.status, &answer.body["desc"]), (200, &json!(shown)), "{desc}");
        assert_eq!(answer.body["version"], version);
        assert_eq!(test.call(survey, look(id)).await.body, answer.body);
    }
}

#[tokio::test]
async fn all_faults_of_an_edit_are_named_and_nothing_is_changed() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let TestSurvey { id, .. } = test.survey(&ada).await;
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
async fn a_body_has_the_types_of_json_and_no_name_that_nothing_has() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let TestSurvey { id, .. } = test.survey(&ada).await;
    let before = test.call(survey, look(id)).await.body;
    let answer = test
        .call(
            survey,
            edit(
                id,
                &ada,
                json!({
                    "name": 5, "desc": true, "isActive": "true", "dueDate": 2030, "visibility": ["public"],
                    "publicStats": 1, "responseLimit": "7", "colour": "red",
                }),
            )
            .query("expand", "questions"),
        )
        .await;
    let unknown = "is unknown: there are idSurvey, name, desc, isActive, opensAt, dueDate, visibility, publicStats, responseLimit";
    answer.assert_invalid(json!({
        "name": "must be text",
        "desc": "must be text",
        "isActive": "must be true or false",
        "dueDate": "must be text",
        "visibility": "must be text",
        "publicStats": "must be true or false",
        "responseLimit": "must be a whole number from 1 to 1000000000",
        "colour": unknown,
        "expand": unknown,
    }));
    let answer = test.call(survey, look(id).query("expand", "questions")).await;
    answer.assert_invalid(json!({"expand": "is unknown: there are idSurvey"}));
    let twice = edit(id, &ada, json!({})).body(r#"{"name": "one", "n\u0061me": "two"}"#);
    let text = r#"The body gives the name "name" twice in one object"#;
    test.call(survey, twice).await.assert_problem(400, "malformed_body", text);
    assert_eq!(test.call(survey, look(id)).await.body, before);
    // Other spellings of a name are known, and what is in a query or a form is text.
    let lower = edit(id, &ada, json!({"duedate": "2999-01-31", "isactive": false, "publicstats": true}));
    let form = patch("/surveys/x").path("idSurvey", id).bearer(&ada.access).body("name=cats");
    for (call, name, value) in [
        (lower, "dueDate", json!("2999-01-31T00:00:00Z")),
        (edit(id, &ada, json!({})).query("isActive", "True"), "isActive", json!(true)),
        (edit(id, &ada, json!({})).query("responselimit", "7"), "responseLimit", json!(7)),
        (form.header("content-type", "application/x-www-form-urlencoded"), "name", json!("cats")),
    ] {
        let answer = test.call(survey, call).await;
        assert_eq!((answer.status, &answer.body[name]), (200, &value));
    }
}

#[tokio::test]
async fn a_limit_below_what_is_there_is_refused() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = answered(&test, test.survey(&ada)).await;
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
    let TestSurvey { id, .. } = test.survey(&ada).await;
    let rename = |name: &str, tag: &str| edit(id, &ada, json!({ "name": name })).header("if-match", tag);
    let answer = test.call(survey, rename("one", "\"1\"")).await;
    assert_eq!((answer.status, answer.header("etag")), (200, "\"2\""));
    for tag in ["\"1\"", "\"3\"", "2", "W/\"3\"", "\"x\"", "\"\""] {
        assert_stale(&test.call(survey, rename("two", tag)).await);
    }
    assert_stale(&test.call(survey, deletion(id, &ada).header("if-match", "\"1\"")).await);
    assert_eq!(test.call(survey, look(id)).await.body["name"], "one");
    assert_eq!(test.call(survey, rename("three", "*")).await.status, 200);
    // The tag of an answer that was compressed.
    assert_eq!(test.call(survey, rename("four", "W/\"3\"")).await.status, 200);
    assert_eq!(test.call(survey, deletion(id, &ada).header("if-match", "\"4\"")).await.status, 200);
}

#[tokio::test]
async fn of_two_edits_of_one_version_at_once_one_is_made() {
    let test = TestApp::with(|config| config.concurrency = 2).await;
    let ada = test.user("ada").await;
    let TestSurvey { id, .. } = test.survey(&ada).await;
    for version in 1..20 {
        let tag = format!("\"{version}\"");
        let rename =
            |name: &str| edit(id, &ada, json!({ "name": format!("{name} {tag}") })).header("if-match", &tag);
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
    let form = answered(&test, test.survey(&ada).limit(9)).await;
    let kept = answered(&test, test.survey(&ada)).await;
    // What was deleted before doesn't go again.
    let before = test.response(form.id, json!({})).await;
    let caller = test.caller(&ada).await;
    let (id, before) = (shared::values::SurveyId(form.id), shared::values::ResponseId(before));
    shared::responses::delete(&mut test.db().await, &caller, id, before).await.unwrap();
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
        ("answers".to_owned(), 7),
        ("response_limits".to_owned(), 0),
        (format!("survey_counters WHERE survey_id <> '{}'", kept.id), 0),
    ] {
        assert_eq!(test.count(&table).await, left, "{table}");
    }
    test.assert_counted().await;
    let answer = test.call(survey, deletion(form.id, &ada)).await;
    answer.assert_problem(404, "not_found", "Survey doesn't exist");
    let empty = test.survey(&ada).questions(json!([])).await;
    let answer = test.call(survey, deletion(empty.id, &ada)).await;
    assert_eq!(answer.body["replies"], 0);
}

#[tokio::test]
async fn only_the_owner_edits_and_deletes() {
    let test = TestApp::new().await;
    let (ada, bob) = (test.user("ada").await, test.user("bob").await);
    let TestSurvey { id, .. } = test.survey(&ada).await;
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
    for call in [get("/surveys/7"), patch("/surveys/7"), delete("/surveys/7")] {
        let answer = test.call(survey, call.path("idSurvey", "7").bearer(&ada.access)).await;
        answer.assert_invalid(json!({"idSurvey": "must be an id (a UUID)"}));
    }
}

#[tokio::test]
async fn a_migration_that_adds_a_column_disturbs_no_warm_connection() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = test.survey(&ada).questions(json!([])).await;
    assert_eq!(test.call(survey, look(form.id)).await.status, 200);
    test.db()
        .await
        .rows("ALTER TABLE surveys ADD COLUMN later integer NOT NULL DEFAULT 0", &[])
        .await
        .unwrap();
    assert_eq!(test.call(survey, look(form.id)).await.status, 200);
}
