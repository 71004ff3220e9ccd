//! How often a request waits for the database: counted on the wire, by a proxy between the app and the server.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a broken fixture should stop the test"
)]

use serde::Deserialize;
use serde_json::{Value, json};
use shared::{
    App, PublicApp, Result,
    accounts::{Keys, Viewer, revoked_tokens},
    config::Config,
    db::Db,
    questions::{self, QuestionChanges},
    responses::{self, AnswerValue, Answers, Order},
    results,
    rules::{Definition, Definitions},
    surveys::{self, NewSurvey, SurveyChanges, Visibility},
    testing::{TestApp, get},
    values::{
        Change, Limit, QuestionId, ResponseId, SurveyId, Window,
        fields::{Given, Reading},
    },
};
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
};
use tokio_postgres::config::Host;

/// Passes everything on, and counts how often the client sends something after the server has answered.
struct Proxy {
    directory: PathBuf,
    trips: Arc<AtomicUsize>,
}

impl Proxy {
    fn start(server: PathBuf) -> Self {
        let directory = std::env::temp_dir().join(format!("trips-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let socket = directory.join(".s.PGSQL.5432");
        let _ = std::fs::remove_file(&socket);
        let (listener, trips) = (UnixListener::bind(socket).unwrap(), Arc::new(AtomicUsize::new(0)));
        let counter = trips.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = UnixStream::connect(&server).await.unwrap();
                tokio::spawn(pass_on(client, server, counter.clone()));
            }
        });
        Self { directory, trips }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

async fn pass_on(mut client: UnixStream, mut server: UnixStream, trips: Arc<AtomicUsize>) {
    let (mut sent, mut received) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut answered = true;
    loop {
        tokio::select! {
            n = client.read(&mut sent) => {
                let Ok(n @ 1..) = n else { return };
                if std::mem::replace(&mut answered, false) {
                    trips.fetch_add(1, Ordering::SeqCst);
                }
                server.write_all(&sent[..n]).await.unwrap();
            }
            n = server.read(&mut received) => {
                let Ok(n @ 1..) = n else { return };
                answered = true;
                client.write_all(&received[..n]).await.unwrap();
            }
        }
    }
}

fn value<T: for<'de> Deserialize<'de>>(json: Value) -> T {
    T::deserialize(Given::new(json, Reading::Lenient)).unwrap()
}

fn new_survey(questions: usize) -> NewSurvey {
    let question =
        json!({"content": "Which?", "type": "single_choice", "replyContent": ["a", "b", "c", "d"]});
    NewSurvey {
        name: value(json!("pets")),
        description: String::new(),
        is_active: true,
        opens: None,
        due: value(json!("2130-01-01")),
        visibility: Visibility::Public,
        public_stats: false,
        response_limit: None,
        questions: value::<Definitions>(json!(vec![question; questions])).0,
    }
}

fn edited_survey(id_survey: SurveyId, name: &str, limit: Option<i64>) -> SurveyChanges {
    SurveyChanges {
        id_survey,
        name: Some(value(json!(name))),
        desc: Change::Keep,
        is_active: None,
        opens_at: Change::Keep,
        due_date: None,
        visibility: None,
        public_stats: None,
        response_limit: Change::Set(limit.map(|limit| value(json!(limit)))),
    }
}

/// What requests do with the database, by name.
const READS: [&str; 7] =
    ["open surveys", "own surveys", "survey", "questions", "results", "responses", "response"];
const SUBMITS: [&str; 2] = ["submit", "single"];
const WRITES: [&str; 9] = [
    "add survey",
    "edit survey",
    "duplicate survey",
    "add question",
    "edit question",
    "order questions",
    "delete question",
    "delete response",
    "log out",
];

/// Things to read and to change.
struct World {
    survey: SurveyId,
    questions: Vec<QuestionId>,
    responses: Vec<ResponseId>,
}

async fn world(app: &App, token: &str, questions: usize) -> Result<World> {
    let (mut db, caller) = app.authenticated(&get("/").bearer(token).into()).await?;
    let survey = surveys::insert(&mut db, &caller, &new_survey(questions)).await?;
    let listed = questions::list(&mut db, &Viewer::Caller(caller), survey).await?.0;
    let ids = json!(listed).as_array().unwrap().iter().map(|q| value(q["id"].clone())).collect();
    let mut world = World { survey, questions: ids, responses: Vec::new() };
    for _ in 0..3 {
        let id = ResponseId::new();
        let answers = answers(&world);
        responses::submit(&mut db, app.forms(), survey, id, &answers).await?;
        world.responses.push(id);
    }
    Ok(world)
}

fn answers(world: &World) -> Answers {
    value(world.questions.iter().map(|id| (id.to_string(), json!("a"))).collect::<Value>())
}

/// Carry out one of them, as its endpoint does it.
async fn act(app: &App, token: &str, world: &mut World, name: &str) -> Result<()> {
    let (survey, question) = (world.survey, *world.questions.last().unwrap());
    let request = get("/").bearer(token).into();
    let (mut db, caller) = match name {
        "open surveys" => return surveys::list_open(&mut app.db().await?, Window::default()).await.map(drop),
        "submit" => {
            let (id, answers) = (ResponseId::new(), answers(world));
            return responses::submit(&mut app.db().await?, app.forms(), survey, id, &answers)
                .await
                .map(drop);
        }
        "single" => {
            let (mut db, answer) = (app.db().await?, AnswerValue(json!("b")));
            return responses::insert_single(&mut db, app.forms(), question, &answer).await.map(drop);
        }
        "survey" => {
            return app.view(&request, |db, v| Box::pin(surveys::find(db, v, survey))).await.map(drop);
        }
        "questions" => {
            return app.view(&request, |db, v| Box::pin(questions::list(db, v, survey))).await.map(drop);
        }
        "results" => {
            let stats = app.view(&request, |db, v| Box::pin(results::stats(db, v, survey, true)));
            return stats.await.map(drop);
        }
        _ => app.authenticated(&request).await?,
    };
    let db: &mut Db = &mut db;
    match name {
        "own surveys" => surveys::list_owned(db, &caller, Window::default()).await.map(drop),
        "responses" => {
            responses::page(db, &caller, survey, Order::Ascending, Limit::default(), None).await.map(drop)
        }
        "response" => responses::find(db, &caller, survey, world.responses[0]).await.map(drop),
        "add survey" => surveys::insert(db, &caller, &new_survey(world.questions.len())).await.map(drop),
        "edit survey" => {
            let name = world.responses.len().to_string();
            surveys::update(db, &caller, &edited_survey(survey, &name, Some(1000)), None).await.map(drop)
        }
        "duplicate survey" => surveys::duplicate(db, &caller, survey, None).await.map(drop),
        "add question" => {
            let question = Definition::new(value(json!("Why?")), value(json!("short_text")), None, None)?;
            world.questions.push(questions::insert(db, &caller, survey, &question).await?);
            Ok(())
        }
        "edit question" => {
            let changes = QuestionChanges {
                content: Some(value(json!(format!("Why? {question}")))),
                r#type: None,
                required: None,
                reply_content: Change::Keep,
            };
            questions::update(db, &caller, question, &changes, None).await.map(drop)
        }
        "order questions" => {
            world.questions.rotate_left(1);
            questions::order(db, &caller, survey, &world.questions, None).await.map(drop)
        }
        "delete question" => {
            world.questions.pop();
            questions::delete(db, &caller, question, None).await.map(drop)
        }
        "delete response" => {
            let response = world.responses.pop().unwrap();
            responses::delete(db, &caller, survey, response).await
        }
        "log out" => revoked_tokens::insert(db, &caller).await,
        _ => panic!("{name}?"),
    }
}

#[tokio::test]
async fn a_read_or_a_submit_waits_once_for_the_database_and_any_other_write_twice() {
    let test = TestApp::new().await;
    let ada = test.user("ada").await;
    let mut config: Config = test.config();
    let Host::Unix(directory) = &config.database.get_hosts()[0] else { panic!("a server on a Unix socket") };
    let proxy = Proxy::start(directory.join(".s.PGSQL.5432"));
    let mut database = tokio_postgres::Config::new();
    database.host_path(&proxy.directory).dbname(config.database.get_dbname().unwrap());
    database.user(config.database.get_user().unwrap());
    config.database = database;
    let keys = || async { Keys::load(&test.config().jwt).await.unwrap() };
    for prepare in [true, false] {
        config.prepare = prepare;
        let app = App::new(PublicApp::new(&config).unwrap(), keys().await);
        // Whatever the number of questions and answers.
        for questions in [1, 50] {
            let mut world = world(&app, &ada.access, questions).await.unwrap();
            for (names, most) in [(&READS[..], 1), (&SUBMITS, 1), (&WRITES, 2)] {
                for name in names {
                    // A token of its own for each, since one of them ends it.
                    let token = || test.token_of(chrono::Utc::now(), shared::accounts::Kind::Access, &ada);
                    // Its statements are prepared once a connection, and forms are read once.
                    act(&app, &token(), &mut world, name).await.unwrap();
                    for submit in SUBMITS {
                        act(&app, &token(), &mut world, submit).await.unwrap();
                    }
                    let before = proxy.trips.load(Ordering::SeqCst);
                    act(&app, &token(), &mut world, name).await.unwrap();
                    let trips = proxy.trips.load(Ordering::SeqCst) - before;
                    assert!((1..=most).contains(&trips), "{name}: {trips}");
                }
            }
        }
    }
    test.assert_counted().await;
}
