use super::get_answers;
use serde_json::{Value, json};
use shared::testing::{Call, TestApp, TestSurvey, User, Uuid, get};

fn page(survey: Uuid, question: Uuid, user: &User) -> Call {
    get("/surveys/x/questions/x/answers")
        .path("idSurvey", survey)
        .path("idQuestion", question)
        .bearer(&user.access)
}

async fn pets(test: &TestApp, owner: &User) -> TestSurvey {
    test.survey(owner).questions(json!([{"type": "nps"}, {"type": "x-pet"}])).await
}

/// All answers to the second question, in the order of the pages.
async fn all(test: &TestApp, owner: &User, survey: &TestSurvey, order: &str, limit: i32) -> Vec<Value> {
    let (mut answers, mut after) = (Vec::new(), String::new());
    loop {
        let call = page(survey.id, survey.questions[1], owner).query("order", order);
        let answer = test.call(get_answers, call.query("limit", limit).query("after", &after)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answers.extend(answer.body["answers"].as_array().unwrap().iter().cloned());
        match answer.body["next"].as_str() {
            Some(next) => next.clone_into(&mut after),
            None => return answers,
        }
    }
}

#[tokio::test]
async fn every_answer_comes_once_and_in_order_whatever_the_length_of_a_page() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let survey = pets(&test, &ada).await;
    let (mut expected, mut ids) = (Vec::new(), Vec::new());
    for n in 0..12 {
        if n % 3 == 0 {
            test.response(survey.id, survey.answers([json!(n % 11), json!(null)])).await;
        } else if n % 3 == 1 {
            ids.push(test.response(survey.id, survey.answers([json!(null), json!({ "n": n })])).await);
            expected.push(json!({ "n": n }));
        } else {
            ids.push(test.reply(survey.questions[1], json!(n)).await);
            expected.push(json!(n));
        }
    }
    for limit in [1, 2, 5, 12, 100] {
        let forward = all(&test, &ada, &survey, "asc", limit).await;
        assert_eq!(forward.iter().map(|item| item["answer"].clone()).collect::<Vec<_>>(), expected);
        let shown: Vec<_> =
            forward.iter().map(|item| item["idResponse"].as_str().unwrap().to_owned()).collect();
        assert_eq!(shown, ids.iter().map(ToString::to_string).collect::<Vec<_>>());
        let mut backward = all(&test, &ada, &survey, "desc", limit).await;
        backward.reverse();
        assert_eq!(backward, forward);
    }
}

#[tokio::test]
async fn only_the_owner_reads_answers() {
    let test = TestApp::new().await;
    let (ada, bob) = (test.user("ada").await, test.user("bob").await);
    let survey = pets(&test, &ada).await;
    let other = pets(&test, &ada).await;
    test.reply(survey.questions[1], json!("cat")).await;
    let answer = test.call(get_answers, page(survey.id, survey.questions[1], &bob)).await;
    answer.assert_problem(403, "forbidden", "User bob not permited");
    let anonymous = get("/surveys/x/questions/x/answers").path("idSurvey", survey.id);
    let answer = test.call(get_answers, anonymous.path("idQuestion", survey.questions[1])).await;
    answer.assert_problem(401, "missing_token", "Missing Authorization Header");
    let draft = test.survey(&ada).draft().await;
    let answer = test.call(get_answers, page(draft.id, draft.question, &bob)).await;
    answer.assert_problem(404, "not_found", "Survey doesn't exist");
    // A question of another survey, even of one's own, is none of this one.
    let answer = test.call(get_answers, page(survey.id, other.questions[1], &ada)).await;
    answer.assert_problem(404, "not_found", "Question doesn't exist");
}
