//! The path of every request: what surrounds an endpoint on its way in and out.

use crate::{
    BoxError, Error, Request, Response, Result,
    accounts::{Caller, Claim, Keys, Kind, Refresher, Viewer},
    config::{self, Config, Cors},
    db::{Db, Pool},
    error::Code,
    http::{self, access_log, cors, gzip},
    logs,
    responses::Forms,
    values::{Secret, UserId},
};
use futures_util::{FutureExt as _, future::BoxFuture};
use lambda_http::service_fn;
use sha2::{Digest, Sha256};
use std::{
    convert::Infallible,
    mem,
    ops::Deref,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The longest a request may take, with the start of the process if that was for its sake. The gateway gives up at 30 seconds,
/// and then nobody reads our response.
pub const TIME_LIMIT: Duration = Duration::from_secs(27);

/// The longest that INIT waits for the first connection. Lambda restarts a function whose INIT takes 10 seconds; a
/// database that needs longer is waited for in the first request instead.
const WARM_UP: Duration = Duration::from_secs(5);

/// What an endpoint works with, by the type of its first parameter: [`App`], [`PublicApp`] or [`StaticApp`].
pub trait Service: Clone + Send + Sync + 'static {
    /// Read the settings, and have ready before the first request whatever can be.
    fn start() -> impl Future<Output = Result<Self, BoxError>>;

    /// Whose web pages may read the responses.
    fn cors(&self) -> Option<&Cors>;

    /// The same for one more request.
    #[must_use]
    fn for_request(&self) -> Self {
        self.clone()
    }

    /// Who is calling, once that is proven; for the log.
    fn user(&self) -> Option<UserId> {
        None
    }

    /// Whether nothing is claimed that wasn't proven.
    fn is_settled(&self) -> bool {
        true
    }
}

/// The database and the token keys. Cheap to clone, like the others: what lives as long as the process is shared.
#[derive(Clone)]
pub struct App {
    public: PublicApp,
    keys: Arc<Keys>,
    claim: Arc<Claim>,
}

/// The database, for an endpoint that has nothing to do with tokens.
#[derive(Clone)]
pub struct PublicApp {
    pool: Pool,
    forms: Arc<Forms>,
    settings: Arc<Settings>,
}

/// Nothing, for an endpoint that answers out of itself.
#[derive(Clone, Default)]
pub struct StaticApp {
    cors: Option<Cors>,
}

struct Settings {
    debugging_key: Option<Secret>,
    cors: Option<Cors>,
}

impl Service for App {
    async fn start() -> Result<Self, BoxError> {
        let config = Config::load().await?;
        let public = PublicApp::new(&config)?;
        // Both in INIT, at the same time.
        let (keys, ()) = tokio::join!(Keys::load(&config.jwt), public.warm_up());
        Ok(Self::new(public, keys?))
    }

    fn cors(&self) -> Option<&Cors> {
        self.public.cors()
    }

    fn for_request(&self) -> Self {
        Self { claim: Arc::default(), ..self.clone() }
    }

    fn user(&self) -> Option<UserId> {
        self.claim.user()
    }

    fn is_settled(&self) -> bool {
        self.claim.is_settled()
    }
}

impl Service for PublicApp {
    async fn start() -> Result<Self, BoxError> {
        let app = Self::new(&Config::load_without_keys().await?)?;
        app.warm_up().await;
        Ok(app)
    }

    fn cors(&self) -> Option<&Cors> {
        self.settings.cors.as_ref()
    }
}

impl Service for StaticApp {
    async fn start() -> Result<Self, BoxError> {
        Ok(Self { cors: config::cors_alone() })
    }

    fn cors(&self) -> Option<&Cors> {
        self.cors.as_ref()
    }
}

impl Deref for App {
    type Target = PublicApp;
    fn deref(&self) -> &PublicApp {
        &self.public
    }
}

impl App {
    /// An app with these keys.
    #[must_use]
    pub fn new(public: PublicApp, keys: Keys) -> Self {
        Self { public, keys: Arc::new(keys), claim: Arc::default() }
    }

    /// A connection and the caller, for what needs an access token. A bad token costs no connection; whether it was revoked
    /// comes out with the first statement.
    pub async fn authenticated(&self, request: &Request) -> Result<(Db, Caller)> {
        let token = self.keys.verify(http::authorization(request), Kind::Access)?;
        let mut db = self.db().await?;
        let caller = Caller::over(&mut db, &token, self.claim.clone());
        Ok((db, caller))
    }

    /// A connection and the bearer of a refresh token.
    pub async fn refreshing(&self, request: &Request) -> Result<(Db, Refresher)> {
        let token = self.keys.verify(http::authorization(request), Kind::Refresh)?;
        let mut db = self.db().await?;
        let refresher = Refresher::over(&mut db, &token, self.claim.clone());
        Ok((db, refresher))
    }

    /// Look at what anyone may see and an owner may see more of. A token that is not good is as none at all, unless there turns
    /// out to be nothing to see: then the client is told of its token.
    pub async fn view<T>(
        &self,
        request: &Request,
        look: impl for<'a> Fn(&'a mut Db, &'a Viewer) -> BoxFuture<'a, Result<T>>,
    ) -> Result<T> {
        let outcome = match self.authenticated(request).await {
            Ok((mut db, caller)) => look(&mut db, &Viewer::Caller(caller)).await,
            Err(error) => Err(error),
        };
        let Err(Error::Unauthenticated(code, text)) = outcome else { return outcome };
        self.claim.give_up();
        let viewer = Viewer::Anyone(code, text);
        let seen = look(&mut self.db().await?, &viewer).await;
        seen.map_err(|error| viewer.prefer_token_error(error))
    }

    /// The keys that sign new tokens.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.keys
    }
}

impl PublicApp {
    /// An app with these settings. Nothing is connected yet.
    pub fn new(config: &Config) -> Result<Self> {
        let settings = Settings { debugging_key: config.debugging_key.clone(), cors: config.cors.clone() };
        Ok(Self { pool: Pool::new(config)?, forms: Arc::default(), settings: Arc::new(settings) })
    }

    /// A connection.
    pub async fn db(&self) -> Result<Db> {
        self.pool.get().await
    }

    /// The forms that this process has read.
    #[must_use]
    pub fn forms(&self) -> &Forms {
        &self.forms
    }

    /// A connection for whoever has the debugging key; where the stage has none, there is nothing here.
    pub async fn debugging(&self, request: &Request) -> Result<Db> {
        let key = self.settings.debugging_key.as_ref();
        let key = key.ok_or(Error::NotFound("There is nothing here".into()))?;
        let given = http::authorization(request)
            .ok_or(Error::Unauthenticated(Code::MissingToken, "Missing Authorization Header".into()))?;
        // Of digests, so that the time it takes tells nothing of the key.
        let good = Sha256::digest(given) == Sha256::digest(format!("Bearer {}", key.expose()));
        if good {
            self.db().await
        } else {
            Err(Error::Unauthenticated(Code::InvalidToken, "This is not the debugging key".into()))
        }
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
}

/// Serve `endpoint` as this Lambda function, until the platform ends the process.
pub fn serve<A, H, F>(endpoint: H) -> Result<(), BoxError>
where
    A: Service,
    H: Fn(A, Request) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response>> + Send + 'static,
{
    let started = Instant::now();
    run(async move {
        let app = A::start().await?;
        // The first request has waited for INIT, which the time limit of the platform doesn't count, and the gateway's does.
        let in_init = Arc::new(Mutex::new(started.elapsed()));
        // Concurrent where the platform says so (Lambda Managed Instances), one request after another elsewhere.
        lambda_http::run_concurrent(service_fn(move |request| {
            let (app, endpoint) = (app.clone(), endpoint.clone());
            let waited = mem::take(&mut *in_init.lock().unwrap_or_else(PoisonError::into_inner));
            let left = TIME_LIMIT.saturating_sub(waited);
            async move { Ok::<_, Infallible>(answer(app, endpoint, request, left).await) }
        }))
        .await
    })
}

/// What every function begins with: the log and the thread that does the I/O.
pub fn run(main: impl Future<Output = Result<(), BoxError>>) -> Result<(), BoxError> {
    logs::start(config::log_level());
    let outcome = tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(main);
    outcome.inspect_err(|error| tracing::error!(cause = %error, "the function stops"))
}

/// Run `endpoint` on one request, for `limit` at most, make a response of whatever comes of it, and log that once.
///
/// The platform sees no failure: an expected one is a response, and a panic is a 500 that leaves the process alive.
pub async fn answer<A, H, F>(app: A, endpoint: H, request: Request, limit: Duration) -> Response
where
    A: Service,
    H: Fn(A, Request) -> F,
    F: Future<Output = Result<Response>>,
{
    let started = Instant::now();
    let app = app.for_request();
    let (entry, origin) = (access_log::Entry::of(&request), cors::origin(&request));
    let coding = gzip::Coding::of(&request);
    let run = AssertUnwindSafe(async { endpoint(app.clone(), request).await }).catch_unwind();
    let outcome = match tokio::time::timeout(limit, run).await {
        Ok(Ok(Ok(_))) if !app.is_settled() => Err(Error::internal("nobody asked whether the token is good")),
        Ok(Ok(outcome)) => outcome,
        Ok(Err(panic)) => Err(Error::internal(logs::panic_text(panic.as_ref()))),
        Err(_) => Err(Error::Unavailable("the time limit was reached".into())),
    };
    let (mut response, error) = match outcome {
        Ok(response) => (response, None),
        Err(error) => (Response::from(&error), Some(error)),
    };
    coding.apply(&mut response);
    if let Some(allowed) = app.cors() {
        cors::apply(allowed, origin, &mut response);
    }
    entry.write(response.status(), started.elapsed(), app.user(), error.as_ref());
    response
}
