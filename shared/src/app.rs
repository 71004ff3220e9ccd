//! The path of every request: what surrounds an endpoint on its way in and out.

use crate::{
    Error, Reply, Request, Result,
    auth::{Caller, Keys, Kind, Reader, Refresher},
    config::{self, Config},
    db::{Db, Pool},
    logs,
};
use futures_util::FutureExt as _;
use lambda_http::service_fn;
use std::{
    convert::Infallible,
    panic::AssertUnwindSafe,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};
use uuid::Uuid;

/// The longest a request may take. The gateway gives up at 30 seconds, and then nobody reads our answer.
const TIME_LIMIT: Duration = Duration::from_secs(27);

/// The longest that INIT waits for the first connection. Lambda restarts a function whose INIT takes 10 seconds; a
/// database that needs longer is waited for in the first request instead.
const WARM_UP: Duration = Duration::from_secs(5);

/// What an endpoint works with. Cheap to clone: what lives as long as the process is shared.
#[derive(Clone)]
pub struct App {
    process: Arc<Process>,
    /// Who is calling, once that is proven; for the log.
    user: Arc<OnceLock<Uuid>>,
}

struct Process {
    pool: Pool,
    keys: Option<Keys>,
    debugging: bool,
}

impl App {
    /// An app with these settings. Nothing is connected yet.
    pub fn new(config: &Config, keys: Option<Keys>) -> Result<Self> {
        let process = Process { pool: Pool::new(config)?, keys, debugging: config.debugging };
        Ok(Self { process: Arc::new(process), user: Arc::default() })
    }

    /// A connection, for what anyone may do.
    pub async fn db(&self) -> Result<Db> {
        self.process.pool.get().await
    }

    /// A connection and the caller, for what needs an access token. A bad token costs no connection.
    pub async fn authenticated(&self, request: &Request) -> Result<(Db, Caller)> {
        let token = self.keys()?.verify(request, Kind::Access)?;
        let db = self.db().await?;
        let caller = Caller::prove(&db, token).await?;
        let _ = self.user.set(caller.user);
        Ok((db, caller))
    }

    /// A connection and the reader, for what anyone may do and an owner may do more with.
    pub async fn recognized(&self, request: &Request) -> Result<(Db, Reader)> {
        match self.authenticated(request).await {
            Ok((db, caller)) => Ok((db, Reader::Known(caller))),
            Err(refusal @ Error::Unauthenticated(..)) => Ok((self.db().await?, Reader::Anyone(refusal))),
            Err(error) => Err(error),
        }
    }

    /// A connection and the bearer of a refresh token.
    pub async fn refreshing(&self, request: &Request) -> Result<(Db, Refresher)> {
        let token = self.keys()?.verify(request, Kind::Refresh)?;
        let db = self.db().await?;
        let refresher = Refresher::prove(&db, token).await?;
        let _ = self.user.set(refresher.user);
        Ok((db, refresher))
    }

    /// The keys that sign new tokens.
    pub fn keys(&self) -> Result<&Keys> {
        self.process.keys.as_ref().ok_or_else(|| Error::internal("served without keys: use shared::serve"))
    }

    /// Connect in INIT, which no request waits for. Where that fails, the first request tries again.
    async fn warm_up(&self) {
        let cause = match tokio::time::timeout(WARM_UP, self.db()).await {
            Ok(Ok(_)) => return,
            Ok(Err(error)) => logs::cause(&error),
            Err(_) => "it did not answer in time".to_owned(),
        };
        tracing::warn!(cause, "no database yet");
    }

    /// Go on only where the stage allows debugging; elsewhere there is nothing here.
    pub fn debugging(&self) -> Result<()> {
        if self.process.debugging { Ok(()) } else { Err(Error::NotFound("There is nothing here".into())) }
    }
}

/// Serve `endpoint` as this Lambda function, until the platform ends the process.
pub fn serve<H, F>(endpoint: H) -> Result<(), lambda_http::Error>
where
    H: Fn(App, Request) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Reply>> + Send + 'static,
{
    run(async move {
        let config = Config::load().await?;
        let app = App::new(&config, None)?;
        // Both in INIT, at the same time.
        let (keys, ()) = tokio::join!(Keys::load(&config.jwt), app.warm_up());
        let process =
            Process { keys: Some(keys?), pool: app.process.pool.clone(), debugging: config.debugging };
        poll(App { process: Arc::new(process), ..app }, endpoint).await
    })
}

/// Serve an `endpoint` that has nothing to do with tokens, without access to the keys.
pub fn serve_public<H, F>(endpoint: H) -> Result<(), lambda_http::Error>
where
    H: Fn(App, Request) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Reply>> + Send + 'static,
{
    run(async move {
        let app = App::new(&Config::load_without_keys().await?, None)?;
        app.warm_up().await;
        poll(app, endpoint).await
    })
}

/// What every function begins with: the log and the thread that does the I/O.
pub fn run(main: impl Future<Output = Result<(), lambda_http::Error>>) -> Result<(), lambda_http::Error> {
    logs::start(config::log_level());
    let outcome = tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(main);
    outcome.inspect_err(|error| tracing::error!(cause = %error, "the function stops"))
}

async fn poll<H, F>(app: App, endpoint: H) -> Result<(), lambda_http::Error>
where
    H: Fn(App, Request) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Reply>> + Send + 'static,
{
    // Concurrent where the platform says so (Lambda Managed Instances), one request after another elsewhere.
    lambda_http::run_concurrent(service_fn(move |request| {
        let (app, endpoint) = (app.clone(), endpoint.clone());
        async move { Ok::<_, Infallible>(answer(app, endpoint, request).await) }
    }))
    .await
}

/// Run `endpoint` on one request, make a reply of whatever comes of it, and log that once.
///
/// The platform sees no failure: an expected one is an answer, and a panic is a 500 that leaves the process alive.
pub async fn answer<H, F>(app: App, endpoint: H, request: Request) -> Reply
where
    H: Fn(App, Request) -> F,
    F: Future<Output = Result<Reply>>,
{
    let started = Instant::now();
    let app = App { user: Arc::default(), ..app };
    let line = logs::Line::of(&request);
    let run = AssertUnwindSafe(async { endpoint(app.clone(), request).await }).catch_unwind();
    let outcome = match tokio::time::timeout(TIME_LIMIT, run).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(panic)) => Err(Error::internal(logs::panic_text(panic.as_ref()))),
        Err(_) => Err(Error::Unavailable("the time limit was reached".into())),
    };
    let (reply, error) = match outcome {
        Ok(reply) => (reply, None),
        Err(error) => (Reply::from(&error), Some(error)),
    };
    line.write(reply.status(), started.elapsed(), app.user.get(), error.as_ref());
    reply
}
