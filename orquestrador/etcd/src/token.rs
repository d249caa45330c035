//! Who the client is to the servers.

use tokio::sync::Mutex;
use tonic::{Code, Response};

use crate::call::{Caller, MAX_MESSAGE_BYTES, Token};
use crate::failure::Failure;
use crate::proto::etcdserverpb::AuthenticateRequest;
use crate::proto::etcdserverpb::auth_client::AuthClient;
use crate::{Credentials, Error, Result};

/// The token of the user, if there is one.
#[derive(Debug)]
pub(crate) struct Tokens {
    credentials: Option<Credentials>,
    held: Mutex<Held>,
}

#[derive(Debug)]
enum Held {
    /// It has to be asked for.
    None,
    /// The servers ask nobody for it, so far.
    NotWanted,
    Some(Token),
}

impl Tokens {
    pub fn new(credentials: Option<Credentials>) -> Self {
        Self { credentials, held: Mutex::new(Held::None) }
    }

    pub fn has_user(&self) -> bool {
        self.credentials.is_some()
    }

    /// What to show; asked for if need be, by one request while the others wait for it.
    pub async fn current(&self, caller: &Caller) -> Result<Option<Token>> {
        let Some(credentials) = &self.credentials else {
            return Ok(None);
        };
        let mut held = self.held.lock().await;
        if let Held::None = *held {
            *held = authenticate(caller, credentials).await?;
        }
        Ok(match &*held {
            Held::Some(token) => Some(token.clone()),
            Held::None | Held::NotWanted => None,
        })
    }

    /// This one was refused. Whether there will be another.
    pub async fn forget(&self, refused: Option<&Token>) -> bool {
        let mut held = self.held.lock().await;
        let is_held = match &*held {
            Held::Some(token) => refused == Some(token),
            Held::NotWanted => refused.is_none(),
            Held::None => false,
        };
        // Otherwise someone else has seen the same.
        if is_held {
            *held = Held::None;
        }
        self.has_user()
    }
}

async fn authenticate(caller: &Caller, credentials: &Credentials) -> Result<Held> {
    let Credentials { user: name, password } = credentials.clone();
    let request = AuthenticateRequest { name, password };
    let send = |channel, request| async move {
        let mut client = AuthClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES);
        client.authenticate(request).await.map(Response::into_inner)
    };
    match caller.round(caller.read(), &request, None, &send).await {
        Ok((_, answer)) => {
            let unusable = |_| Error::Denied { why: "the token is no text".to_owned() };
            Ok(Held::Some(answer.token.parse().map_err(unusable)?))
        }
        Err(Failure::Final(Error::Refused { code: Code::FailedPrecondition, message }))
            if message.contains("authentication is not enabled") =>
        {
            Ok(Held::NotWanted)
        }
        Err(failure) => Err(failure.into()),
    }
}
