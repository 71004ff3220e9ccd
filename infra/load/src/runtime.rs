//! The Runtime API, and the functions behind it.

use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    http,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{net::TcpListener, sync::mpsc, sync::oneshot, time::timeout};
use uuid::Uuid;

/// How long a function may take, as in infra/template.yaml; it answers by itself before that.
const PATIENCE: Duration = Duration::from_secs(29);

/// Where a function comes in: it polls for events, and brings answers.
pub struct Entrance {
    polls: mpsc::UnboundedSender<oneshot::Sender<String>>,
    answers: mpsc::UnboundedSender<Result<Bytes, String>>,
}

/// A function that runs somewhere, to be called.
pub struct Function {
    polls: mpsc::UnboundedReceiver<oneshot::Sender<String>>,
    answers: mpsc::UnboundedReceiver<Result<Bytes, String>>,
    /// The poll that waits for the next event.
    poll: Option<oneshot::Sender<String>>,
}

/// What a function answered: a response of HTTP, as the gateway takes it.
#[derive(Deserialize)]
pub struct Answer {
    #[serde(rename = "statusCode")]
    pub status: u16,
    #[serde(default)]
    pub body: String,
}

pub fn pair() -> (Entrance, Function) {
    let ((polls, polled), (answers, answered)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
    (Entrance { polls, answers }, Function { polls: polled, answers: answered, poll: None })
}

impl Function {
    /// Wait until it polls.
    pub async fn ready(&mut self) -> Result<(), String> {
        if self.poll.as_ref().is_none_or(oneshot::Sender::is_closed) {
            let poll = timeout(PATIENCE, self.polls.recv()).await.map_err(|_| "a function does not poll")?;
            self.poll = poll;
        }
        Ok(())
    }

    /// What it answers to an event, and how long that took from the moment that it got the event.
    pub async fn call(&mut self, event: String) -> Result<(Duration, Answer), String> {
        self.ready().await?;
        let poll = self.poll.take().ok_or("the Runtime API has ended")?;
        let began = Instant::now();
        poll.send(event).map_err(|_| "a function has hung up")?;
        let answer = timeout(PATIENCE, self.answers.recv()).await.map_err(|_| "no answer in 29 s")?;
        let took = began.elapsed();
        let body = answer.ok_or("the Runtime API has ended")??;
        Ok((took, serde_json::from_slice(&body).map_err(|error| error.to_string())?))
    }
}

/// Serve the Runtime API for as long as the program runs.
pub async fn serve(listener: TcpListener, entrances: Arc<[Entrance]>) {
    while let Ok((stream, _)) = listener.accept().await {
        let entrances = entrances.clone();
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let service = service_fn(move |request| respond(request, entrances.clone()));
            // It ends with its function, which is killed in the middle of a poll.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// `/{number}/2018-06-01/runtime/invocation/next`, `…/invocation/{id}/response`, `…/invocation/{id}/error`, `…/init/error`.
async fn respond(
    request: Request<Incoming>,
    entrances: Arc<[Entrance]>,
) -> Result<Response<Full<Bytes>>, Box<dyn Error + Send + Sync>> {
    let (number, rest) = request.uri().path()[1..].split_once('/').ok_or("no number")?;
    let entrance = entrances.get(number.parse::<usize>()?).ok_or("no such function")?;
    if rest.ends_with("/next") {
        let (poll, event) = oneshot::channel();
        entrance.polls.send(poll)?;
        return Ok(invocation(event.await?)?);
    }
    let failed = rest.ends_with("/error");
    let body = request.into_body().collect().await?.to_bytes();
    entrance.answers.send(if failed { Err(String::from_utf8_lossy(&body).into()) } else { Ok(body) })?;
    Ok(Response::builder().status(StatusCode::ACCEPTED).body(Full::default())?)
}

fn invocation(event: String) -> Result<Response<Full<Bytes>>, http::Error> {
    Response::builder()
        .header("lambda-runtime-aws-request-id", new_id().to_string())
        .header("lambda-runtime-deadline-ms", "99999999999999")
        .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:local:0:function:x")
        .header("content-type", "application/json")
        .body(event.into())
}

/// A random UUID, as the clients of the README make them.
pub fn new_id() -> Uuid {
    uuid::Builder::from_random_bytes(fastrand::u128(..).to_ne_bytes()).into_uuid()
}
