//! The log: one line a request, and its level says whether somebody has to look.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a broken fixture should stop the test")]

use serde::Deserialize as _;
use serde_json::{Value, json};
use shared::{
    App, Error, PublicApp, Request, Response, Result, http,
    responses::{self, AnswerValue, Answers},
    testing::{self, Call, TestApp, TestService, get, post},
    values::{
        QuestionId, ResponseId, SurveyId,
        fields::{Given, Reading},
    },
};
use std::{
    io,
    sync::{Arc, Mutex},
};

/// What was written to the log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn lines(&self) -> Vec<Value> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Call an endpoint; what it answered, and the only line that this wrote to the log.
async fn logged<A, H, F>(test: &TestApp, endpoint: H, call: Call) -> (testing::Response, Value)
where
    A: TestService,
    H: Fn(A, Request) -> F,
    F: Future<Output = Result<Response>>,
{
    let log = Log::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().json().flatten_event(true).with_writer(move || writer.clone()).finish();
    // For this thread, which is the only one of these tests' runtimes.
    let guard = tracing::subscriber::set_default(subscriber);
    let answer = test.call_unlisted(endpoint, call).await;
    drop(guard);
    let mut lines = log.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    (answer, lines.remove(0))
}

/// What the caller asks for in the body: `{submit: [survey, answers]}`, `{reply: [question, answer]}` or `{delete: [survey,
/// response]}`.
async fn do_it(app: App, request: Request) -> Result<Response> {
    let body: Value = serde_json::from_slice(request.body()).unwrap();
    let id = |value: &Value| value.as_str().unwrap().parse().unwrap();
    if let Some(delete) = body.get("delete") {
        let (mut db, caller) = app.authenticated(&request).await?;
        let (survey, response) = (SurveyId(id(&delete[0])), ResponseId(id(&delete[1])));
        responses::delete(&mut db, &caller, survey, response).await?;
    } else if let Some(reply) = body.get("reply") {
        let reply = (QuestionId(id(&reply[0])), AnswerValue(reply[1].clone()));
        responses::insert_single(&mut app.db().await?, app.forms(), reply.0, &reply.1).await?;
    } else {
        let answers = Given::new(body["submit"][1].clone(), Reading::Strict);
        let answers = Answers::deserialize(answers).unwrap();
        let survey = SurveyId(id(&body["submit"][0]));
        responses::submit(&mut app.db().await?, app.forms(), survey, ResponseId::new(), &answers).await?;
    }
    http::ok(&json!({}))
}

#[tokio::test]
async fn what_gives_up_after_a_storm_of_edits_is_a_503_and_nobody_is_woken() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = test.survey(&ada).questions(json!([{"type": "nps"}])).await;
    let response = test.response(survey.id, survey.answers([json!(7)])).await;
    let calls = [
        json!({"submit": [survey.id, survey.answers([json!(9)])]}),
        json!({"reply": [survey.question, 9]}),
        json!({"delete": [survey.id, response]}),
    ];
    // As if an edit came between each check and what depends on it.
    let mut db = test.db().await;
    for sql in [
        "CREATE OR REPLACE FUNCTION is_open(survey surveys) RETURNS boolean LANGUAGE sql STABLE RETURN false",
        "CREATE FUNCTION pass_over() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TRIGGER pass_over BEFORE UPDATE ON responses FOR EACH ROW EXECUTE FUNCTION pass_over()",
    ] {
        db.rows(sql, &[]).await.unwrap();
    }
    drop(db);
    for call in &calls {
        let call = post("/").bearer(&ada.access).json(call.clone());
        let (answer, line) = logged(&test, do_it, call).await;
        answer.assert_problem(503, "unavailable", "The service is not ready, try again in a few seconds");
        assert_eq!(answer.header("retry-after"), "5");
        assert_eq!(
            (&line["level"], &line["message"], &line["cause"]),
            (&json!("WARN"), &json!("gave up"), &json!("the survey was edited again and again"))
        );
        assert_eq!((&line["status"], &line["code"]), (&json!(503), &json!("unavailable")));
    }
    assert_eq!((test.count("responses").await, test.count("answers").await), (1, 1));
    test.assert_counted().await;
    // When there is peace again, all of them work.
    let mut db = test.db().await;
    db.rows(
        "CREATE OR REPLACE FUNCTION is_open(survey surveys) RETURNS boolean LANGUAGE sql STABLE RETURN true",
        &[],
    )
    .await
    .unwrap();
    db.rows("DROP TRIGGER pass_over ON responses", &[]).await.unwrap();
    drop(db);
    for call in calls {
        let (answer, line) = logged(&test, do_it, post("/").bearer(&ada.access).json(call)).await;
        assert_eq!((answer.status, &line["level"]), (200, &json!("INFO")));
    }
    test.assert_counted().await;
}

#[tokio::test]
async fn a_line_says_what_came_of_a_request_and_only_a_fault_of_ours_is_an_error() {
    async fn fails(app: PublicApp, request: Request) -> Result<Response> {
        match request.uri().path() {
            "/broken" => Err(Error::internal("a screw is loose")),
            "/sql" => {
                let sql = "INSERT INTO users VALUES (gen_random_uuid(), '', 'sesame@example.com', 'sesame')";
                app.db().await?.rows(sql, &[]).await?;
                http::ok(&json!({}))
            }
            "/panic" => panic!("aaah"),
            "/unavailable" => Err(Error::Unavailable("no database".into())),
            "/contended" => Err(Error::Contended("busy")),
            "/invalid" => Err(Error::invalid("password", "sesame")),
            "/missing" => Err(Error::NotFound("sesame".into())),
            _ => http::ok(&json!({"text": "sesame"})),
        }
    }
    let test = TestApp::new().await;
    let sql = "23514 new row for relation \"users\" violates check constraint \"users_username_length\" \
               (users_username_length)";
    for (path, status, level, message, code, cause) in [
        ("/broken", 500, "ERROR", "failed", json!("internal"), json!("a screw is loose")),
        ("/sql", 500, "ERROR", "failed", json!("internal"), json!(sql)),
        ("/panic", 500, "ERROR", "failed", json!("internal"), json!("panicked: aaah")),
        ("/unavailable", 503, "ERROR", "failed", json!("unavailable"), json!("no database")),
        ("/contended", 503, "WARN", "gave up", json!("unavailable"), json!("busy")),
        ("/invalid", 400, "INFO", "refused", json!("invalid_input"), json!(null)),
        ("/missing", 404, "INFO", "refused", json!("not_found"), json!(null)),
        ("/fine", 200, "INFO", "answered", json!(null), json!(null)),
    ] {
        let call = post(path).header("password", "sesame").bearer("sesame").body("sesame");
        let (answer, line) = logged(&test, fails, call).await;
        assert_eq!((answer.status, &line["status"]), (status, &json!(status)), "{path}");
        let told = [&line["level"], &line["message"], &line["code"], &line["cause"]];
        assert_eq!(told, [&json!(level), &json!(message), &code, &cause], "{path}");
        assert_eq!(line["route"], format!("POST {path}"));
        assert!(line["duration_ms"].as_f64().is_some_and(|duration| duration >= 0.0), "{line}");
        // Nothing of what was sent, answered or stored.
        assert!(!line.to_string().contains("sesame"), "{line}");
    }
}

#[tokio::test]
async fn a_line_names_the_caller_once_that_is_proven() {
    async fn whoever(app: App, request: Request) -> Result<Response> {
        app.authenticated(&request).await?.0.prove().await?;
        http::ok(&json!({}))
    }
    let test = TestApp::new().await;
    let (ada, bob) = (test.user("ada").await, test.user("bob").await);
    for (token, user) in
        [(&ada.access, json!(ada.id)), (&bob.access, json!(bob.id)), (&bob.refresh, json!(null))]
    {
        let (_, line) = logged(&test, whoever, get("/").bearer(token)).await;
        assert_eq!(line["user_id"], user);
        assert!(!line.to_string().contains(token.as_str()), "{line}");
    }
}
