use super::get_responses;
use serde_json::{Value, json};
use shared::{
    responses,
    testing::{Call, Response, TestApp, TestSurvey, User, Uuid, get},
    values::{ResponseId, SurveyId},
};
use std::{collections::BTreeSet, time::Duration};

fn page(survey: Uuid, owner: &User) -> Call {
    get("/surveys/x/responses").path("idSurvey", survey).bearer(&owner.access)
}

/// What follows `after=` in the link to the next page.
fn next(page: &Response<String>) -> Option<String> {
    let link = page.headers.get("link")?.to_str().unwrap();
    assert!(link.ends_with(">; rel=\"next\""), "{link}");
    let (_, after) = link.split_once("&after=").unwrap();
    Some(after.split_once('>').unwrap().0.to_owned())
}

/// All responses of a survey, page after page, as JSON, the oldest first.
async fn download(test: &TestApp, owner: &User, survey: Uuid, limit: usize) -> Vec<Value> {
    download_in_order(test, owner, survey, "asc", limit).await
}

async fn download_in_order(
    test: &TestApp,
    owner: &User,
    survey: Uuid,
    order: &str,
    limit: usize,
) -> Vec<Value> {
    let (mut all, mut after) = (Vec::new(), None::<String>);
    loop {
        let mut call = page(survey, owner).query("order", order).query("limit", limit);
        if let Some(after) = &after {
            call = call.query("after", after);
        }
        let answer = test.call(get_responses, call).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        all.extend(answer.body["responses"].as_array().unwrap().iter().cloned());
        match answer.body["next"].as_str() {
            Some(next) if Some(next) == after.as_deref() => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Some(next) => after = Some(next.to_owned()),
            None => return all,
        }
    }
}

/// Until all that is stored can be read: the tests beside this one run transactions on the same server.
async fn settled(test: &TestApp) {
    while test.count("responses WHERE xid >= pg_snapshot_xmin(pg_current_snapshot()) AND created_at > now() - interval '1 minute'").await > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn ids(responses: &[Value]) -> BTreeSet<String> {
    in_order(responses).into_iter().collect()
}

/// The ids of responses, as they come.
fn in_order(responses: &[Value]) -> Vec<String> {
    responses.iter().map(|response| response["id"].as_str().unwrap().to_owned()).collect()
}

/// A survey with a text, a choice of several and a number.
async fn pets(test: &TestApp, owner: &User) -> TestSurvey {
    test.survey(owner)
        .questions(json!([
            {"type": "long_text"},
            {"type": "multi_choice", "replyContent": ["cat", "a \"dog\""]},
            {"type": "number"},
        ]))
        .await
}

/// Delete a response as the endpoint does it.
async fn delete(test: &TestApp, owner: &User, survey: Uuid, response: Uuid) {
    let caller = test.caller(owner).await;
    let (survey, response) = (SurveyId(survey), ResponseId(response));
    responses::delete(&mut test.db().await, &caller, survey, response).await.unwrap();
}

#[tokio::test]
async fn responses_come_oldest_first_with_single_replies_among_them() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = pets(&test, &ada).await;
    let number: Value = serde_json::from_str("1.50").unwrap();
    let first = test.response(form.id, form.answers([json!("Żółw"), json!(["cat"]), number.clone()])).await;
    let single = test.reply(form.questions[2], json!(7)).await;
    let empty = test.response(form.id, json!({})).await;
    settled(&test).await;
    let answer = test.call(get_responses, page(form.id, &ada)).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    let responses = answer.body["responses"].as_array().unwrap();
    let created_at = |index: usize| responses[index]["createdAt"].as_str().unwrap();
    assert!(created_at(0) <= created_at(1) && created_at(0).ends_with('Z'));
    assert_eq!(
        answer.body,
        json!({"responses": [
            {
                "id": first, "createdAt": created_at(0), "single": false,
                "answers": form.answers([json!("Żółw"), json!(["cat"]), number]),
            },
            {"id": single, "createdAt": created_at(1), "single": true, "answers": {form.questions[2].to_string(): 7}},
            {"id": empty, "createdAt": created_at(2), "single": false, "answers": {}},
        ]})
    );
    assert_eq!(answer.header("link"), "");
}

#[tokio::test]
async fn a_survey_without_responses_has_an_empty_page() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = pets(&test, &ada).await;
    assert_eq!(test.call(get_responses, page(form.id, &ada)).await.body, json!({"responses": []}));
    assert_eq!(test.text(get_responses, page(form.id, &ada).query("format", "ndjson")).await.body, "");
    let csv = test.text(get_responses, page(form.id, &ada).query("format", "csv")).await;
    assert_eq!(csv.body.lines().count(), 1);
}

#[tokio::test]
async fn each_format_leads_to_its_next_page_in_either_order() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = pets(&test, &ada).await;
    let mut sent = Vec::new();
    for n in 0..5 {
        sent.push(test.response(form.id, form.answers([json!(n.to_string())])).await.to_string());
    }
    settled(&test).await;
    for ((format, media), order) in
        [("json", "application/json"), ("ndjson", "application/x-ndjson"), ("csv", "text/csv; charset=utf-8")]
            .into_iter()
            .flat_map(|format| [(format, None), (format, Some("asc")), (format, Some("desc"))])
    {
        let (mut bodies, mut after) = (Vec::new(), None);
        loop {
            let mut call = page(form.id, &ada).query("format", format).query("limit", 2);
            for (name, value) in [("order", order), ("after", after.as_deref())] {
                call = value.into_iter().fold(call, |call, value| call.query(name, value));
            }
            let page = test.text(get_responses, call).await;
            // Whether a CSV file begins with the names of its columns, is part of what it is (RFC 4180, section 3).
            let header = match (format, bodies.is_empty()) {
                ("csv", true) => "; header=present",
                ("csv", false) => "; header=absent",
                _ => "",
            };
            assert_eq!((page.status, page.header("content-type")), (200, &*format!("{media}{header}")));
            let file = match format {
                "json" => String::new(),
                _ => format!("attachment; filename=\"responses-{}.{format}\"", form.id),
            };
            assert_eq!(page.header("content-disposition"), file);
            after = next(&page);
            if let Some(after) = &after {
                let desc = if order == Some("desc") { "&order=desc" } else { "" };
                let link = format!("<?format={format}&limit=2{desc}&after={after}>; rel=\"next\"");
                assert_eq!(page.header("link"), link);
                if format == "json" {
                    assert_eq!(serde_json::from_str::<Value>(&page.body).unwrap()["next"], json!(after));
                }
            }
            bodies.push(page.body);
            if after.is_none() {
                break;
            }
        }
        assert_eq!(bodies.len(), 3, "{format}");
        let found: Vec<String> = match format {
            "json" => {
                let page = |body: &String| serde_json::from_str::<Value>(body).unwrap()["responses"].clone();
                bodies.iter().flat_map(|body| in_order(page(body).as_array().unwrap())).collect()
            }
            "ndjson" => {
                let lines = bodies.iter().flat_map(|body| body.lines());
                in_order(&lines.map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>())
            }
            _ => {
                let all = bodies.concat();
                assert_eq!(
                    all.matches("id,createdAt,single").count(),
                    1,
                    "the header stands on page one alone"
                );
                all.lines().skip(1).map(|line| line.split_once(',').unwrap().0.to_owned()).collect()
            }
        };
        let expected: Vec<String> =
            if order == Some("desc") { sent.iter().rev().cloned().collect() } else { sent.clone() };
        assert_eq!(found, expected, "{format} {order:?}");
    }
}

#[tokio::test]
async fn accept_names_the_format_and_the_parameter_goes_first() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = pets(&test, &ada).await;
    for (accept, format, media) in [
        ("text/csv", None, "text/csv; charset=utf-8; header=present"),
        ("text/html, application/x-ndjson;q=0.9", None, "application/x-ndjson"),
        ("*/*", None, "application/json"),
        ("text/csv", Some("json"), "application/json"),
    ] {
        let mut call = page(form.id, &ada).header("accept", accept);
        if let Some(format) = format {
            call = call.query("format", format);
        }
        assert_eq!(test.text(get_responses, call).await.headers["content-type"], media);
    }
}

#[tokio::test]
async fn csv_has_a_column_for_each_question_and_quotes_what_needs_it() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = pets(&test, &ada).await;
    let text = "a, \"b\"\r\nc";
    let id =
        test.response(form.id, form.answers([json!(text), json!(["a \"dog\"", "cat"]), json!(-5)])).await;
    let mut formulas = Vec::new();
    for formula in ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", "＝1+1", "＋1", "－1", "＠x"] {
        formulas.push((test.response(form.id, form.answers([json!(formula)])).await, formula));
    }
    settled(&test).await;
    let csv = test.text(get_responses, page(form.id, &ada).query("format", "csv")).await.body;
    let [q0, q1, q2] = [0, 1, 2].map(|index: usize| form.questions[index]);
    // The moments are those of the JSON.
    let json = download(&test, &ada, form.id, 100).await;
    let moment = |id: Uuid| {
        let response = json.iter().find(|response| response["id"] == json!(id)).unwrap();
        response["createdAt"].as_str().unwrap()
    };
    let mut expected = vec![
        format!("id,createdAt,single,{q0},{q1},{q2}\r\n"),
        format!(
            "{id},{},false,\"a, \"\"b\"\"\r\nc\",\"[\"\"a \\\"\"dog\\\"\"\"\",\"\"cat\"\"]\",-5\r\n",
            moment(id)
        ),
    ];
    for (id, formula) in formulas {
        let cell = format!("'{formula}");
        let cell = if formula.contains(['\r', '\n']) { format!("\"{cell}\"") } else { cell };
        expected.push(format!("{id},{},false,{cell},,\r\n", moment(id)));
    }
    assert_eq!(csv, expected.concat());
}

#[tokio::test]
async fn columns_follow_the_age_of_questions_not_their_order() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = pets(&test, &ada).await;
    let csv = || page(form.id, &ada).query("format", "csv");
    let header = test.text(get_responses, csv()).await.body;
    let mut db = test.db().await;
    db.rows("UPDATE questions SET position = 2 - position", &[]).await.unwrap();
    drop(db);
    assert_eq!(test.text(get_responses, csv()).await.body, header);
}

#[tokio::test]
async fn a_csv_download_does_not_go_on_after_an_edit() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = pets(&test, &ada).await;
    for _ in 0..3 {
        test.response(form.id, form.answers([json!("x")])).await;
    }
    settled(&test).await;
    let first = test.text(get_responses, page(form.id, &ada).query("format", "csv").query("limit", 2)).await;
    let after = next(&first).unwrap();
    test.db().await.rows("UPDATE surveys SET version = version + 1", &[]).await.unwrap();
    let on = |format: &str| page(form.id, &ada).query("format", format).query("after", &after);
    let answer = test.call(get_responses, on("csv")).await;
    let text = "The survey was edited during the download, and its columns may be others: begin again";
    answer.assert_problem(409, "survey_edited", text);
    // JSON has no columns.
    let answer = test.call(get_responses, on("json")).await;
    assert_eq!((answer.status, answer.body["responses"].as_array().unwrap().len()), (200, 1));
}

#[tokio::test]
async fn a_download_is_complete_while_new_responses_arrive() {
    let test = TestApp::with(|config| config.concurrency = 8).await;
    let ada = test.user("ada").await;
    let form = pets(&test, &ada).await;
    let mut before = BTreeSet::new();
    for n in 0..50 {
        before.insert(test.response(form.id, form.answers([json!(n.to_string())])).await.to_string());
    }
    let arriving = async {
        let arrivals = (0..4).map(|client| {
            let (test, form) = (&test, &form);
            async move {
                let mut arrived = BTreeSet::new();
                for n in 0..50 {
                    let id = if (client + n) % 3 == 0 {
                        test.reply(form.questions[2], json!(n)).await
                    } else {
                        test.response(form.id, form.answers([json!("new")])).await
                    };
                    arrived.insert(id.to_string());
                }
                arrived
            }
        });
        let [a, b, c, d] =
            arrivals.collect::<Vec<_>>().try_into().unwrap_or_else(|_| panic!("there are four"));
        let (a, b, c, d) = tokio::join!(a, b, c, d);
        [a, b, c, d].into_iter().flatten().collect::<BTreeSet<_>>()
    };
    let (arrived, found) = tokio::join!(arriving, download(&test, &ada, form.id, 7));
    let all: BTreeSet<_> = before.union(&arrived).cloned().collect();
    assert_eq!((arrived.len(), all.len()), (200, 250));
    assert_eq!(ids(&found).len(), found.len(), "a response came twice");
    assert!(ids(&found).is_superset(&before) && ids(&found).is_subset(&all));
    let found = download(&test, &ada, form.id, 7).await;
    assert_eq!((found.len(), ids(&found)), (250, all));
}

#[tokio::test]
async fn what_commits_late_comes_later() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = pets(&test, &ada).await;
    let early = test.response(form.id, json!({})).await.to_string();
    settled(&test).await;
    // It has its place in the order, and can't be read yet.
    let session = shared::db::session(&test.config(), None).await.unwrap();
    let late = Uuid::now_v7();
    let insert = format!(
        "BEGIN; INSERT INTO responses (id, survey_id, single, bytes, answers) VALUES ('{late}', '{}', false, 0, '{{}}')",
        form.id
    );
    session.batch_execute(&insert).await.unwrap();
    let overtaking = test.response(form.id, json!({})).await.to_string();
    let first = test.call(get_responses, page(form.id, &ada)).await;
    assert_eq!(ids(first.body["responses"].as_array().unwrap()), BTreeSet::from([early]));
    // There is more, though nothing to read: the cursor stays.
    let mut after = first.body["next"].as_str().unwrap().to_owned();
    for _ in 0..2 {
        let answer = test.call(get_responses, page(form.id, &ada).query("after", &after)).await;
        assert_eq!(answer.body, json!({"responses": [], "next": after}));
        after = answer.body["next"].as_str().unwrap().to_owned();
    }
    session.batch_execute("COMMIT").await.unwrap();
    settled(&test).await;
    let answer = test.call(get_responses, page(form.id, &ada).query("after", &after)).await;
    let found = answer.body["responses"].as_array().unwrap();
    assert_eq!(ids(found), BTreeSet::from([late.to_string(), overtaking]));
    assert_eq!(answer.body["next"], json!(null));
}

#[tokio::test]
async fn a_database_that_was_restored_elsewhere_shows_all_responses() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = pets(&test, &ada).await;
    let mut db = test.db().await;
    // Transactions far ahead of those that this server counts.
    let sql = "INSERT INTO responses (id, survey_id, single, bytes, answers, xid, created_at)
               SELECT gen_random_uuid(), $1, false, 0, '{}', (1000000000 + n)::text::xid8, now() - interval '2 minutes'
               FROM generate_series(1, 5) AS n";
    db.rows(sql, &[&form.id]).await.unwrap();
    drop(db);
    // It comes behind those that are there, though its transaction has a much smaller number.
    let new = test.response(form.id, json!({})).await.to_string();
    let newest_first = download_in_order(&test, &ada, form.id, "desc", 2).await;
    assert_eq!((newest_first.len(), in_order(&newest_first).first()), (6, Some(&new)));
    // The oldest first it waits for a minute, since nothing tells any more which transactions are still running.
    let page = test.call(get_responses, page(form.id, &ada)).await;
    assert_eq!((page.body["responses"].as_array().unwrap().len(), page.body["next"].is_string()), (5, true));
    let sql = "UPDATE responses SET created_at = created_at - interval '1 minute'";
    test.db().await.rows(sql, &[]).await.unwrap();
    let mut oldest_first = in_order(&download(&test, &ada, form.id, 2).await);
    assert_eq!((oldest_first.len(), oldest_first.last()), (6, Some(&new)));
    oldest_first.reverse();
    assert_eq!(oldest_first, in_order(&newest_first));
}

#[tokio::test]
async fn a_page_of_large_responses_is_shorter_and_nothing_is_lost() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = test.survey(&ada).questions(json!(vec![json!({"type": "x-colour"}); 10])).await;
    let large = "x\"".repeat(20_000);
    let answers: Value = form.questions.iter().map(|id| (id.to_string(), json!(large))).collect();
    for _ in 0..5 {
        test.response(form.id, answers.clone()).await;
    }
    settled(&test).await;
    for format in ["json", "ndjson", "csv"] {
        let call = || page(form.id, &ada).query("format", format).query("limit", 1000);
        let (mut pages, mut bytes, mut after) = (0, 0, None);
        loop {
            let page = test
                .text(get_responses, after.map_or_else(call, |after: String| call().query("after", after)))
                .await;
            // As the platform sends it, as text in JSON.
            let sent = serde_json::to_string(&page.body).unwrap().len();
            assert!(page.status == 200 && sent < 6 * 1024 * 1024, "{format}: {sent}");
            (pages, bytes, after) = (pages + 1, bytes + page.body.len(), next(&page));
            if after.is_none() {
                break;
            }
        }
        assert!(pages > 1 && bytes > 5 * 10 * large.len(), "{format}: {pages} {bytes}");
    }
    assert_eq!(ids(&download(&test, &ada, form.id, 1000).await).len(), 5);
}

#[tokio::test]
async fn a_response_larger_than_a_page_is_a_page_of_its_own() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = pets(&test, &ada).await;
    for _ in 0..2 {
        test.response(form.id, form.answers([json!("x")])).await;
    }
    test.db().await.rows("UPDATE responses SET bytes = 9000000", &[]).await.unwrap();
    settled(&test).await;
    let first = test.call(get_responses, page(form.id, &ada)).await;
    assert_eq!(first.body["responses"].as_array().unwrap().len(), 1);
    assert_eq!(first.body["responses"][0]["answers"], form.answers([json!("x")]));
    assert_eq!(download(&test, &ada, form.id, 100).await.len(), 2);
}

#[tokio::test]
async fn a_cursor_is_good_for_its_survey_alone() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let (form, other) = (pets(&test, &ada).await, pets(&test, &ada).await);
    for _ in 0..2 {
        test.response(form.id, json!({})).await;
    }
    settled(&test).await;
    let first = test.call(get_responses, page(form.id, &ada).query("limit", 1)).await;
    let after = first.body["next"].as_str().unwrap();
    let answer = test.call(get_responses, page(other.id, &ada).query("after", after)).await;
    answer.assert_invalid(json!({"after": "belongs to another survey"}));
    let text = "must be the `next` of an earlier answer";
    for forged in ["x", "AAAA", &after[1..], &format!("{after}AAAA"), "' OR true --"] {
        let answer = test.call(get_responses, page(form.id, &ada).query("after", forged)).await;
        answer.assert_invalid(json!({ "after": text }));
    }
}

#[tokio::test]
async fn bad_parameters_are_named() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let call = get("/surveys/x/responses").path("idSurvey", "x").bearer(&ada.access);
    let call = call.query("limit", 1001).query("format", "xml").query("order", "newest").query("page", 2);
    test.call(get_responses, call).await.assert_invalid(json!({
        "idSurvey": "must be an id (a UUID)",
        "limit": "must be a whole number from 1 to 1000",
        "format": "must be json, ndjson or csv",
        "order": "must be asc or desc",
        "page": "is unknown: there are idSurvey, format, order, limit, after",
    }));
}

#[tokio::test]
async fn responses_are_the_owners_alone() {
    let test = TestApp::new().await;
    let (ada, bob) = (test.user("ada").await, test.user("bob").await);
    for visible in [test.survey(&ada).public_stats(), test.survey(&ada).public_stats().put_aside()] {
        let answer = test.call(get_responses, page(visible.await.id, &bob)).await;
        answer.assert_problem(403, "forbidden", "User bob not permited");
    }
    let draft = test.survey(&ada).draft().public_stats().await;
    for survey in [draft.id, Uuid::now_v7()] {
        let answer = test.call(get_responses, page(survey, &bob)).await;
        answer.assert_problem(404, "not_found", "Survey doesn't exist");
    }
    assert_eq!(download(&test, &ada, draft.id, 10).await.len(), 0);
}

#[tokio::test]
async fn the_newest_come_first_completely_while_others_arrive_and_go() {
    let test = TestApp::with(|config| config.concurrency = 8).await;
    let ada = test.user("ada").await;
    let form = pets(&test, &ada).await;
    let (mut kept, mut going) = (Vec::new(), Vec::new());
    for n in 0..60 {
        let id = if n % 4 == 0 {
            test.reply(form.questions[2], json!(n)).await
        } else {
            test.response(form.id, form.answers([json!(n.to_string())])).await
        };
        if n % 3 == 0 { going.push(id) } else { kept.push(id.to_string()) }
    }
    kept.reverse();
    let arriving = async {
        let mut arrived = BTreeSet::new();
        for _ in 0..60 {
            arrived.insert(test.response(form.id, json!({})).await.to_string());
        }
        arrived
    };
    let leaving = async {
        for id in &going {
            delete(&test, &ada, form.id, *id).await;
        }
    };
    let downloading = download_in_order(&test, &ada, form.id, "desc", 7);
    let (arrived, (), found) = tokio::join!(arriving, leaving, downloading);
    let found = in_order(&found);
    let distinct: BTreeSet<&String> = found.iter().collect();
    assert_eq!(distinct.len(), found.len(), "a response came twice");
    // All that was there before and still is, in its order; of the others, perhaps.
    let before: Vec<&String> = found.iter().filter(|id| kept.contains(id)).collect();
    assert_eq!(before, kept.iter().collect::<Vec<_>>());
    let going: BTreeSet<String> = going.iter().map(ToString::to_string).collect();
    assert!(found.iter().all(|id| kept.contains(id) || arrived.contains(id) || going.contains(id)));
    // Once all is quiet, one order is the other backwards.
    let newest_first = in_order(&download_in_order(&test, &ada, form.id, "desc", 7).await);
    let mut oldest_first = in_order(&download(&test, &ada, form.id, 11).await);
    oldest_first.reverse();
    assert_eq!((newest_first.len(), &newest_first), (100, &oldest_first));
    test.assert_counted().await;
}

#[tokio::test]
async fn what_can_not_be_read_in_the_first_order_is_read_in_the_second() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = pets(&test, &ada).await;
    let early = test.response(form.id, json!({})).await.to_string();
    settled(&test).await;
    // A transaction that goes on and on, of whatever: the oldest first would have to wait for it.
    let session = shared::db::session(&test.config(), None).await.unwrap();
    session.batch_execute("BEGIN; SELECT pg_current_xact_id()").await.unwrap();
    let late = test.response(form.id, json!({})).await.to_string();
    let oldest = test.call(get_responses, page(form.id, &ada)).await.body;
    assert_eq!(in_order(oldest["responses"].as_array().unwrap()), [&*early]);
    assert!(oldest["next"].is_string());
    let newest = test.call(get_responses, page(form.id, &ada).query("order", "desc")).await.body;
    assert_eq!(in_order(newest["responses"].as_array().unwrap()), [late, early]);
    assert_eq!(newest["next"], json!(null));
    session.batch_execute("ROLLBACK").await.unwrap();
}

#[tokio::test]
async fn a_deleted_response_is_on_no_page() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let form = pets(&test, &ada).await;
    let mut left = Vec::new();
    for n in 0..6 {
        let id = test.response(form.id, form.answers([json!("x")])).await;
        if n % 2 == 0 {
            left.push(id.to_string());
        } else {
            delete(&test, &ada, form.id, id).await;
        }
    }
    settled(&test).await;
    // Its cursor is good although what it stood at has gone.
    let first = test.call(get_responses, page(form.id, &ada).query("limit", 1)).await.body;
    delete(&test, &ada, form.id, left.remove(0).parse().unwrap()).await;
    let after = first["next"].as_str().unwrap();
    let rest = test.call(get_responses, page(form.id, &ada).query("after", after)).await.body;
    assert_eq!(in_order(rest["responses"].as_array().unwrap()), left);
    for limit in [1, 2, 100] {
        assert_eq!(in_order(&download(&test, &ada, form.id, limit).await), left);
        let mut newest_first = in_order(&download_in_order(&test, &ada, form.id, "desc", limit).await);
        newest_first.reverse();
        assert_eq!(newest_first, left);
    }
    let csv = test.text(get_responses, page(form.id, &ada).query("format", "csv")).await.body;
    assert_eq!(csv.lines().count(), 1 + left.len());
}
