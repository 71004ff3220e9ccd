//! A run: clients that submit responses one after another, and others that read the results meanwhile.

use crate::runtime::{Answer, Function, new_id};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::Mutex,
    task::JoinSet,
    time::{Instant, sleep},
};

/// What to do.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// How long, and how much of that at first counts for no throughput: until as many answers come as requests go.
    seconds: f64,
    warm_up: f64,
    /// Functions that take responses.
    clients: Vec<usize>,
    /// Functions that give results, and the seconds from an answer of theirs to the next request.
    readers: Vec<usize>,
    pause: f64,
    /// The event of a response, without its id and answers, and that of a request for results.
    submit: Value,
    read: Value,
    /// What there is to answer: every question is answered by one of its values.
    questions: Vec<Question>,
    /// How many responses the survey has already.
    stored: u64,
}

#[derive(Deserialize)]
struct Question {
    id: String,
    values: Vec<Value>,
}

/// What came of it.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Of what was answered after the warm-up and before the end.
    per_second: f64,
    submits: Times,
    reads: Times,
    /// All that was acknowledged, also before and after; and of each question, how often each of its values.
    acknowledged: u64,
    counts: Vec<Vec<u64>>,
    /// How often something went wrong, by what it was.
    errors: BTreeMap<String, u64>,
}

/// How long requests took.
#[derive(Default, Serialize)]
struct Times {
    count: usize,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
}

/// What one client or reader knows in the end.
#[derive(Default)]
struct Part {
    submits: Vec<Duration>,
    reads: Vec<Duration>,
    acknowledged: u64,
    counts: Vec<Vec<u64>>,
    errors: BTreeMap<String, u64>,
}

/// What all of them share.
struct Shared {
    run: Run,
    warm: Instant,
    end: Instant,
    /// Responses that were sent, and those of them that were acknowledged; what was there before included.
    sent: AtomicU64,
    acknowledged: AtomicU64,
}

/// Have the clients and readers work for the time of a run, and wait for the answers to what they have sent.
pub async fn carry_out(run: Run, functions: &[Arc<Mutex<Function>>]) -> Report {
    let mut report = Report { counts: no_counts(&run.questions), ..Report::default() };
    for &number in run.clients.iter().chain(&run.readers) {
        if let Err(error) = functions[number].lock().await.ready().await {
            report.errors.insert(error, 1);
            return report;
        }
    }
    let began = Instant::now();
    let shared = Arc::new(Shared {
        warm: began + Duration::from_secs_f64(run.warm_up),
        end: began + Duration::from_secs_f64(run.seconds),
        sent: run.stored.into(),
        acknowledged: run.stored.into(),
        run,
    });
    let mut parts = JoinSet::new();
    for &number in &shared.run.clients {
        parts.spawn(submit_again_and_again(shared.clone(), functions[number].clone()));
    }
    for &number in &shared.run.readers {
        parts.spawn(read_again_and_again(shared.clone(), functions[number].clone()));
    }
    let parts = parts.join_all().await;

    let (mut submits, mut reads) = (Vec::new(), Vec::new());
    for part in parts {
        submits.extend(part.submits);
        reads.extend(part.reads);
        report.acknowledged += part.acknowledged;
        for (error, n) in part.errors {
            *report.errors.entry(error).or_default() += n;
        }
        let sums = report.counts.iter_mut().flatten();
        sums.zip(part.counts.into_iter().flatten()).for_each(|(sum, n)| *sum += n);
    }
    report.per_second = submits.len() as f64 / (shared.run.seconds - shared.run.warm_up);
    Report { submits: times(submits), reads: times(reads), ..report }
}

async fn submit_again_and_again(shared: Arc<Shared>, function: Arc<Mutex<Function>>) -> Part {
    let (run, mut function) = (&shared.run, function.lock().await);
    let mut part = Part { counts: no_counts(&run.questions), ..Part::default() };
    while Instant::now() < shared.end {
        let (id, chosen) = (new_id().to_string(), choose(&run.questions));
        let event = submission(run, &id, &chosen);
        shared.sent.fetch_add(1, Ordering::Relaxed);
        match function.call(event).await {
            Ok((took, answer)) if answer.status == 201 && answer.body.contains(&id) => {
                shared.acknowledged.fetch_add(1, Ordering::Relaxed);
                part.acknowledged += 1;
                part.counts.iter_mut().zip(chosen).for_each(|(values, value)| values[value] += 1);
                if (shared.warm..shared.end).contains(&Instant::now()) {
                    part.submits.push(took);
                }
            }
            Ok((_, answer)) => part.note(&format!("{} {}", answer.status, answer.body)),
            Err(error) => {
                part.note(&error);
                break;
            }
        }
    }
    part
}

async fn read_again_and_again(shared: Arc<Shared>, function: Arc<Mutex<Function>>) -> Part {
    let (run, mut function) = (&shared.run, function.lock().await);
    let (mut part, event) = (Part::default(), run.read.to_string());
    while Instant::now() < shared.end {
        let before = shared.acknowledged.load(Ordering::Relaxed);
        match function.call(event.clone()).await {
            Ok((took, answer)) => {
                part.reads.push(took);
                let after = shared.sent.load(Ordering::Relaxed);
                if let Err(error) = check(&answer, run.questions.len(), before, after) {
                    part.note(&error);
                }
            }
            Err(error) => {
                part.note(&error);
                break;
            }
        }
        sleep(Duration::from_secs_f64(run.pause)).await;
    }
    part
}

/// Results are of one moment: all questions have as many votes, at least what was acknowledged before they were asked for and
/// at most what had been sent when they came.
fn check(answer: &Answer, questions: usize, before: u64, after: u64) -> Result<(), String> {
    #[derive(Deserialize)]
    struct Result {
        votes: u64,
    }
    if answer.status != 200 {
        return Err(format!("{} {}", answer.status, answer.body));
    }
    let results: Vec<Result> = serde_json::from_str(&answer.body).map_err(|error| error.to_string())?;
    let votes = results.first().map_or(0, |first| first.votes);
    match results.iter().all(|each| each.votes == votes) && results.len() == questions {
        true if (before..=after).contains(&votes) => Ok(()),
        true => Err(format!("results say {votes}, between {before} and {after} is right")),
        false => Err("results of different moments".to_owned()),
    }
}

/// For each question, which of its values is the answer.
fn choose(questions: &[Question]) -> Vec<usize> {
    questions.iter().map(|question| fastrand::usize(..question.values.len())).collect()
}

fn submission(run: &Run, id: &str, chosen: &[usize]) -> String {
    let answers: Map<_, _> =
        run.questions.iter().zip(chosen).map(|(q, &value)| (q.id.clone(), q.values[value].clone())).collect();
    let mut event = run.submit.clone();
    event["pathParameters"]["idResponse"] = id.into();
    event["body"] = serde_json::json!({ "answers": answers }).to_string().into();
    event.to_string()
}

fn no_counts(questions: &[Question]) -> Vec<Vec<u64>> {
    questions.iter().map(|question| vec![0; question.values.len()]).collect()
}

fn times(mut all: Vec<Duration>) -> Times {
    all.sort_unstable();
    let ms = |percent: usize| {
        let place = (all.len() * percent / 100).min(all.len().saturating_sub(1));
        all.get(place).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
    };
    Times { count: all.len(), p50_ms: ms(50), p99_ms: ms(99), max_ms: ms(100) }
}

impl Part {
    fn note(&mut self, error: &str) {
        let short = error.chars().take(200).collect();
        *self.errors.entry(short).or_default() += 1;
    }
}
