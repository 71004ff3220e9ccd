use super::add_survey;
use serde_json::{Value, json};
use shared::testing::{Call, TestApp, User, post};

const MOMENT: &str = "must be a date like 2030-01-31, 2030-01-31T18:00:00Z or Thu, 31 Jan 2030 18:00:00 GMT, \
                      in the years 1 to 9999";
const BLANK: &str = "This field cannot be blank";

fn add(owner: &User) -> Call {
    post("/surveys").bearer(&owner.access)
}

fn flask_forms(owner: &User) -> Call {
    post("/addsurvey").bearer(&owner.access)
}

/// A survey named pets that has these members, too.
fn pets(mut survey: Value) -> Value {
    survey["name"] = json!("pets");
    survey["dueDate"] = json!("2030-06-01");
    survey
}

async fn descriptions(test: &TestApp) -> Vec<String> {
    let rows = test.db().await.rows("SELECT description FROM surveys ORDER BY id", &[]).await.unwrap();
    rows.iter().map(|row| row.get("description")).collect()
}

#[tokio::test]
async fn a_survey_is_added_with_its_questions_in_order() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let call = add(&ada).body(
        r#"{
            "name": " pets ",
            "dueDate": "2030-06-01",
            "questions": [
                {"content": "Which pet?", "type": "x-pet", "required": true,
                 "replyContent": ["cat", {"n": 1.50}, null, 1e-400]},
                {"content": "Why?\nReally.", "type": "long_text"}
            ]
        }"#,
    );
    let answer = test.call(add_survey, call).await;
    assert_eq!((answer.status, &answer.body["message"]), (201, &json!("Survey pets was created")));
    let rows = test
        .db()
        .await
        .rows(
            "SELECT s.id::text, name, description, is_active, public_stats, due_at = '2030-06-01Z' AS due, question_count,
                    opens_at IS NULL AND visibility = 'public' AND version = 1 AND NOT was_open AS usual, position,
                    content, type, required, reply_content
             FROM surveys s JOIN questions q ON q.survey_id = s.id ORDER BY position",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(answer.body["id"], rows[0].get::<_, String>("id"));
    assert_eq!((rows[0].get::<_, &str>("name"), rows[0].get::<_, &str>("description")), ("pets", ""));
    assert!(
        rows[0].get::<_, bool>("is_active")
            && rows[0].get::<_, bool>("due")
            && rows[0].get::<_, bool>("usual")
            && !rows[0].get::<_, bool>("public_stats")
    );
    assert!(rows[0].get::<_, bool>("required") && !rows[1].get::<_, bool>("required"));
    assert_eq!(rows[0].get::<_, i32>("question_count"), 2);
    assert_eq!((rows[0].get::<_, i32>("position"), rows[1].get::<_, i32>("position")), (0, 1));
    let replies: Value = rows[0].get("reply_content");
    assert_eq!(replies.to_string(), r#"["cat",{"n":1.50},null,1e-400]"#);
    assert_eq!(rows[1].get::<_, &str>("content"), "Why?\nReally.");
    test.assert_counted().await;
}

#[tokio::test]
async fn when_it_opens_who_finds_it_and_how_many_may_answer_are_kept() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let call = add(&ada).json(pets(json!({
        "opensAt": "2030-05-01T10:20:30+01:00", "visibility": "unlisted", "publicStats": true, "responseLimit": 12,
    })));
    assert_eq!(test.call(add_survey, call).await.status, 201);
    let sql =
        "SELECT opens_at = '2030-05-01 09:20:30Z' AS opens, visibility, public_stats, taken, max_responses
               FROM surveys JOIN response_limits ON survey_id = id";
    let row = test.db().await.row(sql, &[]).await.unwrap();
    assert!(row.get::<_, bool>("opens") && row.get::<_, bool>("public_stats"));
    assert_eq!(row.get::<_, &str>("visibility"), "unlisted");
    assert_eq!((row.get::<_, i64>("taken"), row.get::<_, i64>("max_responses")), (0, 12));
}

#[tokio::test]
async fn null_and_blank_texts_for_an_optional_parameter_are_as_if_it_were_not_given() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let null = json!({
        "desc": null, "isActive": null, "opensAt": null, "visibility": null, "publicStats": null,
        "responseLimit": null, "questions": null,
    });
    let blank = json!({"opensAt": "", "visibility": " "});
    for more in [null, blank, json!({"questions": []})] {
        let answer = test.call(add_survey, add(&ada).json(pets(more))).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
    }
    let no_texts = json!({"isActive": "", "publicStats": " ", "responseLimit": "\t"});
    test.call(add_survey, add(&ada).json(pets(no_texts))).await.assert_invalid(json!({
        "isActive": "must be true or false", "publicStats": "must be true or false",
        "responseLimit": "must be a whole number from 1 to 1000000000",
    }));
    let usual = "surveys WHERE description = '' AND is_active AND opens_at IS NULL AND visibility = 'public'
                               AND NOT public_stats AND question_count = 0";
    assert_eq!((test.count(usual).await, test.count("response_limits").await), (3, 0));
}

#[tokio::test]
async fn a_description_may_be_empty_and_may_have_lines() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    for desc in ["", "two\nlines", " outer blanks ", &"ż".repeat(10_000)] {
        let answer = test.call(add_survey, add(&ada).json(pets(json!({ "desc": desc })))).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        assert_eq!(descriptions(&test).await.last().unwrap(), desc);
    }
    let answer = test.call(add_survey, add(&ada).json(pets(json!({"desc": "ż".repeat(10_001)})))).await;
    answer.assert_invalid(json!({"desc": "may have at most 10000 characters"}));
}

#[tokio::test]
async fn without_a_description_flaskforms_clients_get_the_one_of_flaskforms() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let call = || flask_forms(&ada).json(pets(json!({})));
    for call in [
        call(),
        call().header("desc", " "),
        call().query("desc", ""),
        call().json(pets(json!({"desc": ""}))),
        call().json(pets(json!({"desc": " \n"}))),
        call().json(pets(json!({ "desc": null }))),
    ] {
        assert_eq!(test.call(add_survey, call).await.status, 201);
    }
    assert_eq!(descriptions(&test).await, vec!["Add description!"; 6]);
}

#[tokio::test]
async fn flaskforms_headers_do_as_well() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let call = flask_forms(&ada)
        .header("name", "pets")
        .header("duedate", "2030-06-01 10:20")
        .header("desc", "About pets")
        .header("isactive", "False")
        .body(r#"{"questions": {"content": 12, "type": 5}}"#);
    assert_eq!(test.call(add_survey, call).await.status, 201);
    let row = test
        .db()
        .await
        .row("SELECT description, is_active, content, type FROM surveys, questions", &[])
        .await
        .unwrap();
    assert_eq!((row.get::<_, &str>("description"), row.get::<_, bool>("is_active")), ("About pets", false));
    assert_eq!((row.get::<_, &str>("content"), row.get::<_, &str>("type")), ("12", "5"));
}

#[tokio::test]
async fn on_flaskforms_path_unknown_names_are_ignored_and_types_are_loose() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let call = flask_forms(&ada).query("colour", "red").json(json!({
        "name": 1815, "duedate": "2030-06-01", "isactive": "True", "publicstats": 1, "responselimit": "12",
        "colour": ["red"],
        "questions": [
            {"content": true, "type": "text", "required": "1", "colour": "red"},
            {"content": "Which?", "type": "Number", "replyContent": {"colour": "red"}},
            {"content": "Which?", "type": "single-choice"},
        ],
    }));
    let answer = test.call(add_survey, call).await;
    assert_eq!((answer.status, &answer.body["message"]), (201, &json!("Survey 1815 was created")));
    let sql = "SELECT is_active AND public_stats AND max_responses = 12 AS good,
                      array_agg(content || ' ' || type || ' ' || required ORDER BY position) AS questions
               FROM surveys s JOIN response_limits ON survey_id = s.id JOIN questions q ON q.survey_id = s.id GROUP BY 1";
    let row = test.db().await.row(sql, &[]).await.unwrap();
    assert!(row.get::<_, bool>("good"));
    let questions: Vec<String> = row.get("questions");
    assert_eq!(questions, ["true text true", "Which? Number false", "Which? single-choice false"]);
}

#[tokio::test]
async fn a_form_and_the_query_do_as_well() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    for (path, desc) in [("/surveys", ""), ("/addsurvey", "Add description!")] {
        let form = post(path)
            .bearer(&ada.access)
            .header("content-type", "application/x-www-form-urlencoded")
            .body("name=pets&dueDate=2030-06-01&isActive=false&responseLimit=12");
        assert_eq!(test.call(add_survey, form).await.status, 201);
        let query = post(path).bearer(&ada.access).query("name", "pets").query("duedate", "2030-06-01");
        let query = query.query("isActive", "0").query("responselimit", 12);
        assert_eq!(test.call(add_survey, query).await.status, 201);
        let sql = format!(
            "surveys JOIN response_limits ON survey_id = id
                           WHERE description = '{desc}' AND NOT is_active AND max_responses = 12"
        );
        assert_eq!(test.count(&sql).await, 2);
    }
}

#[tokio::test]
async fn all_faults_are_named_at_once_each_by_its_place_and_nothing_is_stored() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let call = add(&ada).query("page", 1).json(json!({
        "name": "n".repeat(201),
        "dueDate": "12026-01-01",
        "isActive": "perhaps",
        "desc": "a\u{0}b",
        "opensAt": "now",
        "visibility": "hidden",
        "publicStats": 2,
        "responseLimit": 0,
        "colour": "red",
        "questions": [
            {"content": "good", "type": "long_text"},
            {"content": " ", "colour": "red"},
            5,
            {"content": "bad", "type": "scale", "required": "no", "replyContent": {"min": 5}},
            {"content": "bad", "type": "scale", "replyContent": {"min": 5}},
            {"content": "bad", "type": "single_choice",
             "replyContent": {"options": ["a", {"value": "b"}, {"value": "\n"}, {"label": "d"}, {"value": "a"}]}},
            {"content": "bad", "type": "ranking", "replyContent": ["a", {"value": "b", "colour": "red"}, [], " "]},
            {"content": "bad", "type": "multi_choice", "replyContent": []},
            {"content": "c".repeat(10_001), "type": "t".repeat(51), "replyContent": ["kept"]},
        ],
    }));
    let answer = test.call(add_survey, call).await;
    let names = "name, dueDate, desc, isActive, opensAt, visibility, publicStats, responseLimit, questions";
    answer.assert_invalid(json!({
        "name": "may have at most 200 characters",
        "dueDate": MOMENT,
        "isActive": "must be true or false",
        "desc": "must not have the control character U+0000",
        "opensAt": MOMENT,
        "visibility": "must be public or unlisted",
        "publicStats": "must be true or false",
        "responseLimit": "must be a whole number from 1 to 1000000000",
        "colour": format!("is unknown: there are {names}"),
        "page": format!("is unknown: there are {names}"),
        "questions[1].content": BLANK,
        "questions[1].type": BLANK,
        "questions[1].colour": "is unknown: there are content, type, required, replyContent",
        "questions[2]": "must be an object",
        "questions[3].required": "must be true or false",
        "questions[4].replyContent.min": "must be below max",
        "questions[5].replyContent.options[2].value": "must be a text, or an object with a value",
        "questions[5].replyContent.options[3].value": BLANK,
        "questions[5].replyContent.options[4]": "\"a\" is there twice",
        "questions[6].replyContent[1].colour": "is unknown: there are value, label, retired",
        "questions[6].replyContent[2]": "must be a text, or an object with a value",
        "questions[6].replyContent[3]": "must be a text, or an object with a value",
        "questions[7].replyContent": "must have 1 to 200 entries",
        "questions[8].content": "may have at most 10000 characters",
        "questions[8].type": "may have at most 50 characters",
    }));
    assert_eq!((test.count("surveys").await, test.count("questions").await), (0, 0));
}

#[tokio::test]
async fn in_a_json_body_everything_has_its_json_type() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let call = add(&ada).json(json!({
        "name": 5, "dueDate": 1_893_456_000, "desc": ["a"], "isActive": "true", "opensAt": true, "visibility": 1,
        "publicStats": 1, "responseLimit": "12",
        "questions": [{"content": 12, "type": 5, "required": "true"}],
    }));
    test.call(add_survey, call).await.assert_invalid(json!({
        "name": "must be text",
        "dueDate": "must be text",
        "desc": "must be text",
        "isActive": "must be true or false",
        "opensAt": "must be text",
        "visibility": "must be text",
        "publicStats": "must be true or false",
        "responseLimit": "must be a whole number from 1 to 1000000000",
        "questions[0].content": "must be text",
        "questions[0].type": "must be text",
        "questions[0].required": "must be true or false",
    }));
    for questions in [json!({"content": "Why?", "type": "nps"}), json!("nps"), json!(1)] {
        let answer = test.call(add_survey, add(&ada).json(pets(json!({ "questions": questions })))).await;
        answer.assert_invalid(json!({"questions": "must be a list of questions, in a JSON body"}));
    }
    assert_eq!(test.count("surveys").await, 0);
}

#[tokio::test]
async fn a_type_is_a_known_one_or_begins_with_x() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let question = |kind: &str| json!({"questions": [{"content": "Why?", "type": kind}]});
    for (kind, known) in [
        ("single-choice", "single_choice"),
        ("Single Choice", "single_choice"),
        ("shortText", "short_text"),
        ("Number", "number"),
        ("NPS", "nps"),
        ("date_time", "datetime"),
    ] {
        let answer = test.call(add_survey, add(&ada).json(pets(question(kind)))).await;
        let text = format!("is no known type: did you mean {known}?");
        answer.assert_invalid(json!({ "questions[0].type": text }));
    }
    for kind in ["text", "single", "X-pet", "x-", "x_pet", "numbers", "число"] {
        let answer = test.call(add_survey, add(&ada).json(pets(question(kind)))).await;
        answer.assert_invalid(json!({
            "questions[0].type": "is no known type: there are short_text, long_text, number, boolean, single_choice, \
                                  multi_choice, ranking, scale, nps, matrix, date, time, datetime; a type of your own \
                                  begins with x-",
        }));
    }
    let answer = test.call(add_survey, add(&ada).json(pets(question("x-two\nlines")))).await;
    answer.assert_invalid(json!({"questions[0].type": "must be a single line"}));
    assert_eq!(test.count("surveys").await, 0);
    for kind in ["x-p", " x-pet ", &format!("x-{}", "ż".repeat(48)), "boolean"] {
        let answer = test.call(add_survey, add(&ada).json(pets(question(kind)))).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        assert_eq!(test.count(&format!("questions WHERE type = '{}'", kind.trim())).await, 1);
    }
    for kind in ["text", "single-choice", "Number", "X-pet", "x-", "число"] {
        let answer = test.call(add_survey, flask_forms(&ada).json(pets(question(kind)))).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        assert_eq!(test.count(&format!("questions WHERE type = '{kind}'")).await, 1);
    }
}

#[tokio::test]
async fn the_rules_of_a_known_type_are_strict_on_both_paths() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = pets(json!({"questions": [
        {"content": "Why?", "type": "scale", "replyContent": {"min": "1", "max": 5}},
        {"content": "Why?", "type": "boolean", "replyContent": {"colour": "red"}},
    ]}));
    for call in [add(&ada), flask_forms(&ada)] {
        test.call(add_survey, call.json(survey.clone())).await.assert_invalid(json!({
            "questions[0].replyContent.min": "must be a whole number from -100 to 100",
            "questions[1].replyContent.colour": "is unknown: there are none",
        }));
    }
}

#[tokio::test]
async fn missing_parameters_are_named() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let expected = json!({"name": BLANK, "dueDate": BLANK});
    for call in [
        flask_forms(&ada).header("name", " "),
        add(&ada),
        add(&ada).json(json!({"name": "", "dueDate": null})),
    ] {
        test.call(add_survey, call).await.assert_invalid(expected.clone());
    }
}

#[tokio::test]
async fn a_body_that_gives_a_name_twice_or_is_nested_too_deeply_is_malformed() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let question = |more: &str| {
        format!(
            r#"{{"name": "pets", "dueDate": "2030-06-01", "questions": [{{"content": "Why?", "type": "x-pet"{more}}}]}}"#
        )
    };
    let deep = format!(r#", "replyContent": {}{}"#, "[".repeat(31), "]".repeat(31));
    let private = r#", "replyContent": {"$serde_json::private::Number": "1"}"#;
    for (body, message) in [
        (
            r#"{"name": "pets", "dueDate": "2030-06-01", "name": "cats"}"#.to_owned(),
            r#"The body gives the name "name" twice in one object"#,
        ),
        (question(r#", "t\u0079pe": "x-cat""#), r#"The body gives the name "type" twice in one object"#),
        (
            question(r#", "replyContent": [{"a": {"b": 1, "c": 2, "b": 3}}]"#),
            r#"The body gives the name "b" twice in one object"#,
        ),
        (question(&deep), "The body may be nested at most 32 levels deep inside a parameter"),
        (question(private), "The body must not have names that begin with $serde_json::private"),
    ] {
        for call in [add(&ada), flask_forms(&ada)] {
            let answer = test.call(add_survey, call.body(body.clone())).await;
            answer.assert_problem(400, "malformed_body", message);
            assert_eq!(answer.body.get("errors"), None);
        }
    }
    assert_eq!(test.count("surveys").await, 0);
    // One level less fits; the list of questions and a question are two.
    let deep = format!(r#", "replyContent": {}{}"#, "[".repeat(30), "]".repeat(30));
    assert_eq!(test.call(add_survey, add(&ada).body(question(&deep))).await.status, 201);
}

#[tokio::test]
async fn five_hundred_questions_are_the_limit() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let with = |number: usize| {
        let questions = vec![json!({"content": "Why?", "type": "long_text"}); number];
        add(&ada).json(pets(json!({ "questions": questions })))
    };
    let answer = test.call(add_survey, with(501)).await;
    answer.assert_invalid(json!({"questions": "a survey may have at most 500 questions"}));
    assert_eq!(test.call(add_survey, with(500)).await.status, 201);
    assert_eq!(test.count("questions").await, 500);
    test.assert_counted().await;
}

#[tokio::test]
async fn questions_that_are_too_large_together_are_refused() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    // Small as JSON, but each of 200 × 10 cells counts in the results.
    let names = |prefix: &str, number: usize| (0..number).map(|n| format!("{prefix}{n}")).collect::<Vec<_>>();
    let matrix = json!({"rows": names("r", 200), "columns": names("c", 10)});
    let question = json!({"content": "Which?", "type": "matrix", "replyContent": matrix});
    let call = add(&ada).json(pets(json!({"questions": vec![question; 10]})));
    let answer = test.call(add_survey, call).await;
    answer.assert_invalid(json!({"questions": "the questions of a survey may have at most 1 MiB together"}));
    let answer = test.call(add_survey, add(&ada).body("x".repeat(1024 * 1024 + 1))).await;
    answer.assert_problem(413, "too_large", "The body may have at most 1 MiB");
    assert_eq!(test.count("surveys").await, 0);
}

#[tokio::test]
async fn a_stranger_is_refused_before_the_parameters_are_read() {
    let test = TestApp::new().await;
    for path in ["/surveys", "/addsurvey"] {
        let answer = test.call(add_survey, post(path).body("{ not json")).await;
        answer.assert_problem(401, "missing_token", "Missing Authorization Header");
    }
}
