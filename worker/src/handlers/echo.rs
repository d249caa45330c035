//! Gives the payload back.

use futures::future::BoxFuture;

use super::{Context, Failure, Handler};

/// `echo`
pub struct Echo;

impl Handler for Echo {
    fn name(&self) -> &str {
        "echo"
    }

    fn run(&self, _: Context, payload: Vec<u8>) -> BoxFuture<'static, Result<Vec<u8>, Failure>> {
        Box::pin(async move { Ok(payload) })
    }

    fn run_inline(&self, payload: Vec<u8>) -> Result<Vec<u8>, Vec<u8>> {
        Ok(payload)
    }
}
