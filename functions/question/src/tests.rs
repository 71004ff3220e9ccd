use super::question;
use serde_json::{Value, json};
use shared::testing::{Call, TestApp, TestSurvey, User, Uuid, delete, get, patch};

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

async fn pets(test: &TestApp, owner: &User) -> TestSurvey {
    test.form(owner, json!([{"type": "single_choice", "replyContent": ["cat", "dog"]}, {"type": "nps"}]))
        .await
}

#[tokio::test]
async fn an_edit_changes_what_it_names_and_nothing_else() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = pets(&test, &ada).await;
    let id = form.questions[0];
    let list = json!(["cat", "dog"]);
    for (version, (changes, expected)) in (2..).zip([
        (json!({"content": "Which?"}), json!(["Which?", "single_choice", list, false])),
        (json!({"required": true}), json!(["Which?", "single_choice", list, true])),
        (json!({"required": "False"}), json!(["Which?", "single_choice", list, false])),
        (json!({}), json!(["Which?", "single_choice", list, false])),
        (json!({"type": "ranking"}), json!(["Which?", "ranking", list, false])),
        (json!({"type": "colour", "replyContent": {"n": 1}}), json!(["Which?", "colour", {"n": 1}, false])),
        (json!({"replyContent": null}), json!(["Which?", "colour", null, false])),
        (json!({"type": "number"}), json!(["Which?", "number", null, false])),
    ]) {
        let answer = test.call(question, edit(id, &ada, &changes)).await;
        assert_eq!((answer.status, &answer.body), (200, &json!({"message": "Question was changed"})));
        assert_eq!(answer.header("etag"), format!("\"{version}\""));
        assert_eq!(stored(&test, id).await, expected);
        test.assert_counted().await;
    }
    assert_eq!(stored(&test, form.questions[1]).await, json!(["Why?", "nps", null, false]));
}

#[tokio::test]
async fn bad_rules_are_refused_also_with_what_was_there() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = pets(&test, &ada).await;
    let before = stored(&test, form.questions[0]).await;
    for (changes, text) in [
        (json!({"replyContent": ["cat", "cat"]}), r#"options: "cat" is there twice"#),
        (
            json!({"replyContent": {"options": ["cat"], "min": 1}}),
            "min: unknown rule; there are options, other",
        ),
        (json!({"replyContent": null}), "must be a list of options, or an object with options"),
        (json!({"type": "number"}), "must be an object with the rules of a number"),
        (json!({"type": "scale", "replyContent": {"min": 5, "max": 1}}), "min: must be below max"),
    ] {
        let answer = test.call(question, edit(form.questions[0], &ada, &changes)).await;
        answer.assert_invalid(json!({ "replyContent": text }));
    }
    let answer = test
        .call(question, edit(form.questions[0], &ada, &json!({"content": "x".repeat(10_001), "required": 5})))
        .await;
    let errors = json!({"content": "may have at most 10000 characters", "required": "must be true or false"});
    answer.assert_invalid(errors);
    assert_eq!(stored(&test, form.questions[0]).await, before);
}

#[tokio::test]
async fn once_there_are_replies_the_type_stays() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = test.form(&ada, json!([{"type": "scale"}, {"type": "colour"}, {"type": "nps"}])).await;
    test.response(form.id, form.answers([json!(3)])).await;
    test.reply(form.questions[1], json!("red")).await;
    for (index, other) in [(0, "number"), (0, "nps"), (0, "colour"), (1, "short_text"), (1, "color")] {
        let answer = test.call(question, edit(form.questions[index], &ada, &json!({"type": other}))).await;
        answer.assert_problem(409, "type_in_use", "The question has replies: its type can't change");
    }
    for (index, changes) in [
        (0, json!({"type": "scale", "replyContent": {"max": 2}})),
        (1, json!({"replyContent": [1]})),
        (2, json!({"type": "colour"})),
    ] {
        assert_eq!(test.call(question, edit(form.questions[index], &ada, &changes)).await.status, 200);
    }
    // Without replies it is free again.
    test.db().await.rows("DELETE FROM surveys", &[]).await.unwrap();
    let form = test.form(&ada, json!([{"type": "number"}])).await;
    let id = test.response(form.id, form.answers([json!(3)])).await;
    let caller = test.caller(&ada).await;
    shared::responses::delete(&test.db().await, &caller, form.id, id).await.unwrap();
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
        let form = test.form(&ada, json!([{"type": r#type, "replyContent": options}])).await;
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
    let form = pets(&test, &ada).await;
    let id = test.response(form.id, form.answers([json!("dog")])).await;
    test.response(form.id, form.answers([json!("cat")])).await;
    let without = json!({"replyContent": ["cat"]});
    assert_eq!(test.call(question, edit(form.questions[0], &ada, &without)).await.status, 409);
    let caller = test.caller(&ada).await;
    shared::responses::delete(&test.db().await, &caller, form.id, id).await.unwrap();
    assert_eq!(test.call(question, edit(form.questions[0], &ada, &without)).await.status, 200);
}

#[tokio::test]
async fn rows_and_columns_in_use_stay_and_so_does_the_number_of_columns_a_row() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let matrix = |rows: Value, columns: Value| json!({"replyContent": {"rows": rows, "columns": columns}});
    let mut definition = matrix(json!(["r", "s"]), json!(["x", "y"]));
    definition["type"] = json!("matrix");
    let form = test.form(&ada, json!([definition])).await;
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
    let form = test.form(&ada, json!([{"type": "number"}, {"type": "nps"}, {"type": "colour"}])).await;
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
    assert_eq!(test.count("replies").await, 5);
    test.assert_counted().await;
    let answer = test.call(question, deletion(form.questions[0], &ada)).await;
    answer.assert_problem(404, "not_found", "Question doesn't exist");
    let answer = test.call(question, deletion(form.questions[2], &ada)).await;
    assert_eq!((answer.body["replies"].clone(), answer.header("etag")), (json!(2), "\"3\""));
    test.assert_counted().await;
}

#[tokio::test]
async fn questions_of_a_survey_have_at_most_a_mebibyte_together() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = test.form(&ada, json!([{"type": "colour"}, {"type": "nps"}])).await;
    test.db().await.rows("UPDATE surveys SET question_bytes = 1048576 - 19", &[]).await.unwrap();
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
    let form = pets(&test, &ada).await;
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
    let form = pets(&test, &ada).await;
    let id = form.questions[0];
    for call in [patch("/").json(json!({"content": "mine"})), delete("/")] {
        let answer = test.call(question, call.path("idQuestion", id)).await;
        answer.assert_problem(401, "missing_token", "Missing Authorization Header");
    }
    for call in [edit(id, &bob, &json!({"content": "mine"})), deletion(id, &bob)] {
        test.call(question, call).await.assert_problem(403, "forbidden", "User bob not permited");
    }
    test.db().await.rows("UPDATE surveys SET is_active = false", &[]).await.unwrap();
    for id in [id, form.id, Uuid::now_v7()] {
        for call in [edit(id, &bob, &json!({"content": "mine"})), deletion(id, &bob)] {
            test.call(question, call).await.assert_problem(404, "not_found", "Question doesn't exist");
        }
    }
    assert_eq!(test.call(question, edit(id, &ada, &json!({"content": "ours"}))).await.status, 200);
}

#[tokio::test]
async fn other_methods_and_ids_are_refused() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = pets(&test, &ada).await;
    let answer =
        test.call(question, get("/").path("idQuestion", form.questions[0]).bearer(&ada.access)).await;
    assert_eq!((answer.status, answer.header("allow")), (405, "PATCH, DELETE"));
    let answer = test.call(question, delete("/").path("idQuestion", "7").bearer(&ada.access)).await;
    answer.assert_invalid(json!({"idQuestion": "must be an id (a UUID)"}));
}
