//! The web panel: its files, and what it asks, as JSON. It asks the services of gRPC in this process: who may do what, and
//! what is wrong with a request, is decided there alone.

pub mod answer;
mod api;
mod assets;
mod guard;
mod output;
mod taken;
mod task;

use std::sync::Arc;

use axum::Router;
use axum::response::Redirect;
use axum::routing::{get, post};
use tokio::sync::Semaphore;

use crate::api as services;
use crate::peer::Peer;
use crate::users::Users;

/// Histories of tasks read from the disk at once, for all pages.
const MAX_HISTORIES: usize = 2;

/// What the panel asks. Cheap to clone.
#[derive(Clone)]
pub struct Panel {
    pub tasks: Arc<services::tasks::Service>,
    pub cluster: Arc<services::cluster::Service>,
    pub queues: Arc<services::queues::Service>,
    pub operator: Arc<services::operator::Service>,
    pub peer: Arc<Peer>,
    pub users: Users,
}

/// Under `/panel/`, to where `/` leads.
pub fn pages(panel: Panel) -> Router {
    let asked = Router::new()
        .route("/cluster", get(api::cluster))
        .route("/me", get(api::me))
        .route("/history", get(api::history))
        .route("/queues", get(api::queues))
        .route("/queues/{name}", post(api::change_queue))
        .route("/tasks", get(api::list).post(api::submit))
        .route("/tasks/{id}", get(api::task))
        .route("/tasks/{id}/steps", get(api::steps))
        .route("/tasks/{id}/output", get(output::follow))
        .route("/tasks/{id}/cancel", post(api::cancel))
        .route("/tasks/{id}/retry", post(api::retry))
        .with_state(api::Asked {
            panel: panel.clone(),
            histories: Arc::new(Semaphore::new(MAX_HISTORIES)),
        });
    let files = Router::new()
        .route("/", get(|| async { Redirect::temporary("/panel/") }))
        .route("/panel", get(|| async { Redirect::temporary("/panel/") }))
        .route("/panel/", get(assets::index))
        .route("/panel/{file}", get(assets::file));
    guarded(files.nest("/panel/api", asked), panel)
}

/// Behind the rules of browsers: [`guard`].
pub fn guarded(routes: Router, panel: Panel) -> Router {
    routes.layer(axum::middleware::from_fn_with_state(panel, guard::keep))
}
