use super::question;
use serde_json::{Value, json};
use shared::{
    responses,
    testing::{Call, SurveyBuilder, TestApp, TestSurvey, User, Uuid, delete, get, patch},
    values::{ResponseId, SurveyId},
};

fn edit(id: Uuid, owner: &User, changes: &Value) -> Call {
    patch("/questions/x").path("idQuestion", id).bearer(&owner.access).json(changes.clone())
}

fn deletion(id: Uuid, owner: &User) -> Call {
    delete("/questions/x").path("idQuestion", id).bearer(&owner.access)
}

/// Content, type, rules and whether it is required.
async fn stored(test: &TestApp, id: Uuid) -> Value {
    let sql = "SELECT json_build_array(content, type, reply_content, required) AS stored FROM questions WHERE id = $1";
    test.db().await.row(sql, &[&id]).await.unwrap().get("stored")
}

/// Version and last edit of each survey.
async fn edited(test: &TestApp) -> Value {
    let sql = "SELECT json_agg(json_build_array(version, updated_at) ORDER BY id) AS edited FROM surveys";
    test.db().await.row(sql, &[]).await.unwrap().get("edited")
}

async fn pets(survey: SurveyBuilder<'_>) -> TestSurvey {
    survey
        .questions(json!([{"type": "single_choice", "replyContent": ["cat", "dog"]}, {"type": "nps"}]))
        .await
}

/// Delete a response as the endpoint does it.
async fn delete_response(test: &TestApp, owner: &User, survey: Uuid, response: Uuid) {
    let caller = test.caller(owner).await;
    let (survey, response) = (SurveyId(survey), ResponseId(response));
    responses::delete(&mut test.db().await, &caller, survey, response).await.unwrap();
}

#[tokio::test]
async fn an_edit_changes_what_it_names_and_nothing_else() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = pets(test.survey(&ada)).await;
    let id = form.questions[0];
    let list = json!(["cat", "dog"]);
    for (version, (changes, expected)) in (2..).zip([
        (json!({"content": "Which?"}), json!(["Which?", "single_choice", list, false])),
        (json!({"required": true}), json!(["Which?", "single_choice", list, true])),
        (json!({"required": false, "content": null}), json!(["Which?", "single_choice", list, false])),
        (json!({"type": "ranking"}), json!(["Which?", "ranking", list, false])),
        (
            json!({"type": "x-colour", "replyContent": {"n": 1}}),
            json!(["Which?", "x-colour", {"n": 1}, false]),
        ),
        (json!({"replyContent": null}), json!(["Which?", "x-colour", null, false])),
        (json!({"type": " number "}), json!(["Which?", "number", null, false])),
    ]) {
        let before = edited(&test).await;
        let answer = test.call(question, edit(id, &ada, &changes)).await;
        assert_eq!((answer.status, &answer.body), (200, &json!({"message": "Question was changed"})));
        assert_eq!(answer.header("etag"), format!("\"{version}\""));
        assert_eq!(stored(&test, id).await, expected);
        let after = edited(&test).await;
        assert!(after[0][0] == version && after[0][1] != before[0][1], "{before} {after}");
        test.assert_counted().await;
    }
    assert_eq!(stored(&test, form.questions[1]).await, json!(["Why?", "nps", null, false]));
}

#[tokio::test]
async fn an_edit_that_changes_nothing_leaves_version_and_moment_alone() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = pets(test.survey(&ada)).await;
    test.response(form.id, form.answers([json!("cat")])).await;
    let (question_before, before) = (stored(&test, form.questions[0]).await, edited(&test).await);
    for same in [
        json!({}),
        json!({"content": null, "type": null, "required": null}),
        json!({"content": "Why?", "type": "single_choice", "required": false, "replyContent": ["cat", "dog"]}),
    ] {
        for call in [
            edit(form.questions[0], &ada, &same),
            edit(form.questions[0], &ada, &same).header("if-match", "\"1\""),
        ] {
            let answer = test.call(question, call).await;
            assert_eq!((answer.status, answer.header("etag")), (200, "\"1\""), "{same}");
        }
    }
    // Nor does `null` where there are no rules.
    let answer = test.call(question, edit(form.questions[1], &ada, &json!({"replyContent": null}))).await;
    assert_eq!((answer.status, answer.header("etag")), (200, "\"1\""));
    assert_eq!((stored(&test, form.questions[0]).await, edited(&test).await), (question_before, before));
    // A tag that is old is refused all the same.
    let call = edit(form.questions[0], &ada, &json!({})).header("if-match", "\"2\"");
    assert_eq!(test.call(question, call).await.status, 412);
}

#[tokio::test]
async fn a_type_is_a_known_one_or_begins_with_x_or_was_there_before() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = test.survey(&ada).questions(json!([{"type": "colour"}, {"type": "Number"}])).await;
    let [colour, number] = [form.questions[0], form.questions[1]];
    // As flaskForms' clients made them, and as a client that sends the whole question back has them.
    for (id, r#type) in [(colour, "colour"), (number, "Number")] {
        let changes =
            json!({"content": "Which?", "type": r#type, "required": false, "replyContent": [r#type]});
        assert_eq!(test.call(question, edit(id, &ada, &changes)).await.status, 200);
        assert_eq!(stored(&test, id).await, json!(["Which?", r#type, [r#type], false]));
    }
    let before = edited(&test).await;
    for (near, known) in [
        ("single-choice", "single_choice"),
        ("SingleChoice", "single_choice"),
        ("Short Text", "short_text"),
        ("NPS", "nps"),
        ("date_time", "datetime"),
        ("Number", "number"),
    ] {
        let answer = test.call(question, edit(colour, &ada, &json!({"type": near}))).await;
        answer.assert_invalid(json!({"type": format!("is no known type: did you mean {known}?")}));
    }
    let types = "short_text, long_text, number, boolean, single_choice, multi_choice, ranking, scale, nps, matrix, date, time, datetime";
    for other in ["text", "color", "x-", "X-colour", "x_colour", "colours"] {
        let answer = test.call(question, edit(colour, &ada, &json!({"type": other}))).await;
        let text = format!("is no known type: there are {types}; a type of your own begins with x-");
        answer.assert_invalid(json!({ "type": text }));
    }
    for (bad, text) in [
        (json!(5), "must be text"),
        (json!("x".repeat(51)), "may have at most 50 characters"),
        (json!("x-a\nb"), "must be a single line"),
    ] {
        let answer = test.call(question, edit(colour, &ada, &json!({"type": bad}))).await;
        answer.assert_invalid(json!({ "type": text }));
    }
    assert_eq!(edited(&test).await, before);
    for good in ["x-c".to_owned(), format!("x-{}", "é".repeat(48))] {
        assert_eq!(test.call(question, edit(colour, &ada, &json!({"type": good}))).await.status, 200);
    }
    // It is gone for good.
    assert_eq!(test.call(question, edit(colour, &ada, &json!({"type": "colour"}))).await.status, 400);
}

#[tokio::test]
async fn bad_rules_are_refused_at_their_place_also_with_what_was_there() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = pets(test.survey(&ada)).await;
    let before = (stored(&test, form.questions[0]).await, edited(&test).await);
    let options = "must be a list of options, or an object with options";
    let number = "must be a number below 1e15 with at most 6 digits behind the point";
    for (changes, errors) in [
        (json!({"replyContent": ["cat", "cat"]}), json!({"replyContent[1]": r#""cat" is there twice"#})),
        (
            json!({"replyContent": {"options": ["cat"], "min": 1}}),
            json!({"replyContent.min": "is unknown: there are options, other"}),
        ),
        (
            json!({"replyContent": {"options": ["cat", {"value": "", "retired": 1}, {}, {"value": "ox", "color": "red"}]}}),
            json!({
                "replyContent.options[1].retired": "must be true or false",
                "replyContent.options[2].value": "This field cannot be blank",
                "replyContent.options[3].color": "is unknown: there are value, label, retired",
            }),
        ),
        (
            json!({"replyContent": ["cat", {"value": ""}]}),
            json!({"replyContent[1].value": "must be a text, or an object with a value"}),
        ),
        (json!({"replyContent": null}), json!({ "replyContent": options })),
        (json!({"type": "number"}), json!({"replyContent": "must be an object with the rules of the type"})),
        (
            json!({"type": "number", "replyContent": {"max": "5", "step": 1e-7}}),
            json!({"replyContent.max": number, "replyContent.step": number}),
        ),
        (
            json!({"type": "scale", "replyContent": {"min": 5, "max": 1}}),
            json!({"replyContent.min": "must be below max"}),
        ),
        (
            json!({"type": "matrix", "replyContent": {"rows": [], "columns": ["x", 7, "7"], "minRows": -1}}),
            json!({
                "replyContent.rows": "must have 1 to 200 entries",
                "replyContent.columns[2]": r#""7" is there twice"#,
                "replyContent.minRows": "must be a whole number from 0 to 100000",
            }),
        ),
    ] {
        let answer = test.call(question, edit(form.questions[0], &ada, &changes)).await;
        answer.assert_invalid(errors);
    }
    let answer = test
        .call(question, edit(form.questions[0], &ada, &json!({"content": "x".repeat(10_001), "required": 5})))
        .await;
    let errors = json!({"content": "may have at most 10000 characters", "required": "must be true or false"});
    answer.assert_invalid(errors);
    assert_eq!((stored(&test, form.questions[0]).await, edited(&test).await), before);
}

#[tokio::test]
async fn a_body_has_the_types_of_json_and_no_name_that_nothing_has() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = pets(test.survey(&ada)).await;
    let bad = json!({"content": true, "required": "False", "position": 1});
    let answer = test.call(question, edit(form.questions[0], &ada, &bad)).await;
    answer.assert_invalid(json!({
        "content": "must be text",
        "required": "must be true or false",
        "position": "is unknown: there are idQuestion, content, type, required, replyContent",
    }));
    let call = deletion(form.questions[0], &ada).query("force", "true");
    let text = "is unknown: there are idQuestion";
    test.call(question, call).await.assert_invalid(json!({ "force": text }));
    for (body, name) in [
        (r#"{"content": "a", "content": "b"}"#, "content"),
        (r#"{"replyContent": {"options": ["a", {"value": "b", "label": "B", "label": "C"}]}}"#, "label"),
        // Also where the content is nobody's business.
        (r#"{"type": "x-colour", "replyContent": [{"": 1, "": 2}]}"#, ""),
    ] {
        let answer = test.call(question, edit(form.questions[0], &ada, &json!({})).body(body)).await;
        let text = format!("The body gives the name {name:?} twice in one object");
        answer.assert_problem(400, "malformed_body", &text);
    }
    assert_eq!(stored(&test, form.questions[0]).await[0], "Why?");
    // Another spelling of a name is known.
    let answer = test.call(question, edit(form.questions[0], &ada, &json!({"replycontent": ["ox"]}))).await;
    assert_eq!(answer.status, 200);
    assert_eq!(stored(&test, form.questions[0]).await[2], json!(["ox"]));
}

#[tokio::test]
async fn once_there_are_replies_the_type_stays() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let questions = json!([{"type": "scale"}, {"type": "x-colour"}, {"type": "nps"}]);
    let form = test.survey(&ada).questions(questions).await;
    test.response(form.id, form.answers([json!(3)])).await;
    test.reply(form.questions[1], json!("red")).await;
    for (index, other) in [(0, "number"), (0, "nps"), (0, "x-colour"), (1, "short_text"), (1, "x-color")] {
        let answer = test.call(question, edit(form.questions[index], &ada, &json!({"type": other}))).await;
        answer.assert_problem(409, "type_in_use", "The question has replies: its type can't change");
    }
    for (index, changes) in [
        (0, json!({"type": "scale", "replyContent": {"max": 2}})),
        (1, json!({"replyContent": [1]})),
        (2, json!({"type": "x-colour"})),
    ] {
        assert_eq!(test.call(question, edit(form.questions[index], &ada, &changes)).await.status, 200);
    }
    // Without replies it is free again.
    test.db().await.rows("DELETE FROM surveys", &[]).await.unwrap();
    let form = test.survey(&ada).questions(json!([{"type": "number"}])).await;
    let id = test.response(form.id, form.answers([json!(3)])).await;
    delete_response(&test, &ada, form.id, id).await;
    let answer = test.call(question, edit(form.questions[0], &ada, &json!({"type": "nps"}))).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    test.assert_counted().await;
}

#[tokio::test]
async fn an_option_in_use_can_only_be_retired() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    for r#type in ["single_choice", "multi_choice", "ranking"] {
        let options = json!({"options": ["cat", "dog", "emu"]});
        let form = test.survey(&ada).questions(json!([{"type": r#type, "replyContent": options}])).await;
        let id = form.questions[0];
        let reply = match r#type {
            "single_choice" => json!("dog"),
            "multi_choice" => json!(["dog"]),
            _ => json!(["dog", "cat", "emu"]),
        };
        test.response(form.id, form.answers([reply])).await;
        let without = json!({"replyContent": ["emu", "cat"]});
        let answer = test.call(question, edit(id, &ada, &without)).await;
        let text = r#"The option "dog" has replies: keep it, with "retired": true"#;
        answer.assert_problem(409, "option_in_use", text);
        let retired = json!({"replyContent": ["emu", {"value": "dog", "retired": true}, "cat", "ox"]});
        assert_eq!(test.call(question, edit(id, &ada, &retired)).await.status, 200);
        test.assert_counted().await;
    }
}

#[tokio::test]
async fn an_option_that_nobody_chose_may_go() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = pets(test.survey(&ada)).await;
    let id = test.response(form.id, form.answers([json!("dog")])).await;
    test.response(form.id, form.answers([json!("cat")])).await;
    let without = json!({"replyContent": ["cat"]});
    assert_eq!(test.call(question, edit(form.questions[0], &ada, &without)).await.status, 409);
    delete_response(&test, &ada, form.id, id).await;
    assert_eq!(test.call(question, edit(form.questions[0], &ada, &without)).await.status, 200);
}

#[tokio::test]
async fn rows_and_columns_in_use_stay_and_so_does_the_number_of_columns_a_row() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let matrix = |rows: Value, columns: Value| json!({"replyContent": {"rows": rows, "columns": columns}});
    let mut definition = matrix(json!(["r", "s"]), json!(["x", "y"]));
    definition["type"] = json!("matrix");
    let form = test.survey(&ada).questions(json!([definition])).await;
    test.response(form.id, form.answers([json!({"r": "x"})])).await;
    let call = |changes: &Value| test.call(question, edit(form.questions[0], &ada, changes));
    for (rows, columns, gone) in [(json!(["s"]), json!(["x"]), "r"), (json!(["r"]), json!(["y"]), "x")] {
        let answer = call(&matrix(rows, columns)).await;
        let text = format!("The option {gone:?} has replies: keep it, with \"retired\": true");
        answer.assert_problem(409, "option_in_use", &text);
    }
    let mut several = matrix(json!(["r"]), json!(["x"]));
    several["replyContent"]["multiple"] = json!(true);
    assert_eq!(call(&several).await.body["code"], "type_in_use");
    let kept =
        matrix(json!([{"value": "r", "retired": true}, "t"]), json!([{"value": "x", "retired": true}, "z"]));
    assert_eq!(call(&kept).await.status, 200);
    test.assert_counted().await;
}

#[tokio::test]
async fn a_deleted_question_takes_its_replies_along_and_the_others_move_up() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let questions = json!([{"type": "number"}, {"type": "nps"}, {"type": "x-colour"}]);
    let form = test.survey(&ada).questions(questions).await;
    for _ in 0..2 {
        test.response(form.id, form.answers([json!(1), json!(9), json!("red")])).await;
    }
    test.reply(form.questions[0], json!(7)).await;
    test.reply(form.questions[1], json!(7)).await;
    let answer = test.call(question, deletion(form.questions[0], &ada)).await;
    assert_eq!((answer.status, answer.header("etag")), (200, "\"2\""));
    assert_eq!(answer.body, json!({"message": "Question was deleted", "replies": 3}));
    let sql = "SELECT json_agg(json_build_array(id, position) ORDER BY position) AS left FROM questions";
    let left: Value = test.db().await.row(sql, &[]).await.unwrap().get("left");
    assert_eq!(left, json!([[form.questions[1], 0], [form.questions[2], 1]]));
    assert_eq!((test.count("responses").await, test.count("responses WHERE single").await), (3, 1));
    assert_eq!(test.count("answers").await, 5);
    test.assert_counted().await;
    let answer = test.call(question, deletion(form.questions[0], &ada)).await;
    answer.assert_problem(404, "not_found", "Question doesn't exist");
    let answer = test.call(question, deletion(form.questions[2], &ada)).await;
    assert_eq!((answer.body["replies"].clone(), answer.header("etag")), (json!(2), "\"3\""));
    test.assert_counted().await;
}

#[tokio::test]
async fn a_question_is_deleted_whose_replies_were_deleted_before() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = pets(test.survey(&ada)).await;
    let id = test.response(form.id, form.answers([json!("dog"), json!(7)])).await;
    let single = test.reply(form.questions[0], json!("cat")).await;
    for response in [id, single] {
        delete_response(&test, &ada, form.id, response).await;
    }
    let answer = test.call(question, deletion(form.questions[0], &ada)).await;
    assert_eq!((answer.status, &answer.body["replies"]), (200, &json!(0)));
    // Their ids stay taken.
    assert_eq!(test.count("responses WHERE deleted_at IS NOT NULL").await, 2);
    test.assert_counted().await;
}

#[tokio::test]
async fn questions_of_a_survey_have_at_most_a_mebibyte_together() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = test.survey(&ada).questions(json!([{"type": "x-colour"}, {"type": "nps"}])).await;
    // The question has 10 bytes, and then ["Why?","xxxxxxxx"].
    test.db().await.rows("UPDATE surveys SET question_bytes = 1048576 - 9", &[]).await.unwrap();
    let [short, long] = ["x".repeat(8), "x".repeat(9)].map(|text| json!({ "replyContent": text }));
    let answer = test.call(question, edit(form.questions[0], &ada, &long)).await;
    answer
        .assert_invalid(json!({"replyContent": "the questions of a survey may have at most 1 MiB together"}));
    assert_eq!(test.call(question, edit(form.questions[0], &ada, &short)).await.status, 200);
    assert_eq!(test.count("surveys WHERE question_bytes = 1048576").await, 1);
    assert_eq!(test.call(question, deletion(form.questions[0], &ada)).await.status, 200);
    assert_eq!(test.count("surveys WHERE question_bytes = 1048576 - 19 AND question_count = 1").await, 1);
}

#[tokio::test]
async fn an_edit_of_another_version_is_refused() {
    let test = TestApp::with(|config| config.concurrency = 2).await;
    let ada = test.user("ada").await;
    let form = pets(test.survey(&ada)).await;
    let [first, second] = [form.questions[0], form.questions[1]];
    // The version is the survey's: two questions count as one.
    let call = |id, content: &str| edit(id, &ada, &json!({ "content": content })).header("if-match", "\"1\"");
    let (one, two) =
        tokio::join!(test.call(question, call(first, "one")), test.call(question, call(second, "two")));
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);
    let answer = test.call(question, deletion(first, &ada).header("if-match", "\"1\"")).await;
    let text = "The survey was edited meanwhile: read it again, and repeat the edit";
    answer.assert_problem(412, "precondition_failed", text);
    assert_eq!(test.call(question, deletion(first, &ada).header("if-match", "\"2\"")).await.status, 200);
}

#[tokio::test]
async fn only_the_owner_edits_and_deletes() {
    let test = TestApp::new().await;
    let (ada, bob) = (test.user("ada").await, test.user("bob").await);
    let calls = |id: Uuid, user: &User| [edit(id, user, &json!({"content": "mine"})), deletion(id, user)];
    for visible in [test.survey(&ada), test.survey(&ada).put_aside(), test.survey(&ada).scheduled()] {
        for call in calls(pets(visible).await.question, &bob) {
            // Also with a tag that is old: whose it is comes first.
            let answer = test.call(question, call.header("if-match", "\"0\"")).await;
            answer.assert_problem(403, "forbidden", "User bob not permited");
        }
    }
    let draft = pets(test.survey(&ada).draft()).await;
    for id in [draft.question, draft.id, Uuid::now_v7()] {
        for call in calls(id, &bob) {
            test.call(question, call).await.assert_problem(404, "not_found", "Question doesn't exist");
        }
    }
    assert_eq!(test.count("questions WHERE content = 'Why?'").await, 8);
    for call in calls(draft.question, &ada) {
        assert_eq!(test.call(question, call).await.status, 200);
    }
}

#[tokio::test]
async fn other_methods_and_ids_are_refused() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let answer = test.call(question, get("/questions/x").bearer(&ada.access)).await;
    assert_eq!((answer.status, answer.header("allow")), (405, "PATCH, DELETE"));
    let call = delete("/questions/7").path("idQuestion", "7").bearer(&ada.access);
    let answer = test.call(question, call).await;
    answer.assert_invalid(json!({"idQuestion": "must be an id (a UUID)"}));
}
