//! One request, at one endpoint after the other until it is answered or nobody is left.

use std::future::Future;
use std::time::Duration;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::endpoints::Endpoints;
use crate::failure::Failure;
use crate::token::Tokens;
use crate::{Error, Options, Result};

pub(crate) type Token = MetadataValue<Ascii>;

/// An answer of any size that we ask for.
pub(crate) const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// What a request may do when it is sent twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing more than when it is sent once.
    Same,
    /// Something else: it is sent again only when the first certainly did nothing.
    Other,
}

/// What all clones of a client share.
#[derive(Debug)]
pub(crate) struct Caller {
    pub endpoints: Endpoints,
    pub timeout: Duration,
    tokens: Tokens,
}

/// How a request is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    pub effect: Effect,
    /// At one endpoint.
    pub timeout: Duration,
    /// A member without a leader refuses at once, instead of waiting for one.
    pub needs_leader: bool,
}

impl Caller {
    pub fn new(options: Options) -> Result<Self> {
        let endpoints = Endpoints::new(&options)?;
        Ok(Self { endpoints, timeout: options.timeout, tokens: Tokens::new(options.credentials) })
    }

    pub fn read(&self) -> Manner {
        Manner { effect: Effect::Same, timeout: self.timeout, needs_leader: true }
    }

    pub fn write(&self) -> Manner {
        Manner { effect: Effect::Other, ..self.read() }
    }

    /// What the request is answered, and by which endpoint.
    pub async fn call<Req, Res, Answer>(
        &self,
        manner: Manner,
        request: Req,
        send: impl Fn(Channel, Request<Req>) -> Answer,
    ) -> Result<(usize, Res)>
    where
        Req: Clone,
        Answer: Future<Output = std::result::Result<Res, Status>>,
    {
        let token = self.tokens.current(self).await?;
        match self.round(manner, &request, token.clone(), &send).await {
            Err(Failure::Token(_)) if self.tokens.forget(token.as_ref()).await => {
                let token = self.tokens.current(self).await?;
                Ok(self.round(manner, &request, token, &send).await.map_err(Error::from)?)
            }
            done => Ok(done.map_err(Error::from)?),
        }
    }

    /// The same with this token.
    pub async fn round<Req, Res, Answer>(
        &self,
        manner: Manner,
        request: &Req,
        token: Option<Token>,
        send: &impl Fn(Channel, Request<Req>) -> Answer,
    ) -> std::result::Result<(usize, Res), Failure>
    where
        Req: Clone,
        Answer: Future<Output = std::result::Result<Res, Status>>,
    {
        let mut last = Failure::NotDone("there is no endpoint".to_owned());
        for at in self.endpoints.in_turn() {
            match self.attempt(at, manner, request.clone(), token.clone(), send).await {
                Ok(answer) => {
                    self.endpoints.stay(at);
                    return Ok((at, answer));
                }
                // Of several reasons the one that will not pass by itself.
                Err(failure @ (Failure::NotDone(_) | Failure::Unsure(_) | Failure::Tls(_))) => {
                    if !matches!(last, Failure::Tls(_)) {
                        last = failure;
                    }
                }
                Err(failure @ (Failure::Token(_) | Failure::Oversized(_) | Failure::Final(_))) => {
                    return Err(failure);
                }
            }
        }
        Err(last)
    }

    /// One endpoint, once.
    pub async fn attempt<Req, Res, Answer>(
        &self,
        at: usize,
        manner: Manner,
        request: Req,
        token: Option<Token>,
        send: &impl Fn(Channel, Request<Req>) -> Answer,
    ) -> std::result::Result<Res, Failure>
    where
        Answer: Future<Output = std::result::Result<Res, Status>>,
    {
        let Some(channel) = self.endpoints.channel(at) else {
            return Err(Failure::NotDone("there is no such endpoint".to_owned()));
        };
        let mut request = Request::new(request);
        if let Some(token) = token {
            request.metadata_mut().insert("token", token);
        }
        if manner.needs_leader {
            request.metadata_mut().insert("hasleader", MetadataValue::from_static("true"));
        }
        let failure = match tokio::time::timeout(manner.timeout, send(channel, request)).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(status)) => Failure::of(&status),
            Err(_) => Failure::Unsure(format!("no answer within {:?}", manner.timeout)),
        };
        if failure.is_of_endpoint() {
            self.endpoints.leave(at);
        }
        Err(match (failure, manner.effect) {
            (Failure::Unsure(why) | Failure::Oversized(why), Effect::Other) => {
                Failure::Final(Error::Unknown { why })
            }
            (failure, _) => failure,
        })
    }

    /// One request to the endpoint with that number, as the user.
    pub async fn call_at<Req, Res, Answer>(
        &self,
        at: usize,
        manner: Manner,
        request: Req,
        send: impl Fn(Channel, Request<Req>) -> Answer,
    ) -> Result<Res>
    where
        Req: Clone,
        Answer: Future<Output = std::result::Result<Res, Status>>,
    {
        let token = self.tokens.current(self).await?;
        match self.attempt(at, manner, request.clone(), token.clone(), &send).await {
            Err(Failure::Token(_)) if self.tokens.forget(token.as_ref()).await => {
                let token = self.tokens.current(self).await?;
                Ok(self.attempt(at, manner, request, token, &send).await?)
            }
            done => Ok(done?),
        }
    }

    /// A refusal may be of a token that is too old.
    pub fn has_user(&self) -> bool {
        self.tokens.has_user()
    }
}
